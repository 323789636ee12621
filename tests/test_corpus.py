"""Text to segments."""

import json
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import pytest
from conftest import VOCABULARY
from hypothesis import given
from hypothesis import strategies as st

from tinybert import corpus, sources
from tinybert.encode import read_segments

GOOD = "good film\nwith a great plot\n\n"
TEXT = f"{GOOD}bad film\n\n{GOOD}the music was dull\n"


@pytest.fixture
def source(tmp_path):
    folder = tmp_path / "source"
    folder.mkdir()
    (folder / "a.txt").write_text(TEXT, encoding="utf-8")
    return folder


def prepare(source, tmp_path, tokenizer, max_length=8, max_tokens=1000, seed=0):
    with TemporaryDirectory(dir=tmp_path) as work:
        sizes = max_length, max_tokens
        counts = corpus.prepare(source, tmp_path / "out", tokenizer, *sizes, seed, Path(work))
    rows = read_segments(tmp_path / "out", tokenizer.pad_token_id)
    segments = [
        rows.tokens[a:b].tolist() for a, b in zip(rows.starts[:-1], rows.starts[1:], strict=True)
    ]
    return counts, segments


def test_segments_hold_all_distinct_text_in_order(source, tmp_path, tokenizer):
    counts, segments = prepare(source, tmp_path, tokenizer)
    expected = tokenizer(
        "good film with a great plot bad film the music was dull", add_special_tokens=False
    )["input_ids"]
    assert [token for s in segments for token in s[1:-1]] == expected
    assert all(s[0] == tokenizer.cls_token_id and s[-1] == tokenizer.sep_token_id for s in segments)
    assert counts["paragraphs"] == 4 and counts["duplicates"] == 1
    assert counts["segments"] == 2 and counts["tokens"] == counts["tokens_found"] == 16
    assert json.loads((tmp_path / "out/summary.json").read_text()) == counts
    assert {file.name for file in (tmp_path / "out").iterdir()} == {
        "00000.arrow",
        "summary.json",
    }


def test_segments_are_whole_sentences_where_these_fit(tmp_path, tokenizer):
    folder = tmp_path / "source"
    folder.mkdir()
    long = "good bad film plot dull movie story great"
    (folder / "a.txt").write_text(
        f"Good film. The plot was dull! {long}. Great music.\n", encoding="utf-8"
    )
    _, segments = prepare(folder, tmp_path, tokenizer, max_length=8)
    read = [" ".join(tokenizer.convert_ids_to_tokens(s[1:-1])) for s in segments]
    assert read == [
        "good film [UNK]",
        "the plot was dull [UNK]",
        "good bad film plot dull movie",  # more than fit: cut
        "story great [UNK] great music [UNK]",
    ]


@pytest.mark.parametrize(
    ("text", "sentences"),
    [
        ('He said: "No!" Then left… Really?!', ['He said: "No!"', "Then left…", "Really?!"]),
        ("2.13不错。“真的吗？”他说……好", ["2.13不错。", "“真的吗？”", "他说……", "好"]),
        ("हिन्दी है। दूसरा वाक्य।", ["हिन्दी है।", "दूसरा वाक्य।"]),
        ("هل هذا صحيح؟ نعم.", ["هل هذا صحيح؟", "نعم."]),
        ("torch 2.13.0 is out", ["torch 2.13.0 is out"]),
        ("Ｆｕｌｌ！ 👩‍👩‍👧 ok? e\u0301", ["Ｆｕｌｌ！", "👩‍👩‍👧 ok?", "e\u0301"]),
    ],
)  # fmt: skip
def test_sentences_end_in_any_script(text, sentences):
    assert corpus.sentences(text) == sentences


@given(st.text(max_size=200))
def test_sentences_lose_nothing_but_spaces(text):
    assert "".join("".join(corpus.sentences(text)).split()) == "".join(text.split())


def test_wrapped_chinese_lines_join_without_a_space_and_english_ones_with_one(tmp_path):
    file = tmp_path / "wrapped.txt"
    file.write_text(
        "第一行没有\n结束，第二行\nabc word\nwraps here。\n\nلا \u200fبأس 👩‍👩‍👧 ＡＢＣ e\u0327\n"
    )
    assert list(corpus.paragraphs(file)) == [
        "第一行没有结束，第二行 abc word wraps here。",
        "لا \u200fبأس 👩‍👩‍👧 ＡＢＣ \u0229",
    ]


def test_without_blank_lines_each_line_is_a_paragraph(tmp_path):
    file = tmp_path / "lines.txt"
    file.write_text("\ufeffone  two\r\nthree\x00 \u0065\u0301\n", encoding="utf-8")
    assert list(corpus.paragraphs(file)) == ["one two", "three \u00e9"]


def test_max_tokens_keeps_a_random_part(source, tmp_path, tokenizer):
    random = np.random.default_rng(0)
    words = " ".join(random.choice(["good", "bad", "film", "plot", "dull"], 300))
    (source / "b.txt").write_text(words, encoding="utf-8")
    _, everything = prepare(source, tmp_path, tokenizer)
    counts, some = prepare(source, tmp_path, tokenizer, max_tokens=100)
    _, others = prepare(source, tmp_path, tokenizer, max_tokens=100, seed=1)
    assert counts["tokens"] == sum(map(len, some)) <= 100 < sum(map(len, some)) + 8
    places = [everything.index(s) for s in some]  # all distinct
    assert places == sorted(set(places))
    assert some != others


def test_no_text_and_no_folder_are_errors(tmp_path, tokenizer):
    with pytest.raises(ValueError, match=r"corpus\.path: .* is no folder"):
        prepare(tmp_path / "nowhere", tmp_path, tokenizer)
    (tmp_path / "empty").mkdir()
    with pytest.raises(ValueError, match=r"corpus\.path: .* holds no text"):
        prepare(tmp_path / "empty", tmp_path, tokenizer)


def test_what_is_not_utf8_is_named(source, tmp_path, tokenizer):
    (source / "latin.txt").write_bytes(b"caf\xe9\n")
    with pytest.raises(ValueError, match=r"latin\.txt is not UTF-8"):
        prepare(source, tmp_path, tokenizer)


def test_repeats_are_found_over_all_shards_and_the_first_stays(tmp_path, tokenizer, monkeypatch):
    monkeypatch.setattr(sources, "PIECE", 120)
    monkeypatch.setattr(corpus, "RANGE", 5)
    folder = tmp_path / "source"
    folder.mkdir()
    random = np.random.default_rng(0)
    texts = [" ".join(random.choice(VOCABULARY[5:12], 3)) for _ in range(200)]
    for i in range(4):
        (folder / f"{i}.txt").write_text("\n\n".join(texts[50 * i : 50 * (i + 1)]))
    counts, segments = prepare(folder, tmp_path, tokenizer, max_length=64, max_tokens=10**6)
    assert len(list((tmp_path / "out").glob("*.arrow"))) > 10
    distinct = list(dict.fromkeys(texts))
    assert counts["paragraphs"] == 200 and counts["duplicates"] == 200 - len(distinct) > 40
    expected = tokenizer(" ".join(distinct), add_special_tokens=False)["input_ids"]
    assert [token for s in segments for token in s[1:-1]] == expected


def test_no_segment_has_text_of_two_files(tmp_path, tokenizer):
    folder = tmp_path / "source"
    folder.mkdir()
    for name in ("good", "bad", "film"):
        (folder / f"{name}.txt").write_text(name)
    _, segments = prepare(folder, tmp_path, tokenizer)
    words = [tokenizer.convert_ids_to_tokens(s[1:-1]) for s in segments]
    assert words == [["bad"], ["film"], ["good"]]


def test_batches_of_segments_are_written_and_read_in_order(tmp_path, tokenizer, monkeypatch):
    folder = tmp_path / "source"
    folder.mkdir()
    random = np.random.default_rng(0)
    (folder / "a.txt").write_text(" ".join(random.choice(VOCABULARY[5:12], 500)))
    _, whole = prepare(folder, tmp_path, tokenizer)
    monkeypatch.setattr(corpus, "BATCH", 7)
    _, parts = prepare(folder, tmp_path, tokenizer)
    assert parts == whole and len(whole) > 50


@pytest.mark.parametrize("most", [8, 50, 399, 400, 2000])
def test_as_many_segments_are_kept_as_fit_wherever_the_bound_lies(most, tmp_path, tokenizer):
    """Each segment has 8 tokens: what is kept is exactly known."""
    folder = tmp_path / "source"
    folder.mkdir()
    (folder / "a.txt").write_text(
        "\n\n".join(
            ["good bad film plot dull movie"]
            + [f"good bad film plot dull {word}" for word in VOCABULARY[5:-2]]
        )
    )
    counts, segments = prepare(folder, tmp_path, tokenizer, max_tokens=most)
    assert counts["segments"] == len(segments) == min(most // 8, counts["tokens_found"] // 8)
    assert counts["tokens"] == 8 * len(segments)


def test_less_room_than_a_segment_is_an_error(source, tmp_path, tokenizer):
    with pytest.raises(ValueError, match=r"corpus\.max_tokens: 3 is less than one segment"):
        prepare(source, tmp_path, tokenizer, max_tokens=3)


def test_a_run_that_was_killed_while_writing_any_file_goes_on(
    source, tmp_path, tokenizer, monkeypatch
):
    """Killed before each file in turn gets its name: the out is the same, and nothing that was
    finished is made again."""
    monkeypatch.setattr(sources, "PIECE", 10)
    sizes = 8, 60, 0
    whole, work = tmp_path / "whole", tmp_path / "work"
    work.mkdir()
    made = []
    writing = corpus.writing

    def noted(file):
        made.append(file.name)
        return writing(file)

    monkeypatch.setattr(corpus, "writing", noted)
    counts = corpus.prepare(source, whole, tokenizer, *sizes, work)
    total, shards = len(made), len(list(whole.glob("*.arrow")))
    assert shards > 1 and total > 7 * shards
    for last in range(total):
        work = tmp_path / f"work{last}"
        work.mkdir()
        made.clear()

        def until(file, last=last):
            if len(made) == last:
                raise KeyboardInterrupt
            return noted(file)

        monkeypatch.setattr(corpus, "writing", until)
        with pytest.raises(KeyboardInterrupt):
            corpus.prepare(source, tmp_path / "out", tokenizer, *sizes, work)
        before = set(made)
        made.clear()
        monkeypatch.setattr(corpus, "writing", noted)
        assert corpus.prepare(source, tmp_path / "out", tokenizer, *sizes, work) == counts
        # `stays` is made, and then marked; and the files of a shard's step are one unit.
        again = {name for name in before & set(made) if name.endswith((".arrow", ".cuts.npy"))}
        assert not again
        finished = {name.partition(".")[0] for name in before if name.endswith(".stays.npy")}
        assert not {name for name in made if name.endswith(".hashes.npy")} & {
            f"{name}.hashes.npy" for name in finished
        }
        for file in whole.iterdir():
            assert (tmp_path / "out" / file.name).read_bytes() == file.read_bytes()
        assert {f.name for f in (tmp_path / "out").iterdir()} == {f.name for f in whole.iterdir()}
