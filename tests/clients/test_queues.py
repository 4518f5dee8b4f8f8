"""Queues: declaring, durability, errors (rows S37 to S50, S53)."""
import os
import sys

import pika

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from case import PERSISTENT, QUICK, ClientCase, Consumer, brokers, drain, row

LOCKED = ("RESOURCE_LOCKED - cannot obtain exclusive access to locked queue '{}' in vhost '/'. It could be originally "
          "declared on another connection or the exclusive property value does not match that of the original declaration.")


class Declaring(ClientCase):
    @row(37)
    def test_a_queue_with_a_name_and_nothing_else_is_declared(self):
        self.fresh("hello")
        ok = self.channel().queue_declare(queue="hello").method
        self.assertEqual((ok.queue, ok.message_count, ok.consumer_count), ("hello", 0, 0))

    @row(38)
    def test_declaring_again_alike_changes_nothing_in_any_order(self):
        self.fresh("hello")
        producer, consumer = self.channel(), self.channel()
        for channel in (consumer, producer, consumer):
            channel.queue_declare("hello", durable=True)
        producer.confirm_delivery()
        producer.basic_publish("", "hello", b"kept")
        self.assertEqual(producer.queue_declare("hello", durable=True).method.message_count, 1)

    @row(39)
    def test_other_properties_are_refused_with_the_property_named(self):
        self.fresh("anheng", "other")
        self.channel().queue_declare("anheng")
        for arguments, text in (
                ({"durable": True}, "inequivalent arg 'durable' for queue 'anheng' in vhost '/': received 'true' but current is 'false'"),
                ({"auto_delete": True}, "inequivalent arg 'auto_delete' for queue 'anheng' in vhost '/': received 'true' but current is 'false'"),
                ({"arguments": {"x-max-length": 5}}, "inequivalent arg 'x-max-length' for queue 'anheng' in vhost '/': "
                 "received the value '5' of type 'signedint' but current is none")):
            with self.channel_closed(406, "PRECONDITION_FAILED - " + text):
                self.channel().queue_declare("anheng", **arguments)
        self.channel().queue_declare("anheng")  # Nothing was modified.
        self.channel().queue_declare("other", arguments={"x-max-length": 5})
        with self.channel_closed(406, "PRECONDITION_FAILED - inequivalent arg 'x-max-length' for queue 'other' in vhost '/': "
                                      "received none but current is the value '5' of type 'signedint'"):
            self.channel().queue_declare("other")
        with self.channel_closed(406, "PRECONDITION_FAILED - inequivalent arg 'x-max-length' for queue 'other' in vhost '/': "
                                      "received '6' but current is '5'"):
            self.channel().queue_declare("other", arguments={"x-max-length": 6})
        self.channel().queue_declare("other", arguments={"x-max-length": 5})

    @row(39)
    def test_an_exclusive_queue_is_locked_for_other_connections(self):
        self.fresh("mine")
        self.channel().queue_declare("mine", exclusive=True)
        for attempt in (lambda c: c.queue_declare("mine"), lambda c: c.queue_declare("mine", passive=True),
                        lambda c: c.basic_get("mine"), lambda c: c.queue_delete("mine"), lambda c: c.queue_purge("mine"),
                        lambda c: c.basic_consume("mine", print)):
            with self.channel_closed(405, LOCKED.format("mine")):
                attempt(self.channel())

    @row(41)
    def test_the_tutorials_in_order_meet_406_until_the_old_thing_is_deleted(self):
        self.fresh("ja", "hello", exchanges=["m2"])
        channel = self.channel()
        channel.queue_declare("ja")
        with self.channel_closed(406, "PRECONDITION_FAILED - inequivalent arg 'durable' for queue 'ja' in vhost '/': "
                                      "received 'true' but current is 'false'"):
            self.channel().queue_declare("ja", durable=True)
        channel.queue_delete("ja")
        channel.queue_declare("ja", durable=True)
        channel.queue_declare("hello", durable=True)
        with self.channel_closed(406, "PRECONDITION_FAILED - inequivalent arg 'durable' for queue 'hello' in vhost '/': "
                                      "received 'false' but current is 'true'"):
            self.channel().queue_declare("hello")
        channel.queue_delete("hello")
        channel.queue_declare("hello")
        channel.exchange_declare("m2", "direct")
        with self.channel_closed(406, "PRECONDITION_FAILED - inequivalent arg 'type' for exchange 'm2' in vhost '/': "
                                      "received 'topic' but current is 'direct'"):
            self.channel().exchange_declare("m2", "topic")
        channel.exchange_delete("m2")
        channel.exchange_declare("m2", "topic")

    @row(46)
    def test_an_auto_delete_queue_goes_with_its_last_consumer_and_not_before(self):
        self.fresh("passing", "staying")
        channel = self.channel()
        channel.queue_declare("passing", auto_delete=True)
        channel.queue_declare("staying")
        self.assertTrue(self.exists("passing"))  # It never had a consumer.
        first, second = Consumer(channel, "passing"), Consumer(channel, "passing")
        channel.basic_cancel(first.tag)
        self.assertTrue(self.exists("passing"))
        channel.basic_cancel(second.tag)
        self.gone_soon("passing")
        channel.basic_publish("", "staying", b"for later")
        channel.connection.close()
        self.assertEqual(drain(self.channel(), "staying"), [b"for later"])

    @row(46)
    def test_an_auto_delete_queue_goes_when_its_consumers_connection_ends(self):
        self.fresh("passing")
        self.channel().queue_declare("passing", auto_delete=True)
        consumer = self.channel()
        Consumer(consumer, "passing")
        consumer.connection.close()
        self.gone_soon("passing")

    @row(47)
    def test_the_broker_names_exclusive_queues_and_drops_them_with_their_connection(self):
        channels = [self.channel() for _ in range(3)]
        names = [c.queue_declare(queue="", exclusive=True).method.queue for c in channels]
        self.assertEqual(len(set(names)), 3)
        for name in names:
            self.assertRegex(name, r"^amq\.gen-[A-Za-z0-9_-]{22}$")
        channels[0].connection.close()
        self.gone_soon(names[0])
        with self.channel_closed(405, LOCKED.format(names[1])):
            self.channel().queue_declare(names[1], passive=True)

    @row(47)
    def test_an_empty_name_means_the_last_queue_that_the_channel_declared(self):
        channel = self.channel()
        name = channel.queue_declare(queue="", exclusive=True).method.queue
        channel.queue_bind("", "amq.fanout")
        channel.basic_publish("amq.fanout", "", b"here")
        self.assertEqual(drain(channel, name), [b"here"])
        with self.channel_closed(404, "NOT_FOUND - no previously declared queue"):
            self.channel().queue_bind("", "amq.fanout")

    @row(48)
    def test_consuming_from_an_undeclared_queue_is_not_found(self):
        for name in ("First", "lqz"):
            self.fresh(name)
            with self.channel_closed(404, f"NOT_FOUND - no queue '{name}' in vhost '/'"):
                self.channel().basic_consume(name, print)
            with self.channel_closed(404, f"NOT_FOUND - no queue '{name}' in vhost '/'"):
                self.channel().basic_get(name)

    @row(48)
    def test_an_error_closes_its_channel_only(self):
        connection = self.connect()
        healthy, broken = connection.channel(), connection.channel()
        with self.channel_closed(404, "NOT_FOUND - no queue 'First' in vhost '/'"):
            broken.basic_consume("First", print)
        self.assertTrue(connection.is_open and healthy.is_open)
        healthy.queue_declare("", exclusive=True)
        self.assertEqual(connection.channel(broken.channel_number).channel_number, broken.channel_number)

    @row(49)
    def test_binding_to_a_missing_exchange_is_not_found(self):
        self.fresh(exchanges=["m1"])
        channel = self.channel()
        channel.queue_declare("", exclusive=True)
        with self.channel_closed(404, "NOT_FOUND - no exchange 'm1' in vhost '/'"):
            channel.queue_bind("", "m1")

    @row(50)
    def test_producer_and_consumer_need_not_meet(self):
        self.fresh("kept")
        producer = self.channel()
        producer.queue_declare("kept", durable=True)
        for number in range(100):
            producer.basic_publish("", "kept", str(number).encode())
        producer.connection.close()
        consumer = Consumer(self.channel(), "kept")
        consumer.wait(100)
        self.assertEqual(consumer.bodies(), [str(n).encode() for n in range(100)])

    @row(39)
    def test_reserved_names_and_bad_arguments_are_refused(self):
        for declare, code, text in (
                (lambda c: c.queue_declare("amq.mine"), 403,
                 "ACCESS_REFUSED - queue name 'amq.mine' contains reserved prefix 'amq.*'"),
                (lambda c: c.exchange_declare("amq.mine", "direct"), 403,
                 "ACCESS_REFUSED - exchange name 'amq.mine' contains reserved prefix 'amq.*'"),
                (lambda c: c.queue_declare("bad", arguments={"x-message-ttl": -1}), 406,
                 "PRECONDITION_FAILED - invalid arg 'x-message-ttl' for queue 'bad' in vhost '/': {value_negative,-1}"),
                (lambda c: c.queue_declare("bad", arguments={"x-message-ttl": "soon"}), 406,
                 "PRECONDITION_FAILED - invalid arg 'x-message-ttl' for queue 'bad' in vhost '/': \"expected integer, got longstr\"")):
            with self.channel_closed(code, text):
                declare(self.channel())

    @row(41)
    def test_delete_honours_if_unused_and_if_empty(self):
        self.fresh("used")
        channel = self.channel()
        channel.queue_declare("used")
        channel.basic_publish("", "used", b"x")
        with self.channel_closed(406, "PRECONDITION_FAILED - queue 'used' in vhost '/' not empty"):
            self.channel().queue_delete("used", if_empty=True)
        Consumer(channel, "used")
        with self.channel_closed(406, "PRECONDITION_FAILED - queue 'used' in vhost '/' in use"):
            self.channel().queue_delete("used", if_unused=True)
        channel.connection.close()
        self.assertEqual(self.channel().queue_delete("no such queue").method.message_count, 0)


class AcrossRestarts(ClientCase):
    own_server = True

    @row(42)
    def test_a_durable_queue_survives_a_restart_and_another_does_not(self):
        channel = self.channel()
        channel.queue_declare("durable", durable=True)
        channel.queue_declare("fleeting")
        consumer = self.channel()
        Consumer(consumer, "fleeting")
        consumer.connection.close()
        self.assertTrue(self.exists("fleeting"))  # Its consumer left; it is not auto-delete.
        self.server.restart()
        self.assertTrue(self.exists("durable"))
        self.assertFalse(self.exists("fleeting"))

    @row(43)
    def test_a_durable_exchange_survives_a_restart_and_another_does_not(self):
        channel = self.channel()
        channel.exchange_declare("lasting", "direct", durable=True)
        channel.exchange_declare("passing", "direct", auto_delete=False)
        queue = channel.queue_declare("", exclusive=True).method.queue
        channel.queue_bind(queue, "passing", "k")
        channel.queue_unbind(queue, "passing", "k")
        channel.exchange_declare("passing", passive=True)  # The last binding left; it is not auto-delete.
        self.server.restart()
        self.channel().exchange_declare("lasting", passive=True)
        with self.channel_closed(404, "NOT_FOUND - no exchange 'passing' in vhost '/'"):
            self.channel().exchange_declare("passing", passive=True)

    @row(44)
    def test_persistent_messages_of_durable_queues_survive_kill_and_restart(self):
        channel = self.channel()
        channel.confirm_delivery()
        channel.exchange_declare("orders", "direct", durable=True)
        channel.queue_declare("paid", durable=True)
        channel.queue_bind("paid", "orders", "paid")
        sent = [b"order %d" % number for number in range(200)]
        for body in sent[:100]:
            channel.basic_publish("orders", "paid", body, PERSISTENT)
        self.server.restart("kill9")
        channel = self.channel()
        channel.confirm_delivery()
        for body in sent[100:]:
            channel.basic_publish("orders", "paid", body, PERSISTENT)  # The binding survived too.
        self.server.restart()
        self.assertEqual(drain(self.channel(), "paid"), sent)

    @row(45)
    def test_transient_messages_of_a_durable_queue_may_be_lost_but_not_the_queue_or_others(self):
        channel = self.channel()
        channel.confirm_delivery()
        channel.queue_declare("mixed", durable=True)
        channel.basic_publish("", "mixed", b"persistent", PERSISTENT)
        channel.basic_publish("", "mixed", b"mode 1", pika.BasicProperties(delivery_mode=1))
        channel.basic_publish("", "mixed", b"no mode")
        self.server.restart("kill9")
        left = drain(self.channel(), "mixed")
        self.assertEqual(left[0], b"persistent")
        self.assertLessEqual(set(left[1:]), {b"mode 1", b"no mode"})

    @row(53)
    def test_a_large_backlog_stays_in_order_across_a_restart(self):
        count = 5_000 if QUICK else 50_000
        channel = self.channel()
        channel.queue_declare("backlog", durable=True)
        channel.tx_select()
        for number in range(count):
            channel.basic_publish("", "backlog", b"%d" % number, PERSISTENT)
            if number % 1000 == 999:
                channel.tx_commit()
        channel.tx_commit()
        self.server.restart("kill9")
        self.assertEqual(self.counts("backlog")[0], count)
        consumer = Consumer(self.channel(), "backlog")
        consumer.wait(count, seconds=60)
        self.assertEqual(consumer.bodies(), [b"%d" % number for number in range(count)])


class Unacknowledged(ClientCase):
    own_server = True

    @row(44, 70)
    def test_what_was_delivered_but_not_acknowledged_comes_back_after_a_restart(self):
        channel = self.channel()
        channel.confirm_delivery()
        channel.queue_declare("work", durable=True)
        for number in range(10):
            channel.basic_publish("", "work", b"%d" % number, PERSISTENT)
        consumer = Consumer(channel, "work", auto_ack=False)
        consumer.wait(10)
        channel.basic_ack(consumer.received[3][0].delivery_tag, multiple=True)
        channel.queue_declare("work", passive=True)  # The broker has done the acknowledgement.
        self.server.restart()
        again = self.channel()
        self.assertEqual(drain(again, "work"), [b"%d" % number for number in range(4, 10)])
