"""The types of params.yaml's values, and the base of its sections."""

from typing import Annotated

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    StringConstraints,
)


def _integral(value: object) -> object:
    """YAML reads 1e4 as a float; it is a fair way to write a count."""
    return int(value) if isinstance(value, float) and value.is_integer() else value


def _codec(encoding: str) -> str:
    try:
        "a".encode(encoding)
    except LookupError:
        common = "common ones are utf-8, utf-16, latin-1, cp1252, gb18030, big5, shift_jis"
        raise ValueError(f"Python has no {encoding!r}; {common}") from None
    return encoding


Count = Annotated[int, BeforeValidator(_integral), Field(ge=0)]
Positive = Annotated[int, BeforeValidator(_integral), Field(ge=1)]
Share = Annotated[float, Field(ge=0, le=1)]
Rate = Annotated[float, Field(gt=0, le=1)]
Text = Annotated[str, Field(min_length=1)]
Codec = Annotated[Text, AfterValidator(_codec)]
# YAML reads a label such as 0 as a number.
Label = Annotated[str, BeforeValidator(lambda v: str(v) if type(v) is int else v)]
# A task's name becomes a folder, a stage's name and a command line argument.
NAME = r"^[A-Za-z0-9][A-Za-z0-9_-]{0,63}$"
Name = Annotated[str, StringConstraints(pattern=NAME)]


class Section(BaseModel):
    model_config = ConfigDict(extra="forbid", strict=True, use_attribute_docstrings=True)
