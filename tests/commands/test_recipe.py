"""Recipes: they compose to valid params, repeat nothing, and keep the comments of params.yaml."""

import errno
import re
import shutil
from pathlib import Path

import pytest
from ruamel.yaml import YAML

from tinybert.commands import cli, recipe
from tinybert.pipeline import params
from tinybert.pipeline.errors import InputError

ROOT = Path(__file__).parents[2]
NAMES = sorted(file.stem for file in (ROOT / "recipes").glob("*.yaml"))


@pytest.fixture
def project(tmp_path, monkeypatch) -> Path:
    """The current directory, with the project's params.yaml and recipes."""
    shutil.copyfile(ROOT / "params.yaml", tmp_path / "params.yaml")
    shutil.copytree(ROOT / "recipes", tmp_path / "recipes")
    monkeypatch.chdir(tmp_path)
    return tmp_path


def read(file: Path) -> dict:
    return YAML(typ="safe", pure=True).load(file.read_text(encoding="utf-8"))


def leaves(values: dict, *prefix: str) -> dict[tuple[str, ...], object]:
    """The values that are not sections, by their keys; the section `task` is one value."""
    result = {}
    for key, value in values.items():
        path = (*prefix, key)
        is_section = isinstance(value, dict) and path != ("task",)
        result |= leaves(value, *path) if is_section else {path: value}
    return result


@pytest.mark.parametrize("name", NAMES)
def test_a_recipe_changes_exactly_its_values(project, name):
    """Those of the recipe that it extends included; the result is valid."""
    before = leaves(read(project / "params.yaml"))
    expected = dict(before)
    chain = [read(project / f"recipes/{name}.yaml")]
    while base := chain[0].pop("extends", None):
        chain.insert(0, read(project / f"recipes/{base}.yaml"))
    for overlay in chain:
        expected |= leaves(overlay)
    lines = recipe.apply(name)
    after = leaves(read(project / "params.yaml"))
    assert after == expected
    changed = {".".join(path) for path in after if after[path] != before.get(path)}
    assert {line.partition(": ")[0] for line in lines} == changed
    for path in after:
        if len(path) == 2 and ".".join(path) in changed and path in before:
            assert f"{'.'.join(path)}: {before[path]} -> {after[path]}" in lines
    params.load()


@pytest.mark.parametrize("name", NAMES)
def test_a_recipe_repeats_no_value(project, name):
    """Neither of params.yaml, its section `training` included, nor of the recipe it extends."""
    overlay = read(project / f"recipes/{name}.yaml")
    base = leaves(read(project / "params.yaml"))
    if parent := overlay.pop("extends", None):
        recipe.apply(parent)
        base = leaves(read(project / "params.yaml"))
    shared = {key[1]: value for key, value in base.items() if key[0] == "training"}
    for path, value in leaves(overlay).items():
        default = base.get(path, shared.get(path[-1]) if path[0] in params.TRAININGS else None)
        assert value != default, f"{'.'.join(path)} is {value} anyway"


def comments_of(text: str) -> dict[tuple[str, ...], str]:
    """The comment in the line of each key."""
    comments, section = {}, ""
    for line in text.splitlines():
        if match := re.fullmatch(r"( *)(\w+):(.*?)(?: +# (.*))?", line):
            indent, key, _, comment = match.groups()
            section = section if indent else key
            comments[(section, key) if indent else (key,)] = comment or ""
    return comments


def test_comments_stay_and_those_of_changed_values_name_the_recipe_as_the_source(project):
    file = project / "params.yaml"
    text, before = file.read_text(encoding="utf-8"), leaves(read(file))
    recipe.apply("smoke")
    new_text, after = file.read_text(encoding="utf-8"), leaves(read(file))
    lines = [line for line in text.splitlines() if line.lstrip().startswith("#")]
    assert lines == [line for line in new_text.splitlines() if line.lstrip().startswith("#")]
    comments, new_comments = comments_of(text), comments_of(new_text)
    for path in set(after) & set(comments):
        if after[path] == before.get(path):
            assert new_comments[path] == comments[path]
    assert comments["corpus", "max_length"] == "[8 to 512] tokens in a segment; paper §4.1"
    assert new_comments["corpus", "max_length"] == "[8 to 512] tokens in a segment; recipe smoke"
    assert comments["teacher", "epochs"].endswith("the best on dev is kept; BERT, appendix A.3")
    assert new_comments["teacher", "epochs"].endswith("the best on dev is kept; recipe smoke")
    assert comments["intermediate", "lr"] == "peak; our choice"
    assert new_comments["intermediate", "lr"] == "peak; recipe smoke"


@pytest.mark.parametrize("name", NAMES)
def test_no_changed_value_keeps_the_source_of_the_old_one(project, name):
    file = project / "params.yaml"
    comments, before = comments_of(file.read_text(encoding="utf-8")), leaves(read(file))
    recipe.apply(name)
    new_comments, after = comments_of(file.read_text(encoding="utf-8")), leaves(read(file))
    source = re.compile(r"(^|; )(measured|our choice|paper|BERT)\b")
    for path in set(comments) & set(after):
        if after[path] != before.get(path) and source.search(comments[path]):
            assert new_comments[path].endswith(f"recipe {name}"), path


def test_a_new_key_is_in_its_section_and_not_below_the_next_ones_comment(project):
    recipe.apply("paper_4x312")
    lines = (project / "params.yaml").read_text(encoding="utf-8").splitlines()
    place = lines.index("general:")
    assert lines[place + 1].startswith("  batch_size: 256")


def test_values_of_other_recipes_are_named(project):
    assert not [line for line in recipe.apply("best") if line.startswith("warning")]
    [warning] = [line for line in recipe.apply("small") if line.startswith("warning")]
    assert "student.num_hidden_layers (best);" in warning and "git checkout" in warning
    assert "(small)" not in warning
    [warning] = [line for line in recipe.apply("own_task") if line.startswith("warning")]
    assert "intermediate.epochs (small), prediction.epochs (small)" in warning


def test_a_second_application_changes_nothing(project):
    assert recipe.apply("paper_4x312")
    text = (project / "params.yaml").read_text(encoding="utf-8")
    assert recipe.apply("paper_4x312") == []
    assert (project / "params.yaml").read_text(encoding="utf-8") == text


def test_the_users_other_values_stay(project):
    file = project / "params.yaml"
    text = file.read_text(encoding="utf-8").replace("seed: 1 ", "seed: 7 ")
    file.write_text(text.replace("lr: 8e-4 ", "lr: 7e-4 "), encoding="utf-8")
    recipe.apply("smoke")
    values = read(file)
    assert values["seed"] == 7 and values["general"]["lr"] == 7e-4
    assert "lr: 7e-4 " in file.read_text(encoding="utf-8")  # not 0.0007


def test_an_unknown_name_is_refused_with_the_list(project):
    text = (project / "params.yaml").read_text(encoding="utf-8")
    with pytest.raises(InputError, match=f"no recipe 'smok'; choose one of {', '.join(NAMES)}"):
        recipe.apply("smok")
    with pytest.raises(InputError, match="no recipe '../params'"):
        recipe.apply("../params")
    assert (project / "params.yaml").read_text(encoding="utf-8") == text


def test_an_invalid_file_is_refused_and_stays(project):
    file = project / "params.yaml"
    broken = file.read_text(encoding="utf-8").replace("seed: 1 ", "sead: 1 ")
    file.write_text(broken, encoding="utf-8")
    with pytest.raises(InputError, match="sead: unknown key; did you mean seed"):
        recipe.apply("smoke")
    assert file.read_text(encoding="utf-8") == broken


def test_a_recipe_whose_result_is_invalid_is_refused_and_nothing_is_written(project):
    file = project / "params.yaml"
    text = file.read_text(encoding="utf-8")
    (project / "recipes/mine.yaml").write_text("extends: smoke\nstudent: {hidden_size: 50}\n")
    with pytest.raises(InputError, match="hidden_size 50 is not a multiple"):
        recipe.apply("mine")
    assert file.read_text(encoding="utf-8") == text


def test_the_command_prints_each_changed_value_and_lists_the_recipes(project, monkeypatch, capsys):
    monkeypatch.setattr("sys.argv", ["tinybert", "recipe"])
    cli.main()
    assert capsys.readouterr().out.split() == NAMES
    monkeypatch.setattr("sys.argv", ["tinybert", "recipe", "smoke"])
    cli.main()
    *lines, last = capsys.readouterr().out.splitlines()
    assert "corpus.max_tokens: 200000 -> 8000" in lines
    assert last.startswith(f"{len(lines)} values of params.yaml changed; ")
    assert last.endswith("; next: tinybert plan, then dvc repro")
    monkeypatch.setattr("sys.argv", ["tinybert", "recipe", "own_task"])
    cli.main()
    *_, warning, last = capsys.readouterr().out.splitlines()
    assert warning.startswith("warning") and last.startswith("2 values of params.yaml changed; ")
    monkeypatch.setattr("sys.argv", ["tinybert", "recipe", "none"])
    with pytest.raises(SystemExit, match="error: there is no recipe 'none'"):
        cli.main()


DAMAGED = {
    "seed: [1": r"recipes/mine\.yaml is not valid YAML",
    "seed: 1\nseed: 2": r"recipes/mine\.yaml is not valid YAML",
    "general:\n\tepochs: 1": r"recipes/mine\.yaml is not valid YAML",
    "pretrained: {revision: 2024-13-01}": r"recipes/mine\.yaml is not valid YAML",
    "- seed: 1": r"recipes/mine\.yaml must be a mapping",
    "": r"recipes/mine\.yaml must be a mapping",
    "extends: [smoke]": r"there is no recipe \['smoke'\]",
    "extends: mine": r"recipes/mine\.yaml: extends: mine leads back to itself",
    "sead: 2": r"recipes/mine\.yaml does not fit: with it, params\.yaml .*sead: unknown key",
    "general: 5": r"recipes/mine\.yaml does not fit: with it, .*general",
    "general: {epochs: many}": r"recipes/mine\.yaml does not fit: .*general\.epochs",
}


@pytest.mark.parametrize("text", DAMAGED)
def test_a_damaged_recipe_is_named_and_nothing_is_written(project, text):
    file = project / "params.yaml"
    before = file.read_bytes()
    (project / "recipes/mine.yaml").write_text(text)
    with pytest.raises(InputError, match=f"(?s){DAMAGED[text]}"):
        recipe.apply("mine")
    assert file.read_bytes() == before


def test_params_on_a_full_disk_stay_whole(project, monkeypatch):
    before = (project / "params.yaml").read_bytes()

    def refuse(self, *arguments, **options):
        self.write_bytes(b"half")
        raise OSError(errno.ENOSPC, "No space left on device", str(self))

    monkeypatch.setattr(Path, "write_text", refuse)
    monkeypatch.setattr("sys.argv", ["tinybert", "recipe", "smoke"])
    with pytest.raises(SystemExit, match=r"params\.yaml: the disk is full"):
        cli.main()
    assert (project / "params.yaml").read_bytes() == before
    assert not list(project.glob("unfinished-*"))
