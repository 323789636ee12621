"""`tinybert init --teacher`: a model that is fine-tuned, with labelled files or without."""

import re
from pathlib import Path

import pytest
import torch
from own_files import MODEL, ROWS, request, settings, write_csv
from teachers import fine_tuned
from tiny import config_of
from transformers import BertForTokenClassification, BertModel, RobertaModel

from tinybert.commands import cli, init
from tinybert.data.raw.prepare import prepare_task
from tinybert.pipeline import params
from tinybert.pipeline.errors import InputError
from tinybert.tasks import teacher
from tinybert.tasks.task import Task

TEACHER = "data/models/teacher"
TAGS = ["O", "B-PER", "I-PER"]


@pytest.fixture
def project(project, checkpoint) -> Path:
    """With a teacher that classifies texts, with another number of heads than params.yaml has."""
    checkpoint(fine_tuned("bert", ["neg", "pos"]), TEACHER)
    return project


def tagger(checkpoint, folder: str = TEACHER) -> None:
    names = {"num_labels": 3, "id2label": dict(enumerate(TAGS))}
    names["label2id"] = {name: i for i, name in enumerate(TAGS)}
    checkpoint(BertForTokenClassification(config_of("bert", **names)), folder)


def texts(name: str = "unlabeled.txt") -> Path:
    Path(name).write_text("".join(f"{text}\n" for text, _ in ROWS), encoding="utf-8")
    return Path(name)


def of_teacher(*files: Path, **options):
    return request(*files, **{"model": None, "teacher": TEACHER, **options})


def prepared(folder: Path) -> Task:
    """What the stage makes of the task that init wrote, its teacher included."""
    values = params.load("mine")
    section, model = values.task["mine"].data, Path(values.pretrained.model)
    task, _ = prepare_task(Path("data/raw/mine"), folder / "out", section)
    inside = values.intermediate.epochs > 0
    teacher.fetch_teachers(section, task, model, folder / "out", 64, inside)
    return task


def test_texts_alone_become_a_task_of_the_teachers_labels(project, capsys, monkeypatch):
    texts()
    command = f"tinybert init unlabeled.txt --teacher {TEACHER} --name mine --yes"
    monkeypatch.setattr("sys.argv", command.split())
    cli.main()
    shown = capsys.readouterr().out
    assert f"teacher: {TEACHER}; labels: neg, pos (from its config.json" in shown
    assert "no test is taken: scores are agreement with" in shown
    assert re.search(r"^unlabeled +108 ", shown, re.MULTILINE)
    assert re.search(r"^dev \(from unlabeled\) +12 ", shown, re.MULTILINE)
    values = settings()
    assert values["task"]["mine"]["data"] == {"teacher": TEACHER}
    assert values["pretrained"]["model"] == TEACHER
    heads = config_of("bert").num_attention_heads
    assert values["student"]["num_attention_heads"] == heads != 12
    assert [file.name for file in Path("data/raw/mine").iterdir()] == ["unlabeled.txt"]
    task = prepared(project)
    assert (task.labels, task.splits) == (["neg", "pos"], ["dev", "unlabeled"])


def test_a_labelled_test_beside_texts_is_scored(project, capsys):
    test = write_csv("test.csv", [("a good film", "POS"), ("bad", "neg"), ("dull", "NEG")])
    init.init(of_teacher(texts(), test))
    shown = capsys.readouterr().out
    assert "no test is taken" not in shown and re.search(r"^neg +2$", shown, re.MULTILINE)
    assert prepared(project).splits == ["dev", "test", "unlabeled"]


def test_scores_need_no_labels(project, checkpoint, capsys):
    checkpoint(fine_tuned("bert", ["score"]), TEACHER)
    init.init(of_teacher(texts()))
    assert "labels: a score" in capsys.readouterr().out and prepared(project).kind == "regression"


def test_labelled_files_have_their_own_labels_and_a_test(project, capsys):
    init.init(of_teacher(write_csv("tickets.csv", ROWS)))
    assert f"teacher: {TEACHER}, which is not trained again" in capsys.readouterr().out
    assert settings()["task"]["mine"]["data"] == {"teacher": TEACHER}
    assert {file.name for file in Path("data/raw/mine").iterdir()} == {"train.csv", "test.csv"}
    assert prepared(project).splits == ["train", "dev", "test"]


def test_the_pretrained_model_may_be_another_of_the_same_sizes(project, checkpoint):
    checkpoint(BertModel(config_of("bert")), MODEL)
    init.init(of_teacher(texts(), model=MODEL))
    assert settings()["pretrained"]["model"] == MODEL and prepared(project).labels == ["neg", "pos"]


@pytest.mark.parametrize("family", ["bert", "roberta"])
def test_step_1_is_left_out_for_a_teacher_unlike_the_model(project, checkpoint, capsys, family):
    checkpoint(BertModel(config_of("bert", hidden_size=16)), MODEL)
    checkpoint(fine_tuned(family, ["neg", "pos"]), "data/models/other")
    init.init(of_teacher(texts(), model=MODEL, teacher="data/models/other"))
    [line] = [line for line in capsys.readouterr().out.splitlines() if "step 1" in line]
    assert "hidden_size 8 (not 16)" in line and "(intermediate: {epochs: 0})" in line
    assert settings()["task"]["mine"]["intermediate"] == {"epochs": 0}
    assert prepared(project).labels == ["neg", "pos"]


def test_words_are_labelled_by_the_teacher(project, checkpoint, capsys):
    tagger(checkpoint)
    init.init(of_teacher(texts()))
    shown = capsys.readouterr().out
    assert "kind: tokens;" in shown and "labels: O, B-PER, I-PER" in shown
    assert re.search(r"^split +sentences", shown, re.MULTILINE)
    assert settings()["task"]["mine"]["data"] == {"kind": "tokens", "teacher": TEACHER}
    assert prepared(project).labels == TAGS
    write_csv("unlabeled.csv", ROWS)
    with pytest.raises(InputError, match=r"unlabeled\.csv: the teacher labels words, .* end in"):
        init.init(of_teacher(Path("unlabeled.csv"), name="other"))


def test_a_teacher_that_does_not_fit_is_refused(project, checkpoint, tmp_path_factory):
    unlabeled, labelled = texts(), write_csv("tickets.csv", ROWS)
    others = [(text, f"{label} {i % 3}") for i, (text, label) in enumerate(ROWS)]
    elsewhere = str(checkpoint(fine_tuned("bert", ["a", "b"]), tmp_path_factory.mktemp("t") / "t"))
    checkpoint(RobertaModel(config_of("roberta")), "data/models/other")
    torch.manual_seed(1)
    checkpoint(BertModel(config_of("bert")), "data/models/plain")
    tagger(checkpoint, "data/models/tagger")
    for files, options, message in (
        ([unlabeled], {"teacher": "data/models/no/where"}, "--teacher: .* there is no folder"),
        ([unlabeled], {"teacher": elsewhere}, f"^--teacher {elsewhere} is a local path; copy"),
        ([labelled], {"teacher": None, "model": elsewhere}, f"^--model {elsewhere} is a local"),
        ([unlabeled], {"model": "data/models/other", "teacher": "data/models/tagger"},
         "^--teacher data/models/tagger splits .*Give the model .* as --model, or give no"),
        ([unlabeled], {"teacher": "data/models/plain"}, "plain does not hold .*classifier"),
        ([labelled], {"teacher": "data/models/tagger"}, "^--teacher data/models/tagger is a "),
        ([write_csv("other.csv", others)], {},
         r"(?s)labels of the teacher .* are not those.*neg 0.*init has no option"),
    ):  # fmt: skip
        with pytest.raises(InputError, match=message):
            init.init(of_teacher(*files, **options))
    assert not Path("data/raw").exists()


def test_messages_on_texts_without_labels_name_the_teacher(project):
    with pytest.raises(InputError, match=r"unlabeled\.txt: none is train.*--teacher ID\|DIR"):
        init.init(request(texts()))
    with pytest.raises(InputError, match=r"^tickets\.txt has .* If it has no labels, name it unl"):
        init.init(of_teacher(texts("tickets.txt")))
    write_csv("tickets.csv", [(text,) for text, _ in ROWS], "comment")
    with pytest.raises(InputError, match=r"^tickets\.csv needs labels: add label to --columns, or"):
        init.init(of_teacher(Path("tickets.csv"), columns={"text": "comment"}))
    write_csv("unlabeled.csv", [(text,) for text, _ in ROWS], "comment")
    init.init(of_teacher(Path("unlabeled.csv"), columns={"text": "comment"}))
    assert prepared(Path()).labels == ["neg", "pos"]
