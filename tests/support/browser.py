"""A real browser: chromium without a window, controlled by chromedriver."""

import base64
import json
import os
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from selenium import webdriver
from selenium.webdriver.chrome.service import Service
from selenium.webdriver.common.by import By

from support import tools

FLAGS = (
    "--headless",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--disable-dev-shm-usage",
    "--no-proxy-server",
)


def find(program: str, package: str) -> Path:
    """The program's path. Chromium needs more libraries than can be unpacked: CI installs it."""
    if shutil.which(program) is None and os.environ.get("CI") == "true" and os.geteuid() == 0:
        apt = ["apt-get", "-qq", "-o", "DPkg::Lock::Timeout=300"]
        install = [*apt, "install", "-y", "--no-install-recommends", package]
        for command in ([*apt, "update"], install):
            subprocess.run(command, check=True, stdout=subprocess.DEVNULL, timeout=600)
    path = shutil.which(program)
    if path is None:
        tools.missing(program)
    return Path(path or program)


class Browser:
    """A window, in which pages are opened with a size and a colour scheme."""

    def __init__(self, profile: Path) -> None:
        options = webdriver.ChromeOptions()
        options.binary_location = str(find("chromium", "chromium"))
        for flag in (*FLAGS, f"--user-data-dir={profile}"):
            options.add_argument(flag)
        if os.geteuid() == 0:
            options.add_argument("--no-sandbox")
        options.set_capability("goog:loggingPrefs", {"browser": "ALL", "performance": "ALL"})
        driver = find("chromedriver", "chromium-driver")
        self._driver = webdriver.Chrome(options, Service(str(driver)))

    def close(self) -> None:
        """End the browser and its driver."""
        self._driver.quit()

    def open(
        self,
        url: str,
        width: int = 1440,
        *,
        height: int = 900,
        dark: bool = False,
        scripts: bool = True,
    ) -> None:
        """Load a page, and forget what was logged before."""
        self.resize(width, height)
        scheme = {"name": "prefers-color-scheme", "value": "dark" if dark else "light"}
        self._command("Emulation.setEmulatedMedia", features=[scheme])
        self._command("Emulation.setScriptExecutionDisabled", value=not scripts)
        self._driver.get("about:blank")
        self.complaints()
        self.requests()
        self._driver.get(url)

    def resize(self, width: int, height: int = 900) -> None:
        """Change the size of the window; the page stays."""
        self._command(
            "Emulation.setDeviceMetricsOverride",
            width=width, height=height, deviceScaleFactor=1, mobile=width < 500,
        )  # fmt: skip

    def evaluate(self, expression: str) -> Any:
        """The value of a JavaScript expression in the page."""
        answer = self._command("Runtime.evaluate", expression=expression, returnByValue=True)
        assert "exceptionDetails" not in answer, answer["exceptionDetails"]
        return answer["result"].get("value")

    def click(self, selector: str) -> None:
        """Click on the first element that a CSS selector matches."""
        self._driver.find_element(By.CSS_SELECTOR, selector).click()

    def complaints(self) -> list[str]:
        """Messages of the console since the page was opened, or since the last call."""
        return [entry["message"] for entry in self._driver.get_log("browser")]

    def errors(self) -> list[str]:
        """Errors of the console since the page was opened, or since the last call."""
        entries = self._driver.get_log("browser")
        return [entry["message"] for entry in entries if entry["level"] == "SEVERE"]

    def requests(self) -> list[str]:
        """URLs that were requested since the page was opened, or since the last call."""
        events = (
            json.loads(entry["message"])["message"] for entry in self._driver.get_log("performance")
        )
        sent = (
            event["params"]["request"]["url"]
            for event in events
            if event["method"] == "Network.requestWillBeSent"
        )
        return [url for url in sent if urlsplit(url).scheme not in {"about", "data"}]

    def failures(self) -> list[str]:
        """Status and URL of answers above 399 since the page was opened, or since the last call.

        It takes the log that `requests` reads: after it, `requests` returns later ones only.
        """
        events = (
            json.loads(entry["message"])["message"] for entry in self._driver.get_log("performance")
        )
        answers = (
            event["params"]["response"]
            for event in events
            if event["method"] == "Network.responseReceived"
        )
        return [f"{a['status']} {a['url']}" for a in answers if a["status"] > 399]

    def screenshot(self, *, whole: bool = True) -> bytes:
        """The page as PNG, or only the part that the window shows."""
        shot = self._command("Page.captureScreenshot", captureBeyondViewport=whole)
        return base64.b64decode(shot["data"])

    def _command(self, name: str, **parameters: Any) -> Any:
        return self._driver.execute_cdp_cmd(name, parameters)


@contextmanager
def browser(profile: Path) -> Iterator[Browser]:
    """A browser with an empty profile. It is ended with the with block."""
    running = Browser(profile)
    try:
        yield running
    finally:
        running.close()
