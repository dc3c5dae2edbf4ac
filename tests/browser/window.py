"""A window of a real browser: opens pages, reads what they show, keeps pictures."""

import shutil
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

import pytest

if TYPE_CHECKING:
    from selenium.webdriver.remote.webdriver import WebDriver
    from selenium.webdriver.remote.webelement import WebElement

T = TypeVar("T")

#: Where pictures are kept to be looked at.
PICTURES = Path(__file__).parents[2] / "build" / "browser"

WIDTH, HEIGHT = 1500, 1150

#: A mouse, without which every chart shows its tools all the time.
_MOUSE = "primaryHoverType=2,availableHoverTypes=2,primaryPointerType=4"

_CLOSE_ASSISTANT = "[data-component-id='mlflow.assistant.chat_panel.close']"

#: Seconds that a page may take on a busy machine.
_PATIENCE = 60.0


class Window:
    """One window, in which page after page is opened.

    Attributes:
        driver: Selenium's.
        server: address of the server whose pages are shown.
        seconds: from asking for the last page until all was there that was waited for.
    """

    def __init__(self, driver: "WebDriver", server: str) -> None:
        self.driver, self.server = driver, server
        self.seconds = 0.0

    def open(self, link: str, *texts: str) -> str:
        """Open a page anew, and wait until all of these texts are there; all it says.

        Args:
            link: whole, or from the ``#`` on.
            texts: that a reader must see.
        """
        self.driver.get("about:blank")  # a change behind the # alone loads nothing
        whole = link if "://" in link else f"{self.server}/{link}"
        began = time.monotonic()
        self.driver.get(whole)
        said = self.wait_for(*texts)
        self.seconds = time.monotonic() - began
        print(f"{whole}: {self.seconds:.1f} s")
        self._close_assistant()
        return said

    def _close_assistant(self) -> None:
        """Close what MLflow opens once beside the first page, over a third of it."""
        for button in self.driver.find_elements("css selector", _CLOSE_ASSISTANT):
            self.driver.execute_script("arguments[0].click()", button)

    def wait_for(self, *texts: str) -> str:
        """Wait until all of these texts are on the page; all that it says."""

        def all_there() -> str | None:
            said = self.text()
            return said if all(text in said for text in texts) else None

        return self.until(all_there, f"{texts} on {self.driver.current_url}")

    def until(self, look: Callable[[], T | None], what: str) -> T:
        """Look again and again until there is something."""
        deadline = time.monotonic() + _PATIENCE
        while True:
            found = look()
            if found:
                return found
            if time.monotonic() > deadline:
                self.picture("failed")
                pytest.fail(f"not to be seen: {what}\n{self.text()[:3000]}")
            time.sleep(0.2)

    def text(self) -> str:
        """All that the page says to its reader."""
        return str(self.driver.execute_script("return document.body.innerText"))

    def count(self, selector: str) -> int:
        """How many elements of the page a CSS selector finds."""
        script = "return document.querySelectorAll(arguments[0]).length"
        return int(self.driver.execute_script(script, selector))

    def link(self, text: str) -> str:
        """Where the link leads that says just this."""
        found = self._found("xpath", f"//a[normalize-space(.)='{text}']")
        return str(found.get_attribute("href"))

    def write(self, text: str, hint: str) -> None:
        """Write into the field with this hint."""
        self._found("css selector", f"input[placeholder='{hint}']").send_keys(text)

    def scroll_to(self, text: str) -> None:
        """Bring the place that says just this to the top of what is seen."""
        found = self._found("xpath", f"//*[normalize-space(text())='{text}']")
        self.driver.execute_script("arguments[0].scrollIntoView()", found)

    @contextmanager
    def inside(self, selector: str) -> Iterator[None]:
        """Read a frame of the page in place of the page."""
        frame = self.until(
            lambda: next(
                iter(self.driver.find_elements("css selector", selector)), None
            ),
            selector,
        )
        self.driver.switch_to.frame(frame)
        try:
            yield
        finally:
            self.driver.switch_to.default_content()

    def _found(self, by: str, what: str) -> "WebElement":
        return self.until(
            lambda: next(iter(self.driver.find_elements(by, what)), None), what
        )

    def picture(self, name: str, settle: float = 1.0) -> None:
        """Keep what is seen, once moving parts have come to rest."""
        time.sleep(settle)
        PICTURES.mkdir(parents=True, exist_ok=True)
        self.driver.save_screenshot(str(PICTURES / f"{name}.png"))


@contextmanager
def browser() -> "Iterator[WebDriver]":
    """A new Chromium without a screen, with nothing of an earlier one."""
    pytest.importorskip("selenium", reason="the extra dev is not installed")
    from selenium import webdriver  # noqa: PLC0415 it may be missing
    from selenium.webdriver.chrome.service import Service  # noqa: PLC0415

    programs = [shutil.which(name) for name in ("chromium", "chromedriver")]
    if not all(programs):
        pytest.skip("chromium and chromedriver are not on this machine")
    chromium, chromedriver = programs
    options = webdriver.ChromeOptions()
    options.binary_location = str(chromium)
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as profile:
        for word in (
            "--headless=new",
            "--no-sandbox",  # which root cannot have
            "--disable-gpu",
            "--disable-dev-shm-usage",
            "--hide-scrollbars",
            f"--blink-settings={_MOUSE}",
            "--force-device-scale-factor=1",
            f"--window-size={WIDTH},{HEIGHT}",
            f"--user-data-dir={profile}",
        ):
            options.add_argument(word)
        driver = webdriver.Chrome(options=options, service=Service(str(chromedriver)))
        try:
            driver.set_page_load_timeout(120)
            yield driver
        finally:
            driver.quit()
