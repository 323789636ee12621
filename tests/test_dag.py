"""dvc.yaml lists what the code imports: DVC itself does not follow imports."""

import ast
from pathlib import Path

import pytest
from ruamel.yaml import YAML

ROOT = Path(__file__).parent.parent


def read(name: str) -> dict:
    return YAML(typ="safe", pure=True).load((ROOT / name).read_text(encoding="utf-8"))


STAGES = {**read("dvc.yaml")["stages"], **read("data/dvc.yaml")["stages"]}


def imported(file: Path) -> set[Path]:
    """The modules of tinybert that a file imports, itself or through another of them."""
    found: set[Path] = set()
    waiting = [file]
    while waiting:
        for node in ast.walk(ast.parse(waiting.pop().read_text(encoding="utf-8"))):
            names = []
            if isinstance(node, ast.Import):
                names = [alias.name for alias in node.names]
            elif isinstance(node, ast.ImportFrom):
                names = [f"{node.module}.{alias.name}" for alias in node.names] + [node.module]
            for name in names:
                module = ROOT / (name.replace(".", "/") + ".py")
                if name.startswith("tinybert.") and module.is_file() and module not in found:
                    found.add(module)
                    waiting.append(module)
    return found


@pytest.mark.parametrize("stage", STAGES)
def test_listed_modules_are_exactly_those_imported(stage):
    script = ROOT / "stages" / f"{stage}.py"
    listed = [dep for dep in STAGES[stage]["deps"] if dep.endswith(".py")]
    expected = {script, *imported(script)}
    assert listed == sorted(set(listed), key=lambda dep: (dep.startswith("tinybert"), dep))
    assert {ROOT / dep for dep in listed} == expected


def test_every_script_is_a_stage_and_every_module_is_used():
    scripts = {path.stem for path in (ROOT / "stages").glob("*.py")}
    assert scripts == set(STAGES)
    used = set().union(*(imported(ROOT / "stages" / f"{stage}.py") for stage in STAGES))
    # Of commands: `python -m tinybert.fetch` and `.publish`, `tinybert`.
    own = {"__init__.py", "fetch.py", "cli.py", "serve.py", "torch_classifier.py", "publish.py"}
    modules = {path for path in (ROOT / "tinybert").glob("*.py") if path.name not in own}
    assert used == modules


def test_the_package_itself_holds_no_code():
    """It is imported by every stage and listed by none."""
    tree = ast.parse((ROOT / "tinybert/__init__.py").read_text(encoding="utf-8"))
    assert [type(node) for node in tree.body] == [ast.Expr]


@pytest.mark.parametrize("stage", STAGES)
def test_stages_run_as_modules_with_the_task_alone(stage):
    """`python stages/x.py` would import another workspace's code in a temporary experiment; and no
    value from params.yaml but the checked task name stands on a command line."""
    words = STAGES[stage]["cmd"].split()
    task = ["${item.task}"] if "matrix" in STAGES[stage] else []
    assert words == ["python", "-m", f"stages.{stage}", *task]


@pytest.mark.parametrize("stage", STAGES)
def test_parameters_are_those_that_the_code_reads(stage):
    """Every `settings.SECTION` in a script is among its params, and no other section is."""
    script = ROOT / "stages" / f"{stage}.py"
    files = [script, *(m for m in imported(script) if m.stem == "finetune")]
    read_sections = set()
    for file in files:
        for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Attribute):
                base = node.value
                loaded = (
                    isinstance(base, ast.Call)
                    and isinstance(base.func, ast.Attribute)
                    and ast.unparse(base.func) == "params.load"
                )
                if loaded or (isinstance(base, ast.Name) and base.id == "settings"):
                    read_sections.add(node.attr)
            if isinstance(node, ast.Call) and ast.unparse(node) == "params.load(name)":
                read_sections.add("task")  # a task's own settings stand in the sections
    if "${corpus.path}" in STAGES[stage]["deps"]:
        read_sections.add("corpus")
    tracked = {key.split(".")[0] for key in STAGES[stage]["params"]}
    assert tracked == read_sections
    # Of the section `task`, only the stage's own task: adding one leaves the others alone.
    assert "task" not in STAGES[stage]["params"]
