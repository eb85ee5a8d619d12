"""Files that devices upload, feedback on messages, and blobs, by the official clients for each."""

import json
import os

import pytest
from azure.core.exceptions import ClientAuthenticationError, HttpResponseError, ResourceExistsError, ResourceNotFoundError
from azure.iot.hub.iothub_http_runtime_manager import IoTHubHttpRuntimeManager
from azure.iot.hub.models import JobProperties
from azure.storage.blob import (
    BlobBlock,
    BlobClient,
    BlobSasPermissions,
    ContainerClient,
    ContentSettings,
    generate_blob_sas,
)
from msrest.exceptions import HttpOperationError

from provisioning import new_id
from simulator import Refused, until

NOTIFICATIONS = "/messages/serviceBound/filenotifications"

pytestmark = pytest.mark.usefixtures("trust")


@pytest.fixture
def transport():
    """Files go over HTTPS, whatever a device speaks otherwise."""
    return "mqtt"


@pytest.fixture
def runtime(simulator):
    return IoTHubHttpRuntimeManager.from_connection_string(simulator.ready["serviceConnectionString"])


@pytest.fixture
def container(simulator):
    """A container of one test's own."""
    made = simulator.ask("POST", f"/control/blobs/containers/{new_id('c')}")
    return ContainerClient.from_container_url(made["sasUri"])


def blob_of(storage):
    """As the SDK's samples put it together."""
    url = "https://{hostName}/{containerName}/{blobName}{sasToken}".format(**storage)
    return BlobClient.from_blob_url(url)


def notifications(runtime, device):
    """The notifications on files of one device, each completed; others' are given back."""
    # The SDK has no method for these; it asks the same way for feedback.
    client, operations = runtime.protocol._client, runtime.protocol.cloud_to_device_messages
    version = {"api-version": operations.api_version}
    found, others = [], []
    while True:
        response = client.send(client.get(NOTIFICATIONS, version, {"Accept": "application/json"}), stream=False)
        if response.status_code == 204:
            break
        token = response.headers["ETag"].strip('"')
        if response.json()["deviceId"] == device.id:
            found.append(response.json())
            client.send(client.delete(f"{NOTIFICATIONS}/{token}", version, {}), stream=False)
        else:
            others.append(token)
    for token in others:
        client.send(client.post(f"{NOTIFICATIONS}/{token}/abandon", version, {}), stream=False)
    return found


def feedback(runtime, device, count):
    """The first records of feedback on messages to one device."""
    records = []

    def collect():
        response = runtime.protocol.cloud_to_device_messages.receive_feedback_notification(raw=True).response
        if response.status_code == 200:
            records.extend(record for record in response.json() if record["deviceId"] == device.id)
            runtime.complete_feedback_notification(response.headers["ETag"].strip('"'))
        return len(records) >= count

    until(f"{count} records of feedback", collect)
    return records


def test_a_device_uploads_a_file(simulator, runtime, device, open_client):
    client = open_client(device.connection_string).connect()
    body = os.urandom(5 << 20)
    storage = client.call("get_storage_info_for_blob", "photos/a day.bin")
    assert storage["blobName"] == f"{device.id}/photos/a day.bin"
    with blob_of(storage) as blob:
        blob.upload_blob(body)
    assert notifications(runtime, device) == []
    client.call("notify_blob_upload_status", storage["correlationId"], True, 200, "OK")
    [notification] = notifications(runtime, device)
    assert notification["blobName"] == storage["blobName"]
    assert notification["blobSizeInBytes"] == len(body)
    with BlobClient.from_blob_url(notification["blobUri"] + storage["sasToken"]) as blob:
        assert blob.download_blob().readall() == body
    listed = simulator.ask("GET", "/control/blobs")["containers"]
    names = [blob["name"] for container in listed if container["name"] == storage["containerName"] for blob in container["blobs"]]
    assert storage["blobName"] in names


@pytest.mark.parametrize("flavour", ["async"], indirect=True)
def test_an_upload_that_failed_is_told_to_nobody(runtime, device, open_client):
    client = open_client(device.connection_string).connect()
    storage = client.call("get_storage_info_for_blob", "a")
    client.call("notify_blob_upload_status", storage["correlationId"], False, 500, "no network")
    assert notifications(runtime, device) == []
    with blob_of(storage) as blob, pytest.raises(ResourceNotFoundError):
        blob.get_blob_properties()


def test_a_large_file_goes_in_blocks(container):
    body = os.urandom(1 << 20) * 12
    blob = container.get_blob_client("large/file.bin")
    settings = {"max_single_put_size": 1 << 20, "max_block_size": 1 << 20}
    with BlobClient.from_blob_url(blob.url, max_single_get_size=1 << 20, max_chunk_get_size=1 << 20, **settings) as client:
        client.upload_blob(body, max_concurrency=4, content_settings=ContentSettings(content_type="video/mp4"))
        assert client.download_blob(max_concurrency=4).readall() == body
        assert client.download_blob(offset=1_500_000, length=2_000_000).readall() == body[1_500_000:3_500_000]
        properties = client.get_blob_properties()
    assert (properties.size, properties.content_settings.content_type) == (len(body), "video/mp4")


def test_blobs_are_listed_overwritten_and_removed(container):
    for name in ("a.txt", "b/1.txt", "b/2 & 3.txt"):
        container.upload_blob(name, name, metadata={"site": "north"})
    assert list(container.list_blob_names()) == ["a.txt", "b/1.txt", "b/2 & 3.txt"]
    assert list(container.list_blob_names(results_per_page=1)) == ["a.txt", "b/1.txt", "b/2 & 3.txt"]
    assert sorted(item.name for item in container.walk_blobs()) == ["a.txt", "b/"]
    assert {item.metadata["site"] for item in container.list_blobs(include=["metadata"])} == {"north"}
    with pytest.raises(ResourceExistsError):
        container.upload_blob("a.txt", "again")
    container.upload_blob("a.txt", "again", overwrite=True)
    assert container.download_blob("a.txt").readall() == b"again"
    container.upload_blob("empty", b"")
    assert container.download_blob("empty").readall() == b""
    container.delete_blob("a.txt")
    with pytest.raises(ResourceNotFoundError):
        container.download_blob("a.txt")


def test_a_blob_is_put_together_from_blocks(container):
    blob = container.get_blob_client("parts")
    blob.stage_block("1", b"one ")
    blob.stage_block("2", b"two")
    assert [block.id for block in blob.get_block_list("all")[1]] == ["1", "2"]
    blob.commit_block_list([BlobBlock("1"), BlobBlock("2")])
    assert blob.download_blob().readall() == b"one two"
    with pytest.raises(HttpResponseError) as refused:
        blob.commit_block_list([BlobBlock("3")])
    assert refused.value.error_code == "InvalidBlockList"


def test_a_signature_is_checked(device, open_client):
    client = open_client(device.connection_string).connect()
    storage = client.call("get_storage_info_for_blob", "mine")
    with blob_of(storage) as blob:
        blob.upload_blob(b"mine")
        with pytest.raises(HttpResponseError) as refused:
            blob.delete_blob()
        assert refused.value.error_code == "AuthorizationPermissionMismatch"
    with blob_of({**storage, "blobName": f"{device.id}/another"}) as blob, pytest.raises(ClientAuthenticationError):
        blob.upload_blob(b"another")
    stranger = generate_blob_sas(
        account_name="blob",
        container_name=storage["containerName"],
        blob_name=storage["blobName"],
        account_key="c3RyYW5nZXI=",
        permission=BlobSasPermissions(read=True),
        expiry="2099-01-01T00:00:00Z",
    )
    with blob_of({**storage, "sasToken": f"?{stranger}"}) as blob, pytest.raises(ClientAuthenticationError):
        blob.download_blob()


@pytest.mark.parametrize("flavour", ["sync"], indirect=True)
def test_a_sender_hears_what_became_of_its_message(simulator, registry, runtime, device, open_client):
    def send(ack, **more):
        message = {"body": "hello", "ack": ack, **more}
        return simulator.ask("POST", f"/control/messages/{device.id}", message)["messageId"]

    late = send("full", expiryTimeUtc="2020-01-01T00:00:00Z")
    [record] = feedback(runtime, device, 1)
    assert (record["originalMessageId"], record["statusCode"]) == (late, "Expired")
    assert record["deviceGenerationId"] == registry.get_device(device.id).generation_id
    unheard, taken = send("negative"), send("positive")
    client = open_client(device.connection_string).connect().take_messages()
    assert {message.message_id for message in client.messages.take(2)} == {unheard, taken}
    [record] = feedback(runtime, device, 1)
    assert (record["originalMessageId"], record["statusCode"]) == (taken, "Success")
    client.disconnect()
    purged = send("full")
    runtime.protocol.cloud_to_device_messages.purge_cloud_to_device_message_queue(device.id)
    [record] = feedback(runtime, device, 1)
    assert (record["originalMessageId"], record["statusCode"]) == (purged, "Purged")


def test_feedback_is_given_back_and_settled(simulator, runtime, device):
    simulator.ask("POST", f"/control/messages/{device.id}", {"body": "hello", "ack": "full"})
    runtime.protocol.cloud_to_device_messages.purge_cloud_to_device_message_queue(device.id)
    operations = runtime.protocol.cloud_to_device_messages
    first = operations.receive_feedback_notification(raw=True).response
    assert first.status_code == 200
    token = first.headers["ETag"].strip('"')
    runtime.abandon_feedback_notification(token)
    again = operations.receive_feedback_notification(raw=True).response
    assert json.loads(again.text) == json.loads(first.text)
    runtime.complete_feedback_notification(again.headers["ETag"].strip('"'))
    with pytest.raises(HttpOperationError) as lost:
        runtime.complete_feedback_notification(token)
    assert lost.value.response.headers["iothub-errorcode"] == "DeviceMessageLockLost"


def test_devices_are_exported_into_the_hub_s_own_store(simulator, registry, device):
    made = simulator.ask("POST", f"/control/blobs/containers/{new_id('c')}")
    wanted = JobProperties(
        type="export",
        output_blob_container_uri=made["sasUri"],
        exclude_keys_in_export=True,
        storage_authentication_type="keyBased",
    )
    jobs = registry.protocol.jobs
    job = jobs.create_import_export_job(wanted)
    ended = ("completed", "failed", "cancelled")
    until("the export ends", lambda: jobs.get_import_export_job(job.job_id).status in ended)
    assert jobs.get_import_export_job(job.job_id).failure_reason is None
    with ContainerClient.from_container_url(made["sasUri"]) as container:
        lines = container.download_blob("devices.txt").readall().splitlines()
    assert device.id in {json.loads(line)["id"] for line in lines}


def test_a_wrong_wish_is_named(simulator, device):
    for field, value in (("ack", "perhaps"), ("expiryTimeUtc", "tomorrow")):
        with pytest.raises(Refused, match=value) as refused:
            simulator.ask("POST", f"/control/messages/{device.id}", {"body": "hello", field: value})
        assert refused.value.status == 400


def test_a_kill_takes_nothing_back(kept_simulator, monkeypatch):
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", kept_simulator.ca_file)
    runtime = IoTHubHttpRuntimeManager.from_connection_string(kept_simulator.ready["serviceConnectionString"])
    device = kept_simulator.add_device()
    made = kept_simulator.ask("POST", "/control/blobs/containers/kept")
    body = os.urandom(1 << 20)
    with ContainerClient.from_container_url(made["sasUri"]) as container:
        container.upload_blob("file.bin", body)
        container.get_blob_client("later").stage_block("1", b"one")
    message = kept_simulator.ask("POST", f"/control/messages/{device.id}", {"body": "hello", "ack": "full"})
    runtime.protocol.cloud_to_device_messages.purge_cloud_to_device_message_queue(device.id)
    kept_simulator.kill()
    kept_simulator.start()
    [record] = feedback(runtime, device, 1)
    assert (record["originalMessageId"], record["statusCode"]) == (message["messageId"], "Purged")
    with ContainerClient.from_container_url(made["sasUri"]) as container:
        assert container.download_blob("file.bin").readall() == body
        later = container.get_blob_client("later")
        later.commit_block_list([BlobBlock("1")])
        assert later.download_blob().readall() == b"one"
