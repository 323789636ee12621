"""Which teacher layer teaches which student layer."""

import pytest

from tinybert.layer_map import layer_map


def test_uniform_is_the_papers():
    assert layer_map("uniform", 4, 12) == [3, 6, 9, 12]  # g(m) = 3m, paper §4.1
    assert layer_map("uniform", 6, 12) == [2, 4, 6, 8, 10, 12]
    assert layer_map("uniform", 2, 2) == [1, 2]


def test_a_list_is_taken_as_it_is_and_needs_no_divisibility():
    assert layer_map([1, 4, 5], 3, 5) == [1, 4, 5]


@pytest.mark.parametrize(
    ("spec", "students", "teachers", "message"),
    [
        ("uniform", 4, 6, "multiple"),
        ([1, 2], 3, 6, "2 entries"),
        ([0, 2, 4], 3, 6, "between 1 and 6"),
        ([2, 4, 7], 3, 6, "between 1 and 6"),
        ([2, 2, 4], 3, 6, "increase"),
    ],
)
def test_a_map_that_does_not_fit_is_an_error(spec, students, teachers, message):
    with pytest.raises(ValueError, match=message):
        layer_map(spec, students, teachers)
