"""What only bytes by hand can show: every type of table field, neighbours under a flood (rows S28, S33, S80)."""
import os
import struct
import subprocess
import sys
import time

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from case import HERE, QUICK, ClientCase, brokers, row
from support.wire import Wire, longstr, publish, shortstr, table

ALL_PROPERTIES = 0xFFFC  # content-type first, cluster-id last: fourteen bits, and the bit 0 for "no more flags".


def field(kind, value):
    return (kind.decode() + "-field", kind, value)


EVERY_TYPE = [
    field(b"t", b"\x01"), field(b"b", b"\xfb"), field(b"B", b"\xfb"), field(b"s", struct.pack(">h", -300)),
    field(b"u", struct.pack(">H", 65535)), field(b"I", struct.pack(">i", -2 ** 31)), field(b"i", struct.pack(">I", 2 ** 32 - 1)),
    field(b"l", struct.pack(">q", -2 ** 63)), field(b"f", struct.pack(">f", 1.5)), field(b"d", struct.pack(">d", -0.1)),
    field(b"D", b"\x02" + struct.pack(">i", -314)), field(b"S", longstr(b"\x00\xff text")), field(b"x", longstr(b"\x00\x01\x02")),
    field(b"T", struct.pack(">Q", 1700000000)), field(b"V", b""), field(b"A", longstr(b"I\x00\x00\x00\x01" + b"V" + b"t\x00")),
    field(b"F", table(("inner", b"F", table(("x", b"A", longstr(b"")))))),
]


class Bytes(ClientCase):
    def through(self, flags, properties, body=b"body"):
        with Wire(self.server, 20 * brokers.PATIENCE).open() as wire:
            queue = wire.channel().declare()
            wire.send(publish(1, queue, body, flags=flags, properties=properties))
            return wire.get(queue)

    @row(28, 80)
    def test_all_properties_and_types_of_fields_come_back_byte_for_byte(self):
        properties = (shortstr("text/plain") + shortstr("gzip") + table(*EVERY_TYPE) + b"\x02" + b"\x09" + shortstr("correlation") +
                      shortstr("reply") + shortstr("60000") + shortstr("id") + struct.pack(">Q", 2 ** 40) + shortstr("kind") +
                      shortstr("guest") + shortstr("app") + shortstr("cluster"))
        header, body = self.through(ALL_PROPERTIES, properties)
        self.assertEqual(header, struct.pack(">HHQH", 60, 0, 4, ALL_PROPERTIES) + properties)
        self.assertEqual(body, b"body")

    @row(80)
    def test_each_property_alone_comes_back_alone(self):
        for bit, value in ((15, shortstr("text/plain")), (13, table()), (12, b"\x02"), (11, b"\x00"), (10, shortstr("c")),
                           (9, shortstr("")), (6, struct.pack(">Q", 0)), (2, shortstr("cluster"))):
            header, _ = self.through(1 << bit, value)
            self.assertEqual(header, struct.pack(">HHQH", 60, 0, 4, 1 << bit) + value)

    @row(29)
    def test_a_body_may_be_cut_into_frames_anywhere(self):
        from support.wire import BODY, content_header, frame, method
        with Wire(self.server, 20 * brokers.PATIENCE).open() as wire:
            queue = wire.channel().declare()
            body = os.urandom(5000)
            wire.send(method(1, 60, 40, b"\0\0" + shortstr("") + shortstr(queue) + b"\0") + content_header(1, len(body)))
            at = 0
            for size in (1, 0, 7, 4000, 992):  # An empty frame, too.
                wire.send(frame(BODY, 1, body[at:at + size]))
                at += size
            self.assertEqual(at, len(body))
            self.assertTrue(wire.get(queue)[1] == body)

    @row(35)
    def test_frames_for_a_channel_that_the_broker_closed_are_swallowed_until_close_ok(self):
        with Wire(self.server, 20 * brokers.PATIENCE).open() as wire:
            wire.channel(1).channel(2)
            wire.method(1, 50, 10, b"\0\0" + shortstr("nosuch") + b"\x01" + table())
            wire.send(publish(1, "x", b"y" * 1000, exchange="nosuch either") * 3)
            wire.method(1, 60, 10, struct.pack(">IHB", 0, 1, 0))
            self.assertEqual(wire.expect_close(1), (404, "NOT_FOUND - no queue 'nosuch' in vhost '/'", 50, 10))
            wire.method(1, 20, 41)
            wire.method(2, 60, 10, struct.pack(">IHB", 0, 1, 0))
            wire.expect(2, 60, 11)
            wire.channel(1)  # The number is free again.


class Neighbours(ClientCase):
    own_server = True

    @row(33)
    def test_a_flooding_publisher_does_not_starve_a_quiet_client(self):
        seconds = 3 if QUICK else 10
        channel = self.channel()
        channel.queue_declare("flood", durable=False)
        channel.confirm_delivery()
        channel.queue_declare("quiet", durable=True)
        floods = [subprocess.Popen([sys.executable, os.path.join(HERE, "flood.py"), self.server.host, str(self.server.port), "flood"],
                                   stdin=subprocess.DEVNULL, stdout=subprocess.PIPE) for _ in range(2)]
        try:
            for flood in floods:
                flood.stdout.readline()  # It floods now.
            took, ends = [], time.monotonic() + seconds
            while time.monotonic() < ends:
                began = time.monotonic()
                channel.basic_publish("", "quiet", b"x")
                self.assertEqual(channel.basic_get("quiet", auto_ack=True)[2], b"x")
                took.append(time.monotonic() - began)
        finally:
            for flood in floods:
                flood.kill()
                flood.wait()
                flood.stdout.close()
        took.sort()
        print(f"       {len(took)} round trips, median {took[len(took) // 2] * 1e3:.1f} ms, worst {took[-1] * 1e3:.1f} ms")
        self.assertGreater(len(took), 10)
        self.assertLess(took[len(took) * 95 // 100], 0.5 * brokers.PATIENCE)
