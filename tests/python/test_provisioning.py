"""The official SDK registers with the simulated Device Provisioning Service, and connects to the hub it is given."""

import http.server
import json
import threading

import pytest
from azure.iot.device.exceptions import ClientError, CredentialError

from certificates import DAY, Certificate
from provisioning import Provisioning, new_id
from sdk import CLIENTS, Client
from simulator import Refused, Simulator, bodies, free_address


@pytest.fixture
def provisioning(simulator):
    return Provisioning(simulator)


@pytest.fixture
def connect(simulator):
    """Connects to the hub that a registration named, as an application goes on."""
    clients = []

    def connect(assigned, key=None, certificate=None):
        kind = CLIENTS["device", "sync"]
        state = assigned.registration_state
        settings = {"server_verification_cert": simulator.ca}
        if key is not None:
            made = kind.create_from_symmetric_key(key, state.assigned_hub, state.device_id, **settings)
        else:
            from azure.iot.device import X509

            made = kind.create_from_x509_certificate(X509(*certificate), state.assigned_hub, state.device_id, **settings)
        clients.append(Client(made).connect())
        return clients[-1]

    yield connect
    for client in clients:
        client.shut_down()


def events(simulator, device_id, count):
    from simulator import Device

    device = Device(simulator, {"deviceId": device_id, "connectionString": "", "modules": []})
    return bodies(device.events(count))


def refusal(error):
    """What the service said: the SDK wraps it."""
    return str(error.value) + str(error.value.__cause__)


def test_a_device_registers_with_its_key(simulator, provisioning, connect, flavour, transport):
    device = provisioning.enroll()
    key = provisioning.key(device)
    websockets = transport == "websocket"
    assigned = provisioning.client(flavour, device, key, websockets=websockets).register()
    assert assigned.status == "assigned"
    assert assigned.registration_state.device_id == device
    assert assigned.registration_state.assigned_hub == simulator.host
    assert assigned.registration_state.sub_status == "initialAssignment"
    connect(assigned, key).send("hello")
    assert events(simulator, device, 1) == ["hello"]


def test_a_secondary_key_registers_too(provisioning):
    device = provisioning.enroll()
    key = provisioning.key(device, "secondaryKey")
    assert provisioning.client("sync", device, key).register().status == "assigned"


def test_a_device_of_a_group_registers_with_its_derived_key(simulator, provisioning, connect, flavour):
    group = provisioning.group()
    device = new_id("r")
    key = provisioning.derived_key(group, device)
    assigned = provisioning.client(flavour, device, key).register()
    assert (assigned.status, assigned.registration_state.device_id) == ("assigned", device)
    connect(assigned, key).send("hello")
    assert events(simulator, device, 1) == ["hello"]
    assert provisioning.registration(device)["assignedHub"] == simulator.host


def test_a_device_registers_with_its_own_certificate(simulator, provisioning, connect, tmp_path, flavour):
    device = new_id("r")
    certificate = Certificate(device)
    pair = {"clientCertificates": {"primary": {"certificate": certificate.pem}}}
    provisioning.enroll(device, {"type": "x509", "x509": pair})
    files = certificate.write(tmp_path)
    assigned = provisioning.client(flavour, device, certificate=files).register()
    assert (assigned.status, assigned.registration_state.device_id) == ("assigned", device)
    connect(assigned, certificate=files).send("hello")
    assert events(simulator, device, 1) == ["hello"]


def test_a_device_of_a_group_registers_with_a_certificate_below_the_groups(simulator, provisioning, connect, tmp_path):
    root = Certificate("root", authority=True)
    intermediate = Certificate("plant 3", issuer=root, authority=True)
    device = new_id("r")
    certificate = Certificate(device, issuer=intermediate)
    provisioning.group(None, {"type": "x509", "x509": {"signingCertificates": {"primary": {"certificate": root.pem}}}})
    files = certificate.write(tmp_path)
    assigned = provisioning.client("sync", device, certificate=files).register()
    assert (assigned.status, assigned.registration_state.device_id) == ("assigned", device)
    connect(assigned, certificate=files).send("hello")
    assert events(simulator, device, 1) == ["hello"]


@pytest.mark.parametrize("fault", ["stranger", "expired", "other name", "forged"])
def test_a_certificate_that_proves_nothing_is_refused(provisioning, tmp_path, fault):
    root = Certificate("root", authority=True)
    device = new_id("r")
    stranger = Certificate("root", authority=True)
    certificate = {
        "stranger": lambda: Certificate(device, issuer=Certificate("stranger", authority=True)),
        "expired": lambda: Certificate(device, issuer=root, age=40 * DAY),
        "other name": lambda: Certificate(new_id("r"), issuer=root),
        # Signed by another key under the authority's own name.
        "forged": lambda: Certificate(device, issuer=stranger),
    }[fault]()
    provisioning.group(None, {"type": "x509", "x509": {"signingCertificates": {"primary": {"certificate": root.pem}}}})
    with pytest.raises(ClientError) as error:
        provisioning.client("sync", device, certificate=certificate.write(tmp_path)).register()
    assert "401" in refusal(error)


def test_a_wrong_key_is_refused(simulator, provisioning, flavour):
    device, other = provisioning.enroll(), provisioning.enroll()
    with pytest.raises((ClientError, CredentialError)) as error:
        provisioning.client(flavour, device, provisioning.key(other)).register()
    assert "401" in refusal(error)
    [attempt] = provisioning.attempts(device)
    assert attempt["outcome"] == "refused"
    with pytest.raises(Refused) as error:
        simulator.ask("GET", f"/control/twins/{device}")
    assert error.value.status == 404


def test_the_groups_own_key_opens_nothing(provisioning):
    group = provisioning.group()
    key = provisioning.ask("GET", f"/groups/{group}/keys")["primaryKey"]
    with pytest.raises((ClientError, CredentialError)) as error:
        provisioning.client("sync", new_id("r"), key).register()
    assert "401" in refusal(error) or "404" in refusal(error)


def test_an_unknown_device_is_refused(provisioning):
    known = provisioning.enroll()
    with pytest.raises((ClientError, CredentialError)) as error:
        provisioning.client("sync", new_id("r"), provisioning.key(known)).register()
    assert "401" in refusal(error) or "404" in refusal(error)


def test_a_wrong_scope_is_refused(provisioning):
    device = provisioning.enroll()
    with pytest.raises((ClientError, CredentialError)) as error:
        provisioning.client("sync", device, provisioning.key(device), scope="0ne0BADBAD0").register()
    assert "401" in refusal(error) or "404" in refusal(error)


def test_a_disabled_device_is_refused_even_where_a_group_would_take_it(provisioning):
    device = new_id("r")
    group = provisioning.group()
    provisioning.enroll(device, provisioningStatus="disabled")
    for key in (provisioning.key(device), provisioning.derived_key(group, device)):
        with pytest.raises((ClientError, CredentialError)):
            provisioning.client("sync", device, key).register()
    assert all(attempt["outcome"] != "assigned" for attempt in provisioning.attempts(device))


def test_the_device_begins_with_what_its_enrolment_says(simulator, provisioning):
    device = provisioning.enroll(
        deviceId=new_id("pump"),
        capabilities={"iotEdge": True},
        initialTwin={"tags": {"site": "north"}, "properties": {"desired": {"interval": 10}}},
    )
    assigned = provisioning.client("sync", device, provisioning.key(device)).register({"modelId": "dtmi:cow:Pump;1"})
    id = assigned.registration_state.device_id
    assert id.startswith("pump")
    twin = simulator.ask("GET", f"/control/twins/{id}")
    assert twin["tags"] == {"site": "north"}
    assert twin["properties"]["desired"]["interval"] == 10
    [listed] = [entry for entry in simulator.ask("GET", "/control/devices") if entry["deviceId"] == id]
    assert listed["edge"]


def test_registering_again_keeps_the_twin_or_resets_it_as_the_enrolment_says(simulator, provisioning):
    for migrate, kept in [(True, 11), (False, 10)]:
        device = provisioning.enroll(
            reprovisionPolicy={"updateHubAssignment": True, "migrateDeviceData": migrate},
            initialTwin={"properties": {"desired": {"interval": 10}}},
        )
        key = provisioning.key(device)
        provisioning.client("sync", device, key).register()
        simulator.ask("PATCH", f"/control/twins/{device}", {"desired": {"interval": 11}})
        assert provisioning.client("sync", device, key).register().status == "assigned"
        twin = simulator.ask("GET", f"/control/twins/{device}")
        assert twin["properties"]["desired"]["interval"] == kept


@pytest.fixture
def webhook():
    """A back end's own allocation: remembers what it is asked, answers what a test wants."""
    asked = []

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_POST(self):
            asked.append(json.loads(self.rfile.read(int(self.headers["Content-Length"]))))
            body = json.dumps(server.answer).encode()
            self.send_response(server.status)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_):
            pass

    server = http.server.HTTPServer(("127.0.0.1", 0), Handler)
    server.status, server.answer, server.asked = 200, {}, asked
    server.url = f"http://127.0.0.1:{server.server_port}/allocate?code=s3cret"
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    yield server
    server.shutdown()
    thread.join()
    server.server_close()


def custom(webhook):
    definition = {"webhookUrl": webhook.url, "apiVersion": "2021-10-01"}
    return {"allocationPolicy": "custom", "customAllocationDefinition": definition}


def test_a_webhook_decides(simulator, provisioning, webhook):
    webhook.answer = {
        "iotHubHostName": simulator.host,
        "initialTwin": {"tags": {"by": "webhook"}},
        "payload": {"site": "north"},
    }
    device = provisioning.enroll(**custom(webhook))
    client = provisioning.client("sync", device, provisioning.key(device))
    assigned = client.register({"colour": "red"})
    assert json.loads(assigned.registration_state.response_payload) == {"site": "north"}
    assert simulator.ask("GET", f"/control/twins/{device}")["tags"] == {"by": "webhook"}
    [asked] = webhook.asked
    assert asked["deviceRuntimeContext"]["registrationId"] == device
    assert asked["deviceRuntimeContext"]["payload"] == {"colour": "red"}
    assert asked["linkedHubs"] == [simulator.host]
    assert asked["individualEnrollment"]["registrationId"] == device
    assert provisioning.key(device) not in json.dumps(asked)


def test_a_webhook_that_fails_fails_the_registration(provisioning, webhook):
    webhook.status, webhook.answer = 500, {"error": "no"}
    device = provisioning.enroll(**custom(webhook))
    with pytest.raises(ClientError):
        provisioning.client("sync", device, provisioning.key(device)).register()
    assert provisioning.registration(device)["status"] == "failed"
    assert provisioning.registration(device)["errorCode"] > 400_000


def test_what_was_assigned_survives_a_kill(kept_simulator):
    provisioning = Provisioning(kept_simulator)
    group = provisioning.group()
    device = new_id("r")
    key = provisioning.derived_key(group, device)
    assert provisioning.client("sync", device, key).register().status == "assigned"
    kept_simulator.kill()
    kept_simulator.start()
    again = Provisioning(kept_simulator)
    assert again.scope == provisioning.scope
    assert again.registration(device)["status"] == "assigned"
    assert again.derived_key(group, device) == key
    assert kept_simulator.ask("GET", f"/control/twins/{device}")["deviceId"] == device
    kept_simulator.end()


def test_devices_are_spread_over_several_hubs_or_sent_to_one(tmp_path):
    north, south = free_address(), free_address()
    assert north != south
    with Simulator("--linked-hub", south, address=north) as simulator:
        provisioning = Provisioning(simulator)
        assert sorted(provisioning.ask("GET", "")["hubs"]) == sorted([north, south])
        sent = provisioning.enroll(allocationPolicy="static", iotHubHostName=south)
        key = provisioning.key(sent)
        assigned = provisioning.client("sync", sent, key).register()
        assert assigned.registration_state.assigned_hub == south
        settings = {"server_verification_cert": simulator.ca}
        client = Client(CLIENTS["device", "sync"].create_from_symmetric_key(key, south, sent, **settings)).connect()
        client.send("hello")
        client.shut_down()
        with pytest.raises(Refused):
            simulator.ask("GET", f"/control/twins/{sent}")
        simulator.end()
