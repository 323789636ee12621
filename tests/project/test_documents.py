"""What the documents say can be done: their commands, links and names are real."""

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PAGES = sorted([*ROOT.glob("*.md"), *(ROOT / "docs").glob("*.md"), ROOT / "benchmarks/README.md"])
TRANSLATED = ("README", "docs/data")
BLOCK = re.compile(r"^```(\w+)\n(.*?)^```$", re.MULTILINE | re.DOTALL)


def blocks(page: Path, kind: str = "bash") -> list[str]:
    return [text for name, text in BLOCK.findall(page.read_text(encoding="utf-8")) if name == kind]


def commands(page: Path, kind: str = "bash") -> list[str]:
    """The lines of its blocks, without comments."""
    lines = "\n".join(blocks(page, kind)).splitlines()
    return [stripped for line in lines if (stripped := re.sub(r"(^|\s)#.*", "", line).rstrip())]


@pytest.mark.parametrize("kind", ["bash", "yaml", "python"])
@pytest.mark.parametrize("page", TRANSLATED)
def test_a_translation_has_the_same_commands(page, kind):
    assert commands(ROOT / f"{page}.zh-CN.md", kind) == commands(ROOT / f"{page}.md", kind)


def test_the_tutorials_differ_in_their_file_alone():
    """English and Chinese texts; it is the second block that makes the file."""
    english, chinese = (blocks(ROOT / f"docs/tutorial{end}.md") for end in ("", ".zh-CN"))
    assert english.pop(1) != chinese.pop(1) and english == chinese


@pytest.mark.parametrize("page", [*TRANSLATED, "docs/tutorial"])
def test_a_translation_has_the_same_numbers(page):
    """In their tables; of code and of names there are others."""

    def numbers(page: Path) -> list[str]:
        lines = page.read_text(encoding="utf-8").splitlines()
        rows = [line for line in lines if line.startswith("|")]
        return re.findall(r"(?<![\w.`])\d[\d,.]*(?![\w`])", "\n".join(rows))

    assert numbers(ROOT / f"{page}.zh-CN.md") == numbers(ROOT / f"{page}.md")


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_links_lead_somewhere(page):
    for target in re.findall(r"\]\(([^)#]+)[^)]*\)", page.read_text(encoding="utf-8")):
        if "://" not in target:
            assert (page.parent / target).exists(), target


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_modules_scripts_and_targets_exist(page):
    text = "\n".join(commands(page))
    for module in re.findall(r"python -m ((?:tinybert|benchmarks|stages)\.\w+)", text):
        assert (ROOT / (module.replace(".", "/") + ".py")).is_file(), module
    makefile = (ROOT / "Makefile").read_text(encoding="utf-8")
    for target in re.findall(r"^make (?!PYTHON)([\w-]+)", text, re.MULTILINE):
        assert re.search(rf"^{target}:", makefile, re.MULTILINE), target
    for file in re.findall(r"(?<![\w/])(?:recipes|docs|tests|benchmarks)/[\w.-]+\.\w+", text):
        assert (ROOT / file).is_file(), file


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_nothing_of_one_machine_is_in_it(page):
    assert not re.search(r"/(work|root|tmp/\w+)/", page.read_text(encoding="utf-8"))
