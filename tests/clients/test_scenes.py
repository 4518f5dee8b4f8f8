"""The six official scenes, RPC, confirms and properties end to end (rows S28, S29, S31, S76 to S80)."""
import datetime
import decimal
import json
import os
import pickle
import sys
import uuid

import pika
import pika.exceptions

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from case import PERSISTENT, ClientCase, Consumer, brokers, drain, row, settle, wait_for


def fibonacci(n):
    a, b = 0, 1
    for _ in range(n):
        a, b = b, a + b
    return a


class RpcServer:
    """rpc_server.py: answers fibonacci numbers, one request at a time."""

    def __init__(self, channel, queue="rpc_queue"):
        self.channel, self.answered = channel, 0
        channel.basic_qos(prefetch_count=1)
        channel.basic_consume(queue, self.answer)

    def answer(self, channel, method, properties, body):
        self.answered += 1
        channel.basic_publish("", properties.reply_to, str(fibonacci(int(body))).encode(),
                              pika.BasicProperties(correlation_id=properties.correlation_id))
        channel.basic_ack(delivery_tag=method.delivery_tag)


class RpcClient:
    """rpc_client.py: one exclusive queue for answers; those with another correlation id are not ours."""

    def __init__(self, channel):
        self.channel, self.answer, self.strangers = channel, None, 0
        self.queue = channel.queue_declare("", exclusive=True).method.queue
        channel.basic_consume(self.queue, self.on_answer, auto_ack=True)

    def on_answer(self, _channel, _method, properties, body):
        if properties.correlation_id == self.expected:
            self.answer = int(body)
        else:
            self.strangers += 1

    def call(self, n, turn):
        self.answer, self.expected = None, str(uuid.uuid4())
        self.channel.basic_publish("", "rpc_queue", str(n).encode(),
                                   pika.BasicProperties(reply_to=self.queue, correlation_id=self.expected))
        brokers.wait_until(lambda: turn() or self.answer is not None, what="the answer")
        return self.answer


class Scenes(ClientCase):
    @row(77)
    def test_send_and_receive(self):
        self.fresh("hello")
        sender, receiver = self.channel(), self.channel()
        sender.queue_declare("hello")
        sender.basic_publish(exchange="", routing_key="hello", body="Hello World!")
        sender.connection.close()
        receiver.queue_declare("hello")
        got = []
        def callback(channel, method, properties, body):
            got.append(body)
            channel.stop_consuming()
        receiver.basic_consume(queue="hello", on_message_callback=callback, auto_ack=True)
        receiver.start_consuming()
        self.assertEqual(got, [b"Hello World!"])

    @row(75, 77)
    def test_new_task_and_workers(self):
        self.fresh("task_queue")
        producer = self.channel()
        producer.queue_declare("task_queue", durable=True)
        for number in range(6):
            producer.basic_publish("", "task_queue", f"task {number}", PERSISTENT)
        done = []
        for _ in range(2):
            worker = self.channel()
            worker.queue_declare("task_queue", durable=True)
            worker.basic_qos(prefetch_count=1)
            consumer = Consumer(worker, "task_queue", auto_ack=False)
            for count in range(1, 4):
                consumer.wait(count)
                worker.basic_ack(consumer.received[-1][0].delivery_tag)
            done += consumer.bodies()[:3]
            worker.close()
        self.assertEqual(done, [b"task %d" % n for n in range(6)])

    @row(77)
    def test_emit_log_and_receive_logs(self):
        self.fresh(exchanges=["logs", "direct_logs", "topic_logs"])
        for exchange, kind, keys, key in (("logs", "fanout", [""], ""), ("direct_logs", "direct", ["info", "error"], "error"),
                                          ("topic_logs", "topic", ["kern.*", "*.critical"], "kern.critical")):
            with self.subTest(exchange=exchange):
                emitter, receivers = self.channel(), []
                for _ in range(2):
                    channel = self.channel()
                    channel.exchange_declare(exchange=exchange, exchange_type=kind)
                    name = channel.queue_declare(queue="", exclusive=True).method.queue
                    for binding in keys:
                        channel.queue_bind(exchange=exchange, queue=name, routing_key=binding)
                    receivers.append(Consumer(channel, name))
                emitter.exchange_declare(exchange=exchange, exchange_type=kind)
                emitter.basic_publish(exchange=exchange, routing_key=key, body="info: Hello World!")
                for receiver in receivers:
                    (method, _, body), = receiver.wait(1)
                    self.assertEqual((method.exchange, method.routing_key, body), (exchange, key, b"info: Hello World!"))

    @row(77, 78)
    def test_rpc_answers_fibonacci_numbers(self):
        self.fresh("rpc_queue")
        server = self.channel()
        server.queue_declare("rpc_queue")
        RpcServer(server)
        client = RpcClient(self.channel())
        turn = lambda: (server.connection.process_data_events(0.01), client.channel.connection.process_data_events(0.01)) and False
        self.assertEqual(client.call(30, turn), 832040)
        self.assertEqual(client.call(4, turn), 3)

    @row(78)
    def test_rpc_answers_of_others_are_ignored_by_the_client(self):
        self.fresh("rpc_queue")
        server = self.channel()
        server.queue_declare("rpc_queue")
        RpcServer(server)
        client = RpcClient(self.channel())
        stranger = self.channel()
        stranger.basic_publish("", client.queue, b"666", pika.BasicProperties(correlation_id=str(uuid.uuid4())))
        settle(stranger)
        turn = lambda: (server.connection.process_data_events(0.01), client.channel.connection.process_data_events(0.01)) and False
        self.assertEqual(client.call(4, turn), 3)
        self.assertEqual(client.strangers, 1)

    @row(79)
    def test_several_rpc_servers_share_the_requests(self):
        self.fresh("rpc_queue")
        channels = [self.channel() for _ in range(3)]
        channels[0].queue_declare("rpc_queue")
        servers = [RpcServer(channel) for channel in channels]
        client = RpcClient(self.channel())
        turn = lambda: [c.connection.process_data_events(0.005) for c in channels + [client.channel]] and False
        self.assertEqual([client.call(n, turn) for n in range(9)], [fibonacci(n) for n in range(9)])
        self.assertEqual([server.answered for server in servers], [3, 3, 3])

    @row(80)
    def test_an_answer_to_a_vanished_queue_is_dropped_silently(self):
        gone = self.channel()
        queue = gone.queue_declare("", exclusive=True).method.queue
        gone.connection.close()
        self.gone_soon(queue)
        server = self.channel()
        server.basic_publish("", queue, b"832040", pika.BasicProperties(correlation_id="1"))
        settle(server)
        self.assertTrue(server.is_open)

    @row(78)
    def test_direct_reply_to_needs_no_queue(self):
        self.fresh("rpc_queue")
        server = self.channel()
        server.queue_declare("rpc_queue")
        RpcServer(server)
        client = self.channel()
        answers = Consumer(client, "amq.rabbitmq.reply-to")
        client.basic_publish("", "rpc_queue", b"30",
                             pika.BasicProperties(reply_to="amq.rabbitmq.reply-to", correlation_id="7"))
        brokers.wait_until(lambda: (server.connection.process_data_events(0.01), client.connection.process_data_events(0.01))
                           and answers.received, what="the answer")
        (_, properties, body), = answers.received
        self.assertEqual((properties.correlation_id, body), ("7", b"832040"))
        with self.channel_closed(406, "PRECONDITION_FAILED - reply consumer cannot acknowledge"):
            self.channel().basic_consume("amq.rabbitmq.reply-to", print, auto_ack=False)
        alone = self.channel()
        alone.basic_publish("", "rpc_queue", b"1", pika.BasicProperties(reply_to="amq.rabbitmq.reply-to"))
        with self.channel_closed(406, "PRECONDITION_FAILED - fast reply consumer does not exist"):
            settle(alone)

    @row(78)
    def test_a_direct_reply_counts_as_no_queue(self):
        self.fresh("rpc_queue", "other")
        client, server = self.channel(), self.channel()
        server.queue_declare("rpc_queue")
        server.queue_declare("other")
        server.confirm_delivery()
        answers = Consumer(client, "amq.rabbitmq.reply-to")
        client.basic_publish("", "rpc_queue", b"?", pika.BasicProperties(reply_to="amq.rabbitmq.reply-to"))
        self.ready_soon("rpc_queue", 1)
        address = server.basic_get("rpc_queue", auto_ack=True)[1].reply_to
        def mandatory(key, **more):
            with self.assertRaises(pika.exceptions.UnroutableError) as returned:
                server.basic_publish("", key, b"answer", pika.BasicProperties(**more), mandatory=True)
            (message,) = returned.exception.messages
            self.assertEqual((message.method.reply_code, message.method.reply_text, message.body), (312, "NO_ROUTE", b"answer"))
        mandatory(address)  # It arrives all the same.
        mandatory("nosuch", headers={"CC": [address]})
        server.basic_publish("", "other", b"copy", pika.BasicProperties(headers={"CC": [address, address]}), mandatory=True)
        server.basic_publish("", address, b"original", pika.BasicProperties(headers={"BCC": ["other"]}), mandatory=True)
        self.assertEqual([(method.routing_key, body) for method, _, body in answers.wait(4)],
                         [(address, b"answer"), ("nosuch", b"answer"), ("other", b"copy"), (address, b"original")])
        self.assertEqual(drain(server, "other"), [b"copy", b"original"])
        client.basic_cancel(answers.tag)
        mandatory(address)
        client.close()
        mandatory(address)
        server.basic_publish("", address, b"late")
        settle(server)
        self.assertEqual(len(answers.received), 4)


class Confirms(ClientCase):
    @row(76)
    def test_a_publisher_hears_that_the_broker_has_the_message(self):
        self.fresh("orders")
        channel = self.channel()
        channel.queue_declare("orders", durable=True)
        channel.confirm_delivery()
        for number in range(20):
            channel.basic_publish("", "orders", b"%d" % number, PERSISTENT, mandatory=True)
        self.assertEqual(self.counts("orders")[0], 20)

    @row(76)
    def test_a_mandatory_message_that_nobody_wants_comes_back_before_its_confirm(self):
        channel = self.channel()
        channel.confirm_delivery()
        with self.assertRaises(pika.exceptions.UnroutableError) as back:
            channel.basic_publish("", "no such queue", b"body", pika.BasicProperties(message_id="m1"), mandatory=True)
        returned, = back.exception.messages
        self.assertEqual((returned.method.reply_code, returned.method.reply_text, returned.method.exchange,
                          returned.method.routing_key, returned.properties.message_id, returned.body),
                         (312, "NO_ROUTE", "", "no such queue", "m1", b"body"))
        channel.basic_publish("", "no such queue", b"body")  # Not mandatory: dropped, and still confirmed.

    @row(76)
    def test_many_outstanding_publishes_are_all_confirmed(self):
        self.fresh("orders")
        self.channel().queue_declare("orders", durable=True)
        confirmed, sent, problems = set(), 2000, []

        def on_channel(channel):
            def on_confirm(frame):
                tag = frame.method.delivery_tag
                if not isinstance(frame.method, pika.spec.Basic.Ack):
                    problems.append(frame)
                confirmed.update(range(1, tag + 1) if frame.method.multiple else [tag])
                if len(confirmed) == sent:
                    channel.connection.close()
            channel.confirm_delivery(on_confirm)
            for number in range(sent):
                channel.basic_publish("", "orders", b"%d" % number, PERSISTENT)

        connection = pika.SelectConnection(self.parameters(), on_open_callback=lambda c: c.channel(on_open_callback=on_channel),
                                           on_close_callback=lambda c, _: c.ioloop.stop())
        connection.ioloop.start()
        self.assertEqual((len(confirmed), problems), (sent, []))
        self.assertEqual(self.counts("orders")[0], sent)

    @row(76)
    def test_a_channel_is_in_confirm_mode_or_in_a_transaction(self):
        channel = self.channel()
        channel.tx_select()
        with self.channel_closed(406, "PRECONDITION_FAILED - cannot switch from tx to confirm mode"):
            channel.confirm_delivery()
        channel = self.channel()
        channel.confirm_delivery()
        with self.channel_closed(406, "PRECONDITION_FAILED - cannot switch from confirm to tx mode"):
            channel.tx_select()
        with self.channel_closed(406, "PRECONDITION_FAILED - channel is not transactional"):
            self.channel().tx_commit()

    @row(76)
    def test_a_transaction_is_published_at_commit_or_never(self):
        self.fresh("orders")
        channel = self.channel()
        channel.queue_declare("orders", durable=True)
        channel.tx_select()
        channel.basic_publish("", "orders", b"never")
        channel.tx_rollback()
        channel.basic_publish("", "orders", b"one")
        self.assertEqual(self.counts("orders")[0], 0)
        channel.tx_commit()
        tag = channel.basic_get("orders")[0].delivery_tag
        channel.basic_ack(tag)
        channel.tx_rollback()  # Takes the acknowledgement back; the message stays with the channel.
        channel.basic_ack(tag)
        channel.tx_commit()
        channel.connection.close()
        self.assertEqual(self.counts("orders")[0], 0)


class Contents(ClientCase):
    def through(self, body, properties=None):
        """What comes out of the broker for what goes in."""
        channel = self.channel()
        queue = channel.queue_declare("", exclusive=True).method.queue
        channel.basic_publish("", queue, body, properties)
        _, got, out = channel.basic_get(queue, auto_ack=True)
        return got, out

    @row(28)
    def test_bodies_are_opaque(self):
        bodies = {
            "application/json": json.dumps({"a": [1, None, "ü"]}).encode(), "application/x-msgpack": b"\x82\xa1a\x01\xa1b\xc0",
            "application/x-protobuf": b"\x08\x96\x01\x12\x07testing", "application/x-thrift": b"\x80\x01\x00\x01\x00\x00\x00\x04",
            "application/x-python-serialize": pickle.dumps({"lqz": 123}),
            "text/plain": b'O:8:"stdClass":1:{s:1:"a";i:1;}', "application/octet-stream": bytes(range(256)) * 5}
        for content_type, body in bodies.items():
            properties, out = self.through(body, pika.BasicProperties(content_type=content_type))
            self.assertEqual((properties.content_type, out), (content_type, body))

    @row(28)
    def test_bodies_may_be_text_bytes_or_nothing(self):
        self.assertEqual(self.through("text ü")[1], "text ü".encode())
        self.assertEqual(self.through(b"\x00\xff")[1], b"\x00\xff")
        self.assertEqual(self.through(b"")[1], b"")

    @row(29)
    def test_a_file_of_many_frames_arrives_intact(self):
        body = os.urandom(9 * 1024 * 1024 + 17)
        self.assertEqual(self.through(body)[1], body)

    @row(29)
    def test_bodies_around_the_frame_size_arrive_intact(self):
        channel = self.channel(frame_max=4096)
        queue = channel.queue_declare("", exclusive=True).method.queue
        for size in (1, 4087, 4088, 4089, 8176, 8177, 100_000):
            body = os.urandom(size)
            channel.basic_publish("", queue, body)
            self.assertEqual(channel.basic_get(queue, auto_ack=True)[2], body)

    @row(31)
    def test_closing_right_after_publishing_loses_nothing(self):
        self.fresh("hello")
        self.channel().queue_declare("hello")
        for number in range(30):
            connection = pika.BlockingConnection(self.parameters())
            connection.channel().basic_publish("", "hello", b"%d" % number)
            connection.close()
        self.ready_soon("hello", 30)
        self.assertEqual(sorted(map(int, drain(self.channel(), "hello"))), list(range(30)))

    @row(80)
    def test_all_properties_pass_unchanged(self):
        headers = {
            "string": "ü", "bytes": b"\x00\xff", "true": True, "false": False, "small": -5, "int": 2 ** 30, "long": 2 ** 40,
            "decimal": decimal.Decimal("3.14"), "time": datetime.datetime(2024, 5, 6, 7, 8, 9), "void": None,
            "table": {"inner": {"deep": [1, "two", None, {"x": False}]}}, "array": [1, [2, [3]], "x"], "empty": {}, "none": []}
        sent = dict(content_type="text/plain", content_encoding="gzip", headers=headers, delivery_mode=2, priority=7,
                    correlation_id="c-1", reply_to="amq.gen-x", expiration="60000", message_id="m-1",
                    timestamp=1700000000, type="kind", user_id="guest", app_id="app", cluster_id="cluster")
        got, _ = self.through(b"x", pika.BasicProperties(**sent))
        expected = {**sent, "headers": {**headers, "bytes": got.headers["bytes"]}}
        self.assertEqual({name: getattr(got, name) for name in sent}, expected)
        self.assertIn(got.headers["bytes"], (b"\x00\xff", "\x00\xff"))

    @row(80)
    def test_a_foreign_user_id_is_refused(self):
        channel = self.channel()
        channel.basic_publish("", "anything", b"x", pika.BasicProperties(user_id="root"))
        with self.channel_closed(406, "PRECONDITION_FAILED - user_id property set to 'root' but authenticated user was 'guest'"):
            settle(channel)


class SmallMessagesOnly(ClientCase):
    config = {"max_message_size": 65536}

    @row(29)
    def test_a_body_over_the_limit_closes_the_channel(self):
        channel = self.channel()
        queue = channel.queue_declare("", exclusive=True).method.queue
        channel.basic_publish("", queue, b"x" * 65536)
        self.assertEqual(len(channel.basic_get(queue, auto_ack=True)[2]), 65536)
        channel.basic_publish("", queue, b"x" * 65537)
        with self.channel_closed(406, "PRECONDITION_FAILED - message size 65537 is larger than configured max size 65536"):
            settle(channel)
