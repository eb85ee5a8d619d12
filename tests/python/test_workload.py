"""Modules that get their identity from the Edge runtime: environment, workload socket, signed tokens, trust bundle."""

import base64
import contextlib
import hashlib
import hmac
import http.client
import json
import re
import socket
import ssl
from pathlib import Path

import pytest

from simulator import BOUND, Device, bodies


@pytest.fixture
def edge(edge_simulator):
    [credentials] = edge_simulator.ready["devices"]
    return Device(edge_simulator, credentials)


def environment(edge, module):
    """What the Edge runtime sets in a module's container."""
    return {
        "IOTEDGE_WORKLOADURI": edge.modules[module]["workloadUri"],
        "IOTEDGE_GATEWAYHOSTNAME": edge.simulator.ready["gatewayHostName"],
        "IOTEDGE_IOTHUBHOSTNAME": edge.simulator.ready["hubHostName"],
        "IOTEDGE_DEVICEID": edge.id,
        "IOTEDGE_MODULEID": module,
        "IOTEDGE_MODULEGENERATIONID": "1",
        "IOTEDGE_AUTHSCHEME": "sasToken",
        "IOTEDGE_APIVERSION": "2022-08-03",
    }


def test_a_module_starts_from_the_runtimes_environment(edge, open_module):
    sensor = open_module(environment(edge, "sensor")).connect()
    alarm = open_module(environment(edge, "alarm")).connect().take_messages()
    alarm.answer_methods(lambda name, payload: (200, [name, payload]))
    assert sensor.twin()["desired"]["reportEverySeconds"] == 10
    sensor.send_to("distance", "742")
    assert alarm.messages.next().data == b"742"
    assert "742" in map(str, bodies(edge.events(1)))
    assert sensor.invoke("sound", 3, edge.id, "alarm") == {"status": 200, "payload": ["sound", 3]}


def test_a_token_is_signed_again_before_it_ends(edge, open_module):
    alarm = open_module(environment(edge, "alarm"), sastoken_ttl=121).listen()
    alarm.until_reconnected()
    assert edge.invoke("still", "there", module="alarm") == {"status": 200, "payload": "there"}
    assert alarm.faults.none_yet()


def ask(edge, module, method, target, body=None):
    """Speaks to a module's workload socket as the daemon's clients do: no more headers than HTTP wants."""
    with contextlib.closing(http.client.HTTPConnection("localhost", timeout=BOUND)) as connection:
        connection.sock = socket.socket(socket.AF_UNIX)
        connection.sock.connect(edge.modules[module]["workloadUri"].removeprefix("unix://"))
        connection.request(method, target, body)
        response = connection.getresponse()
        return response.status, json.loads(response.read())


def test_a_module_has_its_own_data_signed(edge):
    data = b"hub%2Fdevices%2Fd%2Fmodules%2Fm\n1767225600"
    body = json.dumps({"keyId": "primary", "algo": "HMACSHA256", "data": base64.b64encode(data).decode()})
    status, answer = ask(edge, "sensor", "POST", "/modules/sensor/genid/1/sign?api-version=2018-06-28", body)
    assert status == 200
    key = re.search("SharedAccessKey=([^;]+)", edge.module_connection_string("sensor"))[1]
    digest = hmac.digest(base64.b64decode(key), data, hashlib.sha256)
    assert base64.b64decode(answer["digest"]) == digest


@pytest.mark.parametrize(
    ("target", "body", "expected"),
    [
        ("/modules/sensor/genid/1/sign?api-version=2022-08-03", '{"data": "not base64!"}', 400),
        ("/modules/sensor/genid/1/sign?api-version=2022-08-03", "{}", 422),
        ("/modules/sensor/genid/1/sign?api-version=1999-01-01", '{"data": "AA=="}', 400),
        ("/modules/sensor/genid/1/sign", '{"data": "AA=="}', 400),
        ("/modules/alarm/genid/1/sign?api-version=2022-08-03", '{"data": "AA=="}', 403),
        ("/modules/sensor/nothing?api-version=2022-08-03", "", 404),
    ],
)
def test_a_wrong_request_is_refused(edge, target, body, expected):
    status, answer = ask(edge, "sensor", "POST", target, body)
    assert status == expected
    assert answer["message"]


def test_a_module_may_serve_tls_with_a_certificate_of_the_runtime(edge, tmp_path):
    _, bundle = ask(edge, "sensor", "GET", "/trust-bundle?api-version=2022-08-03")
    assert bundle["certificate"] == edge.simulator.ca
    target = "/modules/sensor/genid/1/certificate/server?api-version=2022-08-03"
    request = {"commonName": "gate.example", "expiration": "2030-01-01T00:00:00Z"}
    status, issued = ask(edge, "sensor", "POST", target, json.dumps(request))
    assert status == 201 and issued["privateKey"]["type"] == "key"
    pem = tmp_path / "server.pem"
    pem.write_text(issued["privateKey"]["bytes"] + issued["certificate"])
    server = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    server.load_cert_chain(pem)
    for name in ["gate.example", "sensor"]:
        subject = handshake(server, ssl.create_default_context(cadata=bundle["certificate"]), name)
        assert (("commonName", "gate.example"),) in subject


def handshake(server_context, client_context, name):
    """Brings a TLS client and server together in memory; returns the subject of the certificate the client took."""
    to_server, to_client = ssl.MemoryBIO(), ssl.MemoryBIO()
    client = client_context.wrap_bio(to_client, to_server, server_hostname=name)
    server = server_context.wrap_bio(to_server, to_client, server_side=True)
    waiting = [client, server]
    while waiting:
        for side in list(waiting):
            with contextlib.suppress(ssl.SSLWantReadError):
                side.do_handshake()
                waiting.remove(side)
    return client.getpeercert()["subject"]


def test_sockets_are_their_owners_alone(edge):
    socket_path = Path(edge.modules["sensor"]["workloadUri"].removeprefix("unix://"))
    assert socket_path.parent.stat().st_mode & 0o077 == 0
