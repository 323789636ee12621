"""Reading params.yaml: the one place where its mistakes are detected and named.

The file is YAML 1.2, as DVC reads it, so `3e-5` and `1e4` are numbers and `off` is a string.
pipeline/schema.py and task_data.py have the sections, types and bounds.
"""

import hashlib
from difflib import SequenceMatcher
from pathlib import Path
from typing import get_args, get_origin

from pydantic import BaseModel, ValidationError
from ruamel.yaml import YAML
from ruamel.yaml.error import YAMLError

from tinybert.pipeline.errors import InputError
from tinybert.pipeline.paths import LOCAL_MODELS, LOCAL_VECTORS, is_inside, is_path
from tinybert.pipeline.schema import (
    Augment,
    LayerTraining,
    Params,
    Prediction,
    SharedTraining,
    TaskData,
)

# The sections that task.<name> may override.
OVERRIDES = {"augment": Augment, "intermediate": LayerTraining, "prediction": Prediction}
TRAININGS = ("general", "teacher", "baseline", "intermediate", "prediction")
FILE = Path("params.yaml")


def load(task: str | None = None, path: str | Path = FILE) -> Params:
    """Reads and checks a params file. task: merge that task's overrides into the sections.

    Raises InputError that names the file and, for each wrong key, a correction.
    """
    path = Path(path)
    try:
        text = path.read_text(encoding="utf-8")
    except FileNotFoundError:
        raise InputError(f"{path} is missing; restore it: git checkout {path}") from None
    except UnicodeDecodeError as error:
        raise InputError(f"{path} is not UTF-8: {error}") from None
    return parse(text, path, task)


def parse(text: str, path: Path, task: str | None = None) -> Params:
    """As `load`, for the text of a params file. path: for messages."""
    try:
        values = YAML(typ="safe", pure=True).load(text)
    except (
        YAMLError,
        ValueError,
        RecursionError,
    ) as error:  # ValueError: a date such as 2024-13-01
        raise InputError(f"{path} is not valid YAML: {error}") from None
    if not isinstance(values, dict):
        raise InputError(f"{path} must be a mapping of sections; restore it: git checkout {path}")
    try:
        params = Params.model_validate(_with_shared(values))
    except ValidationError as error:
        problems = [p for p in error.errors() if not _is_repeated(p["loc"], values)]
        raise _error(path, [_describe(problem) for problem in problems]) from None
    merged, mistakes = _merge_tasks(params)  # all are checked, whichever is asked for
    mistakes += _misplaced(params, merged)
    if mistakes:
        raise _error(path, mistakes)
    if task is not None and task not in merged:
        raise InputError(f"{path} has no task.{task}; it has {', '.join(merged)}")
    return params if task is None else merged[task]


def derive(seed: int, stage: str) -> int:
    """A stage's seed: from one seed, each stage draws different random numbers."""
    return int.from_bytes(hashlib.sha256(f"{stage} {seed}".encode()).digest()[:4])


def _with_shared(values: dict) -> dict:
    """The sections that train, with the values of `training` for the keys that they lack."""
    shared = values.get("training")
    if not isinstance(shared, dict):
        return values
    shared = {key: value for key, value in shared.items() if key in SharedTraining.model_fields}
    return {
        name: {**shared, **section} if name in TRAININGS and isinstance(section, dict) else section
        for name, section in values.items()
    }


def _is_repeated(loc: tuple, values: dict) -> bool:
    """Whether a mistake in `training` is reported again for a section that shares the value."""
    section, key = (*loc, None, None)[:2]
    if section not in TRAININGS or key not in SharedTraining.model_fields:
        return False
    return key not in values[section]


def _merge_tasks(params: Params) -> tuple[dict[str, Params], list[str]]:
    """The params of each task, its overrides merged into the sections; and the mistakes in them."""
    merged, mistakes = {}, []
    for name, task in params.task.items():
        sections = {}
        for key in OVERRIDES:
            section = getattr(params, key)
            values = {**section.model_dump(), **getattr(task, key)}
            try:
                sections[key] = type(section).model_validate(values)
            except ValidationError as error:
                mistakes += [
                    _describe({**problem, "loc": ("task", name, key, *problem["loc"])})
                    for problem in error.errors()
                ]
        merged[name] = params.model_copy(update=sections)
    return merged, mistakes


def _misplaced(params: Params, merged: dict[str, Params]) -> list[str]:
    """Local files outside of the folders that dvc.yaml lists: DVC would not see their changes."""
    models = {"pretrained.model": params.pretrained.model}
    if params.student.is_published:
        models["student.init"] = params.student.init
    vectors = {"augment.word_vectors": params.augment.word_vectors}
    for name, task in params.task.items():
        for i, teacher in enumerate(task.data.teachers):
            models[f"task.{name}.data.teacher{f' {i + 1}' if i else ''}"] = teacher
        if name in merged and "word_vectors" in task.augment:
            vectors[f"task.{name}.augment.word_vectors"] = merged[name].augment.word_vectors
    mistakes = []
    for key, value in models.items():
        if value and "://" in value:
            mistakes.append(f"{key}: {value} is an address; write the hub id alone, OWNER/NAME")
        elif value and is_path(value) and not is_inside(value, LOCAL_MODELS):
            exists = Path(value).expanduser().exists()
            mistakes.append(
                f"{key}: {value} is a local path; copy the model to {LOCAL_MODELS}/NAME and write "
                f"{LOCAL_MODELS}/NAME here, so that DVC sees its changes"
                + ("" if exists else f" (there is no folder {value})")
            )
    for key, value in vectors.items():
        if value and not is_inside(value, LOCAL_VECTORS):
            mistakes.append(
                f"{key}: {value} is not in {LOCAL_VECTORS}; copy the file there, so that DVC sees "
                "its changes, or write null for the pretrained model's own embeddings"
            )
    return mistakes


def _error(path: Path, wrong: list[str]) -> InputError:
    return InputError("\n".join([f"{path} has mistakes:", *(f"  {line}" for line in wrong)]))


def _describe(problem: dict) -> str:
    key = ".".join(str(part) for part in problem["loc"])
    if problem["type"] == "value_error":  # raised by the schema; it names the keys
        return f"{key}: {problem['ctx']['error']}" if key else str(problem["ctx"]["error"])
    if problem["type"] == "extra_forbidden":
        *parents, name = map(str, problem["loc"])
        sections = {"": _section(parents)}
        if parents[:1] == ["task"] and len(parents) == 2:  # most of a task's keys are one deeper
            sections |= {"data.": TaskData, "augment.": Augment, "prediction.": Prediction}
        nearest = ".".join([*parents, _nearest(name, sections)])
        return f"{key}: unknown key; did you mean {nearest}?"
    if problem["type"] == "missing":
        if problem["loc"][0] == "task" and len(problem["loc"]) == 3:
            return f"{key}: missing; add `{problem['loc'][-1]}: {{}}` to task.{problem['loc'][1]}"
        return f"{key}: missing; `git diff params.yaml` shows what was removed"
    return f"{key}: {problem['msg']} (it is {problem['input']!r})"


def _section(parents: list[str]) -> type[BaseModel]:
    """The section at the end of a path of keys; the names of tasks are skipped."""
    if parents[:1] == ["task"] and parents[2:3] and parents[2] in OVERRIDES:
        return OVERRIDES[parents[2]]
    section, is_task = Params, False
    for name in parents:
        if is_task:
            is_task = False
            continue
        kind = section.model_fields[name].annotation
        is_task = get_origin(kind) is dict
        kinds = [kind, *get_args(kind)]  # dict[Name, Task], Columns | None
        section = next(k for k in kinds if isinstance(k, type) and issubclass(k, BaseModel))
    return section


def _nearest(name: str, sections: dict[str, type[BaseModel]]) -> str:
    """The key whose name or title is most similar to `name`. sections: by their prefix."""

    def similarity(candidate: tuple[str, str]) -> float:
        prefix, key = candidate
        spellings = (key, sections[prefix].model_fields[key].title or key)
        return max(SequenceMatcher(None, name, spelling).ratio() for spelling in spellings)

    candidates = [(prefix, key) for prefix, s in sections.items() for key in s.model_fields]
    return "".join(max(candidates, key=similarity))
