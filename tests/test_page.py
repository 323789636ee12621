"""The page, and that of the service, in a real Chromium: no errors, and hostile texts stay text."""

import json
import shutil
import threading
import time

import pytest
import uvicorn
from conftest import HOSTILE
from selenium import webdriver
from selenium.webdriver.chrome.service import Service
from selenium.webdriver.common.by import By
from selenium.webdriver.support.ui import WebDriverWait

from tinybert import evaluate, export, page, serve
from tinybert.schema import Evaluate

CHROMIUM, DRIVER = shutil.which("chromium"), shutil.which("chromedriver")


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


def curve(folder, name: str, values: list[float]) -> None:
    (folder / "plots/metrics").mkdir(parents=True, exist_ok=True)
    lines = "".join(f"{i + 1}\t{value}\n" for i, value in enumerate(values))
    (folder / f"plots/metrics/{name}.tsv").write_text(f"step\t{name}\n{lines}")
    (folder / "environment.json").write_text(json.dumps({"torch": HOSTILE}))
    (folder / "metrics.json").write_text(json.dumps({"loss": 1.5, "step": len(values)}))


@pytest.fixture
def written(finished):
    def make(kind: str, pair: bool = False):
        folder = finished(kind, pair=pair)
        settings, metrics = Evaluate(batch_size=4, speed_rows=3), folder / "metrics"
        evaluate.run("mine", 32, settings, metrics)
        export.run("mine", 32, settings, 100.0, metrics)
        for stage in page.TRAININGS[1:]:
            curve(metrics / stage / "mine", "loss", [3.0, 2.0, 1.5])
            curve(metrics / stage / "mine", "dev", [0.2, 0.5])
        curve(metrics / "distill_general", "loss", [3.0, 2.0])
        facts = {"data": {"train": {"rows": 1234}}, "augment": {"rows_in": 5}, "label": {"rows": 7}}
        for stage, found in facts.items():
            (metrics / stage).mkdir()
            (metrics / stage / "mine.json").write_text(json.dumps(found))
        for stage in page.STAGES:
            file = metrics / "seconds" / stage / ("mine.json" if stage not in page.SHARED else "")
            file = file.with_suffix(".json")
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_text('{"seconds": 2.5}')
        page.write(folder / "report/index.html", ["mine"], "uniform")
        return folder / "report/index.html"

    return make


def severe(browser) -> list[str]:
    return [entry["message"] for entry in browser.get_log("browser") if entry["level"] == "SEVERE"]


@pytest.mark.parametrize(
    ("kind", "pair"), [("classification", False), ("classification", True), ("regression", False)]
)
def test_it_opens_without_errors_and_shows_texts_as_text(browser, written, kind, pair):
    file = written(kind, pair)
    browser.get(file.as_uri())
    assert severe(browser) == []
    assert browser.execute_script("return window.hit") is None
    assert browser.find_elements(By.TAG_NAME, "img") == []
    text = browser.find_element(By.TAG_NAME, "body").text
    assert "student, ONNX, 8 bits" in text
    assert "train 1,234" in text and "rows in 5" in text and "loss 1.5, step" in text
    assert f"all {2.5 * len(page.STAGES)}" in text
    assert HOSTILE in text  # of the environment, and as a label
    drawings = browser.find_elements(By.TAG_NAME, "svg")
    assert len(drawings) == 6 and all(drawing.size["height"] > 50 for drawing in drawings)
    attention = browser.find_elements(By.CSS_SELECTOR, "table.heat")
    assert len(attention) == 2 * page.SENTENCES + (2 if kind == "classification" else 0)
    if kind == "classification":
        assert "Where student and teacher disagree" in text


def test_it_needs_no_network(written):
    text = written("classification").read_text(encoding="utf-8")
    assert "http://" not in text and "https://" not in text and "<script" not in text


def test_it_can_be_read_on_a_phone_and_in_the_dark(browser, written):
    browser.get(written("classification").as_uri())
    browser.set_window_size(500, 900)  # the narrowest window of Chromium
    wide = browser.execute_script("return document.documentElement.scrollWidth")
    assert wide <= browser.execute_script("return window.innerWidth")
    colours = []
    for scheme in ("light", "dark"):
        browser.execute_cdp_cmd(
            "Emulation.setEmulatedMedia",
            {"features": [{"name": "prefers-color-scheme", "value": scheme}]},
        )
        line = browser.find_element(By.TAG_NAME, "polyline")
        colours.append((line.value_of_css_property("stroke"), canvas(browser)))
    assert colours[0][0] != colours[1][0] and colours[0][1] != colours[1][1]


def canvas(browser) -> str:
    """The colour of text, which follows the page's colour scheme."""
    return browser.find_element(By.TAG_NAME, "h1").value_of_css_property("color")


class Fake:
    labels, pair = [HOSTILE, "good"], False

    def __call__(self, texts):
        return [{"label": HOSTILE, "probabilities": {HOSTILE: 0.75, "good": 0.25}} for _ in texts]


def test_the_services_page_shows_what_student_and_teacher_say(browser):
    server = uvicorn.Server(uvicorn.Config(serve.create(Fake(), Fake()), port=0, log_level="error"))
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
