// What is wrong with the layout of a page, as lists of messages. argument: the width of the window.
const width = arguments[0];
for (const details of document.querySelectorAll("details")) details.open = true;

const nodes = [];
const walker = document.createTreeWalker(document.body ?? document.documentElement, NodeFilter.SHOW_TEXT);
while (walker.nextNode()) {
  const parent = walker.currentNode.parentElement;
  const hidden = !parent.checkVisibility() || ["SCRIPT", "STYLE", "TITLE"].includes(parent.tagName);
  if (walker.currentNode.data.trim() && !hidden) nodes.push(walker.currentNode);
}

// The visible part of a rectangle in a container that scrolls.
function clipped(rect, node) {
  const container = node.parentElement.closest(".wide");
  const scrolls = container && getComputedStyle(container).overflowX !== "visible";
  const box = scrolls ? container.getBoundingClientRect() : null;
  const left = Math.max(rect.left, box?.left ?? -Infinity);
  const right = Math.min(rect.right, box?.right ?? Infinity);
  const top = Math.max(rect.top, box?.top ?? -Infinity);
  const bottom = Math.min(rect.bottom, box?.bottom ?? Infinity);
  return { left, right, top, bottom };
}

function rectangles(node) {
  const text = node.parentElement.closest("text");
  if (text) return [text.getBoundingClientRect()];
  const range = document.createRange();
  range.selectNodeContents(node);
  return [...range.getClientRects()].map((rect) => clipped(rect, node));
}

function overlap(a, b, slack = 2) {
  const across = Math.min(a.right, b.right) - Math.max(a.left, b.left);
  const down = Math.min(a.bottom, b.bottom) - Math.max(a.top, b.top);
  return across > slack && down > slack;
}

const boxes = nodes.flatMap((node) => rectangles(node).map((rect) => ({ node, rect })));
boxes.sort((a, b) => a.rect.top - b.rect.top);
const overlaps = [];
for (let i = 0; i < boxes.length; i++) {
  for (let j = i + 1; j < boxes.length && boxes[j].rect.top < boxes[i].rect.bottom; j++) {
    if (boxes[i].node !== boxes[j].node && overlap(boxes[i].rect, boxes[j].rect)) {
      overlaps.push(`${boxes[i].node.data.trim()} / ${boxes[j].node.data.trim()}`);
    }
  }
}

const outside = boxes.filter(({ rect }) => rect.left < -1 || rect.right > width + 1);
const overflows = outside.map(({ node }) => node.data.trim());
if (document.documentElement.scrollWidth > width) overflows.push("the page");

const broken = [];
for (const node of nodes) {
  // Chinese breaks anywhere; and what hardly a column could hold must break.
  const short = node.data.replace(/\S{21,}|\p{Script=Han}+/gu, (long) => " ".repeat(long.length));
  for (const match of short.matchAll(/[\p{L}\p{N}][\p{L}\p{N}.,%_]*/gu)) {
    const range = document.createRange();
    range.setStart(node, match.index);
    range.setEnd(node, match.index + match[0].length);
    const tops = new Set([...range.getClientRects()].map((rect) => Math.round(rect.top)));
    if (tops.size > 1) broken.push(match[0]);
  }
}

const covered = [];
for (const svg of document.querySelectorAll("svg")) {
  const picture = svg.getBoundingClientRect();
  const marks = [...svg.querySelectorAll("[clip-path]")].map((mark) => mark.getBoundingClientRect());
  for (const text of svg.querySelectorAll("text")) {
    const rect = text.getBoundingClientRect();
    const inside = rect.left >= picture.left - 1 && rect.right <= picture.right + 1 &&
      rect.top >= picture.top - 1 && rect.bottom <= picture.bottom + 1;
    if (!inside) covered.push(`${text.textContent} is outside of its picture`);
    if (marks.some((mark) => overlap(rect, mark))) covered.push(`${text.textContent} is on a line`);
  }
}
const small = [...document.querySelectorAll("svg text")].filter((text) => text.getBoundingClientRect().height < 9);

// Red, green, blue and how opaque, of a computed colour.
function colour(text) {
  const numbers = text.match(/[\d.]+/g)?.map(Number) ?? [0, 0, 0, 0];
  return numbers.length > 3 ? numbers : [...numbers, 1];
}

function above([red, green, blue, opaque], under) {
  return [red, green, blue].map((part, i) => opaque * part + (1 - opaque) * under[i]);
}

// The background of an element: the window's colour and what its ancestors lay above it.
function background(element) {
  const layers = [];
  for (let node = element; node; node = node.parentElement) {
    const { backgroundColor, backgroundImage } = getComputedStyle(node);
    layers.unshift(colour(backgroundColor));
    const gradient = backgroundImage.match(/rgba?\([^)]*\)/);
    if (gradient) layers.splice(1, 0, colour(gradient[0]));
  }
  return layers.reduce((under, layer) => above(layer, under), canvas);
}

// As the Web Content Accessibility Guidelines define it.
function luminance(rgb) {
  const [red, green, blue] = rgb.map((part) => {
    const share = part / 255;
    return share <= 0.04045 ? share / 12.92 : ((share + 0.055) / 1.055) ** 2.4;
  });
  return 0.2126 * red + 0.7152 * green + 0.0722 * blue;
}

const probe = document.documentElement.appendChild(document.createElement("i"));
probe.style.backgroundColor = "Canvas";
const canvas = colour(getComputedStyle(probe).backgroundColor).slice(0, 3);
probe.remove();

const faint = [];
for (const node of nodes) {
  const element = node.parentElement;
  const style = getComputedStyle(element);
  const under = background(element);
  const text = above(colour(element.closest("svg") ? style.fill : style.color), under);
  const [dark, light] = [luminance(text), luminance(under)].sort((a, b) => a - b);
  const contrast = (light + 0.05) / (dark + 0.05);
  if (contrast < 4.5) faint.push(`${node.data.trim()}: ${contrast.toFixed(1)}`);
}

const prose = document.querySelectorAll("p, li, summary, figcaption, .prose td, .prose th, .texts td");
const ragged = [...prose].filter((part) => !["left", "start"].includes(getComputedStyle(part).textAlign));

return {
  overlaps, overflows, broken, covered, faint, texts: boxes.length, dark: luminance(canvas) < 0.1,
  small: small.map((text) => text.textContent), ragged: ragged.map((part) => part.textContent),
};
