"""The schema of params.yaml: what may stand there, and the error for what may not.

Read as YAML 1.2, as DVC reads it, so `3e-5` and `1e4` are numbers and `off` is a string.
"""

from difflib import SequenceMatcher
from pathlib import Path
from typing import Annotated, Literal

from pydantic import (
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    StringConstraints,
    ValidationError,
    model_validator,
)
from ruamel.yaml import YAML
from ruamel.yaml.error import YAMLError

from tinybert.errors import InputError


def _integral(value: object) -> object:
    """1e4 is a float to YAML, and a fair way to write a count."""
    return int(value) if isinstance(value, float) and value.is_integer() else value


Count = Annotated[int, BeforeValidator(_integral), Field(ge=0)]
Positive = Annotated[int, BeforeValidator(_integral), Field(ge=1)]
Share = Annotated[float, Field(ge=0, le=1)]
Rate = Annotated[float, Field(gt=0, le=1)]
# A task's name becomes a folder, a stage name and a word on a command line.
Name = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9][A-Za-z0-9_-]*$", max_length=64)]


class Section(BaseModel):
    model_config = ConfigDict(extra="forbid", strict=True, use_attribute_docstrings=True)


class Pretrained(Section):
    model: Annotated[str, Field(min_length=1)]
    """Hub id, directory, or package:NAME."""
    revision: str | None
    """Branch, tag or commit of a hub model."""
    sha256: Annotated[str, StringConstraints(pattern=r"^[0-9a-f]{64}$")] | None
    """Of model.safetensors; null: not checked."""


class Docs(Section):
    packages: Annotated[list[Name], Field(min_length=1)]
    """Import names of the installed libraries whose docstrings are the general corpus."""
    labels: Annotated[list[Name], Field(min_length=2)]
    """The libraries that the task tells apart."""
    train_rows: Positive
    dev_rows: Positive
    test_rows: Positive
    unlabeled_rows: Count
    """At most so many."""
    min_characters: Annotated[Positive, Field(ge=60, le=4000)]
    max_characters: Annotated[Positive, Field(ge=60, le=4000)]

    @model_validator(mode="after")
    def _consistent(self) -> "Docs":
        if missing := sorted(set(self.labels) - set(self.packages)):
            raise ValueError(f"labels {missing} are not among packages; add them there")
        if self.min_characters > self.max_characters:
            raise ValueError("min_characters is greater than max_characters")
        return self


class Corpus(Section):
    path: Annotated[str, Field(min_length=1)]
    """A folder with .txt or .md files in UTF-8."""
    max_length: Annotated[Positive, Field(ge=8, le=512)]
    """Tokens in a segment, special tokens included."""
    max_tokens: Positive
    """The corpus is cut there."""


class Encode(Section):
    max_length: Annotated[Positive, Field(ge=8, le=512)]
    """Tokens in a row of a task, special tokens included; longer rows are cut."""


class Student(Section):
    init: Literal["random", "projection"]
    """First weights."""
    num_hidden_layers: Positive
    hidden_size: Positive
    num_attention_heads: Positive
    """Must be the teacher's: attention is compared head by head."""
    intermediate_size: Positive

    @model_validator(mode="after")
    def _heads_divide(self) -> "Student":
        if self.hidden_size % self.num_attention_heads:
            raise ValueError(
                f"hidden_size {self.hidden_size} is not a multiple of "
                f"num_attention_heads {self.num_attention_heads}"
            )
        return self


class LayerLoss(Section):
    layer_map: Literal["uniform"] | list[Positive]
    """The teacher layer that each student layer learns from, counted from 1."""
    projection: Literal["shared", "per_layer"]
    """One linear map for all layers, or one per layer."""


class Training(Section):
    """What every stage that trains has."""

    epochs: Positive
    batch_size: Positive
    lr: Annotated[Rate, Field(title="learning_rate")]
    """Peak of the schedule."""
    warmup: Share
    """Share of the steps in which lr rises from 0; then it falls to 0."""
    weight_decay: Share
    max_grad_norm: Annotated[float, Field(gt=0)]
    dropout: Annotated[float, Field(ge=0, lt=1)]
    """Of hidden states and of attention, while this stage trains."""


class Augment(Section):
    copies: Count
    """N: changed copies of each labelled row; 0: none."""
    replace_probability: Share
    """p: chance of a word to be replaced."""
    candidates: Positive
    """K: a replacement is drawn from so many."""


class Prediction(Training):
    temperature: Annotated[float, Field(gt=0)]
    hard_label_weight: Share
    """Weight of the gold labels' loss; the teacher's has the rest."""


class Evaluate(Section):
    batch_size: Positive
    """Rows at once, for scores and for the throughput."""
    speed_rows: Positive
    """Rows whose latency and throughput are measured."""


class Params(Section):
    tasks: Annotated[list[Name], Field(min_length=1)]
    seed: Annotated[Count, Field(lt=2**31)]
    precision: Literal["auto", "bf16", "fp32"]
    pretrained: Pretrained
    docs: Docs
    corpus: Corpus
    encode: Encode
    student: Student
    layer_loss: LayerLoss
    general: Training
    teacher: Training
    baseline: Training
    augment: Augment
    intermediate: Training
    prediction: Prediction
    evaluate: Evaluate

    @model_validator(mode="after")
    def _distinct_tasks(self) -> "Params":
        for name in self.tasks:
            if self.tasks.count(name) > 1:
                raise ValueError(f"tasks: {name} stands there twice")
            if name in ("general", "pretrained"):
                raise ValueError(
                    f"tasks: {name} is a folder of models/; give the task another name"
                )
        return self


def load(path: str | Path = "params.yaml") -> Params:
    """Reads and checks a params file.

    Raises InputError that names the file and, for each wrong key, what would be right.
    """
    path = Path(path)
    try:
        values = YAML(typ="safe", pure=True).load(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise InputError(f"{path} is missing; start from one in recipes/") from None
    except YAMLError as error:
        raise InputError(f"{path} is no valid YAML: {error}") from None
    if not isinstance(values, dict):
        raise InputError(f"{path} must be a mapping of sections; start from one in recipes/")
    try:
        return Params.model_validate(values)
    except ValidationError as error:
        lines = [f"  {_describe(problem)}" for problem in error.errors()]
        raise InputError("\n".join([f"{path} has mistakes:", *lines])) from None


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
    section: type[BaseModel] = Params
    for name in parents:
        section = section.model_fields[name].annotation
    return section


def _nearest(name: str, section: type[BaseModel]) -> str:
    """The key whose name, or spelled-out title, is most like `name`."""

    def likeness(key: str) -> float:
        spellings = (key, section.model_fields[key].title or key)
        return max(SequenceMatcher(None, name, spelling).ratio() for spelling in spellings)

    return max(section.model_fields, key=likeness)
