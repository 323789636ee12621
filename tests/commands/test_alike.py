"""Rows that are nearly alike are on one side of the test that `tinybert init` takes."""

import random
import re
from itertools import combinations
from pathlib import Path

import numpy as np
import pytest
from own_files import request, rows_of, write_csv
from tiny import WORDS

from tinybert.commands import alike, init, shown
from tinybert.data.raw.columns import Table

LONG = "my order {} from the shop in the old town has not arrived yet, please help me"
LETTER = "dear {}, your order has been sent today and will be with you in {} days, kind regards"


def table(*rows: str | tuple[str, str]) -> Table:
    pairs = [row if isinstance(row, tuple) else (row,) for row in rows]
    columns = dict(zip(("text_a", "text_b"), map(list, zip(*pairs, strict=True)), strict=False))
    numbers = list(range(len(rows)))
    return Table(Path("train.csv"), {**columns, "same": numbers}, numbers)


def sets(found: alike.Groups) -> set[frozenset[int]]:
    """The rows of each group."""
    return {frozenset(np.flatnonzero(found.same == n).tolist()) for n in found.same.tolist()}


def are_together(one: str | tuple, other: str | tuple) -> bool:
    return alike.groups([table(one, other)], largest=9).joined.all()


@pytest.mark.parametrize(
    ("one", "other"),
    [
        (LONG.format(4711), LONG.format(4712)),
        ("no, thanks", "no thanks"),
        ("What a film!!", "what a film"),
        (LONG.format(1), LONG.format(1).replace("town", "city")),
        ("这部电影非常好看，我和朋友看了三遍还想看", "这部电影非常好看，我和朋友看了两遍还想看"),
        ("วันนี้อากาศดีมากเราไปเที่ยวทะเลกัน", "วันนี้อากาศดีมากเราไปเที่ยวทะเลกันนะ"),
        ((LONG.format(1), "a cat sat"), (LONG.format(2), "a cat sat!")),
    ],
)
def test_texts_of_which_a_digit_a_mark_or_a_word_differs_are_together(one, other):
    assert are_together(one, other)


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("the film is good", "the film is bad"),
        ("这部电影好看", "这部电影难看"),
        ("", "!"),
        (":)", ":("),
        ((LONG.format(1), "a cat sat on the mat"), (LONG.format(1), "nobody came to the party")),
        ((LONG.format(1), "it is late"), ("it is late", LONG.format(1))),
    ],
)
def test_other_texts_are_not(one, other):
    assert not are_together(one, other)


def test_groups_are_those_that_a_comparison_of_all_texts_finds():
    """Of pairs that are not at the border: which part of their 5-grams they share, as sets."""
    numbers = random.Random(0)
    texts = []
    for _ in range(60):
        words = numbers.choices(WORDS, k=numbers.randint(3, 20))
        for _ in range(3):
            copy = list(words)
            for _ in range(numbers.choice([0, 1, 2])):
                copy[numbers.randrange(len(copy))] = numbers.choice(WORDS)
            texts.append(" ".join(copy))
    grams = [
        {t[i : i + 5] for i in range(len(t) - 4)} for t in (f"{' ' * 4}{t}{' ' * 4}" for t in texts)
    ]
    shared = {
        (i, j): len(grams[i] & grams[j]) / len(grams[i] | grams[j])
        for i, j in combinations(range(len(texts)), 2)
    }
    found = alike.groups([table(*texts)], len(texts))
    near = [pair for pair, part in shared.items() if part >= 0.8]
    assert len(near) > 30 and all(found.same[i] == found.same[j] for i, j in near)
    for row in np.flatnonzero(found.joined):
        assert max(part for pair, part in shared.items() if row in pair) > 0.5
    others = {row for pair, part in shared.items() if part >= 0.5 for row in pair}
    assert len(others) < len(texts) and not found.joined[list({*range(180)} - others)].any()


def test_groups_do_not_depend_on_how_copies_are_numbered():
    """They are numbered by hashes, which differ from run to run."""
    texts = [LONG.format(i) for i in range(20)] + [f"{a} {b}" for a in WORDS for b in WORDS[:5]]
    one, other = table(*texts), table(*texts)
    other.columns["same"] = random.Random(0).sample(range(1000), len(texts))
    first, second = (alike.groups([t], 9) for t in (one, other))
    assert sets(first) == sets(second) and first.example == second.example
    assert first.divided.tolist() == second.divided.tolist()


def test_init_keeps_them_on_one_side_and_says_so(project, capsys):
    texts = [
        f"{a} {b} " * 3 + f"{b[::-1]} {a[::-1]} " * 3 for a in WORDS[:15] for b in WORDS[15:20]
    ]
    rows = [
        (f"{text} order {number}", ["pos", "neg"][i % 2])
        for i, text in enumerate(texts)
        for number in (17, 18, 19)
    ]
    random.Random(0).shuffle(rows)
    init.init(request(write_csv("tickets.csv", rows), test_share=0.2))
    train, test = (
        {text[:-2] for text, _ in rows_of(f"data/raw/mine/{split}.csv")}
        for split in ("train", "test")
    )
    assert not train & test and train | test == {text[:-2] for text, _ in rows}
    assert 0.1 < len(test) / len(train | test) < 0.3
    [line] = [line for line in capsys.readouterr().out.splitlines() if "nearly alike" in line]
    assert line.startswith(
        f"{len(rows)} rows have others that are nearly alike, and are on one side with them: "
    )
    one, other = line.split(": ")[1].strip("'").split("' and '")
    assert one != other and one[:-2] == other[:-2]


def test_examples_are_cut_around_the_first_difference():
    same = "word " * 60
    for one, other in ((f"{same}17 {same}", f"{same}18 {same}"), (same + "17", same + "")):
        [line] = shown.alike(2, 0, (one, other))
        first, second = line.split(": ")[1].strip("'").split("' and '")
        assert first != second and "17" in first and len(first) < 80


def test_what_is_nearly_alike_in_another_split_stays_in_train(project):
    rows = [(f"{a} {b} {a[::-1]} {b}", "ab"[len(a) % 2]) for a in WORDS for b in WORDS[:6]]
    here = [(LONG.format(i), "ab"[i % 2]) for i in range(30)]
    dev = [(LONG.format(i), "ab"[i % 2]) for i in range(90, 94)]
    files = write_csv("train.csv", rows + here), write_csv("dev.csv", dev)
    init.init(request(*files, test_share=0.5))
    test = rows_of("data/raw/mine/test.csv")
    assert len(test) > 60 and not any(text.startswith("my order") for text, _ in test)


def test_a_form_that_is_most_of_the_rows_is_on_both_sides(project, capsys):
    rows = [(LETTER.format(a, b), "ab"[len(a) % 2]) for a in WORDS for b in WORDS[:10]]
    init.init(request(write_csv("letters.csv", rows)))
    assert 20 <= len(rows_of("data/raw/mine/test.csv")) <= 40
    lines = [line for line in capsys.readouterr().out.splitlines() if "nearly alike" in line]
    assert re.search(r"(34\d|350) rows are nearly alike \(a form\?\), and too many", lines[-1])
    assert lines[0].count("' and '") == 1


def test_where_no_test_would_remain_copies_alone_stay_together(project, capsys):
    """All rows of a label are nearly alike."""
    rows = [
        (LONG.format(f"{WORDS[i]} {WORDS[i]} " * 9 + "ab"[k]), i) for i in range(9) for k in (0, 1)
    ]
    init.init(request(write_csv("tickets.csv", rows), test_share=0.3))
    assert len(rows_of("data/raw/mine/test.csv")) >= 5
    assert "18 rows are nearly alike (a form?), and too many" in capsys.readouterr().out


def test_texts_of_any_length_and_surrogates_are_compared():
    texts = ["", "a", "b" * 100_000, "b" * 99_999, "\ud800x", " "]
    found = alike.groups([table(*texts)], 9)
    assert found.same[2] == found.same[3] and len(found.same) == 6
