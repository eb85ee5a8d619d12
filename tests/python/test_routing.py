"""The hub's message routing, seen by the official consumer at endpoints of the hub's own making."""

import json
import subprocess

import certifi
import pytest
from azure.eventhub.exceptions import EventHubError
from azure.iot.device import Message
from azure.iot.hub import IoTHubRegistryManager
from azure.iot.hub.models import Twin, TwinProperties

from events import Consumer
from sdk import CLIENTS, Client
from simulator import Refused, Simulator, cow

SOURCES = [
    "DeviceMessages",
    "TwinChangeEvents",
    "DeviceLifecycleEvents",
    "DeviceConnectionStateEvents",
    "DigitalTwinChangeEvents",
]
MODEL = "dtmi:com:example:Thermostat;1"


def route(name, source, endpoint, condition="true"):
    names = {"name": name, "source": source, "endpointNames": [endpoint]}
    return names | {"condition": condition, "isEnabled": True}


ROUTING = {
    "endpoints": {"eventHubs": [{"name": "all"}, {"name": "alarms", "connectionString": "Endpoint=sb://elsewhere/"}]},
    "routes": [route(source, source, "all") for source in SOURCES]
    + [route("alarms", "DeviceMessages", "alarms", "$body.level > 5 AND $twin.tags.floor = 'roof'")],
    "fallbackRoute": {"source": "DeviceMessages", "endpointNames": ["events"], "isEnabled": True},
    "enrichments": [
        {"key": "floor", "value": "$twin.tags.floor", "endpointNames": ["all", "alarms"]},
        {"key": "hub", "value": "$iothubname", "endpointNames": ["all"]},
    ],
}


@pytest.fixture(scope="module")
def routing_file(tmp_path_factory):
    file = tmp_path_factory.mktemp("routing") / "routing.json"
    file.write_text(json.dumps(ROUTING))
    return file


@pytest.fixture(scope="module")
def routed(routing_file):
    with Simulator("--routing", routing_file) as simulator:
        yield simulator
        simulator.end()


@pytest.fixture
def consume():
    consumers = []

    def consume(simulator, endpoint):
        connection_string = simulator.ready["customEventHubConnectionStrings"][endpoint]
        consumers.append(Consumer(simulator, "async", connection_string=connection_string))
        return consumers[-1]

    yield consume
    for consumer in consumers:
        consumer.close()


@pytest.fixture
def registry(routed, monkeypatch):
    # The service's SDK trusts certifi's file and has no setting for another.
    monkeypatch.setattr(certifi, "where", lambda: routed.ca_file)
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", routed.ca_file)
    return IoTHubRegistryManager.from_connection_string(routed.ready["serviceConnectionString"])


def connected(simulator, device, kind="device", **settings):
    settings = {"server_verification_cert": simulator.ca} | settings
    connection_string = device if isinstance(device, str) else device.connection_string
    return Client(CLIENTS[kind, "sync"].create_from_connection_string(connection_string, **settings)).connect()


def properties(event):
    return {name.decode(): value.decode() for name, value in event.properties.items()}


def system(event, name):
    value = event.system_properties.get(name.encode())
    return value.decode() if value is not None else None


def of_source(stream, device, source, operation=None):
    """The device's next event of a source."""
    while True:
        [(_, event)] = stream.of(device, 1)
        told = properties(event).get("opType")
        if system(event, "iothub-message-source") == source and operation in (None, told):
            return event


def test_a_device_is_told_of_from_its_making_to_its_end(routed, consume, registry):
    stream = consume(routed, "all").receive()
    device = routed.add_device()
    made = of_source(stream, device, "deviceLifecycleEvents")
    own = properties(made)
    assert own.pop("operationTimestamp").endswith("Z")
    assert own == {
        "hubName": routed.host,
        "deviceId": device.id,
        "iothub-message-schema": "deviceLifecycleNotification",
        "opType": "createDeviceIdentity",
        # A path that is not there stays as it is written.
        "floor": "$twin.tags.floor",
        "hub": routed.host,
    }
    assert made.content_type == "application/json"
    assert made.correlation_id
    assert system(made, "content-encoding") == "utf-8"
    assert system(made, "user-id") == routed.host
    assert system(made, "iothub-connection-device-id") == device.id
    assert system(made, "iothub-connection-auth-method") is None
    body = made.body_as_json()
    assert (body["deviceId"], body["version"]) == (device.id, 1)
    assert body["properties"]["reported"]["$version"] == 1

    client = connected(routed, device)
    came = of_source(stream, device, "deviceConnectionStateEvents")
    assert properties(came)["opType"] == "deviceConnected"
    assert properties(came)["iothub-message-schema"] == "deviceConnectionStateNotification"

    client.send(Message("hello"))
    message = of_source(stream, device, "Telemetry")
    assert message.body_as_str() == "hello"
    assert json.loads(system(message, "iothub-connection-auth-method"))["scope"] == "device"

    twin = registry.update_twin(device.id, Twin(tags={"floor": "roof"}, properties=TwinProperties(desired={"a": {"b": 1}})))
    changed = of_source(stream, device, "twinChangeEvents")
    assert properties(changed)["opType"] == "updateTwin"
    assert properties(changed)["iothub-message-schema"] == "twinChangeNotification"
    assert properties(changed)["floor"] == "roof"
    body = changed.body_as_json()
    assert body["version"] == twin.version
    assert body["tags"] == {"floor": "roof"}
    assert body["properties"]["desired"]["a"] == {"b": 1}
    assert body["properties"]["desired"]["$version"] == twin.properties.desired["$version"]
    stamps = body["properties"]["desired"]["$metadata"]["a"]["b"]
    assert stamps == twin.properties.desired["$metadata"]["a"]["b"]

    client.report({"level": 7})
    reported = of_source(stream, device, "twinChangeEvents").body_as_json()
    assert reported["properties"]["reported"]["level"] == 7
    assert "desired" not in reported["properties"]

    registry.replace_twin(device.id, Twin(tags={"floor": "cellar"}, properties=TwinProperties(desired={"c": 1})))
    replaced = of_source(stream, device, "twinChangeEvents")
    assert properties(replaced)["opType"] == "replaceTwin"
    assert replaced.body_as_json()["tags"] == {"floor": "cellar"}
    assert replaced.body_as_json()["properties"]["reported"]["level"] == 7

    client.shut_down()
    left = of_source(stream, device, "deviceConnectionStateEvents")
    assert properties(left)["opType"] == "deviceDisconnected"
    numbers = [event.body_as_json()["sequenceNumber"] for event in (came, left)]
    assert [len(number) for number in numbers] == [64, 64] and numbers[0] < numbers[1]

    registry.delete_device(device.id)
    gone = of_source(stream, device, "deviceLifecycleEvents")
    assert properties(gone)["opType"] == "deleteDeviceIdentity"
    assert gone.body_as_json()["tags"] == {"floor": "cellar"}

    # None of it but the message is for the built-in endpoint, and that had a route of its own.
    assert device.so_far() == []


def test_a_module_is_told_of_by_name(routed, consume, registry):
    stream = consume(routed, "all").receive()
    device = routed.add_device(modules=["sensor"])
    made = of_source(stream, device, "deviceLifecycleEvents", "createModuleIdentity")
    assert properties(made)["moduleId"] == "sensor"
    assert properties(made)["iothub-message-schema"] == "moduleLifecycleNotification"
    assert system(made, "iothub-connection-module-id") == "sensor"
    client = connected(routed, device.module_connection_string("sensor"), "module")
    came = of_source(stream, device, "deviceConnectionStateEvents")
    assert (properties(came)["opType"], properties(came)["moduleId"]) == ("moduleConnected", "sensor")
    client.shut_down()
    registry.delete_module(device.id, "sensor")
    gone = of_source(stream, device, "deviceLifecycleEvents")
    assert properties(gone)["opType"] == "deleteModuleIdentity"


def test_a_device_with_a_model_is_told_of_in_its_words(routed, consume):
    stream = consume(routed, "all").receive()
    device = routed.add_device()
    client = connected(routed, device, product_info=MODEL)
    client.report({"maxTempSinceLastReboot": 10.96})
    twin = of_source(stream, device, "twinChangeEvents")
    digital = of_source(stream, device, "digitalTwinChangeEvents")
    client.shut_down()
    assert digital.content_type == "application/json-patch+json"
    assert digital.correlation_id == twin.correlation_id
    assert properties(digital)["iothub-message-schema"] == "digitalTwinChangeNotification"
    # Digital twin changes are not enriched.
    assert "floor" not in properties(digital)
    metadata, value = digital.body_as_json()
    assert (metadata["op"], metadata["path"]) == ("add", "/$metadata/maxTempSinceLastReboot")
    assert list(metadata["value"]) == ["lastUpdateTime"]
    assert value == {"op": "add", "path": "/maxTempSinceLastReboot", "value": 10.96}


def test_conditions_decide_and_each_endpoint_gets_a_message_once(routed, consume):
    device = routed.add_device()
    routed.ask("PATCH", f"/control/twins/{device.id}", {"tags": {"floor": "roof"}})
    client = connected(routed, device)
    for level in [1, 6]:
        client.send(Message(json.dumps({"level": level}), content_encoding="utf-8", content_type="application/json"))
    client.send(Message('{"level": 9}'))
    client.shut_down()
    alarms = consume(routed, "alarms")
    told = alarms.ask("get_eventhub_properties")
    assert (told["eventhub_name"], told["partition_ids"]) == ("alarms", ["0", "1", "2", "3"])
    stream = alarms.receive()
    [(partition, event)] = stream.of(device, 1)
    assert event.body_as_json() == {"level": 6}
    assert properties(event) == {"floor": "roof"}
    assert alarms.ask("get_partition_properties", partition)["last_enqueued_sequence_number"] >= event.sequence_number
    all_of_them = consume(routed, "all").receive()
    assert [of_source(all_of_them, device, "Telemetry").body_as_str() for _ in range(3)] == [
        '{"level": 1}',
        '{"level": 6}',
        '{"level": 9}',
    ]
    assert stream.events.none_yet()


def test_what_no_route_takes_falls_back(simulator):
    """A simulator of nobody's making has no routes: only messages arrive, at the built-in endpoint."""
    device = simulator.add_device()
    simulator.ask("PATCH", f"/control/twins/{device.id}", {"tags": {"floor": "roof"}})
    client = connected(simulator, device)
    client.report({"level": 1})
    client.send("hello")
    client.shut_down()
    device.until_connected(False)
    [event] = device.so_far()
    assert event["systemProperties"]["iothub-message-source"] == "Telemetry"


def test_an_endpoint_s_numbers_go_on_after_a_kill(routing_file, tmp_path, consume):
    with Simulator("--state", tmp_path / "state", "--routing", routing_file) as simulator:
        device = simulator.add_device()
        seen = []
        for text in ["a", "b"]:
            client = connected(simulator, device)
            client.send(text)
            client.shut_down()
            stream = consume(simulator, "all").receive()
            events = []
            while not events or events[-1].body_as_str() != text:
                events += [event for _, event in stream.of(device, 1)]
            told = [(event.sequence_number, event.offset, event.body_as_str()) for event in events]
            assert told[: len(seen)] == seen
            seen = told
            simulator.kill()
            simulator.start()
        numbers = [number for number, _, _ in seen]
        assert numbers == list(range(len(numbers)))


def test_an_endpoint_that_is_taken_away_lets_its_readers_go(tmp_path, routing_file, consume):
    with Simulator("--routing", routing_file) as simulator:
        consumer = consume(simulator, "alarms")
        stream = consumer.receive()
        device = simulator.add_device()
        simulator.ask("PATCH", f"/control/twins/{device.id}", {"tags": {"floor": "roof"}})
        client = connected(simulator, device)
        client.send(Message('{"level": 9}', content_encoding="utf-8", content_type="application/json"))
        client.shut_down()
        stream.of(device, 1)
        simulator.ask("PUT", "/control/routing", {})
        assert "'alarms' could not be found" in str(stream.errors.next())
        with pytest.raises(EventHubError):
            consumer.ask("get_eventhub_properties")


def test_a_route_is_tried_before_it_is_put(routed):
    wrong = {"routes": [route("hot", "DeviceMessages", "events", "$body.level >> 5")]}
    with pytest.raises(Refused, match="route hot.*1:14"):
        routed.ask("PUT", "/control/routing", wrong)
    message = {
        "body": '{"level": 6}',
        "systemProperties": {"contentType": "application/json", "contentEncoding": "utf-8"},
    }
    trial = {"message": message, "twin": {"tags": {"floor": "roof"}}, "routingSource": "DeviceMessages"}
    matched = routed.ask("POST", "/control/routing/test", trial)["routes"]
    assert [found["properties"]["name"] for found in matched] == ["DeviceMessages", "alarms"]
    answer = routed.ask("POST", "/control/routing/test", trial | {"route": wrong["routes"][0]})
    assert answer["result"] == "undefined"
    [error] = answer["details"]["compilationErrors"]
    assert error["location"]["start"] == {"line": 1, "column": 14}


def test_cow_monitors_an_endpoint_and_refuses_a_wrong_file(routed, tmp_path):
    device = routed.add_device()
    command = [cow(), "monitor", "--control", routed.ready["control"], "--json", "--from", "earliest", "--count", "1"]
    command += ["--timeout", "20", "--device", device.id, "--endpoint"]
    seen = subprocess.run([*command, "all"], capture_output=True, text=True)
    assert json.loads(seen.stdout)["properties"]["opType"] == "createDeviceIdentity", seen.stderr
    missing = subprocess.run([*command, "nowhere"], capture_output=True, text=True)
    assert missing.returncode == 1 and 'no endpoint "nowhere"' in missing.stderr
    wrong = tmp_path / "wrong.json"
    wrong.write_text(json.dumps({"routes": [route("hot", "DeviceMessages", "nowhere")]}))
    refused = subprocess.run([cow(), "sim", "--port-base", "0", "--routing", wrong], capture_output=True, text=True)
    assert refused.returncode == 1
    assert 'route hot): there is no endpoint "nowhere"' in refused.stderr
