"""The official service SDK schedules jobs for many devices, and moves devices through blobs, as a back end does."""

import json
from datetime import datetime, timedelta, timezone

import pytest
import requests
from azure.core.exceptions import DeserializationError
from azure.iot.hub import IoTHubConfigurationManager, IoTHubJobManager, IoTHubRegistryManager
from azure.iot.hub.models import Configuration, QuerySpecification, Twin, TwinProperties
from azure.iot.hub.protocol.models import CloudToDeviceMethod, JobProperties, JobRequest
from msrest.exceptions import HttpOperationError

from provisioning import new_id
from sdk import CLIENTS, Client
from simulator import until

OVER = {"completed", "failed", "cancelled"}

pytestmark = pytest.mark.usefixtures("trust")


@pytest.fixture
def jobs(simulator):
    return IoTHubJobManager.from_connection_string(simulator.ready["serviceConnectionString"])


@pytest.fixture
def site(simulator):
    """Three devices of a site that no other test has."""
    devices = [simulator.add_device() for _ in range(3)]
    site = f"site-{devices[0].id}"
    for device in devices:
        simulator.ask("PATCH", f"/control/twins/{device.id}", {"tags": {"site": site}})
    return f"tags.site = '{site}'", devices


@pytest.fixture
def connected(simulator):
    """Connects devices with the device SDK."""
    clients = []

    def connected(device, answer=None):
        create = CLIENTS["device", "sync"].create_from_connection_string
        client = Client(create(device.connection_string, server_verification_cert=simulator.ca))
        clients.append(client)
        if answer:
            client.answer_methods(answer)
        return client.connect()

    yield connected
    for client in clients:
        client.shut_down()


class Container:
    """A container of the simulator's own blob store, by the signed URI that opens it."""

    def __init__(self, simulator):
        self.uri = simulator.ask("POST", f"/control/blobs/containers/{new_id('c')}")["sasUri"]
        self.unsigned, self._signature = self.uri.split("?")

    def write(self, name, lines):
        headers = {"x-ms-blob-type": "BlockBlob", "x-ms-version": "2020-10-02"}
        body = "\n".join(json.dumps(line) for line in lines)
        requests.put(f"{self.unsigned}/{name}?{self._signature}", body, headers=headers).raise_for_status()

    def lines(self, name):
        read = requests.get(f"{self.unsigned}/{name}?{self._signature}", headers={"x-ms-version": "2020-10-02"})
        read.raise_for_status()
        return [json.loads(line) for line in read.text.splitlines()]


@pytest.fixture
def container(simulator):
    return Container(simulator)


def patch(condition, **more):
    twin = Twin(etag="*", tags={"floor": 3}, properties=TwinProperties(desired={"interval": 10}))
    return JobRequest(type="scheduleUpdateTwin", update_twin=twin, query_condition=condition, **more)


def restart(condition, connect=0, **more):
    method = CloudToDeviceMethod(
        method_name="restart",
        payload={"delay": 1},
        response_timeout_in_seconds=5,
        connect_timeout_in_seconds=connect,
    )
    return JobRequest(type="scheduleDeviceMethod", cloud_to_device_method=method, query_condition=condition, **more)


def soon(**ahead):
    return datetime.now(timezone.utc) + timedelta(**ahead)


def over(read, job_id):
    def ended():
        job = read(job_id)
        return job.status in OVER and job

    return until(f"{job_id} is over", ended)


def runs(registry, job_id, also=""):
    """Each device's part in a job, by its id. The SDK reads every result as a twin; the rest it keeps aside."""
    query = f"SELECT * FROM devices.jobs WHERE devices.jobs.jobId = '{job_id}'{also}"
    found = registry.query_iot_hub(QuerySpecification(query=query))
    assert found.type == "deviceJob"
    return {run.device_id: (run.status, run.additional_properties) for run in found.items}


def refused(error):
    """The status and the hub's name for why."""
    response = error.value.response
    return response.status_code, response.headers.get("iothub-errorcode")


def test_twins_are_patched_when_a_job_is_due(jobs, registry, site, connected):
    condition, devices = site
    client = connected(devices[0]).take_patches()
    client.twin()
    job_id = new_id("j")
    made = jobs.create_scheduled_job(
        job_id, patch(condition, job_id=job_id, start_time=soon(seconds=1), max_execution_time_in_seconds=60)
    )
    assert (made.job_id, made.status, made.type) == (job_id, "scheduled", "scheduleUpdateTwin")
    assert (made.max_execution_time_in_seconds, made.query_condition) == (60, condition)
    assert made.update_twin.tags == {"floor": 3}
    assert devices[0].twin()["tags"].get("floor") is None
    assert client.patches.next() == {"interval": 10, "$version": 2}
    job = over(jobs.get_scheduled_job, job_id)
    assert (job.status, job.failure_reason) == ("completed", None)
    assert job.created_time < job.start_time <= job.end_time
    counted = job.device_job_statistics
    assert (counted.device_count, counted.succeeded_count, counted.failed_count) == (3, 3, 0)
    assert (counted.running_count, counted.pending_count) == (0, 0)
    assert [device.twin()["tags"]["floor"] for device in devices] == [3, 3, 3]
    done = runs(registry, job_id)
    assert done.keys() == {device.id for device in devices}
    status, run = done[devices[1].id]
    assert (status, run["jobType"], run["outcome"]) == (
        "completed",
        "scheduleUpdateTwin",
        {"deviceMethodResponse": None},
    )


def test_methods_are_called_and_each_device_says_what_came_of_it(jobs, registry, site, connected):
    condition, (fine, grumpy, away) = site
    connected(fine, lambda name, payload: (200, {"name": name, "payload": payload}))
    connected(grumpy, lambda *_: (500, "no"))
    job_id = new_id("j")
    made = jobs.create_scheduled_job(job_id, restart(condition))
    assert made.cloud_to_device_method.method_name == "restart"
    job = over(jobs.get_scheduled_job, job_id)
    assert job.status == "completed"
    counted = job.device_job_statistics
    assert (counted.device_count, counted.succeeded_count, counted.failed_count) == (3, 2, 1)
    done = runs(registry, job_id)
    status, run = done[fine.id]
    assert (status, run["outcome"]["deviceMethodResponse"]) == (
        "completed",
        {"status": 200, "payload": {"name": "restart", "payload": {"delay": 1}}},
    )
    assert done[grumpy.id][1]["outcome"]["deviceMethodResponse"] == {"status": 500, "payload": "no"}
    status, run = done[away.id]
    assert (status, run["error"]["code"]) == ("failed", "DeviceNotOnline")
    assert runs(registry, job_id, " AND devices.jobs.status = 'failed'").keys() == {away.id}
    of_device = f"SELECT * FROM devices.jobs WHERE devices.jobs.deviceId = '{away.id}'"
    assert len(registry.query_iot_hub(QuerySpecification(query=of_device)).items) == 1


def test_a_device_that_comes_in_time_is_called(jobs, registry, site, connected):
    condition, (device, *_) = site
    job_id = new_id("j")
    jobs.create_scheduled_job(job_id, restart(f"{condition} AND deviceId = '{device.id}'", connect=20))
    until("the job runs", lambda: jobs.get_scheduled_job(job_id).status == "running")
    connected(device, lambda *_: (200, None))
    assert over(jobs.get_scheduled_job, job_id).device_job_statistics.succeeded_count == 1


def test_a_job_can_be_cancelled(jobs, registry, site):
    condition, devices = site
    planned, running = new_id("j"), new_id("j")
    jobs.create_scheduled_job(planned, patch(condition, start_time=soon(days=1)))
    cancelled = jobs.cancel_scheduled_job(planned)
    assert (cancelled.job_id, cancelled.status) == (planned, "cancelled")
    assert jobs.get_scheduled_job(planned).status == "cancelled"
    assert devices[0].twin()["tags"].get("floor") is None
    jobs.create_scheduled_job(running, restart(condition, connect=300))
    until("it runs", lambda: jobs.get_scheduled_job(running).status == "running")
    assert jobs.cancel_scheduled_job(running).status == "cancelled"
    assert {status for status, _ in runs(registry, running).values()} == {"canceled"}


def test_jobs_are_listed_though_this_sdk_cannot_read_it(jobs, site):
    condition, _ = site
    job_id = new_id("j")
    jobs.create_scheduled_job(job_id, patch(condition))
    over(jobs.get_scheduled_job, job_id)
    # The hub answers with an array, and the SDK asks its body for the fields of an object; so it does at the real hub.
    with pytest.raises(DeserializationError):
        jobs.query_scheduled_jobs("scheduleUpdateTwin", "completed")
    client, operations = jobs.protocol._client, jobs.protocol.jobs
    asked = {"api-version": operations.api_version, "jobType": "scheduleUpdateTwin", "jobStatus": "completed"}
    headers, found = {"x-ms-max-item-count": "2"}, []
    while True:
        response = client.send(client.get("/jobs/v2/query", asked, headers))
        assert response.headers["x-ms-item-type"] == "jobResponse"
        page = response.json()
        assert len(page) <= 2
        found += page
        if "x-ms-continuation" not in response.headers:
            break
        headers["x-ms-continuation"] = response.headers["x-ms-continuation"]
    assert job_id in [job["jobId"] for job in found]
    assert {(job["type"], job["status"]) for job in found} == {("scheduleUpdateTwin", "completed")}


def test_a_job_that_cannot_be_is_refused(jobs, site):
    condition, _ = site
    taken = new_id("j")
    jobs.create_scheduled_job(taken, patch(condition, start_time=soon(hours=1)))
    stale = Twin(etag="AAAAAAAAAAE=", tags={"floor": 3})
    for job_id, request, status, name in [
        (taken, patch(condition), 409, "JobAlreadyExists"),
        (new_id("j"), patch("tags.site ="), 400, "ArgumentInvalid"),
        (new_id("j"), patch(None), 400, "ArgumentInvalid"),
        ("no_underscores", patch(condition), 400, "ArgumentInvalid"),
        (new_id("j"), patch(condition, start_time=soon(days=40)), 400, "ArgumentInvalid"),
        (new_id("j"), patch(condition, max_execution_time_in_seconds=0), 400, "ArgumentInvalid"),
        (new_id("j"), JobRequest(type="scheduleTwinUpdate", query_condition="*"), 400, "ArgumentInvalid"),
        (new_id("j"), JobRequest(type="scheduleUpdateTwin", query_condition="*"), 400, "ArgumentInvalid"),
        (
            new_id("j"),
            JobRequest(type="scheduleUpdateTwin", query_condition="*", update_twin=stale),
            412,
            "PreconditionFailed",
        ),
        (
            new_id("j"),
            JobRequest(type="scheduleDeviceMethod", query_condition="*", cloud_to_device_method=CloudToDeviceMethod()),
            400,
            "ArgumentInvalid",
        ),
    ]:
        with pytest.raises(HttpOperationError) as error:
            jobs.create_scheduled_job(job_id, request)
        assert refused(error) == (status, name), request
    for ask in (jobs.get_scheduled_job, jobs.cancel_scheduled_job, jobs.get_import_export_job, jobs.cancel_import_export_job):
        with pytest.raises(HttpOperationError) as error:
            ask("nobody")
        assert refused(error) == (404, "JobNotFound")


def test_a_start_that_is_over_means_at_once(jobs, site):
    condition, devices = site
    job_id = new_id("j")
    jobs.create_scheduled_job(job_id, patch(condition, start_time=soon(days=-3)))
    assert over(jobs.get_scheduled_job, job_id).status == "completed"


@pytest.mark.parametrize(
    "policy, read, write",
    [
        ("iothubowner", True, True),
        ("registryReadWrite", True, True),
        ("registryRead", True, False),
        ("service", False, False),
        ("device", False, False),
    ],
)
def test_policies_allow_what_they_are_for(simulator, policy, read, write):
    jobs = IoTHubJobManager.from_connection_string(simulator.ready["policyConnectionStrings"][policy])
    uri = "http://127.0.0.1:1/container?sig=none"
    for allowed, action in [
        (read, jobs.get_import_export_jobs),
        (write, lambda: jobs.create_scheduled_job(new_id("j"), patch("deviceId = 'nobody'"))),
        (write, lambda: finished(jobs, JobProperties(type="export", output_blob_container_uri=uri))),
    ]:
        if allowed:
            action()
            continue
        with pytest.raises(HttpOperationError) as error:
            action()
        assert refused(error) == (401, "IotHubUnauthorizedAccess")


def finished(jobs, properties):
    made = jobs.create_import_export_job(properties)
    assert (made.status, made.type) == ("enqueued", properties.type)
    return over(jobs.get_import_export_job, made.job_id)


def test_devices_are_exported_and_imported(simulator, jobs, registry, container):
    uri = container.uri
    device = simulator.add_device(modules=["valve"])
    simulator.ask("PATCH", f"/control/twins/{device.id}", {"tags": {"row": 1}, "desired": {"interval": 10}})
    configurations = IoTHubConfigurationManager.from_connection_string(simulator.ready["serviceConnectionString"])
    configuration = Configuration(id=new_id("c"), schema_version="1.0", priority=7, target_condition="")
    configurations.create_configuration(configuration)
    job = finished(
        jobs,
        JobProperties(
            type="export",
            output_blob_container_uri=uri,
            output_blob_name="all devices.txt",
            exclude_keys_in_export=False,
            include_configurations=True,
            configurations_blob_name="all.json",
            storage_authentication_type="keyBased",
        ),
    )
    assert (job.status, job.progress, job.failure_reason) == ("completed", 100, None)
    assert job.start_time_utc <= job.end_time_utc
    assert job.job_id in [listed.job_id for listed in jobs.get_import_export_jobs()]
    exported = container.lines("all devices.txt")
    own = [line for line in exported if line["id"] == device.id]
    assert [line.get("moduleId") for line in own] == [None, "valve"]
    assert own[0]["tags"] == {"row": 1}
    key = own[0]["authentication"]["symmetricKey"]["primaryKey"]
    assert key == registry.get_device(device.id).authentication.symmetric_key.primary_key
    assert configuration.id in [line["id"] for line in container.lines("all.json")]

    registry.delete_device(device.id)
    configurations.delete_configuration(configuration.id)
    new = new_id("d")
    back = [*own, {"id": new, "importMode": "create", "status": "disabled"}, {"id": new, "importMode": "create"}]
    container.write("devices.txt", [*back, {"id": "a b"}])
    job = finished(
        jobs,
        JobProperties(
            type="import",
            input_blob_container_uri=uri,
            output_blob_container_uri=uri,
            include_configurations=True,
            configurations_blob_name="all.json",
        ),
    )
    assert (job.status, job.progress) == ("completed", 100)
    failed = container.lines("importErrors.log")
    assert [(entry.get("deviceId"), entry["errorCode"]) for entry in failed] == [(new, 409001), (None, 400012)]
    assert registry.get_device(device.id).authentication.symmetric_key.primary_key == key
    assert registry.get_device(new).status == "disabled"
    assert [module.module_id for module in registry.get_modules(device.id)] == ["valve"]
    twin = registry.get_twin(device.id)
    assert (twin.tags, twin.properties.desired["interval"]) == ({"row": 1}, 10)
    assert configurations.get_configuration(configuration.id).priority == 7


def test_an_import_or_export_that_cannot_be_is_refused_or_fails(jobs, container):
    uri = container.uri
    job = finished(jobs, JobProperties(type="import", input_blob_container_uri=uri, output_blob_container_uri=uri))
    assert job.status == "failed"
    assert job.failure_reason.startswith("BlobContainerValidationError: cannot read devices.txt")
    job = finished(jobs, JobProperties(type="export", output_blob_container_uri=container.unsigned))
    assert job.status == "failed"
    assert job.failure_reason.startswith("BlobContainerValidationError: cannot write devices.txt")
    assert "403" in job.failure_reason
    # Cancelling what is over changes nothing.
    assert jobs.cancel_import_export_job(job.job_id) is None
    assert jobs.get_import_export_job(job.job_id).status == "failed"
    for properties in [
        JobProperties(type="export"),
        JobProperties(type="import", output_blob_container_uri=uri),
        JobProperties(type="backup", output_blob_container_uri=uri),
        JobProperties(type="export", output_blob_container_uri=uri, storage_authentication_type="identityBased"),
    ]:
        with pytest.raises(HttpOperationError) as error:
            jobs.create_import_export_job(properties)
        assert refused(error) == (400, "ArgumentInvalid")


def test_a_kill_neither_stops_a_job_nor_does_a_device_twice(kept_simulator, monkeypatch):
    simulator = kept_simulator
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", simulator.ca_file)
    jobs = IoTHubJobManager.from_connection_string(simulator.ready["serviceConnectionString"])
    count = 400
    container = Container(simulator)
    container.write("devices.txt", [{"id": f"d{number:03}", "importMode": "create"} for number in range(count)])
    uri = container.uri
    made = jobs.create_import_export_job(
        JobProperties(type="import", input_blob_container_uri=uri, output_blob_container_uri=uri)
    )
    simulator.kill()
    simulator.start()
    assert over(jobs.get_import_export_job, made.job_id).status == "completed"
    assert container.lines("importErrors.log") == []
    jobs.create_scheduled_job("patched", patch("*"))
    simulator.kill()
    simulator.start()
    job = over(jobs.get_scheduled_job, "patched")
    assert (job.status, job.device_job_statistics.succeeded_count) == ("completed", count)
    registry = IoTHubRegistryManager.from_connection_string(simulator.ready["serviceConnectionString"])
    query = "SELECT COUNT() AS n, properties.desired.$version AS version FROM devices GROUP BY properties.desired.$version"
    found = registry.query_iot_hub(QuerySpecification(query=query))
    assert [item.additional_properties.get("n") for item in found.items] == [count]
    assert simulator.ask("GET", "/control/twins/d000")["properties"]["desired"]["$version"] == 2
