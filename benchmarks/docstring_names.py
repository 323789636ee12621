"""Sentences of docstrings, in which the names of modules, classes, functions and parameters are
marked: real texts with entities, for benchmarks.words.

A name is marked where its author marks it as code, or where it has the form of a name (an
underscore, a dot, a capital inside), and if the library's AST knows it; the AST says of which type
it is. Sentences in which a word might be a name or a plain word (`input`, `Index`, without marks)
are left out. The marks themselves are removed: they would tell.
"""

import ast
import random
import re
import warnings
from collections import defaultdict
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from typing import NamedTuple

from data import pydocs
from tinybert.models.words import split

PARAMETER, CLASS, FUNCTION, MODULE = "PARAMETER", "CLASS", "FUNCTION", "MODULE"
BEGIN, END = "\ua66e", "\ua66d"  # letters, so that pydocs takes a marked name for a word
CODE = re.compile(r"(?::[\w+.-]+)*:?(?<!`)(`{1,2})([!~.]*)([A-Za-z_][\w.]*)(?:\(\))?\1(?![`_])")
EMPHASIS = re.compile(r"(?<![\w*\\])\*([A-Za-z_]\w*)\*(?![\w*])")
LINK = re.compile(r"\[(`[^`\]\n]+`)\](?!\()")
NAME = re.compile(rf"{BEGIN}([\w.]+?){END}|(?<![\w.])([A-Za-z_]\w*(?:\.[A-Za-z_]\w*)*)(?![\w.]*\w)")
FORM = re.compile(r"\w*[A-Za-z0-9]_\w+|_\w+|\w+(?:\.\w+)+|[A-Z]+[a-z0-9]+[A-Z]\w*")
SENTENCE = re.compile(r"(?<=[.!?]) +(?=[A-Z`" + BEGIN + r"])(?<!e\.g\. )(?<!i\.e\. )(?<!cf\. )")
FUNCTIONS = (ast.FunctionDef, ast.AsyncFunctionDef)
MIN_WORDS, MAX_WORDS = 6, 50
PLAIN = 0.2  # share of the sentences without a name
SHARES = {"test": 0.3, "dev": 0.1}  # of the modules; the others are train's


class Known(NamedTuple):
    """The names that a library's AST has."""

    classes: set[str]
    functions: set[str]
    modules: set[str]
    parameters: set[str]


class Sentence(NamedTuple):
    """spans: (start, end, type), in characters. module: the file that it is from."""

    text: str
    spans: tuple[tuple[int, int, str], ...]
    module: str


def sentences(package: str) -> list[Sentence]:
    """The sentences of a package's docstrings, in source order, each once."""
    folder = pydocs._folder(package)
    docs, known = [], Known(set(), set(), {package}, set())
    for path in sorted(folder.rglob("*.py")):
        parts = path.relative_to(folder).parts
        if any(re.fullmatch(pydocs.EXCLUDED_PARTS, part) for part in parts):
            continue
        try:
            with warnings.catch_warnings(action="ignore"):
                tree = ast.parse(path.read_bytes())
        except (SyntaxError, ValueError):
            continue
        known.modules.update(part.removesuffix(".py") for part in parts)
        for node, own in _documented(tree, set()):
            docs.append(
                (ast.get_docstring(node, clean=False) or "", own, "/".join((package, *parts)))
            )
            if isinstance(node, ast.ClassDef):
                known.classes.add(node.name)
            elif not isinstance(node, ast.Module):
                known.functions.add(node.name)
                known.parameters.update(_parameters(node))
    found = {}
    for doc, own, module in docs:
        for sentence in _of_docstring(doc, own, known, module):
            found.setdefault(sentence.text, sentence)
    return list(found.values())


def _documented(node: ast.AST, own: set[str]) -> Iterator[tuple[ast.AST, set[str]]]:
    """What may have a docstring, each with the parameters that are its own: a function's, with
    those of the functions around it; a class's, those of its __init__."""
    if isinstance(node, FUNCTIONS):
        own = own | _parameters(node)
    if isinstance(node, ast.ClassDef):
        starts = [n for n in node.body if isinstance(n, FUNCTIONS) and n.name == "__init__"]
        own = set().union(*map(_parameters, starts))
    if isinstance(node, (ast.Module, ast.ClassDef, *FUNCTIONS)):
        yield node, own
    for child in ast.iter_child_nodes(node):
        if isinstance(child, ast.stmt | ast.excepthandler):
            yield from _documented(child, own)


def _parameters(node: ast.FunctionDef | ast.AsyncFunctionDef) -> set[str]:
    given = node.args
    every = [*given.posonlyargs, *given.args, *given.kwonlyargs, given.vararg, given.kwarg]
    return {argument.arg for argument in every if argument} - {"self", "cls"}


def _of_docstring(doc: str, own: set[str], known: Known, module: str) -> Iterator[Sentence]:
    def mark(found: re.Match) -> str:
        name = found[3].strip(".")
        return f"{BEGIN}{name.rpartition('.')[2] if '~' in found[2] else name}{END}"

    doc = CODE.sub(mark, LINK.sub(r"\1", doc))
    doc = EMPHASIS.sub(lambda m: f"{BEGIN}{m[1]}{END}" if m[1] in own else m[0], doc)
    for paragraph in pydocs._clean(doc):
        for text in SENTENCE.split(paragraph):
            if (sentence := _sentence(text, own, known, module)) is not None:
                yield sentence


def _sentence(text: str, own: set[str], known: Known, module: str) -> Sentence | None:
    """None if it is too short or too long, not whole, or ambiguous."""
    spans, parts, length, end = [], [], 0, 0
    for found in NAME.finditer(text):
        name = found[1] or found[2]
        kind = _kind(name, own, known)
        if not found[1] and not FORM.fullmatch(name):
            is_first = found.start() == 0
            if name in own or (kind == CLASS and not is_first):
                return None
            kind = None
        parts += [text[end : found.start()], name]
        length += len(parts[-2])
        if kind is not None:
            spans.append((length, length + len(name), kind))
        length, end = length + len(name), found.end()
    text = "".join([*parts, text[end:]])
    is_whole = text[-1:] == "." and text[:1].isalpha() and BEGIN not in text and END not in text
    if not is_whole or not MIN_WORDS <= len(split(text)) <= MAX_WORDS:
        return None
    return Sentence(text, tuple(spans), module)


def _kind(name: str, own: set[str], known: Known) -> str | None:
    first, last = name.partition(".")[0], name.rpartition(".")[2]
    if name in own:
        return PARAMETER
    if "." in name and first not in known.modules | known.classes:
        return None
    if last in known.classes and last[:1].isupper():
        return CLASS
    if last in known.functions:
        return FUNCTION
    if last in known.modules:
        return MODULE
    return PARAMETER if name in known.parameters else None


def splits(packages: list[str], sizes: dict[str, int], seed: int) -> dict[str, list[Sentence]]:
    """train, dev, test and unlabeled: each package has the same share of each; no module is in two
    of train (with unlabeled), dev and test, and no two sentences are near-duplicates."""
    with ProcessPoolExecutor() as pool:
        found = [s for part in pool.map(sentences, packages) for s in part]
    rng = random.Random(seed)
    rng.shuffle(found)
    found = [found[i] for i in pydocs.drop_near_duplicates([s.text for s in found])]
    modules = sorted({sentence.module for sentence in found})
    rng.shuffle(modules)
    bounds = [round(share * len(modules)) for share in (SHARES["test"], sum(SHARES.values()))]
    split_of = dict.fromkeys(modules, "train")
    split_of |= dict.fromkeys(modules[: bounds[1]], "dev")
    split_of |= dict.fromkeys(modules[: bounds[0]], "test")
    drawn = {}
    for name in ("train", "dev", "test"):
        part = [s for s in found if split_of[s.module] == name]
        size = sizes[name] + (sizes["unlabeled"] if name == "train" else 0)
        plain = round(PLAIN * size)
        chosen = [
            part[i]
            for is_plain, count in ((False, size - plain), (True, plain))
            for i in pydocs._draw(_by_package(part, is_plain), count, rng)
        ]
        rng.shuffle(chosen)
        drawn[name], rest = chosen[: sizes[name]], chosen[sizes[name] :]
        drawn |= {"unlabeled": rest} if name == "train" else {}
    return drawn


def _by_package(part: list[Sentence], is_plain: bool) -> dict[str, list[int]]:
    candidates = defaultdict(list)
    for i, sentence in enumerate(part):
        if (not sentence.spans) == is_plain:
            candidates[sentence.module.partition("/")[0]].append(i)
    return dict(sorted(candidates.items()))
