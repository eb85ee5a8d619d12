"""What no SDK lets a test do: each refusal and each limit of the MQTT face, byte by byte."""

import contextlib
import json
import re
import select
import socket
import ssl
import struct
import time

import pytest

from simulator import BOUND, MQTT, bodies, until
from wire import (
    CONNACK,
    DISCONNECT,
    PING,
    PINGRESP,
    PUBACK,
    SUBACK,
    UNSUBACK,
    Identity,
    Wire,
    connect,
    packet,
    puback,
    publish,
    string,
    subscribe,
    tls,
    token,
    unsubscribe,
)

ACCEPTED, WRONG_CLIENT_ID, NOT_AUTHORIZED = 0, 2, 5


@pytest.fixture
def me(device):
    return Identity(device)


@pytest.fixture
def wire(simulator):
    with Wire(simulator) as wire:
        yield wire


@pytest.fixture
def inside(wire, me):
    """A connection that is let in."""
    wire.log_in(me)
    return wire


def answer_to(simulator, packets):
    """The return code of CONNACK, or None when the connection just ends."""
    with Wire(simulator) as wire:
        wire.send(packets)
        first, body = wire.next()
        assert first == CONNACK << 4
        if body[1] != ACCEPTED:
            assert body[0] == 0, "a refusal has no session"
            assert wire.until_closed() == []
        return body[1]


# Who is let in


@pytest.mark.parametrize("version", [ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3])
def test_both_versions_of_tls_are_spoken(simulator, me, version):
    with Wire(simulator, version) as wire:
        wire.log_in(me)
        assert wire.socket.version() == version.name.replace("_", ".")
        assert wire.is_alive()


def test_older_versions_of_tls_are_not(simulator):
    context = tls(simulator, ssl.TLSVersion.TLSv1_1)
    context.set_ciphers("ALL:@SECLEVEL=0")
    with socket.create_connection((simulator.address, MQTT), BOUND) as plain, pytest.raises(ssl.SSLError):
        context.wrap_socket(plain, server_hostname=simulator.host)


def test_connect_may_come_with_the_last_flight_of_the_handshake(simulator, me):
    to_server, to_client = ssl.MemoryBIO(), ssl.MemoryBIO()
    client = tls(simulator, ssl.TLSVersion.TLSv1_3).wrap_bio(to_client, to_server, server_hostname=simulator.host)
    with socket.create_connection((simulator.address, MQTT), BOUND) as plain:
        while True:
            try:
                client.do_handshake()
                break
            except ssl.SSLWantReadError:
                plain.sendall(to_server.read())
                to_client.write(plain.recv(65536))
        # What ends the handshake is still in hand: it goes in one segment with CONNECT, PUBLISH and PINGREQ.
        client.write(me.connect() + publish(me.events, b"early", 1) + PING)
        plain.sendall(to_server.read())
        received, expected = b"", bytes([0x20, 2, 0, 0, 0x40, 2, 0, 1, 0xD0, 0])
        while len(received) < len(expected):
            try:
                received += client.read()
            except ssl.SSLWantReadError:
                data = plain.recv(65536)
                assert data, received
                to_client.write(data)
    assert received == expected


def test_a_connection_may_come_in_pieces(simulator, wire, me):
    with Wire(simulator) as neighbour:
        neighbour.log_in(Identity(simulator.add_device()))
        for byte in me.connect() + publish(me.events, b"x", 7):
            wire.send(bytes([byte]))
            # By the time the neighbour has an answer, the byte was read on its own.
            assert neighbour.is_alive()
    wire.expect(CONNACK, bytes([0, 0]))
    wire.expect(PUBACK, struct.pack("!H", 7))


@pytest.mark.parametrize(
    "forms",
    [
        {},
        {"order": ("sig", "se", "sr")},
        {"order": ("se", "sr", "sig")},
        # Node's provisioning client and others leave the audience as it is, and sign that.
        {"signed_as": "{audience}"},
        {"signed_as": "{lower}"},
        # An old tool makes tokens for longer paths.
        {"signed_as": "{encoded}%2fapi-version=2016-11-14"},
        {"life": -240},
    ],
    ids=str,
)
def test_every_form_of_token_that_tools_make_is_accepted(simulator, me, forms):
    encoded = me.audience.replace("/", "%2F")
    if "signed_as" in forms:
        signed_as = forms["signed_as"].format(audience=me.audience, encoded=encoded, lower=encoded.lower())
        forms = forms | {"signed_as": signed_as}
    assert answer_to(simulator, me.connect(password=token(me.audience, me.key, **forms))) == ACCEPTED


def test_wrong_tokens_are_refused(simulator, device, me):
    other = Identity(simulator.add_device())
    for wrong in [
        None,
        "",
        "not a token",
        token(me.audience, other.key),
        token(other.audience, me.key),
        token(other.audience, other.key),
        token(me.audience, me.key, life=-330),
        token(f"elsewhere.azure-devices.net/devices/{device.id}", me.key),
        # The audience of a device whose id begins like this one's.
        token(f"{me.audience}x", me.key),
        token(f"{me.audience}/modules/m", me.key).replace("sr=", "sr=x"),
        token(me.audience, me.key).replace("&se=", "&se=9"),
        token(me.audience, me.key).rsplit("&", 1)[0],
        b"\xff\xfe",
    ]:
        assert answer_to(simulator, me.connect(password=wrong)) == NOT_AUTHORIZED, wrong


def test_wrong_user_names_are_refused(simulator, device, me):
    for wrong in [
        None,
        "",
        device.id,
        f"{me.host}/nobody/?api-version=2021-04-12",
        f"elsewhere.azure-devices.net/{device.id}/?api-version=2021-04-12",
        f"{me.host}/{device.id}/no/such/depth/?api-version=2021-04-12",
    ]:
        password = None if wrong is None else token(me.audience, me.key)
        assert answer_to(simulator, me.connect(user_name=wrong, password=password)) != ACCEPTED, wrong


def test_the_client_id_has_to_be_the_user_names_identity(simulator, me):
    assert answer_to(simulator, me.connect(client_id="somebody")) == WRONG_CLIENT_ID


def test_an_edge_devices_own_key_opens_its_modules(simulator):
    edge = simulator.add_device(edge=True, modules=["m1"])
    module, parent = Identity(edge, "m1"), Identity(edge)
    assert answer_to(simulator, module.connect(password=token(parent.audience, parent.key))) == ACCEPTED
    plain = simulator.add_device(modules=["m1"])
    module, parent = Identity(plain, "m1"), Identity(plain)
    assert answer_to(simulator, module.connect(password=token(parent.audience, parent.key))) == NOT_AUTHORIZED


def test_a_policy_of_the_hub_opens_any_device(simulator, me):
    key = re.search("SharedAccessKey=([^;]+)", simulator.ready["serviceConnectionString"])[1]
    assert answer_to(simulator, me.connect(password=token(me.host, key) + "&skn=iothubowner")) == ACCEPTED
    assert answer_to(simulator, me.connect(password=token(me.host, key) + "&skn=nobody")) == NOT_AUTHORIZED
    assert answer_to(simulator, me.connect(password=token(me.host, me.key) + "&skn=iothubowner")) == NOT_AUTHORIZED


def test_a_cut_link_answers_nothing(simulator, device, wire, me):
    device.pull(link="cut")
    assert wire.send(me.connect()).until_closed() == []
    device.pull(link="up")
    assert answer_to(simulator, me.connect()) == ACCEPTED


# Sessions


def test_a_session_is_there_from_the_first_subscription_until_a_clean_one(simulator, device, me):
    def session(*packets, **changed):
        with Wire(simulator) as wire:
            present = wire.log_in(me, **changed)
            for sent in packets:
                wire.send(sent)
                wire.next()
            wire.send(DISCONNECT).until_closed()
        device.until_connected(False)
        return present

    devicebound = f"devices/{device.id}/messages/devicebound/#"
    assert session() == 0
    assert session(subscribe(1, (devicebound, 1))) == 0
    assert session() == 1
    assert session(unsubscribe(2, devicebound)) == 1
    assert session(subscribe(3, (devicebound, 1))) == 0
    assert session(clean=True) == 0
    assert session() == 0


def test_a_clean_session_forgets_subscriptions_and_keeps_the_queue(simulator, device, me):
    with Wire(simulator) as wire:
        wire.log_in(me)
        wire.send(subscribe(1, (f"devices/{device.id}/messages/devicebound/#", 1))).expect(SUBACK)
    device.until_connected(False)
    device.send("waits")
    with Wire(simulator) as wire:
        assert wire.log_in(me, clean=True) == 0
        assert wire.is_alive()
        wire.send(subscribe(1, (f"devices/{device.id}/messages/devicebound/#", 1)))
        wire.expect(SUBACK, bytes([0, 1, 1]))
        assert wire.message()[1] == b"waits"


def test_a_second_connection_ends_the_first(simulator, me):
    with Wire(simulator) as first, Wire(simulator) as second:
        first.log_in(me)
        second.log_in(me)
        assert first.until_closed() == []
        assert second.is_alive()


# Subscriptions and deliveries


@pytest.mark.parametrize(("asked", "granted"), [(0, 0), (1, 1), (2, 1)])
def test_suback_says_what_is_granted(inside, device, asked, granted):
    filters = [f"devices/{device.id}/messages/devicebound/#", "$iothub/methods/POST/#", "$iothub/twin/res/#"]
    inside.send(subscribe(513, *((name, asked) for name in filters)))
    inside.expect(SUBACK, bytes([2, 1, granted, granted, granted]))


@pytest.mark.parametrize(
    "wanted", ["#", "devices/#", "devices/somebody/messages/devicebound/#", "$SYS/#", "a", "$iothub/#/x"]
)
def test_a_foreign_filter_ends_the_connection(inside, wanted):
    assert inside.send(subscribe(1, (wanted, 1))).until_closed() == []


def test_an_unsubscribed_client_hears_nothing_more(inside, device):
    inside.send(subscribe(1, ("$iothub/twin/PATCH/properties/desired/#", 1))).expect(SUBACK)
    device.desire({"a": 1})
    assert inside.message()[0] == "$iothub/twin/PATCH/properties/desired/?$version=2"
    inside.send(unsubscribe(2, "$iothub/twin/PATCH/properties/desired/#")).expect(UNSUBACK, bytes([0, 2]))
    device.desire({"a": 2})
    assert inside.is_alive()


def test_a_message_from_the_cloud_comes_again_until_it_is_acknowledged(simulator, device, me):
    device.send("first", line="3")
    device.send("second")
    devicebound = f"devices/{device.id}/messages/devicebound/"
    with Wire(simulator) as wire:
        wire.log_in(me)
        wire.send(subscribe(1, (devicebound + "#", 1))).expect(SUBACK)
        topic, body, first_id, duplicate = wire.message()
        assert (body, duplicate) == (b"first", False)
        assert topic.startswith(f"{devicebound}%24.to=%2Fdevices%2F{device.id}%2Fmessages%2FdeviceBound&")
        assert topic.endswith("&line=3")
        _, body, second_id, duplicate = wire.message()
        assert (body, duplicate) == (b"second", False)
        # Only the second: the first stays.
        wire.send(puback(second_id))
        assert wire.is_alive()
        assert first_id != second_id
    device.until_connected(False)
    with Wire(simulator) as wire:
        assert wire.log_in(me) == 1
        _, body, packet_id, duplicate = wire.message()
        assert (body, duplicate) == (b"first", True)
        wire.send(puback(packet_id))
        assert wire.is_alive()
    device.until_connected(False)
    with Wire(simulator) as wire:
        wire.log_in(me)
        assert wire.is_alive()


def test_an_input_message_comes_again_until_it_is_acknowledged(simulator):
    edge = simulator.add_device(edge=True, modules=["sensor", "alarm"])
    edge.route(near='FROM /messages/modules/sensor/* INTO BrokeredEndpoint("/modules/alarm/inputs/near")')
    sensor, alarm = Identity(edge, "sensor"), Identity(edge, "alarm")
    with Wire(simulator) as wire:
        wire.log_in(sensor)
        for number in (1, 2):
            wire.send(publish(f"{sensor.events}%24.on=o&a=b", b"%d" % number, number)).expect(PUBACK)
    inputs = f"devices/{edge.id}/modules/alarm/inputs/#"
    with Wire(simulator) as wire:
        wire.log_in(alarm)
        wire.send(subscribe(1, (inputs, 1))).expect(SUBACK)
        topic, body, _, duplicate = wire.message()
        assert topic.startswith(f"devices/{edge.id}/modules/alarm/inputs/near/")
        assert {"a=b", f"%24.cdid={edge.id}", "%24.cmid=sensor"} <= set(topic.rsplit("/", 1)[1].split("&"))
        assert (body, duplicate) == (b"1", False)
        # One at a time: the second waits for the first.
        assert wire.is_alive()
    edge.until_connected(False, module="alarm")
    with Wire(simulator) as wire:
        wire.log_in(alarm)
        _, body, packet_id, duplicate = wire.message()
        assert (body, duplicate) == (b"1", True)
        wire.send(puback(packet_id))
        _, body, packet_id, duplicate = wire.message()
        assert (body, duplicate) == (b"2", False)
        wire.send(puback(packet_id))
        assert wire.is_alive()


def test_twins_and_methods_are_answered_on_the_topics_of_the_hub(inside, device):
    inside.send(subscribe(1, ("$iothub/twin/res/#", 0), ("$iothub/methods/POST/#", 0))).expect(SUBACK)
    for request in (b"", b" "):
        inside.send(publish("$iothub/twin/GET/?$rid=7c1e", request))
        topic, body, packet_id, _ = inside.message()
        assert (topic, packet_id) == ("$iothub/twin/res/200/?$rid=7c1e", None)
        assert json.loads(body) == {"desired": {"$version": 1}, "reported": {"$version": 1}}
    inside.send(publish("$iothub/twin/PATCH/properties/reported/?$rid=a", b'{"x": 1}'))
    assert inside.message()[:2] == ("$iothub/twin/res/204/?$rid=a&$version=2", b"")
    inside.send(publish("$iothub/twin/PATCH/properties/reported/?$rid=b", b'{"x": '))
    topic, body, _, _ = inside.message()
    assert topic == "$iothub/twin/res/400/?$rid=b"
    error = json.loads(body)
    assert error["errorCode"] == 400004 and error["message"] and error["trackingId"]
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{7}Z", error["timestampUtc"])


# Publishing


def test_topics_of_every_sdk_are_understood(inside, me, device):
    topics = [
        me.events.rstrip("/"),
        me.events,
        me.events + "a=b",
        me.events + "a=b/",
        me.events + "$.mid=raw&a=b",
        me.events + "%24.mid=m&a=b%26c&empty=&null",
    ]
    for number, topic in enumerate(topics, 1):
        inside.send(publish(topic, b"x", number)).expect(PUBACK, struct.pack("!H", number))
    events = device.events(len(topics))
    properties = [event["properties"] for event in events]
    assert properties == [{}, {}, {"a": "b"}, {"a": "b"}, {"a": "b"}, {"a": "b&c", "empty": "", "null": None}]
    assert events[4]["systemProperties"]["messageId"] == "raw"
    assert events[5]["systemProperties"]["messageId"] == "m"


def test_acknowledgements_come_in_order_for_a_batch(inside, me, device):
    inside.send(*(publish(me.events, b"%d" % n, n) for n in range(1, 501)))
    for number in range(1, 501):
        inside.expect(PUBACK, struct.pack("!H", number))
    assert bodies(device.events(500)) == list(range(1, 501))


def test_qos_0_is_taken_without_a_word(inside, me, device):
    inside.send(publish(me.events, b"quietly"), PING).expect(PINGRESP)
    assert bodies(device.events(1)) == ["quietly"]


def test_a_duplicate_is_taken_and_acknowledged(inside, me, device):
    inside.send(publish(me.events, b"again", 5), publish(me.events, b"again", 5, duplicate=True))
    inside.expect(PUBACK, bytes([0, 5]))
    inside.expect(PUBACK, bytes([0, 5]))
    assert bodies(device.events(2)) == ["again", "again"]


def test_a_retained_message_is_marked_and_not_kept(inside, me, device):
    inside.send(publish(me.events + "a=b", b"x", 1, retain=True)).expect(PUBACK)
    assert device.events(1)[0]["properties"] == {"a": "b", "mqtt-retain": "true"}


def test_qos_2_ends_the_connection(inside, me, device):
    inside.send(publish(me.events, b"once", 1, qos=2))
    assert inside.until_closed() == []
    assert device.so_far() == []


@pytest.mark.parametrize(
    "topic",
    [
        "anything",
        "devices/somebody/messages/events/",
        "$iothub/twin/GET/nothing",
        "$iothub/methods/POST/x/?$rid=1",
        "devices/+/messages/events/",
        "$iothub/twin/PATCH/properties/desired/?$rid=1",
    ],
)
def test_an_unknown_topic_ends_the_connection(inside, me, device, topic):
    inside.send(publish(me.events, b"before", 1), publish(topic, b"x", 2))
    assert inside.until_closed() == [(PUBACK << 4, bytes([0, 1]))]
    assert bodies(device.so_far()) == ["before"]


def test_a_message_may_have_256_kib_with_its_properties_and_no_more(simulator, me, device):
    room = (256 << 10) - len("name") - len("value")
    for size, fits in [(room, True), (room + 1, False), (1 << 20, False)]:
        with Wire(simulator) as wire:
            wire.log_in(me)
            with contextlib.suppress(ConnectionError):
                wire.send(publish(me.events + "name=value", b"x" * size, 1))
            if fits:
                wire.expect(PUBACK)
            else:
                assert wire.until_closed() == []
    assert [len(event["body"]) for event in device.so_far()] == [room]


def test_a_will_is_telemetry_when_the_connection_just_ends(simulator, me, device):
    will = (me.events + "a=b", "gone")
    with Wire(simulator) as wire:
        wire.log_in(me, will=will)
        wire.send(DISCONNECT).until_closed()
    device.until_connected(False)
    with Wire(simulator) as wire:
        wire.log_in(me, will=will)
    [event] = device.events(1)
    assert event["body"] == "gone"
    assert event["properties"] == {"a": "b", "iothub-MessageType": "Will"}


# What is no MQTT


def test_malformed_packets_end_the_connection(simulator, me):
    for sent in [
        packet(0x00),
        packet(0xF0),
        packet(0x30),
        packet(0x32, string(me.events)),
        packet(0x32, string(me.events) + b"\0\0"),
        packet(0x36, string(me.events) + b"\0\1"),
        packet(0x80, struct.pack("!H", 1) + string("$iothub/twin/res/#") + b"\0"),
        packet(0x82, struct.pack("!H", 1)),
        packet(0x82, struct.pack("!H", 1) + string("$iothub/twin/res/#") + b"\3"),
        packet(0x30, string(b"\xff\xfe")),
        packet(0x30, b"\xff\xff"),
        b"\x30\xff\xff\xff\xff\x01",
        packet(0x20, b"\0\0"),
        packet(0x90, b"\0\1\0"),
        packet(0xD0),
        packet(0x62, b"\0\1"),
        me.connect(),
    ]:
        with Wire(simulator) as wire:
            wire.log_in(me)
            wire.send(sent)
            assert wire.until_closed(5) == [], sent


def test_what_does_not_begin_with_connect_is_closed(simulator, me):
    for sent in [
        PING,
        publish(me.events, b"x", 1),
        b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n",
        packet(0x10, string("MQTT") + b"\4"),
        connect("x", name="XTTM"),
        me.connect()[:1] + b"\xff\xff\xff\xff\x7f",
    ]:
        with Wire(simulator) as wire:
            wire.send(sent)
            assert wire.until_closed(5) == [], sent


@pytest.mark.parametrize("level", [3, 5])
def test_other_versions_of_mqtt_are_not_spoken(simulator, me, level):
    with Wire(simulator) as wire:
        wire.send(me.connect(level=level))
        packets = wire.until_closed()
        # The standard allows CONNACK 1 before closing.
        assert packets in ([], [(CONNACK << 4, bytes([0, 1]))])


def test_a_plain_connection_is_not_spoken_to(simulator, me):
    with socket.create_connection((simulator.address, MQTT), BOUND) as plain:
        plain.sendall(me.connect())
        received = b""
        with contextlib.suppress(ConnectionResetError):
            while data := plain.recv(4096):
                received += data
        # At most a TLS alert.
        assert received[:1] in (b"", b"\x15")


# Time and load


def test_silence_ends_a_connection_after_one_and_a_half_keep_alives(simulator, device, me):
    with Wire(simulator) as quiet, Wire(simulator) as busy:
        quiet.log_in(me, keep_alive=1)
        busy.log_in(Identity(simulator.add_device()), keep_alive=1)
        begun = time.monotonic()
        while not select.select([quiet.socket], [], [], 0.5)[0]:
            assert busy.is_alive()
            assert time.monotonic() - begun < 5
        assert quiet.until_closed() == []
        assert 1.4 < time.monotonic() - begun < 3
        assert busy.is_alive()
    device.until_connected(False)


def test_a_token_that_ends_ends_its_connection(simulator, device, me):
    with Wire(simulator) as wire:
        # Tokens end with a second; this one has less than one left.
        until("a second is young", lambda: time.time() % 1 < 0.2)
        wire.log_in(me, password=token(me.audience, me.key, life=1))
        assert wire.until_closed() == []
        assert time.time() % 1 < 0.5


def test_a_flood_without_reading_is_bounded_and_disturbs_nobody(simulator, me, device):
    before = simulator.resident_bytes()
    with Wire(simulator, receive_buffer=4096) as flood, Wire(simulator) as neighbour:
        flood.log_in(me)
        flood.send(subscribe(1, ("$iothub/twin/res/#", 0)))
        neighbour.log_in(Identity(simulator.add_device()))
        device.desire({str(n): "x" * 3000 for n in range(9)})
        # Each of these asks for 27 KB; what is asked and not fetched must not pile up, so the hub stops reading, or
        # ends the connection.
        requests = publish("$iothub/twin/GET/?$rid=1") * 1000
        flood.socket.settimeout(0.2)
        slowest, deadline = 0, time.monotonic() + BOUND
        with pytest.raises((TimeoutError, ConnectionError, ssl.SSLError)):
            while time.monotonic() < deadline:
                flood.socket.sendall(requests)
                begun = time.monotonic()
                assert neighbour.is_alive()
                slowest = max(slowest, time.monotonic() - begun)
        assert neighbour.is_alive()
        assert slowest < 1
        assert simulator.resident_bytes() - before < 24 << 20


def test_a_flood_of_messages_without_reading_is_bounded(simulator, me):
    before = simulator.resident_bytes()
    with Wire(simulator, receive_buffer=4096) as flood, Wire(simulator) as neighbour:
        flood.log_in(me)
        neighbour.log_in(Identity(simulator.add_device()))
        messages = b"".join(publish(me.events, b"", n) for n in range(1, 2001))
        flood.socket.settimeout(1)
        with contextlib.suppress(TimeoutError, ConnectionError, ssl.SSLError):
            for _ in range(100):
                flood.socket.sendall(messages)
        assert neighbour.is_alive()
        # Beside what the hub's log may keep of the messages themselves.
        assert simulator.resident_bytes() - before < 48 << 20


def test_a_hundred_strangers_cost_nobody_anything(simulator, me):
    with contextlib.ExitStack() as open_sockets:
        for _ in range(100):
            open_sockets.enter_context(socket.create_connection((simulator.address, MQTT), BOUND))
        with Wire(simulator) as wire:
            wire.log_in(me)
            assert wire.is_alive()


def test_connections_that_end_are_forgotten(simulator, me, device):
    for _ in range(50):
        with Wire(simulator) as wire:
            wire.log_in(me)
    device.until_connected(False)
    assert answer_to(simulator, me.connect()) == ACCEPTED
