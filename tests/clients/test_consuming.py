"""Consuming, acknowledgements, fairness (rows S67 to S75)."""
import os
import socket
import sys
import time

import pika

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from case import QUICK, ClientCase, Consumer, brokers, drain, row, settle, wait_for


class Consuming(ClientCase):
    def queue(self, name="tasks", count=0, **more):
        """A channel, and a fresh queue with so many messages `0`, `1`, ..."""
        self.fresh(name)
        channel = self.channel()
        channel.queue_declare(name, **more)
        for number in range(count):
            channel.basic_publish("", name, b"%d" % number)
        return channel

    @row(67)
    def test_consumers_take_turns_strictly(self):
        channel = self.queue()
        workers = [Consumer(self.channel(), "tasks") for _ in range(2)]
        for number in range(20):
            channel.basic_publish("", "tasks", b"%d" % number)
        for worker in workers:
            worker.wait(10)
        self.assertEqual([w.bodies() for w in workers],
                         [[b"%d" % n for n in range(0, 20, 2)], [b"%d" % n for n in range(1, 20, 2)]])

    @row(67)
    def test_three_consumers_on_one_channel_take_turns_too(self):
        channel = self.queue()
        workers = [Consumer(channel, "tasks") for _ in range(3)]
        for number in range(9):
            channel.basic_publish("", "tasks", b"%d" % number)
        wait_for(channel.connection, lambda: sum(len(w.received) for w in workers) == 9)
        self.assertEqual([w.bodies() for w in workers], [[b"%d" % n for n in range(k, 9, 3)] for k in range(3)])

    @row(68)
    def test_prefetch_1_means_one_unacknowledged_message_a_consumer(self):
        channel = self.queue(count=5)
        slow_channel, fast_channel = self.channel(), self.channel()
        for worker in (slow_channel, fast_channel):
            worker.basic_qos(prefetch_count=1)
        slow = Consumer(slow_channel, "tasks", auto_ack=False)
        slow.wait(1)
        fast = Consumer(fast_channel, "tasks", auto_ack=False)
        for count in range(1, 5):
            fast.wait(count)
            fast_channel.basic_ack(fast.received[-1][0].delivery_tag)
        settle(slow_channel)
        self.assertEqual((slow.bodies(), fast.bodies()), ([b"0"], [b"1", b"2", b"3", b"4"]))
        slow_channel.basic_ack(slow.received[0][0].delivery_tag)
        self.assertEqual(self.counts("tasks")[0], 0)

    @row(68)
    def test_prefetch_on_a_producers_channel_has_no_effect(self):
        channel = self.queue()
        channel.basic_qos(prefetch_count=1)
        for number in range(5):
            channel.basic_publish("", "tasks", b"%d" % number)
        self.assertEqual(len(drain(channel, "tasks")), 5)

    @row(68)
    def test_prefetch_for_the_whole_channel_can_be_changed_while_consumers_run(self):
        channel = self.queue(count=10)
        worker = self.channel()
        worker.basic_qos(prefetch_count=2, global_qos=True)
        first, second = (Consumer(worker, "tasks", auto_ack=False) for _ in range(2))
        wait_for(worker.connection, lambda: len(first.received) + len(second.received) == 2)
        settled = lambda: len(first.received) + len(second.received)
        worker.queue_declare("tasks", passive=True)
        self.assertEqual(settled(), 2)
        worker.basic_qos(prefetch_count=5, global_qos=True)
        wait_for(worker.connection, lambda: settled() == 5)
        worker.queue_declare("tasks", passive=True)
        self.assertEqual(settled(), 5)
        self.assertEqual(channel.queue_declare("tasks", passive=True).method.message_count, 5)

    @row(68)
    def test_prefetch_in_bytes_is_refused(self):
        connection = self.connect()
        with self.connection_closed(540, "NOT_IMPLEMENTED - prefetch_size!=0 (1024)"):
            connection.channel().basic_qos(prefetch_size=1024)

    @row(69)
    def test_without_acknowledgements_a_message_is_gone_when_it_is_sent(self):
        self.queue(count=3)
        careless = self.channel()
        Consumer(careless, "tasks", auto_ack=True).wait(3)
        careless.connection.close()
        self.assertEqual(self.counts("tasks")[0], 0)

    @row(69, 73)
    def test_by_default_a_message_waits_for_its_acknowledgement(self):
        self.queue(count=3)
        careful = self.channel()
        consumer = Consumer(careful, "tasks", auto_ack=False)
        consumer.wait(3)
        careful.basic_ack(delivery_tag=consumer.received[0][0].delivery_tag)
        careful.basic_ack(delivery_tag=consumer.received[1][0].delivery_tag)
        careful.connection.close()
        self.ready_soon("tasks", 1)
        method, _, body = self.channel().basic_get("tasks", auto_ack=True)
        self.assertEqual((body, method.redelivered), (b"2", True))

    @row(73)
    def test_acknowledging_twice_or_the_unknown_closes_the_channel(self):
        self.queue(count=1)
        channel = self.channel()
        tag = channel.basic_get("tasks")[0].delivery_tag
        channel.basic_ack(tag)
        channel.basic_ack(tag)
        with self.channel_closed(406, f"PRECONDITION_FAILED - unknown delivery tag {tag}"):
            settle(channel)
        channel = self.channel()
        channel.basic_nack(99)
        with self.channel_closed(406, "PRECONDITION_FAILED - unknown delivery tag 99"):
            settle(channel)

    @row(70)
    def test_a_dying_consumers_messages_go_to_the_next_marked_redelivered(self):
        for death in ("channel", "connection", "socket", "exception"):
            with self.subTest(death=death):
                self.queue(count=3)
                dying = self.channel()
                consumer = Consumer(dying, "tasks", auto_ack=False)
                consumer.wait(3)
                self.assertEqual([m.redelivered for m, _, _ in consumer.received], [False] * 3)
                survivor = Consumer(self.channel(), "tasks", auto_ack=False)
                if death == "channel":
                    dying.close()
                elif death == "connection":
                    dying.connection.close()
                elif death == "socket":
                    dying.connection._impl._transport._sock.shutdown(socket.SHUT_RDWR)
                else:  # The seed's typo: the callback raises, and the program ends with its connection.
                    method = consumer.received[0][0]
                    with self.assertRaises(AttributeError):
                        dying.basic_ack(delivery_tag=method.deliver_tag)
                    dying.connection.close()
                survivor.wait(3)
                self.assertEqual([(m.redelivered, b) for m, _, b in survivor.received],
                                 [(True, b"0"), (True, b"1"), (True, b"2")])
                survivor.channel.connection.close()

    @row(72)
    def test_forgotten_acknowledgements_are_visible_and_cost_no_growing_memory(self):
        body, count = b"x" * 1000, 2_000 if QUICK else 20_000 if brokers.PATIENCE > 1 else 30_000
        channel = self.queue(durable=True)
        channel.confirm_delivery()
        for _ in range(100):
            channel.basic_publish("", "tasks", body)
        forgetful = self.channel()
        consumer = Consumer(forgetful, "tasks", auto_ack=False)
        consumer.wait(100)
        listed = self.server.ctl("list_queues", "-q", "--no-table-headers", "name", "messages_ready", "messages_unacknowledged").rows()
        self.assertIn(["tasks", "0", "100"], listed)
        before = self.server.resident_bytes()
        other = self.channel()
        for number in range(count):
            other.basic_publish("", "tasks", body, pika.BasicProperties(delivery_mode=2))
        consumer.wait(100 + count, seconds=60)
        grown = self.server.resident_bytes() - before
        if not brokers.RABBITMQ and brokers.PATIENCE == 1:  # Not under sanitizers: they keep what is freed.
            # What was written lies in the store's buffers, and a reference is some tens of bytes; to hold the bodies would take their
            # size again.
            self.assertLess(grown, 24 * 2 ** 20 + count * (len(body) + 300))

    @row(74)
    def test_push_and_pull_are_both_there(self):
        channel = self.queue(count=2)
        method, _, body = channel.basic_get("tasks")
        self.assertEqual((body, method.message_count, method.redelivered, method.exchange, method.routing_key),
                         (b"0", 1, False, "", "tasks"))
        channel.basic_ack(method.delivery_tag)
        consumer = Consumer(channel, "tasks")
        consumer.wait(1)
        self.assertEqual(consumer.bodies(), [b"1"])
        self.assertEqual(channel.basic_get("tasks"), (None, None, None))

    @row(74)
    def test_returned_messages_go_back_to_their_place(self):
        channel = self.queue(count=5)
        tags = [channel.basic_get("tasks")[0].delivery_tag for _ in range(4)]
        channel.basic_nack(tags[2], requeue=True)
        channel.basic_reject(tags[0], requeue=True)
        channel.basic_ack(tags[1])
        channel.basic_nack(tags[3], requeue=True)
        settle(channel)
        self.assertEqual(drain(channel, "tasks"), [b"0", b"2", b"3", b"4"])

    @row(74)
    def test_rejecting_without_requeue_drops_the_message(self):
        channel = self.queue(count=4)
        tags = [channel.basic_get("tasks")[0].delivery_tag for _ in range(4)]
        channel.basic_nack(tags[1], multiple=True, requeue=False)
        channel.basic_reject(tags[2], requeue=False)
        channel.basic_recover(requeue=True)
        self.assertEqual(drain(channel, "tasks"), [b"3"])

    @row(74)
    def test_consumer_tags_and_exclusive_consumers(self):
        channel = self.queue()
        self.assertRegex(channel.connection.channel().basic_consume("tasks", print, consumer_tag=""), r"^(amq\.ctag-|ctag)")
        other = self.channel()
        with self.channel_closed(403, "ACCESS_REFUSED - queue 'tasks' in vhost '/' in exclusive use"):
            other.basic_consume("tasks", print, exclusive=True)
        connection = self.connect()
        broken = connection.channel()
        broken.basic_consume("tasks", print, consumer_tag="mine")
        with self.connection_closed(530, "NOT_ALLOWED - attempt to reuse consumer tag 'mine'"):
            broken._consumer_infos.clear()
            broken._impl._consumers.clear()
            broken.basic_consume("tasks", print, consumer_tag="mine")

    @row(70)
    def test_a_consumer_hears_that_its_queue_was_deleted(self):
        channel = self.queue()
        consumer = self.channel()
        cancelled = []
        consumer.add_on_cancel_callback(lambda frame: cancelled.append(frame.method.consumer_tag))
        tag = Consumer(consumer, "tasks").tag
        channel.queue_delete("tasks")
        wait_for(consumer.connection, lambda: cancelled)
        self.assertEqual(cancelled, [tag])

    @row(67)
    def test_a_consumer_with_priority_comes_first_while_it_can_take_more(self):
        channel = self.queue()
        low, high = self.channel(), self.channel()
        high.basic_qos(prefetch_count=2)
        ordinary = Consumer(low, "tasks", auto_ack=False)
        preferred = Consumer(high, "tasks", auto_ack=False, arguments={"x-priority": 10})
        for number in range(4):
            channel.basic_publish("", "tasks", b"%d" % number)
        ordinary.wait(2), preferred.wait(2)
        self.assertEqual((preferred.bodies(), ordinary.bodies()), ([b"0", b"1"], [b"2", b"3"]))

    @row(75)
    def test_many_workers_share_the_tasks_that_were_queued_before(self):
        self.queue("task_queue", count=40, durable=True)
        workers = []
        for _ in range(4):
            channel = self.channel()
            channel.basic_qos(prefetch_count=1)
            workers.append(Consumer(channel, "task_queue", auto_ack=False))
        done, acknowledged = set(), [0] * 4
        deadline = time.monotonic() + 20 * brokers.PATIENCE
        while len(done) < 40 and time.monotonic() < deadline:
            for index, worker in enumerate(workers):
                worker.channel.connection.process_data_events(time_limit=0.001)
                for method, _, body in worker.received[acknowledged[index]:]:
                    self.assertNotIn(body, done)
                    done.add(body)
                    worker.channel.basic_ack(method.delivery_tag)
                acknowledged[index] = len(worker.received)
        self.assertEqual(done, {b"%d" % n for n in range(40)})
        self.assertTrue(all(count > 0 for count in acknowledged), acknowledged)
