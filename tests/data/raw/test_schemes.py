"""Schemes of tags against writers of them that are made here, and against seqeval."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from seqeval.metrics.sequence_labeling import get_entities

from tinybert.data.raw.schemes import (
    find_scheme,
    first_break,
    is_respelled,
    label_names,
    of_types,
    parse,
    to_iob2,
)
from tinybert.pipeline.errors import InputError
from tinybert.tasks.entities import find, iob2, of_iob2

# Of a sentence: parts of one or more words, each an entity of a type or (None) no entity.
PARTS = st.lists(
    st.tuples(st.integers(1, 3), st.sampled_from([None, "PER", "LOC"])), min_size=1, max_size=6
)
ANY_TAGS = st.lists(
    st.sampled_from(["O", *(f"{p}-{t}" for p in "BIES" for t in ("PER", "LOC"))]), max_size=8
)


def written(parts: list, scheme: str) -> list[str]:
    tags, before = [], None
    for length, kind in parts:
        inner = {"IOB1": "I" * length, "IOB2": "B" + "I" * (length - 1)}
        inner["IOBES"] = "S" if length == 1 else "B" + "I" * (length - 2) + "E"
        if before == kind:
            inner["IOB1"] = "B" + "I" * (length - 1)
        tags += ["O"] * length if kind is None else [f"{p}-{kind}" for p in inner[scheme]]
        before = kind
    return tags


@pytest.mark.parametrize("scheme", ["IOB1", "IOB2", "IOBES"])
@given(parts=PARTS)
def test_all_schemes_have_the_same_entities(scheme, parts):
    tags = written(parts, scheme)
    assert to_iob2(tags, scheme) == written(parts, "IOB2")
    assert first_break(tags, scheme) is None


@pytest.mark.parametrize("scheme", ["IOB1", "IOB2", "IOBES"])
@given(sentences=st.lists(PARTS, min_size=1, max_size=4))
def test_a_scheme_that_is_found_gives_the_right_entities(scheme, sentences):
    """Which is found may differ where files look the same, as with I alone."""
    tags = [written(parts, scheme) for parts in sentences]
    if all(tag == "O" for row in tags for tag in row):
        return
    found = find_scheme("file", tags)
    assert [to_iob2(row, found) for row in tags] == [written(p, "IOB2") for p in sentences]


@given(tags=ANY_TAGS)
def test_entities_of_any_tags_are_those_of_seqeval(tags):
    """Of broken sequences, too."""
    expected = [(start, end + 1, kind) for kind, start, end in get_entities(tags)]
    assert find(map(parse, tags)) == expected


@given(tags=ANY_TAGS)
def test_entities_to_tags_and_back(tags):
    entities = find(map(parse, tags))
    assert of_iob2(iob2(entities, len(tags))) == entities


def test_letters_of_other_names_are_known():
    assert to_iob2(["B-X", "I-X", "L-X", "U-X", "O"], "IOBES") == ["B-X", "I-X", "I-X", "B-X", "O"]
    assert to_iob2(["B", "M", "E", "S"], "IOBES") == [
        "B-entity", "I-entity", "I-entity", "B-entity",
    ]  # fmt: skip
    assert find_scheme("file", [["B", "M", "E", "S"]]) == "IOBES"


@pytest.mark.parametrize(
    ("scheme", "tags", "word"),
    [
        ("IOB2", ["O", "I-X"], 1),
        ("IOB2", ["B-X", "I-Y"], 1),
        ("IOB1", ["I-X", "O", "B-X"], 2),
        ("IOBES", ["B-X", "O"], 0),
        ("IOBES", ["S-X", "I-X"], 1),
        ("IOBES", ["O", "B-X", "I-X"], 2),
        ("IO", ["I-X", "I-Y"], None),
    ],
)
def test_the_first_broken_tag_is_found(scheme, tags, word):
    assert first_break(tags, scheme) == word


def test_the_labels_of_entities_are_complete():
    """A type that has a single word everywhere in train may have two elsewhere."""
    assert label_names([["B-X", "O"]], "IOB2") == ["O", "B-X", "I-X"]
    assert label_names([["b", "a"]], "none") == ["a", "b"]


@pytest.mark.parametrize(
    ("tags", "scheme", "respelled"),
    [
        (["B_X", "I_X", "O"], None, True),
        (["b-x", "i-x", "o"], None, True),
        (["b", "m", "e", "s"], None, True),
        (["I_X", "I_Y", "O"], None, True),
        (["B-X", "I-X", "o"], None, True),
        (["B_X", "O"], "IOB2", True),
        (["B_X", "I_X", "O"], "IO", False),
        (["B_X", "I_X", "O"], "none", False),
        (["B-X", "I-X", "O"], None, False),
        (["n", "b", "m"], None, False),
        (["B_X", "PER", "O"], None, False),
    ],
)
def test_prefixes_in_another_writing_are_known_without_doubt(tags, scheme, respelled):
    assert is_respelled("file", [tags], scheme) == respelled


@pytest.mark.parametrize(
    ("tags", "message"),
    [
        (["B_X", "O"], "tags B_X may begin with prefixes"),
        (["B_X", "i_X", "O"], "tags B_X, i_X may begin with prefixes"),
        (["B_X", "I:X", "O"], "tags B_X, I:X may begin with prefixes"),
        (["X_B", "X_I", "O"], "the prefix of the tags X_B, X_I must come first"),
        (["per", "o", "o"], "no tag is O, and most are o; write O"),
        (["PER", "0", "0"], "no tag is O, and most are 0; write O"),
    ],
)
def test_prefixes_in_doubt_are_named_with_what_to_do(tags, message):
    with pytest.raises(InputError, match=f"file: .*{message}.*set scheme: ") as caught:
        is_respelled("file", [tags])
        find_scheme("file", [tags])
    assert "scheme: none under the task's data" in str(caught.value)


def test_only_unknown_tags_are_respelled():
    assert of_types(["B_X", "B_Y", "o", "I-X"], {"X", "B_Y"}) == ["B-X", "B_Y", "O", "I-X"]
