"""The content of params.yaml as people wrote it: unchecked, since an older version may have had
other keys."""

from ruamel.yaml import YAML
from ruamel.yaml.error import YAMLError

from tinybert.pipeline import params
from tinybert.pipeline.files import reading


def read() -> dict:
    """Raises InputError if the file is missing or damaged."""
    with reading(params.FILE):
        text = params.FILE.read_text(encoding="utf-8")
        try:
            values = YAML(typ="safe", pure=True).load(text)
        except YAMLError as error:
            raise ValueError(error) from None
        if not isinstance(values, dict):
            raise ValueError("it is not a mapping")
    return values


def flat(values: dict, prefix: str = "") -> dict[str, str]:
    """The values by dotted key, as YAML writes them."""
    result = {}
    for key, value in values.items():
        if isinstance(value, dict) and value:
            result |= flat(value, f"{prefix}{key}.")
        else:
            result[f"{prefix}{key}"] = _plain(value)
    return result


def _plain(value: object) -> str:
    if isinstance(value, list):
        return f"[{', '.join(map(_plain, value))}]"
    if value is None or isinstance(value, bool):
        return {None: "null", True: "true", False: "false"}[value]
    return f"{value:g}" if isinstance(value, float) else str(value)
