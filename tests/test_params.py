"""params.yaml: read as DVC reads it, and refused with the right key named."""

from pathlib import Path

import pytest
from dvc.utils.serialize import load_yaml
from hypothesis import given
from hypothesis import strategies as st
from ruamel.yaml import YAML

from tinybert import params, schema
from tinybert.errors import InputError

ROOT = Path(__file__).parent.parent
RECIPES = [ROOT / "params.yaml", *sorted((ROOT / "recipes").glob("*.yaml"))]


def edited(tmp_path, old: str, new: str) -> Path:
    text = (ROOT / "params.yaml").read_text(encoding="utf-8")
    assert text.count(old) >= 1
    file = tmp_path / "params.yaml"
    file.write_text(text.replace(old, new, 1), encoding="utf-8")
    return file


@pytest.mark.parametrize("recipe", RECIPES, ids=lambda path: path.stem)
def test_recipes_are_valid_and_read_as_dvc_reads_them(recipe):
    assert params.load(path=recipe).model_dump(exclude_unset=True) == load_yaml(str(recipe))


@pytest.mark.parametrize("recipe", RECIPES, ids=lambda path: path.stem)
def test_every_key_has_a_comment(recipe):
    above = ""
    for line in recipe.read_text(encoding="utf-8").splitlines():
        is_key = line.strip() and not line.lstrip().startswith("#") and not line.endswith(":")
        assert not is_key or "# " in line or above.lstrip().startswith("#"), line
        above = line


@pytest.mark.parametrize(
    ("written", "read"), [("3e-5", 3e-5), ("1e-1", 0.1), ("0.5", 0.5), ("1", 1.0)]
)
def test_numbers_in_exponent_form_are_numbers(tmp_path, written, read):
    file = edited(tmp_path, "warmup: 0.1", f"warmup: {written}")
    assert params.load(path=file).general.warmup == read
    assert load_yaml(str(file))["general"]["warmup"] == read


def test_a_count_may_be_written_as_1e4(tmp_path):
    file = edited(tmp_path, "max_length: 128", "max_length: 1e2")
    value = params.load(path=file).corpus.max_length
    assert value == 100 and isinstance(value, int)


def test_off_is_a_string_and_named_in_the_error(tmp_path):
    file = edited(tmp_path, "precision: auto", "precision: off")
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
        ("warmup: 0.1", "warmup: 1.5", r"general.warmup: .*less than or equal to 1.*1.5"),
        ("  epochs: ", "  epochs: 0 # ", r"general.epochs: .*greater than or equal to 1"),
        ("  epochs: ", "  epochs: two # ", r"general.epochs: .*'two'"),
        ("  epochs: ", "  epochs: 1.5 # ", r"general.epochs: .*1.5"),
        ("tasks: [pydocs]", "tasks: []", r"tasks: .*at least 1"),
        ("tasks: [pydocs]", "tasks: ['a b']", r"tasks.0: .*'a b'"),
        ("tasks: [pydocs]", "tasks: ['../x']", r"tasks.0: "),
        ("tasks: [pydocs]", "tasks: ['x;rm']", r"tasks.0: "),
        ("tasks: [pydocs]", "tasks: [pydocs, pydocs]", r"tasks: .*twice"),
        ("tasks: [pydocs]", "tasks: [general]", r"tasks: .*general"),
        ("hidden_size: ", "hidden_size: 100 # ", r"student: .*100 is not a multiple of"),
        ("tasks: [pydocs]", "tasks: ['a/b']", r"tasks.0: .*'a/b'"),
        ("tasks: [pydocs]", "tasks: ['-rf']", r"tasks.0: .*'-rf'"),
        ("tasks: [pydocs]", "tasks: ['a$(b)']", r"tasks.0: "),
        ("tasks: [pydocs]", 'tasks: ["a\\n"]', r"tasks.0: "),
        ("tasks: [pydocs]", "tasks: ['a=b']", r"tasks.0: "),
        ("tasks: [pydocs]", "tasks: ['.']", r"tasks.0: "),
        ("tasks: [pydocs]", "tasks: ['']", r"tasks.0: "),
        ("tasks: [pydocs]", f"tasks: [{'a' * 65}]", r"tasks.0: "),
        ("  pydocs: {}", "  pydocs: {}\n  'a b': {}", r"task.a b.*'a b'"),
        ("  pydocs: {}", "  pydocs: {}\n  ../x: {}", r"task.\.\./x.*'\.\./x'"),
        (
            "  pydocs: {}",
            "  mine: {}",
            r"no task.pydocs; add the line `  pydocs: {}` under task:",
        ),
        ("\ntask: ", "\ntsak: ", r"task: missing"),
        ("  word_vectors: ", "  word_vectors: '' #", r"augment.word_vectors: .*at least 1"),
        ("  language: ", "  language: english #", r"augment.language: .*'english'"),
        ("  init: ", "  init: '' #", r"student.init: .*at least 1"),
        ("  model: ", "  model: [", r"no valid YAML"),
    ],
)
def test_mistakes_are_named(tmp_path, old, new, message):
    with pytest.raises(ValueError, match=message) as caught:
        params.load(path=edited(tmp_path, old, new))
    assert "params.yaml" in str(caught.value)


def test_all_mistakes_are_named_at_once(tmp_path):
    file = edited(tmp_path, "seed: 1", "seed: -1\nfoo: 2")
    with pytest.raises(ValueError) as caught:
        params.load(path=file)
    assert "seed:" in str(caught.value) and "foo:" in str(caught.value)


def test_a_missing_file_is_an_error_with_a_remedy(tmp_path):
    with pytest.raises(ValueError, match="recipes/"):
        params.load(path=tmp_path / "params.yaml")


def test_params_and_schema_list_the_same_keys():
    """A key of the schema without a line in params.yaml would be a default that nobody sees; but
    what a task's files do not say is empty as a rule, so the keys of task.<name> are optional."""
    raw = YAML(typ="safe", pure=True).load((ROOT / "params.yaml").read_text(encoding="utf-8"))
    fields = schema.Params.model_fields
    assert list(raw) == list(fields)
    for name, section in raw.items():
        if name == "task":
            assert all(set(own) <= set(schema.Task.model_fields) for own in section.values())
        elif isinstance(section, dict):
            assert set(section) == set(fields[name].annotation.model_fields)


def of_task(tmp_path, section: str) -> Path:
    return edited(tmp_path, "  pydocs: {}", f"  pydocs: {section}")


def test_a_task_has_its_own_settings_in_three_sections(tmp_path):
    section = "{augment: {copies: 3}, prediction: {lr: 1e-5, epochs: 1e1}}\n  other: {}"
    file = of_task(tmp_path, section)
    general, own = params.load(path=file), params.load("pydocs", path=file)
    assert (own.augment.copies, own.prediction.lr, own.prediction.epochs) == (3, 1e-5, 10)
    assert general.augment.copies != 3
    assert params.load("other", path=file) == general
    changed = own.model_dump()
    changed["augment"]["copies"] = general.augment.copies
    changed["prediction"]["lr"] = general.prediction.lr
    changed["prediction"]["epochs"] = general.prediction.epochs
    assert changed == general.model_dump()


def test_an_unknown_task_is_refused():
    with pytest.raises(InputError, match=r"nope"):
        params.load("nope", path=ROOT / "params.yaml")


@pytest.mark.parametrize(
    ("section", "message"),
    [
        ("{augment: {copys: 3}}", r"task.pydocs.augment.copys: .*did you mean .*augment.copies"),
        ("{augment: {copies: -3}}", r"task.pydocs.augment.copies: .*-3"),
        ("{augment: {copies: null}}", r"task.pydocs.augment.copies: .*None"),
        ("{augment: 3}", r"task.pydocs.augment: .*3"),
        (
            "{prediction: {learning_rat: 1}}",
            r"task.pydocs.prediction.learning_rat: .*prediction.lr",
        ),
        ("{intermediate: {temperature: 2}}", r"task.pydocs.intermediate.temperature: unknown key"),
        ("{general: {epochs: 2}}", r"task.pydocs.general: unknown key"),
        ("{labls: [a, b]}", r"task.pydocs.labls: unknown key; did you mean task.pydocs.labels"),
        ("{drop_overlaps: true}", r"task.pydocs.drop_overlaps: .*task.pydocs.drop_overlap\?"),
        ("{columns: {txt: 1, label: 2}}", r"columns.txt: .*did you mean task.pydocs.columns.text"),
        ("{columns: {text: 1}}", r"task.pydocs.columns: columns must name one of label, labels"),
        ("{columns: {label: 1}}", r"task.pydocs.columns: columns must name text, or text_a and"),
        ("{columns: {text_a: 1, label: 2}}", r"columns must name text, or text_a and text_b"),
        ("{columns: {text: 1, label: 2, score: 3}}", r"columns must name one of label, labels and"),
        ("{columns: {text: 0, label: 2}}", r"task.pydocs.columns.text.*greater than or equal to 1"),
        ("{columns: {text: 1, labels: [2]}}", r"task.pydocs.columns.labels.* at least 2"),
        ("{form: glue/sst-2}", r"task.pydocs.form: .*'glue/sst2'.*'glue/sst-2'"),
        ("{form: trec, header: true}", r"task.pydocs: form says where .*; leave columns, header"),
        ("{metric: f2}", r"task.pydocs.metric: .*'f1_macro'.*'f2'"),
        ("{kind: ranking}", r"task.pydocs.kind: .*'regression' .*'ranking'"),
        ("{labels: [a, a]}", r"task.pydocs: labels has a name twice"),
        ("{labels: {0: a, 1: a}}", r"task.pydocs: labels has a name twice"),
        ("{labels: [0.5, 1]}", r"task.pydocs.labels.*0.5"),
        ("{encoding: utf-9}", r"task.pydocs: encoding: .*'utf-9'; usual ones are utf-8"),
        ("{encoding: rot13}", r"task.pydocs.* encoding: .*'rot13'"),
        ("{encoding: base64}", r"task.pydocs.* encoding: .*'base64'"),
        ("{drop_broken: 'yes'}", r"task.pydocs.drop_broken: .*'yes'"),
        ("{teacher_labels: [a, b]}", r"task.pydocs: teacher_labels .* need a teacher"),
        ("", r"task.pydocs: .*None"),
    ],
)
def test_mistakes_in_a_task_are_named_whichever_is_asked_for(tmp_path, section, message):
    file = of_task(tmp_path, f"{section}\n  other: {{}}")
    for name in (None, "pydocs", "other"):
        with pytest.raises(InputError, match=message) as caught:
            params.load(name, path=file)
        assert "params.yaml has mistakes:" in str(caught.value)


@pytest.mark.parametrize("name", ["augment", "columns", "corpus", "labels", "task", "teacher"])
def test_a_task_may_be_called_like_a_key(tmp_path, name):
    file = edited(tmp_path, "  pydocs: {}", f"  pydocs: {{}}\n  {name}: {{drop_overlaps: true}}")
    with pytest.raises(InputError, match=rf"did you mean task.{name}.drop_overlap\?"):
        params.load(path=file)


@pytest.mark.parametrize(
    ("section", "labels"),
    [
        ("{labels: [0, 1]}", ["0", "1"]),
        ("{labels: [yes, no]}", ["yes", "no"]),
        ("{labels: {0: negative, 1: positive}}", {"0": "negative", "1": "positive"}),
        ("{labels: {a: 1, b: 0}}", {"a": "1", "b": "0"}),
    ],
)
def test_labels_that_are_numbers_to_yaml_are_names(tmp_path, section, labels):
    assert params.load(path=of_task(tmp_path, section)).task["pydocs"].labels == labels


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
        read = params.load(path=file)
    except InputError as error:
        assert (key or section) in str(error)
    else:
        assert isinstance(read, schema.Params)


def test_each_stage_draws_from_a_seed_of_its_own():
    seeds = {params.derive(seed, stage) for seed in range(50) for stage in ("label", "augment")}
    assert len(seeds) == 100 and all(0 <= seed < 2**32 for seed in seeds)
    assert params.derive(1, "augment") == params.derive(1, "augment")
