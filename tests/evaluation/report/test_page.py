"""The report's page and that of the service: their content, and, where Chromium is installed, that
they have no errors and texts stay text."""

import shutil
import threading
import time
from html.parser import HTMLParser
from pathlib import Path

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import uvicorn
from selenium import webdriver
from selenium.webdriver.chrome.service import Service
from selenium.webdriver.common.by import By
from selenium.webdriver.support.ui import WebDriverWait
from tiny import HOSTILE

from tinybert.deploy import serve
from tinybert.evaluation.report import page
from tinybert.pipeline import paths
from tinybert.pipeline.errors import InputError
from tinybert.pipeline.files import read_json, write_json
from tinybert.tasks.task import Task

CHROMIUM, DRIVER = shutil.which("chromium"), shutil.which("chromedriver")
KINDS = [("classification", False), ("classification", True), ("regression", False)]


@pytest.fixture(scope="module")
def browser(tmp_path_factory):
    if not (CHROMIUM and DRIVER):
        pytest.skip("needs chromium and chromedriver (Debian: chromium, chromium-driver)")
    options = webdriver.ChromeOptions()
    options.binary_location = CHROMIUM
    profile = tmp_path_factory.mktemp("profile")
    for word in (
        "headless", "no-sandbox", "disable-gpu", "no-first-run", "disable-background-networking",
        "disable-component-update", "disable-sync", "disable-quic", f"user-data-dir={profile}",
    ):  # fmt: skip
        options.add_argument(f"--{word}")
    options.set_capability("goog:loggingPrefs", {"browser": "ALL"})
    with webdriver.Chrome(options, Service(DRIVER)) as driver:
        yield driver


class Page(HTMLParser):
    """The tags and the text of a page, and its tables as lists of rows."""

    def __init__(self, file: Path):
        super().__init__()
        self.tags, self.words, self.tables = [""], [], []
        self.feed(file.read_text(encoding="utf-8"))
        self.text = " ".join(" ".join(self.words).split())

    def handle_starttag(self, tag, attributes):
        self.tags.append(tag)
        if tag == "table":
            self.tables.append([])
        if tag == "tr":
            self.tables[-1].append([])
        if tag in ("td", "th"):
            self.tables[-1][-1].append("")

    def handle_data(self, data):
        if self.tags[-1] in ("td", "th") and self.tables[-1][-1]:
            self.tables[-1][-1][-1] += data.strip()
        self.words.append(data)


@pytest.mark.parametrize(("kind", "pair"), KINDS)
def test_the_page_shows_all_parts_of_a_run_and_texts_as_text(written, kind, pair):
    shown = Page(written(kind, pair))
    assert HOSTILE in shown.text  # of the environment, and as a label
    assert "img" not in shown.tags and "script" not in shown.tags
    assert shown.tags.count("svg") == 7  # scores and latencies, five trainings of a task, general
    rows = {row[0]: row for table in shown.tables for row in table if row}
    student = dict(zip(rows["model"], rows["student, ONNX, 8 bits"], strict=True))
    assert " to " in student[page.INTERVAL]
    labels_alone = rows["general student, labels alone, PyTorch"]
    labels_alone = dict(zip(rows["model"], labels_alone, strict=True))
    assert " to " in labels_alone[page.INTERVAL] and labels_alone["95 %"] == ""
    assert "dev split, 19 rows, chosen on it" in shown.text
    assert (student["ms, one thread"], student["95 %"]) == ("1.25", "2.5")
    assert (student["ms, all cores"], student["rows/s, all cores"]) == ("1.25", "640.0")
    assert rows["prepare_task"][1:] == ["2.5", "train 1,234"]
    assert rows["augment"][2] == "rows in 5" and rows["label"][2] == "rows 7"
    assert rows["distill_prediction"][2] == "at the end, step 3: loss 1.5"
    assert rows["all"][1] == str(2.5 * len(page.STAGES))
    assert "tinybert speed" not in shown.text
    assert f"Data that looks wrong train: 2 rows repeat {HOSTILE} Training" in shown.text
    is_classification = kind == "classification"
    assert ("Where student and teacher disagree" in shown.text) == is_classification
    assert shown.text.count("rows are the actual labels") == 2 * is_classification


def test_without_timings_the_page_names_the_command_that_measures_them(written):
    shown = Page(written("classification", timed=False))
    assert "tinybert speed" in shown.text
    assert shown.tags.count("svg") == 6  # the trainings
    rows = {row[0]: row for table in shown.tables for row in table if row}
    assert rows["prepare_task"] == ["prepare_task", "", "train 1,234"]
    assert rows["all"][1] == ""
    assert rows["model"] == ["model", "accuracy", page.INTERVAL, "MB"]


def test_confusion_matrices_and_disagreements_are_those_of_the_predictions(written):
    file = written("classification")
    predictions = [line.split(",") for line in PREDICTIONS.splitlines()]
    (paths.METRICS / "predictions/mine.csv").write_text(PREDICTIONS.replace("H", QUOTED))
    page.write(["mine"])
    shown = Page(file)
    matrices = [t for t in shown.tables if t and t[0] == ["", "bad", HOSTILE]]
    assert [[row[1:] for row in matrix[1:]] for matrix in matrices] == [
        [["10", "3"], ["0", "6"]],
        [["8", "5"], ["1", "5"]],
    ]
    assert "3 of 19 rows." in shown.text
    [listed] = [t for t in shown.tables if t and t[0] == ["text", "actual", "teacher", "student"]]
    differ = [row for row in predictions[1:] if row[2] != row[3]]
    assert len(differ) == 3 and len(listed) == 4
    expected = [[label.replace("H", HOSTILE) for label in (r[0], r[2], r[3])] for r in differ]
    assert [row[1:] for row in listed[1:]] == expected


def test_of_many_labels_the_page_shows_the_worst_twenty(written):
    """The student takes label 3 for label 1 ten times, and each of the last 30 for the next one."""
    file = written("classification")
    labels = [f"label {i}" for i in range(1000)]
    task = Task("classification", labels, False, ["accuracy"], ["train", "dev"])
    task.save(paths.tables("mine"))
    pairs = [("label 3", "label 1")] * 10
    pairs += [(f"label {i}", f"label {(i + 1) % 1000}") for i in range(970, 1000)]
    pairs += [(label, label) for label in labels]
    table = pd.DataFrame(pairs, columns=["actual", "student"])
    table["teacher"] = table["actual"]
    table.to_csv(paths.METRICS / "predictions/mine.csv", index=False)
    write_texts(["x" * 2_000] * len(table))
    scores = read_json(paths.metrics("eval", "mine"))
    write_json(paths.metrics("eval", "mine"), {**scores, "rows": len(table)})
    page.write(["mine"])
    assert file.stat().st_size < 500_000
    shown = Page(file)
    assert "x" * 1000 in shown.text and "x" * 1001 not in shown.text
    assert "The 20 of 1,000 labels with the most errors of the student" in shown.text
    teacher, student = (t for t in shown.tables if t and t[0][:3] == ["", "label 1", "label 3"])
    assert len(student) == 1 + 20 and student[0][-1] == "other"
    cells = {row[0]: dict(zip(student[0][1:], row[1:], strict=True)) for row in student[1:]}
    assert (cells["label 3"]["label 1"], cells["label 3"]["label 3"]) == ("10", "1")
    counts = [int(cell) for row in teacher[1:] for cell in row[1:]]
    assert sum(counts) == 11 + 1 + 18 * 2  # each shown label's rows, which the teacher gets right


def write_texts(texts: list[str]) -> None:
    table = {"text_a": texts, "text_b": pa.nulls(len(texts), pa.string())}
    pq.write_table(pa.table(table), paths.tables("mine") / "dev.parquet")


QUOTED = '"' + HOSTILE.replace('"', '""') + '"'
# actual, baseline, teacher, student; H: the hostile label
PREDICTIONS = "actual,baseline,teacher,student\n" + "\n".join(
    ["bad,bad,bad,bad"] * 8 + ["bad,bad,bad,H"] * 2 + ["bad,bad,H,H"] * 3
    + ["H,bad,H,H"] * 5 + ["H,bad,H,bad"]
)  # fmt: skip


def test_missing_scores_are_named(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(InputError, match=r"metrics/eval/mine\.json is missing; dvc repro"):
        page.write(["mine"])


def test_the_page_needs_no_network(written):
    text = written("classification").read_text(encoding="utf-8")
    assert "http://" not in text and "https://" not in text and "<script" not in text


def severe(browser) -> list[str]:
    return [entry["message"] for entry in browser.get_log("browser") if entry["level"] == "SEVERE"]


@pytest.mark.parametrize("timed", [True, False])
@pytest.mark.parametrize(("kind", "pair"), KINDS)
def test_the_page_opens_without_errors_and_shows_charts(browser, written, kind, pair, timed):
    browser.get(written(kind, pair, timed).as_uri())
    assert severe(browser) == []
    assert browser.execute_script("return window.hit") is None
    assert HOSTILE in browser.find_element(By.TAG_NAME, "body").text
    charts = browser.find_elements(By.TAG_NAME, "svg")
    assert len(charts) == 6 + timed and all(chart.size["height"] > 50 for chart in charts)


def test_the_page_can_be_read_on_a_phone_and_in_the_dark(browser, written):
    browser.get(written("classification").as_uri())
    browser.set_window_size(500, 900)  # the narrowest window of Chromium
    width = browser.execute_script("return document.documentElement.scrollWidth")
    assert width <= browser.execute_script("return window.innerWidth")
    colours = []
    for scheme in ("light", "dark"):
        browser.execute_cdp_cmd(
            "Emulation.setEmulatedMedia",
            {"features": [{"name": "prefers-color-scheme", "value": scheme}]},
        )
        heading = browser.find_element(By.TAG_NAME, "h1").value_of_css_property("color")
        text = browser.find_element(By.CSS_SELECTOR, "svg text").value_of_css_property("fill")
        colours.append((heading, text))
    assert colours[0][0] != colours[1][0] and colours[0][1] != colours[1][1]


class FakeModel:
    labels, pair = [HOSTILE, "good"], False

    def __call__(self, texts):
        return [{"label": HOSTILE, "probabilities": {HOSTILE: 0.75, "good": 0.25}} for _ in texts]


def test_the_services_page_shows_the_predictions_of_student_and_teacher(browser):
    app = serve.create(FakeModel(), FakeModel())
    server = uvicorn.Server(uvicorn.Config(app, port=0, log_level="error"))
    thread = threading.Thread(target=server.run)
    thread.start()
    try:
        while not server.started:
            time.sleep(0.01)
        port = server.servers[0].sockets[0].getsockname()[1]
        browser.get(f"http://127.0.0.1:{port}/")
        browser.find_element(By.ID, "text").send_keys(f"some {HOSTILE}")
        browser.find_element(By.TAG_NAME, "button").click()
        wait = WebDriverWait(browser, 20)
        wait.until(lambda b: len(b.find_elements(By.TAG_NAME, "section")) == 2)
        text = browser.find_element(By.TAG_NAME, "main").text
        assert "student" in text and "teacher" in text and " ms" in text and HOSTILE in text
        assert browser.execute_script("return window.hit") is None
        browser.find_element(By.ID, "text").clear()
        browser.find_element(By.ID, "text").send_keys("   ")
        browser.find_element(By.TAG_NAME, "button").click()
        wait.until(lambda b: "empty" in b.find_element(By.ID, "error").text)
        unexpected = [m for m in severe(browser) if "422" not in m and "favicon" not in m]
        assert unexpected == []
    finally:
        server.should_exit = True
        thread.join()


def test_the_page_warns_of_few_rows_that_chose_the_epoch(written):
    shown = Page(written("classification"))
    assert "the scores are those of 19 rows of dev, which also chose the epochs" in shown.text
