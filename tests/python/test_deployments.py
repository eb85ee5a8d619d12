"""Automatic deployments and configurations by the official service SDK: whom they are for, what they do, what they count."""

import pytest
from azure.iot.hub import IoTHubConfigurationManager, IoTHubRegistryManager
from azure.iot.hub.models import (
    Configuration,
    ConfigurationContent,
    ConfigurationMetrics,
    ConfigurationQueriesTestInput,
    QuerySpecification,
    Twin,
)
from msrest.exceptions import HttpOperationError

from provisioning import new_id
from simulator import until

pytestmark = pytest.mark.usefixtures("trust")


@pytest.fixture
def manager(simulator):
    """A manager whose configurations are gone when the test is over."""
    manager = IoTHubConfigurationManager.from_connection_string(simulator.ready["serviceConnectionString"])
    yield manager
    for configuration in manager.get_configurations():
        manager.delete_configuration(configuration.id)


@pytest.fixture
def site():
    """A tag that only this test's devices have."""
    return new_id("site")


def configuration(site, priority=1, metrics=None, condition=None, **content):
    return Configuration(
        id=new_id("c"),
        schema_version="1.0",
        content=ConfigurationContent(**content),
        target_condition=condition or f"tags.site='{site}'",
        priority=priority,
        metrics=ConfigurationMetrics(results={}, queries=metrics or {}),
    )


def placed(registry, site, edge=False):
    """A device with the tag."""
    device_id = new_id("d")
    registry.create_device_with_sas(device_id, "", "", "enabled", iot_edge=edge)
    registry.update_twin(device_id, Twin(tags={"site": site}), "*")
    return device_id


def desired(registry, device_id, module_id=None):
    twin = registry.get_module_twin(device_id, module_id) if module_id else registry.get_twin(device_id)
    return {name: value for name, value in twin.properties.desired.items() if not name.startswith("$")}


def ids(registry, query):
    return sorted(twin.device_id for twin in registry.query_iot_hub(QuerySpecification(query=query)).items)


def refused(error):
    response = error.value.response
    return response.status_code, response.headers.get("iothub-errorcode")


def runtime(modules):
    """The parts of a deployment that say what runs."""
    return {
        "$edgeAgent": {
            "properties.desired": {
                "schemaVersion": "1.1",
                "runtime": {"type": "docker", "settings": {}},
                "systemModules": {
                    "edgeAgent": {"type": "docker", "settings": {"image": "mcr.microsoft.com/azureiotedge-agent:1.5"}},
                    "edgeHub": {
                        "type": "docker",
                        "status": "running",
                        "restartPolicy": "always",
                        "settings": {"image": "mcr.microsoft.com/azureiotedge-hub:1.5"},
                    },
                },
                "modules": {name: module(image) for name, image in modules.items()},
            }
        },
        "$edgeHub": {"properties.desired": {"schemaVersion": "1.1", "routes": {"up": "FROM /* INTO $upstream"}}},
    }


def module(image):
    return {"type": "docker", "status": "running", "restartPolicy": "always", "settings": {"image": image}}


def test_the_strongest_configuration_holds_a_device_until_it_no_longer_counts(registry, manager, site):
    device_id = placed(registry, site)
    weak = configuration(site, device_content={"properties.desired.heating": {"on": True}})
    strong = configuration(site, priority=2, device_content={"properties.desired.fan": 3})
    manager.create_configuration(weak)
    assert desired(registry, device_id) == {"heating": {"on": True}}
    made = manager.create_configuration(strong)
    assert desired(registry, device_id) == {"fan": 3}
    applied = "SELECT * FROM devices WHERE configurations.[[{}]].status = '{}'"
    assert ids(registry, applied.format(strong.id, "Applied")) == [device_id]
    assert ids(registry, applied.format(weak.id, "Targeted")) == [device_id]

    made.priority = 0
    made = manager.update_configuration(made, made.etag)
    assert desired(registry, device_id) == {"heating": {"on": True}}
    made.priority, made.target_condition = 2, "tags.site='nowhere'"
    made = manager.update_configuration(made, made.etag)
    assert desired(registry, device_id) == {"heating": {"on": True}}
    manager.delete_configuration(weak.id, manager.get_configuration(weak.id).etag)
    assert desired(registry, device_id) == {}


def test_devices_that_come_later_are_configured_as_they_come(registry, manager, site):
    made = manager.create_configuration(configuration(site, device_content={"properties.desired.heating": True}))
    assert made.system_metrics.results == {"targetedCount": 0, "appliedCount": 0}
    devices = sorted(placed(registry, site) for _ in range(3))
    assert [desired(registry, device_id) for device_id in devices] == [{"heating": True}] * 3
    registry.delete_device(devices.pop())
    found = manager.get_configuration(made.id)
    assert found.system_metrics.results == {"targetedCount": 2, "appliedCount": 2}
    for name in ("targetedCount", "appliedCount"):
        assert ids(registry, found.system_metrics.queries[name]) == devices


def test_a_connected_device_hears_of_it(simulator, registry, manager, site, open_client):
    device = simulator.add_device()
    client = open_client(device.connection_string).connect()
    client.take_patches()
    manager.create_configuration(configuration(site, device_content={"properties.desired.heating": {"on": True}}))
    registry.update_twin(device.id, Twin(tags={"site": site}), "*")
    assert client.patches.next()["heating"] == {"on": True}
    registry.update_twin(device.id, Twin(tags={"site": None}), "*")
    assert client.patches.next()["heating"] is None


def test_modules_have_configurations_too(registry, manager, site):
    device_id = placed(registry, site)
    for module_id in ("a", "b"):
        registry.create_module_with_sas(device_id, module_id, "me", "", "")
    condition = f"FROM devices.modules WHERE deviceId = '{device_id}' AND moduleId = 'b'"
    made = manager.create_configuration(
        configuration(site, condition=condition, module_content={"properties.desired.level": 2})
    )
    assert desired(registry, device_id, "b") == {"level": 2}
    assert desired(registry, device_id, "a") == {}
    assert made.system_metrics.results == {"targetedCount": 1, "appliedCount": 1}


def test_layers_are_put_on_the_deployment_of_an_edge_device(registry, manager, site):
    edge = placed(registry, site, edge=True)
    placed(registry, site)
    whole = runtime({"sensor": "acme.azurecr.io/sensor:1"}) | {"sensor": {"properties.desired": {"interval": 5}}}
    base = manager.create_configuration(configuration(site, modules_content=whole))
    assert registry.get_module(edge, "sensor").managed_by == "IotEdge"
    layer = {
        "$edgeAgent": {"properties.desired.modules.camera": module("acme.azurecr.io/camera:1")},
        "$edgeHub": {"properties.desired.routes.camera": "FROM /messages/modules/camera/* INTO $upstream"},
        "sensor": {"properties.desired.unit": "mm"},
    }
    above = manager.create_configuration(configuration(site, priority=2, modules_content=layer))
    assert sorted(desired(registry, edge, "$edgeAgent")["modules"]) == ["camera", "sensor"]
    assert sorted(desired(registry, edge, "$edgeHub")["routes"]) == ["camera", "up"]
    assert desired(registry, edge, "sensor") == {"interval": 5, "unit": "mm"}
    for made in (base, above):
        found = manager.get_configuration(made.id).system_metrics
        assert (found.results["targetedCount"], found.results["appliedCount"]) == (1, 1)
        assert ids(registry, found.queries["targetedCount"]) == ids(registry, found.queries["appliedCount"]) == [edge]

    manager.delete_configuration(above.id)
    assert list(desired(registry, edge, "$edgeAgent")["modules"]) == ["sensor"]
    with pytest.raises(HttpOperationError) as error:
        registry.get_module(edge, "camera")
    assert refused(error) == (404, "ModuleNotFound")
    # By hand it is not to be had as long as an automatic one is there.
    by_hand = ConfigurationContent(modules_content=runtime({"other": "acme.azurecr.io/other:1"}))
    manager.apply_configuration_on_edge_device(edge, by_hand)
    assert list(desired(registry, edge, "$edgeAgent")["modules"]) == ["sensor"]
    manager.delete_configuration(base.id)
    assert list(desired(registry, edge, "$edgeAgent")["modules"]) == ["sensor"]
    manager.apply_configuration_on_edge_device(edge, by_hand)
    assert list(desired(registry, edge, "$edgeAgent")["modules"]) == ["other"]


def test_custom_metrics_are_counted(registry, manager, site):
    devices = [placed(registry, site) for _ in range(3)]
    queries = {
        "here": f"SELECT deviceId FROM devices WHERE tags.site='{site}'",
        "first": f"SELECT deviceId FROM devices WHERE deviceId = '{devices[0]}'",
    }
    made = manager.create_configuration(configuration(site, metrics=queries, device_content={}))
    assert made.metrics.results == {"here": 3, "first": 1}
    registry.delete_device(devices[0])
    listed = {found.id: found for found in manager.get_configurations(max_count=20)}
    assert listed[made.id].metrics.results == {"here": 2, "first": 0}
    assert listed[made.id].metrics.queries == queries


def test_conditions_and_metrics_can_be_tried_first(manager):
    tried = manager.test_configuration_queries(
        ConfigurationQueriesTestInput(
            target_condition="FROM devices.modules WHERE moduleId = 'a'",
            custom_metric_queries={"good": "SELECT deviceId FROM devices", "bad": "SELECT FROM"},
        )
    )
    assert not tried.target_condition_error
    assert list(tried.custom_metric_query_errors) == ["bad"]


@pytest.mark.parametrize(
    "wrong, name",
    [
        ({"target_condition": "tags.site="}, "InvalidConfigurationTargetCondition"),
        (
            {"target_condition": "*", "content": ConfigurationContent(module_content={"properties.desired.a": 1})},
            "InvalidConfigurationTargetCondition",
        ),
        ({"content": ConfigurationContent(device_content={"tags.a": 1})}, "InvalidConfigurationContent"),
        (
            {"content": ConfigurationContent(device_content={}, modules_content={})},
            "InvalidConfigurationContent",
        ),
        ({"metrics": ConfigurationMetrics(queries={"a": "SELECT"})}, "InvalidConfigurationCustomMetricsQuery"),
        ({"priority": -1}, "ArgumentInvalid"),
    ],
)
def test_what_no_configuration_can_be_is_refused(manager, wrong, name):
    with pytest.raises(HttpOperationError) as error:
        manager.create_configuration(Configuration(id=new_id("c"), **wrong))
    assert refused(error) == (400, name)


def test_the_content_of_a_configuration_never_changes(manager, site):
    made = manager.create_configuration(configuration(site, device_content={"properties.desired.a": 1}))
    made.content.device_content["properties.desired.a"] = 2
    with pytest.raises(HttpOperationError) as error:
        manager.update_configuration(made, made.etag)
    assert refused(error) == (400, "CannotModifyImmutableConfigurationContent")
    with pytest.raises(HttpOperationError) as error:
        manager.create_configuration(made)
    assert refused(error) == (409, "ConfigurationAlreadyExists")


def test_a_kill_takes_nothing_back(kept_simulator, monkeypatch, site):
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", kept_simulator.ca_file)
    string = kept_simulator.ready["serviceConnectionString"]
    registry, manager = (kind.from_connection_string(string) for kind in (IoTHubRegistryManager, IoTHubConfigurationManager))
    device_id = placed(registry, site)
    made = manager.create_configuration(configuration(site, device_content={"properties.desired.heating": True}))
    version = registry.get_twin(device_id).properties.desired["$version"]
    kept_simulator.kill()
    kept_simulator.start()
    results = lambda: manager.get_configuration(made.id).system_metrics.results["appliedCount"]
    until("the configuration counts", lambda: results() == 1)
    assert registry.get_twin(device_id).properties.desired["$version"] == version
