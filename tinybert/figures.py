"""Pictures for a page, as SVG and HTML that needs no network and no script.

Colours are the page's own variables, so that they suit a bright and a dark one. Whatever stands in
them is escaped.
"""

import math
from collections.abc import Sequence

from markupsafe import Markup, escape

WIDTH, HEIGHT, MARGIN = 480, 240, 44  # of a drawing, in its own units
COLOURS = 6  # --c0, --c1, ... on the page

Points = Sequence[tuple[float, float]]


def curves(lines: dict[str, Points], x: str) -> Markup:
    """Lines by name, over a common axis named x. Each line's own highest value is at the top:
    losses of different kinds differ by orders of magnitude."""
    lines = {name: points for name, points in lines.items() if points}
    right = max((points[-1][0] for points in lines.values()), default=1) or 1
    parts = [_axis(x, f"{right:g}")]
    for i, (name, points) in enumerate(lines.items()):
        top = max(y for _, y in points) or 1
        path = " ".join(
            f"{_across(px / right):.1f},{_up(max(0.0, py) / top):.1f}" for px, py in points
        )
        colour = f"var(--c{i % COLOURS})"
        parts.append(Markup('<polyline points="{}" style="stroke:{}"/>').format(path, colour))
        shown = f"{name}: {points[0][1]:.3g} to {points[-1][1]:.3g}, at most {top:.3g}"
        parts.append(
            Markup('<text x="{}" y="{}" text-anchor="end" style="fill:{}">{}</text>').format(
                WIDTH - 4, 14 + 15 * i, colour, shown
            )
        )
    return _drawing(parts, f"curves of {', '.join(lines)}")


def scatter(points: dict[str, tuple[float, float]], x: str, y: str) -> Markup:
    """Named points: x on a logarithmic axis, y between the lowest and the highest."""
    logs = {name: math.log10(px) for name, (px, _) in points.items()}
    low, high = min(logs.values()), max(logs.values())
    ys = [py for _, py in points.values()]
    bottom, top = min(ys), max(ys)
    ends = f"{10**low:.3g} to {10**high:.3g}"
    parts = [_axis(f"{x}, {ends} (logarithmic)", "")]
    parts.append(
        Markup('<text x="4" y="14">{}, {} to {}</text>').format(y, f"{bottom:.3g}", f"{top:.3g}")
    )
    for i, (name, (px, py)) in enumerate(points.items()):
        across = _across(0.05 + 0.75 * (math.log10(px) - low) / ((high - low) or 1))
        up = _up(0.08 + 0.8 * (py - bottom) / ((top - bottom) or 1))
        title = f"{name}: {px:.3g}, {py:.3g}"
        parts.append(
            Markup(
                '<circle cx="{0:.1f}" cy="{1:.1f}" r="5" style="fill:var(--c{2})">'
                '<title>{3}</title></circle><text x="{4:.1f}" y="{5:.1f}">{6}</text>'
            ).format(across, up, i % COLOURS, title, across + 8, up + 4, name)
        )
    return _drawing(parts, f"{y} against {x}")


def heat(
    values: Sequence[Sequence[float]], rows: Sequence[str], columns: Sequence[str], caption: str
) -> Markup:
    """A table whose cells are the darker, the greater their share of the greatest value."""
    most = max((value for row in values for value in row), default=1) or 1
    head = Markup("").join(Markup('<th scope="col">{}</th>').format(name) for name in columns)
    lines = []
    for name, row in zip(rows, values, strict=True):
        cells = Markup("").join(
            Markup('<td style="--share:{0:.0f}%" title="{1} → {2}: {3}">{3}</td>').format(
                100 * value / most, name, column, f"{value:g}" if value >= 1 else f"{value:.2f}"
            )
            for column, value in zip(columns, row, strict=True)
        )
        lines.append(Markup('<tr><th scope="row">{}</th>{}</tr>').format(name, cells))
    return Markup(
        '<div class="wide"><table class="heat"><caption>{}</caption>'
        "<tr><td></td>{}</tr>{}</table></div>"
    ).format(caption, head, Markup("").join(lines))


def _across(share: float) -> float:
    return MARGIN + share * (WIDTH - MARGIN)


def _up(share: float) -> float:
    return HEIGHT - MARGIN / 2 - share * (HEIGHT - MARGIN)


def _axis(name: str, end: str) -> Markup:
    base = HEIGHT - MARGIN / 2
    return Markup(
        '<line x1="{0}" y1="{1}" x2="{2}" y2="{1}"/><text x="{0}" y="{3}">{4}</text>'
        '<text x="{2}" y="{3}" text-anchor="end">{5}</text>'
    ).format(MARGIN, base, WIDTH, base + 16, name, end)


def _drawing(parts: list[Markup], title: str) -> Markup:
    return Markup('<svg viewBox="0 0 {} {}" role="img" aria-label="{}">{}</svg>').format(
        WIDTH, HEIGHT, escape(title), Markup("").join(parts)
    )
