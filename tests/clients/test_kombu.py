"""py-amqp, kombu and Celery (row S27)."""
import os
import socket
import subprocess
import sys
import time

import amqp
import kombu
import kombu.pools

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from case import HERE, ClientCase, brokers, row

LOGIN_REFUSED = "ACCESS_REFUSED - Login was refused using authentication mechanism"


class PyAmqp(ClientCase):
    def open(self, **more):
        connection = amqp.Connection(f"{self.server.host}:{self.server.port}", **more)
        connection.connect()
        self.addCleanup(connection.collect)
        return connection

    @row(27)
    def test_declare_publish_consume_and_confirm(self):
        self.fresh("py-q", exchanges=["py-x"])
        connection = self.open(confirm_publish=True)
        channel = connection.channel()
        channel.exchange_declare("py-x", "topic", auto_delete=False)
        channel.queue_declare("py-q", auto_delete=False)
        channel.queue_bind("py-q", "py-x", "a.#")
        headers = {"text": "ü", "number": 42, "big": 2 ** 40, "list": [1, "two", None], "table": {"x": True}}
        channel.basic_publish(amqp.Message("hello", content_type="text/plain", delivery_mode=2, application_headers=headers),
                              "py-x", "a.b")
        got = []
        channel.basic_qos(0, 1, False)
        channel.basic_consume("py-q", callback=got.append)
        connection.drain_events(timeout=20 * brokers.PATIENCE)
        self.assertEqual((got[0].body, got[0].headers, got[0].delivery_info["routing_key"]), ("hello", headers, "a.b"))
        channel.basic_ack(got[0].delivery_tag)
        with self.assertRaises(amqp.NotFound) as missing:
            connection.channel().queue_declare("py-missing", passive=True)
        self.assertEqual(missing.exception.reply_text, "NOT_FOUND - no queue 'py-missing' in vhost '/'")
        with self.assertRaises(amqp.PreconditionFailed) as other:
            connection.channel().queue_declare("py-q", durable=True)
        self.assertIn("inequivalent arg 'durable' for queue 'py-q'", other.exception.reply_text)

    @row(27)
    def test_a_wrong_password_is_refused(self):
        for mechanism in ("PLAIN", "AMQPLAIN"):
            with self.assertRaises(amqp.AccessRefused) as refused:
                self.open(userid="guest", password="wrong", login_method=mechanism)
            self.assertIn(f"{LOGIN_REFUSED} {mechanism}.", refused.exception.reply_text)
            self.open(login_method=mechanism)

    @row(27)
    def test_a_consumer_hears_that_its_queue_was_deleted(self):
        channel = self.open().channel()
        channel.queue_declare("py-passing")
        cancelled = []
        channel.basic_consume("py-passing", consumer_tag="mine", on_cancel=cancelled.append)
        self.channel().queue_delete("py-passing")
        channel.connection.drain_events(timeout=20 * brokers.PATIENCE)
        self.assertEqual(cancelled, ["mine"])


class Kombu(ClientCase):
    @row(27)
    def test_a_simple_queue(self):
        self.fresh("simple")
        with kombu.Connection(self.server.uri()) as connection:
            queue = connection.SimpleQueue("simple")
            queue.put({"task": 1}, serializer="json", compression="zlib")
            queue.put("second")
            first = queue.get(timeout=20 * brokers.PATIENCE)
            self.assertEqual(first.payload, {"task": 1})
            first.reject()
            self.assertEqual(queue.get(timeout=20 * brokers.PATIENCE).payload, "second")
            queue.close()

    @row(27)
    def test_the_prefetch_of_a_running_consumer_can_be_changed(self):
        # Celery raises and lowers it for tasks with a countdown, by qos with global set where the product is RabbitMQ.
        self.fresh("counted")
        with kombu.Connection(self.server.uri()) as connection:
            channel = connection.channel()
            queue = kombu.Queue("counted", durable=False)(channel)
            queue.declare()
            producer = kombu.Producer(channel)
            for number in range(10):
                producer.publish({"n": number}, routing_key="counted")
            worker = connection.channel()
            got = []
            consumer = kombu.Consumer(worker, [queue.bind(worker)], on_message=got.append)
            consumer.qos(prefetch_count=2, apply_global=True)
            consumer.consume()

            def drained(count):
                deadline = time.monotonic() + 20 * brokers.PATIENCE
                while len(got) < count and time.monotonic() < deadline:
                    try:
                        connection.drain_events(timeout=0.2)
                    except socket.timeout:
                        pass
                queue(worker).queue_declare(passive=True)
                return len(got)

            self.assertEqual(drained(2), 2)
            consumer.qos(prefetch_count=5, apply_global=True)
            self.assertEqual(drained(5), 5)
            for message in got[:3]:
                message.ack()
            self.assertEqual(drained(8), 8)

    @row(27)
    def test_a_pidbox_reaches_every_node(self):
        # Control queues: not durable, not exclusive, auto-delete, bound to a fanout exchange.
        with kombu.Connection(self.server.uri()) as connection:
            box = kombu.pidbox.Mailbox("control", type="fanout")(connection)
            channels = [connection.channel() for _ in range(2)]
            nodes = [box.Node(f"node-{n}", state=n, channel=channels[n], handlers={"who": lambda state: state}) for n in range(2)]
            for node in nodes:
                node.listen()
            ticket, reply = kombu.uuid(), []
            box._broadcast("who", reply=False)
            called = []
            for node in nodes:
                node.handlers["who"] = lambda state: called.append(state)
            deadline = time.monotonic() + 20 * brokers.PATIENCE
            while len(called) < 2 and time.monotonic() < deadline:
                connection.drain_events(timeout=20 * brokers.PATIENCE)
            self.assertEqual(sorted(called), [0, 1], (ticket, reply))


class Celery(ClientCase):
    own_server = True

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        os.environ["PONTOON_TEST_URI"] = cls.server.uri()
        cls.environment = {**os.environ, "PYTHONPATH": HERE, "C_FORCE_ROOT": "1"}
        cls.worker_log = os.path.join(cls.server.folder, "worker.log")
        with open(cls.worker_log, "wb") as log:
            cls.worker = subprocess.Popen(
                [sys.executable, "-m", "celery", "-A", "celery_app", "worker", "--loglevel", "INFO", "--pool", "threads", "--concurrency", "2",
                 "--hostname", "tester@%h"], cwd=cls.server.folder, env=cls.environment, stdin=subprocess.DEVNULL, stdout=log,
                stderr=subprocess.STDOUT)
        sys.path.insert(0, HERE)
        import celery_app
        cls.tasks = celery_app
        def ready():
            with open(cls.worker_log, encoding="utf-8", errors="replace") as text:
                said = text.read()
            if cls.worker.poll() is not None:
                raise AssertionError("the worker ended:\n" + said)
            return " ready." in said
        try:
            brokers.wait_until(ready, seconds=60, what="the worker")
        except AssertionError:
            cls.tearDownClass()
            raise

    @classmethod
    def tearDownClass(cls):
        cls.worker.terminate()
        try:
            cls.worker.wait(20 * brokers.PATIENCE)
        except subprocess.TimeoutExpired:
            cls.worker.kill()
            cls.worker.wait()
        cls.tasks.app.close()
        super().tearDownClass()

    def result(self, answer):
        return answer.get(timeout=30 * brokers.PATIENCE)

    @row(27)
    def test_tasks_run_and_answer(self):
        answers = [self.tasks.add.delay(n, n) for n in range(20)]
        self.assertEqual([self.result(answer) for answer in answers], [2 * n for n in range(20)])

    @row(27)
    def test_tasks_with_a_countdown_run_later_and_do_not_hold_up_others(self):
        asked = time.time()
        late = [self.tasks.when.apply_async(countdown=2) for _ in range(5)]  # More than the prefetch: it must be raised.
        self.assertEqual(self.result(self.tasks.add.delay(1, 2)), 3)
        for answer in late:
            self.assertGreaterEqual(self.result(answer) - asked, 1.9)

    @row(27)
    def test_a_task_is_retried(self):
        self.assertEqual(self.result(self.tasks.succeeds_at_the_third_attempt.delay()), 2)

    @row(27)
    def test_control_commands_reach_the_worker(self):
        control = self.tasks.app.control
        self.assertEqual([list(reply.values()) for reply in control.ping(timeout=20 * brokers.PATIENCE, limit=1)], [[{"ok": "pong"}]])
        registered, = control.inspect(timeout=20 * brokers.PATIENCE, limit=1).registered().values()
        self.assertIn("celery_app.add", registered)
        queues, = control.inspect(timeout=20 * brokers.PATIENCE, limit=1).active_queues().values()
        self.assertEqual([queue["name"] for queue in queues], ["celery"])
