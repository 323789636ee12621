"""General text to segments of tokens."""

import json
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import pytest
from tiny import VOCABULARY

from tinybert.data.corpus import prepare, sources
from tinybert.models.encode import read_segments
from tinybert.pipeline.schema import Corpus

GOOD = "good film\nwith a great plot\n\n"
TEXT = f"{GOOD}bad film\n\n{GOOD}the music was dull\n"


@pytest.fixture
def source(tmp_path):
    folder = tmp_path / "source"
    folder.mkdir()
    (folder / "a.txt").write_text(TEXT, encoding="utf-8")
    return folder


def segments_of(source, tmp_path, tokenizer, max_length=8, max_tokens=1000, seed=0):
    """The summary and the segments of a folder of text."""
    settings = Corpus(path="unused", max_length=max_length, max_tokens=max_tokens)
    with TemporaryDirectory(dir=tmp_path) as work:
        counts = prepare.prepare_corpus(
            source, tmp_path / "out", tokenizer, settings, seed, Path(work)
        )
    rows = read_segments(tmp_path / "out", tokenizer.pad_token_id)
    segments = [
        rows.tokens[a:b].tolist() for a, b in zip(rows.starts[:-1], rows.starts[1:], strict=True)
    ]
    return counts, segments


def test_segments_hold_all_distinct_text_in_order(source, tmp_path, tokenizer):
    counts, segments = segments_of(source, tmp_path, tokenizer)
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
    _, segments = segments_of(folder, tmp_path, tokenizer, max_length=8)
    texts = [" ".join(tokenizer.convert_ids_to_tokens(s[1:-1])) for s in segments]
    assert texts == [
        "good film [UNK]",
        "the plot was dull [UNK]",
        "good bad film plot dull movie",  # longer than a segment: cut
        "story great [UNK] great music [UNK]",
    ]


def test_max_tokens_keeps_a_random_part(source, tmp_path, tokenizer):
    random = np.random.default_rng(0)
    words = " ".join(random.choice(["good", "bad", "film", "plot", "dull"], 300))
    (source / "b.txt").write_text(words, encoding="utf-8")
    _, everything = segments_of(source, tmp_path, tokenizer)
    counts, some = segments_of(source, tmp_path, tokenizer, max_tokens=100)
    _, others = segments_of(source, tmp_path, tokenizer, max_tokens=100, seed=1)
    assert counts["tokens"] == sum(map(len, some)) <= 100 < sum(map(len, some)) + 8
    indices = [everything.index(s) for s in some]  # all segments are distinct
    assert indices == sorted(set(indices))
    assert some != others


def test_no_text_and_no_folder_are_errors(tmp_path, tokenizer):
    with pytest.raises(ValueError, match=r"corpus\.path: .* is not a folder"):
        segments_of(tmp_path / "nowhere", tmp_path, tokenizer)
    (tmp_path / "empty").mkdir()
    with pytest.raises(ValueError, match=r"corpus\.path: .* holds no text"):
        segments_of(tmp_path / "empty", tmp_path, tokenizer)


def test_a_file_that_is_not_utf_8_is_named(source, tmp_path, tokenizer):
    (source / "latin.txt").write_bytes(b"caf\xe9\n")
    with pytest.raises(ValueError, match=r"latin\.txt is not UTF-8"):
        segments_of(source, tmp_path, tokenizer)


def test_repeats_are_removed_across_shards_and_the_first_is_kept(tmp_path, tokenizer, monkeypatch):
    monkeypatch.setattr(sources, "PIECE", 120)
    monkeypatch.setattr(prepare, "RANGE", 5)
    folder = tmp_path / "source"
    folder.mkdir()
    random = np.random.default_rng(0)
    texts = [" ".join(random.choice(VOCABULARY[5:12], 3)) for _ in range(200)]
    for i in range(4):
        (folder / f"{i}.txt").write_text("\n\n".join(texts[50 * i : 50 * (i + 1)]))
    counts, segments = segments_of(folder, tmp_path, tokenizer, max_length=64, max_tokens=10**6)
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
    _, segments = segments_of(folder, tmp_path, tokenizer)
    words = [tokenizer.convert_ids_to_tokens(s[1:-1]) for s in segments]
    assert words == [["bad"], ["film"], ["good"]]


def test_batches_of_segments_are_written_and_read_in_order(tmp_path, tokenizer, monkeypatch):
    folder = tmp_path / "source"
    folder.mkdir()
    random = np.random.default_rng(0)
    (folder / "a.txt").write_text(" ".join(random.choice(VOCABULARY[5:12], 500)))
    _, whole = segments_of(folder, tmp_path, tokenizer)
    monkeypatch.setattr(prepare, "BATCH", 7)
    _, parts = segments_of(folder, tmp_path, tokenizer)
    assert parts == whole and len(whole) > 50


@pytest.mark.parametrize("most", [8, 50, 399, 400, 2000])
def test_as_many_segments_are_kept_as_max_tokens_allows(most, tmp_path, tokenizer):
    """Each segment has 8 tokens, so the number of segments is known."""
    folder = tmp_path / "source"
    folder.mkdir()
    (folder / "a.txt").write_text(
        "\n\n".join(
            ["good bad film plot dull movie"]
            + [f"good bad film plot dull {word}" for word in VOCABULARY[5:-2]]
        )
    )
    counts, segments = segments_of(folder, tmp_path, tokenizer, max_tokens=most)
    assert counts["segments"] == len(segments) == min(most // 8, counts["tokens_found"] // 8)
    assert counts["tokens"] == 8 * len(segments)


def test_max_tokens_below_one_segment_is_an_error(source, tmp_path, tokenizer):
    with pytest.raises(ValueError, match=r"corpus\.max_tokens: 3 is less than one segment"):
        segments_of(source, tmp_path, tokenizer, max_tokens=3)


def test_a_run_that_was_killed_before_writing_any_file_resumes(
    source, tmp_path, tokenizer, monkeypatch
):
    """Killed before each file in turn is renamed: the output is the same, and finished steps are
    not repeated."""
    monkeypatch.setattr(sources, "PIECE", 10)
    settings = Corpus(path="unused", max_length=8, max_tokens=60), 0
    whole, work = tmp_path / "whole", tmp_path / "work"
    work.mkdir()
    names = []
    atomic_write = prepare.atomic_write

    def record(file):
        names.append(file.name)
        return atomic_write(file)

    monkeypatch.setattr(prepare, "atomic_write", record)
    counts = prepare.prepare_corpus(source, whole, tokenizer, *settings, work)
    total, shards = len(names), len(list(whole.glob("*.arrow")))
    assert shards > 1 and total > 7 * shards
    for last in range(total):
        work = tmp_path / f"work{last}"
        work.mkdir()
        names.clear()

        def killed_at_last(file, last=last):
            if len(names) == last:
                raise KeyboardInterrupt
            return record(file)

        monkeypatch.setattr(prepare, "atomic_write", killed_at_last)
        with pytest.raises(KeyboardInterrupt):
            prepare.prepare_corpus(source, tmp_path / "out", tokenizer, *settings, work)
        before = set(names)
        names.clear()
        monkeypatch.setattr(prepare, "atomic_write", record)
        assert (
            prepare.prepare_corpus(source, tmp_path / "out", tokenizer, *settings, work) == counts
        )
        # `stays` is written twice, and a shard's files of one step are written together.
        rewritten = {name for name in before & set(names) if name.endswith((".arrow", ".cuts.npy"))}
        assert not rewritten
        finished = {name.partition(".")[0] for name in before if name.endswith(".stays.npy")}
        assert not {name for name in names if name.endswith(".hashes.npy")} & {
            f"{name}.hashes.npy" for name in finished
        }
        for file in whole.iterdir():
            assert (tmp_path / "out" / file.name).read_bytes() == file.read_bytes()
        assert {f.name for f in (tmp_path / "out").iterdir()} == {f.name for f in whole.iterdir()}


def test_segments_of_a_byte_level_tokenizer_decode_to_the_text(tmp_path, byte_tokenizer):
    """Sentences with and without a space between them, paragraphs, files."""
    folder = tmp_path / "source"
    folder.mkdir()
    paragraphs = [
        "good film. the plot? bad!",
        "这间酒店很好。“不错！”他说。good",
        "the end. it was dull",
    ]
    for i, name in enumerate("ab"):
        text = "\n\n".join(f"{name} {paragraph}" for paragraph in paragraphs[i:])
        (folder / f"{name}.txt").write_text(text)
    _, segments = segments_of(folder, tmp_path, byte_tokenizer, max_length=512, max_tokens=10**6)
    texts = [byte_tokenizer.decode(segment[1:-1]) for segment in segments]
    assert texts == [
        "".join(f" {name} {paragraph}" for paragraph in paragraphs[i:])
        for i, name in enumerate("ab")
    ]
