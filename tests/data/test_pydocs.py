"""Harvesting docstrings, of small packages that the tests write and nothing imports."""

import gc
import importlib
import random
import re
import sys
import warnings
from collections import Counter
from pathlib import Path
from types import SimpleNamespace

import pytest

from data import pydocs

PROSE = "The width of the box is given in points, and it is never less than that of its text."
OTHER = "Any colour that the printer knows may stand here, with or without an alpha channel."
THIRD = "Errors are raised as soon as the file is closed, for a buffer may hold them back."


@pytest.fixture
def package(tmp_path, monkeypatch):
    """Writes an importable package: package("name", {"module.py": source, ...})."""
    monkeypatch.syspath_prepend(tmp_path / "site")

    def write(name: str, files: dict[str, str | bytes]) -> str:
        for path, source in {"__init__.py": "", **files}.items():
            file = tmp_path / "site" / name / path
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_bytes(source if isinstance(source, bytes) else source.encode())
        importlib.invalidate_caches()
        return name

    return write


def sources(texts: list[str]) -> dict[str, str]:
    return {"m.py": "\n".join(f"def f{i}():\n    {t!r}" for i, t in enumerate(texts))}


def sentences(n: int, seed: int) -> list[str]:
    """Random prose of 14 words, hence without near-duplicates."""
    rng = random.Random(seed)
    nouns = ["".join(rng.choices("bcdfgklmnprstvaeiou", k=6)) for _ in range(300)]
    pattern = "The {} of the {} is {} and {} with {} in {} for {}."
    return [pattern.format(*rng.sample(nouns, 7)) for _ in range(n)]


def contained(a: str, b: str) -> float:
    """Shared word 3-grams, over those of the text that has fewer."""
    shingles = []
    for text in (a, b):
        words = re.findall(r"\w+", text.lower())
        shingles.append(set(zip(words, words[1:], words[2:], strict=False)))
    return len(shingles[0] & shingles[1]) / min(map(len, shingles))


def test_nothing_is_imported(package):
    name = package("mango", {"__init__.py": f'"""{PROSE}"""\nraise RuntimeError("imported")'})
    assert pydocs.paragraphs(name) == [PROSE]
    assert name not in sys.modules


def test_docstrings_come_in_path_and_source_order_and_once(package):
    a, b, c, d, e, f = sentences(6, seed=1)
    late = f'class A:\n  """{a}"""\n  def f(self):\n    """{b}"""\n    def g():\n      """{c}"""\n'
    early = f'try:\n  def f():\n    """{d}"""\nexcept E:\n  async def f():\n    """{e}"""\n'
    again = (
        f'def f():\n  """{d}"""\ndef g():\n  x = 1\n  """{f}"""\n'  # the last is not a docstring
    )
    name = package("mango", {"b.py": late, "a/z.py": early, "c.py": again})
    assert pydocs.paragraphs(name) == [d, e, a, b, c]


@pytest.mark.parametrize("folder", ["tests", "sub/testing", "_vendor/other", "externals"])
def test_tests_and_vendored_code_are_not_the_package(package, folder):
    name = package("mango", {f"{folder}/m.py": f'"""{PROSE}"""', "sub/m.py": f'"""{OTHER}"""'})
    assert pydocs.paragraphs(name) == [OTHER]


@pytest.mark.parametrize(
    ("marked", "plain"),
    [
        ("the :class:`~mango.core.Box` of it", "the Box of it"),
        ("the :py:class:`mango.Box` of it", "the mango.Box of it"),
        ("the :ref:`other box <box-other>` of it", "the other box of it"),
        ("the `other box <https://mango.org/box>`_ of it", "the other box of it"),
        ("the [other box](https://mango.org/box) of it", "the other box of it"),
        ("the [`~core.Box`] and [`core.Box`] of it", "the Box and core.Box of it"),
        ("the ``width=*args`` and `height` of it", "the width=*args and height of it"),
        ("the **very** *small box* [1]_ of it", "the very small box of it"),
        ("the `~.Axes.plot` and `.Axes.bar` of it", "the plot and Axes.bar of it"),
        ("the product a*b*c is `.mango` of it", "the product a*b*c is .mango of it"),
        ("the |box| and <br/> of it \\*there", "the box and of it *there"),
        ("the\tbox\n    \n\n    of it", None),
        ("the\tbox \u00a0\n    of it", "the box of it"),
    ],
)
def test_markup_is_stripped(package, marked, plain):
    doc = f"{PROSE}\n    Here is {marked}."
    expected = [f"{PROSE} Here is {plain}."] if plain else [f"{PROSE} Here is the box"]
    assert pydocs.paragraphs(package("mango", sources([doc]))) == expected


@pytest.mark.parametrize(
    "code",
    [
        ">>> the_box_of_it('is this the answer to all that is asked in the world?')\n{0}",
        "For example::\n\n    {0}\n\n    {0}",
        ".. code-block:: text\n    :linenos:\n\n    {0}\n",
        ".. versionadded:: 2.0 {0}",
        "```python\n{0}\n\n{0}\n\n{0}\n```",
        "{0}\n" + "=" * 90,
        "# {0}",
        "| {0} |\n|---|---|\n| {0} | {0} |",
        "+---+---+\n| {0} | b |\n+---+---+",
        ":param x: {0}\n    {0}",
        "[x for the_x in self.boxes(a=1) if x.is_in(a.b, the_c)] + [f(x) for x in y(a=3)[1:]]",
        "$$a_1 + a_2 + a_3 = b_{{ij}} \\cdot x^2 + y_3 (1 + 2), x_7 = 8, y = 9, z = 10$$",
        "-> {0}",
        "a_1 of b_2 to c_3 in d_4 is e_5 and f_6 for g_7 with h_8 by i_9 on j_10 of k_11",
        "It is computed from the lower half of the matrix of all of the boxes, times the",
        "See https://mango.org/box for the box of it, which is the best of all the boxes.",
        "peach, apple, grape, cherry, peach, melon, lemon, orange, grape, fig, date, mango",
    ],
)
def test_code_tables_titles_and_fields_are_dropped(package, code):
    dropped = code.format(THIRD)
    doc = "\n    ".join(f"{PROSE}\n\n{dropped}\n\n{OTHER}".split("\n"))
    assert pydocs.paragraphs(package("mango", sources([doc]))) == [PROSE, OTHER]


@pytest.mark.parametrize(
    "code", [f">>> f()\n{THIRD}", f"| {THIRD} |", f"===== =====\n\n>>> {THIRD}", "# The box"]
)
def test_code_and_tables_end_the_paragraph_above(package, code):
    doc = "\n    ".join([OTHER, "", PROSE, *code.split("\n")])
    assert pydocs.paragraphs(package("mango", sources([doc]))) == [OTHER, PROSE]


@pytest.mark.parametrize(
    "listed",
    [
        "Parameters\n----------\nwidth : a or b or c or d or e\n    {0}\nx, y : int\n    {1}",
        "Returns\n-------\nlist of int\n    {0}\nRaises\n------\nValueError\n    {1}",
        "Args:\n    width (int, optional): {0}\n    height (`list[int]`, *optional*):\n        {1}",
        "Args:\n    width: {0}\n    height: {1}\n",
        "- {0}\n- width\n  {1}",
        "* {0}\n{1}",
        "- width (int or (int, int)): {0}\n- height (int) -- {1}",
        "1. {0}\n2. {1}",
        ".. note::\n    {0}\n\n.. warning:: {1}",
        "    {0}\n{1}",
    ],
)
@pytest.mark.parametrize("wrap", [False, True])
def test_items_and_descriptions_are_paragraphs_without_their_headers(package, listed, wrap):
    lines = listed.format(PROSE, OTHER).split("\n")
    if wrap:  # indents the continuation as belonging to its line
        for i, line in enumerate(lines):
            opening = re.match(r" *(?:(?:[-*]|\d\.) |\.\. warning:: )?", line)[0]
            hang = " " * (len(opening) + 4 * ("width" in line or "height" in line))
            lines[i] = re.sub(r" (and it|with or)", rf"\n{hang}\1", line)
    doc = "\n    ".join([THIRD, "", *"\n".join(lines).split("\n")])
    assert pydocs.paragraphs(package("mango", sources([doc]))) == [THIRD, PROSE, OTHER]


@pytest.mark.parametrize(
    "doc",
    [
        "Args:\n        width (int): The width\n            of {0}",  # short, but not a term
        "The width of\n    box: it is given by {0}",  # not a header, within a paragraph
    ],
)
def test_text_that_only_resembles_a_header_or_a_term_is_kept(package, doc):
    rest = "that box, in points, and it is never less than that of the text in it."
    start = "The width of " if "Args" in doc else "The width of box: it is given by "
    assert pydocs.paragraphs(package("mango", sources([doc.format(rest)]))) == [start + rest]


def test_unparseable_files_are_reported_and_old_escapes_are_not(package):
    old = f'"""{PROSE}"""\nx = "\\d"\n'
    name = package("mango", {"a.py": "print 'x'\n", "b.py": b"x = '\xff'\n", "old.py": old})
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        assert pydocs.paragraphs(name) == [PROSE]
    assert gc.isenabled()
    assert len(caught) == 1
    assert all(part in str(caught[0].message) for part in ("mango", "a.py", "b.py"))


@pytest.mark.parametrize("threshold", [0.25, 0.5, 1.0])
def test_near_duplicates_equal_a_plain_loop(threshold):
    rng = random.Random(3)  # few words: many overlaps; more texts than in one block
    lengths = rng.choices(range(1, 9), k=2500)
    texts = [" ".join(rng.choices("abcdefghijkl", k=length)) for length in lengths]
    kept, texts_with = [], {}
    for i, text in enumerate(texts):
        words = text.split()
        shingles = {tuple(words[k : k + 3]) for k in range(max(1, len(words) - 2))}
        shared = Counter(j for shingle in shingles for j in texts_with.get(shingle, []))
        sizes = dict(kept)
        if all(n / min(len(shingles), sizes[j]) < threshold for j, n in shared.items()):
            kept.append((i, len(shingles)))
            for shingle in shingles:
                texts_with.setdefault(shingle, []).append(i)
    assert pydocs.drop_near_duplicates(texts, threshold) == [i for i, _ in kept]
    assert 100 < len(kept) < 2400


def test_duplicates_that_differ_in_case_or_full_stops_are_dropped():
    assert pydocs.drop_near_duplicates([PROSE, OTHER, PROSE.upper(), OTHER.rstrip("."), "x"]) == [
        0,
        1,
        4,
    ]
    assert pydocs.drop_near_duplicates([]) == []


SETTINGS = SimpleNamespace(
    packages=["mango", "peach", "grape"],
    labels=["mango", "grape"],
    train_rows=40,
    dev_rows=10,
    test_rows=20,
    unlabeled_rows=25,
    min_characters=60,
    max_characters=600,
)


@pytest.fixture
def libraries(package, monkeypatch):
    """Three packages with near-duplicates within and across them, and texts that name them."""
    monkeypatch.setitem(pydocs.NICKNAMES, "grape", ["pl"])
    a, b, c = (sentences(90, seed=seed) for seed in (5, 6, 7))
    changed = [text.replace("The", "Each").replace(" with", " or with") for text in a[:30]]
    named = ["The mango is " + a[60], "For MANGOs " + a[61], "Call mango.box and " + a[62]]
    by_nickname = ["Use pl.box for " + c[60], "The apple and " + c[61]]  # "pl" is in "apple"
    package("mango", sources([*a[:60], *named, *a[:9], "The grape is " + a[63]]))
    package("peach", sources([*b, *changed[:10]]))
    package("grape", sources([*changed[10:], *c[:60], *by_nickname]))


def harvest(folder: Path, seed: int = 1, **changes) -> dict[str, list[list[str]]]:
    settings = SimpleNamespace(**{**vars(SETTINGS), **changes})
    pydocs.harvest(settings, seed, folder)
    files = [*folder.glob("pydocs/*"), *folder.glob("docs_corpus/*")]
    rows = {file.stem: file.read_bytes().decode().split("\n") for file in files}
    assert all(lines.pop() == "" for lines in rows.values())  # every line ends with \n
    return {name: [line.split("\t") for line in lines] for name, lines in rows.items()}


def test_harvest_writes_the_numbers_of_rows_in_equal_shares(libraries, tmp_path):
    files = harvest(tmp_path)
    for name, rows in {"train": 40, "dev": 10, "test": 20}.items():
        header, *lines = files[name]
        assert header == ["text", "label"]
        assert Counter(label for _, label in lines) == {"mango": rows // 2, "grape": rows // 2}
        labels = [label for _, label in lines]
        assert labels != sorted(labels) and labels[::2] != labels[0:1] * (rows // 2)  # shuffled
    assert files["unlabeled"][0] == ["text"]
    assert len(files["unlabeled"]) == 1 + 25
    assert {path.name for path in (tmp_path / "docs_corpus").iterdir()} == {
        "mango.txt",
        "peach.txt",
        "grape.txt",
    }


def test_a_label_is_the_library_that_contains_the_text(libraries, tmp_path):
    files = harvest(tmp_path)
    for text, label in files["train"][1:] + files["dev"][1:] + files["test"][1:]:
        assert text in pydocs.paragraphs(label)


def test_no_text_names_its_own_library(libraries, tmp_path):
    files = harvest(tmp_path, train_rows=70, unlabeled_rows=999)
    task = [row for name in ("train", "dev", "test", "unlabeled") for row in files[name][1:]]
    for text in (row[0] for row in task):
        library = next(p for p in ("mango", "grape") if text in pydocs.paragraphs(p))
        assert not re.search({"mango": "mango", "grape": r"grape|\bpl\b"}[library], text.lower())
    texts = " ".join(row[0] for row in task)
    assert "The grape is" in texts  # another library may be named
    assert "The apple and" in texts


@pytest.mark.parametrize(
    ("package_name", "text"),
    [
        ("torch", "as in PyTorch"),
        ("torch", "libtorch_cpu"),
        ("transformers", "on the Hugging Face hub"),
        ("transformers", "see HF_HOME"),
        ("networkx", "call nx.Graph"),
        ("pandas", "a pd.Series"),
        ("matplotlib", "with plt.show"),
        ("matplotlib", "the PyPlot way"),
        ("sklearn", "of scikit-learn"),
        ("sympy", "in SymPy"),
        ("sentence_transformers", "of Sentence Transformers"),
    ],
)
def test_nicknames_of_real_libraries_name_them(package_name, text):
    assert pydocs._names(text, package_name)
    assert not pydocs._names("an update of the inxs, a transformer or a plot", package_name)


def test_no_text_of_dev_or_test_is_in_train_or_corpus(libraries, tmp_path):
    files = harvest(tmp_path)
    held_out = [row[0] for row in files["dev"][1:] + files["test"][1:]]
    seen = [row[0] for row in files["train"][1:] + files["unlabeled"][1:]]
    corpus = [row[0] for name in ("mango", "peach", "grape") for row in files[name]]
    for i, text in enumerate(held_out):
        others = held_out[:i] + seen + corpus
        assert max(contained(text, other) for other in others) < pydocs.CONTAINMENT
    assert set(seen) <= set(corpus)
    planted = [text for p in SETTINGS.packages for text in pydocs.paragraphs(p)]
    assert max(contained(a, b) for a in planted[:5] for b in planted[60:]) >= pydocs.CONTAINMENT


def test_corpus_is_every_other_text_in_source_order(libraries, tmp_path):
    files = harvest(tmp_path)
    held_out = {row[0] for row in files["dev"][1:] + files["test"][1:]}
    for name in ("mango", "peach", "grape"):
        texts = [row[0] for row in files[name]]
        assert texts == [t for t in pydocs.paragraphs(name) if t in set(texts)]
    distinct = [text for text in pydocs.paragraphs("mango")[:60] if text not in held_out]
    assert [row[0] for row in files["mango"]][: len(distinct)] == distinct


def test_the_same_seed_gives_the_same_files_and_older_files_are_removed(libraries, tmp_path):
    (tmp_path / "b/docs_corpus").mkdir(parents=True)
    (tmp_path / "b/docs_corpus/removed_package.txt").write_text(PROSE)
    first, second, other = (
        harvest(tmp_path / f, seed) for f, seed in zip("abc", (1, 1, 2), strict=True)
    )
    assert first == second
    assert sorted(first["test"]) != sorted(other["test"])


def test_a_small_library_contributes_all_its_texts(libraries, package, tmp_path):
    package("fig", sources(sentences(12, seed=8)))
    labels = ["mango", "grape", "fig"]
    files = harvest(tmp_path, packages=[*SETTINGS.packages, "fig"], labels=labels, train_rows=90)
    shares = {
        name: Counter(label for _, label in files[name][1:]) for name in ("train", "dev", "test")
    }
    assert sum(shares.values(), Counter()) == {"fig": 12, "mango": 54, "grape": 54}
    assert shares["test"] == {"fig": 2, "mango": 9, "grape": 9}
    assert shares["dev"]["fig"] == 1


@pytest.mark.parametrize("name", ["no_such_package", "json", "sys", "six.moves", "", "fake_module"])
def test_a_name_that_is_not_an_installed_package_is_an_error(package, tmp_path, name):
    package("mango", {"__init__.py": PROSE})
    (tmp_path / "site/fake_module.py").write_text(f'"""{PROSE}"""')
    with pytest.raises(ValueError, match=rf"docs\.packages: '{re.escape(name)}' .*pip install"):
        pydocs.paragraphs(name)


def test_impossible_settings_are_errors_that_name_the_key(libraries, tmp_path):
    with pytest.raises(ValueError, match=r"docs\.labels: add \['fig'\] to docs\.packages"):
        harvest(tmp_path, labels=["mango", "fig"])
    with pytest.raises(ValueError, match=r"docs\.train_rows .* are 1030, but .* 122 paragraphs"):
        harvest(tmp_path, train_rows=1000)
    with pytest.raises(ValueError, match=r"docs\.min_characters"):
        harvest(tmp_path, train_rows=1, dev_rows=1, test_rows=1, min_characters=590)
    assert not (tmp_path / "pydocs").exists()
