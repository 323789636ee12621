"""Reading params.yaml: one place where every mistake in it is found and named.

Read as YAML 1.2, as DVC reads it, so `3e-5` and `1e4` are numbers and `off` is a string. What may
stand there: tinybert/schema.py.
"""

import hashlib
from difflib import SequenceMatcher
from pathlib import Path
from typing import get_args, get_origin

from pydantic import BaseModel, ValidationError
from ruamel.yaml import YAML
from ruamel.yaml.error import YAMLError

from tinybert.errors import InputError
from tinybert.schema import Params

OWN_SECTIONS = ("augment", "intermediate", "prediction")  # that task.<name> may have, too


def load(task: str | None = None, path: str | Path = "params.yaml") -> Params:
    """Reads and checks a params file; for a task, with what task.<name> says in the sections.

    Raises InputError that names the file and, for each wrong key, what would be right.
    """
    path = Path(path)
    try:
        values = YAML(typ="safe", pure=True).load(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise InputError(f"{path} is missing; start from one in recipes/") from None
    except (YAMLError, UnicodeDecodeError) as error:
        raise InputError(f"{path} is no valid YAML: {error}") from None
    if not isinstance(values, dict):
        raise InputError(f"{path} must be a mapping of sections; start from one in recipes/")
    try:
        params = Params.model_validate(values)
    except ValidationError as error:
        raise _error(path, [_describe(problem) for problem in error.errors()]) from None
    of_tasks, wrong = _merged(params)  # all are checked, whichever is asked for
    if wrong:
        raise _error(path, wrong)
    if task is not None and task not in of_tasks:
        raise InputError(f"{path} has no task.{task}; it has {', '.join(of_tasks)}")
    return params if task is None else of_tasks[task]


def derive(seed: int, stage: str) -> int:
    """A stage's own seed: from one seed, each stage draws other random numbers."""
    return int.from_bytes(hashlib.sha256(f"{stage} {seed}".encode()).digest()[:4])


def _merged(params: Params) -> tuple[dict[str, Params], list[str]]:
    """For each task, the params with its own settings in the sections; and what is wrong there."""
    of_tasks, wrong = {}, []
    for name, task in params.task.items():
        changed = {}
        for section in OWN_SECTIONS:
            general = getattr(params, section)
            values = {**general.model_dump(), **getattr(task, section)}
            try:
                changed[section] = type(general).model_validate(values)
            except ValidationError as error:
                wrong += [
                    f"task.{name}.{_describe({**problem, 'loc': (section, *problem['loc'])})}"
                    for problem in error.errors()
                ]
        of_tasks[name] = params.model_copy(update=changed)
    return of_tasks, wrong


def _error(path: Path, wrong: list[str]) -> InputError:
    return InputError("\n".join([f"{path} has mistakes:", *(f"  {line}" for line in wrong)]))


def _describe(problem: dict) -> str:
    key = ".".join(str(part) for part in problem["loc"])
    if problem["type"] == "value_error":  # ours; it names the keys
        return f"{key}: {problem['ctx']['error']}" if key else str(problem["ctx"]["error"])
    if problem["type"] == "extra_forbidden":
        *parents, name = problem["loc"]
        nearest = ".".join([*map(str, parents), _nearest(str(name), _section(parents))])
        return f"{key}: unknown key; did you mean {nearest}?"
    if problem["type"] == "missing":
        return f"{key}: missing; copy the line from a file in recipes/"
    return f"{key}: {problem['msg']} (it is {problem['input']!r})"


def _section(parents: list) -> type[BaseModel]:
    """The section at the end of a path of keys, in which a task's name is passed over."""
    section, is_task = Params, False
    for name in parents:
        if is_task:
            is_task = False
            continue
        kind = section.model_fields[name].annotation
        is_task = get_origin(kind) is dict
        kinds = [kind, *get_args(kind)]  # of `dict[Name, Task]` and `Columns | None`, too
        section = next(k for k in kinds if isinstance(k, type) and issubclass(k, BaseModel))
    return section


def _nearest(name: str, section: type[BaseModel]) -> str:
    """The key whose name, or spelled-out title, is most like `name`."""

    def likeness(key: str) -> float:
        spellings = (key, section.model_fields[key].title or key)
        return max(SequenceMatcher(None, name, spelling).ratio() for spelling in spellings)

    return max(section.model_fields, key=likeness)
