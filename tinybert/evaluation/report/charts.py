"""Charts as inline SVG, drawn by matplotlib; texts and axes have the text colour of the page.

No text lies inside of the axes: legends are above them, so that no label covers a line or a point.
"""

import io
import re
from collections.abc import Sequence

from markupsafe import Markup
from matplotlib import rc_context
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter, LogLocator, MaxNLocator, NullFormatter

TEXT = "#010203"  # replaced by the page's text colour
STYLE = {
    "svg.fonttype": "none", "font.size": 10, "axes.spines.top": False, "axes.spines.right": False,
    "text.color": TEXT, "axes.labelcolor": TEXT, "axes.edgecolor": TEXT, "xtick.color": TEXT,
    "ytick.color": TEXT, "legend.frameon": False, "legend.columnspacing": 1,
    "legend.handlelength": 1.5, "lines.linewidth": 1.3,
}  # fmt: skip
WIDTH = 4.6  # inches: at 400 px, a text is as high as one of the page's tables
FEW = 30  # points of a line that are also drawn as dots
DECADE = 10  # an axis is logarithmic from this ratio of its largest to its smallest value on
MARKERS = "osD^vPX*"

Points = Sequence[tuple[float, float]]


def curves(losses: dict[str, Points], dev: dict[str, Points], name: str) -> Markup:
    """Losses by step; and below, if there are any, scores on dev, in percent.

    losses, dev: (step, value) points by series. A series of both has one colour. name: of the
    chart, unique on the page.
    """
    # A logarithmic axis cannot show 0, such as the hard loss of rows without labels.
    losses = {
        label: [point for point in points if point[1] > 0] for label, points in losses.items()
    }
    dev = {label: points for label, points in dev.items() if points}
    with rc_context({**STYLE, "svg.hashsalt": name}):
        figure = _figure(2.6 + 1.2 * bool(dev))
        rows = figure.subplots(
            1 + bool(dev), sharex=True, squeeze=False, height_ratios=[2, 1][: 1 + bool(dev)]
        )[:, 0]
        colours = {label: f"C{i}" for i, label in enumerate({**losses, **dev})}
        for label, points in losses.items():
            _line(rows[0], points, colours[label], label)
        rows[0].set_ylabel("loss")
        _scale(rows[0].yaxis, [value for points in losses.values() for _, value in points])
        if dev:
            rows[1].set_ylabel("dev, %")
            for label, points in dev.items():
                percent = [(step, 100 * value) for step, value in points]
                _line(rows[1], percent, colours[label], "" if label in losses else label)
        rows[-1].set_xlabel("step")
        rows[-1].xaxis.set_major_locator(MaxNLocator(5, steps=[1, 2, 5, 10], integer=True))
        rows[-1].xaxis.set_major_formatter("{x:,.0f}")
        _legend(figure, columns=4 if max(map(len, colours), default=0) < 12 else 2)
        return _svg(figure)


def trade_off(
    points: dict[str, tuple[float, float, tuple[float, float]]],
    levels: dict[str, float],
    x: str,
    y: str,
    name: str,
) -> Markup:
    """Models by what they cost and how good they are.

    points: (cost, score, (low, high)) by model. levels: the scores of models of unknown cost, which
    are lines. x, y: the axes' labels. name: of the chart, unique on the page.
    """
    with rc_context({**STYLE, "svg.hashsalt": name}):
        figure = _figure(3.6)
        axes = figure.subplots()
        axes.set(xlabel=x, ylabel=y)
        for i, (label, (cost, score, (low, high))) in enumerate(points.items()):
            axes.vlines(cost, low, high, color=f"C{i}", alpha=0.5)
            # Hollow and of different forms: models of equal cost and score are seen both.
            axes.plot(
                cost, score, MARKERS[i % len(MARKERS)], color=f"C{i}", markerfacecolor="none",
                markersize=8, label=label,
            )  # fmt: skip
        for i, (label, score) in enumerate(levels.items(), len(points)):
            axes.axhline(score, color=f"C{i}", linestyle=("--", ":", "-.")[i % 3], label=label)
        costs = [cost for cost, *_ in points.values()]
        _scale(axes.xaxis, costs)
        if axes.get_xscale() == "linear" and costs:
            axes.set_xlim(0, 1.08 * max(costs))
        _legend(figure, columns=2)
        return _svg(figure)


def lines(series: dict[str, Points], x: str, y: str, name: str, diagonal: bool = False) -> Markup:
    """Lines over percentages. diagonal: whether to draw y = x, where calibrated models are. name:
    of the chart, unique on the page."""
    with rc_context({**STYLE, "svg.hashsalt": name}):
        figure = _figure(2.8)
        axes = figure.subplots()
        axes.set(xlabel=x, ylabel=y, xlim=(-2, 102))
        if diagonal:
            axes.set_ylim(-2, 102)
            axes.plot([0, 100], [0, 100], ":", color=TEXT, label="calibrated")
        for i, (label, points) in enumerate(series.items()):
            _line(axes, points, f"C{i}", label)
        _legend(figure, columns=3)
        return _svg(figure)


def _figure(height: float) -> Figure:
    return Figure(figsize=(WIDTH, height), layout="constrained")


def _line(axes: Axes, points: Points, colour: str, label: str) -> None:
    if points:
        marker = "." if len(points) <= FEW else ""
        axes.plot(*zip(*points, strict=True), marker=marker, color=colour, label=label or "_")


def _scale(axis, values: list[float]) -> None:
    """Logarithmic if the values spread widely; ticks are plain numbers, without 10^n."""
    positive = [value for value in values if value > 0]
    spread = max(positive) / min(positive) if positive else 1
    if spread >= DECADE:
        axis.axes.set(**{f"{axis.axis_name}scale": "log"})
        steps = (1, 2, 5) if spread < DECADE**2 else (1,)
        axis.set_major_locator(LogLocator(subs=steps, numticks=6))
        axis.set_minor_formatter(NullFormatter())
    axis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))


def _legend(figure: Figure, columns: int) -> None:
    handles = [handle for axes in figure.axes for handle in axes.get_legend_handles_labels()[0]]
    if handles:
        legend = figure.legend(
            handles=handles, loc="outside upper left", ncols=min(columns, len(handles))
        )
        for text in legend.get_texts():
            text.set_parse_math(False)


def _svg(figure: Figure) -> Markup:
    stream = io.StringIO()
    figure.savefig(stream, format="svg", transparent=True, metadata={"Date": None})
    text = stream.getvalue()
    text = text[text.index("<svg") :].replace(TEXT, "currentColor")
    text = re.sub(r"<metadata>.*?</metadata>", "", text, flags=re.DOTALL)
    # Groups have the same ids in each chart. The ids that are used depend on the hashsalt.
    text = re.sub(r'<g id="[^"]*"', "<g", text)
    return Markup(re.sub(r' xmlns(:\w+)?="[^"]*"| (?:width|height)="[\d.]+pt"', "", text))
