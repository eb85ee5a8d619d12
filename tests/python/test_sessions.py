"""What must survive renewals, cuts, take-overs and restarts, and who is not let in at all."""

import base64
import hashlib
import hmac
import re
import time
import types
import urllib.parse

import pytest
from azure.iot.device.exceptions import CredentialError
from azure.iot.device.iothub import abstract_clients

from sdk import CLIENTS, Client
from simulator import BOUND, bodies, until


def firsts(found):
    """Each body where it came first: what is sent with QoS 1 may come again."""
    return list(dict.fromkeys(found))


def everywhere(device, client):
    """Checks that a client is heard and hears, in each of the ways it can."""
    mark = f"mark {time.monotonic_ns()}"
    client.send(mark)
    device.events_until(mark, lambda events: mark in bodies(events))
    device.send(mark)
    assert client.messages.until(lambda message: message.data.decode() == mark)
    device.desire({"mark": mark})
    assert client.patches.until(lambda patch: patch.get("mark") == mark)
    client.report({"mark": mark})
    assert client.twin()["reported"]["mark"] == mark
    assert device.invoke("mark", mark) == {"status": 200, "payload": mark}


def test_a_token_is_renewed_and_nothing_subscribed_is_lost(device, open_client):
    # The SDK renews 120 s before the end.
    client = open_client(device.connection_string, sastoken_ttl=121).listen()
    client.until_reconnected()
    everywhere(device, client)
    assert client.faults.none_yet()


def test_an_expired_token_ends_the_connection_and_the_next_one_hears_everything(device, open_client):
    client = open_client(device.connection_string).listen()
    device.pull(expireTokens=True)
    client.until_reconnected()
    everywhere(device, client)


def test_a_cut_link_loses_neither_message_nor_patch(device, open_client):
    client = open_client(device.connection_string).listen()
    everywhere(device, client)
    device.pull(link="cut")
    client.until_connected(False)
    device.desire({"number": 1})
    device.desire({"number": 2})
    for number in range(3):
        device.send(f"to the device {number}")
    sending = {body: client.begin("send_message", body) for body in [f"to the hub {n}" for n in range(3)]}
    device.pull(link="up")
    client.until_connected()
    for body in sending:
        client.finish(sending[body], body)
    arrived = [message.data.decode() for message in client.messages.take(3)]
    assert arrived == [f"to the device {number}" for number in range(3)]
    # The SDK sees that it missed versions, and hands the application the whole section.
    assert client.patches.until(lambda patch: patch.get("number") == 2)[-1]["$version"] == 4
    at_the_hub = device.events_until("all three", lambda events: len(set(bodies(events))) == 4)
    assert set(bodies(at_the_hub)[1:]) == {f"to the hub {number}" for number in range(3)}
    everywhere(device, client)


def test_messages_sent_while_connections_end_all_arrive_in_order(device, open_client):
    client = open_client(device.connection_string).listen()

    for number in range(40):
        sending = client.begin("send_message", f"{number}")
        if number % 10 == 5:
            device.pull(expireTokens=True)
        client.finish(sending, f"{number}")
    arrived = device.events_until("all", lambda events: len(set(bodies(events))) == 40)
    assert firsts(bodies(arrived)) == list(range(40))


def test_a_dropped_acknowledgement_makes_the_sdk_send_again(device, open_client):
    client = open_client(device.connection_string).listen()
    device.pull(dropNextAck=True)
    sent = client.begin("send_message", "once more")
    device.events(1)
    assert not sent.done()
    device.pull(expireTokens=True)
    client.finish(sent, "once more")
    assert bodies(device.events(2)) == ["once more", "once more"]


def test_acknowledgements_can_be_delayed(device, open_client):
    client = open_client(device.connection_string).listen()
    device.pull(delayAcksMs=300)
    begun = time.monotonic()
    client.send("slowly")
    assert 0.3 <= time.monotonic() - begun < 2
    device.pull(delayAcksMs=0)
    client.send("quickly")
    assert bodies(device.events(2)) == ["slowly", "quickly"]


def test_a_second_connection_ends_the_first(device, open_client):
    # Two that reconnect would fight for ever, here as at the real hub.
    first = open_client(device.connection_string, connection_retry=False, auto_connect=False).listen()
    second = open_client(device.connection_string, connection_retry=False).listen()
    first.until_connected(False)
    everywhere(device, second)
    assert second.sdk.connected and not first.sdk.connected


def test_a_removed_device_is_ended_and_not_let_in_again(device, open_client):
    client = open_client(device.connection_string, connection_retry=False).listen()
    device.remove()
    client.until_connected(False)
    with pytest.raises(CredentialError):
        client.connect()


def test_a_disabled_device_is_ended_and_let_in_when_enabled(device, open_client):
    client = open_client(device.connection_string, connection_retry=False).listen()
    device.enable(False)
    client.until_connected(False)
    with pytest.raises(CredentialError):
        client.connect()
    device.enable(True)
    everywhere(device, open_client(device.connection_string).listen())


def test_a_refused_token_is_a_credential_error_and_passes(device, open_client):
    device.pull(refuseTokens=True)
    client = open_client(device.connection_string)
    with pytest.raises(CredentialError):
        client.connect()
    device.pull(refuseTokens=False)
    everywhere(device, open_client(device.connection_string).listen())


def test_a_wrong_key_is_refused(simulator, device, open_client):
    other = simulator.add_device()
    wrong = re.sub(r"DeviceId=[^;]+", f"DeviceId={device.id}", other.connection_string)
    with pytest.raises(CredentialError):
        open_client(wrong).connect()
    assert not device.is_connected()


def test_an_unknown_device_is_refused(device, open_client):
    unknown = re.sub(r"DeviceId=[^;]+", "DeviceId=nobody", device.connection_string)
    with pytest.raises(CredentialError):
        open_client(unknown).connect()


def token(audience, key, life=3600):
    expiry = int(time.time()) + life
    audience = urllib.parse.quote(audience, safe="")
    digest = hmac.digest(base64.b64decode(key), f"{audience}\n{expiry}".encode(), hashlib.sha256)
    signature = urllib.parse.quote(base64.b64encode(digest), safe="")
    return f"SharedAccessSignature sr={audience}&sig={signature}&se={expiry}"


@pytest.mark.parametrize(
    ("hub", "accepted"),
    [("{host}", True), ("elsewhere.azure-devices.net", False)],
)
def test_a_token_for_another_hub_is_refused(simulator, device, flavour, transport, hub, accepted):
    key = re.search(r"SharedAccessKey=([^;]+)", device.connection_string)[1]
    audience = f"{hub.format(host=simulator.host)}/devices/{device.id}"
    client = Client(
        CLIENTS["device", flavour].create_from_sastoken(
            token(audience, key),
            gateway_hostname=simulator.host,
            server_verification_cert=simulator.ca,
            websockets=transport == "websocket",
        )
    )
    try:
        if accepted:
            client.connect()
        else:
            with pytest.raises(CredentialError):
                client.connect()
    finally:
        client.shut_down()


@pytest.mark.parametrize(("life", "accepted"), [(-240, True), (-330, False)])
def test_an_expired_token_is_refused_after_the_allowed_skew(
    simulator, device, flavour, transport, monkeypatch, life, accepted
):
    key = re.search(r"SharedAccessKey=([^;]+)", device.connection_string)[1]
    expired = token(f"{simulator.host}/devices/{device.id}", key, life)
    # A device whose clock is an hour behind; with a right one the SDK would not take the token itself.
    monkeypatch.setattr(abstract_clients, "time", types.SimpleNamespace(time=lambda: time.time() - 3600))
    client = Client(
        CLIENTS["device", flavour].create_from_sastoken(
            expired, server_verification_cert=simulator.ca, websockets=transport == "websocket"
        )
    )
    try:
        if accepted:
            client.connect()
        else:
            with pytest.raises(CredentialError):
                client.connect()
    finally:
        client.shut_down()


def test_a_token_an_application_made_is_replaced_by_another(simulator, device, flavour):
    key = re.search(r"SharedAccessKey=([^;]+)", device.connection_string)[1]
    audience = f"{simulator.host}/devices/{device.id}"
    sdk = CLIENTS["device", flavour].create_from_sastoken(
        token(audience, key, life=121), server_verification_cert=simulator.ca
    )
    client = Client(sdk)
    wanted = []
    sdk.on_new_sastoken_required = client._handler(lambda: wanted.append(True))
    client.listen()
    until("the SDK asks for a token", lambda: wanted)
    client.call("update_sastoken", token(audience, key))
    client.until_reconnected()
    everywhere(device, client)
    client.shut_down()


def test_a_killed_simulator_keeps_what_it_acknowledged_and_who_listens(kept_simulator, flavour):
    simulator = kept_simulator
    device = simulator.add_device()
    sdk = CLIENTS["device", flavour].create_from_connection_string(
        device.connection_string, server_verification_cert=simulator.ca, connection_retry_interval=1
    )
    client = Client(sdk).listen()
    client.report({"before": True})
    for number in range(20):
        client.send(f"{number}")
    simulator.kill()
    client.until_connected(False)
    simulator.start()
    client.until_connected()
    # The SDK does not subscribe again; that it still hears is the hub's doing.
    everywhere(device, client)
    assert bodies(device.events(20)) == list(range(20))
    assert client.twin()["reported"]["before"] is True
    client.shut_down()
    simulator.end()
