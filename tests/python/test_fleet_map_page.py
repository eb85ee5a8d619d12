"""The map of the operator's service in a real browser: many bays, and a street map from a tile server."""

import http.server
import json
import math
import os
import struct
import subprocess
import threading
import zlib
from contextlib import contextmanager
from pathlib import Path

import pytest
from selenium.webdriver import ActionChains
from selenium.webdriver.common.actions.wheel_input import ScrollOrigin
from selenium.webdriver.common.keys import Keys

from browser import SIZES, Page, open_browser
from simulator import BOUND, cow

PASSWORD = "a cow parks on the roof"
LONGITUDE, LATITUDE = 5.5797, 50.6326
# Nobody is there: the service starts without them.
NOWHERE = {
    "COW_FLEET_HUB": "HostName=localhost:9;SharedAccessKeyName=service;SharedAccessKey=c2VjcmV0",
    "COW_FLEET_PROVISIONING": "HostName=localhost:9;SharedAccessKeyName=provisioning;SharedAccessKey=c2VjcmV0",
    "COW_FLEET_EVENTS": "Endpoint=sb://localhost:9/;SharedAccessKeyName=service;SharedAccessKey=c2VjcmV0;EntityPath=e",
    "COW_FLEET_ID_SCOPE": "0ne00000001",
}


def fleet_command(directory, *arguments):
    environment = {k: v for k, v in os.environ.items() if not k.startswith("COW_")} | NOWHERE
    database = f"sqlite:{directory / 'fleet.db'}"
    command = [cow(), "fleet", "--json", "--listen", "127.0.0.1:0", "--database", database, *arguments]
    return command, environment


@contextmanager
def fleet(directory, *arguments):
    """The service by itself; what it says when it is ready."""
    command, environment = fleet_command(directory, *arguments)
    with open(directory / "log", "w+") as log:
        process = subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, stderr=log, text=True)
        try:
            line = process.stdout.readline()
            log.seek(0)
            assert line, log.read()
            yield json.loads(line)
        finally:
            process.kill()
            process.wait(BOUND)


def square(red, green, blue):
    """A PNG of one colour, 256 points wide and high."""

    def chunk(kind, data):
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    rows = (b"\0" + bytes((red, green, blue)) * 256) * 256
    header = struct.pack(">IIBBBBB", 256, 256, 8, 2, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(rows)) + chunk(b"IEND", b"")


@pytest.fixture
def tiles():
    """A tile server of the test's own: its address, and which tiles it was asked for."""
    asked = []

    class Tile(http.server.BaseHTTPRequestHandler):
        def do_GET(self):
            zoom, column, row = (int(part) for part in self.path.removesuffix(".png").split("/")[1:])
            asked.append((zoom, column, row, self.headers.get("Referer")))
            self.send_response(200)
            self.send_header("Content-Type", "image/png")
            self.end_headers()
            self.wfile.write(square(200 - 20 * (column % 3), 215 - 20 * (row % 3), 200))

        def log_message(self, *_):
            pass

    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Tile) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}", asked
        server.shutdown()


def tile_of(zoom, longitude, latitude):
    side = 2**zoom
    north = math.asinh(math.tan(math.radians(latitude)))
    return int((longitude / 360 + 0.5) * side), int((1 - north / math.pi) / 2 * side)


class Visitor(Page):
    def __init__(self, driver, ready):
        self.driver, self.place = driver, ready["fleet"]
        driver.get(ready["administrator"])
        self.write("[name=email]", "ada@town.example")
        self.write("[name=name]", "Ada")
        self.write("[name=password]", PASSWORD)
        self.click("main form button")
        self.one(".sections")

    def go(self, path):
        self.driver.get(self.place + path)

    def api(self, method, path, body=None):
        """As the page's own scripts ask; the answer, which has to be a good one."""
        script = """
            const [method, path, body, done] = arguments;
            const headers = body ? {"Content-Type": "application/json"} : {};
            fetch(path, {method, headers, body: body && JSON.stringify(body)})
                .then(async (answer) => done([answer.status, await answer.text()]), (error) => done([0, String(error)]));
        """
        status, text = self.driver.execute_async_script(script, method, path, body)
        assert 200 <= status < 300, f"{method} {path}: {status} {text}"
        return json.loads(text) if text else None

    def project(self, bays, **place):
        customer = self.api("POST", "/api/customers", {"name": "Town of Liège"})["id"]
        project = self.api("POST", "/api/projects", {"customerId": customer, "name": "Market square"} | place)["id"]
        script = """
            const [projectId, count, done] = arguments;
            const make = async () => (await fetch("/api/bays", {method: "POST", headers: {"Content-Type": "application/json"}, body: JSON.stringify({projectId})})).json();
            (async () => {
                const ids = [];
                for (let at = 0; at < count; at++) ids.push((await make()).id);
                done(ids);
            })();
        """
        return project, self.driver.execute_async_script(script, project, bays)

    def shot(self, name):
        assert self.width_is_kept(), f"{self.driver.current_url} is wider than the screen"
        if directory := os.environ.get("COW_SCREENSHOTS"):
            self.driver.save_screenshot(str(Path(directory) / f"fleet-{name}.png"))


def test_many_bays_are_groups_until_one_comes_near(tmp_path):
    with fleet(tmp_path) as ready, open_browser("desktop") as driver:
        page = Visitor(driver, ready)
        project, bays = page.project(400)
        page.go(f"/map?project={project}")
        page.until("[data-sign=unknown] [data-count]", "400")
        page._until("there are groups", lambda: len(page.all(".cluster")) > 3, BOUND)
        page.until("#list-note", "groups")
        page.shot("map-groups")
        assert len(driver.find_element("css selector", "main").get_attribute("outerHTML")) < 200_000

        label = page.all(".cluster")[0].get_attribute("aria-label")
        assert "bays: " in label and "unknown" in label, label
        driver.execute_script("document.querySelector('.cluster').focus()")
        ActionChains(driver).send_keys(Keys.ENTER).perform()
        for _ in range(3):
            ActionChains(driver).send_keys("+").perform()
        page._until("there are bays", lambda: len(page.all("#map .bay")) > 3 and not page.all(".cluster"), BOUND)
        page._until("they are listed", lambda: len(page.all("#list a")) > 3, BOUND)
        page.shot("map-near")

        page.write("#find input", "317")
        page.until("#list a", "Bay 317: unknown")
        page.api("PATCH", f"/api/bays/{bays[316]}", {"opening": "closed"})
        page.until("[data-sign=closed] [data-count]", "1")
        # Back from a bay the map is where it was.
        seen = driver.execute_script("return history.state")
        page.click("#list a")
        page.until("h1", "Bay 317")
        driver.back()
        page._until("bays are there again", lambda: page.all("#map .bay"), BOUND)
        assert driver.execute_script("return history.state") == seen


@pytest.mark.parametrize("size", SIZES)
def test_bays_lie_on_a_street_map(tmp_path, tiles, size):
    server, asked = tiles
    arguments = ["--tiles", server + "/{z}/{x}/{y}.png", "--tiles-attribution", "© The test https://tiles.example/licence"]
    with fleet(tmp_path, *arguments) as ready, open_browser(size) as driver:
        page = Visitor(driver, ready)
        project, bays = page.project(3, latitude=LATITUDE, longitude=LONGITUDE)
        for index, bay in enumerate(bays[:2]):
            page.api("PATCH", f"/api/bays/{bay}", {"latitude": LATITUDE, "longitude": LONGITUDE + index * 0.0003})
        page.go(f"/map?project={project}")
        page._until("two bays are there", lambda: len(page.all("#map .bay")) == 2, BOUND)
        page._until("the tiles are there", all_tiles_are_here(driver), BOUND)
        credit = page.one(".map-credit a")
        assert (credit.text, credit.get_attribute("href")) == ("© The test", "https://tiles.example/licence")
        zoom = max(tile[0] for tile in asked)
        column, row = tile_of(zoom, LONGITUDE, LATITUDE)
        assert (zoom, column, row) in [tile[:3] for tile in asked]
        assert {tile[3] for tile in asked} == {ready["fleet"] + "/"}, "the site and nothing more"
        page.shot(f"map-tiles-{size}")

        # Pictures come from that server and from no other.
        blocked = """
            const done = arguments[0];
            addEventListener("securitypolicyviolation", (event) => done(event.effectiveDirective), {once: true});
            new Image().src = "http://127.0.0.1:9/1/1/1.png";
        """
        assert driver.execute_async_script(blocked) == "img-src"

        # The keyboard moves and zooms.
        before = [bay.get_attribute("transform") for bay in page.all("#map .bay")]
        driver.execute_script("document.getElementById('map').focus()")
        ActionChains(driver).send_keys("-").perform()
        page._until("tiles farther away", lambda: any(tile[0] < zoom for tile in asked), BOUND)
        ActionChains(driver).send_keys("0").perform()
        page._until("as at first", lambda: [bay.get_attribute("transform") for bay in page.all("#map .bay")] == before, BOUND)
        pinch(driver) if size == "phone" else wheel(driver)
        page._until("it is nearer", lambda: apart(page) > apart_of(before) * 1.2, BOUND)

        # One that has no place is put into the middle and dragged from there.
        driver.execute_script("document.querySelector('[data-zoom=all]').click()")
        page.click(".map-list button")
        page.one(f"#map #bay-{bays[2]}")
        placed = page.api("GET", f"/api/bays/{bays[2]}")
        assert abs(placed["latitude"] - LATITUDE) < 0.01
        page.click("#arrange")
        page._until("each is by itself", lambda: len(page.all("#map .bay")) == 3, BOUND)
        ActionChains(driver).drag_and_drop_by_offset(page.one(f"#bay-{bays[2]} rect"), 40, 30).perform()
        page.until_attribute(f"#bay-{bays[2]}", "class", "bay")

        def is_moved():
            now = page.api("GET", f"/api/bays/{bays[2]}")
            return now["longitude"] > placed["longitude"] and now["latitude"] < placed["latitude"]

        page._until("it was moved south-east", is_moved, BOUND)
        # Chromium tells of the picture that was blocked; nothing else went wrong.
        assert all("Content Security Policy" in str(complaint) for complaint in page.complaints())


def all_tiles_are_here(driver):
    return lambda: driver.execute_script(
        "const all = [...document.querySelectorAll('.tiles img')];"
        "return all.length > 0 && all.every((one) => one.complete && one.naturalWidth === 256)"
    )


def apart_of(transforms):
    xs = [float(transform.split("(")[1].split(" ")[0]) for transform in transforms]
    return max(xs) - min(xs)


def apart(page):
    return apart_of([bay.get_attribute("transform") for bay in page.all("#map .bay")])


def wheel(driver):
    middle = ScrollOrigin.from_element(driver.find_element("id", "map"))
    ActionChains(driver).scroll_from_origin(middle, 0, -200).perform()


def pinch(driver):
    """Two fingers that go from each other."""
    box = driver.execute_script(
        "const map = document.getElementById('map'); map.scrollIntoView({block: 'center'});"
        "const {left, top, width, height} = map.getBoundingClientRect(); return [left + width / 2, top + height / 2];"
    )

    def touch(kind, *apart):
        points = [{"x": box[0] + sign * half, "y": box[1], "id": index} for half in apart for index, sign in enumerate((-1, 1))]
        driver.execute_cdp_cmd("Input.dispatchTouchEvent", {"type": kind, "touchPoints": points})

    touch("touchStart", 30)
    for half in (40, 50, 60, 70):
        touch("touchMove", half)
    touch("touchEnd")


@pytest.mark.parametrize(
    ("template", "said"),
    [
        ("https://tiles.example/{z}/{x}.png", "no {y}"),
        ("https://{s}.tiles.example/{z}/{x}/{y}.png", "{s}"),
        ("tiles.example/{z}/{x}/{y}.png", "no address of http"),
    ],
)
def test_a_bad_template_is_told_at_once(tmp_path, template, said):
    command, environment = fleet_command(tmp_path, "--tiles", template, "--tiles-attribution", "©")
    ended = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=BOUND)
    assert ended.returncode != 0
    assert said in ended.stderr and template in ended.stderr, ended.stderr


def test_tiles_have_to_be_credited(tmp_path):
    command, environment = fleet_command(tmp_path, "--tiles", "https://tiles.example/{z}/{x}/{y}.png")
    ended = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=BOUND)
    assert ended.returncode == 2 and "--tiles-attribution" in ended.stderr, ended.stderr


def test_a_form_leaves_unsaid_what_nobody_wrote(tmp_path):
    with fleet(tmp_path) as ready, open_browser("desktop") as driver:
        page = Visitor(driver, ready)
        _, [bay] = page.project(1)

        def sent_by_saving():
            """What the settings' form of the bay sends; the page is loaded anew behind it."""
            driver.execute_script(
                "const ask = fetch; delete sessionStorage.sent;"
                "window.fetch = (path, how) => { sessionStorage.sent = how.body; return ask(path, how); };"
                "window.isOld = true;"
            )
            page.click("[data-api^='PATCH /api/bays'] button")
            page._until("it is loaded anew", lambda: not driver.execute_script("return window.isOld"), BOUND)
            return json.loads(driver.execute_script("return sessionStorage.sent"))

        page.go(f"/bays/{bay}")
        assert not {"latitude", "longitude"} & sent_by_saving().keys()
        page.api("PATCH", f"/api/bays/{bay}", {"latitude": LATITUDE, "longitude": LONGITUDE})
        page.go(f"/bays/{bay}")
        assert sent_by_saving()["latitude"] == LATITUDE
        for name in ("latitude", "longitude"):
            page.write(f"[name={name}]", "")
        assert sent_by_saving()["longitude"] is None
        assert "latitude" not in page.api("GET", f"/api/bays/{bay}")
