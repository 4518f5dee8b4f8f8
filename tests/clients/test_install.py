"""Starting, stopping, ports and the default user (rows S1, S3, S7 to S9)."""
import os
import re
import select
import socket
import subprocess
import sys
import threading

import pika
import pika.exceptions

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from case import ClientCase, brokers, ours_only, row


def listens(port, host="127.0.0.1"):
    with socket.socket() as probe:
        probe.settimeout(5)
        return probe.connect_ex((host, port)) == 0


def other_address(case):
    """An address of this machine that is not loopback; as root one is made if there is none."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        try:
            probe.connect(("192.0.2.1", 9))
            return probe.getsockname()[0]
        except OSError:
            subprocess.check_call(["ip", "address", "add", "198.18.7.7/32", "dev", "lo"])
            case.addCleanup(subprocess.call, ["ip", "address", "del", "198.18.7.7/32", "dev", "lo"])
            return "198.18.7.7"


class Forwarder:
    """A remapped port, as containers have: what comes to `port` goes to another one."""

    def __init__(self, target):
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.port, self.target = self.listener.getsockname()[1], target
        self.thread = threading.Thread(target=self.run, daemon=True)
        self.thread.start()

    def run(self):
        pairs = {}
        while True:
            for ready in select.select([self.listener, *pairs], [], [])[0]:
                if ready is self.listener:
                    try:
                        inside, outside = self.listener.accept()[0], socket.create_connection(("127.0.0.1", self.target))
                    except OSError:
                        return
                    pairs[inside], pairs[outside] = outside, inside
                    continue
                data = ready.recv(65536)
                if data:
                    pairs[ready].sendall(data)
                else:
                    other = pairs.pop(ready)
                    pairs.pop(other)
                    ready.close(), other.close()


class Starting(ClientCase):
    def start(self, **more):
        server = brokers.Server(**more)
        self.addCleanup(server.close)
        return server

    @row(1)
    @ours_only
    def test_one_program_is_enough_and_the_hosts_name_does_not_matter(self):
        server = self.start(environment={"PATH": "/nonexistent", "RABBITMQ_NODENAME": "rabbit@no-such-host.invalid"}).start()
        with pika.BlockingConnection(pika.ConnectionParameters("127.0.0.1", server.port)) as connection:
            connection.channel().queue_declare("", exclusive=True)
        self.assertNotIn("epmd", server.log())
        children = subprocess.run(["pgrep", "-P", str(server.pid)], stdout=subprocess.PIPE, check=False).stdout
        self.assertEqual(children, b"")

    @row(3)
    def test_it_runs_in_the_foreground_and_stop_ends_all_of_it(self):
        server = self.start().start()
        self.assertEqual(server.ctl("stop").stdout, f"Stopping and halting node {server.node} ...\n")
        self.assertEqual(server.wait_exit(), 0)
        self.assertFalse(listens(server.port))
        down = server.ctl("status", check=False)
        self.assertEqual(down.status, 69)
        self.assertIn(f"Error: unable to perform an operation on node '{server.node}'.", down.stderr)

    @row(3)
    def test_detached_it_returns_and_leaves_the_node_running(self):
        server = self.start(arguments=["-detached"])
        server.start(wait=False)
        self.assertEqual(server.wait_exit(30), 0)
        brokers.wait_until(lambda: server.ctl("await_startup", check=False).status == 0, seconds=30, what="the node")
        with pika.BlockingConnection(pika.ConnectionParameters("127.0.0.1", server.port)) as connection:
            connection.channel().queue_declare("", exclusive=True)
        pid = re.search(r"OS PID: (\d+)", server.ctl("status").stdout).group(1)
        self.assertTrue(os.path.exists(f"/proc/{pid}"))
        server.ctl("stop")
        brokers.wait_until(lambda: not os.path.exists(f"/proc/{pid}"), seconds=30, what="the end of the process")

    @row(7)
    def test_nothing_depends_on_the_port_that_the_client_sees(self):
        server = self.start().start()
        forwarder = Forwarder(server.port)
        self.addCleanup(forwarder.listener.close)
        connection = pika.BlockingConnection(pika.ConnectionParameters("localhost", forwarder.port))
        channel = connection.channel()
        channel.queue_declare("hello", durable=True)
        channel.confirm_delivery()
        channel.basic_publish("", "hello", b"x")
        self.assertEqual(channel.basic_get("hello", auto_ack=True)[2], b"x")
        connection.close()

    @row(7)
    @ours_only
    def test_the_default_port_is_5672(self):
        text = subprocess.run([os.path.join(brokers.BIN, "pontoon-server"), "--help"], stdout=subprocess.PIPE, text=True,
                              check=True, stdin=subprocess.DEVNULL).stdout
        self.assertIn("5672", text)

    @row(8)
    def test_the_environment_moves_the_listener(self):
        server = self.start().start()
        old = server.port
        self.assertTrue(listens(old))
        server.stop()
        moved = brokers.free_port()
        server.environment = {"RABBITMQ_NODE_IP_ADDRESS": "0.0.0.0", "RABBITMQ_NODE_PORT": str(moved)}
        server.start()
        self.assertTrue(listens(moved) and listens(moved, other_address(self)))
        self.assertFalse(listens(old))

    @row(8)
    def test_the_configuration_file_moves_the_listener(self):
        moved = brokers.free_port()
        server = self.start(config={"listeners.tcp.default": f"127.0.0.1:{moved}" if not brokers.RABBITMQ else moved})
        if brokers.RABBITMQ:  # Its start script takes the variables before the file.
            server.environment = {"RABBITMQ_NODE_PORT": "", "RABBITMQ_NODE_IP_ADDRESS": ""}
        server.start()
        self.assertTrue(listens(moved))
        self.assertFalse(listens(server.port))

    @row(8)
    def test_the_example_of_the_configuration_file_is_accepted(self):
        with open(os.path.join(brokers.ROOT, "deploy/rabbitmq.conf.example"), encoding="utf-8") as example:
            pairs = [line.split("=", 1) for line in example if "=" in line and not line.startswith("#")]
        config = {key.strip(): value.strip() for key, value in pairs}
        self.assertEqual(config.pop("listeners.tcp.default"), "5672")  # Somebody may be using that one.
        server = self.start(config=config).start()
        self.assertTrue(listens(server.port))
        self.assertNotIn("[warning]", "\n".join(line for line in server.log().splitlines() if "conf" in line))

    @row(9)
    def test_guest_has_all_rights_from_loopback_only(self):
        server = self.start(environment={"RABBITMQ_NODE_IP_ADDRESS": "0.0.0.0"} if brokers.RABBITMQ else None,
                            config=None if brokers.RABBITMQ else {"listeners.tcp.default": "0.0.0.0:0"})
        if not brokers.RABBITMQ:
            server.config["listeners.tcp.default"] = f"0.0.0.0:{server.port}"
        server.start()
        for host in ("localhost", "127.0.0.1"):
            with pika.BlockingConnection(pika.ConnectionParameters(host, server.port)) as connection:
                channel = connection.channel()
                channel.exchange_declare("x", "direct", durable=True)
                channel.queue_declare("q", durable=True)
                channel.queue_bind("q", "x", "k")
        since = server.log_size()
        with self.assertRaises(pika.exceptions.ProbableAuthenticationError) as refused:
            pika.BlockingConnection(pika.ConnectionParameters(other_address(self), server.port))
        self.assertIn("(403)", str(refused.exception))
        server.wait_for_log("user 'guest' can only connect via localhost", since=since)

    @row(9)
    def test_one_setting_lets_guest_in_from_everywhere(self):
        server = self.start(environment={"RABBITMQ_NODE_IP_ADDRESS": "0.0.0.0"} if brokers.RABBITMQ else None,
                            config={"loopback_users.guest": "false"})
        if not brokers.RABBITMQ:
            server.config["listeners.tcp.default"] = f"0.0.0.0:{server.port}"
        server.start()
        with pika.BlockingConnection(pika.ConnectionParameters(other_address(self), server.port)) as connection:
            connection.channel().queue_declare("", exclusive=True)
