"""Scores of an exported model that labels words, on a file of words with tags."""

import json
import re
import subprocess
import sys
from pathlib import Path

import pytest
from sentences import sentences
from word_models import CONLL

from tinybert.commands import cli
from tinybert.pipeline.errors import InputError

MODEL = "models/mine/onnx"


@pytest.fixture
def evaluate(words, monkeypatch, capsys):
    """Runs the command; returns what it prints."""

    def run(*options: str) -> str:
        monkeypatch.setattr("sys.argv", ["tinybert", "evaluate", MODEL, *options])
        cli.main()
        return capsys.readouterr().out

    return run


def test_the_scores_are_those_of_the_stages(evaluate):
    shown = evaluate(CONLL, "--kind", "onnx")
    result = json.loads(Path("metrics/eval/mine.json").read_text())
    words = sum(len(words) for words, _ in sentences())
    assert f"{CONLL}: {len(sentences())} sentences, {words} words" in shown
    for metric, value in result["student"].items():
        low, high = result["intervals"]["student"][metric]
        row = f"{metric} +{100 * value:.1f} +{100 * low:.1f} to {100 * high:.1f}"
        assert re.search(row, shown), (row, shown)
    for kind, scores in result["types"]["student"].items():
        values = [100 * scores[name] for name in ("precision", "recall", "f1")]
        row = " +".join([kind, *(f"{value:.1f}" for value in values), str(scores["count"])])
        assert re.search(row, shown), (row, shown)


def test_files_of_other_forms_and_schemes_are_read(evaluate):
    expected = evaluate(CONLL).partition("\n")[2]
    parts = [part.splitlines() for part in Path(CONLL).read_text().strip().split("\n\n")]
    rows = [[line.split("\t") for line in part] for part in parts]
    records, ended = [], []
    for row in rows:
        records.append({"tokens": [word for word, _ in row], "ner": [tag for _, tag in row]})
        for i, (word, tag) in enumerate(row):
            is_last = i + 1 == len(row) or not row[i + 1][1].startswith("I-")
            mark = {"B-": "S-", "I-": "E-"}.get(tag[:2]) if is_last else None
            ended.append(f"x\t{word}\t{mark + tag[2:] if mark else tag}")
        ended.append("")
    Path("rows.jsonl").write_text("".join(json.dumps(record) + "\n" for record in records))
    Path("ended.bio").write_text("\n".join(ended))
    assert evaluate("rows.jsonl", "--columns", "text=tokens", "label=ner").partition("\n")[2] == (
        expected
    )
    assert evaluate("ended.bio", "--columns", "text=2", "label=3").partition("\n")[2] == expected


@pytest.mark.parametrize(
    ("name", "content", "options", "message"),
    [
        ("a.conll", "the\tO\nfilm\tB-FILM\n", [], r"a\.conll, line 2: the tag 'B-FILM' is not one"),
        ("a.csv", "the,O\n", [], "must end in one of .*conll.*give no --format"),
        ("a.conll", "the\tO\n", ["--format", "jsonl"], "give no --format"),
        ("a.conll", "the\n", [], "has one column"),
        ("a.jsonl", '{"x": ["the"], "tags": ["O"]}\n', [], "give --columns text=... label=..."),
        ("a.jsonl", '{"tokens": ["the"], "tags": [0]}\n', [], "write the names instead"),
        ("a.jsonl", '{"text": "the", "spans": [[0, 3, 1]]}\n', [], "write the names instead"),
        ("a.conll", "the\tO\n", ["--encoding", "utf-16"], "a.conll"),
    ],
)
def test_what_cannot_be_scored_is_named(words, name, content, options, message):
    from tinybert.commands.options import parser

    Path(name).write_text(content)
    with pytest.raises(InputError, match=message):
        cli._run(parser().parse_args(["evaluate", MODEL, name, *options]))


def test_neither_torch_nor_transformers_nor_dvc_is_imported(words):
    heavy = ("torch", "transformers", "dvc", "datasets", "fastapi", "matplotlib")
    code = (
        "import sys\nfrom tinybert.commands import cli\ncli.main()\n"
        f"print([name for name in {heavy} if name in sys.modules])"
    )
    command = [sys.executable, "-c", code, "evaluate", MODEL, CONLL]
    root = str(Path(cli.__file__).parents[2])
    done = subprocess.run(command, capture_output=True, text=True, env={"PYTHONPATH": root})
    assert done.stdout.splitlines()[-1:] == ["[]"], done.stderr


def test_prefixes_in_another_writing_are_read(evaluate):
    expected = evaluate(CONLL).partition("\n")[2]
    text = Path(CONLL).read_text().replace("\tB-", "\tb_").replace("\tI-", "\ti_")
    Path("other.conll").write_text(text)
    assert evaluate("other.conll").partition("\n")[2] == expected
