"""The Event Hubs-compatible endpoint, read by the official consumer as back ends read it."""

import datetime
import json

import certifi
import pytest
from azure.eventhub import TransportType
from azure.eventhub.exceptions import AuthenticationError, ConnectError, EventHubError
from azure.iot.device import Message
from azure.iot.hub import IoTHubRegistryManager

from events import Consumer
from sdk import CLIENTS, Client
from simulator import until


@pytest.fixture
def flavour(request):
    """Of the consumer. The sync one is an application of the same protocol code, and slow, so that not every test
    asks it too."""
    return getattr(request, "param", "async")


sync = pytest.mark.parametrize("flavour", ["sync"], indirect=True)
both = pytest.mark.parametrize("flavour", ["sync", "async"], indirect=True)


@pytest.fixture
def consume(simulator, flavour):
    consumers = []

    def consume(**settings):
        consumers.append(Consumer(simulator, flavour, **settings))
        return consumers[-1]

    yield consume
    for consumer in consumers:
        consumer.close()


@pytest.fixture
def send(device, open_client):
    """Sends texts as the device and waits until the hub has them."""
    client = open_client(device.connection_string).connect()

    def send(*texts):
        for text in texts:
            client.send(text)

    return send


@pytest.fixture
def transport():
    """Of the devices: how they send is not what this is about."""
    return "mqtt"


def partition_of(consumer, device):
    """Where a device's newest event is."""
    [(partition, _)] = consumer.receive().of(device, 1)
    return partition


@both
def test_the_event_hub_tells_of_itself_and_its_partitions(consume):
    consumer = consume()
    told = consumer.ask("get_eventhub_properties")
    assert told["eventhub_name"] == "iothub-ehub-events"
    assert told["partition_ids"] == ["0", "1", "2", "3"]
    assert told["created_at"] <= datetime.datetime.now(datetime.timezone.utc)
    for partition in told["partition_ids"]:
        assert consumer.ask("get_partition_properties", partition)["id"] == partition
    with pytest.raises(ConnectError):
        consumer.ask("get_partition_properties", "4")


@both
def test_an_event_has_what_the_device_sent_and_what_the_hub_knows(consume, device, open_client):
    client = open_client(device.connection_string).connect()
    message = Message('{"distanceMm": 742}', content_encoding="utf-8", content_type="application/json")
    message.message_id = "m1"
    message.correlation_id = "c1"
    message.user_id = "u1"
    message.custom_properties = {"kind": "occupancy", "k&=/ +": "v/+ %", "empty": ""}
    client.send(message)
    stored = device.events(1)[0]
    [(_, event)] = consume().receive().of(device, 1)
    assert event.body_as_json() == {"distanceMm": 742}
    assert event.message_id == "m1"
    assert event.correlation_id == "c1"
    assert event.content_type == "application/json"
    assert event.properties == {name.encode(): value.encode() for name, value in message.custom_properties.items()}
    system = event.system_properties
    assert system[b"iothub-connection-device-id"] == device.id.encode()
    assert b"iothub-connection-module-id" not in system
    assert system[b"iothub-message-source"] == b"Telemetry"
    assert system[b"content-encoding"] == b"utf-8"
    assert system[b"user-id"] == b"u1"
    assert system[b"iothub-connection-auth-generation-id"]
    method = json.loads(system[b"iothub-connection-auth-method"])
    assert method == {"scope": "device", "type": "sas", "issuer": "iothub", "acceptingIpFilterRule": None}
    enqueued = datetime.datetime.fromisoformat(stored["enqueuedTime"])
    assert event.enqueued_time == enqueued.replace(microsecond=enqueued.microsecond // 1000 * 1000)


def test_a_module_is_named(consume, simulator, open_client):
    device = simulator.add_device(modules=["sensor"])
    client = open_client(device.module_connection_string("sensor")).connect()
    client.send("hello")
    [(_, event)] = consume().receive().of(device, 1)
    assert event.system_properties[b"iothub-connection-module-id"] == b"sensor"
    assert json.loads(event.system_properties[b"iothub-connection-auth-method"])["scope"] == "module"


def test_a_device_s_events_come_in_order_from_one_partition(consume, device, send):
    send(*map(str, range(50)))
    taken = consume().receive().of(device, 50)
    assert [event.body_as_str() for _, event in taken] == [str(number) for number in range(50)]
    assert len({partition for partition, _ in taken}) == 1
    offsets = [int(event.offset) for _, event in taken]
    assert offsets == sorted(set(offsets))
    numbers = [event.sequence_number for _, event in taken]
    assert numbers == sorted(set(numbers))


@both
def test_events_arrive_as_they_are_sent(consume, device, send):
    consumer = consume()
    send("0")
    stream = consumer.receive()
    assert stream.bodies_of(device, 1) == ["0"]
    for number in range(1, 6):
        send(str(number))
        assert stream.bodies_of(device, 1) == [str(number)]


def test_a_body_may_be_large_or_empty_or_any_bytes(consume, device, send):
    send(Message(b"\x00\xff\xfe"), Message(""), "x" * (255 << 10), "last")
    taken = [b"".join(event.body) for _, event in consume().receive().of(device, 4)]
    assert taken == [b"\x00\xff\xfe", b"", b"x" * (255 << 10), b"last"]


def test_reading_goes_on_where_a_reader_says(consume, device, send):
    send("a", "b", "c")
    consumer = consume()
    taken = consumer.receive().of(device, 3)
    (partition, first), (_, second), _ = taken
    for position, inclusive, expected in [
        (first.offset, False, ["b", "c"]),
        (first.offset, True, ["a", "b", "c"]),
        (second.sequence_number, False, ["c"]),
        (second.sequence_number, True, ["b", "c"]),
        (first.enqueued_time - datetime.timedelta(milliseconds=1), False, ["a", "b", "c"]),
        (first.enqueued_time, True, ["a", "b", "c"]),
    ]:
        stream = consumer.receive(
            partition_id=partition, starting_position=position, starting_position_inclusive=inclusive
        )
        assert stream.bodies_of(device, len(expected)) == expected, position
        consumer.stop()


def test_a_reader_of_the_latest_gets_only_what_comes_after(simulator, consume, device, send):
    consumer = consume()
    send("before")
    partition = partition_of(consumer, device)
    stream = consumer.receive(
        partition_id=partition, starting_position="@latest", track_last_enqueued_event_properties=True
    )
    # Nothing tells a reader that it is attached, so it is sent to until the first arrives.
    sent = []

    def arrived():
        sent.append(f"after {len(sent)}")
        send(sent[-1])
        return not stream.events.none_yet()

    until("an event for the reader of the latest", arrived)
    [(_, event)] = stream.of(device, 1)
    assert event.body_as_str() in sent


def test_every_group_gets_every_event(consume, device, send):
    send("a", "b")
    for group in ["$Default", "billing", "Billing_2"]:
        assert consume(group=group).receive().bodies_of(device, 2) == ["a", "b"], group


def test_a_partition_tells_how_far_it_has_come(consume, device, send):
    send("a", "b")
    consumer = consume()
    (partition, first), (_, last) = consumer.receive(track_last_enqueued_event_properties=True).of(device, 2)
    told = consumer.ask("get_partition_properties", partition)
    assert not told["is_empty"]
    assert told["beginning_sequence_number"] <= first.sequence_number
    assert told["last_enqueued_sequence_number"] >= last.sequence_number == first.sequence_number + 1
    assert int(told["last_enqueued_offset"]) >= int(last.offset)
    assert told["last_enqueued_time_utc"] >= last.enqueued_time
    tracked = last._last_enqueued_event_properties or last.system_properties
    assert tracked


@sync
def test_a_place_that_is_not_there_yet_is_refused(consume, device, send):
    send("a")
    consumer = consume()
    partition = partition_of(consumer, device)
    stream = consumer.receive(partition_id=partition, starting_position="123456789")
    error = stream.errors.next()
    assert isinstance(error, EventHubError)
    assert "The supplied offset '123456789' is invalid" in str(error)


def test_an_owner_with_a_higher_level_takes_a_partition_over(consume, device, send):
    send("a")
    consumer = consume(group="owners")
    partition = partition_of(consumer, device)
    common = consumer.receive(partition_id=partition)
    assert common.bodies_of(device, 1) == ["a"]
    first = consumer.receive(partition_id=partition, owner_level=1)
    assert first.bodies_of(device, 1) == ["a"]
    assert "higher epoch of '1'" in str(common.errors.next())
    second = consume(group="owners").receive(partition_id=partition, owner_level=2)
    assert second.bodies_of(device, 1) == ["a"]
    assert "higher epoch of '2'" in str(first.errors.next())
    late = consume(group="owners").receive(partition_id=partition, owner_level=1)
    assert "higher epoch '2' already exists" in str(late.errors.next())
    send("b")
    assert second.bodies_of(device, 1) == ["b"]


# The sync client asks its web socket again and again, with pauses: it takes half a minute to say the same.
def test_over_web_sockets_too(consume, device, send):
    send("a")
    consumer = consume(transport_type=TransportType.AmqpOverWebsocket)
    assert consumer.ask("get_eventhub_properties")["partition_ids"] == ["0", "1", "2", "3"]
    assert consumer.receive().bodies_of(device, 1) == ["a"]


@pytest.mark.parametrize(
    "change",
    [
        ("SharedAccessKey=", "SharedAccessKey=AAAA"),
        ("SharedAccessKeyName=service", "SharedAccessKeyName=device"),
        ("SharedAccessKeyName=service", "SharedAccessKeyName=unknown"),
    ],
)
def test_a_wrong_key_opens_nothing(simulator, consume, change):
    consumer = consume(connection_string=simulator.ready["eventHubConnectionString"].replace(*change))
    with pytest.raises(AuthenticationError):
        consumer.ask("get_eventhub_properties")


def test_another_event_hub_is_not_found(simulator, consume):
    known = simulator.ready["eventHubConnectionString"]
    consumer = consume(connection_string=known.replace("EntityPath=iothub-ehub-events", "EntityPath=another"))
    with pytest.raises(EventHubError):
        consumer.ask("get_eventhub_properties")


def test_numbers_go_on_after_a_kill(kept_simulator):
    device = kept_simulator.add_device()
    seen = []
    for text in ["a", "b", "c"]:
        client = Client(
            CLIENTS["device", "sync"].create_from_connection_string(
                device.connection_string, server_verification_cert=kept_simulator.ca
            )
        )
        client.connect().send(text)
        client.shut_down()
        with Consumer(kept_simulator, "async") as consumer:
            taken = consumer.receive().of(device, len(seen) + 1)
        events = [(event.offset, event.sequence_number, event.body_as_str()) for _, event in taken]
        assert events[:-1] == seen
        seen = events
        kept_simulator.kill()
        kept_simulator.start()
    assert [number for _, number, _ in seen] == [0, 1, 2]


def test_a_back_end_s_message_reaches_the_device(simulator, device, open_client, monkeypatch):
    # The service's SDK trusts certifi's file and has no setting for another.
    monkeypatch.setattr(certifi, "where", lambda: simulator.ca_file)
    registry = IoTHubRegistryManager.from_connection_string(simulator.ready["serviceConnectionString"])
    properties = {"lane": "3", "contentType": "text/plain", "messageId": "m1", "iothub-ack": "full"}
    registry.send_c2d_message(device.id, "open the gate", properties=properties)
    client = open_client(device.connection_string).connect().take_messages()
    message = client.messages.next()
    assert message.data == b"open the gate"
    assert message.custom_properties == {"lane": "3"}
    assert (message.message_id, message.content_type, message.ack) == ("m1", "text/plain", "full")
    with pytest.raises(Exception, match="C2D message send failure"):
        registry.send_c2d_message("nobody", "open the gate")
