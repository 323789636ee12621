"""Layouts of benchmarks' published files: GLUE, TREC."""

from dataclasses import dataclass, field


@dataclass(frozen=True)
class BenchmarkLayout:
    """files: possible names of each split's file. columns: as in params.yaml. labels: the label in
    the files -> its name. metrics: reported before accuracy and f1_macro; the first chooses the
    best epoch. broken_lines: whether the published files contain broken lines."""

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
BENCHMARKS = {
    "glue/cola": BenchmarkLayout(
        GLUE,
        {"text": 4, "label": 2},
        header=False,
        labels={"0": "unacceptable", "1": "acceptable"},
        metrics=("matthews",),
    ),
    "glue/sst2": BenchmarkLayout(
        GLUE, {"text": "sentence", "label": "label"}, labels={"0": "negative", "1": "positive"}
    ),
    "glue/mrpc": BenchmarkLayout(
        GLUE,
        {"text_a": "#1 String", "text_b": "#2 String", "label": "Quality"},
        labels={"0": "not_equivalent", "1": "equivalent"},
        metrics=("accuracy", "f1"),
    ),
    "glue/stsb": BenchmarkLayout(
        GLUE,
        {"text_a": "sentence1", "text_b": "sentence2", "score": "score"},
        kind="regression",
    ),
    "glue/qqp": BenchmarkLayout(
        GLUE,
        {"text_a": "question1", "text_b": "question2", "label": "is_duplicate"},
        labels={"0": "not_duplicate", "1": "duplicate"},
        metrics=("accuracy", "f1"),
        broken_lines=True,
    ),
    "glue/mnli": BenchmarkLayout(
        MNLI,
        {"text_a": "sentence1", "text_b": "sentence2", "label": "gold_label"},
        labels={label: label for label in ("entailment", "neutral", "contradiction")},
    ),
    "glue/qnli": BenchmarkLayout(
        GLUE, {"text_a": "question", "text_b": "sentence", "label": "label"}, labels=YES_NO
    ),
    "glue/rte": BenchmarkLayout(
        GLUE, {"text_a": "sentence1", "text_b": "sentence2", "label": "label"}, labels=YES_NO
    ),
    "glue/wnli": BenchmarkLayout(
        GLUE,
        {"text_a": "sentence1", "text_b": "sentence2", "label": "label"},
        labels={"0": "not_entailment", "1": "entailment"},
    ),
    "trec": BenchmarkLayout(TREC, {"label": 1, "text": 2}, header=False, encoding="latin-1"),
}
