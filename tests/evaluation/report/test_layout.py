"""The pages in a real browser: nothing overflows, overlaps, breaks or is faint, on a phone, on a
tablet in the dark, on a desk and on paper."""

import shutil
from contextlib import chdir
from dataclasses import replace
from pathlib import Path

import pandas as pd
import pytest
from runs import write_few_timings, write_predictions, write_run
from selenium.webdriver.common.by import By
from tiny import HOSTILE

from tinybert.evaluation.report import comparison, page
from tinybert.pipeline import paths
from tinybert.tasks.task import Task

VIEWS = {  # width of the window, and what its media queries see
    "phone": (400, "", "light"),
    "tablet": (800, "", "dark"),
    "desk": (1400, "", "light"),
    "paper": (700, "print", "light"),
}
SCRIPT = Path(__file__).with_name("layout.js").read_text(encoding="utf-8")
LABELS = [
    HOSTILE, "手机和电脑", "a_label_without_any_space_that_is_longer_than_a_column", "no",
    *(f"library {i}" for i in range(300)),
]  # fmt: skip
LONG = f"draws {'a' * 90} of the axes, {HOSTILE} " * 5
PAGES = (
    "index", "compare", "two tasks of pairs", "no timings", "several labels", "words",
    "scores of pairs", "scores, no timings",
)  # fmt: skip


@pytest.fixture(scope="module")
def run(made, tmp_path_factory):
    """The folder of a run with many labels, long texts and both pages."""
    folder = tmp_path_factory.mktemp("run")
    shutil.copytree(made("classification", False, False, True), folder, dirs_exist_ok=True)
    with chdir(folder):
        write_run()
        rows = [
            (label, LABELS[i // 2] if i < 34 else label, label) for i, label in enumerate(LABELS)
        ] * 3
        table = pd.DataFrame(rows, columns=["actual", "teacher", "student"])
        write_predictions(LABELS, table, LONG)
        page.write(["mine"])
        first = comparison.read()
        write_run()
        other = Path("params.yaml")
        other.write_text(other.read_text(encoding="utf-8").replace("lr: 8e-4", "lr: 3e-5"))
        (paths.log("distill_prediction", "mine") / "plots/metrics/loss.tsv").write_text(
            "step\tloss\n1\t30\n2\t0.5\n"
        )
        second = comparison.read()
        runs = {"HEAD": first, f"a-long-name-{'x' * 80}": second}
        values = ["1e-05", "bert-base-uncased", "12345678", f"data/{'x' * 60}", "", "true", "null"]
        for i in range(comparison.MOST - 2):
            mixed = dict(list(second.settings.items())[:30])
            mixed = {key: values[(i + k) % len(values)] for k, key in enumerate(mixed)}
            runs[f"run-{i}"] = replace(second, settings=second.settings | mixed)
        comparison.write(runs)
    return folder


def add_task() -> None:
    """Another task, as the one that is there."""
    for file in [*Path().rglob("mine"), *Path().rglob("mine.*")]:
        other = file.with_name(file.name.replace("mine", "another-task"))
        (shutil.copytree if file.is_dir() else shutil.copy)(file, other)


def write_multi_label() -> None:
    """Rows with several long labels, of which the student finds some."""
    labels = [f"a label with words, number {i}" for i in range(20)] + LABELS[:4]
    rows = [
        [", ".join(labels[(i + k) % 24] for k in range(n)) for n in (9, 5, 0)] for i in range(24)
    ]
    table = pd.DataFrame(rows, columns=["actual", "teacher", "student"])
    write_predictions(labels, table, LONG)
    sure = {f"{role}_least_confidence": 0.75 for role in ("teacher", "student")}
    table.assign(**sure).to_csv(paths.METRICS / "predictions/mine.csv", index=False)
    Task("multi_label", labels, False, ["accuracy"], ["train", "dev"]).save(paths.tables("mine"))


@pytest.fixture(scope="module")
def page_of(run, made, words_made, tmp_path_factory):
    """The file of the page of one of PAGES."""

    def write(name: str) -> Path:
        if name in (paths.PAGE.stem, paths.COMPARISON.stem):
            return run / paths.PAGE.with_stem(name)
        folder = tmp_path_factory.mktemp("page")
        kind = "regression" if name.startswith("scores") else "classification"
        source = words_made if name == "words" else made(kind, False, "pairs" in name, True)
        shutil.copytree(source, folder, dirs_exist_ok=True)
        with chdir(folder):
            write_run("no timings" not in name)
            if name == "several labels":
                write_multi_label()
            if name == "words":
                write_few_timings()
            tasks = ["mine"]
            if name.startswith("two tasks"):
                add_task()
                tasks.append("another-task")
            page.write(tasks)
        return folder / paths.PAGE

    return write


@pytest.fixture(scope="module", params=PAGES)
def shown(request, page_of, browser):
    """What layout.js finds, and the errors of the console, by view."""
    layouts, file = {}, page_of(request.param)
    browser.get_log("browser")
    for view, (width, media, scheme) in VIEWS.items():
        browser.get(file.as_uri())
        size = {"width": width, "height": 900, "deviceScaleFactor": 1, "mobile": False}
        browser.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", size)
        features = [{"name": "prefers-color-scheme", "value": scheme}]
        browser.execute_cdp_cmd(
            "Emulation.setEmulatedMedia", {"media": media, "features": features}
        )
        layouts[view] = browser.execute_script(SCRIPT, width)
        layouts[view]["errors"] = severe(browser)
        layouts[view]["hit"] = browser.execute_script("return window.hit")
    browser.execute_cdp_cmd("Emulation.clearDeviceMetricsOverride", {})
    browser.execute_cdp_cmd("Emulation.setEmulatedMedia", {"media": "", "features": []})
    return layouts


def severe(browser) -> list[str]:
    return [entry["message"] for entry in browser.get_log("browser") if entry["level"] == "SEVERE"]


@pytest.mark.parametrize("view", VIEWS)
def test_nothing_is_wider_than_the_window(shown, view):
    assert shown[view]["texts"] > 50
    assert shown[view]["overflows"] == []


@pytest.mark.parametrize("view", VIEWS)
def test_no_text_overlaps_another(shown, view):
    assert shown[view]["overlaps"] == []


@pytest.mark.parametrize("view", VIEWS)
def test_no_word_or_number_is_broken(shown, view):
    assert shown[view]["broken"] == []


@pytest.mark.parametrize("view", VIEWS)
def test_labels_of_charts_are_inside_of_them_on_no_line_and_large_enough(shown, view):
    assert shown[view]["covered"] == [] and shown[view]["small"] == []


@pytest.mark.parametrize("view", VIEWS)
def test_prose_is_aligned_to_the_left(shown, view):
    assert shown[view]["ragged"] == []


@pytest.mark.parametrize("view", VIEWS)
def test_text_stands_out_from_its_background(shown, view):
    assert shown[view]["dark"] == (view == "tablet") and shown[view]["faint"] == []


@pytest.mark.parametrize("view", VIEWS)
def test_the_console_has_no_errors_and_no_text_runs(shown, view):
    assert shown[view]["errors"] == [] and shown[view]["hit"] is None


def test_the_script_finds_what_is_wrong(browser, tmp_path):
    """Each check on a page that is wrong in that way."""
    file = tmp_path / "wrong.html"
    file.write_text(
        "<!doctype html><body style='margin:0'><p style='width:900px;white-space:nowrap'>"
        f"{'wide ' * 100}</p><p style='position:absolute;top:0'>above</p>"
        "<p style='width:1em;overflow-wrap:anywhere'>accuracy</p>"
        "<p style='text-align:right;color:#8888;background:#fff'>faint</p>"
        "<svg viewBox='0 0 100 100' width='100'><text x='90' y='50'>outside</text>"
        "<text x='0' y='80'>line</text><path clip-path='url(#a)' d='M0 60 L50 100'/></svg>"
    )
    browser.get(file.as_uri())
    wrong = browser.execute_script(SCRIPT, 400)
    assert "the page" in wrong["overflows"] and any("above" in pair for pair in wrong["overlaps"])
    assert wrong["broken"] == ["accuracy"] and wrong["ragged"] == ["faint"]
    assert wrong["faint"] == ["faint: 1.8"]
    assert wrong["covered"] == ["outside is outside of its picture", "line is on a line"]


def test_disagreements_can_be_searched(browser, run):
    browser.get((run / paths.PAGE).as_uri())
    box = browser.find_element(By.CSS_SELECTOR, "input[type=search]")
    rows = browser.find_elements(By.CSS_SELECTOR, ".texts tbody tr")
    assert len(rows) > 20 and all(row.is_displayed() for row in rows)
    box.send_keys("LIBRARY 29")
    shown = [row for row in rows if row.is_displayed()]
    assert len(shown) == 3 and all("library 29" in row.text for row in shown)
    assert f"3 of {len(rows)} rows" in browser.find_element(By.ID, "texts-mine-count").text
    box.clear()
    box.send_keys("<img")
    assert len([row for row in rows if row.is_displayed()]) == len(rows)


def test_folded_parts_are_printed(browser, run):
    browser.get((run / paths.PAGE).as_uri())
    browser.execute_cdp_cmd("Emulation.setEmulatedMedia", {"media": "print"})
    heights = browser.execute_script(
        "return [...document.querySelectorAll('details table')].map(t => t.checkVisibility())"
    )
    assert heights and all(heights)
    assert not browser.find_element(By.CSS_SELECTOR, "input[type=search]").is_displayed()
    browser.execute_cdp_cmd("Emulation.setEmulatedMedia", {"media": ""})


def test_pages_need_no_network(run):
    for file in (paths.PAGE, paths.COMPARISON):
        text = (run / file).read_text(encoding="utf-8")
        assert "http://" not in text and "https://" not in text and "<script src" not in text
