"""One client that takes all there is of something: descriptors, channels, queues, bindings. The others are served on."""
import contextlib
import os
import re
import resource
import struct
import sys
import threading
import time

import pika

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from case import QUICK, PERSISTENT, ClientCase, brokers, ours_only, row
from support.wire import METHOD, Closed, Wire, method, publish, shortstr, table


class Quiet(threading.Thread):
    """A client beside the greedy one: publishes a message and gets it back, again and again; `worst` is the slowest."""

    def __init__(self, case):
        super().__init__(daemon=True)
        self.connection = pika.BlockingConnection(case.parameters())
        self.ended, self.under_way = threading.Event(), threading.Event()
        self.failure, self.trips, self.worst = None, 0, 0.0

    def run(self):
        try:
            channel = self.connection.channel()
            channel.queue_declare("quiet", exclusive=True)
            channel.confirm_delivery()
            while not self.ended.wait(0.01):
                began = time.monotonic()
                channel.basic_publish("", "quiet", b"x", PERSISTENT)
                assert channel.basic_get("quiet", auto_ack=True)[2] == b"x"
                self.trips, self.worst = self.trips + 1, max(self.worst, time.monotonic() - began)
                self.under_way.set()
            self.connection.close()
        except Exception as failure:  # pylint: disable=broad-except
            self.failure = failure

    def __enter__(self):
        self.start()
        self.under_way.wait(30 * brokers.PATIENCE)
        return self

    def __exit__(self, *_):
        self.ended.set()
        self.join(30 * brokers.PATIENCE)


class FewDescriptors(brokers.PontoonServer):
    """A broker that is started with few descriptors, and may raise that to a little more."""

    def _command(self):
        return ["prlimit", "--nofile=256:400"] + super()._command()


@ours_only
class Descriptors(ClientCase):
    @classmethod
    def setUpClass(cls):
        cls.server = FewDescriptors().start()
        cls.sockets_at_rest = cls.sockets()

    @classmethod
    def tearDownClass(cls):
        cls.server.close()

    def connect_raw(self):
        wire = Wire(self.server, 20 * brokers.PATIENCE)
        self.addCleanup(wire.close)
        return wire

    @classmethod
    def sockets(cls):
        """How many sockets the broker has open."""
        folder, count = f"/proc/{cls.server.pid}/fd", 0
        for name in os.listdir(folder):
            with contextlib.suppress(FileNotFoundError):
                count += os.readlink(os.path.join(folder, name)).startswith("socket:")
        return count

    def descriptors(self):
        """Those that the broker keeps open; it opens others for a moment, to look at its memory for example."""
        kept = None
        for _ in range(20):
            now = {int(name) for name in os.listdir(f"/proc/{self.server.pid}/fd")}
            kept = now if kept is None else kept & now
            time.sleep(0.005)
        return kept

    def refusals(self, since):
        """(lines, connections) of the log that tell of refused connections."""
        counts = re.findall(r"Refused (\d+) connections?: (.*)", self.server.log(since))
        return len(counts), sum(int(count) for count, _ in counts), {why for _, why in counts}

    def assert_serves(self, channel):
        channel.basic_publish("", "held", b"x", PERSISTENT)
        self.assertEqual(channel.basic_get("held", auto_ack=True)[2], b"x")

    def test_the_limit_is_raised_and_half_of_it_is_for_connections_which_are_refused_beyond(self):
        self.assertEqual(resource.prlimit(self.server.pid, resource.RLIMIT_NOFILE), (400, 400))
        channel = self.channel()
        channel.confirm_delivery()
        channel.queue_declare("held", exclusive=True)
        held = [self.connect_raw() for _ in range(199)]
        for wire in held:
            wire.greet()
        since, began = self.server.log_size(), time.monotonic()
        for _ in range(50):
            self.connect_raw().expect_end()
            self.assert_serves(channel)
        brokers.wait_until(lambda: self.refusals(since)[1] >= 50, what="that all refusals are told")
        lines, count, why = self.refusals(since)
        self.assertEqual((count, why), (50, {"the limit of 200 connections is reached"}))
        self.assertLessEqual(lines, 2 + (time.monotonic() - began))  # The first at once, then one a second.
        for wire in held[:10]:
            wire.close()
        def served():
            try:
                return [self.connect_raw().open() for _ in range(10)]
            except Closed:
                return None  # Not all of the ten are known to be closed yet.
        brokers.wait_until(served, what="that the places are given to others")

    def test_without_any_descriptor_left_clients_are_refused_and_others_served_on(self):
        channel = self.channel()
        channel.confirm_delivery()
        channel.queue_declare("held", exclusive=True)
        self.assert_serves(channel)
        brokers.wait_until(lambda: self.sockets() == self.sockets_at_rest + 1, what="that all other connections are closed")
        before = resource.prlimit(self.server.pid, resource.RLIMIT_NOFILE)
        used = self.descriptors()
        lowest = next(number for number in range(len(used) + 1) if number not in used)
        since, began = self.server.log_size(), time.monotonic()
        # No descriptor may have a number from here on, so that nothing more can be opened.
        resource.prlimit(self.server.pid, resource.RLIMIT_NOFILE, (lowest, before[1]))
        try:
            for _ in range(5):
                self.connect_raw().expect_end()
                self.assert_serves(channel)
            self.server.wait_for_log(r"Refused \d+ connections?: the process has no file descriptor left", since=since)
        finally:
            resource.prlimit(self.server.pid, resource.RLIMIT_NOFILE, before)
        self.connect_raw().open()
        brokers.wait_until(lambda: self.refusals(since)[1] >= 5, what="that all refusals are told")
        self.assertLessEqual(self.refusals(since)[0], 2 + (time.monotonic() - began))  # The first at once, then one a second.
        self.assertTrue(self.server.alive())


class Channels(ClientCase):
    @row(35)
    def test_every_channel_may_be_opened_and_one_more_ends_the_connection(self):
        with Quiet(self) as quiet, Wire(self.server, 30 * brokers.PATIENCE).open() as wire:
            wire.send(b"".join(method(number, 20, 10, shortstr("")) for number in range(1, 2048)))
            self.assertEqual({wire.read().channel for _ in range(2047)}, set(range(1, 2048)))
            wire.declare("", channel=2047)
            wire.method(2048, 20, 10, shortstr(""))
            self.assertEqual(wire.expect_close(), (
                530, "NOT_ALLOWED - number of channels opened (2047) has reached the negotiated channel_max (2047)", 0, 0))
            wire.method(0, 10, 51)
            wire.expect_end()
        self.assertIsNone(quiet.failure)
        with Wire(self.server, 30 * brokers.PATIENCE).open(channel_max=3) as wire:
            for number in (1, 2, 65535):  # A channel's number is not limited, only how many there are.
                wire.channel(number)
            wire.method(1, 20, 40, struct.pack(">H", 0) + shortstr("") + struct.pack(">HH", 0, 0))
            wire.expect(1, 20, 41)
            wire.channel(3)
            wire.method(4, 20, 10, shortstr(""))
            self.assertEqual(wire.expect_close()[1],
                             "NOT_ALLOWED - number of channels opened (3) has reached the negotiated channel_max (3)")


class Many(ClientCase):
    """100,000 of something from one client, on 256 channels at a time: each change waits for a sync of its own."""

    own_server = True
    channels = 256
    count = 1_000 if brokers.RABBITMQ else 5_000 if QUICK or brokers.PATIENCE > 1 else 100_000

    def open(self):
        wire = Wire(self.server, 30 * brokers.PATIENCE).open()
        self.addCleanup(wire.close)
        for number in range(1, self.channels + 1):
            wire.channel(number)
        return wire

    def ask(self, wire, method_id, arguments, answered_by):
        """Sends queue.<method_id> with arguments(0), arguments(1), ..., one at a time on each channel."""
        wanted, waiting = struct.pack(">HH", 50, answered_by), 0
        def await_one():
            got = wire.read()
            self.assertEqual((got.type, got.payload[:4]), (METHOD, wanted))
            return got.channel
        idle = list(range(1, self.channels + 1))
        for number in range(self.count):
            if not idle:
                idle = [await_one()]
                while len(wire.buffer) > 16:
                    idle.append(await_one())
            wire.send(method(idle.pop(), 50, method_id, b"\0\0" + arguments(number)))
            waiting = self.channels - len(idle)
        for _ in range(waiting):
            await_one()

    @contextlib.contextmanager
    def cheap(self, what, seconds, bytes_each, pause=1.0):
        """The block takes so long at most, costs the broker so much memory, and never holds up a quiet client for `pause` seconds."""
        with Quiet(self) as quiet:
            before, began = self.server.resident_bytes(), time.monotonic()
            yield
            took, grown = time.monotonic() - began, self.server.resident_bytes() - before
        print(f"       {self.count} {what} in {took:.1f} s, {grown / self.count:.0f} bytes each; "
              f"{quiet.trips} round trips beside them, the slowest {quiet.worst * 1e3:.0f} ms")
        self.assertIsNone(quiet.failure)
        if not brokers.RABBITMQ:
            self.assertGreater(quiet.trips, 0)
            self.assertLess(quiet.worst, pause * brokers.PATIENCE)
            self.assertLess(took, seconds * brokers.PATIENCE)
            if brokers.PATIENCE == 1:
                self.assertLess(grown, self.count * bytes_each + 64 * 2 ** 20)

    def test_many_queues(self):
        wire = self.open()
        with self.cheap("queues", 30, 4096):
            self.ask(wire, 10, lambda number: shortstr(f"many-{number}") + b"\x02" + table(), 11)
        last = f"many-{self.count - 1}"
        wire.send(publish(1, last, b"here"))
        self.assertEqual(wire.get(last)[1], b"here")
        names = self.server.ctl("-q", "list_queues", "--no-table-headers", "name").rows()
        self.assertEqual(len([name for name, in names if name.startswith("many-")]), self.count)

    def test_many_bindings(self):
        wire = self.open()
        queue = wire.declare()
        with self.cheap("bindings", 30, 4096):
            self.ask(wire, 20, lambda number: shortstr(queue) + shortstr("amq.topic") + shortstr(f"key.{number}.#") + b"\0" +
                     table(), 21)
        wire.send(publish(1, f"key.{self.count - 1}.x.y", b"here", exchange="amq.topic"))
        self.assertEqual(wire.get(queue)[1], b"here")
        with self.cheap("bindings gone with their queue", 20, 0, pause=10.0):  # One change, in one turn.
            wire.method(1, 50, 40, b"\0\0" + shortstr(queue) + b"\0")
            wire.expect(1, 50, 41)
