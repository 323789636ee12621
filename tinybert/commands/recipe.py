"""Recipes: overlays for params.yaml that hold only the values that differ from it."""

import io
import re
from collections.abc import Container
from pathlib import Path
from typing import Any

from ruamel.yaml import YAML
from ruamel.yaml.error import YAMLError

from tinybert.pipeline import params
from tinybert.pipeline.errors import InputError
from tinybert.pipeline.files import atomic_write

FOLDER = Path("recipes")
BASE = "extends"  # the key that names the recipe which an overlay extends
# A section, or a value whose comment names the recipe that changed it.
LINE = re.compile(r"^(\w+):|^ +(\w+):.*; recipe (\S+)$", re.MULTILINE)


def names() -> list[str]:
    """The names of all recipes."""
    return sorted(file.stem for file in FOLDER.glob("*.yaml"))


def apply(name: str, file: Path = params.FILE) -> list[str]:
    """Applies recipes/NAME.yaml to a params file; comments and other values do not change.

    Returns a line for each changed value, and a warning if values of another recipe remain.
    Raises InputError, and writes nothing, if there is no recipe with that name or the file is not
    valid before or after.
    """
    changes = [(overlay(name), f"recipe {name}")]
    text, lines = edited(changes, f"{FOLDER / name}.yaml", file, whole=("task",))
    if others := other_recipes(text, name):
        lines.append(
            f"warning: these values of other recipes stay: {', '.join(others)}; to have {name} "
            f"alone, git checkout {file} (your tasks go, too), then apply it again"
        )
    with atomic_write(file) as temporary:
        temporary.write_text(text, encoding="utf-8")
    return lines


def edited(
    changes: list[tuple[dict, str]], name: str, file: Path, whole: Container[str] = ()
) -> tuple[str, list[str]]:
    """The text of a params file with changes, and a line for each changed value.

    changes: values by section, and what their comments say of where they come from. name: of the
    changes, for errors. whole: sections that are replaced, not merged. Raises InputError if the
    file is not valid before or after.
    """
    params.load(path=file)
    yaml, lines = _yaml(), []
    values = yaml.load(file.read_text(encoding="utf-8"))
    for overlay, source in changes:
        lines += _merge(values, overlay, source=source, whole=whole)
    stream = io.StringIO()
    yaml.dump(values, stream)
    text = stream.getvalue()
    try:
        params.parse(text, file)
    except InputError as error:
        raise InputError(f"{name} does not fit: with it, {error}") from None
    return text, lines


def other_recipes(text: str, name: str) -> list[str]:
    """The values of a params file that recipes but this one changed: "section.key (recipe)"."""
    section, found = "", []
    for opened, key, recipe in LINE.findall(text):
        section = opened or section
        if key and recipe != name:
            found.append(f"{section}.{key} ({recipe})")
    return found


def read(text: str) -> Any:
    """A value of YAML that keeps how it is written: 3e-5, [a, b], {data: {}}."""
    return _yaml().load(text)


def overlay(name: str, bases: tuple[str, ...] = ()) -> dict:
    """A recipe's values, merged onto those of the recipe that it extends. bases: the recipes that
    extend this one. Raises InputError if there is none of that name, or its file is damaged."""
    if not names():
        raise InputError(f"there is no recipe in {FOLDER}; run the command in a clone's folder")
    if name not in names():
        raise InputError(f"there is no recipe {name!r}; choose one of {', '.join(names())}")
    file = FOLDER / f"{name}.yaml"
    try:
        values = _yaml().load(file.read_text(encoding="utf-8"))
    except (YAMLError, ValueError, RecursionError) as error:
        raise InputError(f"{file} is not valid YAML: {error}; git checkout {file}") from None
    if not isinstance(values, dict):
        raise InputError(f"{file} must be a mapping of sections; git checkout {file}")
    base = values.pop(BASE, None)
    if base is None:
        return values
    if base in (name, *bases):
        raise InputError(f"{file}: {BASE}: {base} leads back to itself; correct it")
    merged = overlay(base, (*bases, name))
    _merge(merged, values)
    return merged


def _merge(
    values: dict,
    changes: dict,
    prefix: str = "",
    source: str = "",
    whole: Container[str] = ("task",),
) -> list[str]:
    """Merges sections; replaces scalars, lists and the sections that `whole` names. Returns a line
    for each changed value. source: replaces what the comments of changed values say about the
    value."""
    lines = []
    for key, value in changes.items():
        name = f"{prefix}{key}"
        if isinstance(value, dict) and isinstance(values.get(key), dict) and name not in whole:
            lines += _merge(values[key], value, f"{name}.", source, whole)
        elif key not in values or values[key] != value:
            lines.append(f"{name}: {values.get(key)} -> {value}")
            if key not in values:  # in front: the last key's comment includes the lines after it
                values.insert(0, key, value)
                continue
            values[key] = value
            comment = values.ca.items.get(key, [None] * 3)[2]
            if comment and source:  # its first line belongs to this value
                first, end, rest = comment.value.partition("\n")
                meaning, semicolon, _ = first.partition(";")
                comment.value = (f"{meaning}; {source}" if semicolon else first) + end + rest
    return lines


def _yaml() -> YAML:
    yaml = YAML()  # round trip: keeps comments and the spelling of numbers
    yaml.width = 200
    yaml.representer.add_representer(
        type(None),
        lambda representer, _: representer.represent_scalar("tag:yaml.org,2002:null", "null"),
    )
    return yaml
