"""Charts show the points and texts that they were given, and nothing that would run."""

import re
import string
import xml.etree.ElementTree as ET

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tiny import HOSTILE

from tinybert.evaluation.report import charts

SERIES = st.text(string.ascii_letters + string.digits + "<>&\"'$\\{}^ ", min_size=1).map(str.strip)
POSITIVE = st.floats(1e-6, 1e6)
DEV = "#2ca02c"


def parse(chart: str) -> ET.Element:
    """Raises ParseError if the chart is not well-formed. The page's HTML needs no namespaces."""
    return ET.fromstring(f'<page xmlns:xlink="link">{chart}</page>')


def curves_of(chart: str) -> dict[str, list[tuple[float, float]]]:
    """The drawn lines, (x, y) points by colour; y grows downwards."""
    lines = {}
    for path in parse(chart).iter("path"):
        colour = re.search(r"stroke: (#\w{6})", path.get("style", ""))
        if path.get("clip-path") and colour:
            numbers = [float(n) for n in re.findall(r"-?\d+(?:\.\d+)?", path.get("d"))]
            lines[colour[1]] = list(zip(numbers[::2], numbers[1::2], strict=True))
    return lines


def markers_of(chart: str) -> list[tuple[float, float]]:
    """The points inside of the axes."""
    groups = [g for g in parse(chart).iter("g") if g.get("clip-path")]
    uses = [use for group in groups for use in group.iter("use")]
    return [(float(use.get("x")), float(use.get("y"))) for use in uses]


def texts_of(chart: str) -> list[str]:
    return ["".join(text.itertext()) for text in parse(chart).iter("text")]


def test_each_point_of_each_series_is_drawn_at_its_place():
    """Losses that spread widely on a logarithmic axis, scores on dev on a linear one below."""
    lines = {
        "attention": [(1, 100.0), (2, 10.0), (4, 1.0)],
        "hidden": [(1, 1.0), (2, 100.0)],
    }
    chart = charts.curves(lines, {"dev": [(1, 0.2), (3, 0.4), (4, 0.6)]}, "name")
    drawn = curves_of(chart)
    assert set(drawn) == {"#1f77b4", "#ff7f0e", DEV}
    attention, hidden, dev = (drawn[colour] for colour in ("#1f77b4", "#ff7f0e", DEV))
    (x1, y1), (x2, y2), (x4, y4) = attention
    assert x4 - x2 == pytest.approx(2 * (x2 - x1), abs=0.01)
    assert y4 - y2 == pytest.approx(y2 - y1, abs=0.01) and y2 > y1
    assert hidden == [(x1, y4), (x2, y1)]
    assert [x for x, _ in dev] == pytest.approx([x1, (x2 + x4) / 2, x4], abs=0.01)
    assert dev[0][1] - dev[1][1] == pytest.approx(dev[1][1] - dev[2][1], abs=0.01)
    assert min(y for _, y in dev) > max(y1, y4)
    assert len(markers_of(chart)) == 3 + 2 + 3
    assert {"attention", "hidden", "dev, %", "loss", "step"} <= set(texts_of(chart))


def test_losses_that_hardly_differ_are_on_a_linear_axis_with_plain_numbers():
    chart = charts.curves({"loss": [(1, 0.8), (2, 0.7), (3, 0.6)]}, {}, "name")
    [points] = curves_of(chart).values()
    assert points[1][1] - points[0][1] == pytest.approx(points[2][1] - points[1][1], abs=0.01)
    for low in (1e-4, 0.05, 3.0):
        chart = charts.curves({"loss": [(1, 40 * low), (5000, low)]}, {}, "name")
        assert not any("\u00d7" in text or "$" in text for text in texts_of(chart))
        assert "4,000" in texts_of(chart)


def test_a_run_has_the_colour_of_its_losses_in_the_scores():
    runs = {"A": [(1, 1.0), (2, 0.5)], "B": [(1, 0.9), (2, 0.6)]}
    paths = [p for p in parse(charts.curves(runs, runs, "name")).iter("path") if p.get("clip-path")]
    colours = [re.search(r"stroke: (#\w{6})", path.get("style"))[1] for path in paths]
    assert colours[:2] == colours[2:] and len(set(colours)) == 2
    assert texts_of(charts.curves(runs, runs, "name")).count("A") == 1


@settings(max_examples=8)
@given(
    st.dictionaries(
        SERIES.filter(bool),
        st.lists(st.tuples(st.integers(1, 9999), st.just(0.0) | POSITIVE), min_size=1, max_size=5),
        max_size=3,
    )
)
def test_any_curves_can_be_drawn(lines):
    lines = {name: sorted(points) for name, points in lines.items()}
    chart = charts.curves(lines, {}, "name")
    positive = {name: [p for p in points if p[1] > 0] for name, points in lines.items()}
    assert len(markers_of(chart)) == sum(map(len, positive.values()))
    assert {name for name, points in positive.items() if points} <= set(texts_of(chart))


POINT = st.tuples(POSITIVE, st.floats(0, 100), st.just((0.0, 100.0)))


@settings(max_examples=8)
@given(
    st.dictionaries(SERIES.filter(bool), POINT, max_size=6),
    st.dictionaries(st.text("XYZ", min_size=9), st.floats(0, 100), max_size=3),
)
def test_any_points_can_be_drawn(points, levels):
    chart = charts.trade_off(points, levels, "ms", "accuracy", "name")
    assert len(markers_of(chart)) == len(points)
    assert {*points, *levels, "ms", "accuracy"} <= set(texts_of(chart))


def test_a_faster_model_is_to_the_left_and_a_better_one_is_above():
    costs = {"slow": (100.0, 90), "fast": (1.0, 50), "between": (10.0, 70)}
    points = {label: (x, y, (y - 5, y + 5)) for label, (x, y) in costs.items()}
    slow, fast, between = markers_of(charts.trade_off(points, {}, "ms", "accuracy", "name"))
    assert fast[0] < slow[0] and fast[1] > slow[1]
    assert between[0] == pytest.approx((fast[0] + slow[0]) / 2, abs=0.01)  # logarithmic


@pytest.mark.parametrize(
    "lines", [{}, {"hard": [(1, 0.0), (2, 0.0)]}, {"loss": []}, {"loss": [(1, float("nan"))]}]
)
def test_a_chart_without_positive_values_has_no_points(lines):
    chart = charts.curves(lines, {"dev": []}, "name")
    assert markers_of(chart) == [] and curves_of(chart) == {}
    assert "step" in texts_of(chart)


def test_calibrated_models_are_on_the_diagonal():
    chart = charts.lines(
        {"student": [(0, 0), (50, 50), (100, 100)]}, "x", "y", "name", diagonal=True
    )
    paths = [p.get("d") for p in parse(chart).iter("path") if p.get("clip-path")]
    ends = [[float(n) for n in re.findall(r"-?\d+(?:\.\d+)?", path)] for path in paths]
    assert ends[0] == [*ends[1][:2], *ends[1][-2:]]
    assert "calibrated" in texts_of(chart)


@pytest.mark.parametrize(
    "hostile", [HOSTILE, "<script>alert(1)</script>", '"></svg><b>', "$\\frac$"]
)
def test_hostile_texts_stay_text(hostile):
    for chart in (
        charts.curves({hostile: [(1.0, 1.0)]}, {}, hostile),
        charts.trade_off({hostile: (1.0, 1.0, (0, 2))}, {}, "ms", "accuracy", hostile),
        charts.lines({hostile: [(1.0, 1.0)]}, "x", "y", hostile),
    ):
        assert hostile in texts_of(chart)
        assert {element.tag for element in parse(chart).iter()} <= {
            "page", "svg", "defs", "style", "g", "path", "use", "text", "tspan", "clipPath", "rect"
        }  # fmt: skip


def both(name: str) -> list[str]:
    return [
        charts.curves({"loss": [(1, 3.0), (2, 1.0)]}, {"dev": [(1, 0.5)]}, name),
        charts.trade_off({"teacher": (1.0, 50, (40, 60))}, {"linear": 45}, "ms", "accuracy", name),
    ]


def fills_of(element: ET.Element, fill: str = "") -> list[str]:
    """The colours of all texts; groups pass theirs on."""
    match = re.search(r"fill: ([^;]+)", element.get("style", ""))
    fill = match[1] if match else fill
    inner = [colour for child in element for colour in fills_of(child, fill)]
    return [fill, *inner] if element.tag == "text" else inner


def test_texts_and_axes_have_the_text_colour_of_the_page():
    for chart in both("name"):
        assert set(fills_of(parse(chart))) == {"currentColor"}
        assert "stroke: currentColor" in chart
        assert "#000000" not in chart and charts.TEXT not in chart


def test_a_chart_refers_to_nothing_outside_of_itself():
    for chart in both("name"):
        assert "http:" not in chart and "https:" not in chart
        ids = {element.get("id") for element in parse(chart).iter()}
        links = {target[1:] for target in re.findall(r'href="([^"]*)"', chart)}
        links |= {target[1:] for target in re.findall(r"url\(([^)]*)\)", chart)}
        assert links and links <= ids


def test_the_ids_of_two_charts_on_a_page_differ_and_are_the_same_in_each_run():
    def ids(chart: str) -> set[str]:
        return {element.get("id") for element in parse(chart).iter()} - {None}

    for first, again, second in zip(both("a"), both("a"), both("b"), strict=True):
        assert first == again
        assert ids(first) and not ids(first) & ids(second)
