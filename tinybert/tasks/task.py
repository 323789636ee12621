"""A task's kind, labels, metrics and splits, stored in task.json next to its tables."""

from dataclasses import asdict, dataclass, field, fields
from pathlib import Path

from tinybert.pipeline.files import read_json, reading, write_json
from tinybert.pipeline.wording import plural

TARGET = {"classification": "label", "multi_label": "labels", "regression": "score"}
# Metrics of each kind; the first chooses the best epoch unless params.yaml names another.
REPORTED = {
    "classification": ("accuracy", "f1_macro"),
    "multi_label": ("f1_micro", "f1_macro", "accuracy"),
    "regression": ("pearson", "spearman"),
}
FILE = "task.json"
CHOOSES = "dev"  # the split that chooses the epoch
AGREEMENT = "agreement"  # the metric of answered splits
AGREEMENT_IS = (
    "Agreement is the share of equal answers of a model and of the teacher, label by label where a "
    "text may have several; for scores, their correlation."
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
    """kind: "classification", "multi_label" or "regression". labels: class names in the order of
    their numbers, empty for regression. pair: whether a row has two texts. metrics: reported; the
    first chooses the best epoch. splits: those that have a table. answered: those of them whose
    targets are the teacher's answers, since they have no labels."""

    kind: str
    labels: list[str]
    pair: bool
    metrics: list[str]
    splits: list[str]
    answered: list[str] = field(default_factory=list)

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
        """The target's column in the tables: "label", "labels" or "score"."""
        return TARGET[self.kind]

    @property
    def test_split(self) -> str:
        """The split that reported scores come from."""
        return "test" if "test" in self.splits else "dev"

    def head(self) -> dict:
        """The keyword arguments for AutoModelForSequenceClassification."""
        if self.kind == "regression":
            return {"num_labels": 1, "problem_type": "regression"}
        names = dict(enumerate(self.labels))
        return {
            "id2label": names,
            "label2id": {name: i for i, name in names.items()},
            "problem_type": {
                "classification": "single_label_classification",
                "multi_label": "multi_label_classification",
            }[self.kind],
        }

    def save(self, folder: Path) -> None:
        write_json(folder / FILE, asdict(self))


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
