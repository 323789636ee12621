"""Sentences whose words have tags, and how files write them."""

import json

from raw_tasks import column

from tinybert.tasks.task import load_task

TOKENS = {"kind": "tokens"}
SENTENCES = [
    (["Ada", "Lovelace", "met", "Bo"], ["B-PER", "I-PER", "O", "B-PER"]),
    (["Rome", "is", "#", "1"], ["B-LOC", "O", "O", "O"]),
]


def conll(sentences: list[tuple], separator: str = "\t", end: str = "\n", middle: str = "") -> str:
    blocks = [
        end.join(f"{word}{separator}{middle}{tag}" for word, tag in zip(*sentence, strict=True))
        for sentence in sentences
    ]
    return (end + end).join(blocks) + end


def json_rows(rows: list[dict]) -> str:
    return "\n".join(map(json.dumps, rows))


def is_expected(folder, split: str = "train") -> None:
    names = load_task(folder / "out").labels
    assert names == ["O", "B-LOC", "I-LOC", "B-PER", "I-PER"]
    assert column(folder, split, "words") == [words for words, _ in SENTENCES]
    tags = [[names[i] for i in row] for row in column(folder, split, "tags")]
    assert tags == [tags for _, tags in SENTENCES]
