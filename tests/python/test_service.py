"""The official service SDK administers the simulated hub, as a back end does."""

import base64
import json

import pytest
from azure.iot.hub import DigitalTwinClient, IoTHubConfigurationManager, IoTHubRegistryManager
from azure.iot.hub.models import (
    AuthenticationMechanism,
    CloudToDeviceMethod,
    Configuration,
    ConfigurationContent,
    ConfigurationMetrics,
    ConfigurationQueriesTestInput,
    ExportImportDevice,
    SymmetricKey,
    Twin,
    TwinProperties,
)
from msrest.exceptions import HttpOperationError

from certificates import Certificate
from provisioning import new_id
from sdk import CLIENTS, Client
from simulator import Device

KEYS = [base64.b64encode(bytes([number]) * 32).decode() for number in (1, 2)]
THUMBPRINTS = ["0123456789ABCDEF" * 4, "FEDCBA9876543210" * 4]

pytestmark = pytest.mark.usefixtures("trust")


@pytest.fixture
def device_id(registry):
    device_id = new_id("s")
    registry.create_device_with_sas(device_id, "", "", "enabled")
    return device_id


@pytest.fixture
def connected(simulator, registry):
    """Connects a device or module that the service has made, with the key it was given."""
    clients = []

    def connected(device_id, module_id=None, before=lambda _: None, **settings):
        if module_id:
            made, kind = registry.get_module(device_id, module_id), "module"
        else:
            made, kind = registry.get_device(device_id), "device"
        parts = [f"HostName={simulator.host}", f"DeviceId={device_id}"]
        parts += [f"ModuleId={module_id}"] if module_id else []
        parts += [f"SharedAccessKey={made.authentication.symmetric_key.primary_key}"]
        settings["server_verification_cert"] = simulator.ca
        client = Client(CLIENTS[kind, "sync"].create_from_connection_string(";".join(parts), **settings))
        clients.append(client)
        before(client)
        return client.connect()

    yield connected
    for client in clients:
        client.shut_down()


def refused(error):
    """The status and the hub's name for why."""
    response = error.value.response
    return response.status_code, response.headers.get("iothub-errorcode")


def test_a_device_with_keys_is_made_changed_and_removed(registry):
    device_id = new_id("s")
    made = registry.create_device_with_sas(device_id, *KEYS, "enabled", status_reason="new", iot_edge=False)
    assert (made.device_id, made.status, made.status_reason) == (device_id, "enabled", "new")
    assert made.authentication.type == "sas"
    assert made.authentication.symmetric_key.primary_key == KEYS[0]
    assert registry.get_device(device_id).etag == made.etag
    changed = registry.update_device_with_sas(device_id, made.etag, *reversed(KEYS), "disabled")
    assert changed.authentication.symmetric_key.primary_key == KEYS[1]
    assert (changed.status, changed.status_reason) == ("disabled", None)
    with pytest.raises(HttpOperationError) as error:
        registry.update_device_with_sas(device_id, made.etag, *KEYS, "enabled")
    assert refused(error) == (412, "PreconditionFailed")
    with pytest.raises(HttpOperationError) as error:
        registry.delete_device(device_id, made.etag)
    assert refused(error) == (412, "PreconditionFailed")
    with pytest.raises(HttpOperationError) as error:
        registry.create_device_with_sas(device_id, *KEYS, "enabled")
    assert refused(error) == (409, "DeviceAlreadyExists")
    registry.delete_device(device_id)
    with pytest.raises(HttpOperationError) as error:
        registry.get_device(device_id)
    assert refused(error) == (404, "DeviceNotFound")


def test_a_device_with_certificates_is_made_and_changed(registry):
    device_id = new_id("s")
    made = registry.create_device_with_x509(device_id, *THUMBPRINTS, "enabled")
    assert made.authentication.type == "selfSigned"
    assert made.authentication.x509_thumbprint.secondary_thumbprint == THUMBPRINTS[1]
    changed = registry.update_device_with_x509(device_id, made.etag, *reversed(THUMBPRINTS), "enabled")
    assert changed.authentication.x509_thumbprint.primary_thumbprint == THUMBPRINTS[1]
    changed = registry.update_device_with_certificate_authority(device_id, changed.etag, "enabled")
    assert changed.authentication.type == "certificateAuthority"
    other = registry.create_device_with_certificate_authority(new_id("s"), "disabled")
    assert (other.status, other.authentication.type) == ("disabled", "certificateAuthority")
    with pytest.raises(HttpOperationError) as error:
        registry.create_device_with_x509(new_id("s"), "short", "short", "enabled")
    assert refused(error) == (400, "ArgumentInvalid")


def test_a_device_that_was_made_connects_until_it_is_disabled(registry, device_id, connected):
    client = connected(device_id)
    assert registry.get_device(device_id).connection_state == "Connected"
    assert registry.get_service_statistics().connected_device_count >= 1
    registry.update_device_with_sas(device_id, None, "", "", "disabled")
    client.states.until(lambda connected: not connected)
    assert registry.get_device(device_id).connection_state == "Disconnected"


def test_a_device_with_a_certificate_connects_by_its_thumbprint(simulator, registry, tmp_path):
    from azure.iot.device import X509

    device_id = new_id("s")
    certificate = Certificate(device_id)
    registry.create_device_with_x509(device_id, certificate.thumbprint, None, "enabled")
    settings = {"server_verification_cert": simulator.ca}
    x509 = X509(*certificate.write(tmp_path))
    made = CLIENTS["device", "sync"].create_from_x509_certificate(x509, simulator.host, device_id, **settings)
    client = Client(made).connect()
    assert registry.get_device(device_id).connection_state == "Connected"
    client.shut_down()


def test_modules_are_made_listed_changed_and_removed(registry, device_id):
    made = registry.create_module_with_sas(device_id, "sensor", "", *KEYS)
    assert (made.module_id, made.device_id) == ("sensor", device_id)
    x509 = registry.create_module_with_x509(device_id, "lamp", "me", *THUMBPRINTS)
    assert (x509.managed_by, x509.authentication.type) == ("me", "selfSigned")
    registry.create_module_with_certificate_authority(device_id, "pump", "")
    assert [module.module_id for module in registry.get_modules(device_id)] == ["lamp", "pump", "sensor"]
    changed = registry.update_module_with_sas(device_id, "sensor", "me", made.etag, *reversed(KEYS))
    assert changed.authentication.symmetric_key.primary_key == KEYS[1]
    registry.update_module_with_x509(device_id, "sensor", "", None, *THUMBPRINTS)
    registry.update_module_with_certificate_authority(device_id, "sensor", "", "*")
    assert registry.get_module(device_id, "sensor").authentication.type == "certificateAuthority"
    with pytest.raises(HttpOperationError) as error:
        registry.create_module_with_sas(device_id, "sensor", "", *KEYS)
    assert refused(error) == (409, "ModuleAlreadyExistsOnDevice")
    registry.delete_module(device_id, "sensor")
    with pytest.raises(HttpOperationError) as error:
        registry.get_module(device_id, "sensor")
    assert refused(error) == (404, "ModuleNotFound")


def test_an_edge_device_has_children(registry):
    edge = registry.create_device_with_sas(new_id("s"), "", "", "enabled", iot_edge=True)
    assert edge.capabilities.iot_edge
    assert [module.module_id for module in registry.get_modules(edge.device_id)] == ["$edgeAgent", "$edgeHub"]
    leaf = registry.create_device_with_sas(new_id("s"), "", "", "enabled", parent_scopes=[edge.device_scope])
    assert (leaf.device_scope, leaf.parent_scopes) == (edge.device_scope, [edge.device_scope])


def test_devices_are_listed_and_counted(registry, device_id):
    assert device_id in [device.device_id for device in registry.get_devices(1000)]
    assert len(registry.get_devices(1)) == 1
    counts = registry.get_device_registry_statistics()
    assert counts.total_device_count == counts.enabled_device_count + counts.disabled_device_count


def test_many_devices_are_made_and_removed_at_once(registry):
    ids = [new_id("s") for _ in range(3)]
    keys = AuthenticationMechanism(type="sas", symmetric_key=SymmetricKey(primary_key=KEYS[0], secondary_key=KEYS[1]))

    def all_of(mode):
        devices = [ExportImportDevice(id=id, import_mode=mode, status="enabled", authentication=keys) for id in ids]
        return registry.bulk_create_or_update_devices(devices)

    assert all_of("create").is_successful
    again = all_of("create")
    assert not again.is_successful
    assert [(fault.device_id, fault.error_code) for fault in again.errors] == [
        (id, "DeviceAlreadyExists") for id in ids
    ]
    assert all_of("update").is_successful
    assert registry.get_device(ids[1]).authentication.symmetric_key.primary_key == KEYS[0]
    assert all_of("delete").is_successful
    with pytest.raises(HttpOperationError):
        registry.get_device(ids[1])


@pytest.mark.parametrize("module", [None, "sensor"])
def test_a_twin_is_read_patched_and_replaced_and_its_owner_hears_of_it(registry, device_id, connected, module):
    if module:
        registry.create_module_with_sas(device_id, module, "", "", "")
        target = (device_id, module)
        get, update, replace = registry.get_module_twin, registry.update_module_twin, registry.replace_module_twin
    else:
        target = (device_id,)
        get, update, replace = registry.get_twin, registry.update_twin, registry.replace_twin
    client = connected(*target, before=Client.take_patches)
    twin = get(*target)
    assert (twin.device_id, twin.module_id) == (device_id, module)
    patch = Twin(tags={"site": "north"}, properties=TwinProperties(desired={"interval": 10, "old": 1}))
    patched = update(*target, patch, twin.etag)
    assert patched.tags == {"site": "north"}
    assert client.patches.next() == {"interval": 10, "old": 1, "$version": 2}
    with pytest.raises(HttpOperationError) as error:
        update(*target, patch, twin.etag)
    assert refused(error) == (412, "PreconditionFailed")
    replaced = replace(*target, Twin(properties=TwinProperties(desired={"interval": 11})))
    assert replaced.properties.desired["interval"] == 11
    assert "old" not in replaced.properties.desired
    assert client.patches.next() == {"interval": 11, "old": None, "$version": 3}
    client.report({"interval": 11})
    assert get(*target).properties.reported["interval"] == 11


@pytest.mark.parametrize("module", [None, "sensor"])
def test_a_method_is_answered(registry, device_id, connected, module):
    if module:
        registry.create_module_with_sas(device_id, module, "", "", "")
    client = connected(device_id, module, before=lambda client: client.answer_methods(lambda *_: (201, {"done": True})))
    # The SDK's subscription goes out behind its CONNECT; until it is there, the hub waits for it.
    method = CloudToDeviceMethod(
        method_name="restart", payload={"delay": 1}, response_timeout_in_seconds=10, connect_timeout_in_seconds=10
    )
    if module:
        answer = registry.invoke_device_module_method(device_id, module, method)
    else:
        answer = registry.invoke_device_method(device_id, method)
    assert (answer.status, answer.payload) == (201, {"done": True})
    request = client.methods.next()
    assert (request.name, request.payload) == ("restart", {"delay": 1})


def test_a_method_that_nobody_answers_says_why(registry, device_id, connected):
    method = CloudToDeviceMethod(method_name="restart", response_timeout_in_seconds=5, connect_timeout_in_seconds=0)
    with pytest.raises(HttpOperationError) as error:
        registry.invoke_device_method(device_id, method)
    assert refused(error) == (404, "DeviceNotOnline")
    inner = json.loads(error.value.response.json()["Message"])
    assert (inner["errorCode"], inner["message"]) == (404103, "Timed out waiting for device to connect.")
    with pytest.raises(HttpOperationError) as error:
        registry.invoke_device_method(new_id("s"), method)
    assert refused(error) == (404, "DeviceNotFound")

    quiet = connected(device_id, before=lambda client: client.answer_methods(lambda *_: None))
    method.connect_timeout_in_seconds = 10
    with pytest.raises(HttpOperationError) as error:
        registry.invoke_device_method(device_id, method)
    assert refused(error) == (504, "GatewayTimeout")
    assert quiet.methods.next().name == "restart"
    assert json.loads(error.value.response.json()["Message"])["errorCode"] == 504101


def test_what_waits_for_a_device_is_purged(simulator, registry, device_id):
    device = Device(simulator, {"deviceId": device_id, "connectionString": "", "modules": []})
    device.send("one")
    device.send("two")
    assert registry.get_device(device_id).cloud_to_device_message_count == 2
    purged = registry.protocol.cloud_to_device_messages.purge_cloud_to_device_message_queue(device_id)
    assert (purged.device_id, purged.total_messages_purged) == (device_id, 2)


def test_configurations_are_made_listed_changed_and_removed(simulator):
    manager = IoTHubConfigurationManager.from_connection_string(simulator.ready["serviceConnectionString"])
    id = new_id("c")
    content = ConfigurationContent(device_content={"properties.desired.heating": True})
    metrics = ConfigurationMetrics(results={}, queries={"all": "SELECT deviceId FROM devices"})
    made = manager.create_configuration(
        Configuration(
            id=id,
            schema_version="1.0",
            labels={"season": "winter"},
            content=content,
            target_condition="tags.site='north'",
            priority=10,
            metrics=metrics,
        )
    )
    assert (made.id, made.priority, made.labels) == (id, 10, {"season": "winter"})
    assert made.content.device_content == content.device_content
    assert made.metrics.queries == metrics.queries
    made.priority = 11
    changed = manager.update_configuration(made, made.etag)
    assert (changed.priority, manager.get_configuration(id).priority) == (11, 11)
    assert id in [configuration.id for configuration in manager.get_configurations()]
    with pytest.raises(HttpOperationError) as error:
        manager.update_configuration(made, made.etag)
    assert refused(error) == (412, "PreconditionFailed")
    manager.delete_configuration(id)
    with pytest.raises(HttpOperationError) as error:
        manager.get_configuration(id)
    assert refused(error) == (404, "ConfigurationNotFound")


def test_what_a_configuration_asks_is_tested_first(simulator):
    manager = IoTHubConfigurationManager.from_connection_string(simulator.ready["serviceConnectionString"])
    queries = {"all": "SELECT deviceId FROM devices", "none": "SELECT"}
    tested = manager.test_configuration_queries(
        ConfigurationQueriesTestInput(target_condition="tags.site='north'", custom_metric_queries=queries)
    )
    assert not tested.target_condition_error
    assert list(tested.custom_metric_query_errors) == ["none"]
    with pytest.raises(HttpOperationError) as error:
        manager.create_configuration(Configuration(id=new_id("c"), target_condition="tags.site="))
    assert refused(error) == (400, "InvalidConfigurationTargetCondition")


def test_a_deployment_is_put_on_an_edge_device(simulator, registry):
    manager = IoTHubConfigurationManager.from_connection_string(simulator.ready["serviceConnectionString"])
    edge = registry.create_device_with_sas(new_id("s"), "", "", "enabled", iot_edge=True).device_id
    agent = {"properties.desired": {"schemaVersion": "1.1", "modules": {"sensor": {}}}}
    hub = {"properties.desired": {"schemaVersion": "1.1", "routes": {}}}
    content = {"$edgeAgent": agent, "$edgeHub": hub, "sensor": {"properties.desired": {"interval": 5}}}
    manager.apply_configuration_on_edge_device(edge, ConfigurationContent(modules_content=content))
    assert registry.get_module(edge, "sensor").managed_by == "IotEdge"
    assert registry.get_module_twin(edge, "sensor").properties.desired["interval"] == 5
    with pytest.raises(HttpOperationError) as error:
        manager.apply_configuration_on_edge_device(new_id("s"), ConfigurationContent(modules_content=content))
    assert refused(error) == (404, "DeviceNotFound")


def test_a_digital_twin_is_read_patched_and_commanded(simulator, device_id, connected):
    client = DigitalTwinClient.from_connection_string(simulator.ready["serviceConnectionString"])

    def listens(device):
        device.take_patches().answer_methods(lambda name, payload: (200, {"command": name, "argument": payload}))

    device = connected(device_id, before=listens, product_info="dtmi:cow:Thermostat;1")
    device.report({"serialNumber": "t7", "upper": {"__t": "c", "highest": 25.5}})
    client.update_digital_twin(device_id, [{"op": "add", "path": "/upper/target", "value": 20}])
    assert device.patches.next()["upper"] == {"__t": "c", "target": 20}
    twin = client.get_digital_twin(device_id)
    assert (twin["$dtId"], twin["$metadata"]["$model"]) == (device_id, "dtmi:cow:Thermostat;1")
    assert (twin["serialNumber"], twin["upper"]["highest"]) == ("t7", 25.5)
    assert twin["upper"]["$metadata"]["target"]["desiredValue"] == 20
    assert client.invoke_command(device_id, "reboot", 5, 10, 10) == {"command": "reboot", "argument": 5}
    answer = client.invoke_component_command(device_id, "upper", "report", {}, 10, 10)
    assert answer == {"command": "upper*report", "argument": {}}


@pytest.mark.parametrize("policy", ["iothubowner", "service", "device", "registryRead", "registryReadWrite"])
def test_a_policy_allows_what_it_is_for(simulator, device_id, policy):
    registry = IoTHubRegistryManager.from_connection_string(simulator.ready["policyConnectionStrings"][policy])

    def allowed(ask, *arguments):
        try:
            ask(*arguments)
            return True
        except HttpOperationError as error:
            assert error.response.status_code == 401
            assert error.response.headers["iothub-errorcode"] == "IotHubUnauthorizedAccess"
            return False

    assert allowed(registry.get_device, device_id) == (policy in ("iothubowner", "registryRead", "registryReadWrite"))
    assert allowed(registry.get_twin, device_id) == (policy in ("iothubowner", "service"))
    may_write = policy in ("iothubowner", "registryReadWrite")
    assert allowed(registry.update_device_with_sas, device_id, None, "", "", "enabled") == may_write


def test_a_key_of_another_hub_opens_nothing(simulator, device_id):
    string = f"HostName={simulator.host};SharedAccessKeyName=iothubowner;SharedAccessKey={KEYS[0]}"
    with pytest.raises(HttpOperationError) as error:
        IoTHubRegistryManager.from_connection_string(string).get_device(device_id)
    assert refused(error) == (401, "IotHubUnauthorizedAccess")


def test_what_a_service_made_survives_a_kill(kept_simulator, monkeypatch):
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", kept_simulator.ca_file)
    registry = IoTHubRegistryManager.from_connection_string(kept_simulator.ready["serviceConnectionString"])
    device_id = new_id("s")
    made = registry.create_device_with_sas(device_id, *KEYS, "disabled", status_reason="frost")
    twin = registry.update_twin(device_id, Twin(tags={"site": "north"}))
    kept_simulator.kill()
    kept_simulator.start()
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", kept_simulator.ca_file)
    registry = IoTHubRegistryManager.from_connection_string(kept_simulator.ready["serviceConnectionString"])
    assert registry.get_device(device_id) == made
    assert registry.get_twin(device_id).etag == twin.etag
    kept_simulator.end()
