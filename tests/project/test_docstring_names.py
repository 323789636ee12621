"""The sentences of benchmarks.words: what is marked in them, and of which modules they are."""

from contextlib import nullcontext

import pytest

from benchmarks import docstring_names
from benchmarks.docstring_names import CLASS, FUNCTION, MODULE, PARAMETER, Sentence

SOURCE = '''
"""The functions in fakelib.core are for those who read their tables from the disk."""

class Table:
    """Holds the rows of a file in the order in which they were read from it.

    It is an error to make it of *rows* that have different lengths, and the *first* one is named.
    """
    def __init__(self, rows):
        """A copy of the index of a Table is made, and it is the same as that of the first."""

def mean_of(data, axis=0):
    """Computes the mean of the values in ``data`` along the given `axis` of the array.

    The result is passed to :func:`~fakelib.core.mean_of` as it is, and it returns a `Table`.
    It is `None` if the data are empty, and it is then an error to ask for the rest of it.
    """

def write(target):
    """Writes to the target of this and of all other calls to mean_of, as it is in the file."""
'''
# text -> its names
EXPECTED = {
    "The functions in fakelib.core are for those who read their tables from the disk.": [
        ("fakelib.core", MODULE)
    ],
    "Holds the rows of a file in the order in which they were read from it.": None,
    "It is an error to make it of rows that have different lengths, and the first one is named.": [
        ("rows", PARAMETER)
    ],
    "Computes the mean of the values in data along the given axis of the array.": [
        ("data", PARAMETER), ("axis", PARAMETER),
    ],
    "The result is passed to mean_of as it is, and it returns a Table.": [
        ("mean_of", FUNCTION), ("Table", CLASS),
    ],
}  # fmt: skip


@pytest.fixture
def fakelib(tmp_path, monkeypatch) -> str:
    folder = tmp_path / "fakelib"
    (folder / "tests").mkdir(parents=True)
    (folder / "__init__.py").write_text("")
    (folder / "core.py").write_text(SOURCE)
    (folder / "tests/test_core.py").write_text(SOURCE.replace("mean", "median"))
    monkeypatch.syspath_prepend(tmp_path)
    return "fakelib"


def test_names_that_are_marked_or_look_like_names_are_of_the_asts_type(fakelib):
    """A sentence in which a parameter or a class is written as a plain word is left out."""
    found = docstring_names.sentences(fakelib)
    names = {s.text: [(s.text[a:b], kind) for a, b, kind in s.spans] for s in found}
    assert names == {text: spans for text, spans in EXPECTED.items() if spans is not None}
    assert {sentence.module for sentence in found} == {"fakelib/core.py"}


def test_no_module_is_in_two_splits(monkeypatch):
    def made(package: str) -> list[Sentence]:
        return [
            Sentence(f"{package} {m} {i} {w}", ((0, 1, CLASS),) if i % 3 else (), f"{package}/{m}")
            for m in range(30)
            for i in range(9)
            for w in [hash((package, m, i))]
        ]

    class Here(nullcontext):
        def __enter__(self):
            return self

        map = staticmethod(map)

    monkeypatch.setattr(docstring_names, "sentences", made)
    monkeypatch.setattr(docstring_names, "ProcessPoolExecutor", Here)
    sizes = {"train": 40, "dev": 10, "test": 20, "unlabeled": 30}
    drawn = docstring_names.splits(["a", "b"], sizes, 0)
    assert {split: len(rows) for split, rows in drawn.items()} == sizes
    modules = {split: {row.module for row in rows} for split, rows in drawn.items()}
    trained = modules["train"] | modules["unlabeled"]
    assert not modules["test"] & (trained | modules["dev"]) and not modules["dev"] & trained
    texts = [row.text for rows in drawn.values() for row in rows]
    assert len(set(texts)) == len(texts)
    assert drawn == docstring_names.splits(["a", "b"], sizes, 0)
