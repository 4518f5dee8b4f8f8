"""AMQP 0-9-1 by hand, for what no client library would send: frames and methods as bytes over a socket.

    wire = Wire(server).open()                       # header, start, tune, open
    wire.method(1, 20, 10, shortstr(""))             # channel.open
    frame = wire.read()                              # Frame(type, channel, payload)
    wire.expect(1, 20, 11)                           # its arguments as bytes
"""
import collections
import socket
import struct

Frame = collections.namedtuple("Frame", "type channel payload")
METHOD, HEADER, BODY, HEARTBEAT = 1, 2, 3, 8
GREETING = b"AMQP\x00\x00\x09\x01"


def shortstr(text):
    data = text if isinstance(text, bytes) else text.encode()
    return bytes([len(data)]) + data


def longstr(text):
    data = text if isinstance(text, bytes) else text.encode()
    return struct.pack(">I", len(data)) + data


def table(*fields):
    """A table of ready-made fields: (name, type letter, value bytes)."""
    return longstr(b"".join(shortstr(name) + kind + value for name, kind, value in fields))


def frame(kind, channel, payload):
    return struct.pack(">BHI", kind, channel, len(payload)) + payload + b"\xce"


def method(channel, class_id, method_id, arguments=b""):
    return frame(METHOD, channel, struct.pack(">HH", class_id, method_id) + arguments)


def content_header(channel, size, flags=0, properties=b"", class_id=60):
    return frame(HEADER, channel, struct.pack(">HHQH", class_id, 0, size, flags) + properties)


def publish(channel, key, body, exchange="", bits=0, flags=0, properties=b"", frame_max=131072):
    """A whole basic.publish: method, header, and the body in as many frames as it takes."""
    most = frame_max - 8
    parts = [method(channel, 60, 40, struct.pack(">H", 0) + shortstr(exchange) + shortstr(key) + bytes([bits])),
             content_header(channel, len(body), flags, properties)]
    parts += [frame(BODY, channel, body[at:at + most]) for at in range(0, len(body), most)]
    return b"".join(parts)


class Closed(Exception):
    """The peer ended the connection."""


class Wire:
    def __init__(self, server, timeout=20):
        self.socket = socket.create_connection((server.host, server.port), timeout=timeout)
        self.buffer = b""

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()

    def close(self):
        self.socket.close()

    def send(self, data):
        self.socket.sendall(data)
        return self

    def method(self, channel, class_id, method_id, arguments=b""):
        return self.send(method(channel, class_id, method_id, arguments))

    def take(self, count):
        while len(self.buffer) < count:
            try:
                part = self.socket.recv(1 << 16)
            except ConnectionError:
                part = b""
            if not part:
                raise Closed(f"after {self.buffer!r}")
            self.buffer += part
        data, self.buffer = self.buffer[:count], self.buffer[count:]
        return data

    def read(self):
        """The next frame that is no heartbeat."""
        while True:
            kind, channel, size = struct.unpack(">BHI", self.take(7))
            payload = self.take(size)
            end = self.take(1)
            assert end == b"\xce", end
            if kind != HEARTBEAT:
                return Frame(kind, channel, payload)

    def expect(self, channel, class_id, method_id):
        """The arguments of the next frame, which must be this method."""
        got = self.read()
        assert got.type == METHOD and got.channel == channel, got
        assert struct.unpack(">HH", got.payload[:4]) == (class_id, method_id), got
        return got.payload[4:]

    def expect_close(self, channel=0):
        """(code, text, class, method) of the connection.close or channel.close that comes next."""
        arguments = self.expect(channel, *((10, 50) if channel == 0 else (20, 40)))
        code, size = struct.unpack(">HB", arguments[:3])
        return (code, arguments[3:3 + size].decode(), *struct.unpack(">HH", arguments[3 + size:]))

    def expect_end(self):
        """Nothing more comes."""
        try:
            while True:
                self.read()
        except Closed:
            return

    def greet(self, user="guest", password="guest", capabilities=b""):
        """Up to tune; its (channel_max, frame_max, heartbeat)."""
        self.send(GREETING)
        self.expect(0, 10, 10)
        self.method(0, 10, 11, table(("capabilities", b"F", longstr(capabilities))) + shortstr("PLAIN") +
                    longstr(f"\0{user}\0{password}") + shortstr("en_US"))
        return struct.unpack(">HIH", self.expect(0, 10, 30))

    def open(self, vhost="/", channel_max=2047, frame_max=131072, heartbeat=0, **more):
        self.greet(**more)
        self.method(0, 10, 31, struct.pack(">HIH", channel_max, frame_max, heartbeat))
        self.method(0, 10, 40, shortstr(vhost) + shortstr("") + b"\x00")
        self.expect(0, 10, 41)
        return self

    def channel(self, number=1):
        self.method(number, 20, 10, shortstr(""))
        self.expect(number, 20, 11)
        return self

    def declare(self, queue="", channel=1, bits=0b00100, arguments=table()):
        """queue.declare (exclusive unless told otherwise); the name."""
        self.method(channel, 50, 10, b"\0\0" + shortstr(queue) + bytes([bits]) + arguments)
        ok = self.expect(channel, 50, 11)
        return ok[1:1 + ok[0]].decode()

    def get(self, queue, channel=1):
        """basic.get without acknowledgement: (header frame's payload, body), or None."""
        self.method(channel, 60, 70, b"\0\0" + shortstr(queue) + b"\x01")
        got = self.read()
        if struct.unpack(">HH", got.payload[:4]) == (60, 72):
            return None
        assert struct.unpack(">HH", got.payload[:4]) == (60, 71), got
        header = self.read().payload
        size, body = struct.unpack(">Q", header[4:12])[0], b""
        while len(body) < size:
            body += self.read().payload
        return header, body
