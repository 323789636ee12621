"""`tinybert init` on files of words with tags."""

import json
import re
from pathlib import Path

import pytest
from ruamel.yaml import YAML
from tiny import WORDS

from tinybert.commands import init
from tinybert.commands.init import Request
from tinybert.data.raw import sentences
from tinybert.pipeline.errors import InputError
from tinybert.pipeline.task_data import TaskData

DATA = TaskData(kind="tokens")
NAMES = ["Ada", "Bo Lee", "Cy", "Di"]
ROWS = [  # of 60 different sentences
    [("the", "O"), (word, "O"), ("is", "O"), *zip(name.split(), ("B-PER", "I-PER"), strict=False)]
    for word in WORDS[:15]
    for name in NAMES
]


def request(*files: Path, **options) -> Request:
    return Request(list(files), name="mine", model="data/models/tiny", **options)


def settings() -> dict:
    return YAML(typ="safe", pure=True).load(Path("params.yaml").read_text(encoding="utf-8"))


def conll(rows: list) -> str:
    return "\n".join("".join(f"{word} {tag}\n" for word, tag in row) for row in rows)


def read(split: str) -> list[str]:
    """The sentences of a split, from its file."""
    tables = sentences.read(Path("data/raw/mine"), DATA, {})[1]
    return tables[split].columns["text_a"]


@pytest.mark.parametrize("name", ["names.conll", "names.txt", "names.tsv"])
def test_words_in_columns_become_a_task_of_words(project, capsys, name):
    Path(name).write_text(conll(ROWS), encoding="utf-8")
    init.init(request(Path(name), test_share=0.2))
    shown = capsys.readouterr().out
    assert "kind: tokens; scheme of the tags: IOB2; language: English" in shown
    counts = re.search(r"^PER((?: +\d+){3})$", shown, re.MULTILINE)[1].split()
    assert sum(map(int, counts)) == len(ROWS)  # train, dev, test
    assert re.search(r"^PER: (Bo Lee|\w\w+) +the \w+ is \1$", shown, re.MULTILINE)
    assert re.search(r"^split +sentences +median tokens", shown, re.MULTILINE)
    assert "test: 12 sentences of train" in shown
    assert settings()["task"]["mine"]["data"] == {"kind": "tokens"}
    train, test = read("train"), read("test")
    expected = [" ".join(word for word, _ in row) for row in ROWS]
    assert sorted(train + test) == sorted(expected) and len(test) == 12


def test_comments_and_headers_stay_with_their_sentences(project):
    parts = [f"# text = {i}\n{conll([row])}\n" for i, row in enumerate(ROWS)]
    content = "token tag\n\n-DOCSTART- O\n\n" + "".join(parts)
    Path("names.bio").write_text(content.rstrip("\n"), encoding="utf-8")
    init.init(request(Path("names.bio"), test_share=0.2))
    files = [Path("data/raw/mine", f"{split}.bio").read_text() for split in ("train", "test")]
    divided = [file.replace("token tag\n\n-DOCSTART- O\n\n", "") for file in files]
    assert all(file.startswith("token tag\n") for file in files)
    for file in divided:
        for part in filter(None, file.split("\n\n")):
            assert f"{part.rstrip()}\n\n" in [p.rstrip() + "\n\n" for p in parts]
    assert sum(file.count("# text") for file in divided) == len(ROWS)


def test_near_duplicates_stay_on_one_side(project):
    doubled = [row for r in ROWS for row in (r, [(w.upper(), tag) for w, tag in r])]
    Path("names.conll").write_text(conll(doubled), encoding="utf-8")
    init.init(request(Path("names.conll"), test_share=0.3))
    train, test = ({text.lower() for text in read(split)} for split in ("train", "test"))
    assert not train & test and len(test) == 18


@pytest.mark.parametrize("form", ["tags", "spans"])
def test_lists_and_spans_are_found(project, form):
    records = []
    for row in ROWS:
        words, tags = zip(*row, strict=True)
        text = " ".join(words)
        start = text.index(words[3])
        spans = [{"start": start, "end": len(text), "label": "PER"}]
        records.append(
            {"tokens": words, "ner_tags": tags}
            if form == "tags"
            else {"text": text, "entities": spans if len(records) else []}
        )
    Path("names.jsonl").write_text("".join(json.dumps(r) + "\n" for r in records))
    init.init(request(Path("names.jsonl"), test_share=0.2))
    assert settings()["task"]["mine"]["data"] == {"kind": "tokens"}
    assert len(read("test")) == 12 and len(read("train")) == 48


def test_labels_of_texts_stay_labels_of_texts(project):
    rows = [
        {"text": f"the {word} film", "labels": ["a", "b"][: i % 3]} for i, word in enumerate(WORDS)
    ]
    Path("texts.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    init.init(request(Path("texts.jsonl")))
    assert settings()["task"]["mine"]["data"] == {}


def test_columns_are_written_and_what_does_not_fit_is_named(project):
    content = conll([[(word, f"x {tag} y") for word, tag in row] for row in ROWS])
    Path("names.conll").write_text(content)
    Path("test.csv").write_text("text,label\na,b\n")
    with pytest.raises(InputError, match="test.csv: train labels words"):
        init.init(request(Path("names.conll"), Path("test.csv")))
    with pytest.raises(InputError, match=r"Give|give --columns text=1 label=2"):
        init.init(request(Path("names.conll"), columns={"text": "a", "label": "b"}))
    assert not Path("data/raw").exists()
    init.init(request(Path("names.conll"), columns={"text": 1, "label": 3}))
    data = settings()["task"]["mine"]["data"]
    assert data == {"kind": "tokens", "columns": {"text": 1, "label": 3}}
