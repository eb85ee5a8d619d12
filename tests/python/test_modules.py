"""Modules with the official SDK: of a plain device, and behind the edge hub with inputs, outputs, methods and twins."""

import pytest
from azure.iot.device import Message
from azure.iot.device.exceptions import ClientError

from sdk import CLIENTS, Client
from simulator import BOUND, Refused, bodies

TO_HUB = "FROM /messages/* INTO $upstream"
TO_ALARM = 'FROM /messages/modules/sensor/outputs/distance INTO BrokeredEndpoint("/modules/alarm/inputs/near")'


@pytest.fixture
def edge(simulator):
    return simulator.add_device(edge=True, modules=["sensor", "alarm"])


def environment(device, module):
    """What development tools give a module that is not in a container."""
    return {
        "EdgeHubConnectionString": device.module_connection_string(module),
        "EdgeModuleCACertificateFile": device.simulator.ca_file,
    }


@pytest.fixture
def sensor(edge, open_module):
    return open_module(environment(edge, "sensor"))


@pytest.fixture
def alarm(edge, open_module):
    return open_module(environment(edge, "alarm"))


def json_message(text):
    return Message(text, content_encoding="utf-8", content_type="application/json")


def test_a_module_of_a_plain_device_speaks_to_the_hub(simulator, open_client):
    device = simulator.add_device(modules=["m1"])
    client = open_client(device.module_connection_string("m1")).connect().take_patches()
    client.answer_methods(lambda name, payload: (200, [name, payload]))
    client.send_to("out 1", "hello")
    [event] = device.events(1)
    assert (event["moduleId"], event["body"]) == ("m1", "hello")
    assert event["systemProperties"]["connectionModuleId"] == "m1"
    assert event["systemProperties"]["outputName"] == "out 1"
    device.desire({"a": 1}, module="m1")
    assert client.patches.next() == {"a": 1, "$version": 2}
    client.report({"b": 2})
    assert device.reported("m1") == {"b": 2} and device.reported() == {}
    assert device.invoke("name", 3, module="m1") == {"status": 200, "payload": ["name", 3]}


def test_an_output_reaches_inputs_and_hub_by_routes(edge, sensor, alarm):
    edge.route(
        near=TO_ALARM.replace(" INTO", " WHERE $body.distanceMm < 200 AND kind = 'echo' INTO"),
        up="FROM /messages/modules/sensor/outputs/distance WHERE is_defined(kind) INTO $upstream",
    )
    alarm.connect().take_messages()
    for kind, distance in [("echo", 900), ("noise", 100), (None, 100), ("echo", 150)]:
        message = json_message(f'{{"distanceMm": {distance}}}')
        if kind:
            message.custom_properties["kind"] = kind
        sensor.send_to("distance", message)
    sensor.send_to("elsewhere", "goes nowhere")
    arrived = alarm.messages.next()
    assert arrived.input_name == "near"
    assert arrived.data == b'{"distanceMm": 150}'
    assert arrived.content_type == "application/json"
    # The SDK hands the sender's identity to the application among its properties.
    properties = {"kind": "echo", "$.cdid": edge.id, "$.cmid": "sensor"}
    assert properties.items() <= arrived.custom_properties.items()
    at_the_hub = edge.events(3)
    assert [event["body"]["distanceMm"] for event in at_the_hub] == [900, 100, 150]
    assert {event["moduleId"] for event in at_the_hub} == {"sensor"}
    assert alarm.messages.none_yet()


def test_an_input_gets_every_message_once_and_in_order(edge, sensor, alarm):
    edge.route(near=TO_ALARM, up=TO_HUB)
    alarm.connect().take_messages()
    for number in range(50):
        sensor.send_to("distance", f"{number}")
    assert [int(message.data) for message in alarm.messages.take(50)] == list(range(50))
    assert bodies(edge.events(50)) == list(range(50))


def test_messages_wait_for_a_module_that_is_away(edge, sensor, alarm):
    edge.route(near=TO_ALARM)
    listening_alarm = alarm.connect().take_messages()
    sensor.send_to("distance", "0")
    assert listening_alarm.messages.next().data == b"0"
    alarm.disconnect()
    edge.until_connected(False, module="alarm")
    for number in range(1, 6):
        sensor.send_to("distance", f"{number}")
    alarm.connect()
    assert [message.data for message in alarm.messages.take(5)] == [b"1", b"2", b"3", b"4", b"5"]


def test_a_module_calls_a_module(edge, sensor, alarm):
    alarm.connect().answer_methods(lambda name, payload: (418, {"did": name, "with": payload}))
    answer = sensor.invoke("sound", {"seconds": 3}, edge.id, "alarm")
    assert answer == {"status": 418, "payload": {"did": "sound", "with": {"seconds": 3}}}


def test_a_module_calls_the_device_it_runs_on(edge, sensor, open_client):
    device = open_client(edge.connection_string).connect()
    device.answer_methods(lambda name, payload: (200, [name, payload]))
    assert sensor.invoke("restart", 1, edge.id) == {"status": 200, "payload": ["restart", 1]}


def test_a_call_to_a_module_that_is_away_fails(edge, sensor):
    with pytest.raises(ClientError) as away:
        sensor.invoke("sound", {}, edge.id, "alarm", connect=0)
    assert "404" in str(away.value.__cause__)
    with pytest.raises(ClientError) as unknown:
        sensor.invoke("sound", {}, edge.id, "nobody", connect=0)
    assert "404" in str(unknown.value.__cause__)


def test_a_call_waits_for_a_module_to_come(edge, sensor, alarm):
    request = {"methodName": "sound", "payload": 1, "responseTimeoutInSeconds": 5, "connectTimeoutInSeconds": 8}
    call = sensor.begin("invoke_method", request, edge.id, "alarm")
    alarm.connect().answer_methods(lambda _, payload: (200, payload))
    assert call.result(BOUND) == {"status": 200, "payload": 1}


@pytest.mark.parametrize(("flavour", "transport"), [("sync", "mqtt")])
def test_a_call_without_an_answer_times_out(edge, sensor, alarm):
    alarm.connect().answer_methods(lambda *_: None)
    with pytest.raises(ClientError) as silent:
        sensor.invoke("sound", {}, edge.id, "alarm", response=5)
    assert "504" in str(silent.value.__cause__)


def test_the_cloud_calls_a_module(edge, alarm):
    alarm.connect().answer_methods(lambda name, payload: (200, [name, payload]))
    assert edge.invoke("sound", 1, module="alarm") == {"status": 200, "payload": ["sound", 1]}


def test_a_module_has_a_twin(edge, alarm):
    edge.desire({"limit": 200}, module="alarm")
    alarm.connect().take_patches()
    assert alarm.twin()["desired"] == {"limit": 200, "$version": 2}
    alarm.report({"limit": {"value": 200, "ac": 200, "av": 2}})
    assert edge.reported("alarm") == {"limit": {"value": 200, "ac": 200, "av": 2}}
    edge.desire({"limit": None}, module="alarm")
    assert alarm.patches.next() == {"limit": None, "$version": 3}


def test_a_reported_change_can_be_routed(edge, sensor, alarm):
    edge.route(changes='FROM /twinChangeNotifications INTO BrokeredEndpoint("/modules/alarm/inputs/changes")')
    alarm.connect().take_messages()
    sensor.connect().report({"floorMm": 2400})
    arrived = alarm.messages.next()
    assert arrived.input_name == "changes"
    assert b'"floorMm":2400' in arrived.data


def test_a_cut_upstream_keeps_messages_and_delivers_them_in_order(edge, sensor, alarm):
    edge.route(near=TO_ALARM, up=TO_HUB)
    alarm.connect().take_messages().take_patches().answer_methods(lambda *_: (200, "here"))
    sensor.send_to("distance", "0")
    edge.events(1)
    edge.pull_upstream("cut")
    for number in range(1, 31):
        sensor.send_to("distance", f"{number}")
    # What is between modules goes on.
    assert [int(message.data) for message in alarm.messages.take(31)] == list(range(31))
    assert sensor.invoke("sound", {}, edge.id, "alarm")["payload"] == "here"
    alarm.report({"while": "cut"})
    assert alarm.twin()["reported"]["while"] == "cut"
    # What is the cloud's waits.
    assert bodies(edge.so_far()) == [0]
    assert edge.reported("alarm") == {}
    edge.desire({"limit": 1}, module="alarm")
    edge.desire({"limit": 2}, module="alarm")
    with pytest.raises(Refused) as unreachable:
        edge.invoke("sound", module="alarm")
    assert unreachable.value.code == 404103
    assert "limit" not in alarm.twin()["desired"]
    assert alarm.patches.none_yet()
    edge.pull_upstream("up")
    assert bodies(edge.events(31)) == list(range(31))
    assert alarm.patches.next() == {"limit": 2, "$version": 3}
    assert edge.reported("alarm") == {"while": "cut"}
    sensor.send_to("distance", "31")
    assert bodies(edge.events(32)) == list(range(32))


def test_a_module_survives_a_cut_link(edge, sensor, alarm):
    edge.route(near=TO_ALARM, up=TO_HUB)
    alarm.listen()
    sensor.listen()
    edge.pull("alarm", link="cut")
    alarm.until_connected(False)
    for number in range(5):
        sensor.send_to("distance", f"{number}")
    edge.desire({"limit": 5}, module="alarm")
    edge.pull("alarm", link="up")
    alarm.until_connected()
    assert [int(message.data) for message in alarm.messages.take(5)] == list(range(5))
    assert alarm.patches.until(lambda patch: patch.get("limit") == 5)
    assert edge.invoke("still", "there", module="alarm") == {"status": 200, "payload": "there"}
    edge.pull("sensor", expireTokens=True)
    sensor.finish(sensor.begin("send_message_to_output", "5", "distance"), "5", "distance")
    assert alarm.messages.next().data == b"5"


def test_wrong_routes_are_refused_and_the_ones_before_stay(edge, sensor):
    edge.route(up=TO_HUB)
    edge.route(up="FROM /messages/* WHERE as_number( INTO $upstream")
    assert edge.reported("$edgeHub")["lastDesiredStatus"]["code"] == 400
    sensor.connect().send_to("distance", "still routed")
    assert bodies(edge.events(1)) == ["still routed"]
    edge.route(up=TO_HUB)
    assert edge.reported("$edgeHub")["lastDesiredStatus"]["code"] == 200


def test_the_edge_hub_reports_who_is_connected(edge, alarm):
    alarm.connect()
    assert edge.reported("$edgeHub")["clients"][f"{edge.id}/alarm"]["status"] == "Connected"
    alarm.disconnect()
    edge.until_connected(False, module="alarm")
    assert edge.reported("$edgeHub")["clients"][f"{edge.id}/alarm"]["status"] == "Disconnected"


def test_a_killed_edge_hub_keeps_what_it_acknowledged(kept_simulator, flavour, monkeypatch):
    simulator = kept_simulator
    edge = simulator.add_device(edge=True, modules=["sensor"])
    edge.route(up=TO_HUB)
    for name, value in environment(edge, "sensor").items():
        monkeypatch.setenv(name, value)
    sdk = CLIENTS["module", flavour].create_from_edge_environment(connection_retry_interval=1)
    sensor = Client(sdk).listen()
    edge.pull_upstream("cut")
    for number in range(20):
        sensor.send_to("distance", f"{number}")
    assert edge.so_far() == []
    simulator.kill()
    sensor.until_connected(False)
    simulator.start()
    sensor.until_connected()
    # Levers are at rest in a new process, so what was kept goes up at once.
    for number in range(20, 25):
        sensor.send_to("distance", f"{number}")
    assert bodies(edge.events(25)) == list(range(25))
    sensor.shut_down()
    simulator.end()
