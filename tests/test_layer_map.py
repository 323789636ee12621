"""Which teacher layer teaches which student layer."""

import re
from itertools import pairwise

import pytest
from conftest import config_of, tiny_config
from hypothesis import given
from hypothesis import strategies as st

from tinybert.errors import InputError
from tinybert.layer_map import check, layer_map
from tinybert.schema import Student


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


@given(students=st.integers(1, 50), times=st.integers(1, 20))
def test_uniform_ends_at_the_top_with_equal_steps(students, times):
    found = layer_map("uniform", students, students * times)
    assert len(found) == students and found[-1] == students * times
    assert {b - a for a, b in pairwise([0, *found])} == {times}


@given(
    spec=st.just("uniform") | st.lists(st.integers(-2, 14), max_size=14),
    students=st.integers(1, 13),
    teachers=st.integers(1, 13),
)
def test_any_map_is_one_layer_of_the_teacher_for_each_or_refused(spec, students, teachers):
    fits = teachers % students == 0
    if spec != "uniform":
        fits = spec == sorted(set(spec) & set(range(1, teachers + 1))) and len(spec) == students
    if not fits:
        with pytest.raises(InputError, match="layer_map"):
            layer_map(spec, students, teachers)
        return
    found = layer_map(spec, students, teachers)
    assert len(found) == students and set(found) <= set(range(1, teachers + 1))
    assert spec == "uniform" or found == spec


def student(**changes) -> Student:
    sizes = {"num_hidden_layers": 2, "hidden_size": 8, "num_attention_heads": 2}
    values = {"init": "random", "revision": None, "intermediate_size": 16, **sizes}
    return Student(**{**values, **changes})


@pytest.mark.parametrize(
    ("width", "heads", "teachers"),
    [(312, 12, 16), (312, 12, 8), (8, 2, 12), (10, 5, 4), (768, 12, 16), (23, 1, 8), (1, 1, 12)],
)
def test_other_heads_are_an_error_whose_advice_works(width, heads, teachers):
    teacher = tiny_config(num_attention_heads=teachers, hidden_size=teachers * 4)
    with pytest.raises(InputError, match="student.num_attention_heads") as caught:
        check(teacher, student(hidden_size=width, num_attention_heads=heads), "uniform")
    advice = r"Set student.num_attention_heads: (\d+) and student.hidden_size .* such as (\d+)"
    own, wide = map(int, re.search(advice, str(caught.value)).groups())
    check(teacher, student(hidden_size=wide, num_attention_heads=own), "uniform")
    assert abs(wide - width) <= max(teachers / 2, teachers - width)  # as near as there is


@pytest.mark.parametrize(
    ("layers", "spec", "message"),
    [
        (3, "uniform", "4 layers are a multiple of student.num_hidden_layers 3"),
        (5, "uniform", "4 layers are a multiple of student.num_hidden_layers 5"),
        (2, [1, 2, 4], "3 entries, the student has 2"),
        (2, [2, 5], "between 1 and 4"),
    ],
)
def test_a_student_whose_layers_have_no_teachers_is_an_error(layers, spec, message):
    teacher = tiny_config(num_hidden_layers=4)
    with pytest.raises(InputError, match=f"layer_loss.layer_map: .*{message}"):
        check(teacher, student(num_hidden_layers=layers), spec)


@pytest.mark.parametrize("family", ["bert", "roberta", "narrow electra"])
def test_what_fits_passes_both_as_settings_and_as_a_config(family):
    teacher = config_of(family, num_hidden_layers=4)
    check(teacher, student(), "uniform")
    check(teacher, student(num_hidden_layers=3, hidden_size=6), [1, 2, 4])
    check(teacher, config_of(family), "uniform")
