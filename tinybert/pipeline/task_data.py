"""The schema of a task's data in params.yaml: files, columns, labels, teachers."""

from typing import Annotated, Literal

from pydantic import Field, model_validator

from tinybert.pipeline.fields import Codec, Label, Positive, Section, Text
from tinybert.pipeline.wording import plural

ColumnOfEach = Annotated[list[str | Positive], Field(min_length=2)]  # label


class Columns(Section):
    """The roles of a task's columns: their names, or their positions counted from 1."""

    text: str | Positive | None = None
    text_a: str | Positive | None = None
    """With text_b: the two texts of a pair."""
    text_b: str | Positive | None = None
    label: str | Positive | None = None
    labels: str | Positive | ColumnOfEach | None = None
    """Multi-label: a column of lists, or one column of 0 and 1 for each label."""
    score: str | Positive | None = None
    probabilities: str | Positive | ColumnOfEach | None = None
    """In train and unlabeled: a column of lists or objects, or one column for each label, named as
    the label."""
    logits: str | Positive | ColumnOfEach | None = None
    """As probabilities."""

    @model_validator(mode="after")
    def _consistent(self) -> "Columns":
        given = {name for name, column in self if column is not None}
        if (given & {"text", "text_a", "text_b"}) not in ({"text"}, {"text_a", "text_b"}):
            raise ValueError("columns must name text, or text_a and text_b")
        if len(given & {"label", "labels", "score"}) > 1:
            raise ValueError("columns must name one of label, labels and score")
        return self


class TaskData(Section):
    """Overrides for what is otherwise inferred from the task's files."""

    benchmark: Literal[
        "glue/cola", "glue/sst2", "glue/mrpc", "glue/stsb", "glue/qqp", "glue/mnli", "glue/qnli",
        "glue/rte", "glue/wnli", "trec"
    ] | None = None  # fmt: skip
    """The benchmark whose published files these are."""
    kind: Literal["classification", "multi_label", "regression", "tokens"] | None = None
    scheme: Literal["IOB1", "IOB2", "IOBES", "IO", "none"] | None = None
    """How tags of words mark entities; none: not at all, as parts of speech."""
    columns: Columns | None = None
    header: bool | None = None
    """Whether the first line of a .tsv, .txt or .csv file names the columns."""
    quoted: bool | None = None
    """Whether quotation marks enclose fields; null: in .csv files only."""
    encoding: Codec | None = None
    labels: list[Label] | dict[Label, Label] | None = None
    """All labels in the order of their numbers, or a name for each label of the files."""
    metric: Literal[
        "accuracy", "f1", "f1_macro", "f1_micro", "matthews", "pearson", "spearman",
        "entity_f1", "entity_precision", "entity_recall", "word_accuracy"
    ] | None = None  # fmt: skip
    """The metric that chooses the best epoch."""
    teacher: Text | Annotated[list[Text], Field(min_length=2)] | None = None
    """A fine-tuned model that replaces training: hub id, folder in data/models, package:NAME; or
    several, whose mean logits count. Step 1 looks inside the first."""
    teacher_revision: str | None = None
    teacher_labels: list[Label] | list[list[Label]] | None = None
    """The task's labels in the order of the teacher's outputs, if its config does not name them.
    With several teachers a list for each, or one for all that do not name the labels."""
    missing_labels: list[Label] | None = None
    """Labels that mean that a row has none: rows of train become unlabeled, others are left out.
    null: -, ?, nan, null, None, NA, N/A, and -1 beside the numbers of classes, or 0 and 1."""
    drop_overlap: bool = False
    """Remove rows from train and unlabeled that are also in dev or test."""
    drop_broken: bool = False
    """Remove and count rows with another number of fields, without a text, or with a label that
    `labels` does not list, instead of refusing or keeping them."""

    @model_validator(mode="after")
    def _consistent(self) -> "TaskData":
        if self.benchmark and (self.columns or self.header is not None or self.kind):
            raise ValueError("benchmark defines the columns; remove columns, header and kind")
        targets = ("label", "labels", "score", "probabilities", "logits")
        has_target = self.columns and any(getattr(self.columns, role) for role in targets)
        if self.columns and not has_target and not self.teacher:
            raise ValueError("columns must name one of label, labels and score")
        for role in ("labels", "probabilities", "logits"):
            self._check_names(role)
        if isinstance(self.labels, list) and len(set(self.labels)) != len(self.labels):
            raise ValueError("labels lists a name twice")
        if self.scheme and self.kind != "tokens":
            raise ValueError("scheme needs kind: tokens")
        if (self.teacher_labels or self.teacher_revision) and not self.teacher:
            raise ValueError("teacher_labels and teacher_revision need a teacher")
        if self.has_list_for_each and len(self.teacher_labels) != len(self.teachers):
            raise ValueError(
                f"teacher_labels has {len(self.teacher_labels)} lists, and the task has "
                f"{plural(len(self.teachers), 'teacher', 'teachers')}; write one for each, or one "
                "list for all"
            )
        if self.teacher_revision and len(self.teachers) > 1:
            raise ValueError("teacher_revision is for one teacher; copy the others to data/models")
        return self

    def _check_names(self, role: str) -> None:
        """Raises ValueError if a column for each label is named by its position alone."""
        places = getattr(self.columns, role, None)
        places = [str(p) for p in places if isinstance(p, int)] if isinstance(places, list) else []
        if not set(places) <= {*(self.labels or ())}:
            raise ValueError(
                f"columns: {role} lists positions, which do not say what the labels are: give the "
                "file a header with the labels' names and list these (in quotation marks if they "
                f"are numbers), or set labels: {{{places[0]}: NAME, ...}}"
            )

    @property
    def teachers(self) -> list[str]:
        if self.teacher is None:
            return []
        return self.teacher if isinstance(self.teacher, list) else [self.teacher]

    @property
    def has_list_for_each(self) -> bool:
        """Whether teacher_labels has a list for each teacher."""
        return bool(self.teacher_labels) and isinstance(self.teacher_labels[0], list)

    @property
    def members(self) -> list["TaskData"]:
        """The section with each teacher alone and the names of its outputs."""
        names = self.teacher_labels
        lists = names if self.has_list_for_each else [names] * len(self.teachers)
        return [
            self.model_copy(update={"teacher": teacher, "teacher_labels": labels})
            for teacher, labels in zip(self.teachers, lists, strict=True)
        ]
