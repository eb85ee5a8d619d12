"""The operator's service in a real browser: from a first administrator to a booked bay and a device back in stock."""

import re
import time

import pytest
from selenium.webdriver import ActionChains

from browser import SIZES, open_browser
from fleet import RESTART
from operator_pages import Visitor, lamp
from simulator import Simulator, until


@pytest.fixture
def street():
    """As everybody begins: `cow up`, and nothing else said."""
    with Simulator(command="up", fleet=True) as street:
        yield street
        street.end()


def numbers(transform):
    return [float(number) for number in re.findall(r"-?[\d.]+", transform)]


@pytest.mark.parametrize("size", SIZES)
def test_from_a_customer_to_a_booked_bay_and_back_to_stock(street, size):
    with open_browser(size) as driver:
        page = Visitor(driver, street)
        page.make_account(street.ready["fleetAdministrator"], "ada@town.example", "Ada")

        # What is on the desk is on the map, before anybody has done anything.
        page.go("/map")
        page.until("h1", "Street")
        page.until("#free", "1")
        street.ask("POST", "/control/boards/bay-01", {"command": "carArrives"})
        page.until_attribute("#map .bay", "data-sign", "occupied")
        page.go("/stock")
        for serial in ("bay-01", *(board["serial"] for board in street.ready["boards"])):
            page.until("#devices", serial, RESTART)
        page.shot(f"stock-{size}")

        page.go("/customers")
        page.write("main form [name=name]", "Town of Liège")
        page.click("main form button")
        page.until("h1", "Town of Liège")
        page.write("#projects [name=name]", "Market square")
        page.click("#projects form button")
        page.until("h1", "Market square")
        project = page.driver.current_url.rsplit("/", 1)[1]

        def has_three_in_stock():
            page.go(f"/projects/{project}")
            return "3 devices in stock" in page.text("main")

        until("three devices are in stock", has_three_in_stock, RESTART)
        page.write("[name=kind][value=assign] ~ label [name=quantity]", "3")
        page.click("form.first button")
        page.until("#progress .number", "3 / 3", RESTART)
        page.until_attribute("#progress .badge", "data-state", "done", RESTART)
        page.shot(f"order-{size}")

        page.go(f"/map?project={project}")
        page._until("three bays are on the map", lambda: len(page.all("#map .bay")) == 3, 20)
        page.until("#free", "3", RESTART)
        first = page.all("#map .bay")[0]
        bay, before = first.get_attribute("data-id"), first.get_attribute("transform")
        page.click("#arrange")
        ActionChains(driver).drag_and_drop_by_offset(page.one(f"#bay-{bay} rect"), 40, 30).perform()
        page.until_attribute(f"#bay-{bay}", "class", "bay")
        page._until("it was moved", lambda: page.attribute(f"#bay-{bay}", "transform") != before, 10)
        placed = numbers(page.attribute(f"#bay-{bay}", "transform"))
        page.go(f"/map?project={project}")
        assert numbers(page.attribute(f"#bay-{bay}", "transform")) == pytest.approx(placed, abs=1)
        page.shot(f"map-{size}")

        invitation = page.invitation("driver")
        page.go(f"/bays/{bay}")
        serial = page.text("[href^='/commission'] ~ .mono") or page.text(".mono")
        [place] = [board["bay"] for board in street.ready["boards"] if board["serial"] == serial]
        page.sign_out()

        page.make_account(invitation, "dora@example.org", "Dora")
        page.go(f"/map?project={project}")
        page.click(f"#bay-{bay}")
        page.until("h1", "Bay")
        page.click("#book button")
        page.until(".booking .badge", "ooked")
        until("the lamp says that it is booked", lambda: lamp(street, place) == "orange")
        page.go(f"/bays/{bay}")
        page.until_attribute("#now .sign", "data-sign", "reserved")
        page.shot(f"booked-{size}")
        street.ask("POST", f"/control/boards/{place}", {"command": "carArrives"})
        until("the lamp is red", lambda: lamp(street, place) == "red")
        red = time.monotonic()
        page.until_attribute("#now .sign", "data-sign", "occupied")
        print(f"seen on the page {time.monotonic() - red:.2f} s after the lamp")
        page.until("#now .booking .badge", "use")
        page.shot(f"in-use-{size}")
        page.click("#now .booking [data-api$=release] button")
        page._until("it is over", lambda: not page.all("#now .booking"), 20)
        page.sign_out()

        page.sign_in("ada@town.example")
        page.go(f"/bays/{bay}")
        street.ask("POST", f"/control/boards/{place}", {"command": "cableCut", "on": True})
        page.until("#faults", "hc-sr04: the ranger does not answer: is its cable cut?")
        page.shot(f"fault-{size}")
        street.ask("POST", f"/control/boards/{place}", {"command": "cableCut", "on": False})
        page.until_only("#faults", "")
        page.go(f"/projects/{project}")
        page.driver.execute_script("window.confirm = () => true")
        page.press(page.all("#devices [data-confirm] button")[0])
        page.until_attribute("#progress .badge", "data-state", "done", RESTART)
        page.shot(f"returned-{size}")
        page.go("/stock")
        page.until("main", "n stock", RESTART)
        page.go("/audit")
        page.until("main", "Ada")
        page.shot(f"audit-{size}")
