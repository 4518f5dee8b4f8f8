"""Connections: logins, ends, slow readers, idle ones, many channels (rows S9, S23, S24, S30, S32 to S36, S71)."""
import os
import signal
import socket
import subprocess
import sys
import threading
import time

import pika
import pika.exceptions

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from case import HERE, QUICK, ClientCase, Consumer, brokers, drain, row, settle, wait_for

LOGIN_REFUSED = ("ACCESS_REFUSED - Login was refused using authentication mechanism PLAIN. For details see the broker logfile.")


class Logins(ClientCase):
    @row(30)
    def test_a_wrong_password_is_refused_with_a_reason(self):
        self.server.ctl("add_user", "admin", "123456")
        self.addCleanup(self.server.ctl, "delete_user", "admin")
        since = self.server.log_size()
        with self.assertRaises(pika.exceptions.ProbableAuthenticationError) as refused:
            self.connect("admin", "admin")
        self.assertIn(LOGIN_REFUSED, str(refused.exception))
        self.server.wait_for_log("PLAIN login refused: user 'admin' - invalid credentials", since=since)
        with self.assertRaises(pika.exceptions.ProbableAuthenticationError):
            self.connect("nobody", "admin")

    @row(30)
    def test_a_missing_or_forbidden_vhost_is_refused_with_a_reason(self):
        self.server.ctl("add_user", "lqz", "123")
        self.addCleanup(self.server.ctl, "delete_user", "lqz")
        for user, vhost, text in (("guest", "nosuch", "NOT_ALLOWED - vhost nosuch not found"),
                                  ("lqz", "/", "NOT_ALLOWED - access to vhost '/' refused for user 'lqz'")):
            with self.assertRaises(pika.exceptions.ProbableAccessDeniedError) as refused:
                self.connect(user, "123" if user == "lqz" else "guest", vhost)
            self.assertIn(f"(530) {text!r}" if "'" not in text else f'(530) "{text}"', str(refused.exception))


class Pika(ClientCase):
    """Calls as scripts of both generations of pika write them."""

    @row(24)
    def test_scripts_for_pika_1(self):
        self.fresh("hello", exchanges=["logs"])
        with pika.BlockingConnection(pika.ConnectionParameters("localhost", self.server.port)) as connection:
            channel = connection.channel()
            channel.exchange_declare(exchange="logs", exchange_type="fanout")
            result = channel.queue_declare(queue="", exclusive=True)
            channel.queue_bind(exchange="logs", queue=result.method.queue)
            got = []
            channel.basic_consume(queue=result.method.queue, auto_ack=True,
                                  on_message_callback=lambda ch, method, properties, body: got.append(body))
            channel.basic_publish(exchange="logs", routing_key="", body="info: Hello")
            while not got:
                connection.process_data_events(time_limit=1)
            self.assertEqual(got, [b"info: Hello"])
        self.assertTrue(connection.is_closed)

    @row(23)
    def test_scripts_for_pika_0(self):
        # Debian 12 has pika 1.2 only; this spells its calls as version 0 did. What goes over the wire is the same.
        class Channel:
            def __init__(self, channel):
                self.channel = channel

            def __getattr__(self, name):
                return getattr(self.channel, name)

            def exchange_declare(self, exchange, type="direct", **more):
                return self.channel.exchange_declare(exchange, type, **more)

            def queue_declare(self, queue="", **more):
                return self.channel.queue_declare(queue, **more)

            def basic_consume(self, consumer_callback, queue="", no_ack=False, **more):
                return self.channel.basic_consume(queue, consumer_callback, auto_ack=no_ack, **more)

        self.server.ctl("add_vhost", "/my_vhost")
        self.addCleanup(self.server.ctl, "delete_vhost", "/my_vhost")
        self.server.ctl("set_permissions", "-p", "/my_vhost", "guest", ".*", ".*", ".*")
        credentials = pika.PlainCredentials("guest", "guest")
        connection = pika.BlockingConnection(pika.ConnectionParameters("localhost", self.server.port, "/my_vhost", credentials))
        self.addCleanup(lambda: connection.is_open and connection.close())
        channel = Channel(connection.channel())
        channel.exchange_declare(exchange="first", type="topic", auto_delete=False)
        result = channel.queue_declare(exclusive=True)
        queue_name = result.method.queue
        channel.queue_bind(exchange="first", queue=queue_name, routing_key="test.#")
        got = []
        channel.basic_consume(lambda ch, method, properties, body: got.append((method.routing_key, body)), queue=queue_name,
                              no_ack=True)
        channel.basic_publish(exchange="first", routing_key="test.one", body="x")
        wait_for(connection, lambda: got)
        self.assertEqual(got, [("test.one", b"x")])


class Ends(ClientCase):
    @row(32)
    def test_a_killed_client_leaves_nothing_behind(self):
        for number, end in enumerate((signal.SIGINT, signal.SIGPIPE, signal.SIGKILL)):
            with self.subTest(end=end.name):
                name = f"held-{number}"
                self.fresh(name)
                channel = self.channel()
                channel.queue_declare(name)
                for count in range(3):
                    channel.basic_publish("", name, b"%d" % count)
                client = subprocess.Popen([sys.executable, os.path.join(HERE, "holder.py"), self.server.uri(), name, "3"],
                                          stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
                self.addCleanup(client.stdout.close)
                exclusive = client.stdout.readline().strip()
                self.assertEqual(self.counts(name), (0, 1))
                client.send_signal(end)
                if end == signal.SIGPIPE:  # Python ignores it; then the socket goes.
                    client.kill()
                client.wait(20)
                self.gone_soon(exclusive)
                self.ready_soon(name, 3)
                self.assertEqual(self.counts(name), (3, 0))
                self.assertTrue(channel.basic_get(name)[0].redelivered)
                channel.close()

    @row(32)
    def test_a_client_that_falls_silent_is_dropped_after_two_missed_heartbeats(self):
        self.fresh("held")
        self.channel().queue_declare("held")
        silent = pika.BlockingConnection(self.parameters(heartbeat=1))
        self.addCleanup(lambda: silent._impl._transport and silent._impl._transport.abort())
        silent.channel().basic_consume("held", print)
        self.assertEqual(self.counts("held")[1], 1)
        brokers.wait_until(lambda: self.counts("held")[1] == 0, seconds=8, what="the end of the silent client")
        self.server.wait_for_log("missed heartbeats from client, timeout: 1s")


class Idle(ClientCase):
    own_server = True  # What others left behind would cost something.

    @row(33)
    def test_an_idle_consumer_costs_no_processor_time(self):
        self.fresh("idle")
        channel = self.channel()
        channel.queue_declare("idle")
        Consumer(channel, "idle")
        settle(channel)
        before, began = self.server.cpu_seconds(), time.monotonic()
        channel.connection.process_data_events(time_limit=3)  # Nothing is to happen for three seconds.
        used = self.server.cpu_seconds() - before
        if not brokers.RABBITMQ:
            self.assertLess(used, 0.05 * (time.monotonic() - began))


class Patience(ClientCase):
    @row(33)
    def test_a_slow_reader_gets_everything_and_costs_little_memory(self):
        body, count = b"x" * 20_000, 1_000
        self.fresh("slow")
        channel = self.channel()
        channel.queue_declare("slow", durable=True)
        channel.confirm_delivery()
        publisher = self.channel()
        for _ in range(count):
            publisher.basic_publish("", "slow", body, pika.BasicProperties(delivery_mode=2))
        publisher.queue_declare("slow", passive=True)
        self.ready_soon("slow", count)
        before = self.server.resident_bytes()
        reader = self.channel()
        consumer = Consumer(reader, "slow")  # No prefetch limit: the socket is the only brake.
        for _ in range(20):
            reader.connection.process_data_events(time_limit=0)
            time.sleep(0.05)  # The seed's usleep(50000): this is the slowness under test.
        if not brokers.RABBITMQ and brokers.PATIENCE == 1:
            self.assertLess(self.server.resident_bytes() - before, 64 * 2 ** 20)
        consumer.wait(count, seconds=30)
        self.assertEqual(len(consumer.received), count)

    @row(34)
    def test_a_callback_that_sleeps_keeps_its_connection(self):
        # A worker that sleeps less than the heartbeat's time does no I/O at all meanwhile.
        heartbeat, sleep = (6, 5) if QUICK or brokers.PATIENCE > 1 else (60, 50)
        self.fresh("long")
        channel = self.channel(heartbeat=heartbeat)
        channel.queue_declare("long")
        channel.basic_publish("", "long", b"task")
        done = []
        def work(ch, method, _properties, _body):
            time.sleep(sleep)  # The sleeping callback is what is under test.
            ch.basic_ack(delivery_tag=method.delivery_tag)
            done.append(method.redelivered)
        channel.basic_consume("long", work)
        wait_for(channel.connection, lambda: done, seconds=sleep + 10)
        settle(channel)
        self.assertEqual((done, self.counts("long")[0]), ([False], 0))

    @row(71)
    def test_a_long_task_keeps_its_message(self):
        # Thirty-one minutes cannot be waited for; there is no such time-out, so that any stretch shows the same.
        seconds = 4 if QUICK or brokers.PATIENCE > 1 else 40
        self.fresh("longest")
        channel = self.channel()
        channel.queue_declare("longest")
        channel.basic_publish("", "longest", b"task")
        worker = Consumer(channel, "longest", auto_ack=False)
        worker.wait(1)
        since = self.server.log_size()
        channel.connection.process_data_events(time_limit=seconds)  # The task takes its time.
        self.assertEqual(self.counts("longest"), (0, 1))
        self.assertNotIn("timed out", self.server.log(since))
        channel.basic_ack(worker.received[0][0].delivery_tag)
        settle(channel)
        self.assertEqual(len(worker.received), 1)

    @row(36)
    def test_consuming_from_an_empty_queue_waits_until_a_message_comes(self):
        self.fresh("hello")
        channel = self.channel()
        channel.queue_declare("hello")
        got = []
        def callback(ch, _method, _properties, body):
            got.append(body)
            ch.stop_consuming()
        channel.basic_consume("hello", callback, auto_ack=True)
        def publish():
            with pika.BlockingConnection(self.parameters()) as connection:
                connection.channel().basic_publish("", "hello", b"at last")
        later = threading.Timer(1.0, publish)
        later.start()
        self.addCleanup(later.join)
        channel.start_consuming()
        self.assertEqual(got, [b"at last"])

    @row(35)
    def test_many_channels_share_one_connection(self):
        connection = self.connect()
        channels = [connection.channel() for _ in range(200)]
        queues = [channel.queue_declare("", exclusive=True).method.queue for channel in channels]
        for channel, queue in zip(channels, reversed(queues)):
            channel.basic_publish("", queue, queue.encode())
        for channel, queue in zip(channels, queues):
            settle(channels[queues[::-1].index(queue)])
            self.assertEqual(drain(channel, queue), [queue.encode()])
        channels[7].close()
        with self.channel_closed(404, "NOT_FOUND - no queue 'nosuch' in vhost '/'"):
            channels[8].queue_declare("nosuch", passive=True)
        self.assertTrue(channels[9].is_open)

    @row(35)
    def test_acknowledgements_belong_to_their_channel(self):
        self.fresh("mine")
        connection = self.connect()
        first, second = connection.channel(), connection.channel()
        first.queue_declare("mine")
        first.basic_publish("", "mine", b"x")
        tag = first.basic_get("mine")[0].delivery_tag
        second.basic_ack(tag)
        with self.channel_closed(406, f"PRECONDITION_FAILED - unknown delivery tag {tag}"):
            settle(second)
        first.basic_ack(tag)
        settle(first)


class Handshake(ClientCase):
    def raw(self, *sent):
        with socket.create_connection((self.server.host, self.server.port), timeout=20 * brokers.PATIENCE) as peer:
            for part in sent:
                peer.sendall(part)
            received = b""
            while True:
                try:
                    part = peer.recv(65536)
                except ConnectionResetError:  # The end, too: unread input makes a close a reset.
                    part = b""
                if not part:
                    return received
                received += part

    @row(35)
    def test_another_protocol_is_told_which_one_is_spoken(self):
        for greeting in (b"AMQP\x00\x01\x00\x00", b"GET / HTTP/1.1\r\nHost: x\r\n\r\n", b"AMQP\x03\x01\x00\x00"):
            self.assertEqual(self.raw(greeting), b"AMQP\x00\x00\x09\x01")

    @row(35)
    def test_what_the_server_tells_about_itself(self):
        connection = self.connect()
        properties = connection._impl.server_properties
        self.assertEqual(properties["capabilities"], {
            "publisher_confirms": True, "exchange_exchange_bindings": True, "basic.nack": True, "consumer_cancel_notify": True,
            "connection.blocked": True, "consumer_priorities": True, "authentication_failure_close": True,
            "per_consumer_qos": True, "direct_reply_to": True})
        self.assertLessEqual({"cluster_name", "copyright", "information", "platform", "product", "version"}, set(properties))
        self.assertRegex(properties["version"], r"^\d+\.\d+\.\d+")
        self.assertEqual(properties["product"], "RabbitMQ" if brokers.RABBITMQ else "Pontoon")
        self.assertEqual((connection._impl.params.channel_max, connection._impl.params.frame_max), (2047, 131072))
