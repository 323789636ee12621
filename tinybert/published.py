"""Benchmarks in the files in which they were published: GLUE, TREC."""

from dataclasses import dataclass, field


@dataclass(frozen=True)
class Form:
    """files: possible names of each split's file. columns: as in params.yaml. labels: a name for
    each label of the files. metrics: reported before accuracy and f1_macro; the best epoch is
    chosen by the first. broken_lines: whether the published files have some."""

    files: dict[str, tuple[str, ...]]
    columns: dict[str, str | int]
    header: bool = True
    labels: dict[str, str] = field(default_factory=dict)
    metrics: tuple[str, ...] = ()
    kind: str | None = None
    encoding: str = "utf-8"
    broken_lines: bool = False


GLUE = {"train": ("train.tsv",), "dev": ("dev.tsv",)}
MNLI = {split: (f"{split}.tsv",) for split in ("train", "dev", "dev_mismatched")}
MNLI["dev"] = ("dev_matched.tsv",)
TREC = {"train": ("TREC.train", "train_5500.label"), "test": ("TREC.test", "TREC_10.label")}
YES_NO = {"entailment": "entailment", "not_entailment": "not_entailment"}
FORMS = {
    "glue/cola": Form(
        GLUE,
        {"text": 4, "label": 2},
        header=False,
        labels={"0": "unacceptable", "1": "acceptable"},
        metrics=("matthews",),
    ),
    "glue/sst2": Form(
        GLUE, {"text": "sentence", "label": "label"}, labels={"0": "negative", "1": "positive"}
    ),
    "glue/mrpc": Form(
        GLUE,
        {"text_a": "#1 String", "text_b": "#2 String", "label": "Quality"},
        labels={"0": "not_equivalent", "1": "equivalent"},
        metrics=("accuracy", "f1"),
    ),
    "glue/stsb": Form(
        GLUE,
        {"text_a": "sentence1", "text_b": "sentence2", "score": "score"},
        kind="regression",
    ),
    "glue/qqp": Form(
        GLUE,
        {"text_a": "question1", "text_b": "question2", "label": "is_duplicate"},
        labels={"0": "not_duplicate", "1": "duplicate"},
        metrics=("accuracy", "f1"),
        broken_lines=True,
    ),
    "glue/mnli": Form(
        MNLI,
        {"text_a": "sentence1", "text_b": "sentence2", "label": "gold_label"},
        labels={label: label for label in ("entailment", "neutral", "contradiction")},
    ),
    "glue/qnli": Form(
        GLUE, {"text_a": "question", "text_b": "sentence", "label": "label"}, labels=YES_NO
    ),
    "glue/rte": Form(
        GLUE, {"text_a": "sentence1", "text_b": "sentence2", "label": "label"}, labels=YES_NO
    ),
    "glue/wnli": Form(
        GLUE,
        {"text_a": "sentence1", "text_b": "sentence2", "label": "label"},
        labels={"0": "not_entailment", "1": "entailment"},
    ),
    "trec": Form(TREC, {"label": 1, "text": 2}, header=False, encoding="latin-1"),
}
