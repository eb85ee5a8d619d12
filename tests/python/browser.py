"""A real browser on the page of a running street, as a person uses it."""

import contextlib
import json
import os
import shutil
import tempfile

from selenium import webdriver
from selenium.common.exceptions import StaleElementReferenceException
from selenium.webdriver.chrome.service import Service
from selenium.webdriver.common.by import By
from selenium.webdriver.support.ui import Select

from simulator import BOUND, until

SIZES = {"desktop": (1280, 900, 1), "phone": (390, 844, 3)}


@contextlib.contextmanager
def open_browser(size):
    browser = shutil.which("chromium") or shutil.which("google-chrome")
    driver = shutil.which("chromedriver")
    assert browser and driver, "chromium or chromedriver is missing: on Debian, apt-get install chromium chromium-driver"
    options = webdriver.ChromeOptions()
    options.binary_location = browser
    width, height, pixels = SIZES[size]
    for argument in ("--headless=new", "--disable-dev-shm-usage", "--no-proxy-server", f"--window-size={width},{height}"):
        options.add_argument(argument)
    if os.geteuid() == 0:
        options.add_argument("--no-sandbox")
    if size == "phone":
        metrics = {"width": width, "height": height, "pixelRatio": pixels, "touch": True}
        options.add_experimental_option("mobileEmulation", {"deviceMetrics": metrics})
    options.set_capability("goog:loggingPrefs", {"browser": "ALL"})
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as scratch:
        # Chromium leaves things behind where temporary files are.
        service = Service(driver, env=os.environ | {"TMPDIR": scratch})
        with webdriver.Chrome(options=options, service=service) as opened:
            yield opened


class Page:
    """The page of one bay."""

    def __init__(self, driver, url):
        self.driver = driver
        driver.get(url)

    def all(self, selector):
        return self.driver.find_elements(By.CSS_SELECTOR, selector)

    def one(self, selector, within=BOUND):
        """The only such element: a page that is being built, or changed for another, has it in a moment."""
        found = []

        def alone():
            found[:] = self.all(selector)
            return len(found) == 1

        self._until(f"{selector} is there once", alone, within)
        return found[0]

    def text(self, selector):
        return self.one(selector).text

    def attribute(self, selector, name):
        return self.one(selector).get_attribute(name)

    def until(self, selector, wanted, within=BOUND):
        """Waits until what `selector` shows contains `wanted`."""
        self._until(f"{selector} shows {wanted!r}", lambda: wanted in self.text(selector), within)

    def until_only(self, selector, wanted, within=BOUND):
        """Waits until `selector` shows `wanted` and nothing else."""
        self._until(f"{selector} shows only {wanted!r}", lambda: self.text(selector) == wanted, within)

    def until_attribute(self, selector, name, wanted, within=BOUND):
        self._until(f"{selector} has {name}={wanted}", lambda: self.attribute(selector, name) == wanted, within)

    def until_any(self, selector, *wanted, within=BOUND):
        """Waits until one of several elements shows all of `wanted`."""
        what = f"one of {selector} shows {wanted}"
        self._until(what, lambda: any(all(w in e.text for w in wanted) for e in self.all(selector)), within)

    def _until(self, what, condition, within):
        def quietly():
            try:
                return condition()
            except StaleElementReferenceException:
                return False

        until(what, quietly, within)

    def _act(self, selector, act):
        """Does something to an element once it lets itself be used, and again when the page put another in its place
        before anything was done."""

        def done():
            try:
                element = self.one(selector)
                if not element.is_enabled():
                    return False
                act(element)
            except StaleElementReferenceException:
                return False
            return True

        until(f"{selector} can be used", done)

    def click(self, selector):
        self._act(selector, self.press)

    def press(self, element):
        """As a finger does: only what can be seen, and is not covered, can be pressed."""
        self.driver.execute_script("arguments[0].scrollIntoView({block: 'center'})", element)
        element.click()

    def write(self, selector, text):
        def typed(field):
            self.driver.execute_script("arguments[0].scrollIntoView({block: 'center'})", field)
            field.clear()
            field.send_keys(text)

        self._act(selector, typed)

    def choose(self, selector, value):
        Select(self.one(selector)).select_by_value(value)

    def width_is_kept(self):
        return self.driver.execute_script("return document.documentElement.scrollWidth <= innerWidth")

    def complaints(self):
        """What the console says that is no more than information."""
        return [entry for entry in self.driver.get_log("browser") if entry["level"] in ("WARNING", "SEVERE")]

    def leave(self):
        self.driver.get("about:blank")

    def json(self, selector):
        return json.loads(self.one(selector).get_attribute("textContent"))
