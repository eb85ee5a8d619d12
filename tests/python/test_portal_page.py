"""The portal of a real board, as an installer with a phone uses it: from a device nobody knows to a project and back."""

import contextlib
import struct
import urllib.parse
import zlib

import pytest
from selenium.common.exceptions import WebDriverException
from selenium.webdriver.common.keys import Keys

from browser import SIZES, Page, open_browser
from provisioning import Provisioning
from simulator import REPOSITORY, Simulator, until

# A machine that restarts, registers, and starts its modules; on a busy one, many times what it takes alone.
RESTART = 60.0
CODE = REPOSITORY / "modules/provisioning/src/portal/fixtures/code.txt"


@pytest.fixture(scope="module", params=SIZES)
def driver(request):
    with open_browser(request.param) as driver:
        yield driver


@pytest.fixture
def street():
    """A bay whose board was imaged and never claimed."""
    with Simulator("--stock", "--headless", command="up") as street:
        yield street
        street.end()


class Portal(Page):
    """One page after the other, of one device."""

    def __init__(self, driver, street, path="/"):
        (board,) = street.ready["boards"]
        self.street = street
        self.serial, self.pin, self.address = board["serial"], board["portalPin"], board["portal"]
        super().__init__(driver, self.address + path)

    def text(self, selector):
        """Between two pages there is nothing to read yet."""
        found = self.all(selector)
        return found[0].text if found else ""

    def _until(self, what, condition, within):
        def quietly():
            try:
                return condition()
            except WebDriverException:
                # The page went away while it was looked at.
                return False

        until(what, quietly, within)

    def sign_in(self, pin=None):
        self.until("#main", "PIN", within=RESTART)
        self.write("#pin", pin or self.pin)
        self.click("#sign-in [type=submit]")

    def signed_in(self):
        self.sign_in()
        self.until("#live", "live")
        return self

    def fill(self, scope, key, registration_id=None):
        self.write("#idScope", scope)
        if registration_id:
            self.write("#registrationId", registration_id)
        self.write("#symmetricKey", key)

    def again(self, mode):
        """The device has restarted, and the page has found its way back to the door by itself."""
        self.sign_in()
        self.until(".mode", mode, within=RESTART)

    def until_tested(self):
        """Modules that still start do not answer yet: as a person would, it asks again."""

        def passed():
            buttons = self.all("#run-test")
            # Between two pages there is none yet.
            if not buttons or not buttons[0].is_enabled():
                return False
            if "Every part passed" in self.text("[data-live=test]"):
                return True
            self.click("#run-test")

        self._until("every part passes", passed, RESTART)
        for part in ("hc-sr04", "light", "battery"):
            self.until(f"[data-part={part}]", "ms")
        self.until("[data-part=hc-sr04] .values", "mm")

    def complaints(self):
        """Not of answers that are meant to be refusals, nor of a device that restarts."""
        return [entry for entry in super().complaints() if entry["source"] != "network"]


@contextlib.contextmanager
def opened(driver, street, path="/"):
    driver.delete_all_cookies()
    page = Portal(driver, street, path)
    yield page
    width_is_kept, complaints = page.width_is_kept(), page.complaints()
    page.leave()
    assert width_is_kept, "the page is wider than the screen"
    assert complaints == []


@pytest.fixture
def portal(driver, street):
    with opened(driver, street) as page:
        yield page


def group(street, name, **terms):
    """The scope and the key of this board in a group; what boards hold is Edge devices."""
    provisioning = Provisioning(street)
    provisioning.group(name, capabilities={"iotEdge": True}, **terms)
    (board,) = street.ready["boards"]
    return provisioning.scope, provisioning.derived_key(name, board["serial"])


def test_a_board_is_claimed_joins_a_project_is_tested_and_reset(portal, street):
    scope, stock_key = group(street, "stock")
    _, project_key = group(street, "north")
    seen = []

    portal.until("h1", portal.serial)
    portal.sign_in("00000000")
    portal.until("#pin-problem", "not the PIN")
    portal.signed_in()
    portal.until(".mode", "No identity")
    portal.until(".waits", "waits to be claimed")
    portal.until_attribute("#registrationId", "value", portal.serial)

    portal.fill(scope, stock_key)
    portal.click("#send-setup")
    portal.again("Stock")
    portal.until("[data-live=change]", "It has its first identity", within=RESTART)
    seen.append(portal.driver.page_source)

    code = f"cow:setup?idScope={scope}&symmetricKey={urllib.parse.quote(project_key, safe='')}"
    portal.click(".paste summary")
    portal.write("#code", code)
    portal.click("#code-form [type=submit]")
    portal.until("#notice", "The code was read")
    portal.until("#key-field", "A key was read and is kept")
    seen.append(portal.driver.page_source)
    portal.click("#send-setup")
    portal.again("Project")
    portal.until("[data-live=change]", "It has joined its project", within=RESTART)
    registered = Provisioning(street).registration(portal.serial)
    assert registered["status"] == "assigned"

    portal.until("#live", "live")
    portal.until_tested()
    seen.append(portal.driver.page_source)

    portal.click("#reset [name=confirm]")
    portal.click("#reset button")
    portal.again("Stock")
    portal.until("[data-live=change]", "It is back in stock", within=RESTART)
    assert portal.all("#reset") == []
    seen.append(portal.driver.page_source)

    for page in seen:
        assert portal.serial in page
        for secret in (stock_key, project_key, portal.pin):
            assert secret not in page and urllib.parse.quote(secret, safe="") not in page


def test_a_refused_key_leaves_the_device_as_it_was(portal, street):
    scope, key = group(street, "stock")
    wrong = "d3Jvbmctd3Jvbmctd3Jvbmctd3Jvbmctd3Jvbmc="
    portal.signed_in()
    portal.fill(scope, wrong)
    portal.click("#send-setup")
    portal.until("[data-live=change]", "It could not take its first identity", within=RESTART)
    portal.until("[data-live=change]", "Register with the provisioning service")
    portal.until("[data-live=change]", "Compare scope, registration id and key")
    portal.until(".mode", "No identity")
    assert wrong not in portal.driver.page_source
    # What was typed is still there, but for the key, which is kept without being shown.
    portal.until_attribute("#idScope", "value", scope)
    portal.until("#key-field", "A key was read and is kept")
    portal.write("#symmetricKey", key)
    portal.click("#send-setup")
    portal.again("Stock")


def test_mistakes_are_told_before_anything_is_sent(portal):
    portal.signed_in()
    portal.fill("0ne/!", "aGVsbG8=", "not an id")
    portal.click("#send-setup")
    portal.until("#idScope-problem", "letters and digits")
    portal.until("#registrationId-problem", "letters, digits and - . _ :")
    portal.until("#symmetricKey-problem", "The key has 5 bytes")
    assert portal.driver.switch_to.active_element.get_attribute("id") == "idScope"
    assert not portal.all("#notice"), "nothing was sent"
    portal.write("#symmetricKey", "HostName=h;SharedAccessKey=MDEyMzQ1Njc4OWFiY2RlZg==")
    portal.until("#symmetricKey-problem", "a whole connection string")
    portal.write("#symmetricKey", "MDEyMzQ1Njc4OWFiY2RlZg==")
    portal.until_attribute("#symmetricKey-problem", "hidden", "true")
    assert portal.attribute("#symmetricKey", "type") == "password"
    portal.click("#show-key")
    assert portal.attribute("#symmetricKey", "type") == "text"


def png(rows, pixels=6, quiet=40):
    """A picture of a code: black on white, as a phone would have taken it in an ideal world."""
    width = len(rows) * pixels + 2 * quiet
    white = b"\xff" * width
    lines = [white] * quiet
    for row in rows:
        line = b"".join((b"\0" if module == "#" else b"\xff") * pixels for module in row)
        lines += [b"\xff" * quiet + line + b"\xff" * quiet] * pixels
    lines += [white] * quiet

    def chunk(kind, data):
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    head = struct.pack(">IIBBBBB", width, len(lines), 8, 0, 0, 0, 0)
    data = zlib.compress(b"".join(b"\0" + line for line in lines))
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", head) + chunk(b"IDAT", data) + chunk(b"IEND", b"")


def test_a_picture_of_a_code_fills_the_form(portal, tmp_path):
    portal.signed_in()
    blank, picture = tmp_path / "blank.png", tmp_path / "code.png"
    blank.write_bytes(png(["." * 49] * 49))
    picture.write_bytes(png(CODE.read_text().splitlines()))
    portal.one("#stored-picture").send_keys(str(blank))
    portal.until("#picture-problem", "No code could be read")
    portal.one("#picture").send_keys(str(picture))
    portal.until("#notice", "The code was read")
    portal.until_attribute("#idScope", "value", "0ne00112233")
    portal.until_attribute("#registrationId", "value", "10000000abcdef01")
    portal.until("#key-field", "A key was read and is kept")
    assert "dGhpcyBpcyBub3Qg" not in portal.driver.page_source
    portal.click("#forget-key")
    portal.until_attribute("#idScope", "value", "")
    assert portal.all(".kept") == []


def test_a_link_with_a_code_fills_the_form_and_leaves_no_trace(driver, street):
    key = "dGhpcyBpcyBub3QgYSByZWFsIGtleSwganVzdCBhIHRlc3Q"
    with opened(driver, street, f"/#cow:setup?idScope=0ne99&symmetricKey={key}%3D") as page:
        page.sign_in()
        page.until("#notice", "The code was read")
        page.until_attribute("#idScope", "value", "0ne99")
        page.until_attribute("#registrationId", "value", page.serial)
        page.until("#key-field", "A key was read and is kept")
        assert driver.current_url == page.address + "/"
        assert key not in driver.page_source


def test_who_has_signed_out_sees_nothing_more(portal):
    portal.signed_in()
    portal.click(".sign-out button")
    portal.until("#main", "PIN")
    portal.driver.back()
    portal.until("#main", "PIN")
    portal.driver.get(portal.address + "/")
    portal.until("#main", "PIN")


def test_guessing_is_locked_out(portal):
    for _ in range(4):
        portal.sign_in("00000000")
        portal.until("#pin-problem", "not the PIN")
    portal.sign_in("00000000")
    portal.until("#pin-problem", "Too many wrong PINs")
    portal.sign_in()
    portal.until("#pin-problem", "Too many wrong PINs")


def test_everything_works_without_scripts(portal, street):
    scope, key = group(street, "stock")

    def enter(selector, text):
        """Sends the form by the keyboard: without scripts, the driver's finger finds no button."""
        portal.write(selector, text)
        portal.one(selector).send_keys(Keys.ENTER)

    portal.driver.execute_cdp_cmd("Emulation.setScriptExecutionDisabled", {"value": True})
    try:
        portal.until("#main", "PIN")
        enter("#pin", portal.pin)
        portal.until(".mode", "No identity")
        portal.until("#live", "connecting")
        assert not portal.one("#picture-form").is_displayed()
        portal.write("#idScope", scope)
        enter("#symmetricKey", "aGVsbG8=")
        portal.until("#symmetricKey-problem", "The key has 5 bytes")
        enter("#symmetricKey", key)

        def is_stock():
            portal.driver.get(portal.address + "/")
            if portal.all("#pin"):
                enter("#pin", portal.pin)
            return "Stock" in portal.text(".mode")

        portal._until("it has its stock identity", is_stock, RESTART)
    finally:
        portal.driver.execute_cdp_cmd("Emulation.setScriptExecutionDisabled", {"value": False})


def test_every_field_has_a_name_and_every_colour_enough_contrast(portal):
    portal.signed_in()
    nameless = portal.driver.execute_script(
        """return [...document.querySelectorAll("input:not([type=hidden]), textarea, button, summary")]
            .filter((element) => !(element.labels?.length || element.textContent.trim()))
            .map((element) => element.outerHTML)"""
    )
    assert nameless == []
    for scheme in ("light", "dark"):
        feature = {"name": "prefers-color-scheme", "value": scheme}
        portal.driver.execute_cdp_cmd("Emulation.setEmulatedMedia", {"features": [feature]})
        assert portal.driver.execute_script(FAINT) == [], scheme
    portal.driver.execute_cdp_cmd("Emulation.setEmulatedMedia", {"features": []})


# Texts whose contrast is less than WCAG 2.2 asks of normal text (1.4.3, level AA).
FAINT = """
const part = (value) => (value /= 255) <= 0.04045 ? value / 12.92 : ((value + 0.055) / 1.055) ** 2.4;
const colour = (text) => text.match(/[\\d.]+/g).map(Number);
const luminance = ([red, green, blue]) => 0.2126 * part(red) + 0.7152 * part(green) + 0.0722 * part(blue);
function ground(element) {
  for (; element; element = element.parentElement) {
    const found = colour(getComputedStyle(element).backgroundColor);
    if (found.length < 4 || found[3] > 0) return found;
  }
  return [255, 255, 255];
}
return [...document.querySelectorAll("body *")]
  .filter((element) => element.checkVisibility() && !element.disabled)
  .filter((element) => [...element.childNodes].some((node) => node.nodeType === 3 && node.data.trim()))
  .map((element) => {
    const [a, b] = [luminance(colour(getComputedStyle(element).color)), luminance(ground(element))];
    return [element.textContent.trim().slice(0, 40), (Math.max(a, b) + 0.05) / (Math.min(a, b) + 0.05)];
  })
  .filter(([, contrast]) => contrast < 4.5);
"""
