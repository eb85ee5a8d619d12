"""A board that nobody knows is let in by its code, claimed, placed, aimed, calibrated and tested, by an installer."""

import pytest

from browser import SIZES, Page, open_browser
from fleet import RESTART
from operator_pages import Visitor, oauth
from simulator import Simulator, until

GRANT = "urn:ietf:params:oauth:grant-type:device_code"


@pytest.fixture
def street():
    with Simulator("--stock", command="up", fleet=True) as street:
        yield street
        street.end()


def let_in(page, street, serial, size):
    """The device shows a code, and somebody says yes to it; the device gets an identity of its own."""
    status, codes = oauth(street, "device_authorization", client_id="portal", device_id=serial)
    assert status == 200, codes
    asked = {"grant_type": GRANT, "device_code": codes["device_code"], "client_id": "portal"}
    assert oauth(street, "token", **asked)[1]["error"] == "authorization_pending"

    page.go("/approve")
    page.write("[name=code]", "BCDF-BCDF")
    page.click("main form button")
    page.until(".form-problem", "code")
    page.write("[name=code]", codes["user_code"].lower().replace("-", " "))
    page.click("main form button")
    page.until("main", serial)
    page.shot(f"approve-{size}")
    page.click("[value=approve]")
    page.until("main [role=status]", serial)

    token = {}

    def granted():
        status, token["is"] = oauth(street, "token", **asked)
        return status == 200

    until("the device gets its token", granted)
    status, identity = oauth(street, "identity", token=token["is"]["access_token"])
    assert (status, identity["registrationId"]) == (200, serial)
    return identity


@pytest.mark.parametrize("size", SIZES)
def test_a_board_is_put_up(street, size):
    [board] = street.ready["boards"]
    bay = board["bay"]
    with open_browser(size) as driver:
        page = Visitor(driver, street)
        page.make_account(street.ready["fleetAdministrator"], "ada@town.example", "Ada")
        project = page.make_project("Town of Liège", "Market square")
        invitation = page.invitation("installer")
        page.sign_out()
        page.make_account(invitation, "ines@town.example", "Ines")

        # Its own page says who it is; the service waits for it.
        own = Page(driver, board["portal"])
        own.until("h1", board["serial"])
        serial = own.text("h1")
        page.go("/commission")
        page.write("#serial", f"https://boards.example/{serial}")
        page.click("#find button.primary")
        page.until("#awaited", "registered")
        awaits = page.driver.current_window_handle

        page.driver.switch_to.new_window("tab")
        identity = let_in(page, street, serial, size)
        page.driver.close()
        page.driver.switch_to.window(awaits)
        street.ask("POST", f"/control/bays/{bay}/card", identity | {"globalEndpoint": street.host})

        # From here on the page goes from step to step by itself.
        page.one("#claim", RESTART)
        page.choose("#claim [name=projectId]", project)
        page.shot(f"claim-{size}")
        page.click("#claim button")
        page.one("#way")
        page.one("#aim", RESTART)

        page.write("[name=number]", "A7")
        page.choose("[name=kind]", "accessible")
        page.click("main form.inline button")
        page.until("main a b", "A7")

        page.click("#measure")
        page.until("#distance", "mm", RESTART)
        page.until("#echoes", "echoes")
        page.click("#measure")
        page.until_attribute("#measure", "aria-pressed", "false")
        page.click("#identify")
        page.until("#outcome", "blinks")
        page.click("#calibrate")
        page.until("#outcome", "mm away")
        page.click("#test")
        for part in ("hc-sr04", "light", "battery"):
            page.until("#outcome", f"✓ {part}", RESTART)
        page.shot(f"commission-{size}")
        # The code that nobody shows was answered with 404.
        assert [one for one in page.complaints() if "BCDF-BCDF" not in one["message"]] == []

        page.go(f"/map?project={project}")
        # Where there is no room for its number, it is said all the same.
        page._until("it is on the map", lambda: "A7" in page.attribute("#map .bay", "aria-label"), RESTART)
        page.until("#free", "1")
