"""Charts as inline SVG, drawn by matplotlib; texts and axes have the text colour of the page."""

import io
import re
from collections.abc import Sequence

from markupsafe import Markup
from matplotlib import rc_context
from matplotlib.figure import Figure

TEXT = "#010203"  # replaced by the page's text colour
STYLE = {
    "svg.fonttype": "none", "font.size": 9, "axes.spines.top": False, "axes.spines.right": False,
    "text.color": TEXT, "axes.labelcolor": TEXT, "axes.edgecolor": TEXT, "xtick.color": TEXT,
    "ytick.color": TEXT, "legend.frameon": False, "axes.titlesize": 9,
}  # fmt: skip

Points = Sequence[tuple[float, float]]


def curves(lines: dict[str, Points], name: str) -> Markup:
    """Losses by step on a logarithmic axis; the series `dev`, if any, on a separate linear axis.

    lines: (step, value) points by series. name: of the chart, unique on the page.
    """
    with rc_context({**STYLE, "svg.hashsalt": name}):
        figure = Figure(figsize=(5, 2.6), layout="constrained")
        axes = figure.subplots()
        axes.set(xlabel="step", ylabel="loss", yscale="log")
        losses = {label: points for label, points in lines.items() if label != "dev"}
        for i, (label, points) in enumerate(losses.items()):
            # A logarithmic axis cannot show 0, such as the hard loss of rows without labels.
            positive = [(step, value) for step, value in points if value > 0]
            if positive:
                axes.plot(*zip(*positive, strict=True), marker=".", color=f"C{i}", label=label)
        if axes.lines:
            for text in axes.legend().get_texts():
                text.set_parse_math(False)
        if points := lines.get("dev"):
            dev = axes.twinx()
            dev.set_ylabel("score on dev")
            dev.plot(*zip(*points, strict=True), "o--", color="C9", markersize=4)
        return _svg(figure)


def scatter(points: dict[str, tuple[float, float]], x: str, y: str, name: str) -> Markup:
    """Named points; x is logarithmic. name: of the chart, unique on the page."""
    with rc_context({**STYLE, "svg.hashsalt": name}):
        figure = Figure(figsize=(5, 3.2), layout="constrained")
        axes = figure.subplots()
        axes.set(xlabel=x, ylabel=y, xscale="log")
        axes.margins(x=0.3, y=0.15)
        for label, (across, up) in points.items():
            axes.plot(across, up, "o")
            axes.annotate(
                label, (across, up), xytext=(5, 4), textcoords="offset points", parse_math=False
            )
        return _svg(figure)


def _svg(figure: Figure) -> Markup:
    stream = io.StringIO()
    figure.savefig(stream, format="svg", transparent=True, metadata={"Date": None})
    text = stream.getvalue()
    text = text[text.index("<svg") :].replace(TEXT, "currentColor")
    text = re.sub(r"<metadata>.*?</metadata>", "", text, flags=re.DOTALL)
    # Groups have the same ids in each chart. The ids that are used depend on the hashsalt.
    text = re.sub(r'<g id="[^"]*"', "<g", text)
    return Markup(re.sub(r' xmlns(:\w+)?="[^"]*"| (?:width|height)="[\d.]+pt"', "", text))
