"""The simulator's state as tests of other teams use it: seeded, reset, saved and put back under live SDK clients."""

import concurrent.futures
import http.client
import json
import random
import subprocess
import threading
import time

import pytest

from sdk import CLIENTS, Client
from simulator import BOUND, Refused, Simulator, cow

SEED = {
    "devices": [
        {"deviceId": "pump7", "tags": {"row": 1}, "desired": {"interval": 5}},
        {"deviceId": "gateway1", "edge": True},
        {"deviceId": "leaf", "parent": "gateway1"},
    ],
    "enrollmentGroups": [{"enrollmentGroupId": "stock", "attestation": {"type": "symmetricKey"}}],
}


@pytest.fixture
def seeded(tmp_path):
    file = tmp_path / "seed.json"
    file.write_text(json.dumps(SEED, indent=2))
    with Simulator("--seed", file) as simulator:
        yield simulator
        simulator.end()


def connect(simulator, connection_string):
    client = CLIENTS["device", "sync"].create_from_connection_string(
        connection_string, server_verification_cert=simulator.ca, connection_retry_interval=1
    )
    return Client(client)


def string_of(simulator, device):
    return simulator.ask("GET", f"/control/devices/{device}")["connectionString"]


def wait(simulator, query, timeout=BOUND):
    return simulator.ask("GET", f"/control/wait?{query}&timeout={int(timeout)}", within=timeout + BOUND)


def run(*arguments):
    return subprocess.run([cow(), *map(str, arguments)], capture_output=True, text=True, timeout=BOUND * 2)


def test_a_client_lives_through_a_reset(seeded):
    client = connect(seeded, string_of(seeded, "pump7"))
    try:
        client.listen()
        client.send("before")
        first = wait(seeded, "for=event&device=pump7&text=before")
        number = first["seen"]["events"][0]["sequenceNumber"]
        client.report({"level": 3})
        wait(seeded, "for=reported&device=pump7&pointer=/level=3")
        seeded.ask("PATCH", "/control/twins/pump7", {"desired": {"interval": 6}})

        moment = seeded.ask("POST", "/control/reset")["moment"]
        wait(seeded, f"for=connected&device=pump7&since={moment}")
        wait(seeded, "for=method-subscribed&device=pump7")
        twin = seeded.ask("GET", "/control/twins/pump7")
        assert twin["properties"]["desired"]["interval"] == 5
        assert "level" not in twin["properties"]["reported"]
        client.send("after")
        second = wait(seeded, f"for=event&device=pump7&since={moment}")["seen"]["events"][0]
        assert second["body"] == "after"
        assert second["sequenceNumber"] > number, "no number comes twice"
    finally:
        client.shut_down()


def test_a_call_that_waits_is_answered_by_a_reset(seeded):
    client = connect(seeded, string_of(seeded, "pump7"))
    try:
        client.connect().answer_methods(lambda *_: None)
        wait(seeded, "for=method-subscribed&device=pump7")
        body = {"methodName": "go", "payload": None, "responseTimeoutInSeconds": 300}
        with concurrent.futures.ThreadPoolExecutor() as pool:
            call = pool.submit(seeded.ask, "POST", "/control/methods/pump7", body, within=BOUND)
            client.methods.next()
            seeded.ask("POST", "/control/reset")
            with pytest.raises(Refused):
                call.result(BOUND)
    finally:
        client.shut_down()


def test_a_snapshot_is_put_back_under_a_client(seeded, tmp_path):
    control = ("--control", seeded.ready["control"])
    client = connect(seeded, string_of(seeded, "pump7"))
    try:
        client.listen()
        client.send("kept")
        wait(seeded, "for=event&device=pump7&text=kept")
        file = tmp_path / "state.json"
        assert run("snapshot", "save", file, *control).returncode == 0
        client.send("forgotten")
        wait(seeded, "for=event&device=pump7&text=forgotten")
        seeded.add_device("later")
        moment = seeded.ask("GET", "/control/moment")["moment"]
        assert run("snapshot", "restore", file, *control).returncode == 0
        wait(seeded, f"for=connected&device=pump7&since={moment}")
        assert "later" not in [device["deviceId"] for device in seeded.ask("GET", "/control/devices")]
        found = run("monitor", "--from", "earliest", "--text", "kept", "--count", 1, "--timeout", 5, "--json", *control)
        assert json.loads(found.stdout)["body"] == "kept"
        gone = run("wait", "event", "pump7", "--text", "forgotten", "--timeout", 0, *control)
        assert gone.returncode == 1 and "no such event came" in gone.stderr
    finally:
        client.shut_down()


def test_a_bad_seed_starts_nothing(tmp_path):
    file = tmp_path / "seed.json"
    file.write_text('{"devices": [\n  {"deviceId": "a", "staus": "enabled"}\n]}')
    ended = run("sim", "--port-base", 0, "--seed", file)
    assert ended.returncode == 1
    assert f"{file}:2:30: device a: staus is nothing that can be seeded here" in ended.stderr


def test_the_same_seed_serves_every_start(tmp_path):
    file = tmp_path / "seed.json"
    file.write_text(json.dumps(SEED))
    with Simulator("--seed", file, "--state", tmp_path / "state") as simulator:
        string = string_of(simulator, "pump7")
        simulator.stop()
        simulator.start()
        assert string_of(simulator, "pump7") == string
        file.write_text(json.dumps({"devices": [{"deviceId": "pump7", "edge": True}]}))
        with pytest.raises(Refused) as refused:
            simulator.ask("PUT", "/control/seed", json.loads(file.read_text()))
        assert refused.value.status == 409
        simulator.end()


def test_a_kill_leaves_before_or_after_and_never_between(tmp_path):
    many = {"devices": [{"deviceId": f"d{at}", "desired": {"at": at}} for at in range(300)]}
    many["enrollments"] = [
        {"registrationId": f"d{at}", "attestation": {"type": "symmetricKey"}} for at in range(300)
    ]
    with Simulator("--state", tmp_path / "state") as simulator:
        simulator.add_device("old")
        before = simulator.ask("GET", "/control/snapshot")
        for attempt in range(6):
            sending = threading.Thread(target=lambda: attempt_to(simulator, many, before, attempt))
            sending.start()
            # Somewhere in it, or around it.
            time.sleep(random.uniform(0.0, 0.06))
            simulator.kill()
            sending.join(BOUND)
            simulator.start()
            devices = [device["deviceId"] for device in simulator.ask("GET", "/control/devices")]
            enrolled = simulator.ask("GET", "/control/dps")["enrollments"]
            assert (len(devices), len(enrolled)) in [(1, 0), (301, 300)], attempt
            assert "old" in devices


def attempt_to(simulator, many, before, attempt):
    try:
        if attempt % 2 == 0:
            simulator.ask("PUT", "/control/seed", many)
        else:
            simulator.ask("PUT", "/control/snapshot", before)
    except (OSError, http.client.HTTPException):  # It is killed while this waits.
        pass


def test_the_authority_is_there_for_those_who_cannot_read_the_file(seeded):


    connection = http.client.HTTPConnection(*seeded.control_address, timeout=BOUND)
    connection.request("GET", "/control/ca.pem")
    assert connection.getresponse().read().decode() == seeded.ca
    connection.close()
