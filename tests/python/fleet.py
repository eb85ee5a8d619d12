"""The operator's service as a test uses it: over a street of real boards, with people, projects and bays in it."""

import contextlib
import http.client
import json
import os
import subprocess
import tempfile
import threading
import urllib.parse

from provisioning import Provisioning
from simulator import BOUND, cow, until

# A machine restarts, registers, and starts its modules.
RESTART = 120.0
PASSWORD = "a cow parks on the roof"


class Fleet:
    """One running `cow fleet` at a street that was started without one."""

    def __init__(self, street, database):
        self.street = street
        ready = street.ready
        self.arguments = [cow(), "fleet", "--json", "--listen", f"{street.address}:8090", "--ca-file", ready["caFile"]]
        settings = {
            "DATABASE": database,
            "HUB": ready["serviceConnectionString"],
            "EVENTS": ready["eventHubConnectionString"],
            "PROVISIONING": ready["provisioningServiceConnectionString"],
            "ID_SCOPE": ready["idScope"],
        }
        self.environment = {k: v for k, v in os.environ.items() if not k.startswith("COW_")}
        self.environment |= {f"COW_FLEET_{name}": value for name, value in settings.items()}
        self.log = tempfile.TemporaryFile("w+")
        self.people = {}

    def __enter__(self):
        self.process = subprocess.Popen(
            self.arguments, stdout=subprocess.PIPE, stderr=self.log, text=True, env=self.environment
        )
        timer = threading.Timer(BOUND, self.process.kill)
        timer.start()
        line = self.process.stdout.readline()
        timer.cancel()
        assert line, f"the service did not get ready:\n{self.logged()}"
        self.ready = json.loads(line)
        self.url = self.ready["fleet"]
        return self

    def __exit__(self, *_):
        if self.process.poll() is None:
            self.process.kill()
        self.process.wait(BOUND)

    def logged(self):
        self.log.seek(0)
        return self.log.read()

    def send(self, method, path, body=None, headers=()):
        """A request as it is; the status, the headers and the body as text."""
        place = urllib.parse.urlsplit(self.url)
        connection = http.client.HTTPConnection(place.hostname, place.port, timeout=BOUND)
        with contextlib.closing(connection):
            connection.request(method, path, body, dict(headers))
            answer = connection.getresponse()
            return answer.status, answer.headers, answer.read().decode()

    def ask(self, who, method, path, body=None):
        """A request of somebody with a token, which has to succeed; what it answers."""
        headers = {"Authorization": f"Bearer {self.people[who]}", "Content-Type": "application/json"}
        status, _, text = self.send(method, path, None if body is None else json.dumps(body), headers)
        assert status < 300, f"{method} {path}: {status} {text}"
        return json.loads(text) if text else None

    def make_account(self, who, link):
        """Whoever has a link makes an account by it, and a token."""
        form = urllib.parse.urlencode({"email": f"{who}@town.example", "name": who.title(), "password": PASSWORD})
        own_page = {"Sec-Fetch-Site": "same-origin"}
        path = urllib.parse.urlsplit(link).path
        headers = own_page | {"Content-Type": "application/x-www-form-urlencoded"}
        status, answered, text = self.send("POST", path, form, headers)
        assert status == 303, text
        cookie = answered["Set-Cookie"].split(";")[0]
        headers = own_page | {"Content-Type": "application/json", "Cookie": cookie}
        status, _, text = self.send("POST", "/api/tokens", json.dumps({"name": "tests"}), headers)
        assert status == 201, text
        self.people[who] = json.loads(text)["token"]

    def invite(self, who, role, customer=None):
        wanted = {"role": role} | ({"customerId": customer} if customer else {})
        self.make_account(who, self.ask("ada", "POST", "/api/invitations", wanted)["url"])


def from_the_imaging_bench(street):
    """Each card gets the key of its own board, derived from that of the stock, which the service has made."""
    dps = Provisioning(street)
    for board in street.ready["boards"]:
        serial = board["serial"]
        key = dps.derived_key("stock", serial)
        card = {"idScope": street.ready["idScope"], "registrationId": serial, "symmetricKey": key, "globalEndpoint": street.host}
        street.ask("POST", f"/control/bays/{serial}/card", card)
        street.ask("POST", f"/control/bays/{serial}/power/restart")


def settle(fleet):
    """Gives the service people, two customers, a project with a bay that has a board, and stock; the ids of all of it,
    by the word that stands before an id in addresses."""
    fleet.make_account("ada", fleet.ready["administrator"])
    ask = lambda method, path, body=None: fleet.ask("ada", method, path, body)
    until("there is a stock", lambda: stock_group(fleet))
    from_the_imaging_bench(fleet.street)
    names = ("Town", "Harbour", "Quarry")
    town, harbour, quarry = (ask("POST", "/api/customers", {"name": name})["id"] for name in names)
    for who, role, customer in (
        ("olga", "operator", None),
        ("ines", "installer", None),
        ("dora", "driver", None),
        ("vera", "administrator", harbour),
        ("vito", "administrator", quarry),
        ("tess", "driver", quarry),
    ):
        fleet.invite(who, role, customer)
    project = ask("POST", "/api/projects", {"customerId": town, "name": "Market square"})["id"]
    invitation = ask("POST", "/api/invitations", {"role": "driver"})["id"]
    webhook = ask("POST", "/api/webhooks", {"url": "http://127.0.0.1:9/"})["id"]
    token = fleet.ask("tess", "POST", "/api/tokens", {"name": "another"})["id"]
    enrollment = ask("POST", "/api/enrollments", {"registrationId": "enrolled"})["registrationId"]
    group = ask("POST", "/api/groups", {"enrollmentGroupId": "grouped"})["enrollmentGroupId"]
    boards = len(fleet.street.ready["boards"])
    in_stock = lambda: ask("GET", "/api/devices?lifecycle=stock")["items"]
    until("the boards are in stock", lambda: len(in_stock()) == boards, RESTART)
    order = ask("POST", "/api/orders", {"projectId": project, "quantity": 1})["id"]
    until("one has joined", lambda: ask("GET", f"/api/orders/{order}")["state"] == "done", RESTART)
    [device] = ask("GET", f"/api/devices?projectId={project}")["items"]
    [bay] = until("there is a bay", lambda: ask("GET", f"/api/bays?projectId={project}")["items"])
    until("the bay is free", lambda: ask("GET", f"/api/bays/{bay['id']}")["sign"] == "free", RESTART)
    booking = fleet.ask("dora", "POST", "/api/bookings", {"bayId": bay["id"], "minutes": 60})["id"]
    users = [user["id"] for user in ask("GET", "/api/users")["items"]]
    return {
        "customers": [town, harbour],
        "projects": [project],
        "orders": [order],
        "devices": [device["id"], in_stock()[0]["id"]],
        "bays": [bay["id"]],
        "bookings": [booking],
        "users": users,
        "invitations": [invitation],
        "webhooks": [webhook],
        "tokens": [token],
        "enrollments": [enrollment],
        "groups": [group, "stock"],
        "registrations": [device["id"]],
    }


def stock_group(fleet):
    groups = fleet.ask("ada", "GET", "/api/groups")["items"]
    return any(group["enrollmentGroupId"] == "stock" for group in groups)
