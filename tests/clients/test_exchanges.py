"""Exchanges and routing (rows S40, S54 to S66)."""
import os
import sys

import pika

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from case import ClientCase, Consumer, drain, row, settle


class Routing(ClientCase):
    def bound(self, channel, exchange, *keys, arguments=None):
        """A queue of this channel's connection, bound with these keys."""
        queue = channel.queue_declare("", exclusive=True).method.queue
        for key in keys:
            channel.queue_bind(queue, exchange, key, arguments=arguments)
        return queue

    def exchange(self, name, kind, **more):
        """A channel and a fresh exchange of this kind."""
        self.fresh(exchanges=[name])
        channel = self.channel()
        channel.exchange_declare(name, kind, **more)
        return channel

    def matches(self, channel, exchange, queues, key, **more):
        """Publishes with a key; the indexes of the queues that got it, once each."""
        channel.basic_publish(exchange, key, key.encode() or b"-", **more)
        settle(channel)
        got = [drain(channel, queue) for queue in queues]
        for bodies in got:
            self.assertLessEqual(len(bodies), 1)
        return [index for index, bodies in enumerate(got) if bodies]

    @row(54)
    def test_the_default_exchange_routes_by_queue_name(self):
        channel = self.channel()
        queue = channel.queue_declare("", exclusive=True).method.queue
        channel.basic_publish("", queue, b"by name")
        self.assertEqual(drain(channel, queue), [b"by name"])
        channel.basic_publish("", "no such queue", b"dropped")
        settle(channel)
        self.assertTrue(channel.is_open)

    @row(54)
    def test_the_default_exchange_cannot_be_bound_or_deleted(self):
        refused = "ACCESS_REFUSED - operation not permitted on the default exchange"
        channel = self.channel()
        queue = channel.queue_declare("", exclusive=True).method.queue
        with self.channel_closed(403, refused):
            channel.queue_bind(queue, "", "key")
        with self.channel_closed(403, refused):
            self.channel().exchange_delete("")

    @row(55)
    def test_a_message_to_an_exchange_without_bindings_is_dropped(self):
        channel = self.exchange("unbound", "direct")
        queue = channel.queue_declare("", exclusive=True).method.queue
        channel.basic_publish("unbound", queue, b"goes nowhere")
        self.assertEqual(drain(channel, queue), [])
        channel.queue_bind(queue, "unbound", queue)
        self.assertEqual(drain(channel, queue), [])  # Nothing was stored for later.

    @row(56)
    def test_fanout_copies_to_every_queue_and_ignores_the_key(self):
        channel = self.exchange("logs", "fanout")
        channel.basic_publish("logs", "", b"before any binding")
        queues = [self.bound(channel, "logs", "") for _ in range(3)]
        channel.queue_bind(queues[0], "logs", "a second binding")
        for key in ("", "anything", "a second binding"):
            self.assertEqual(self.matches(channel, "logs", queues, key), [0, 1, 2])

    @row(56)
    def test_one_queue_on_many_exchanges_gets_the_messages_of_each(self):
        channel = self.exchange("logs-a", "fanout")
        self.fresh(exchanges=["logs-b"])
        channel.exchange_declare("logs-b", "fanout")
        queue = self.bound(channel, "logs-a", "")
        channel.queue_bind(queue, "logs-b")
        channel.basic_publish("logs-a", "", b"a")
        channel.basic_publish("logs-b", "", b"b")
        self.assertEqual(drain(channel, queue), [b"a", b"b"])

    @row(57)
    def test_direct_routes_by_exactly_the_key(self):
        channel = self.exchange("direct_logs", "direct")
        everything = self.bound(channel, "direct_logs", "info", "warning", "error")
        errors = self.bound(channel, "direct_logs", "error")
        self.assertEqual(self.matches(channel, "direct_logs", [everything, errors], "info"), [0])
        self.assertEqual(self.matches(channel, "direct_logs", [everything, errors], "error"), [0, 1])
        self.assertEqual(self.matches(channel, "direct_logs", [everything, errors], "err"), [])
        self.assertEqual(self.matches(channel, "direct_logs", [everything, errors], "ERROR"), [])

    @row(58)
    def test_nb_and_bnb(self):
        channel = self.exchange("m2", "direct")
        queues = [self.bound(channel, "m2", "nb"), self.bound(channel, "m2", "nb", "bnb")]
        self.assertEqual(self.matches(channel, "m2", queues, "bnb"), [1])
        self.assertEqual(self.matches(channel, "m2", queues, "nb"), [0, 1])

    @row(59)
    def test_topic_patterns(self):
        channel = self.exchange("topics", "topic")
        patterns = ["log.*", "log.#", "#.log.#", "#.a", "*.a", "#", "a.#.b", "*", "#.#", "*.#.*"]
        queues = [self.bound(channel, "topics", pattern) for pattern in patterns]
        expected = {
            "log.warn": ["log.*", "log.#", "#.log.#", "#", "#.#", "*.#.*"],
            "log.warn.timeout": ["log.#", "#.log.#", "#", "#.#", "*.#.*"],
            "log": ["log.#", "#.log.#", "#", "*", "#.#"],
            "MQ.log.error": ["#.log.#", "#", "#.#", "*.#.*"],
            "a.a": ["#.a", "*.a", "#", "#.#", "*.#.*"],
            "aa.a": ["#.a", "*.a", "#", "#.#", "*.#.*"],
            "b.a": ["#.a", "*.a", "#", "#.#", "*.#.*"],
            "a": ["#.a", "#", "*", "#.#"],
            "a.b": ["#", "a.#.b", "#.#", "*.#.*"],
            "a.x.y.b": ["#", "a.#.b", "#.#", "*.#.*"],
            "": ["#", "#.#"],
            "a..b": ["#", "a.#.b", "#.#", "*.#.*"],
            "nothing.like.it": ["#", "#.#", "*.#.*"],
        }
        for key, wanted in expected.items():
            got = [patterns[index] for index in self.matches(channel, "topics", queues, key)]
            self.assertEqual(got, [p for p in patterns if p in wanted], f"key {key!r}")

    @row(59)
    def test_a_topic_message_without_match_is_dropped(self):
        channel = self.exchange("topics", "topic")
        queue = self.bound(channel, "topics", "log.*")
        self.assertEqual(self.matches(channel, "topics", [queue], "mail.sent"), [])

    @row(60)
    def test_europe(self):
        channel = self.exchange("topics", "topic")
        queues = [self.bound(channel, "topics", "europe.*"), self.bound(channel, "topics", "europe.#")]
        self.assertEqual(self.matches(channel, "topics", queues, "europe.weather"), [0, 1])
        self.assertEqual(self.matches(channel, "topics", queues, "europe.weather.bad"), [1])

    @row(60)
    def test_a_key_that_ends_with_a_dot_has_an_empty_last_word(self):
        # The seed printed `europe.` where it meant a wildcard: bound like that, it matches neither message.
        channel = self.exchange("topics", "topic")
        patterns = ["europe.", "europe.*", "europe.#", "europe"]
        queues = [self.bound(channel, "topics", pattern) for pattern in patterns]
        for key, wanted in (("europe.weather", ["europe.*", "europe.#"]), ("europe.weather.bad", ["europe.#"]),
                            ("europe.", ["europe.", "europe.*", "europe.#"])):
            self.assertEqual([patterns[index] for index in self.matches(channel, "topics", queues, key)], wanted)

    @row(61)
    def test_lqz(self):
        channel = self.exchange("m3", "topic")
        queues = [self.bound(channel, "m3", "lqz.*"), self.bound(channel, "m3", "lqz.#"), self.bound(channel, "m3", "#")]
        self.assertEqual(self.matches(channel, "m3", queues, "lqz.dd"), [0, 1, 2])
        self.assertEqual(self.matches(channel, "m3", queues, "qqq.dd.xxx"), [2])
        self.assertEqual(self.matches(channel, "m3", queues, "lqz.dd.xxx"), [1, 2])

    @row(62)
    def test_facility_and_severity(self):
        channel = self.exchange("topic_logs", "topic")
        queues = [self.bound(channel, "topic_logs", "kern.*"), self.bound(channel, "topic_logs", "*.critical"),
                  self.bound(channel, "topic_logs", "kern.*", "*.critical")]
        for facility in ("auth", "cron", "kern"):
            for severity in ("info", "warning", "error", "critical"):
                wanted = [0] * (facility == "kern") + [1] * (severity == "critical") + [2] * (
                    facility == "kern" or severity == "critical")
                self.assertEqual(self.matches(channel, "topic_logs", queues, f"{facility}.{severity}"), wanted)

    @row(63)
    def test_headers_route_by_the_table(self):
        channel = self.exchange("by-headers", "headers")
        rules = [{"format": "pdf", "type": "report"},                       # all is the default
                 {"x-match": "all", "format": "pdf", "type": "report"},
                 {"x-match": "any", "format": "pdf", "type": "log"},
                 {"x-match": "any-with-x", "x-kind": "old"},
                 {"x-match": "all-with-x", "x-kind": "old", "format": "pdf"},
                 {"x-match": "all", "format": None},                        # void: presence is enough
                 {"x-match": "all"}]                                        # no condition: everything
        queues = [self.bound(channel, "by-headers", "", arguments=rule) for rule in rules]
        for headers, wanted in (
                ({"format": "pdf", "type": "report"}, [0, 1, 2, 5, 6]),
                ({"format": "pdf", "type": "log"}, [2, 5, 6]),
                ({"format": "zip", "type": "log"}, [2, 5, 6]),
                ({"format": "pdf", "x-kind": "old"}, [2, 3, 4, 5, 6]),
                ({"x-kind": "old"}, [3, 6]),
                ({}, [6]),
                (None, [6])):
            got = self.matches(channel, "by-headers", queues, "k", properties=pika.BasicProperties(headers=headers))
            self.assertEqual(got, wanted, headers)

    @row(63)
    def test_an_unknown_x_match_is_refused(self):
        channel = self.exchange("by-headers", "headers")
        queue = channel.queue_declare("", exclusive=True).method.queue
        with self.channel_closed(406, "PRECONDITION_FAILED - Invalid x-match field value <<\"most\">>; expected all, any, "
                                      "all-with-x, or any-with-x"):
            channel.queue_bind(queue, "by-headers", "", arguments={"x-match": "most"})

    @row(64)
    def test_a_binding_on_the_wrong_exchange_receives_and_raises_nothing(self):
        channel = self.exchange("m1", "fanout")
        self.fresh(exchanges=["m2"])
        channel.exchange_declare("m2", "fanout")
        wrong = self.bound(channel, "m1", "")
        self.assertEqual(self.matches(channel, "m2", [wrong], "k"), [])
        self.assertTrue(channel.is_open)

    @row(65)
    def test_two_log_receivers_at_once(self):
        channel = self.exchange("logs", "direct")
        screen = Consumer(channel, self.bound(channel, "logs", "info", "warning", "error"))
        other = self.channel()
        disk = Consumer(other, self.bound(other, "logs", "error"))
        producer = self.channel()
        for severity in ("info", "error", "warning", "error"):
            producer.basic_publish("logs", severity, severity.encode())
        screen.wait(4), disk.wait(2)
        self.assertEqual(screen.bodies(), [b"info", b"error", b"warning", b"error"])
        self.assertEqual(disk.bodies(), [b"error", b"error"])

    @row(66)
    def test_a_chat_room(self):
        self.exchange("room", "topic")
        members = [self.channel() for _ in range(4)]
        ears = [Consumer(member, self.bound(member, "room", "room.#")) for member in members]
        for number, member in enumerate(members):
            member.basic_publish("room", f"room.{number}", f"hello from {number}".encode())
            for ear in ears:
                ear.wait(number + 1)
        for ear in ears:
            self.assertEqual(ear.bodies(), [f"hello from {n}".encode() for n in range(4)])


class Declaring(ClientCase):
    @row(40)
    def test_other_properties_are_refused_with_the_property_named(self):
        self.fresh(exchanges=["yanfa"])
        self.channel().exchange_declare("yanfa", "direct")
        self.channel().exchange_declare("yanfa", "direct")
        for arguments, text in (
                ({"exchange_type": "fanout"}, "inequivalent arg 'type' for exchange 'yanfa' in vhost '/': received 'fanout' but current is 'direct'"),
                ({"durable": True}, "inequivalent arg 'durable' for exchange 'yanfa' in vhost '/': received 'true' but current is 'false'"),
                ({"auto_delete": True}, "inequivalent arg 'auto_delete' for exchange 'yanfa' in vhost '/': received 'true' but current is 'false'"),
                ({"internal": True}, "inequivalent arg 'internal' for exchange 'yanfa' in vhost '/': received 'true' but current is 'false'")):
            with self.channel_closed(406, "PRECONDITION_FAILED - " + text):
                self.channel().exchange_declare("yanfa", **{"exchange_type": "direct", **arguments})

    @row(40)
    def test_an_exchange_in_use_is_not_deleted_if_unused(self):
        self.fresh(exchanges=["used"])
        channel = self.channel()
        channel.exchange_declare("used", "fanout")
        queue = channel.queue_declare("", exclusive=True).method.queue
        channel.queue_bind(queue, "used")
        with self.channel_closed(406, "PRECONDITION_FAILED - exchange 'used' in vhost '/' in use"):
            self.channel().exchange_delete("used", if_unused=True)
        self.channel().exchange_delete("no such exchange")

    @row(55)
    def test_publishing_to_a_missing_or_internal_exchange_closes_the_channel(self):
        self.fresh(exchanges=["nosuch", "inner"])
        channel = self.channel()
        channel.basic_publish("nosuch", "k", b"x")
        with self.channel_closed(404, "NOT_FOUND - no exchange 'nosuch' in vhost '/'"):
            settle(channel)
        channel = self.channel()
        channel.exchange_declare("inner", "fanout", internal=True)
        channel.basic_publish("inner", "k", b"x")
        with self.channel_closed(403, "ACCESS_REFUSED - cannot publish to internal exchange 'inner' in vhost '/'"):
            settle(channel)

    @row(56)
    def test_exchanges_bound_to_exchanges_deliver_one_copy_also_in_a_circle(self):
        names = ["ring-a", "ring-b", "ring-c"]
        self.fresh(exchanges=names)
        channel = self.channel()
        for name in names:
            channel.exchange_declare(name, "fanout")
        for source, destination in zip(names, names[1:] + names[:1]):
            channel.exchange_bind(destination, source)
        queue = channel.queue_declare("", exclusive=True).method.queue
        for name in names:
            channel.queue_bind(queue, name)
        channel.basic_publish("ring-a", "", b"once")
        self.assertEqual(drain(channel, queue), [b"once"])
        channel.exchange_unbind("ring-b", "ring-a")
        channel.exchange_unbind("ring-c", "ring-b")
        channel.queue_unbind(queue, "ring-a")
        channel.basic_publish("ring-a", "", b"nowhere")
        self.assertEqual(drain(channel, queue), [])

    @row(55)
    def test_an_alternate_exchange_takes_what_nobody_else_takes(self):
        self.fresh(exchanges=["first", "rest"])
        channel = self.channel()
        channel.exchange_declare("rest", "fanout")
        channel.exchange_declare("first", "direct", arguments={"alternate-exchange": "rest"})
        taken, rest = (channel.queue_declare("", exclusive=True).method.queue for _ in range(2))
        channel.queue_bind(taken, "first", "known")
        channel.queue_bind(rest, "rest")
        channel.confirm_delivery()
        channel.basic_publish("first", "known", b"1", mandatory=True)
        channel.basic_publish("first", "unknown", b"2", mandatory=True)  # Counts as routed.
        self.assertEqual((drain(channel, taken), drain(channel, rest)), ([b"1"], [b"2"]))

    @row(56)
    def test_cc_and_bcc_name_more_keys_and_bcc_is_not_shown(self):
        channel = self.channel()
        queues = [channel.queue_declare("", exclusive=True).method.queue for _ in range(3)]
        headers = {"CC": [queues[1]], "BCC": [queues[2]], "kept": 1}
        channel.basic_publish("", queues[0], b"x", pika.BasicProperties(headers=headers))
        for queue in queues:
            _, properties, body = channel.basic_get(queue, auto_ack=True)
            self.assertEqual((body, properties.headers), (b"x", {"CC": [queues[1]], "kept": 1}))
