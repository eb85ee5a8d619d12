"""Readers that remember where they were and share the partitions, as the official consumer does it with a store."""

import threading
import time
import uuid

import pytest
from azure.eventhub import CheckpointStore, EventHubConsumerClient

from simulator import BOUND, until


class Store(CheckpointStore):
    """What a storage account keeps for real readers, who share it too."""

    def __init__(self):
        self._lock = threading.Lock()
        self.owned = {}
        self.checkpoints = {}

    def list_ownership(self, fully_qualified_namespace, eventhub_name, consumer_group, **_):
        with self._lock:
            return [dict(ownership) for ownership in self.owned.values()]

    def claim_ownership(self, ownership_list, **_):
        claimed = []
        with self._lock:
            for wanted in ownership_list:
                partition = wanted["partition_id"]
                held = self.owned.get(partition)
                # Somebody else was faster.
                if held and held["etag"] != wanted.get("etag"):
                    continue
                self.owned[partition] = {**wanted, "etag": str(uuid.uuid4()), "last_modified_time": time.time()}
                claimed.append(dict(self.owned[partition]))
        return claimed

    def list_checkpoints(self, fully_qualified_namespace, eventhub_name, consumer_group, **_):
        with self._lock:
            return [dict(checkpoint) for checkpoint in self.checkpoints.values()]

    def update_checkpoint(self, checkpoint, **_):
        with self._lock:
            self.checkpoints[checkpoint["partition_id"]] = dict(checkpoint)


class Reader:
    """A consumer that marks each event as done, in a thread of its own."""

    def __init__(self, simulator, group, store, device):
        self.texts = []
        self._device = device.id.encode()
        self._sdk = EventHubConsumerClient.from_connection_string(
            simulator.ready["eventHubConnectionString"],
            group,
            checkpoint_store=store,
            connection_verify=simulator.ca_file,
            load_balancing_interval=0.2,
        )
        self._thread = threading.Thread(target=self._sdk.receive, args=(self._on_event,), kwargs={"starting_position": "-1"})
        self._thread.start()

    def _on_event(self, context, event):
        if event.system_properties[b"iothub-connection-device-id"] == self._device:
            self.texts.append(event.body_as_str())
        context.update_checkpoint(event)

    def close(self):
        self._sdk.close()
        self._thread.join(BOUND)
        assert not self._thread.is_alive()


@pytest.fixture
def transport():
    """Of the devices: how they send is not what this is about."""
    return "mqtt"


@pytest.fixture
def flavour():
    return "sync"


@pytest.fixture
def read(simulator, device):
    readers = []

    def read(group, store):
        readers.append(Reader(simulator, group, store, device))
        return readers[-1]

    yield read
    for reader in readers:
        reader.close()


def test_a_reader_goes_on_where_the_last_one_was(device, open_client, read):
    client = open_client(device.connection_string).connect()
    group, store = f"group-{uuid.uuid4()}", Store()
    before = [f"before {number}" for number in range(12)]
    after = [f"after {number}" for number in range(8)]
    for text in before:
        client.send(text)
    first = read(group, store)
    until("what was sent before", lambda: len(first.texts) == len(before))
    first.close()
    for text in after:
        client.send(text)
    second = read(group, store)
    until("what was sent after", lambda: len(second.texts) == len(after))
    assert (first.texts, second.texts) == (before, after), "in order, and nothing twice"
    # Its device's partition is read to the end, and says so.
    assert any(checkpoint["sequence_number"] >= len(before + after) - 1 for checkpoint in store.checkpoints.values())


def test_two_readers_share_the_partitions(device, read):
    group, store = f"group-{uuid.uuid4()}", Store()

    def shares():
        owners = [ownership["owner_id"] for ownership in store.list_ownership(None, None, group)]
        return sorted(owners.count(owner) for owner in set(owners))

    read(group, store)
    until("one has all", lambda: shares() == [4])
    read(group, store)
    until("each has two", lambda: shares() == [2, 2])
