"""The page of a finished project, and a browser."""

import shutil
from pathlib import Path

import pytest
from runs import write_run
from selenium import webdriver
from selenium.webdriver.chrome.service import Service

from tinybert.evaluation.report import page
from tinybert.pipeline import paths

CHROMIUM, DRIVER = shutil.which("chromium"), shutil.which("chromedriver")


@pytest.fixture
def written(exported):
    """Writes the page of a finished project. timed: with the seconds of stages and the speeds."""

    def write(kind: str, pair: bool = False, timed: bool = True) -> Path:
        folder = exported(kind, pair=pair)
        write_run(timed)
        page.write(["mine"])
        return folder / paths.PAGE

    return write


@pytest.fixture(scope="session")
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
