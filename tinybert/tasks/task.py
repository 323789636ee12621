"""A task's kind, labels, metrics and splits, stored in task.json next to its tables."""

from dataclasses import asdict, dataclass, field, fields
from pathlib import Path

from tinybert.pipeline.files import read_json, reading, write_json
from tinybert.pipeline.wording import plural

TARGET = {
    "classification": "label", "multi_label": "labels", "regression": "score", "tokens": "tags",
}  # fmt: skip
# Metrics of each kind; the first chooses the best epoch unless params.yaml names another.
REPORTED = {
    "classification": ("accuracy", "f1_macro"),
    "multi_label": ("f1_micro", "f1_macro", "accuracy"),
    "regression": ("pearson", "spearman"),
    "tokens": ("entity_f1", "entity_precision", "entity_recall", "word_accuracy"),
}
WORD_METRICS = ("word_accuracy",)  # of tokens whose labels are no entities, as parts of speech
FILE = "task.json"
CHOOSES = "dev"  # the split that chooses the epoch
AGREEMENT = "agreement"  # the metric of answered splits
AGREEMENT_IS = (
    "Agreement is the share of equal answers of a model and of the teacher, label by label where a "
    "text may have several, word by word where words have labels; for scores, their correlation."
)
# That are trained and scored, and what people read.
MODELS = {
    "baseline": "baseline",
    "finetuned_general": "general student, labels alone",
    "teacher": "teacher",
    "student": "student",
}
LABELS_ALONE = ("baseline", "finetuned_general")  # of MODELS, those that learn labels alone


@dataclass
class Task:
    """kind: "classification", "multi_label", "regression" or "tokens". labels: class names in the
    order of their numbers, empty for regression. pair: whether a row has two texts. metrics:
    reported; the first chooses the best epoch. splits: those that have a table. answered: those of
    them whose targets are the teacher's answers, since they have no labels. probable: those whose
    targets are the most probable labels that the files give."""

    kind: str
    labels: list[str]
    pair: bool
    metrics: list[str]
    splits: list[str]
    answered: list[str] = field(default_factory=list)
    probable: list[str] = field(default_factory=list)

    @property
    def has_labels(self) -> bool:
        """Whether there are labels to train on."""
        return "train" in self.splits

    @property
    def models(self) -> dict[str, str]:
        """The models that are trained and scored, and what people read, as MODELS."""
        return {
            model: title
            for model, title in MODELS.items()
            if self.has_labels or model not in LABELS_ALONE
        }

    def metrics_of(self, split: str) -> list[str]:
        """The metrics of a split's scores."""
        return [AGREEMENT] if split in self.answered else self.metrics

    @property
    def metric(self) -> str:
        return self.metrics[0]

    @property
    def target(self) -> str:
        """The target's column in the tables: "label", "labels", "score" or "tags"."""
        return TARGET[self.kind]

    @property
    def test_split(self) -> str:
        """The split that reported scores come from."""
        return "test" if "test" in self.splits else "dev"

    @property
    def has_entities(self) -> bool:
        """Whether the labels are of words and mark entities."""
        return self.kind == "tokens" and is_iob2(self.labels)

    @property
    def types(self) -> list[str]:
        """The type of entity of each label, or O; the label itself, if labels mark no entities."""
        if not self.has_entities:
            return self.labels
        return [label.partition("-")[2] or label for label in self.labels]

    def head(self) -> dict:
        """The keyword arguments for AutoModelForSequenceClassification, with problem_type; for
        tokens those for AutoModelForTokenClassification, without."""
        if self.kind == "regression":
            return {"num_labels": 1, "problem_type": "regression"}
        names = dict(enumerate(self.labels))
        head = {"id2label": names, "label2id": {name: i for i, name in names.items()}}
        if self.kind == "tokens":
            return head
        return head | {
            "problem_type": {
                "classification": "single_label_classification",
                "multi_label": "multi_label_classification",
            }[self.kind],
        }

    def save(self, folder: Path) -> None:
        write_json(folder / FILE, asdict(self))


def is_iob2(labels: list[str]) -> bool:
    """Whether the labels of words mark entities."""
    return labels[:1] == ["O"] and all(label[:2] in ("B-", "I-") for label in labels[1:])


def scored_on(split: str, rows: int) -> str:
    """What scores are shown with: their split and rows, and whether that split chose the epoch,
    which makes them too high."""
    chosen = ", chosen on it" if split == CHOOSES else ""
    return f"{split} split, {plural(rows, 'row', 'rows')}{chosen}"


def load_task(folder: Path) -> Task:
    """Raises InputError if task.json is missing or damaged."""
    names = [field.name for field in fields(Task)]
    content = read_json(folder / FILE, *names)
    with reading(folder / FILE):
        task = Task(**{name: content[name] for name in names})
        task.head()  # an unknown kind, or labels that are no list
    return task
