"""The embedded default: a corpus and a task, from the docstrings of the installed libraries.

Every installation of the pipeline has its libraries, and their docstrings are megabytes of careful
English. The task: which library does this paragraph document? Nothing is imported: `ast` parses
the sources in path order, so the same libraries give the same files everywhere.
"""

import ast
import gc
import importlib.util
import random
import re
import sys
import warnings
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path

import numpy as np
from sklearn.feature_extraction.text import CountVectorizer
from tqdm import tqdm

from tinybert.pipeline.errors import InputError
from tinybert.pipeline.schema import Docs

MIN_CHARACTERS, MAX_CHARACTERS = 60, 4000  # of a paragraph
CONTAINMENT = 0.5  # near-duplicates share this part of the shorter one's word 3-grams
EXCLUDED_PARTS = r"_?tests?|_?testing|_?vendor(ed)?|_?externals?|extern|third_party|array_api_\w+"
NICKNAMES = {  # a library's names besides its import name
    "huggingface_hub": ["hugging face", "huggingface", "hf"],
    "matplotlib": ["pyplot", "pylab", "plt", "mpl"],
    "networkx": ["nx"],
    "numpy": ["np"],
    "pandas": ["pd"],
    "sklearn": ["scikit"],
    "transformers": ["hugging face", "huggingface", "hf"],
}

TO_BLANK_LINE = r".*(?:\n *\S.*)*"
DEEPER = r"(?:\n(?:\1 +\S.*| *$))*"  # the following lines that are indented deeper than group 1
NO_PROSE = [  # (pattern, replacement) for a whole docstring, applied in this order
    (r"^ *(```|~~~)(?s:.*?)(?:^ *\1.*$|\Z)", ""),
    (r"^( *)\.\. (?:note|warning|tip|hint|important|caution|attention)::", r"\n\1  "),
    (r"^( *)(.*)::$" + DEEPER, r"\1\2:\n"),  # a literal block
    (r"^( *)(?:\.\.(?: |$)|@\w|:[a-zA-Z][^:`]*:(?=\s|$)).*" + DEEPER, ""),  # directives, fields
    (r"^ *(?:>>>|In \[\d)" + TO_BLANK_LINE, ""),
    (r"^.*\n *([=\-~^\"'`*#+.:_])\1{2,}$", ""),  # an underlined title
    (r"^ *(?:#+ |\||\+[-=]|[=\-]{2,} +[=\-]{2}).*$", ""),  # other titles, tables
]
BULLET = r"(?:[-*+•]|\(?(?:\d{1,2}|[a-zA-Z])[.)]|#\.) +"
HEADER = (
    r"(?:[\w.,*/`\"'\[\]-]+ *\(.*?\) *(?::|--)"  # "x (int): the width"
    r"|[\w*`\"'{][^:(]{0,60}? :"  # "x : int, optional"
    r"|[\w.,*/`\"'-]+(?:\[.*?\])?(?: *->.*)?:)(?: +|$)"  # "x: the width", "Returns:"
)
INLINE = [  # (pattern, replacement) for markup within a paragraph, applied in this order
    (r"``(.+?)``", r"\1"),
    (r"(?::[\w+.-]+)+:(?=`)", ""),  # :class:
    (r"\[(`[^`\]]+`)\]", r"\1"),  # [`a.b.C`], as transformers writes it
    (r"!?\[([^\]\[]+)\]\([^()\s]*\)", r"\1"),  # [text](link)
    (r"`([^`<]+?) *<[^`>]*>`_*", r"\1"),  # `text <link>`_
    (r"`~[^`]*?([^`.]+)`", r"\1"),  # `~a.b.C`
    (r"`(?:!|\.(?=[A-Z]))?([^`]+)`_*", r"\1"),
    (r" *\[[\w#*.-]+\]_", ""),  # a footnote's mark
    (r"(?<![\w*\\])\*{1,3}(?=[^\s*])([^*]+?)(?<=\S)\*{1,3}(?![\w*])", r"\1"),
    (r"(?<!\w)\|([A-Za-z][\w -]*)\|(?!\w)", r"\1"),
    (r"</?[A-Za-z]+ ?/?>", ""),
    (r"\\([*_`|<>\s])", r"\1"),
    (r"^\w+ *\((?:[^()]|\([^()]*\))*\) *(?::|--) +", ""),  # a header after a bullet
]
NEVER = r"[\x00-\x1f\x7f-\x9f\ufeff\ud800-\udfff`{}]|://|>>>|%\(|\\[a-z]|[Cc]opyright"
WORD = r"[(\"'\[]*[A-Za-z][A-Za-z'’-]*[)\]\"',.;:!?]*"
FUNCTION_WORD = r"(?i:the|an?|of|to|in|is|are|be|for|and|or|if|with|as|by|on|from|that|this|it|not)"


def paragraphs(package: str) -> list[str]:
    """The prose paragraphs of a package's docstrings, 60 to 4000 characters, in source order.

    package: the import name. A docstring repeated within the package counts once. Files that this
    Python cannot parse are skipped, with a warning. Raises InputError if it is not installed.
    """
    return [text for doc in dict.fromkeys(_docstrings(package)) for text in _clean(doc)]


def drop_near_duplicates(texts: list[str], threshold: float = CONTAINMENT) -> list[int]:
    """Indices, ascending, of texts that are not near-duplicates of an earlier text in the result.

    Near-duplicates share at least `threshold` of the word 3-grams of the text that has fewer.
    """
    if not texts:
        return []
    has = CountVectorizer(binary=True, analyzer=_shingles).fit_transform(texts)  # (texts, 3-grams)
    sizes = has.sum(axis=1).A1
    is_kept = np.ones(len(texts), dtype=bool)
    for start in range(0, len(texts), 2048):  # blocks bound the memory
        others = np.flatnonzero(is_kept[: start + 2048])
        shared = (has[start : start + 2048] @ has[others].T).tocoo()  # (block, others): counts
        row, other = shared.row + start, others[shared.col]
        near = (other < row) & (shared.data / np.minimum(sizes[row], sizes[other]) >= threshold)
        for i, j in sorted(zip(row[near].tolist(), other[near].tolist(), strict=True)):
            is_kept[i] &= not is_kept[j]
    return np.flatnonzero(is_kept).tolist()


def harvest(settings: Docs | None, seed: int, root: Path = Path("data/raw")) -> None:
    """Writes the task, root/pydocs/{train,dev,test,unlabeled}.tsv, and the corpus,
    root/docs_corpus/PACKAGE.txt.

    settings: the section `docs`. A task text has min_characters to max_characters and does not name
    its library, which is its label. Each library has the same share of every split; the shares are
    equal unless a library has too few paragraphs. The corpus has every paragraph that is not in dev
    or test, one per line. No two paragraphs are near-duplicates. Removes the corpus folder's older
    text files. Raises InputError if a library is not installed or there are too few paragraphs.
    """
    if settings is None:
        raise InputError("params.yaml has no section docs, which the embedded default needs")
    task_folder, corpus_folder = root / "pydocs", root / "docs_corpus"
    if missing := set(settings.labels).difference(settings.packages):
        raise InputError(
            f"docs.labels: add {sorted(missing)} to docs.packages, or remove them here"
        )
    for package in settings.packages:
        _folder(package)  # raises for a missing package now, not after half a minute
    texts, library = [], []
    with ProcessPoolExecutor() as pool:
        results = pool.map(paragraphs, settings.packages)
        bar = tqdm(results, desc="reading docstrings", unit="package", total=len(settings.packages))
        texts_of = dict(zip(settings.packages, bar, strict=True))
    for package, package_texts in texts_of.items():
        texts += package_texts
        library += [package] * len(package_texts)
    distinct = drop_near_duplicates(texts)

    candidates = {label: [] for label in settings.labels}
    for i in distinct:
        has_length = settings.min_characters <= len(texts[i]) <= settings.max_characters
        if library[i] in candidates and has_length and not _names(texts[i], library[i]):
            candidates[library[i]].append(i)
    rng = random.Random(seed)
    rows = {name: getattr(settings, f"{name}_rows") for name in ("test", "dev", "train")}
    sample = _draw(candidates, sum(rows.values()), rng)
    rest = sorted(set().union(*candidates.values()).difference(sample))
    held_out = set(sample[: rows["test"] + rows["dev"]])
    for name, size in rows.items():
        split, sample = sample[:size], sample[size:]
        rng.shuffle(split)
        lines = [f"{texts[i]}\t{library[i]}" for i in split]
        _write(task_folder / f"{name}.tsv", ["text\tlabel", *lines])
    unlabeled = rng.sample(rest, min(settings.unlabeled_rows, len(rest)))
    _write(task_folder / "unlabeled.tsv", ["text", *(texts[i] for i in unlabeled)])

    for older in corpus_folder.glob(
        "*.txt"
    ):  # an earlier harvest's may contain this one's test rows
        older.unlink()
    for package in settings.packages:
        corpus = [texts[i] for i in distinct if library[i] == package and i not in held_out]
        _write(corpus_folder / f"{package}.txt", corpus)


def _folder(package: str) -> Path:
    # find_spec would import the parent of a dotted name
    spec = importlib.util.find_spec(package) if package.isidentifier() else None
    if package in sys.stdlib_module_names or spec is None or not spec.parent or not spec.origin:
        raise InputError(
            f"docs.packages: {package!r} is not an installed package outside the standard library; "
            "pip install it, or remove it from params.yaml"
        )
    return Path(spec.origin).parent


def _docstrings(package: str) -> list[str]:
    folder, docstrings, unreadable = _folder(package), [], []
    for parts in sorted(path.relative_to(folder).parts for path in folder.rglob("*.py")):
        if any(re.fullmatch(EXCLUDED_PARTS, part) for part in parts):
            continue
        gc.disable()  # halves the time: a tree has many objects and no cycles
        try:
            with warnings.catch_warnings(action="ignore"):  # invalid escapes in old sources
                tree = ast.parse(folder.joinpath(*parts).read_bytes())
            docstrings += _docstrings_in(tree)
        except (SyntaxError, ValueError):  # ValueError: null bytes
            unreadable.append("/".join(parts))
        finally:
            gc.enable()
    if unreadable:
        warnings.warn(f"{package}: skipped files that cannot be parsed: {unreadable}", stacklevel=2)
    return docstrings


def _docstrings_in(node: ast.AST) -> Iterator[str]:
    if isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef):
        yield ast.get_docstring(node, clean=False) or ""  # cleaning differs between Python versions
    for child in ast.iter_child_nodes(node):
        if isinstance(child, ast.stmt | ast.excepthandler):
            yield from _docstrings_in(child)


def _clean(doc: str) -> list[str]:
    first, *rest = (line.rstrip() for line in doc.expandtabs().split("\n"))
    margin = min((_indent(line) for line in rest if line), default=0)
    text = "\n".join([first.lstrip(), *(line[margin:] for line in rest)])
    for pattern, replacement in NO_PROSE:
        text = re.sub(pattern, replacement, text, flags=re.MULTILINE)
    clean = []
    for block in _blocks(text.split("\n")):
        text = " ".join(block)
        if len(text) < MIN_CHARACTERS:
            continue  # about half of all blocks
        for pattern, replacement in INLINE:
            text = re.sub(pattern, replacement, text)
        text = " ".join(text.split())
        if _is_prose(text):
            clean.append(text)
    return clean


def _blocks(lines: list[str]) -> list[list[str]]:
    """The lines of each paragraph, list item and description, without bullets and headers."""
    blocks, start = [[]], 0  # start: the indentation of the last block
    headed = ""  # the header, such as "x (int):", before it
    hanging = False  # whether its other lines may be indented deeper
    for line in lines:
        text, indent = line.strip(), _indent(line)
        if not text or indent < start:
            blocks.append([])
        bullet, header = re.match(BULLET, text), None
        if not bullet and (not blocks[-1] or (headed and indent <= start)):
            header = re.match(HEADER, text)
        if marker := bullet or header:
            blocks.append([])
            text = text[marker.end() :]
        if not blocks[-1]:
            start, headed = indent + bool(bullet), header[0] if header else ""
            hanging = bool(bullet) or "(" in headed
        elif (
            indent > start
            and not hanging
            and len(blocks[-1]) == 1
            and (" :" in headed or len(blocks[-1][0].split()) < 8)
        ):
            blocks[-1], start, headed = [], indent, ""  # a term or type; its description follows
        if text and not (bullet and " " not in text):
            blocks[-1].append(text)
    return blocks


def _indent(line: str) -> int:
    return len(line) - len(line.lstrip())


def _is_prose(text: str) -> bool:
    words = text.split()
    plain = sum(bool(re.fullmatch(WORD, word)) for word in words)
    function = sum(bool(re.fullmatch(FUNCTION_WORD, word)) for word in words)
    return (
        MIN_CHARACTERS <= len(text) <= MAX_CHARACTERS
        and text[0].isalpha()
        and not re.search(NEVER, text)
        and plain >= 0.75 * len(words)
        and function >= 0.12 * len(words)
        and not re.fullmatch(FUNCTION_WORD, words[-1])  # continues in code that was removed
    )


def _shingles(text: str) -> list[str]:
    words = re.findall(r"\w+", text.casefold())
    return [" ".join(words[i : i + 3]) for i in range(max(1, len(words) - 2))]


def _names(text: str, package: str) -> bool:
    """Whether a text names a library; names of up to four letters must be whole words."""
    names = [package, package.replace("_", " "), package.replace("_", "-")]
    names = [re.escape(name) for name in names + NICKNAMES.get(package, [])]
    names = [name if len(name) > 4 else rf"(?<![a-z0-9]){name}(?![a-z0-9])" for name in names]
    return re.search("|".join(names), text, re.IGNORECASE) is not None


def _draw(candidates: dict[str, list[int]], rows: int, rng: random.Random) -> list[int]:
    """`rows` candidates, interleaved so that any slice has the same share of each library."""
    available = {label: len(indices) for label, indices in candidates.items()}
    if rows > sum(available.values()) or 0 in available.values():
        raise InputError(
            f"docs.train_rows + docs.dev_rows + docs.test_rows are {rows}, but there are only "
            f"{sum(available.values())} paragraphs, {available}: ask for fewer rows, widen "
            "docs.min_characters to docs.max_characters, or change docs.labels"
        )
    ranked = []
    for n, label in enumerate(sorted(available, key=available.get)):  # small libraries first
        quota = min(available[label], (rows - len(ranked)) // (len(available) - n))
        chosen = rng.sample(candidates[label], quota)
        ranked += [(rank / quota, i) for rank, i in enumerate(chosen)]
    return [i for _, i in sorted(ranked)]


def _write(path: Path, lines: list[str]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("\n".join([*lines, ""]), encoding="utf-8", newline="\n")
