"""Which teacher layer teaches which student layer."""

import re
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tiny import WHOLE_TABLE, config_of, tiny_config

from tinybert.distillation.layers.layer_map import check, layer_map
from tinybert.pipeline.errors import InputError
from tinybert.pipeline.schema import Student


def test_the_uniform_map_is_that_of_the_paper():
    assert layer_map("uniform", 4, 12) == [3, 6, 9, 12]  # g(m) = 3m, paper §4.1
    assert layer_map("uniform", 6, 12) == [2, 4, 6, 8, 10, 12]
    assert layer_map("uniform", 2, 2) == [1, 2]


def test_a_list_is_used_unchanged_and_needs_no_divisibility():
    assert layer_map([1, 4, 5], 3, 5) == [1, 4, 5]


@pytest.mark.parametrize(
    ("spec", "student_layers", "teacher_layers", "message"),
    [
        ("uniform", 4, 6, "multiple"),
        ([1, 2], 3, 6, "2 entries"),
        ([0, 2, 4], 3, 6, "between 1 and 6"),
        ([2, 4, 7], 3, 6, "between 1 and 6"),
        ([2, 2, 4], 3, 6, "increase"),
    ],
)
def test_a_map_that_does_not_fit_is_an_error(spec, student_layers, teacher_layers, message):
    with pytest.raises(InputError, match=message):
        layer_map(spec, student_layers, teacher_layers)


@given(student_layers=st.integers(1, 50), step=st.integers(1, 20))
def test_the_uniform_map_ends_at_the_top_layer_with_equal_steps(student_layers, step):
    layers = layer_map("uniform", student_layers, student_layers * step)
    assert len(layers) == student_layers and layers[-1] == student_layers * step
    assert {b - a for a, b in pairwise([0, *layers])} == {step}


@given(
    spec=st.just("uniform") | st.lists(st.integers(-2, 14), max_size=14),
    student_layers=st.integers(1, 13),
    teacher_layers=st.integers(1, 13),
)
def test_a_map_has_one_teacher_layer_per_student_layer_or_is_refused(
    spec, student_layers, teacher_layers
):
    possible = set(range(1, teacher_layers + 1))
    fits = teacher_layers % student_layers == 0
    if spec != "uniform":
        fits = spec == sorted(set(spec) & possible) and len(spec) == student_layers
    if not fits:
        with pytest.raises(InputError, match="layer_map"):
            layer_map(spec, student_layers, teacher_layers)
        return
    layers = layer_map(spec, student_layers, teacher_layers)
    assert len(layers) == student_layers and set(layers) <= possible
    assert spec == "uniform" or layers == spec


def student(**changes) -> Student:
    sizes = {"num_hidden_layers": 2, "hidden_size": 8, "num_attention_heads": 2}
    values = {"init": "random", "intermediate_size": 16, **WHOLE_TABLE, **sizes}
    return Student(**{**values, **changes})


@pytest.mark.parametrize(
    ("width", "heads", "teacher_heads"),
    [(312, 12, 16), (312, 12, 8), (8, 2, 12), (10, 5, 4), (768, 12, 16), (23, 1, 8), (1, 1, 12)],
)
def test_other_numbers_of_heads_are_an_error_whose_advice_works(width, heads, teacher_heads):
    teacher = tiny_config(num_attention_heads=teacher_heads, hidden_size=teacher_heads * 4)
    with pytest.raises(InputError, match="student.num_attention_heads") as caught:
        check(teacher, student(hidden_size=width, num_attention_heads=heads), "uniform")
    advice = r"Set student.num_attention_heads: (\d+) and student.hidden_size .* such as (\d+)"
    assert "column `probabilities`" in str(caught.value)
    new_heads, new_width = map(int, re.search(advice, str(caught.value)).groups())
    check(teacher, student(hidden_size=new_width, num_attention_heads=new_heads), "uniform")
    nearest = min(range(teacher_heads, 2000, teacher_heads), key=lambda w: abs(w - width))
    assert abs(new_width - width) == abs(nearest - width)


@pytest.mark.parametrize(
    ("layers", "spec", "message"),
    [
        (3, "uniform", "4 layers are a multiple of student.num_hidden_layers 3"),
        (5, "uniform", "4 layers are a multiple of student.num_hidden_layers 5"),
        (2, [1, 2, 4], "3 entries, the student has 2"),
        (2, [2, 5], "between 1 and 4"),
    ],
)
def test_a_student_without_a_teacher_layer_for_each_of_its_layers_is_an_error(
    layers, spec, message
):
    teacher = tiny_config(num_hidden_layers=4)
    with pytest.raises(InputError, match=f"layer_loss.layer_map: .*{message}"):
        check(teacher, student(num_hidden_layers=layers), spec)


@pytest.mark.parametrize("family", ["bert", "roberta", "narrow electra"])
def test_a_fitting_student_passes_both_as_settings_and_as_a_config(family):
    teacher = config_of(family, num_hidden_layers=4)
    check(teacher, student(), "uniform")
    check(teacher, student(num_hidden_layers=3, hidden_size=6), [1, 2, 4])
    check(teacher, config_of(family), "uniform")
