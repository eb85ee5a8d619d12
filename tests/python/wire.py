"""MQTT 3.1.1 by hand: what an SDK would never send, and each byte that comes back."""

import base64
import hashlib
import hmac
import re
import socket
import ssl
import struct
import time
import urllib.parse

from simulator import BOUND, MQTT

CONNACK, PUBLISH, PUBACK, SUBACK, UNSUBACK, PINGRESP = 2, 3, 4, 9, 11, 13
API = "?api-version=2021-04-12"


def string(text):
    data = text if isinstance(text, bytes) else text.encode()
    return struct.pack("!H", len(data)) + data


def packet(first_byte, body=b""):
    length, digits = len(body), bytearray()
    while True:
        length, digit = divmod(length, 128)
        digits.append(digit | (0x80 if length else 0))
        if not length:
            return bytes([first_byte]) + bytes(digits) + body


def connect(client_id, user_name=None, password=None, clean=False, keep_alive=60, level=4, name="MQTT", will=None):
    flags = (0x02 if clean else 0) | (0x80 if user_name is not None else 0) | (0x40 if password is not None else 0)
    payload = string(client_id)
    if will:
        flags |= 0x04 | 0x08
        payload += string(will[0]) + string(will[1])
    payload += b"".join(string(field) for field in (user_name, password) if field is not None)
    return packet(0x10, string(name) + bytes([level, flags]) + struct.pack("!H", keep_alive) + payload)


def publish(topic, body=b"", packet_id=None, qos=None, retain=False, duplicate=False):
    qos = (1 if packet_id else 0) if qos is None else qos
    head = 0x30 | qos << 1 | (1 if retain else 0) | (8 if duplicate else 0)
    identifier = struct.pack("!H", packet_id) if packet_id else b""
    return packet(head, string(topic) + identifier + body)


def puback(packet_id):
    return packet(0x40, struct.pack("!H", packet_id))


def subscribe(packet_id, *filters):
    return packet(0x82, struct.pack("!H", packet_id) + b"".join(string(f) + bytes([qos]) for f, qos in filters))


def unsubscribe(packet_id, *filters):
    return packet(0xA2, struct.pack("!H", packet_id) + b"".join(map(string, filters)))


PING, DISCONNECT = packet(0xC0), packet(0xE0)


def token(audience, key, life=3600, signed_as=None, order=("sr", "sig", "se")):
    """A token; `signed_as` is what stands in it for the audience, where that is not the percent-encoded one."""
    expiry = str(int(time.time()) + life)
    resource = urllib.parse.quote(audience, safe="") if signed_as is None else signed_as
    digest = hmac.digest(base64.b64decode(key), f"{resource}\n{expiry}".encode(), hashlib.sha256)
    fields = {"sr": resource, "sig": urllib.parse.quote(base64.b64encode(digest), safe=""), "se": expiry}
    return "SharedAccessSignature " + "&".join(f"{name}={fields[name]}" for name in order)


class Identity:
    """A device or module as its CONNECT says it."""

    def __init__(self, device, module=None):
        string = device.module_connection_string(module) if module else device.connection_string
        self.host = device.simulator.host
        self.key = re.search("SharedAccessKey=([^;]+)", string)[1]
        self.client_id = f"{device.id}/{module}" if module else device.id
        self.user_name = f"{self.host}/{self.client_id}/{API}"
        self.audience = f"{self.host}/devices/{device.id}" + (f"/modules/{module}" if module else "")
        self.events = f"devices/{device.id}/" + (f"modules/{module}/" if module else "") + "messages/events/"

    def connect(self, **changed):
        fields = {"client_id": self.client_id, "user_name": self.user_name, "password": token(self.audience, self.key)}
        return connect(**(fields | changed))


def tls(simulator, version=None):
    context = ssl.create_default_context(cadata=simulator.ca)
    if version:
        context.minimum_version = context.maximum_version = version
    return context


class Wire:
    """One TLS connection to the MQTT port."""

    def __init__(self, simulator, version=None, receive_buffer=None):
        plain = socket.socket()
        if receive_buffer:
            plain.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive_buffer)
        plain.settimeout(BOUND)
        plain.connect((simulator.address, MQTT))
        self.socket = tls(simulator, version).wrap_socket(plain, server_hostname=simulator.host)
        self._inbox = b""

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.socket.close()

    def send(self, *packets):
        self.socket.sendall(b"".join(packets))
        return self

    def log_in(self, identity, **changed):
        """CONNECT that is accepted; returns SESSION_PRESENT."""
        self.send(identity.connect(**changed))
        kind, body = self.next()
        assert (kind >> 4, body[1]) == (CONNACK, 0), (kind, body)
        return body[0]

    def _take(self, count):
        while len(self._inbox) < count:
            data = self.socket.recv(65536)
            if not data:
                raise EOFError
            self._inbox += data
        taken, self._inbox = self._inbox[:count], self._inbox[count:]
        return taken

    def next(self, within=BOUND):
        """The next packet: its first byte and the rest after the length."""
        self.socket.settimeout(within)
        try:
            first = self._take(1)[0]
            length, shift = 0, 0
            while True:
                digit = self._take(1)[0]
                length |= (digit & 0x7F) << shift
                shift += 7
                if not digit & 0x80:
                    return first, self._take(length)
        except TimeoutError:
            raise AssertionError(f"nothing came within {within:g} s") from None

    def expect(self, kind, body=None):
        first, found = self.next()
        assert first >> 4 == kind, (first, found)
        assert body is None or found == body, found
        return found

    def message(self):
        """The next PUBLISH: topic, body, packet id (None with QoS 0) and whether it says that it is a duplicate."""
        first, body = self.next()
        assert first >> 4 == PUBLISH, (first, body)
        assert not first & 1, "a hub never sets RETAIN"
        length = struct.unpack("!H", body[:2])[0]
        topic, rest = body[2 : 2 + length].decode(), body[2 + length :]
        if first >> 1 & 3:
            return topic, rest[2:], struct.unpack("!H", rest[:2])[0], bool(first & 8)
        return topic, rest, None, bool(first & 8)

    def until_closed(self, within=BOUND):
        """Reads until the other side has closed; returns the packets that came before."""
        packets = []
        try:
            while True:
                packets.append(self.next(within))
        except (EOFError, ConnectionResetError):
            return packets

    def is_alive(self):
        self.send(PING).expect(PINGRESP, b"")
        return True
