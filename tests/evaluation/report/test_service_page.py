"""The service's page in a real browser."""

import threading
import time

import uvicorn
from selenium.webdriver.common.by import By
from selenium.webdriver.support.ui import WebDriverWait
from tiny import HOSTILE

from tinybert.deploy import serve


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
        log = [entry for entry in browser.get_log("browser") if entry["level"] == "SEVERE"]
        messages = [entry["message"] for entry in log]
        unexpected = [m for m in messages if "422" not in m and "favicon" not in m]
        assert unexpected == []
    finally:
        server.should_exit = True
        thread.join()
