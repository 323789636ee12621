"""Recipes: overlays for params.yaml that hold only the values that differ from it."""

import io
import re
from pathlib import Path

from ruamel.yaml import YAML
from ruamel.yaml.error import YAMLError

from tinybert.pipeline import params
from tinybert.pipeline.errors import InputError
from tinybert.pipeline.files import atomic_write

FOLDER = Path("recipes")
BASE = "extends"  # the key that names the recipe which an overlay extends
APPLIED = re.compile(r"; recipe (\S+)$", re.MULTILINE)  # in the comments of changed values


def names() -> list[str]:
    """The names of all recipes."""
    return sorted(file.stem for file in FOLDER.glob("*.yaml"))


def apply(name: str, file: Path = params.FILE) -> list[str]:
    """Applies recipes/NAME.yaml to a params file; comments and other values do not change.

    Returns a line for each changed value, after a warning if values of another recipe remain.
    Raises InputError, and writes nothing, if there is no recipe with that name or the file is not
    valid before or after.
    """
    params.load(path=file)
    yaml = _yaml()
    values = yaml.load(file.read_text(encoding="utf-8"))
    lines = _merge(values, overlay(name), source=f"recipe {name}")
    stream = io.StringIO()
    yaml.dump(values, stream)
    text = stream.getvalue()
    try:
        params.parse(text, file)
    except InputError as error:
        raise InputError(f"{FOLDER / name}.yaml does not fit: with it, {error}") from None
    if others := sorted(set(APPLIED.findall(text)) - {name}):
        lines.insert(
            0,
            f"warning: {file} still has values of the recipe {', '.join(others)}; to remove them "
            f"first: git checkout {file}",
        )
    with atomic_write(file) as temporary:
        temporary.write_text(text, encoding="utf-8")
    return lines


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


def _merge(values: dict, changes: dict, prefix: str = "", source: str = "") -> list[str]:
    """Merges sections; replaces scalars, lists and the section `task`. Returns a line for each
    changed value. source: replaces what the comments of changed values say about the value."""
    lines = []
    for key, value in changes.items():
        name = f"{prefix}{key}"
        if isinstance(value, dict) and isinstance(values.get(key), dict) and name != "task":
            lines += _merge(values[key], value, f"{name}.", source)
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
