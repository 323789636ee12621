"""dvc.yaml lists the code that the stages import: DVC itself does not follow imports."""

import ast
from pathlib import Path

import pytest
from clone import ROOT
from ruamel.yaml import YAML


def read(name: str) -> dict:
    return YAML(typ="safe", pure=True).load((ROOT / name).read_text(encoding="utf-8"))


STAGES = {**read("dvc.yaml")["stages"], **read("data/dvc.yaml")["stages"]}
# From bottom to top: a room imports from those before it only.
ROOMS = (
    "pipeline", "models", "training", "tasks", "data", "distillation", "deploy", "evaluation",
    "commands",
)  # fmt: skip


def imports(file: Path) -> set[Path]:
    """The modules of this project that a file itself imports."""
    modules = set()
    for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
        names = []
        if isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            names = [f"{node.module}.{alias.name}" for alias in node.names] + [node.module]
        for name in names:
            module = ROOT / (name.replace(".", "/") + ".py")
            if name.split(".")[0] in ("tinybert", "data") and module.is_file():
                modules.add(module)
    return modules


def reachable(file: Path) -> set[Path]:
    """The modules that a file imports, itself or through others."""
    modules: set[Path] = set()
    waiting = [file]
    while waiting:
        new = imports(waiting.pop()) - modules
        modules |= new
        waiting += new
    return modules


def code_deps(stage: str) -> list[Path]:
    deps = [
        dep for dep in STAGES[stage]["deps"] if not dep.startswith("data/") or dep[-3:] == ".py"
    ]
    return [ROOT / dep for dep in deps if dep.startswith(("stages/", "tinybert/", "data/"))]


@pytest.mark.parametrize("stage", STAGES)
def test_every_reachable_module_is_covered_and_every_listed_path_is_needed(stage):
    script = ROOT / "stages" / f"{stage}.py"
    modules, listed = {script, *reachable(script)}, code_deps(stage)
    uncovered = {m for m in modules if not any(m == dep or dep in m.parents for dep in listed)}
    assert uncovered == set()
    unneeded = [dep for dep in listed if not any(m == dep or dep in m.parents for m in modules)]
    assert unneeded == []
    assert listed == sorted(listed, key=lambda dep: (dep.parts[-2] != "stages", str(dep)))


def test_most_code_deps_are_folders():
    listed = [dep for stage in STAGES for dep in code_deps(stage)]
    assert sum(dep.is_dir() for dep in listed) > 2 * len(
        [dep for dep in listed if dep.suffix == ".py" and dep.parent.name != "stages"]
    )


def test_every_script_is_a_stage():
    assert {path.stem for path in (ROOT / "stages").glob("*.py")} == set(STAGES)


def test_every_module_is_reached_by_a_stage_or_by_the_command():
    entries = [*(ROOT / "stages").glob("*.py"), ROOT / "tinybert/commands/cli.py"]
    used = set().union(*map(reachable, entries), entries)
    modules = {path for path in (ROOT / "tinybert").rglob("*.py") if path.name != "__init__.py"}
    assert modules <= used


def test_imports_run_one_way():
    for file in (ROOT / "tinybert").rglob("*.py"):
        room = file.relative_to(ROOT / "tinybert").parts[0]
        for module in imports(file):
            other = module.relative_to(ROOT / "tinybert").parts[0]
            if room in ROOMS:
                assert ROOMS.index(other) <= ROOMS.index(room), f"{file} imports {module}"


def test_only_the_list_of_rooms_is_there():
    folders = {path.name for path in (ROOT / "tinybert").iterdir() if path.is_dir()}
    assert folders - {"__pycache__"} == set(ROOMS)


def test_packages_hold_no_code():
    """They are imported by every stage and listed by none."""
    for file in (ROOT / "tinybert").rglob("__init__.py"):
        body = ast.parse(file.read_text(encoding="utf-8")).body
        assert all(isinstance(node, ast.Expr) for node in body), file


@pytest.mark.parametrize("stage", STAGES)
def test_stages_run_as_modules_with_the_task_alone(stage):
    """`python stages/x.py` would import another workspace's code in a temporary experiment; and no
    value of params.yaml but the checked task name is on a command line."""
    task = ["${item.task}"] if "matrix" in STAGES[stage] else []
    assert STAGES[stage]["cmd"].split() == ["python", "-m", f"stages.{stage}", *task]


@pytest.mark.parametrize("stage", STAGES)
def test_a_stage_tracks_no_other_tasks_settings(stage):
    keys = STAGES[stage]["params"]
    assert "task" not in keys
    assert all(key.startswith("task.${item.task}.") for key in keys if key.startswith("task."))


def test_no_out_holds_timings():
    for stage in STAGES.values():
        outs = [*stage.get("outs", []), *stage.get("metrics", []), *stage.get("plots", [])]
        names = [out if isinstance(out, str) else next(iter(out)) for out in outs]
        assert not [name for name in names if "seconds" in name or "speed" in name]


def test_modules_and_scripts_are_short():
    for folder, most in (("tinybert", 300), ("stages", 40)):
        for file in (ROOT / folder).rglob("*.py"):
            assert len(file.read_text(encoding="utf-8").splitlines()) <= most, file
    assert len((ROOT / "dvc.yaml").read_text(encoding="utf-8").splitlines()) < 300


def sections_read(stage: str) -> set[str]:
    """The sections of params.yaml that a stage's script reads, itself or in a function that it
    calls with all settings."""
    script = ROOT / "stages" / f"{stage}.py"
    text = script.read_text(encoding="utf-8")
    sections = attributes(ast.parse(text), "settings") | attributes(
        ast.parse(text), "params.load()"
    )
    for module in imports(script):
        for function in ast.walk(ast.parse(module.read_text(encoding="utf-8"))):
            if isinstance(function, ast.FunctionDef) and f"{function.name}(" in text:
                for argument in function.args.args:
                    if argument.annotation and "Params" in ast.unparse(argument.annotation):
                        sections |= attributes(function, argument.arg)
    if "params.load(name)" in text:  # with the task's overrides
        sections.add("task")
    trains = "distributed.run" in text  # prepare_task reads epochs alone, which are not shared
    if trains and sections & {"general", "teacher", "baseline", "intermediate", "prediction"}:
        sections.add("training")
    return sections


def attributes(tree: ast.AST, value: str) -> set[str]:
    return {
        node.attr
        for node in ast.walk(tree)
        if isinstance(node, ast.Attribute) and ast.unparse(node.value) == value
    }


@pytest.mark.parametrize("stage", STAGES)
def test_the_tracked_params_are_those_that_the_stage_reads(stage):
    tracked = {key.split(".")[0] for key in STAGES[stage]["params"]}
    assert tracked == sections_read(stage)
