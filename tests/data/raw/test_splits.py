"""Splitting dev off train; repeated rows."""

import random
from collections import Counter
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from raw_tasks import column, labels, prepare, refused

from tinybert.data.raw import splits
from tinybert.data.raw.columns import Table


def tsv(rows: list[tuple], header: str = "text label") -> str:
    return "\n".join("\t".join(map(str, row)) for row in [header.split(), *rows])


def texts(folder, split: str) -> list[tuple]:
    return list(zip(column(folder, split, "text_a"), column(folder, split, "text_b"), strict=True))


def test_a_tenth_of_each_label_becomes_dev(tmp_path):
    sizes = {"many": 100, "some": 50, "few": 12, "two": 2, "one": 1}
    rows = [(f"{label} {i}", label) for label, size in sizes.items() for i in range(size)]
    prepared, notices = prepare(tmp_path, train__tsv=tsv(rows))
    assert prepared.splits == ["train", "dev"]
    assert Counter(labels(tmp_path, "dev")) == {"many": 10, "some": 5, "few": 1, "two": 1}
    assert notices["dev"]["taken_from_train"] == 17
    assert notices["dev"]["also_in_train"] == 0
    dev = set(column(tmp_path, "dev", "text_a"))
    assert column(tmp_path, "train", "text_a") == [text for text, _ in rows if text not in dev]


def test_the_same_rows_are_taken_each_time(tmp_path):
    content = tsv([(f"text {i}", i % 3) for i in range(200)])
    dev = []
    for name in ("first", "second"):
        (tmp_path / name).mkdir()
        prepare(tmp_path / name, train__tsv=content)
        dev.append(column(tmp_path / name, "dev", "text_a"))
    assert dev[0] == dev[1]
    numbers = [int(text.split()[1]) for text in dev[0]]
    assert len(numbers) == 21 and max(numbers) > 100 > min(numbers)  # from all over the file


def test_a_tenth_of_each_range_of_scores_becomes_dev(tmp_path):
    rows = [(f"text {i}", i / 10) for i in range(100)]
    prepare(tmp_path, train__tsv=tsv(rows, "text score"))
    assert sorted(int(score) for score in column(tmp_path, "dev", "score")) == list(range(10))


def test_a_tenth_of_each_set_of_classesbecomes_dev(tmp_path):
    sets = ["a", "b", "a,b", ""]
    rows = [(f"text {i}", sets[i % 4]) for i in range(80)]
    prepare(tmp_path, train__tsv=tsv(rows, "text labels"))
    counts = Counter(map(tuple, column(tmp_path, "dev", "labels")))
    assert counts == {(1, 0): 2, (0, 1): 2, (1, 1): 2, (0, 0): 2}


def test_pairs_are_the_same_only_if_both_texts_are(tmp_path):
    rows = [("same", f"text {i}", i % 2) for i in range(40)]
    _, notices = prepare(tmp_path, train__tsv=tsv(rows, "text_a text_b label"))
    assert notices["dev"]["taken_from_train"] == 4
    assert notices["train"]["duplicates"] == 0


@pytest.mark.parametrize(
    ("target", "values", "taken"),
    [
        ("label", [i % 3 for i in range(90)], [19, 21, 35, 41, 48, 63, 68, 76, 82]),
        (
            "labels",
            [[(0,), (1,), (0, 1), ()][i % 4] for i in range(80)],
            [0, 7, 21, 30, 43, 44, 45, 78],
        ),
        ("score", [i * 7 % 100 / 10 for i in range(100)], [2, 5, 21, 32, 52, 55, 68, 70, 79, 86]),
        ("tags", [[0] * (1 + i % 3) + [1] * (i % 2) for i in range(60)], [13, 14, 32, 42, 51, 55]),
    ],
)
def test_rows_of_few_classesare_taken_as_published_results_had_them(target, values, taken):
    assert moved(target, values) == taken


def moved(target: str, values: list, share: float = 0.1) -> list[int]:
    """The rows that become dev."""
    rows = list(range(len(values)))
    columns = {"text_a": [""] * len(rows), target: values, "same": rows}
    tables, count = splits.hold_out({"train": Table(Path(), columns, rows)}, target, "dev", share)
    assert count == len(tables["dev"]) == len(rows) - len(tables["train"])
    return tables["dev"].numbers


@pytest.mark.parametrize(("classes", "each"), [(500, 2), (500, 3), (150, 5), (20, 2)])
def test_many_classesgive_no_more_than_the_share(classes, each):
    values = [i % classes for i in range(classes * each)]
    rows = moved("label", values)
    assert len(rows) == round(0.1 * len(values)) and moved("label", values) == rows
    counts = Counter(values[row] for row in rows)
    assert max(counts.values()) == 1  # spread: no label has two before another has one


def test_frequent_classesamong_many_have_their_share():
    sizes = {"often": 400, **{f"rare {i}": 2 for i in range(300)}}
    values = [label for label, size in sizes.items() for _ in range(size)]
    rows = moved("label", values)
    counts = Counter(values[row] for row in rows)
    assert len(rows) == 100 and 39 <= counts.pop("often") <= 41
    assert set(counts.values()) == {1}


def test_many_sets_of_classesgive_the_share_and_rare_ones_are_among_them():
    numbers = random.Random(0)
    values = [
        tuple(sorted(numbers.sample(range(12), numbers.choice([1, 2, 3, 4])))) for _ in range(1000)
    ]
    counts = Counter(values)
    assert len(counts) == 414
    rows = moved("labels", values)
    assert len(rows) == 100
    once = sum(count == 1 for count in counts.values()) / len(values)
    assert sum(counts[values[row]] == 1 for row in rows) / 100 == pytest.approx(once, abs=0.1)
    kept = {label for row in set(range(1000)) - set(rows) for label in values[row]}
    assert kept == set(range(12))


def test_a_label_of_one_row_stays_where_there_are_many():
    values = [*range(300), *(i // 2 for i in range(600, 1200))]
    rows = moved("label", values)
    assert len(rows) == 90 and all(values[row] >= 300 for row in rows)


@settings(max_examples=100, deadline=None)
@given(rows=st.lists(st.tuples(st.integers(0, 30), st.sampled_from("abc"))))
def test_no_text_is_on_both_sides_and_no_row_is_lost(tmp_path_factory, rows):
    rows = [*rows, (100, "a"), (101, "a"), (102, "b"), (103, "b")]
    folder = tmp_path_factory.mktemp("any")
    _, notices = prepare(folder, train__tsv=tsv(rows))
    sides = {}
    for split in ("train", "dev"):
        names = column(folder, split, "text_a")
        sides[split] = list(zip(map(int, names), labels(folder, split), strict=True))
    assert Counter(sides["train"] + sides["dev"]) == Counter(rows)
    assert not {text for text, _ in sides["train"]} & {text for text, _ in sides["dev"]}
    assert notices["dev"]["taken_from_train"] == len(sides["dev"])
    # A label with at least two texts, none of which has another label, is on both sides.
    for label in "abc":
        label_texts = {text for text, name in rows if name == label}
        other_texts = {text for text, name in rows if name != label}
        if len(label_texts) >= 2 and not label_texts & other_texts:
            assert label in {name for _, name in sides["train"]}
            assert label in {name for _, name in sides["dev"]}


@pytest.mark.parametrize("more", range(1, 6))
def test_taking_dev_leaves_no_label_without_a_row(tmp_path, more):
    """One text has both labels, and the second label has no other."""
    rows = [("both", "a"), ("both", "b"), *((f"text {i}", "a") for i in range(more))]
    prepare(tmp_path, train__tsv=tsv(rows))
    assert set(labels(tmp_path, "train")) == {"a", "b"}


@pytest.mark.parametrize("rows", [[("x", 0), ("y", 1)], [("x", 0), ("x", 1), ("x", 1)]])
def test_too_few_rows_for_dev_are_refused(tmp_path, rows):
    message = r"train\.tsv has too few rows to take dev .*; add rows, or a dev file"
    refused(tmp_path, message, train__tsv=tsv(rows))


def test_broken_rows_are_counted_once(tmp_path):
    rows = [(f"text {i}", i % 2) for i in range(40)]
    broken = tsv(rows) + "\none field\n\t1\n"
    _, notices = prepare(tmp_path, {"drop_broken": True}, train__tsv=broken)
    assert sum(counts.get("broken_left_out", 0) for counts in notices.values()) == 2


def test_empty_texts_are_counted_where_they_are(tmp_path):
    rows = [(f"text {i}", 0) for i in range(40)] + [(" " * i, 1) for i in range(30)]
    _, notices = prepare(tmp_path, train__tsv=tsv(rows))
    for split in ("train", "dev"):
        empty = sum(not text.strip() for text in column(tmp_path, split, "text_a"))
        assert notices[split].get("empty_texts", 0) == empty > 0
