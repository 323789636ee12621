"""params.yaml: read as DVC reads it, and refused with the right key named."""

from pathlib import Path

import pytest
from dvc.utils.serialize import load_yaml
from ruamel.yaml import YAML

from tinybert import params

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
    assert params.load(recipe).model_dump() == load_yaml(str(recipe))


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
    assert params.load(file).general.warmup == read
    assert load_yaml(str(file))["general"]["warmup"] == read


def test_a_count_may_be_written_as_1e4(tmp_path):
    file = edited(tmp_path, "max_length: 128", "max_length: 1e2")
    value = params.load(file).corpus.max_length
    assert value == 100 and isinstance(value, int)


def test_off_is_a_string_and_named_in_the_error(tmp_path):
    file = edited(tmp_path, "precision: auto", "precision: off")
    with pytest.raises(ValueError, match="precision: .*'off'"):
        params.load(file)
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
        ("  model: ", "  model: [", r"no valid YAML"),
    ],
)
def test_mistakes_are_named(tmp_path, old, new, message):
    with pytest.raises(ValueError, match=message) as caught:
        params.load(edited(tmp_path, old, new))
    assert "params.yaml" in str(caught.value)


def test_all_mistakes_are_named_at_once(tmp_path):
    file = edited(tmp_path, "seed: 1", "seed: -1\nfoo: 2")
    with pytest.raises(ValueError) as caught:
        params.load(file)
    assert "seed:" in str(caught.value) and "foo:" in str(caught.value)


def test_a_missing_file_is_an_error_with_a_remedy(tmp_path):
    with pytest.raises(ValueError, match="recipes/"):
        params.load(tmp_path / "params.yaml")


def test_params_and_schema_list_the_same_keys():
    """A key of the schema without a line in params.yaml would be a default that nobody sees."""
    raw = YAML(typ="safe", pure=True).load((ROOT / "params.yaml").read_text(encoding="utf-8"))
    assert list(raw) == list(params.Params.model_fields)
    for name, section in raw.items():
        if isinstance(section, dict):
            assert set(section) == set(params.Params.model_fields[name].annotation.model_fields)
