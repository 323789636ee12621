"""The service's page in a real browser."""

import threading
import time
from contextlib import contextmanager

import uvicorn
from selenium.webdriver.common.by import By
from selenium.webdriver.support.ui import WebDriverWait
from tiny import HOSTILE

from tinybert.deploy import serve


class FakeModel:
    labels, pair = [HOSTILE, "good"], False

    def __call__(self, texts):
        return [{"label": HOSTILE, "probabilities": {HOSTILE: 0.75, "good": 0.25}} for _ in texts]


class FakeTagger:
    """Finds the word Rome."""

    kind, labels, pair = "tokens", ["O", "B-PLACE", "I-PLACE"], False

    def __call__(self, texts):
        starts = [text.index("Rome") for text in texts]
        found = {"label": HOSTILE, "text": "Rome", "probability": 0.75}
        return [{"entities": [{"start": s, "end": s + 4, **found}]} for s in starts]


@contextmanager
def page(app, browser, text: str):
    """The service's page, on which a text was classified by both models."""
    server = uvicorn.Server(uvicorn.Config(app, port=0, log_level="error"))
    thread = threading.Thread(target=server.run)
    thread.start()
    try:
        while not server.started:
            time.sleep(0.01)
        port = server.servers[0].sockets[0].getsockname()[1]
        browser.get(f"http://127.0.0.1:{port}/")
        field = browser.find_element(By.ID, "text")
        browser.execute_script("arguments[0].value = arguments[1]", field, text)
        browser.find_element(By.TAG_NAME, "button").click()
        wait = WebDriverWait(browser, 20)
        wait.until(lambda b: len(b.find_elements(By.TAG_NAME, "section")) == 2)
        yield wait
    finally:
        server.should_exit = True
        thread.join()


def check_log(browser) -> None:
    log = [entry for entry in browser.get_log("browser") if entry["level"] == "SEVERE"]
    messages = [entry["message"] for entry in log]
    assert [m for m in messages if "422" not in m and "favicon" not in m] == []
    assert browser.execute_script("return window.hit") is None


def test_the_services_page_shows_the_predictions_of_student_and_teacher(browser):
    with page(serve.create(FakeModel(), FakeModel()), browser, f"some {HOSTILE}") as wait:
        text = browser.find_element(By.TAG_NAME, "main").text
        assert "student" in text and "teacher" in text and " ms" in text and HOSTILE in text
        browser.find_element(By.ID, "text").clear()
        browser.find_element(By.ID, "text").send_keys("   ")
        browser.find_element(By.TAG_NAME, "button").click()
        wait.until(lambda b: "empty" in b.find_element(By.ID, "error").text)
        check_log(browser)


def test_the_services_page_marks_entities(browser):
    """Also behind a character that is two of JavaScript's."""
    text = f"\U0001f600 to Rome, {HOSTILE}"
    with page(serve.create(FakeTagger(), FakeTagger()), browser, text):
        shown = [line.text for line in browser.find_elements(By.CLASS_NAME, "text")]
        assert shown == [text.replace("Rome", f"Rome {HOSTILE}")] * 2
        assert browser.find_element(By.TAG_NAME, "mark").text == f"Rome {HOSTILE}"
        cells = [cell.text for cell in browser.find_elements(By.TAG_NAME, "td")]
        assert cells == [HOSTILE, "Rome", "5 to 9", "0.750"] * 2
        check_log(browser)
