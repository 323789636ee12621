"""Pictures are well-formed, and hold what they were given and nothing that would run."""

import xml.etree.ElementTree as ET

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tinybert import figures

NAMES = st.text(
    st.characters(exclude_categories=["Cs", "Cc"], exclude_characters="\ufffe\uffff"), min_size=1
)
POSITIVE = st.floats(1e-6, 1e6)


def parsed(text) -> ET.Element:
    return ET.fromstring(str(text).replace("→", "-"))


@given(st.dictionaries(NAMES, st.lists(st.tuples(POSITIVE, st.floats(-1e6, 1e6)), max_size=5)))
def test_any_curves_can_be_drawn(lines):
    lines = {name: sorted(points) for name, points in lines.items()}
    drawn = parsed(figures.curves(lines, "steps"))
    assert len(drawn.findall("polyline")) == sum(bool(points) for points in lines.values())
    for line in drawn.findall("polyline"):
        for pair in line.get("points").split():
            x, y = map(float, pair.split(","))
            assert 0 <= x <= figures.WIDTH and 0 <= y <= figures.HEIGHT


@given(st.dictionaries(NAMES, st.tuples(POSITIVE, st.floats(0, 1)), min_size=1, max_size=8))
def test_any_points_can_be_drawn(points):
    drawn = parsed(figures.scatter(points, "ms", "accuracy"))
    circles = drawn.findall("circle")
    assert len(circles) == len(points)
    assert all(0 <= float(c.get("cx")) <= figures.WIDTH for c in circles)
    shown = [text.text for text in drawn.findall("text")]
    assert set(points) <= set(shown)


def test_what_is_faster_is_to_the_left_and_what_is_better_is_above():
    drawn = parsed(figures.scatter({"slow": (100.0, 0.9), "fast": (1.0, 0.5)}, "ms", "accuracy"))
    slow, fast = drawn.findall("circle")
    assert float(fast.get("cx")) < float(slow.get("cx"))
    assert float(fast.get("cy")) > float(slow.get("cy"))


@given(st.lists(NAMES, min_size=1, max_size=4, unique=True), st.floats(0, 1e6))
def test_any_table_can_be_shown(names, value):
    values = [[value] * len(names) for _ in names]
    drawn = parsed(figures.heat(values, names, names, "caption"))
    assert [th.text for th in drawn.iter("th")][: len(names)] == names
    assert len(list(drawn.iter("td"))) == 1 + len(names) ** 2


@pytest.mark.parametrize("hostile", ["<script>alert(1)</script>", '"><img src=x onerror=alert(1)>'])
def test_hostile_names_stay_text(hostile):
    for drawn in (
        figures.curves({hostile: [(1.0, 1.0)]}, hostile),
        figures.scatter({hostile: (1.0, 1.0)}, hostile, hostile),
        figures.heat([[1.0]], [hostile], [hostile], hostile),
    ):
        assert "<script" not in drawn and "<img" not in drawn
