"""params.yaml is read as DVC reads it; errors name the wrong key."""

import re

import pytest
from dvc.utils.serialize import load_yaml
from edited_params import EMPTY, PYDOCS, ROOT, edited, mistakes
from hypothesis import given
from hypothesis import strategies as st
from ruamel.yaml import YAML

from tinybert.pipeline import params, schema
from tinybert.pipeline.errors import InputError

TRAININGS = ("general", "teacher", "baseline", "intermediate", "prediction")


def test_params_yaml_is_valid_and_read_as_dvc_reads_it():
    """The sections that train also get the keys of `training` that they lack."""
    expected = load_yaml(str(ROOT / "params.yaml"))
    for name in TRAININGS:
        expected[name] = {**expected["training"], **expected[name]}
    assert params.load(path=ROOT / "params.yaml").model_dump(exclude_unset=True) == expected


def test_a_section_that_trains_overrides_the_shared_values(tmp_path):
    file = edited(
        tmp_path,
        ("\n  batch_size: 32", "\n  batch_size: 8"),
        ("\nteacher:", "\nteacher:\n  batch_size: 64"),
        (PYDOCS, PYDOCS.replace("prediction: {}", "prediction: {batch_size: 128}")),
    )
    every, pydocs = params.load(path=file), params.load("pydocs", path=file)
    assert {name: getattr(every, name).batch_size for name in TRAININGS} == {
        name: 64 if name == "teacher" else 8 for name in TRAININGS
    }
    assert pydocs.prediction.batch_size == 128 and pydocs.intermediate.batch_size == 8
    assert {getattr(every, name).warmup for name in TRAININGS} == {0.1}


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("  warmup: 0.1", "  warmup: 1.5", "training.warmup: .*1.5"),
        ("  batch_size: 32", "  batch_size: many", "training.batch_size: .*'many'"),
        ("  batch_size: 32", "  # batch_size: 32", "training.batch_size: missing"),
        ("\ntraining:", "\ntraining: 3\ntrainings:", "training: .*3"),
    ],
)
def test_a_mistake_in_the_shared_section_is_reported_once(tmp_path, old, new, message):
    lines = mistakes(edited(tmp_path, (old, new)))
    assert re.match(message, lines[0])
    assert not [line for line in lines if line.startswith(TRAININGS)]


def test_a_mistake_in_an_override_of_a_shared_value_is_reported_where_it_is(tmp_path):
    [line] = mistakes(edited(tmp_path, ("\nteacher:", "\nteacher:\n  warmup: -1")))
    assert line.startswith("teacher.warmup: ")


def test_training_without_a_shared_value_and_without_the_shared_section(tmp_path):
    text = (ROOT / "params.yaml").read_text(encoding="utf-8")
    file = tmp_path / "params.yaml"
    file.write_text(re.sub(r"\ntraining:\n(  .*\n)+", "\n", text), encoding="utf-8")
    [line] = mistakes(file)
    assert line.startswith("training: missing")


def test_docs_is_needed_for_the_embedded_default_only(tmp_path):
    text = (ROOT / "params.yaml").read_text(encoding="utf-8")
    file = tmp_path / "params.yaml"
    file.write_text(re.sub(r"\ndocs:.*\n(  .*\n)+", "\n", text), encoding="utf-8")
    assert "docs" not in load_yaml(str(file))
    assert params.load(path=file).docs is None


def test_a_task_alone_is_enough(tmp_path):
    """Neither general text nor epochs on it, and no step 1; what keeps its best epoch needs one."""
    changes = (
        ("  path: data/raw/docs_corpus", "  path: null"),
        ("l:\n  epochs: 1", "l:\n  epochs: 0"),
        ("intermediate:\n  epochs: 1", "intermediate:\n  epochs: 0"),
    )
    file = edited(tmp_path, *changes)
    settings = params.load(path=file)
    assert (settings.corpus.path, settings.general.epochs) == (None, 0)
    assert settings.intermediate.epochs == 0
    file = edited(tmp_path, ("prediction:\n  epochs: 3", "prediction:\n  epochs: 0"))
    [line] = mistakes(file)
    assert line.startswith("prediction.epochs")


@pytest.mark.parametrize(
    ("written", "read"), [("3e-5", 3e-5), ("1e-1", 0.1), ("0.5", 0.5), ("1", 1.0)]
)
def test_numbers_in_exponent_form_are_numbers(tmp_path, written, read):
    file = edited(tmp_path, ("warmup: 0.1", f"warmup: {written}"))
    assert params.load(path=file).general.warmup == read
    assert load_yaml(str(file))["training"]["warmup"] == read


def test_a_count_may_be_written_as_1e4(tmp_path):
    file = edited(tmp_path, ("max_length: 128", "max_length: 1e2"))
    value = params.load(path=file).corpus.max_length
    assert value == 100 and isinstance(value, int)


def test_off_is_a_string_and_is_named_in_the_error(tmp_path):
    file = edited(tmp_path, ("precision: auto", "precision: off"))
    with pytest.raises(ValueError, match="precision: .*'off'"):
        params.load(path=file)
    assert load_yaml(str(file))["precision"] == "off"


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        (
            "  lr: ",
            "  learning_rat: ",
            r"general.learning_rat: unknown key; did you mean general.lr",
        ),
        ("\nseed: ", "\nsead: ", r"sead: unknown key; did you mean seed"),
        ("  copies: ", "  copys: ", r"augment.copys: unknown key; did you mean augment.copies"),
        ("  copies: ", "  # copies: ", r"augment.copies: missing"),
        ("warmup: 0.1", "warmup: 1.5", r"training.warmup: .*less than or equal to 1.*1.5"),
        ("  epochs: ", "  epochs: -1 # ", r"general.epochs: .*greater than or equal to 0"),
        ("  epochs: ", "  epochs: two # ", r"general.epochs: .*'two'"),
        ("  epochs: ", "  epochs: 1.5 # ", r"general.epochs: .*1.5"),
        ("tasks: [pydocs]", "tasks: []", r"tasks: .*at least 1"),
        ("tasks: [pydocs]", "tasks: ['a b']", r"tasks.0: .*'a b'"),
        ("tasks: [pydocs]", "tasks: ['../x']", r"tasks.0: "),
        ("tasks: [pydocs]", "tasks: ['x;rm']", r"tasks.0: "),
        ("tasks: [pydocs]", "tasks: [pydocs, pydocs]", r"tasks: pydocs is listed twice"),
        ("tasks: [pydocs]", "tasks: [general]", r"tasks: models/general is taken; rename the task"),
        ("hidden_size: ", "hidden_size: 100 # ", r"student: .*100 is not a multiple of"),
        ("tasks: [pydocs]", "tasks: ['a/b']", r"tasks.0: .*'a/b'"),
        ("tasks: [pydocs]", "tasks: ['-rf']", r"tasks.0: .*'-rf'"),
        ("tasks: [pydocs]", "tasks: ['a$(b)']", r"tasks.0: "),
        ("tasks: [pydocs]", 'tasks: ["a\\n"]', r"tasks.0: "),
        ("tasks: [pydocs]", "tasks: ['a=b']", r"tasks.0: "),
        ("tasks: [pydocs]", "tasks: ['.']", r"tasks.0: "),
        ("tasks: [pydocs]", "tasks: ['']", r"tasks.0: "),
        ("tasks: [pydocs]", f"tasks: [{'a' * 65}]", r"tasks.0: "),
        (PYDOCS, f"{PYDOCS}\n  'a b': {EMPTY}", r"task.a b.*'a b'"),
        (PYDOCS, f"{PYDOCS}\n  ../x: {EMPTY}", r"task.\.\./x.*'\.\./x'"),
        ("\ntask:", "\ntsak:", r"task: missing"),
        ("  word_vectors: ", "  word_vectors: '' #", r"augment.word_vectors: .*at least 1"),
        ("  language: ", "  language: english #", r"augment.language: .*'english'"),
        ("  init: ", "  init: '' #", r"student.init: .*at least 1"),
        ("  model: ", "  model: [", r"is not valid YAML"),
    ],
)
def test_mistakes_are_named(tmp_path, old, new, message):
    with pytest.raises(ValueError, match=message) as caught:
        params.load(path=edited(tmp_path, (old, new)))
    assert "params.yaml" in str(caught.value)


def test_all_mistakes_are_named_at_once(tmp_path):
    file = edited(tmp_path, ("seed: 1", "seed: -1\nfoo: 2"))
    with pytest.raises(ValueError) as caught:
        params.load(path=file)
    assert "seed:" in str(caught.value) and "foo:" in str(caught.value)


def test_a_missing_file_is_an_error_with_a_remedy(tmp_path):
    with pytest.raises(InputError, match="is missing; restore it: git checkout .*params.yaml"):
        params.load(path=tmp_path / "params.yaml")


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "must be a mapping of sections"),
        (b"- tasks", "must be a mapping of sections"),
        (b"tasks: [\xff]", "is not UTF-8"),
        (b"tasks: [a", "is not valid YAML"),
        (b"seed: 2024-13-01", "is not valid YAML: month must be in 1..12"),
        (b"tasks:\n\t- a", "is not valid YAML"),
        (b"seed: 1\nseed: 2", "is not valid YAML"),
    ],
)
def test_a_file_that_is_not_a_mapping_is_an_error_with_its_name(tmp_path, content, message):
    (tmp_path / "params.yaml").write_bytes(content)
    with pytest.raises(InputError, match=f"params.yaml {message}"):
        params.load(path=tmp_path / "params.yaml")


def test_params_and_schema_list_the_same_keys():
    """A key of the schema without a line in params.yaml would be a default that nobody sees. The
    sections that train also have the keys of `training`; those of task.<name>.data are optional."""
    raw = YAML(typ="safe", pure=True).load((ROOT / "params.yaml").read_text(encoding="utf-8"))
    fields = schema.Params.model_fields
    assert sorted(raw) == sorted(fields)
    for name, section in raw.items():
        if name == "task":
            assert all(set(task) == set(schema.Task.model_fields) for task in section.values())
        elif name == "docs":
            assert set(section) == set(schema.Docs.model_fields)
        elif isinstance(section, dict):
            shared = raw["training"] if name in TRAININGS else {}
            assert set(section) | set(shared) == set(fields[name].annotation.model_fields)


KEYS = [
    (section, key)
    for section, values in load_yaml(str(ROOT / "params.yaml")).items()
    for key in (values if isinstance(values, dict) else [None])
]
SCALARS = st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8)
VALUES = st.recursive(
    SCALARS,
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3)
    ),
    max_leaves=6,
)


@given(place=st.sampled_from(KEYS), value=VALUES)
def test_any_value_at_any_key_is_read_or_refused_with_its_name(tmp_path_factory, place, value):
    section, key = place
    values = YAML(typ="safe", pure=True).load((ROOT / "params.yaml").read_text(encoding="utf-8"))
    if key is None:
        values[section] = value
    else:
        values[section][key] = value
    file = tmp_path_factory.mktemp("any") / "params.yaml"
    with file.open("w", encoding="utf-8") as stream:
        YAML(typ="safe", pure=True).dump(values, stream)
    try:
        loaded = params.load(path=file)
    except InputError as error:
        assert (key or section) in str(error)
    else:  # what was accepted is valid as it is
        assert schema.Params.model_validate(loaded.model_dump()) == loaded


def test_each_stage_has_another_seed():
    seeds = {params.derive(seed, stage) for seed in range(50) for stage in ("label", "augment")}
    assert len(seeds) == 100 and all(0 <= seed < 2**32 for seed in seeds)
    assert params.derive(1, "augment") == params.derive(1, "augment")
