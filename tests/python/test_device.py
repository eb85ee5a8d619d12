"""A device with the official SDK: messages both ways, methods and twins."""

import concurrent.futures
import uuid

import pytest
from azure.iot.device import Message
from azure.iot.device.exceptions import ClientError, ServiceError

from simulator import BOUND, Refused, bodies


def test_a_message_keeps_body_and_properties(device, open_client):
    client = open_client(device.connection_string).connect()
    message = Message('{"distanceMm": 742}', content_encoding="utf-8", content_type="application/json")
    message.message_id = str(uuid.uuid4())
    message.correlation_id = "a/b c+d"
    message.user_id = "ué"
    message.custom_properties = {"kind": "occupancy", "k&=/ +": "v/+ %", "empty": "", "ü": "–"}
    client.send(message)
    [event] = device.events(1)
    assert event["body"] == {"distanceMm": 742}
    assert event["properties"] == message.custom_properties
    system = event["systemProperties"]
    assert system["messageId"] == message.message_id
    assert system["correlationId"] == message.correlation_id
    assert system["userId"] == message.user_id
    assert system["contentType"] == "application/json"
    assert system["contentEncoding"] == "utf-8"
    assert system["connectionDeviceId"] == device.id
    assert event["moduleId"] is None


def test_a_body_may_be_any_bytes(device, open_client):
    client = open_client(device.connection_string).connect()
    client.send(Message(b"\x00\xff\xfe"))
    client.send(Message(""))
    client.send(Message("x" * (255 << 10)))
    binary, empty, large = device.events(3)
    assert binary["bodyBase64"] == "AP/+"
    assert empty["body"] == ""
    assert large["body"] == "x" * (255 << 10)


def test_messages_arrive_once_and_in_the_order_they_were_sent(device, open_client):
    client = open_client(device.connection_string).connect()
    for number in range(100):
        client.send(f"{number}")
    assert bodies(device.events(100)) == list(range(100))


def test_messages_sent_at_once_arrive_once(device, open_client):
    client = open_client(device.connection_string).connect()
    # More than the SDK has under way; it gives them no order among themselves.
    for sending in [client.begin("send_message", f"{number}") for number in range(100)]:
        sending.result(BOUND)
    assert sorted(bodies(device.so_far())) == list(range(100))


def test_a_message_from_the_cloud_keeps_body_and_properties(device, open_client):
    client = open_client(device.connection_string).connect().take_messages()
    sent = device.send("open the gate", lane="3", **{"a b&=": "c/d+%"})
    message = client.messages.next()
    assert message.data == b"open the gate"
    assert message.message_id == sent
    assert message.custom_properties == {"lane": "3", "a b&=": "c/d+%"}


def test_messages_from_the_cloud_wait_for_a_device_that_was_never_there(device, open_client):
    for number in range(5):
        device.send(f"{number}")
    client = open_client(device.connection_string).connect().take_messages()
    assert [message.data for message in client.messages.take(5)] == [b"0", b"1", b"2", b"3", b"4"]


def test_a_message_from_the_cloud_is_delivered_once(device, open_client):
    client = open_client(device.connection_string).connect().take_messages()
    device.send("first")
    assert client.messages.next().data == b"first"
    client.disconnect()
    device.send("second")
    client.connect()
    device.send("third")
    # Had the first come again, it would have come before these.
    assert [message.data for message in client.messages.take(2)] == [b"second", b"third"]


def test_only_so_many_messages_wait_for_a_device(simulator, device):
    for number in range(50):
        device.send(f"{number}")
    with pytest.raises(Refused) as refused:
        device.send("one too many")
    assert refused.value.code == 403004


def test_a_method_is_answered(device, open_client):
    client = open_client(device.connection_string).connect()
    client.answer_methods(lambda name, payload: (201, {"did": name, "with": payload}))
    answer = device.invoke("setLight", {"colour": "red", "forSeconds": [1, 2.5, None]})
    payload = {"did": "setLight", "with": {"colour": "red", "forSeconds": [1, 2.5, None]}}
    assert answer == {"status": 201, "payload": payload}


@pytest.mark.parametrize("payload", [None, 17, "text", [], False])
def test_a_method_takes_any_json(device, open_client, payload):
    client = open_client(device.connection_string).connect()
    client.answer_methods(lambda _, payload: (200, {"got": payload}))
    assert device.invoke("echo", payload) == {"status": 200, "payload": {"got": payload}}


def test_a_method_may_answer_nothing(device, open_client):
    client = open_client(device.connection_string).connect()
    client.answer_methods(lambda *_: (404, None))
    assert device.invoke("nothing") == {"status": 404, "payload": None}


def test_a_method_waits_for_the_device_to_come(device, open_client):
    client = open_client(device.connection_string)
    with concurrent.futures.ThreadPoolExecutor() as pool:
        call = pool.submit(device.invoke, "book", 1, connect=20)
        client.connect().answer_methods(lambda _, payload: (200, payload))
        assert call.result() == {"status": 200, "payload": 1}


def test_a_method_of_a_device_that_is_not_there_or_does_not_listen_fails_at_once(device, open_client):
    with pytest.raises(Refused) as offline:
        device.invoke("book")
    assert (offline.value.status, offline.value.code) == (404, 404103)
    open_client(device.connection_string).connect()
    with pytest.raises(Refused) as deaf:
        device.invoke("book")
    assert (deaf.value.status, deaf.value.code) == (404, 404103)


# Five seconds is the shortest time-out a service may give, so once is enough.
@pytest.mark.parametrize(("flavour", "transport"), [("sync", "mqtt")])
def test_a_method_without_an_answer_times_out(device, open_client):
    client = open_client(device.connection_string).connect().answer_methods(lambda *_: None)
    with pytest.raises(Refused) as silent:
        device.invoke("book", response=5)
    assert (silent.value.status, silent.value.code) == (504, 504101)
    assert client.methods.next().name == "book"


def test_a_twin_is_read_and_reported(device, open_client):
    device.desire({"interval": 10, "nested": {"a": 1, "b": [1, {"c": True}]}})
    client = open_client(device.connection_string).connect()
    twin = client.twin()
    assert twin["desired"] == {"interval": 10, "nested": {"a": 1, "b": [1, {"c": True}]}, "$version": 2}
    assert twin["reported"] == {"$version": 1}
    client.report({"interval": {"value": 10, "ac": 200, "av": 2}, "gone": "soon", "kept": 1.5})
    client.report({"gone": None, "interval": {"ad": "taken"}})
    expected = {"interval": {"value": 10, "ac": 200, "av": 2, "ad": "taken"}, "kept": 1.5}
    assert client.twin()["reported"] == expected | {"$version": 3}
    assert device.reported() == expected
    assert device.twin()["properties"]["reported"]["$version"] == 3


def test_desired_patches_arrive_in_order(device, open_client):
    client = open_client(device.connection_string).connect().take_patches()
    for number in range(5):
        device.desire({"number": number})
    device.desire({"number": None, "nested": {"a": {"b": "c"}}})
    assert client.patches.take(5) == [{"number": n, "$version": n + 2} for n in range(5)]
    assert client.patches.next() == {"number": None, "nested": {"a": {"b": "c"}}, "$version": 7}


@pytest.mark.parametrize("patch", [{"$bad": 1}, {"a.b": 1}, {"big": "x" * 5000}, {"number": 1 << 60}])
def test_a_reported_patch_that_breaks_a_rule_is_refused(device, open_client, patch):
    client = open_client(device.connection_string).connect()
    with pytest.raises(ClientError) as refused:
        client.report(patch)
    assert isinstance(refused.value.__cause__, ServiceError)
    client.report({"fine": 1})
    assert device.reported() == {"fine": 1}


def test_devices_with_plug_and_play_models_connect(device, open_client):
    client = open_client(device.connection_string, product_info="dtmi:com:example:Thermostat;1").connect()
    client.send("with a model")
    assert bodies(device.events(1)) == ["with a model"]


def test_devices_hear_nothing_of_each_other(simulator, device, open_client):
    other = simulator.add_device()
    mine = open_client(device.connection_string).connect().take_messages().take_patches()
    theirs = open_client(other.connection_string).connect().take_messages().take_patches()
    other.send("theirs")
    other.desire({"whose": "theirs"})
    device.send("mine")
    device.desire({"whose": "mine"})
    assert mine.messages.next().data == b"mine"
    assert mine.patches.next()["whose"] == "mine"
    assert theirs.messages.next().data == b"theirs"
    assert theirs.patches.next()["whose"] == "theirs"
