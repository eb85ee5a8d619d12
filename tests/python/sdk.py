"""The official SDK's clients, unmodified, sync and async behind one face, so that a scenario is written once.

Calls block and are bounded; what arrives is kept in order. Nothing here helps the SDK along or hides what it does.
"""

import asyncio
import concurrent.futures
import inspect
import queue
import threading

from azure.iot.device import IoTHubDeviceClient, IoTHubModuleClient, MethodResponse
from azure.iot.device import aio
from azure.iot.device.exceptions import ConnectionDroppedError, ConnectionFailedError, NoConnectionError

from simulator import BOUND, until

CLIENTS = {
    ("device", "sync"): IoTHubDeviceClient,
    ("device", "async"): aio.IoTHubDeviceClient,
    ("module", "sync"): IoTHubModuleClient,
    ("module", "async"): aio.IoTHubModuleClient,
}

_loop = asyncio.new_event_loop()
threading.Thread(target=_loop.run_forever, name="applications", daemon=True).start()


class Arrivals:
    """Things that arrive, in order."""

    def __init__(self, what):
        self._what = what
        self._queue = queue.Queue()
        self.put = self._queue.put

    def next(self, within=BOUND):
        try:
            return self._queue.get(timeout=within)
        except queue.Empty:
            raise AssertionError(f"no {self._what} within {within:g} s") from None

    def take(self, count):
        return [self.next() for _ in range(count)]

    def until(self, wanted):
        """Everything up to and with the first that is `wanted`."""
        taken = []
        while not taken or not wanted(taken[-1]):
            taken.append(self.next())
        return taken

    def none_yet(self):
        return self._queue.empty()


class Client:
    """One SDK client with the handlers an application sets."""

    def __init__(self, sdk):
        self.sdk = sdk
        self._async = type(sdk).__module__.startswith("azure.iot.device.iothub.aio")
        self.messages = Arrivals("message")
        self.patches = Arrivals("desired patch")
        self.methods = Arrivals("method request")
        self.states = Arrivals("change of the connection's state")
        self.faults = Arrivals("background exception")
        self.sdk.on_connection_state_change = self._handler(lambda: self.states.put(self.sdk.connected))
        self.sdk.on_background_exception = self._handler(self.faults.put)

    def _handler(self, handle):
        """`handle` as this flavour's applications write it: a coroutine or a function."""
        if not self._async:
            return handle

        async def coroutine(*arguments):
            answer = handle(*arguments)
            if inspect.isawaitable(answer):
                await answer

        return coroutine

    def begin(self, name, *arguments):
        """Starts a call and returns its future."""
        call = getattr(self.sdk, name)
        if self._async:
            return asyncio.run_coroutine_threadsafe(call(*arguments), _loop)
        future = concurrent.futures.Future()

        def run():
            try:
                future.set_result(call(*arguments))
            except BaseException as error:
                future.set_exception(error)

        # Not of a pool: a call that hangs must not keep the interpreter from ending.
        threading.Thread(target=run, name=name, daemon=True).start()
        return future

    def call(self, name, *arguments, within=BOUND):
        try:
            return self.begin(name, *arguments).result(within)
        except concurrent.futures.TimeoutError:
            raise AssertionError(f"{name} has not returned within {within:g} s") from None

    def connect(self):
        self.call("connect")
        return self

    def disconnect(self):
        self.call("disconnect")

    def send(self, message):
        self.call("send_message", message)

    def send_to(self, output, message):
        self.call("send_message_to_output", message, output)

    def twin(self):
        return self.call("get_twin")

    def report(self, patch):
        self.call("patch_twin_reported_properties", patch)

    def invoke(self, name, payload, device, module=None, response=5, connect=2):
        request = {
            "methodName": name,
            "payload": payload,
            "responseTimeoutInSeconds": response,
            "connectTimeoutInSeconds": connect,
        }
        return self.call("invoke_method", request, device, module)

    def take_messages(self):
        """Subscribes to cloud-to-device messages, or a module's inputs."""
        self.sdk.on_message_received = self._handler(self.messages.put)
        return self

    def take_patches(self):
        self.sdk.on_twin_desired_properties_patch_received = self._handler(self.patches.put)
        return self

    def answer_methods(self, answer):
        """Answers each request with the status and payload `answer(name, payload)` returns; None leaves it open."""

        def handle(request):
            self.methods.put(request)
            answered = answer(request.name, request.payload)
            if answered is None:
                return None
            response = MethodResponse.create_from_method_request(request, *answered)
            return self.sdk.send_method_response(response)

        self.sdk.on_method_request_received = self._handler(handle)
        return self

    def until_connected(self, connected=True):
        self.states.until(lambda state: state == connected)

    def until_reconnected(self):
        """Waits for a connection's end and the next one's beginning, which may be too close to be told apart."""
        self.states.take(2)
        until("the client is connected", lambda: self.sdk.connected)

    def listen(self):
        """Connects, and subscribes to all there is. Only an SDK that was asked for the twin asks for it after a cut."""
        self.connect().take_messages().take_patches().answer_methods(lambda _, payload: (200, payload))
        self.until_connected()
        self.twin()
        return self

    def finish(self, sending, message, *output):
        """Sees a message through. The SDK raises when caught between connections; an application sends again then."""

        def is_sent(sending):
            try:
                sending.result(BOUND)
                return True
            except (ConnectionDroppedError, ConnectionFailedError, NoConnectionError):
                return False

        call = "send_message_to_output" if output else "send_message"
        if not is_sent(sending):
            until(f"{message} is sent", lambda: is_sent(self.begin(call, message, *output)))

    def shut_down(self):
        self.call("shutdown")
