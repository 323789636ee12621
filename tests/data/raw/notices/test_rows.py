"""Unknown tokens and rows that are cut."""

import pytest
from raw_tasks import write

from tinybert.data.raw.prepare import prepare_task
from tinybert.data.raw.same import limit
from tinybert.pipeline.schema import Encode
from tinybert.pipeline.task_data import TaskData


def train(folder, tokenizer, texts: list[str], max_length: int = 16) -> dict:
    rows = "\n".join(f"{text}\t{i % 2}" for i, text in enumerate(texts))
    raw = write(folder / "raw", {"train__tsv": f"text\tlabel\n{rows}", "dev__tsv": "a\t1\n"})
    return prepare_task(raw, folder / "out", TaskData(), tokenizer, max_length)[1]["train"]


def test_unknown_tokens_are_counted_with_their_characters(tmp_path, tokenizer):
    texts = ["good film", "great film", "bad \U0001f44d", "the \U0001f44d"]
    counts = train(tmp_path, tokenizer, texts)
    assert counts["unknown_tokens"] == 2 / 8
    line = counts["notices"]["unknown_tokens"]
    assert line.startswith(
        "25.0 % of the tokens, in 2 rows, are unknown to the model, the first in "
    )
    assert "train.tsv, line 4, most often '\U0001f44d'; choose a pretrained.model" in line


@pytest.mark.parametrize("last", ["the movie", "\u5c4f movie"])
def test_a_few_unknown_tokens_get_no_line(tmp_path, tokenizer, last):
    texts = [f"{word} film good" for word in "good great bad the a is was it of in".split()]
    counts = train(tmp_path, tokenizer, [*texts, last])
    assert counts["unknown_tokens"] == round((last[2:] == "movie") / 32, 4)
    assert "unknown_tokens" not in counts["notices"]


def test_byte_level_tokenizers_know_everything(tmp_path, byte_tokenizer):
    counts = train(tmp_path, byte_tokenizer, ["good \U0001f44d", "\u5c4f", "a", "b"], 64)
    assert counts["unknown_tokens"] == 0


def test_rows_that_are_mostly_cut_are_named_with_a_length_that_is_enough(tmp_path, tokenizer):
    texts = ["good film", "good film is very good", "bad film is very bad", "the film"]
    counts = train(tmp_path, tokenizer, texts, max_length=5)
    assert counts["rows_cut"] == 2
    assert counts["tokens"] == {"total": 4 + 7 + 7 + 4, "median": 5, "max": 7}
    line = counts["notices"]["cut"]
    assert "2 rows are cut at 5 tokens, the first in " in line
    assert line.endswith(
        "train.tsv, line 3: encode.max_length: 7 in params.yaml would cut 0; encode.long_texts: "
        "windows would cut none"
    )


def test_windows_are_no_remedy_for_pairs_and_words(tmp_path, tokenizer):
    rows = "text_a\ttext_b\tlabel\ngood film\tis very good\t1\nbad film\tis very bad\t0\n"
    raw = write(tmp_path / "raw", {"train__tsv": rows, "dev__tsv": rows})
    counts = prepare_task(raw, tmp_path / "out", TaskData(), tokenizer, 5)[1]["train"]
    assert counts["notices"]["cut"].endswith("in params.yaml would cut 0")
    sentence = "good\tO\nfilm\tO\nis\tB-X\ngood\tO\n"
    raw = write(tmp_path / "words", {"train__conll": sentence, "dev__conll": sentence})
    section = TaskData(kind="tokens")
    counts = prepare_task(raw, tmp_path / "out", section, tokenizer, 5)[1]["train"]
    assert counts["notices"]["cut"].endswith(
        "in params.yaml would cut 0; words after that are not learnt, and count as no entity"
    )


def test_nothing_is_cut_where_windows_are_read(tmp_path, tokenizer):
    texts = ["good film is very good", "bad film is very bad"]
    encode = Encode(max_length=8, long_texts="windows")
    counts = train(tmp_path, tokenizer, [f"{text} " * 9 for text in texts], limit(encode))
    assert counts["rows_cut"] == 0 and "cut" not in counts["notices"]


def test_chinese_rows_for_an_english_vocabulary_are_named(tmp_path, tokenizer):
    texts = ["这间酒店很好", "环境不错", "good 太小", "bad 贵"]
    counts = train(tmp_path, tokenizer, texts)
    assert counts["unknown_tokens"] == round(13 / 15, 4)
    line = counts["notices"]["unknown_tokens"]
    assert line.startswith("86.7 % of the tokens, in 4 rows, are unknown to the model")
