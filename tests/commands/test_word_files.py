"""Whether a file is words with tags, or texts with labels."""

import json
from pathlib import Path

import pytest
from own_files import ROWS, request
from tagged_files import SENTENCES, conll

from tinybert.commands import init, word_files
from tinybert.pipeline.errors import InputError

ENGLISH = "a good film\tpos\nbad\tneg\n\nnot my film\tneg\n"
CHINESE = "这部电影真的非常好看\t正面\n我再也不会来这家店了\t负面\n\n服务态度非常令人失望\t负面\n"
SHORT = "text\tlabel\n很好\t正面\n不好\t负面\n\n可以\t正面\n"
PAIRS = "entailment\ta man sleeps\tsomeone sleeps\n\nneutral\ta man eats\tsomeone cooks\n"
CHARACTERS = [
    (["王", "小", "明", "在", "北", "京"], ["B-PER", "I-PER", "I-PER", "O", "B-LOC", "I-LOC"])
] * 2
CONLL_U = (
    "# text = Ada is\n1\tAda\tAda\tPROPN\t_\tNumber=Sing|Gender=Fem\t2\tnsubj\t_\tSpaceAfter=No\n\n"
    "1\tBo\tBo\tPROPN\t_\tNumber=Sing|Gender=Masc\t0\troot\t_\t_\n"
)
WORDS = {"text": "Ada is here", "tokens": ["Ada", "is", "here"]}


def is_of_words(folder: Path, name: str, content: str) -> bool:
    (folder / name).write_text(content, encoding="utf-8")
    return word_files.has_words([folder / name], "utf-8", None)


@pytest.mark.parametrize("ending", ["tsv", "txt"])
@pytest.mark.parametrize("content", [ENGLISH, CHINESE, SHORT, PAIRS])
def test_a_table_of_texts_with_a_blank_line_is_no_file_of_words(tmp_path, ending, content):
    assert not is_of_words(tmp_path, f"train.{ending}", content)


@pytest.mark.parametrize("ending", ["tsv", "txt"])
@pytest.mark.parametrize("sentences", [SENTENCES, CHARACTERS])
@pytest.mark.parametrize("separator", ["\t", " "])
@pytest.mark.parametrize("header", ["", "token{}tag\n", "text{}label\n"])
def test_words_in_columns_are_found(tmp_path, ending, sentences, separator, header):
    content = header.format(separator) + conll(sentences, separator)
    assert is_of_words(tmp_path, f"train.{ending}", content)


def test_parts_of_speech_are_found(tmp_path):
    assert is_of_words(tmp_path, "train.tsv", CONLL_U)
    assert is_of_words(tmp_path, "train.tsv", "Ada\tNOUN\nis\tVERB\n\nNew York\tNOUN\n")


@pytest.mark.parametrize(
    "rows",
    [
        [WORDS | {"label": "x"}],
        [WORDS | {"lemmas": ["Ada", "be", "here"], "label": "x"}],
        # as many labels as words, by chance
        [WORDS | {"labels": ["a", "b", "c"]}, *[WORDS | {"labels": ["a"]}] * 2],
        [{"tokens": ["Ada", "is"], "label": "x"}],
    ],
)
def test_words_beside_a_label_are_for_convenience(tmp_path, rows):
    assert not is_of_words(tmp_path, "train.jsonl", "".join(json.dumps(r) + "\n" for r in rows))


@pytest.mark.parametrize(
    "rows",
    [
        [WORDS | {"ner_tags": ["B-PER", "O", "O"]}],
        [{"tokens": ["Ada", "is"], "my_tags": [1, 0]}],
        # one mistake, which reading names
        [*[WORDS | {"tags": ["B-PER", "O", "O"]}] * 2, WORDS | {"tags": ["O"]}],
        [WORDS | {"tags": ["B-PER", "O", "O"]}, {"tokens": [], "tags": []}],
    ],
)
def test_words_with_as_many_tags_are_found(tmp_path, rows):
    assert is_of_words(tmp_path, "train.jsonl", "".join(json.dumps(r) + "\n" for r in rows))


def test_the_blank_line_of_a_table_is_named(project):
    lines = [f"{text}\t{label}\n" for text, label in ROWS]
    Path("tickets.tsv").write_text("".join([*lines[:3], "\n", *lines[3:]]))
    with pytest.raises(InputError, match=r"tickets\.tsv, line 4: is empty; remove it"):
        init.init(request(Path("tickets.tsv")))
