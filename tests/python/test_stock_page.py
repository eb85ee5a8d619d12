"""A board without an identity on the page of a street: from its first start to a project and back, by hand."""

import contextlib

import pytest

from browser import SIZES, Page, open_browser
from simulator import Simulator, until

SERIAL = "10000000b0b00001"
# A machine that restarts, registers, and starts its modules; on a busy one, many times what it takes alone.
RESTART = 60.0


@pytest.fixture(scope="module", params=SIZES)
def driver(request):
    with open_browser(request.param) as driver:
        yield driver


@pytest.fixture
def street():
    with Simulator("--stock", command="up") as street:
        yield street
        street.end()


@contextlib.contextmanager
def opened(driver, street):
    page = Page(driver, street.ready["page"])
    page.until("#live", "live")
    yield page
    width_is_kept, complaints = page.width_is_kept(), page.complaints()
    page.leave()
    assert width_is_kept, "the page is wider than the screen"
    assert complaints == []


def enrolled_in(page, group):
    page.until_any("#enrolments [data-state=assigned]", group, f"/{SERIAL}", within=RESTART)


def running(page, street, boots):
    def up():
        bay = street.ask("GET", "/control/bays/bay-01")
        return bay["boots"] >= boots and bay["phase"] == "running"

    until(f"the machine runs after {boots} starts", up, within=RESTART)
    page.until("#phase", "unning", within=RESTART)


def test_a_board_gets_its_identity_and_changes_it(driver, street):
    with opened(driver, street) as page:
        page.until("h1", "bay-01 has no identity")
        page.until("#phase", "o identity")
        page.until("#identity", SERIAL)
        page.until("#portal-pin", street.ready["boards"][0]["portalPin"])
        assert page.attribute("#portal", "href").startswith(street.ready["boards"][0]["portal"])
        assert not page.one("#hand-over").is_enabled()

        page.click("#make-stock")
        page.until("#identity-answer", "The group stock is there")
        page.until_any("#enrolments .enrolment", "stock", "edge")
        page.until("#make-stock", "There is a stock group")
        page.click("#hand-over")
        # The machine has become a device, and the page is that device's.
        page.until_any("#stream .event", "hc-sr04", within=RESTART)
        running(page, street, 2)
        page.until("#identity-device", SERIAL)
        enrolled_in(page, "stock")
        page.until_any("#attempts .attempt", "assigned", "matched group stock")

        page.write("#project", "north")
        page.click("#setup [type=submit]")
        page.until("#identity-answer", "200", within=RESTART)
        enrolled_in(page, "north")
        running(page, street, 3)

        page.click("#setup [data-method=test]")
        for part in ("hc-sr04", "light", "battery"):
            page.until("#identity-answer", f"✓ {part}", within=RESTART)

        page.click("#setup [data-method=reset]")
        page.until("#identity-answer", "200", within=RESTART)
        enrolled_in(page, "stock")
        running(page, street, 4)
        shown = page.driver.page_source
    key = street.ask("GET", f"/control/dps/groups/north/keys/{SERIAL}")["key"]
    assert key not in shown


def test_a_refusal_is_explained(driver, street):
    with opened(driver, street) as page:
        page.until("#phase", "o identity")
        page.click("#make-stock")
        page.until("#make-stock", "There is a stock group")
        page.click("#hand-over")
        page.until_any("#stream .event", "hc-sr04", within=RESTART)
        running(page, street, 2)
        group = street.ask("GET", "/control/dps/groups/stock")
        street.ask("PUT", "/control/dps/groups/stock", group | {"provisioningStatus": "disabled"})
        page.click("[data-power=restart]")
        page.until("#phase", "ot let in", within=RESTART)
        page.until("#phase-more", "disabled")
        page.until_any("#enrolments .enrolment", "stock", "disabled")
        page.until_any("#attempts .attempt", "group stock", "disabled")
        street.ask("PUT", "/control/dps/groups/stock", group | {"provisioningStatus": "enabled"})
        running(page, street, 3)


def test_each_board_of_a_street_has_its_own_page(driver):
    with Simulator("--stock", "--bays", "2", command="up") as street:
        with opened(driver, street) as page:
            page.until(".tile[data-bay=bay-02] [data-show=state]", "o identity")
            page.click(".tile[data-bay=bay-02]")
            page.until_any("h1", "bay-02 has no identity")
            page.until("#portal-pin", street.ready["boards"][1]["portalPin"])
            page.click("#make-stock")
            page.until("#make-stock", "There is a stock group")
            page.click("#hand-over")
            page.until_any("#stream .event", "hc-sr04", within=RESTART)
            page.click(".brand")
            page.until_any(".tile[data-bay=bay-02] [data-show=state]", "ree", within=RESTART)
            page.until(".tile[data-bay=bay-01] [data-show=state]", "o identity")
        street.end()
