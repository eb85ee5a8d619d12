"""A simulator of this product as a test uses it: started as its user starts it, watched through its control API."""

import contextlib
import http.client
import json
import os
import platform
import random
import signal
import socket
import subprocess
import tempfile
import threading
import time
import urllib.parse
from pathlib import Path

# Longer than anything here takes on a busy machine, and short enough to wait for when something never comes.
BOUND = 20.0
# SDKs have no setting for these.
MQTT, HTTPS, AMQP, CONTROL = 8883, 443, 5671, 8080

REPOSITORY = Path(__file__).resolve().parents[2]


class Refused(Exception):
    """The control API said no."""

    def __init__(self, status, error):
        super().__init__(f"{status}: {error}")
        self.status = status
        self.code = error.get("code")


def until(what, condition, within=BOUND):
    """Waits until `condition` returns something true, and returns it."""
    deadline = time.monotonic() + within
    while True:
        found = condition()
        if found:
            return found
        if time.monotonic() > deadline:
            raise AssertionError(f"{what}: not within {within:g} s")
        time.sleep(0.01)


def cow():
    """The program under test."""
    built = REPOSITORY / f"target/{platform.machine()}-unknown-linux-gnu/release/cow"
    program = Path(os.environ.get("COW", built))
    assert program.exists(), f"{program} is missing: run `cargo build --release`, or name another with COW"
    return str(program)


def free_address():
    """A loopback address on which nobody has the ports the SDKs insist on, and for which nobody else is looking."""
    # Tests run side by side, each worker (`gw0`, `gw1`) in a network of its own.
    network = int(os.environ.get("PYTEST_XDIST_WORKER", "gw0").removeprefix("gw"))
    for last in random.sample(range(2, 251), 40):
        address = f"127.0.{network}.{last}"
        with contextlib.ExitStack() as held:
            try:
                for port in (MQTT, HTTPS, AMQP, CONTROL):
                    listener = held.enter_context(socket.socket())
                    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
                    listener.bind((address, port))
                return address
            except PermissionError:
                raise AssertionError(
                    "SDKs speak to port 443, and this user may not listen on it: run as root, or\n"
                    "sudo sysctl -w net.ipv4.ip_unprivileged_port_start=443"
                ) from None
            except OSError:
                continue
    raise AssertionError("no loopback address has the ports 8883, 443, 5671 and 8080 free")


class Simulator:
    """One running `cow sim`, or another of its commands that prints the same first line."""

    def __init__(self, *arguments, command="sim", address=None, fleet=False):
        self.address = address or free_address()
        if command == "up" and not fleet:
            arguments = ("--no-fleet", *arguments)
        self.arguments = [cow(), command, "--json", "--address", self.address, *map(str, arguments)]
        self.log = tempfile.TemporaryFile("w+")
        # What a killed process leaves behind goes with this. A socket's path may have 107 bytes, so it is kept short.
        self.scratch = tempfile.TemporaryDirectory(prefix="t", dir="/tmp", ignore_cleanup_errors=True)
        self.start()

    def start(self):
        # As a browser's or a shell's child would: without variables that change what an SDK or a module does.
        environment = {k: v for k, v in os.environ.items() if not k.startswith(("IOTEDGE_", "EdgeHub", "COW_"))}
        environment["TMPDIR"] = self.scratch.name
        self.process = subprocess.Popen(
            self.arguments, stdout=subprocess.PIPE, stderr=self.log, text=True, env=environment
        )
        # A program that never gets ready must not hang the tests: the timer ends it, and then the line is empty.
        timer = threading.Timer(BOUND, self.process.kill)
        timer.start()
        line = self.process.stdout.readline()
        timer.cancel()
        if not line:
            self.kill()
            raise AssertionError(f"{' '.join(self.arguments)} did not get ready:\n{self.logged()}")
        self.ready = json.loads(line)
        control = urllib.parse.urlsplit(self.ready["control"])
        self.control_address = (control.hostname, control.port)
        self.host = self.ready["hubHostName"]
        self.ca_file = self.ready["caFile"]
        self.ca = Path(self.ca_file).read_text()

    def logged(self):
        self.log.seek(0)
        return self.log.read()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        """However a test ends, nothing goes on after it."""
        if self.process.poll() is None:
            self.kill()

    def end(self):
        """Stops it, and checks that it had nothing to complain of."""
        code = self.stop()
        assert code == 0, self.logged()
        assert " ERROR " not in self.logged(), self.logged()

    def kill(self):
        """As a power cut does."""
        self.process.kill()
        self.process.wait(BOUND)

    def stop(self):
        """As Ctrl-C does; returns the exit code."""
        self.process.send_signal(signal.SIGINT)
        try:
            return self.process.wait(BOUND)
        except subprocess.TimeoutExpired:
            self.process.kill()
            raise AssertionError(f"it does not stop:\n{self.logged()}") from None

    def resident_bytes(self):
        status = Path(f"/proc/{self.process.pid}/status").read_text()
        return next(int(line.split()[1]) << 10 for line in status.splitlines() if line.startswith("VmRSS:"))

    # The control API

    def ask(self, method, path, body=None, within=BOUND):
        connection = http.client.HTTPConnection(*self.control_address, timeout=within)
        with contextlib.closing(connection):
            headers = {"Content-Type": "application/json"} if body is not None else {}
            connection.request(method, path, None if body is None else json.dumps(body), headers)
            response = connection.getresponse()
            text = response.read()
        answer = json.loads(text) if text else None
        if response.status >= 300:
            raise Refused(response.status, answer["error"])
        return answer

    def add_device(self, device_id=None, edge=False, modules=()):
        device_id = device_id or f"d{random.getrandbits(48):012x}"
        body = {"deviceId": device_id, "edge": edge, "modules": list(modules)}
        return Device(self, self.ask("POST", "/control/devices", body))

    def pull(self, device=None, module=None, **levers):
        if device is not None:
            levers["target"] = {"deviceId": device} | ({"moduleId": module} if module else {})
        return self.ask("POST", "/control/levers", levers)


class Device:
    """A device at the simulated hub, from the service's side."""

    def __init__(self, simulator, credentials):
        self.simulator = simulator
        self.id = credentials["deviceId"]
        self.connection_string = credentials["connectionString"]
        self.modules = {module["moduleId"]: module for module in credentials["modules"]}

    def module_connection_string(self, module):
        return self.modules[module]["connectionString"]

    def _path(self, kind, module):
        return f"/control/{kind}/{self.id}" + (f"/modules/{module}" if module else "")

    def deploy(self, content):
        self.simulator.ask("POST", f"/control/devices/{self.id}/deployment", {"modulesContent": content})

    def route(self, **routes):
        """Gives the device's edge hub these routes and no others."""
        desired = {
            "schemaVersion": "1.1",
            "routes": routes,
            "storeAndForwardConfiguration": {"timeToLiveSecs": 7200},
        }
        self.deploy({"$edgeHub": {"properties.desired": desired}})

    def enable(self, enabled):
        self.simulator.ask("PATCH", f"/control/devices/{self.id}", {"enabled": enabled})

    def remove(self):
        self.simulator.ask("DELETE", f"/control/devices/{self.id}")

    def twin(self, module=None):
        return self.simulator.ask("GET", self._path("twins", module))

    def desire(self, patch, module=None):
        return self.simulator.ask("PATCH", self._path("twins", module), {"desired": patch})

    def reported(self, module=None):
        """Reported properties without what the hub adds to them."""
        reported = self.twin(module)["properties"]["reported"]
        return {name: value for name, value in reported.items() if not name.startswith("$")}

    def invoke(self, name, payload=None, module=None, response=10, connect=0):
        body = {
            "methodName": name,
            "payload": payload,
            "responseTimeoutInSeconds": response,
            "connectTimeoutInSeconds": connect,
        }
        return self.simulator.ask("POST", self._path("methods", module), body, within=response + connect + BOUND)

    def send(self, body, **properties):
        answer = self.simulator.ask("POST", f"/control/messages/{self.id}", {"body": body, "properties": properties})
        return answer["messageId"]

    def pull(self, module=None, **levers):
        self.simulator.pull(self.id, module, **levers)

    def pull_upstream(self, state):
        self.simulator.pull(self.id, upstream=state)

    def is_connected(self, module=None):
        for device in self.simulator.ask("GET", "/control/devices"):
            if device["deviceId"] == self.id:
                if module is None:
                    return device["connected"]
                return next(m["connected"] for m in device["modules"] if m["moduleId"] == module)
        return False

    def until_connected(self, connected=True, module=None):
        until(f"{self.id} {module or ''} connected: {connected}", lambda: self.is_connected(module) == connected)

    def so_far(self):
        """Every event of this device at the hub, oldest first."""
        return self._events("false", lambda _: False, 0)

    def events(self, count, within=BOUND):
        """The first `count` events of this device at the hub; waits for them."""
        return self.events_until(f"{count} events", lambda events: len(events) >= count, within)

    def events_until(self, what, enough, within=BOUND):
        """The events of this device up to the one that makes `enough` true of all so far; waits for it."""
        events = self._events("true", enough, within)
        if not enough(events):
            raise AssertionError(f"{what}: not within {within:g} s; there are {len(events)}: {events[-3:]}")
        return events

    def _events(self, follow, enough, within):
        deadline = time.monotonic() + within
        connection = http.client.HTTPConnection(*self.simulator.control_address, timeout=BOUND)
        events = []
        with contextlib.closing(connection):
            connection.request("GET", f"/control/events?device={self.id}&from=earliest&follow={follow}")
            response = connection.getresponse()
            try:
                while not enough(events):
                    if follow == "true":
                        connection.sock.settimeout(max(deadline - time.monotonic(), 0.001))
                    line = response.readline()
                    if not line:
                        break
                    events.append(json.loads(line))
            except TimeoutError:
                pass
        return events


def bodies(events):
    return [event["body"] for event in events]
