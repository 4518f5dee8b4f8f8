"""The base of the tests in this folder, and the mark that says which row of the feature list a test shows."""
import contextlib
import os
import sys
import time
import unittest

import pika
import pika.exceptions

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), ".."))
from support import server as brokers  # noqa: E402

HERE = os.path.dirname(os.path.abspath(__file__))
QUICK = os.environ.get("PONTOON_QUICK") == "yes"
PERSISTENT = pika.BasicProperties(delivery_mode=2)


def row(*numbers):
    """Marks a test method with the rows S<number> whose behaviour it drives (tests/clients/rows.py reads it)."""
    def mark(method):
        method.rows = tuple(getattr(method, "rows", ())) + numbers
        return method
    return mark


ours_only = unittest.skipIf(brokers.RABBITMQ, "RabbitMQ does not promise this")


class ClientCase(unittest.TestCase):
    """One server for all tests of the process; subclasses with `config` or `own_server` get one of their own."""

    maxDiff = 2000
    own_server = False
    config = None

    @classmethod
    def setUpClass(cls):
        if cls.own_server or cls.config:
            cls.server = brokers.Server(config=cls.config).start()
        else:
            cls.server = brokers.shared()

    @classmethod
    def tearDownClass(cls):
        if cls.own_server or cls.config:
            cls.server.close()

    # -- connections

    def parameters(self, user="guest", password="guest", vhost="/", port=None, host=None, heartbeat=600, **more):
        return pika.ConnectionParameters(host or self.server.host, port or self.server.port, vhost,
                                         pika.PlainCredentials(user, password), heartbeat=heartbeat,
                                         blocked_connection_timeout=60 * brokers.PATIENCE,
                                         socket_timeout=20 * brokers.PATIENCE, stack_timeout=40 * brokers.PATIENCE, **more)

    def connect(self, *args, **more):
        """A pika connection that is closed after the test."""
        connection = pika.BlockingConnection(self.parameters(*args, **more))
        self.addCleanup(quietly_close, connection)
        return connection

    def channel(self, *args, **more):
        """A channel on a connection of its own."""
        return self.connect(*args, **more).channel()

    def fresh(self, *queues, exchanges=()):
        """Makes sure that these names do not exist now, and not after the test either."""
        def remove():
            with pika.BlockingConnection(self.parameters()) as connection:
                channel = connection.channel()
                for name in queues:
                    channel.queue_delete(name)
                for name in exchanges:
                    channel.exchange_delete(name)
        remove()
        self.addCleanup(lambda: self.server.alive() and remove())

    # -- claims

    @contextlib.contextmanager
    def channel_closed(self, code, text):
        """The block ends because the broker closes the channel with exactly this."""
        with self.assertRaises(pika.exceptions.ChannelClosedByBroker) as closed:
            yield
        self.assertEqual((closed.exception.reply_code, closed.exception.reply_text), (code, text))

    @contextlib.contextmanager
    def connection_closed(self, code, text):
        with self.assertRaises(pika.exceptions.ConnectionClosedByBroker) as closed:
            yield
        self.assertEqual((closed.exception.reply_code, closed.exception.reply_text), (code, text))

    def exists(self, queue):
        """Whether a queue is there, asked on a channel of its own."""
        with pika.BlockingConnection(self.parameters()) as connection:
            try:
                connection.channel().queue_declare(queue, passive=True)
                return True
            except pika.exceptions.ChannelClosedByBroker as closed:
                # 405: locked by a connection that is just ending, so it is still there.
                self.assertIn(closed.reply_code, (404, 405))
                return closed.reply_code == 405

    def counts(self, queue):
        """(ready messages, consumers) as a passive declare tells them."""
        with pika.BlockingConnection(self.parameters()) as connection:
            ok = connection.channel().queue_declare(queue, passive=True).method
            return ok.message_count, ok.consumer_count

    def gone_soon(self, queue):
        brokers.wait_until(lambda: not self.exists(queue), what=f"the end of queue {queue}")

    def ready_soon(self, queue, count):
        brokers.wait_until(lambda: self.counts(queue)[0] == count, what=f"{count} ready messages in {queue}")


def quietly_close(connection):
    with contextlib.suppress(Exception):  # It may be in any state; what matters was claimed before.
        connection.close()


def drain(channel, queue):
    """The bodies that are ready in a queue, taken with basic.get."""
    bodies = []
    while True:
        ok, _, body = channel.basic_get(queue, auto_ack=True)
        if ok is None:
            return bodies
        bodies.append(body)


class Consumer:
    """Collects what a channel is delivered; `received` holds (method, properties, body)."""

    def __init__(self, channel, queue, auto_ack=True, **more):
        self.channel, self.received = channel, []
        self.tag = channel.basic_consume(queue, lambda _, *delivery: self.received.append(delivery), auto_ack=auto_ack, **more)

    def bodies(self):
        return [body for _, _, body in self.received]

    def wait(self, count, seconds=10):
        """Runs the connection until `count` messages are here; more than that is an error of the test's promise."""
        wait_for(self.channel.connection, lambda: len(self.received) >= count, seconds)
        return self.received


def wait_for(connection, condition, seconds=10):
    deadline = time.monotonic() + seconds * brokers.PATIENCE
    while not condition():
        if time.monotonic() > deadline:
            raise AssertionError("it did not happen in time")
        connection.process_data_events(time_limit=0.05)


def settle(channel):
    """Everything sent on this channel before has been done by the broker, and what it pushed since is here."""
    channel.basic_qos(prefetch_count=0)
