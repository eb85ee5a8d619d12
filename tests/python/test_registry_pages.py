"""The hub's own pages as a person uses them: devices, one of them, enrolments, events."""

import json
import threading
import time

import pytest
from azure.iot.device import ProvisioningDeviceClient
from selenium.webdriver.common.keys import Keys

from browser import SIZES, Page, open_browser
from sdk import CLIENTS, Client
from simulator import Simulator
from wire import Identity, Wire, publish


@pytest.fixture(scope="module", params=SIZES)
def driver(request):
    with open_browser(request.param) as driver:
        yield driver


@pytest.fixture(scope="module")
def hub():
    with Simulator() as hub:
        yield hub
        hub.end()


@pytest.fixture
def open_page(driver, hub):
    """Opens a page of the hub, and sees afterwards that it kept to its width and complained of nothing."""
    opened = []

    def open_page(path, complaints=0):
        page = Page(driver, hub.ready["page"] + path)
        page.until("#live", "live")
        opened.append((page, complaints))
        return page

    yield open_page
    for page, complaints in opened[-1:]:
        width_is_kept, said = page.width_is_kept(), page.complaints()
        page.leave()
        assert width_is_kept, "the page is wider than the screen"
        # A browser says of each refused request that it failed; those a test provokes are expected.
        refused = [one for one in said if "Failed to load resource" in one["message"]]
        assert len(refused) == len(said) and len(said) <= complaints, said


@pytest.fixture
def connect(hub):
    clients = []

    def connect(connection_string, connected=True):
        client = Client(
            CLIENTS["device", "sync"].create_from_connection_string(
                connection_string, server_verification_cert=hub.ca, connection_retry=False
            )
        )
        clients.append(client)
        if connected:
            client.connect()
        return client

    yield connect
    for client in clients:
        client.shut_down()


def row(device):
    return f'[data-device="{device.id}"]'


def act(page, selector, action):
    """Opens a row's menu and presses what is in it."""
    page.click(f"{selector} summary")
    page.click(f"{selector} [data-do={action}]")


def confirm(page, yes=True):
    page._until("it asks first", lambda: page.one("#ask").is_displayed(), 5)
    page.click("#ask-yes" if yes else "#ask [value=no]")


# The registry


def test_a_device_is_added_and_its_page_has_its_connection_string(hub, open_page, connect):
    page = open_page("/devices", complaints=1)
    name = f"pump{time.time_ns():x}"
    page.click("#add-open")
    page.write("#add [name=id]", name)
    page.click("#add [type=submit]")
    page.until("#added", f"{name} is registered")
    page.write("#add [name=id]", name)
    page.click("#add [type=submit]")
    page.until("#added", "already registered")
    page.write("#search-text", name)
    page.one("#search-text").send_keys(Keys.ENTER)
    page.until("#counts", "1 found")
    page.until(f'[data-device="{name}"] .grid-link', "not seen since the start")
    page.click(f'[data-device="{name}"] .grid-name a')
    page.until("h1", name)
    assert "SharedAccessKey" not in page.driver.page_source
    page.click("[data-do=show]")
    page._until("the string is shown", lambda: "SharedAccessKey" in page.attribute("#secret-text", "value"), 5)
    connection_string = page.attribute("#secret-text", "value")
    page.click("#secret-hide")
    assert page.attribute("#secret-text", "value") == ""
    connect(connection_string)
    page.until("#facts [data-key=link]", "Connected")
    page.until_any("#log .log-entry", "connected")


def test_an_edge_device_is_added_with_modules(hub, open_page):
    page = open_page("/devices")
    name = f"edge{time.time_ns():x}"
    page.click("#add-open")
    page.write("#add [name=id]", name)
    page.press(page.one("#add [value=edge] + span"))
    page.write("#add [name=modules]", "camera, valve")
    page.click("#add [type=submit]")
    page.until("#added", "is registered")
    page.click("#added a")
    page.until("#modules", "camera")
    page.until("#modules", "$edgeAgent")
    page.until("#modules", "no deployment")
    page.click("#modules [data-key=valve] a")
    page.until("h1", "valve")
    page.until("#facts", "made by hand")


def test_what_a_client_does_is_seen_live(hub, open_page, connect):
    device = hub.add_device()
    page = open_page(f"/devices?search={device.id}")
    client = connect(device.connection_string)
    page.until(f"{row(device)} .grid-link", "connected for")
    page.until("#counts", "1 found")
    hub.ask("PATCH", f"/control/twins/{device.id}", {"tags": {"site": "north"}})
    page.until(f"{row(device)} .grid-name", "site north")
    client.disconnect()
    page.until(f"{row(device)} .grid-link", "away for")


def test_a_device_is_disabled_enabled_and_deleted(hub, open_page, connect):
    device = hub.add_device()
    page = open_page(f"/devices?search={device.id}")
    connect(device.connection_string)
    page.until(f"{row(device)} .grid-link", "connected for")
    act(page, row(device), "disable")
    confirm(page, yes=False)
    assert hub.ask("GET", f"/control/registry?search={device.id}")["devices"][0]["enabled"]
    # The menu is still open.
    page.click(f"{row(device)} [data-do=disable]")
    confirm(page)
    page.until(f"{row(device)} .grid-name", "disabled")
    page.until(f"{row(device)} .grid-link", "away for")
    page.driver.refresh()
    page.until("#live", "live")
    act(page, row(device), "enable")
    page._until("it is enabled", lambda: "disabled" not in page.text(f"{row(device)} .grid-name"), 5)
    page.driver.refresh()
    page.until("#live", "live")
    act(page, row(device), "delete")
    confirm(page)
    page.until("#devices", "No device is found by that")


def test_a_connection_string_is_copied_without_being_shown(hub, driver, open_page):
    device = hub.add_device()
    page = open_page(f"/devices?search={device.id}")
    # The clipboard of a browser without a window is out of reach: what is handed to it is looked at instead.
    driver.execute_script("navigator.clipboard.writeText = async (text) => { window.copied = text; }")
    act(page, row(device), "copy")
    page.until(f"{row(device)} [data-do=copy]", "Copied")
    assert driver.execute_script("return window.copied") == device.connection_string
    assert "SharedAccessKey" not in driver.page_source


def test_devices_are_searched_and_paged(hub, open_page):
    site = f"s{time.time_ns():x}"
    ids = sorted(hub.add_device().id for _ in range(60))
    for id in ids:
        hub.ask("PATCH", f"/control/twins/{id}", {"tags": {"site": site}})
    page = open_page("/devices")
    page.write("#search-text", f"tags.site = '{site}' AND status = 'enabled'")
    page.one("#search-text").send_keys(Keys.ENTER)
    page.until("#counts", "60 found")
    rows = "return [...document.querySelectorAll('.grid-row')].map((row) => row.dataset.device)"
    shown = page.driver.execute_script(rows)
    page.click("[rel=next]")
    page._until("the next page", lambda: page.all("[rel=prev]"), 5)
    shown += page.driver.execute_script(rows)
    assert shown == ids
    page.write("#search-text", "tags.site =")
    page.one("#search-text").send_keys(Keys.ENTER)
    page.until("#counts", "That is no condition")
    page.until("#devices", "No device is found")


# One device


def test_a_refusal_is_read_with_its_cure(hub, open_page, connect):
    device, other = hub.add_device(), hub.add_device()
    page = open_page(f"/devices/{device.id}")
    page.until("#facts [data-key=link]", "not seen since the start")
    key = other.connection_string.split("SharedAccessKey=")[1]
    wrong = device.connection_string.split("SharedAccessKey=")[0] + f"SharedAccessKey={key}"
    client = connect(wrong, connected=False)
    with pytest.raises(Exception, match="(?i)credential|authoriz|invalid"):
        client.connect()
    page.until_any("#log .log-entry", "signed with another key", "connection string")
    page.until("#facts [data-key=link]", "Refused")
    assert key not in page.driver.page_source
    device.enable(False)
    page.until("#facts [data-key=status]", "Disabled")
    page.until("#toggle", "Enable")
    with pytest.raises(Exception):
        connect(device.connection_string)
    page.until_any("#log .log-entry", "is disabled", "Enable the device.")


def test_a_twin_is_edited_and_its_versions_are_compared(hub, open_page, connect):
    device = hub.add_device()
    client = connect(device.connection_string)
    patches = client.take_patches().patches
    hub.ask("PATCH", f"/control/twins/{device.id}", {"desired": {"interval": 5, "limits": {"high": 80, "low": 1}}})
    patches.next()
    page = open_page(f"/devices/{device.id}")
    page.until("#twin-now [data-section=desired]", '"interval": 5')
    page.click("[data-edit=desired]")
    page._until("it can be edited", lambda: page.one("#editor").is_displayed(), 5)
    page.write("#editor-text", "{")
    page.click("#editor [type=submit]")
    page.until("#editor-fault", "no JSON")
    page.write("#editor-text", '{"interval": 9, "limits": {"high": 80}}')
    page.click("#editor [type=submit]")
    page.until("#twin-now [data-section=desired]", '"interval": 9')
    assert patches.next() == {"interval": 9, "limits": {"low": None}, "$version": 3}
    page.until_any("#twin-history .revision", "desired 3", "interval 5 → 9")
    client.report({"fan": "on"})
    page.until("#twin-now [data-section=reported]", '"fan": "on"')
    page.until_any("#twin-history .revision", "reported 2", 'fan = "on"')
    page.choose("#compare [name=section]", "desired")
    page.choose("#compare [name=from]", "2")
    page.choose("#compare [name=to]", "3")
    page.click("#compare button")
    page.until_any("#comparison .diff-line", "changed interval", "5", "9")
    page.until_any("#comparison .diff-line", "removed limits.low", "1")


def test_a_twin_that_somebody_else_changed_is_not_written_over(hub, open_page):
    device = hub.add_device()
    page = open_page(f"/devices/{device.id}", complaints=1)
    page.click("[data-edit=tags]")
    page.until("#editor-title", "Tags of version 1")
    page.write("#editor-text", '{"site": "mine"}')
    hub.ask("PATCH", f"/control/twins/{device.id}", {"tags": {"site": "theirs", "floor": 2}})
    page.click("#editor [type=submit]")
    page.until("#editor-conflict", "Somebody else has changed the twin")
    page.until_any("#editor-theirs .diff-line", "new site", "theirs")
    assert device.twin()["tags"] == {"site": "theirs", "floor": 2}
    page.click("#editor-force")
    page.until("#twin-now [data-section=tags]", '"mine"')
    assert device.twin()["tags"] == {"site": "mine", "floor": 2}


def test_a_method_is_invoked(hub, open_page, connect):
    device = hub.add_device()
    page = open_page(f"/devices/{device.id}", complaints=1)
    page.write("#method [name=name]", "restart")
    page.write("#method [name=payload]", '{"delay": 1}')
    page.click("#method [type=submit]")
    page.until("#method output", "404103")
    page.until("#method output", "Nobody with this name is connected")
    client = connect(device.connection_string)
    client.answer_methods(lambda _, payload: (201, {"in": payload["delay"]}))
    page.write("#method [name=connect]", "10")
    page.click("#method [type=submit]")
    page.until("#method output", "201 after")
    page.until("#method output", '"in": 1')
    assert page.attribute("#method output", "data-state") == "good"


def test_messages_wait_are_taken_and_are_purged(hub, open_page, connect):
    device = hub.add_device()
    page = open_page(f"/devices/{device.id}")
    for text in ('{"open": true}', "by hand"):
        page.write("#send [name=body]", text)
        page.write("#send [name=properties]", "line=3")
        page.click("#send [type=submit]")
        page.until("#send output", "taken as")
        page.until_any("#queue .queued", "waits for the device", "line: 3", text.split('"')[-1].strip(" :}"))
    page.until("#facts [data-key=waiting]", "2")
    messages = connect(device.connection_string).take_messages().messages
    assert [message.data for message in messages.take(2)] == [b'{"open":true}', b"by hand"]
    page.until("#queue", "No message waits")
    other = hub.add_device()
    hub.ask("POST", f"/control/messages/{other.id}", {"body": "x"})
    page = open_page(f"/devices/{other.id}")
    page.until("#queue", "waits for the device")
    page.click("#purge")
    confirm(page)
    page.until("#queue", "No message waits")


def test_a_deleted_device_is_said_to_be_gone(hub, open_page):
    device = hub.add_device()
    page = open_page(f"/devices/{device.id}")
    device.remove()
    page._until("it says so", lambda: page.one("#gone").is_displayed(), 10)
    assert not page.one("#method [type=submit]").is_enabled()


# Enrolments


def test_devices_are_enrolled_and_refusals_explained(hub, open_page):
    page = open_page("/enrollments", complaints=2)
    group = f"g{time.time_ns():x}"
    page.click("#enrol-open")
    page.write("#enrol [name=name]", group)
    page.click("#enrol [type=submit]")
    mine = f'[data-name="{group}"]'
    page._until("it is enrolled", lambda: page.all(mine), 10)
    key = hub.ask("GET", f"/control/dps/groups/{group}/keys")["primaryKey"]
    assert key not in page.driver.page_source
    page.click(f"{mine} [data-do=keys]")
    page.until_any(f"{mine} .keys", key)
    page.click(f"{mine} [data-do=keys]")
    page._until("it is hidden", lambda: not page.all(f"{mine} .keys"), 5)
    page.click(f"{mine} [data-do=derive]")
    page.write(f"{mine} .derive input", "pump7")
    page.click(f"{mine} .derive button")
    page.until_any(f"{mine} .keys", "Key of pump7")
    derived = page.text(f"{mine} .keys dd")

    def register(key):
        client = ProvisioningDeviceClient.create_from_symmetric_key(
            hub.ready["provisioningHost"], "pump7", hub.ready["idScope"], key, server_verification_cert=hub.ca
        )
        return client.register()

    with pytest.raises(Exception):
        register(key)
    page.until_any("#attempts .log-entry", "refused", "pump7")
    assert register(derived).registration_state.device_id == "pump7"
    page.until_any("#attempts .log-entry", "assigned", "pump7", group)
    page.until_any("#registrations .registration", "pump7", "assigned")
    page.until(f"{mine}", "1 registered")

    page.click(f"{mine} [data-do=disable]")
    confirm(page)
    page.until(mine, "disabled")
    with pytest.raises(Exception):
        register(derived)
    page.until_any("#attempts .log-entry", "disabled", "pump7")
    page.click('#registrations [data-id="pump7"] [data-do=forget]')
    confirm(page)
    page._until("it is forgotten", lambda: not page.all('#registrations [data-id="pump7"]'), 10)
    page.click(f"{mine} [data-do=delete]")
    confirm(page)
    page._until("it is gone", lambda: not page.all(mine), 10)
    hub.ask("DELETE", "/control/devices/pump7")


# Events


def send(client, **body):
    client.call("send_message", json.dumps(body))


def test_events_are_filtered_and_opened(hub, open_page, connect):
    device, other = hub.add_device(), hub.add_device()
    clients = [connect(one.connection_string) for one in (device, other)]
    for n in range(3):
        for client in clients:
            send(client, n=n)
    page = open_page(f"/events?device={device.id}")
    page._until("its three are there", lambda: len(page.all("#event-list .event")) == 3, 10)
    send(clients[1], n=3)
    send(clients[0], n=4)
    page.until_any("#event-list .event", device.id, '{"n":4}')
    assert not any(other.id in event.text for event in page.all("#event-list .event"))
    page.write("#event-filter [name=text]", '"n": 1')
    page.click("#event-filter [type=submit]")
    page._until("one is left", lambda: len(page.all("#event-list .event")) == 1, 10)
    page.click("#event-list .event summary")
    opened = json.loads(page.one("#event-list .json").get_attribute("textContent"))
    assert opened["body"] == {"n": 1}
    assert opened["systemProperties"]["connectionDeviceId"] == device.id
    assert "text=" in page.driver.current_url


def test_a_page_held_still_loses_nothing(hub, open_page, connect):
    device = hub.add_device()
    client = connect(device.connection_string)
    page = open_page(f"/events?device={device.id}")
    send(client, n=0)
    page.until_any("#event-list .event", '{"n":0}')
    page.click("#event-pause")
    for n in range(1, 21):
        send(client, n=n)
    page.until("#event-pause", "Go on (20)")
    assert len(page.all("#event-list .event")) == 1
    page.click("#event-pause")
    page._until("all are there", lambda: len(page.all("#event-list .event")) == 21, 10)
    shown = [event.text for event in page.all("#event-list .event-text")]
    assert shown == [f'{{"n":{n}}}' for n in range(20, -1, -1)]
    assert not page.one("#event-missed").is_displayed()
    page.click("#event-clear")
    page._until("nothing is left", lambda: not page.all("#event-list .event"), 5)


def test_a_tab_that_was_away_goes_on_where_it_was(hub, open_page, connect):
    device = hub.add_device()
    client = connect(device.connection_string)
    page = open_page(f"/events?device={device.id}")
    send(client, n=0)
    page.until_any("#event-list .event", '{"n":0}')
    tab = page.driver.current_window_handle
    page.driver.switch_to.new_window("tab")
    for n in range(1, 6):
        send(client, n=n)
    page.driver.close()
    page.driver.switch_to.window(tab)
    page._until("none is missing", lambda: len(page.all("#event-list .event")) == 6, 10)


def test_a_fast_hub_does_not_stop_the_tab(hub, open_page):
    device = hub.add_device()
    identity = Identity(device)
    page = open_page("/events")
    burst = publish(identity.events, b"x" * 60) * 2000
    halt = threading.Event()

    def flood():
        with Wire(hub) as wire:
            wire.log_in(identity)
            # Many times what a page looks at, and still some of the processor for the browser.
            while not halt.wait(0.05):
                wire.send(burst)

    flooding = threading.Thread(target=flood)
    flooding.start()
    try:
        page.until("#event-missed", "not looked at, because the hub was faster")
        # A tab that stands still would not hear of it.
        page.click("#event-pause")
        page.until("#event-pause", "Go on")
        assert len(page.all("#event-list .event")) <= 300
        page.click("#event-pause")
        page.until("#event-state", "received")
    finally:
        halt.set()
        flooding.join()


def test_a_lost_hub_is_seen(driver):
    with Simulator() as hub:
        page = Page(driver, hub.ready["page"] + "/devices")
        page.until("#live", "live")
        hub.end()
        page.until("#live", "reconnecting")
        page.leave()
        # A browser says of each attempt that it failed.
        page.complaints()


def test_pages_are_worked_with_the_keyboard(hub, open_page):
    device = hub.add_device()
    page = open_page(f"/devices?search={device.id}")
    summary = page.one(f"{row(device)} summary")
    page.driver.execute_script("arguments[0].focus()", summary)
    summary.send_keys(Keys.ENTER)
    page.one(f"{row(device)} [data-do=disable]").send_keys(Keys.ENTER)
    page._until("it asks first", lambda: page.one("#ask").is_displayed(), 5)
    # The safe answer has the focus.
    assert page.driver.switch_to.active_element.get_attribute("value") == "no"
    page.driver.switch_to.active_element.send_keys(Keys.ESCAPE)
    page._until("it is closed", lambda: not page.one("#ask").is_displayed(), 5)
    assert hub.ask("GET", f"/control/registry?search={device.id}")["devices"][0]["enabled"]
    # What follows the hub does not take the focus away.
    hub.ask("PATCH", f"/control/twins/{device.id}", {"tags": {"site": "west"}})
    page.until(f"{row(device)} .grid-name", "site west")
    focused = page.driver.switch_to.active_element
    assert focused.get_attribute("data-do") == "disable"


def test_a_street_has_these_pages_too(driver):
    with Simulator(command="up") as street:
        page = Page(driver, street.ready["page"])
        page.until("#live", "live")
        page.click('.sections [href="/devices"]')
        page.until(".sections [aria-current]", "Devices")
        page.until_any("#devices .grid-row", "bay-01", "Edge")
        page.click('#devices [data-key="bay-01"] .grid-name a')
        page.until_any("#modules .module-row", "hc-sr04", "connected for")
        page.until_any("#event-list .event", "bay-01/hc-sr04")
        assert page.width_is_kept()
        page.click('.sections [href="/"]')
        page.until("#occupancy", "free")
        assert page.complaints() == []
        page.leave()
        street.end()
