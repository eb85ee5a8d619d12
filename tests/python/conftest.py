import os

import pytest
from azure.iot.hub import IoTHubRegistryManager

from sdk import CLIENTS, Client
from simulator import REPOSITORY, Simulator

# SDKs would ask a proxy for the way to a loopback address.
os.environ["NO_PROXY"] = os.environ["no_proxy"] = "*"


@pytest.fixture(scope="session")
def simulator():
    with Simulator() as simulator:
        yield simulator
        simulator.end()


@pytest.fixture(scope="session")
def edge_simulator():
    """A simulator with the Edge runtime's side of a deployment: workload sockets for modules that run elsewhere."""
    with Simulator("--manifest", REPOSITORY / "tests/edge.deployment.json") as simulator:
        yield simulator
        simulator.end()


@pytest.fixture
def kept_simulator(tmp_path):
    """A simulator of one test's own that keeps its state over a kill."""
    with Simulator("--state", tmp_path / "state") as simulator:
        yield simulator


@pytest.fixture
def trust(simulator, monkeypatch):
    """Service SDKs speak through `requests`, which takes its authorities from here."""
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", simulator.ca_file)


@pytest.fixture
def registry(simulator):
    """The hub as back ends administer it; over HTTPS that wants `trust`."""
    return IoTHubRegistryManager.from_connection_string(simulator.ready["serviceConnectionString"])


@pytest.fixture
def device(simulator):
    return simulator.add_device()


@pytest.fixture(params=["sync", "async"])
def flavour(request):
    return request.param


@pytest.fixture(params=["mqtt", "websocket"])
def transport(request):
    return request.param


@pytest.fixture
def open_client(simulator, flavour, transport):
    """Makes SDK clients of one flavour over one transport, and shuts them down."""
    clients = []

    def open_client(connection_string, **settings):
        kind = "module" if "ModuleId=" in connection_string else "device"
        settings = {
            "server_verification_cert": simulator.ca,
            "websockets": transport == "websocket",
            # The least the SDK takes; its default of 10 s only makes tests slow.
            "connection_retry_interval": 1,
        } | settings
        client = Client(CLIENTS[kind, flavour].create_from_connection_string(connection_string, **settings))
        clients.append(client)
        return client

    yield open_client
    for client in clients:
        client.shut_down()


@pytest.fixture
def open_module(flavour, transport, monkeypatch):
    """Makes SDK clients of modules behind the edge hub, each from the environment that it is given."""
    clients = []

    def open_module(environment, **settings):
        settings = {"websockets": transport == "websocket", "connection_retry_interval": 1} | settings
        with monkeypatch.context() as patch:
            for name, value in environment.items():
                patch.setenv(name, value)
            client = Client(CLIENTS["module", flavour].create_from_edge_environment(**settings))
        clients.append(client)
        return client

    yield open_module
    for client in clients:
        client.shut_down()
