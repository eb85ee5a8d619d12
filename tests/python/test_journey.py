"""A device's way from a fresh card to a project and back, on real processes: and not one of its secrets anywhere."""

import json
import re
import urllib.request

import pytest

from provisioning import Provisioning
from simulator import Refused, Simulator, until

PARTS = ["hc-sr04", "light", "battery"]


@pytest.fixture
def street(tmp_path):
    """A street whose one bay nobody knows yet, told to log all there is."""
    arguments = ("--stock", "--headless", "-vv", "--state", tmp_path / "state")
    with Simulator(*arguments, command="up") as street:
        yield street


class Machine:
    """The bay's machine, from outside."""

    def __init__(self, street):
        self.street = street
        [self.board] = street.ready["boards"]
        self.serial = self.board["serial"]

    def state(self):
        return self.street.ask("GET", f"/control/bays/{self.serial}")

    def invoke(self, method, payload=None, module="provisioning", response=20):
        body = {"methodName": method, "payload": payload, "responseTimeoutInSeconds": response}
        return self.street.ask("POST", f"/control/methods/{self.serial}/modules/{module}", body, within=45)

    def setup(self, scope, key):
        registration = {"idScope": scope, "registrationId": self.serial, "symmetricKey": key, "globalEndpoint": self.street.host}
        return self.invoke("setup", registration)

    def until_it_is(self, mode):
        """Waits for the device to say by itself, after its restart, who it is."""

        def is_there():
            try:
                # A call that reaches a module in its last moment is answered by nobody.
                answer = self.invoke("status", response=5)
            except Refused:
                return None
            if answer["status"] != 200:
                return None  # Asked while it was stopping.
            status = answer["payload"]
            change = status["change"]
            return status if (status["mode"], change and change["outcome"]) == (mode, "done") else None

        try:
            return until(f"{self.serial} is a {mode} device", is_there, within=60)
        except AssertionError as error:
            raise AssertionError(f"{error}\n{self.state()}\n{self.street.logged()[-3000:]}") from None

    def group(self):
        record = self.street.ask("GET", f"/control/dps/registrations/{self.serial}")
        return record["symmetricKey"]["enrollmentGroupId"]


def everything_it_said(street, state):
    """All that the run wrote, sent or shows where a secret has no business."""
    control = street.ready["control"]
    said = {"log": street.logged()}
    for path in ("/control/devices", "/control/bays", "/control/dps/attempts", "/control/dps/registrations", "/control/processes"):
        said[path] = urllib.request.urlopen(control + path, timeout=20).read().decode()
    for twin in ("", *(f"/modules/{module}" for module in ("provisioning", *PARTS))):
        said["twin" + twin] = json.dumps(street.ask("GET", f"/control/twins/{street.ready['boards'][0]['serial']}{twin}"))
    events = f"{control}/control/events?from=earliest&follow=false"
    said["events"] = urllib.request.urlopen(events, timeout=20).read().decode()
    for journal in (state / "machines").rglob("*.jsonl"):
        said[str(journal)] = journal.read_text()
    return said


def test_from_a_fresh_card_to_a_project_and_back(street, tmp_path):
    machine, dps = Machine(street), Provisioning(street)
    serial, scope = machine.serial, street.ready["idScope"]
    assert street.ready["devices"] == []
    assert machine.state()["phase"] == "unprovisioned"

    # Imaging: the card gets a key of its own, derived from that of the stock.
    stock = dps.group(capabilities={"iotEdge": True})
    stock_key = dps.derived_key(stock, serial)
    card = {"idScope": scope, "registrationId": serial, "symmetricKey": stock_key, "globalEndpoint": street.host}
    street.ask("POST", f"/control/bays/{serial}/card", card)
    street.ask("POST", f"/control/bays/{serial}/power/restart")
    status = machine.until_it_is("stock")
    assert (status["deviceId"], status["hub"], machine.group()) == (serial, street.host, stock)

    # A project takes it; a set-up that cannot work changes nothing.
    project = dps.group(capabilities={"iotEdge": True}, initialTwin={"tags": {"project": "market square"}})
    project_key = dps.derived_key(project, serial)
    for wrong, key in ((scope, dps.derived_key(project, "another")), ("0ne0BADBAD0", project_key), (scope, "not base64 at all")):
        refused = machine.setup(wrong, key)
        assert refused["status"] >= 400, refused
        assert refused["payload"]["step"] == "register" or refused["payload"]["fields"], refused
    assert machine.invoke("status")["payload"]["mode"] == "stock"
    answer = machine.setup(scope, project_key)
    assert answer["status"] == 200, answer
    machine.until_it_is("project")
    assert machine.group() == project

    # What it can do, it can do there.
    report = machine.invoke("test")["payload"]
    assert report["passed"], report
    assert [part["part"] for part in report["parts"]] == PARTS
    assert report["parts"][0]["value"]["distanceMm"] > 0
    bay = next(iter(street.ask("GET", "/control/boards")))
    street.ask("POST", f"/control/boards/{bay['bay']}", {"command": "carArrives"})
    until("the lamp is red", lambda: lamp(street) == "red")

    # And back.
    answer = machine.invoke("reset")
    assert answer["status"] == 200, answer
    machine.until_it_is("stock")
    assert machine.group() == stock

    secrets = {
        "the stock's key": dps.ask("GET", f"/groups/{stock}/keys")["primaryKey"],
        "the stock's second key": dps.ask("GET", f"/groups/{stock}/keys")["secondaryKey"],
        "the project's key": dps.ask("GET", f"/groups/{project}/keys")["primaryKey"],
        "the device's stock key": stock_key,
        "the device's project key": project_key,
        "the hub's key": street.ready["serviceConnectionString"].partition("SharedAccessKey=")[2],
        "the wrong key": "not base64 at all",
        "the portal's PIN": machine.board["portalPin"],
    }
    said = everything_it_said(street, tmp_path / "state")
    assert "registered" in said["log"], "the log tells nothing, so its silence proves nothing"
    for where, text in said.items():
        for what, secret in secrets.items():
            # Whoever may control the street may open the bays' own pages.
            if (where, what) != ("/control/bays", "the portal's PIN"):
                assert secret not in text, f"{what} is in {where}"
        assert not re.search(r"SharedAccessSignature sr=|SharedAccessKey=[A-Za-z0-9+/]{8}", text), f"a credential is in {where}"
    street.end()


def lamp(street):
    [entry] = street.ask("GET", "/control/boards")
    return entry["board"]["lamp"]["colour"]
