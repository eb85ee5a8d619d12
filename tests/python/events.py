"""The official Event Hubs consumer, unmodified, sync and async behind one face."""

import asyncio
import threading
import uuid

from azure.eventhub import EventHubConsumerClient
from azure.eventhub import aio

from sdk import Arrivals
from simulator import BOUND

_loop = asyncio.new_event_loop()
threading.Thread(target=_loop.run_forever, name="consumers", daemon=True).start()


def run(coroutine):
    return asyncio.run_coroutine_threadsafe(coroutine, _loop).result(BOUND)


class Consumer:
    """A consumer of the simulator's events: a client that asks, and one for each time it receives, which is all that
    the SDK lets a client do. All of them are closed with it."""

    def __init__(self, simulator, flavour, group=None, **settings):
        self._async = flavour == "async"
        # A group of its own, so that no other test's readers take the five places a group has.
        group = group or f"group-{uuid.uuid4()}"
        kind = aio.EventHubConsumerClient if self._async else EventHubConsumerClient
        connection_string = settings.pop("connection_string", simulator.ready["eventHubConnectionString"])
        settings = {
            "connection_verify": simulator.ca_file,
            "retry_total": 0,
            # What it sleeps for before it sees that it was closed; its default of 30 s only makes tests slow.
            "load_balancing_interval": 0.1,
        } | settings
        self._open = lambda: kind.from_connection_string(connection_string, group, **settings)
        self.sdk = self._open()
        self._receiving = []

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()

    def close(self):
        self.stop()
        self.ask("close")

    def stop(self):
        """Receives no more: a partition has five readers of a group at most."""
        for sdk, end in self._receiving:
            self._await(sdk.close())
            end()
        self._receiving.clear()

    def ask(self, name, *arguments):
        """Calls a method of the SDK's client and waits for its answer."""
        return self._await(getattr(self.sdk, name)(*arguments))

    def _await(self, answer):
        return run(answer) if self._async else answer

    def receive(self, **settings):
        """Begins to receive; returns where the events, and the errors, arrive."""
        arrivals = Stream()
        sdk = self._open()
        settings = {"starting_position": "-1"} | settings
        if self._async:

            async def on_event(context, event):
                arrivals.events.put((context.partition_id, event))

            async def on_error(_, error):
                arrivals.errors.put(error)

            receiving = sdk.receive(on_event, on_error=on_error, **settings)
            future = asyncio.run_coroutine_threadsafe(receiving, _loop)
            # Its receive() does not end with the client; applications cancel it.
            self._receiving.append((sdk, future.cancel))
        else:

            def receive():
                sdk.receive(
                    lambda context, event: arrivals.events.put((context.partition_id, event)),
                    on_error=lambda _, error: arrivals.errors.put(error),
                    **settings,
                )

            thread = threading.Thread(target=receive, daemon=True)
            thread.start()
            self._receiving.append((sdk, lambda: thread.join(BOUND)))
        return arrivals


class Stream:
    """What one call of `receive` hands out."""

    def __init__(self):
        self.events = Arrivals("event")
        self.errors = Arrivals("error of a consumer")

    def of(self, device, count):
        """The next events of a device, with their partition."""
        taken = []
        while len(taken) < count:
            partition, event = self.events.next()
            if event.system_properties[b"iothub-connection-device-id"].decode() == device.id:
                taken.append((partition, event))
        return taken

    def bodies_of(self, device, count):
        return [event.body_as_str() for _, event in self.of(device, count)]
