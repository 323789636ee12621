"""`tinybert init --kind`, and the messages that name it."""

from pathlib import Path

import pytest
from own_files import MODEL, ROWS, request, settings, write_csv
from tiny import WORDS

from tinybert.commands import cli, init
from tinybert.commands.options import parser
from tinybert.data.raw.prepare import prepare_task
from tinybert.pipeline import params
from tinybert.pipeline.errors import InputError
from tinybert.tasks.task import Task


def tickets(labels: list) -> Path:
    """A file with a row for each label."""
    rows = [(f"{WORDS[i % 30]} {WORDS[i // 30]}", label) for i, label in enumerate(labels)]
    return write_csv("tickets.csv", rows)


def prepared(folder: Path, name: str) -> Task:
    """What the stage makes of the task that init wrote."""
    section = params.load().task[name].data
    return prepare_task(Path("data/raw", name), folder / f"out-{name}", section)[0]


@pytest.mark.parametrize(
    ("labels", "taken", "kind", "names"),
    [
        (["1.1", "1.2", "2.1"] * 30, "regression", "classification", ["1.1", "1.2", "2.1"]),
        (["screen", "battery", "screen,battery"] * 30, "classification", "multi_label",
         ["battery", "screen"]),
        ([10 * i for i in range(30)] * 3, "classification", "regression", []),
    ],
)  # fmt: skip
def test_a_notice_names_the_option_that_changes_the_kind(
    project, capsys, labels, taken, kind, names
):
    file = tickets(labels)
    init.init(request(file, name="one"))
    shown = capsys.readouterr().out
    assert f"kind: {taken};" in shown and prepared(project, "one").kind == taken
    [line] = [line for line in shown.splitlines() if f"give --kind {kind}" in line]
    assert line.startswith("warning: train: ") and "params.yaml" not in line
    init.init(request(file, name="two", kind=kind))
    shown = capsys.readouterr().out
    assert f"kind: {kind};" in shown and "--kind" not in shown
    assert settings()["task"]["two"]["data"] == {"kind": kind}
    task = prepared(project, "two")
    assert task.kind == kind and task.labels == names


def test_star_ratings_may_be_scores(project, capsys, monkeypatch):
    file = tickets([1 + i % 5 for i in range(100)])
    command = f"tinybert init {file} --name mine --model {MODEL} --kind regression --yes"
    monkeypatch.setattr("sys.argv", command.split())
    cli.main()
    assert "kind: regression;" in capsys.readouterr().out
    assert prepared(project, "mine").kind == "regression"


def test_errors_name_the_option(project):
    with pytest.raises(InputError, match="if the labels are scores, give --kind regression") as one:
        init.init(request(tickets(list(range(100)))))
    file = tickets(["O", "B-PER", "I-PER"] * 20)
    with pytest.raises(InputError, match="labels of words give --kind tokens") as other:
        init.init(request(file))
    assert "of texts, give --kind classification" in str(other.value)
    for caught in (one, other):
        assert "params.yaml" not in str(caught.value)
    init.init(request(file, kind="classification"))


def test_files_that_the_kind_cannot_have_are_refused(project):
    words = Path("words.conll")
    words.write_text("\n".join(f"the O\n{word} B-X\n" for word in WORDS))
    test = Path("test.conll")
    test.write_text(words.read_text())
    texts = write_csv("tickets.csv", ROWS)
    for files, kind, message in (
        ([texts], "tokens", r"tickets\.csv: train labels words, .* end in one of"),
        ([words], "classification", r"words\.conll has words with tags.*save it as one of"),
        ([texts, test], None, r"test\.conll has words with tags.*save it as one of"),
    ):
        with pytest.raises(InputError, match=f"^{message}"):
            init.init(request(*files, kind=kind))
    assert not Path("data/raw").exists()


def test_lines_may_be_said_to_be_words_or_texts(project):
    """Lines of two columns with a blank one between could be either."""
    Path("a.tsv").write_text("".join(f"{word}\tO\n{word}s\tB-X\n\n" for word in WORDS[:20]))
    for name, kind in (("found", None), ("said", "tokens")):
        init.init(request(Path("a.tsv"), name=name, kind=kind))
        assert settings()["task"][name]["data"] == {"kind": "tokens"}
        assert prepared(Path(), name).kind == "tokens"


@pytest.mark.parametrize("kind", ["classification", "multi_label", "regression", "tokens"])
def test_the_kinds_of_the_command_line(kind):
    command = ["init", "a.csv", "--name", "mine", "--kind"]
    assert parser().parse_args([*command, kind]).kind == kind
    with pytest.raises(SystemExit):
        parser().parse_args([*command, f"{kind}s"])
