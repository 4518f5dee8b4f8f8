"""The command line tool and what it changes for clients (rows S10 to S20, S22)."""
import os
import sys

import pika
import pika.exceptions

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from case import PERSISTENT, ClientCase, Consumer, brokers, drain, row, settle, wait_for

LOGIN_REFUSED = "ACCESS_REFUSED - Login was refused using authentication mechanism PLAIN. For details see the broker logfile."


class Control(ClientCase):
    own_server = True

    def ctl(self, *arguments, **more):
        return self.server.ctl(*arguments, **more)

    def rows(self, command, *arguments):
        return self.ctl(command, "-q", "--no-table-headers", *arguments).rows()

    def user(self, name, password, *permissions):
        self.ctl("add_user", name, password)
        self.addCleanup(self.ctl, "delete_user", name)
        if permissions:
            self.ctl("set_permissions", name, *permissions)

    def vhost(self, name):
        self.ctl("add_vhost", name)
        self.addCleanup(self.ctl, "delete_vhost", name, check=False)

    def refused(self, *args, **more):
        """How a connection attempt fails, as text."""
        with self.assertRaises(pika.exceptions.AMQPConnectionError) as refused:
            self.connect(*args, **more)
        return str(refused.exception)


class Users(Control):
    @row(10)
    def test_a_new_user_can_log_in_and_use_no_vhost_until_permitted(self):
        self.addCleanup(self.ctl, "delete_user", "lqz")
        self.assertEqual(self.ctl("add_user", "lqz", "123").stdout,
                         'Adding user "lqz" ...\nDone. Don\'t forget to grant the user permissions to some virtual hosts! '
                         "See 'rabbitmqctl help set_permissions' to learn more.\n")
        self.assertIn("(530) \"NOT_ALLOWED - access to vhost '/' refused for user 'lqz'\"", self.refused("lqz", "123"))
        self.assertEqual(self.ctl("set_permissions", "-p", "/", "lqz", ".*", ".*", ".*").stdout,
                         'Setting permissions for user "lqz" in vhost "/" ...\n')
        self.connect("lqz", "123").channel().queue_declare("", exclusive=True)
        again = self.ctl("add_user", "lqz", "123", check=False)
        self.assertEqual((again.status, again.stderr), (70, 'Error:\nUser "lqz" already exists\n'))

    @row(11)
    def test_tags_are_set_and_shown(self):
        self.user("lqz", "123")
        self.assertEqual(self.ctl("set_user_tags", "lqz", "administrator").stdout,
                         'Setting tags for user "lqz" to [administrator] ...\n')
        self.assertIn(["lqz", "[administrator]"], self.rows("list_users"))
        self.ctl("set_user_tags", "lqz")
        self.assertIn(["lqz", "[]"], self.rows("list_users"))

    @row(12)
    def test_permissions_are_checked_on_every_method(self):
        self.user("lqz", "123", "^conf-.*", "^(conf|write)-.*", "^(conf|read)-.*")
        for name in ("conf-q", "write-q", "read-q", "other-q"):
            self.fresh(name)
            self.channel().queue_declare(name)
        channel = self.channel("lqz", "123")
        channel.queue_declare("conf-q")
        channel.exchange_declare("conf-x", "fanout")
        channel.queue_bind("conf-q", "conf-x")
        channel.basic_publish("conf-x", "", b"x")
        self.assertEqual(drain(channel, "conf-q"), [b"x"])
        channel.exchange_delete("conf-x")
        refusal = "ACCESS_REFUSED - access to {} in vhost '/' refused for user 'lqz'"
        for attempt, what in (
                (lambda c: c.queue_declare("other-q2"), "queue 'other-q2'"),
                (lambda c: c.queue_delete("other-q"), "queue 'other-q'"),
                (lambda c: c.exchange_declare("other-x", "fanout"), "exchange 'other-x'"),
                (lambda c: c.queue_bind("read-q", "amq.fanout"), "queue 'read-q'"),
                (lambda c: c.queue_bind("write-q", "amq.fanout"), "exchange 'amq.fanout'"),
                (lambda c: c.basic_get("write-q"), "queue 'write-q'"),
                (lambda c: c.basic_consume("other-q", print), "queue 'other-q'"),
                (lambda c: c.queue_purge("other-q"), "queue 'other-q'")):
            with self.channel_closed(403, refusal.format(what)):
                attempt(self.channel("lqz", "123"))
        channel.basic_publish("amq.fanout", "", b"x")
        with self.channel_closed(403, refusal.format("exchange 'amq.fanout'")):
            settle(channel)

    @row(12)
    def test_vhosts_may_be_named_in_any_way(self):
        self.user("lqz", "123")
        self.vhost("/my_vhost")
        self.ctl("set_permissions", "-p", "/my_vhost", "lqz", ".*", ".*", ".*")
        self.ctl("set_permissions", "lqz", ".*", "", "^$", "-p", "/")
        self.assertEqual(sorted(self.rows("list_user_permissions", "lqz")),
                         [["/", ".*", "", "^$"], ["/my_vhost", ".*", ".*", ".*"]])
        wrong = self.ctl("set_permissions", "-p", "/nosuch", "lqz", ".*", ".*", ".*", check=False)
        self.assertEqual((wrong.status, wrong.stderr), (69, "Error:\nVirtual host /nosuch does not exist\n"))
        wrong = self.ctl("set_permissions", "nobody", ".*", ".*", ".*", check=False)
        self.assertEqual((wrong.status, wrong.stderr), (67, "Error:\nUser nobody does not exist\n"))

    @row(13)
    def test_permissions_are_listed_and_cleared(self):
        self.user("lqz", "123", "^a", "^b", "^c")
        self.assertIn(["lqz", "^a", "^b", "^c"], self.rows("list_permissions", "-p", "/"))
        self.assertIn(["guest", ".*", ".*", ".*"], self.rows("list_permissions"))
        self.assertEqual(self.ctl("list_user_permissions", "lqz").stdout,
                         'Listing permissions for user "lqz" ...\nvhost\tconfigure\twrite\tread\n/\t^a\t^b\t^c\n')
        self.assertEqual(self.ctl("clear_permissions", "-p", "/", "lqz").stdout,
                         'Clearing permissions for user "lqz" in vhost "/" ...\n')
        self.assertEqual(self.rows("list_user_permissions", "lqz"), [])
        self.assertIn("530", self.refused("lqz", "123"))

    @row(14)
    def test_a_changed_password_counts_for_new_connections(self):
        self.user("lqz", "123", ".*", ".*", ".*")
        before = self.channel("lqz", "123")
        self.assertEqual(self.ctl("change_password", "lqz", "456").stdout, 'Changing password for user "lqz" ...\n')
        self.assertIn(LOGIN_REFUSED, self.refused("lqz", "123"))
        self.connect("lqz", "456")
        before.queue_declare("", exclusive=True)  # The old connection goes on.

    @row(15)
    def test_users_and_vhosts_are_listed(self):
        self.assertEqual(self.ctl("list_users").stdout, "Listing users ...\nuser\ttags\nguest\t[administrator]\n")
        self.assertEqual(self.ctl("add_vhost", "/my_vhost").stdout, 'Adding vhost "/my_vhost" ...\n')
        self.assertEqual(sorted(self.rows("list_vhosts")), [["/"], ["/my_vhost"]])
        self.assertEqual(self.ctl("delete_vhost", "/my_vhost").stdout, 'Deleting vhost "/my_vhost" ...\n')
        self.assertEqual(self.ctl("list_vhosts").stdout, "Listing vhosts ...\nname\n/\n")
        gone = self.ctl("delete_vhost", "/my_vhost", check=False)
        self.assertEqual((gone.status, gone.stderr), (65, "Virtual host '/my_vhost' does not exist\n"))
        gone = self.ctl("delete_user", "nobody", check=False)
        self.assertEqual((gone.status, gone.stderr), (67, 'Error:\nUser "nobody" does not exist\n'))

    @row(17)
    def test_deleting_a_vhost_closes_the_connections_in_it(self):
        self.vhost("doomed")
        self.ctl("set_permissions", "-p", "doomed", "guest", ".*", ".*", ".*")
        channel = self.channel(vhost="doomed")
        channel.queue_declare("q", durable=True)
        Consumer(channel, "q")
        elsewhere = self.channel()
        self.ctl("delete_vhost", "doomed")
        with self.connection_closed(320, "CONNECTION_FORCED - vhost 'doomed' is deleted"):
            wait_for(channel.connection, lambda: False)
        self.assertIn("vhost doomed not found", self.refused(vhost="doomed"))
        elsewhere.queue_declare("", exclusive=True)
        self.ctl("add_vhost", "doomed")
        self.ctl("set_permissions", "-p", "doomed", "guest", ".*", ".*", ".*")
        with self.channel_closed(404, "NOT_FOUND - no queue 'q' in vhost 'doomed'"):
            self.channel(vhost="doomed").queue_declare("q", passive=True)

    @row(19)
    def test_an_operator_closes_a_connection_with_a_reason(self):
        channel = self.channel(client_properties={"connection_name": "doomed"})
        settle(channel)
        pid, = [pid for pid, name in self.rows("list_connections", "pid", "client_properties") if "doomed" in name]
        self.assertRegex(pid, r"^<rabbit[^@]*@[^>]+\.\d+\.\d+\.\d+>$")
        self.ctl("close_connection", pid, "go away")
        with self.connection_closed(320, "CONNECTION_FORCED - go away"):
            wait_for(channel.connection, lambda: False)


class Guest(Control):
    @row(14)
    def test_a_deleted_guest_stays_deleted_across_a_restart(self):
        self.assertEqual(self.ctl("delete_user", "guest").stdout, 'Deleting user "guest" ...\n')
        self.assertIn(LOGIN_REFUSED, self.refused())
        self.server.restart()
        self.assertIn(LOGIN_REFUSED, self.refused())
        self.assertEqual(self.rows("list_users"), [])

    @row(14)
    def test_deleting_a_user_closes_its_connections(self):
        self.ctl("add_user", "leaving", "x")
        self.ctl("set_permissions", "leaving", ".*", ".*", ".*")
        channel = self.channel("leaving", "x")
        settle(channel)
        self.ctl("delete_user", "leaving")
        with self.connection_closed(320, "CONNECTION_FORCED - user 'leaving' is deleted"):
            wait_for(channel.connection, lambda: False)


class DefaultVhost(Control):
    @row(16)
    def test_deleting_and_adding_the_default_vhost_gives_an_empty_working_one(self):
        channel = self.channel()
        channel.queue_declare("old", durable=True)
        channel.basic_publish("", "old", b"x", PERSISTENT)
        channel.connection.close()
        self.ctl("delete_vhost", "/")
        self.vhost("new")
        self.ctl("set_permissions", "-p", "new", "guest", ".*", ".*", ".*")
        self.works("new")
        self.ctl("add_vhost", "/")
        self.ctl("set_permissions", "-p", "/", "guest", ".*", ".*", ".*")
        self.assertEqual(self.rows("list_queues"), [])
        self.works("/")
        self.server.restart()
        self.works("/")

    def works(self, vhost):
        channel = self.channel(vhost=vhost)
        channel.queue_declare("q", durable=True)
        channel.queue_bind("q", "amq.topic", "a.#")
        channel.basic_publish("amq.topic", "a.b", b"x", PERSISTENT)
        self.assertEqual(drain(channel, "q"), [b"x"])


class Listing(Control):
    @row(18)
    def test_queues_are_listed_with_their_counts(self):
        self.fresh("leak")
        self.assertEqual(self.ctl("list_queues").stdout, "Timeout: 60.0 seconds ...\nListing queues for vhost / ...\n")
        channel = self.channel()
        channel.queue_declare("leak")
        for number in range(5):
            channel.basic_publish("", "leak", b"%d" % number)
        for _ in range(2):
            channel.basic_get("leak")
        self.assertEqual(self.ctl("list_queues", "name", "messages_ready", "messages_unacknowledged").stdout,
                         "Timeout: 60.0 seconds ...\nListing queues for vhost / ...\n"
                         "name\tmessages_ready\tmessages_unacknowledged\nleak\t3\t2\n")
        self.assertEqual(self.ctl("list_queues", "-q").stdout, "name\tmessages\nleak\t5\n")
        self.assertEqual(self.ctl("list_queues", "-s").stdout, "leak\t5\n")
        self.assertEqual(self.ctl("list_queues", "name", "messages", "--formatter", "json").stdout,
                         '[\n{"name":"leak","messages":5}\n]\n')
        wrong = self.ctl("list_queues", "name", "nosuch", check=False)
        self.assertEqual(wrong.status, 64)

    @row(18)
    def test_durable_queues_are_listed_after_every_restart(self):
        self.fresh("lasting")
        self.channel().queue_declare("lasting", durable=True, arguments={"x-queue-type": "classic"})
        for _ in range(2):
            self.server.restart()
            self.assertEqual(self.rows("list_queues", "name", "durable", "auto_delete", "arguments"),
                             [["lasting", "true", "false", '[{"x-queue-type","classic"}]']])

    @row(19)
    def test_exchanges_bindings_and_connections_are_listed(self):
        self.fresh("q", exchanges=["x"])
        channel = self.channel()
        channel.exchange_declare("x", "direct", durable=True)
        channel.queue_declare("q")
        channel.queue_bind("q", "x", "key")
        self.assertEqual(sorted(self.rows("list_exchanges")), sorted([
            ["", "direct"], ["amq.direct", "direct"], ["amq.fanout", "fanout"], ["amq.headers", "headers"],
            ["amq.match", "headers"], ["amq.rabbitmq.trace", "topic"], ["amq.topic", "topic"], ["x", "direct"]]))
        self.assertIn(["x", "true"], self.rows("list_exchanges", "name", "durable"))
        self.assertEqual(sorted(self.rows("list_bindings")),
                         [["", "exchange", "q", "queue", "q", "[]"], ["x", "exchange", "q", "queue", "key", "[]"]])
        _, port = channel.connection._impl._transport._sock.getsockname()
        self.assertIn(["guest", "127.0.0.1", str(port), "running"],
                      self.rows("list_connections", "user", "peer_host", "peer_port", "state"))
        Consumer(channel, "q", auto_ack=False)
        listed, = self.rows("list_consumers", "queue_name", "ack_required", "prefetch_count", "active")
        self.assertEqual(listed, ["q", "true", "0", "true"])
        self.assertIn(["1", "1", "0"], self.rows("list_channels", "number", "consumer_count", "messages_unacknowledged"))

    @row(22)
    def test_an_exclusive_consumer_is_shown_with_its_channel(self):
        self.fresh("taken", "free")
        channel = self.channel()
        channel.queue_declare("taken")
        channel.queue_declare("free")
        channel.basic_consume("taken", print, exclusive=True, consumer_tag="only")
        pid, = [pid for pid, consumers in self.rows("list_channels", "pid", "consumer_count") if consumers == "1"]
        self.assertEqual(sorted(self.rows("list_queues", "name", "exclusive_consumer_pid", "exclusive_consumer_tag")),
                         [["free", "", ""], ["taken", pid, "only"]])
        self.assertIn(["free", "0", "0"], self.rows("list_queues", "name", "consumer_capacity", "consumer_utilisation"))

    @row(20)
    def test_a_durable_queue_is_deleted_without_its_vhost(self):
        self.fresh("by-client", "by-tool")
        channel = self.channel()
        for name in ("by-client", "by-tool"):
            channel.queue_declare(name, durable=True)
            channel.basic_publish("", name, b"x", PERSISTENT)
        self.assertEqual(channel.queue_delete("by-client").method.message_count, 1)
        self.assertEqual(self.ctl("delete_queue", "by-tool").stdout,
                         "Deleting queue 'by-tool' on vhost '/' ...\nQueue was successfully deleted with 1 ready messages\n")
        self.assertFalse(self.exists("by-client") or self.exists("by-tool"))
        gone = self.ctl("delete_queue", "by-tool", check=False)
        self.assertEqual((gone.status, gone.stderr), (64, "Error:\nQueue not found\n"))

    @row(22)
    def test_the_count_of_a_client_and_of_the_tool_agree(self):
        self.fresh("counted")
        channel = self.channel()
        channel.confirm_delivery()
        channel.queue_declare("counted", durable=True)
        for number in range(7):
            channel.basic_publish("", "counted", b"%d" % number, PERSISTENT)
            self.assertEqual(channel.queue_declare("counted", durable=True, passive=True).method.message_count, number + 1)
        self.assertEqual(self.rows("list_queues", "name", "messages"), [["counted", "7"]])
        self.assertEqual(self.ctl("purge_queue", "counted").stdout, "Purging queue 'counted' in vhost '/' ...\n")
        self.assertEqual(channel.queue_declare("counted", passive=True).method.message_count, 0)
