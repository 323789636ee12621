"""The schema of params.yaml: its sections, types and bounds."""

from typing import Annotated, Any, Literal

from pydantic import Field, StringConstraints, model_validator

from tinybert.pipeline.fields import Count, Name, Positive, Rate, Section, Share, Text
from tinybert.pipeline.task_data import TaskData


class Pretrained(Section):
    model: Text
    """Hub id, folder in data/models, or package:NAME."""
    revision: str | None
    """Branch, tag or commit of a hub model."""
    sha256: Annotated[str, StringConstraints(pattern=r"^[0-9a-f]{64}$")] | None
    """The expected hash of model.safetensors, or of all shards together; null: not checked."""


class Task(Section):
    """One task: how to read its files, and what differs from the sections of the same names."""

    data: TaskData
    augment: dict[str, Any]
    intermediate: dict[str, Any]
    prediction: dict[str, Any]


class Docs(Section):
    """The embedded default's input."""

    packages: Annotated[list[Name], Field(min_length=1)]
    """Import names of the installed libraries whose docstrings are the general corpus."""
    labels: Annotated[list[Name], Field(min_length=2)]
    """The libraries that are the task's classes."""
    train_rows: Positive
    dev_rows: Positive
    test_rows: Positive
    unlabeled_rows: Count
    """Upper bound."""
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
    path: Text | None
    """A folder of .txt or .md files in UTF-8; null: the tasks' texts, without dev and test."""
    max_length: Annotated[Positive, Field(ge=8, le=512)]
    """Tokens in a segment, special tokens included."""
    max_tokens: Positive
    """Upper bound; a random part of a larger corpus is used."""


class Encode(Section):
    max_length: Annotated[Positive, Field(ge=8, le=512)]
    """Tokens in a row of a task, special tokens included."""
    long_texts: Literal["cut", "windows"]
    """Longer texts are cut, or read in windows of max_length tokens, whose mean logits count."""

    @property
    def stride(self) -> int:
        """Tokens that two windows of a text share; 0: texts are cut."""
        return self.max_length // 4 if self.long_texts == "windows" else 0


class Student(Section):
    init: Text
    """random, projection, or a general TinyBERT: hub id, folder in data/models, package:NAME."""
    revision: str | None
    """Branch, tag or commit of a hub model."""
    num_hidden_layers: Positive
    hidden_size: Positive
    num_attention_heads: Positive
    """Must equal the teacher's: attention is compared head by head."""
    intermediate_size: Positive
    vocabulary: Literal["full", "task"]
    """The pretrained model's tokens, or those that a task's texts use."""
    min_count: Positive
    """How often a task's texts must have a token that is kept."""
    embedding_rank: Positive | None
    """Rank of the embedding table of a task's student; null: the whole table."""

    @property
    def is_published(self) -> bool:
        """Whether `init` names a model."""
        return self.init not in ("random", "projection")

    @model_validator(mode="after")
    def _sizes_fit(self) -> "Student":
        if self.embedding_rank and self.embedding_rank >= self.hidden_size:
            raise ValueError(
                f"embedding_rank {self.embedding_rank} is not below hidden_size "
                f"{self.hidden_size}; null keeps the whole table"
            )
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


class SharedTraining(Section):
    """The section `training`: shared by the five stages that train."""

    batch_size: Positive
    warmup: Share
    """Share of the steps in which lr rises from 0; then it falls to 0."""
    weight_decay: Share
    max_grad_norm: Annotated[float, Field(gt=0)]


class Training(SharedTraining):
    """A stage that trains. A key of SharedTraining here overrides the shared value."""

    epochs: Positive
    lr: Annotated[Rate, Field(title="learning_rate")]
    """Peak of the schedule."""
    dropout: Annotated[float, Field(ge=0, lt=1)]
    """Of hidden states and attention, during this stage."""


class LayerTraining(Training):
    """General distillation, and step 1 of task distillation."""

    epochs: Count
    """0: the student stays as it is."""


class Augment(Section):
    copies: Count
    """N: changed copies of each labelled row; 0: none."""
    replace_probability: Share
    """p: the probability that a word is replaced."""
    candidates: Positive
    """K: the number of candidates that a replacement is drawn from."""
    word_vectors: Text | None
    """A file of word vectors in data/vectors; null: the pretrained model's token embeddings."""
    language: Annotated[str, StringConstraints(pattern=r"^[a-z]{2}$")]
    """ISO 639-1 code of the stop words, which are not replaced."""


class Prediction(Training):
    temperature: Annotated[float, Field(gt=0)]
    hard_label_weight: Share
    """Weight of the gold labels' loss; the teacher's loss has the rest."""


class Export(Section):
    max_drop: Annotated[float, Field(ge=0, le=100)]
    """Points of the task's metric on dev that the 8-bit student may lose, noise aside."""


class Params(Section):
    tasks: Annotated[list[Name], Field(min_length=1)]
    task: dict[Name, Task]
    """Settings of each task."""
    seed: Annotated[Count, Field(lt=2**31)]
    precision: Literal["auto", "bf16", "fp32"]
    pretrained: Pretrained
    docs: Docs | None = None
    """Needed for the embedded default only."""
    corpus: Corpus
    encode: Encode
    student: Student
    layer_loss: LayerLoss
    training: SharedTraining
    general: LayerTraining
    teacher: Training
    baseline: Training
    augment: Augment
    intermediate: LayerTraining
    prediction: Prediction
    export: Export

    @model_validator(mode="after")
    def _distinct_tasks(self) -> "Params":
        for name in self.tasks:
            if self.tasks.count(name) > 1:
                raise ValueError(f"tasks: {name} is listed twice")
            if name in ("general", "pretrained", "published_student"):
                raise ValueError(f"tasks: models/{name} is taken; rename the task")
            if name not in self.task:
                raise ValueError(
                    f"tasks: there is no task.{name}; add this line under `task:`\n"
                    f"  {name}: {{data: {{}}, augment: {{}}, intermediate: {{}}, prediction: {{}}}}"
                )
        return self
