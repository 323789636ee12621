"""Statistics of tables, and what the stage prints."""

from raw_tasks import TRAIN, prepare, write

from tinybert.data.raw.describe import summary
from tinybert.data.raw.prepare import prepare_task
from tinybert.pipeline.task_data import TaskData


def test_description_counts_rows_labels_lengths_and_cuts(tmp_path, tokenizer):
    files = {"train__tsv": TRAIN + "good good good good\tpos\n", "dev__tsv": TRAIN}
    raw = write(tmp_path / "raw", files)
    _, statistics = prepare_task(raw, tmp_path / "out", TaskData(), tokenizer, max_length=5)
    assert statistics["train"]["rows"] == 3
    assert statistics["train"]["labels"] == {"neg": 1, "pos": 2}
    assert statistics["train"]["tokens"] == {"total": 4 + 4 + 6, "median": 4, "max": 6}
    assert statistics["train"]["rows_cut"] == 1 and statistics["dev"]["rows_cut"] == 0


def test_description_counts_several_labels_and_the_range_of_scores(tmp_path):
    several = "text\tlabels\na\tx,y\nb\ty\nc\t\n"
    _, statistics = prepare(tmp_path, train__tsv=several, dev__tsv=several)
    assert statistics["train"]["labels"] == {"x": 1, "y": 2}
    scores = "text\tscore\na\t-1.5\nb\t4\n"
    _, statistics = prepare(tmp_path, train__tsv=scores, dev__tsv=scores)
    assert statistics["dev"]["score"] == {"min": -1.5, "max": 4.0}


def test_few_rows_and_absent_labels_are_named(tmp_path):
    section = {"labels": ["neg", "pos", "mixed"]}
    _, statistics = prepare(tmp_path, section, train__tsv=TRAIN, dev__tsv=TRAIN)
    assert statistics["dev"]["notices"]["small"].startswith("only 2 rows (")
    assert "1 label has no row in " in statistics["dev"]["notices"]["absent_labels"]


def test_the_summary_lists_labels_rows_and_warnings(tmp_path):
    section = {"drop_overlap": True, "labels": ["neg", "pos"]}
    files = {
        "train__tsv": TRAIN + "good film\tpos\ndull film\tneg\n\tneg\n",
        "dev__tsv": TRAIN.replace("good", "great"),
        "unlabeled__tsv": "text\nthe plot is very dull and boring\ngreat film\n",
    }
    lines = summary(*prepare(tmp_path, section, **files))
    first, *lines = lines.replace(f"{tmp_path}/raw/", "").splitlines()
    assert first == "classification, labels: neg, pos"
    assert lines[:4] == [
        "train: 4 rows",
        "  warning: 1 row repeats an earlier row's texts: train.tsv, line 4 is train.tsv, line 2",
        "  warning: 1 row is removed, because it is also in dev or test (drop_overlap: true)",
        "  warning: 1 row has an empty text: train.tsv, line 6; drop_broken: true under the task's "
        "data in params.yaml removes such rows",
    ]
    assert lines[-1].startswith("  warning: 1 row is removed, because it is")
