"""The pages in a real browser: nothing overflows, overlaps or breaks, at the widths of a phone, a
tablet and a desk."""

import shutil
from contextlib import chdir
from pathlib import Path

import pandas as pd
import pytest
from runs import write_few_timings, write_predictions, write_run
from selenium.webdriver.common.by import By
from tiny import HOSTILE

from tinybert.evaluation.report import comparison, page
from tinybert.pipeline import paths
from tinybert.tasks.task import Task

WIDTHS = (400, 800, 1400)
SCRIPT = Path(__file__).with_name("layout.js").read_text(encoding="utf-8")
LABELS = [
    HOSTILE, "手机和电脑", "a_label_without_any_space_that_is_longer_than_a_column", "no",
    *(f"library {i}" for i in range(30)),
]  # fmt: skip
LONG = f"draws {'a' * 90} of the axes, {HOSTILE} " * 5
PAGES = (
    "index", "compare", "pairs", "no timings", "several labels", "words", "scores of pairs",
    "scores, no timings",
)  # fmt: skip


@pytest.fixture(scope="module")
def run(made, tmp_path_factory):
    """The folder of a run with many labels, long texts and both pages."""
    folder = tmp_path_factory.mktemp("run")
    shutil.copytree(made("classification", False, False, True), folder, dirs_exist_ok=True)
    with chdir(folder):
        write_run()
        rows = [(label, LABELS[i // 2], label) for i, label in enumerate(LABELS)] * 3
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
        comparison.write({"HEAD": first, f"a-long-name-{'x' * 80}": comparison.read()})
    return folder


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
            page.write(["mine"])
        return folder / paths.PAGE

    return write


@pytest.fixture(scope="module", params=PAGES)
def shown(request, page_of, browser):
    """What layout.js finds, and the errors of the console, by width."""
    layouts, file = {}, page_of(request.param)
    browser.get_log("browser")
    for width in WIDTHS:
        browser.get(file.as_uri())
        size = {"width": width, "height": 900, "deviceScaleFactor": 1, "mobile": False}
        browser.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", size)
        layouts[width] = browser.execute_script(SCRIPT, width)
        layouts[width]["errors"] = severe(browser)
        layouts[width]["hit"] = browser.execute_script("return window.hit")
    browser.execute_cdp_cmd("Emulation.clearDeviceMetricsOverride", {})
    return layouts


def severe(browser) -> list[str]:
    return [entry["message"] for entry in browser.get_log("browser") if entry["level"] == "SEVERE"]


@pytest.mark.parametrize("width", WIDTHS)
def test_nothing_is_wider_than_the_window(shown, width):
    assert shown[width]["texts"] > 50
    assert shown[width]["overflows"] == []


@pytest.mark.parametrize("width", WIDTHS)
def test_no_text_overlaps_another(shown, width):
    assert shown[width]["overlaps"] == []


@pytest.mark.parametrize("width", WIDTHS)
def test_no_word_or_number_is_broken(shown, width):
    assert shown[width]["broken"] == []


@pytest.mark.parametrize("width", WIDTHS)
def test_labels_of_charts_are_inside_of_them_on_no_line_and_large_enough(shown, width):
    assert shown[width]["covered"] == [] and shown[width]["small"] == []


@pytest.mark.parametrize("width", WIDTHS)
def test_the_console_has_no_errors_and_no_text_runs(shown, width):
    assert shown[width]["errors"] == [] and shown[width]["hit"] is None


def test_the_script_finds_what_is_wrong(browser, tmp_path):
    """Each check on a page that is wrong in that way."""
    file = tmp_path / "wrong.html"
    file.write_text(
        "<!doctype html><body style='margin:0'><p style='width:900px;white-space:nowrap'>"
        f"{'wide ' * 100}</p><p style='position:absolute;top:0'>above</p>"
        "<p style='width:1em;overflow-wrap:anywhere'>accuracy</p>"
        "<svg viewBox='0 0 100 100' width='100'><text x='90' y='50'>outside</text>"
        "<text x='0' y='80'>line</text><path clip-path='url(#a)' d='M0 60 L50 100'/></svg>"
    )
    browser.get(file.as_uri())
    wrong = browser.execute_script(SCRIPT, 400)
    assert "the page" in wrong["overflows"] and any("above" in pair for pair in wrong["overlaps"])
    assert wrong["broken"] == ["accuracy"]
    assert wrong["covered"] == ["outside is outside of its picture", "line is on a line"]


def test_the_page_can_be_read_in_the_dark(browser, run):
    browser.get((run / paths.PAGE).as_uri())
    colours = []
    for scheme in ("light", "dark"):
        media = {"features": [{"name": "prefers-color-scheme", "value": scheme}]}
        browser.execute_cdp_cmd("Emulation.setEmulatedMedia", media)
        heading = browser.find_element(By.TAG_NAME, "h1").value_of_css_property("color")
        text = browser.find_element(By.CSS_SELECTOR, "svg text").value_of_css_property("fill")
        colours.append((heading, text))
    browser.execute_cdp_cmd("Emulation.setEmulatedMedia", {"features": []})
    assert colours[0][0] != colours[1][0] and colours[0][1] != colours[1][1]


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
