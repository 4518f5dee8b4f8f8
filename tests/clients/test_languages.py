"""Clients of other languages, each through its own library (rows S25, S26, S28): programs in php, ruby, go, java, node and C."""
import fcntl
import os
import shutil
import subprocess
import sys

import pika

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from case import HERE, ClientCase, brokers, row

BUILD = os.path.join(brokers.ROOT, "build", "test-clients")
JAVA = "/usr/share/java/amqp-client.jar:/usr/share/java/slf4j-api.jar:/usr/share/java/slf4j-nop.jar"


def newer(product, *parts):
    return os.path.exists(product) and all(os.path.getmtime(product) >= os.path.getmtime(part) for part in parts)


def made(name, make):
    """Runs make(folder) once at a time in build/test-clients/<name>; several runs may want it at once."""
    folder = os.path.join(BUILD, name)
    os.makedirs(folder, exist_ok=True)
    with open(os.path.join(folder, ".lock"), "w", encoding="ascii") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        return make(folder)


def run(command, **more):
    done = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, stdin=subprocess.DEVNULL, **more)
    if done.returncode:
        raise AssertionError(f"{command}: exit {done.returncode}\n{done.stdout.decode(errors='replace')}")


def make_go(folder):
    program, source = os.path.join(folder, "client"), os.path.join(HERE, "go/client.go")
    if not newer(program, source):  # Debian's packages of Go are sources below one path; nothing is fetched.
        run(["go", "build", "-o", program, source], env={**os.environ, "GO111MODULE": "off", "GOPATH": "/usr/share/gocode",
                                                         "GOFLAGS": "", "GOCACHE": os.path.join(folder, "cache")})
    return [program]


def make_java(folder):
    source = os.path.join(HERE, "java/Client.java")
    if not newer(os.path.join(folder, "Client.class"), source):
        run(["javac", "-cp", JAVA, "-d", folder, source])
    return ["java", "-XX:TieredStopAtLevel=1", "-cp", f"{folder}:{JAVA}", "Client"]


def make_node(folder):
    lock = os.path.join(HERE, "node/package-lock.json")
    if not newer(os.path.join(folder, "node_modules/.package-lock.json"), lock):
        for name in ("package.json", "package-lock.json"):
            shutil.copy(os.path.join(HERE, "node", name), folder)
        run(["npm", "ci", "--no-audit", "--no-fund"], cwd=folder)
        os.utime(os.path.join(folder, "node_modules/.package-lock.json"))
    shutil.copy(os.path.join(HERE, "node/client.js"), folder)
    return ["node", os.path.join(folder, "client.js")]


LANGUAGES = {
    "php": lambda: ["php", os.path.join(HERE, "php/client.php")],
    "ruby": lambda: ["ruby", os.path.join(HERE, "ruby/client.rb")],
    "go": lambda: made("go", make_go),
    "java": lambda: made("java", make_java),
    "node": lambda: made("node", make_node),
}


class Languages(ClientCase):
    def client(self, language, *arguments, body=b""):
        done = subprocess.run(LANGUAGES[language]() + [self.server.host, str(self.server.port), *arguments], input=body,
                              stdout=subprocess.PIPE, stderr=subprocess.PIPE, timeout=120 * brokers.PATIENCE)
        if done.returncode:
            raise AssertionError(f"{language} {arguments}: exit {done.returncode}\n{done.stdout.decode(errors='replace')}"
                                 f"{done.stderr.decode(errors='replace')}")
        return done

    def suite(self, language):
        """The library's own round through declaring, publishing, consuming, errors; it says what it saw."""
        said = self.client(language, "suite").stdout.decode()
        self.assertGreaterEqual(said.count("ok: "), 7, said)

    @row(25)
    def test_php_amqplib(self):
        self.suite("php")

    @row(26)
    def test_bunny(self):
        self.suite("ruby")

    @row(26)
    def test_amqp091_go(self):
        self.suite("go")

    @row(26)
    def test_the_java_client(self):
        self.suite("java")

    @row(26)
    def test_amqplib(self):
        self.suite("node")

    # -- librabbitmq, through the tools that come with it

    def tool(self, name, *arguments, body=b""):
        done = subprocess.run([name, "--url", self.server.uri(), *arguments], input=body, stdout=subprocess.PIPE,
                              stderr=subprocess.PIPE, timeout=60 * brokers.PATIENCE)
        return done.returncode, done.stdout, done.stderr.decode()

    @row(26)
    def test_librabbitmqs_tools(self):
        self.fresh("c-q", exchanges=["c-x"])
        self.assertEqual(self.tool("amqp-declare-queue", "-d", "-q", "c-q")[:2], (0, b"c-q\n"))
        self.assertEqual(self.tool("amqp-publish", "-r", "c-q", "-p", "-C", "text/plain", "-b", "from C")[0], 0)
        self.ready_soon("c-q", 1)  # The tool waits for no confirm.
        self.assertEqual(self.tool("amqp-get", "-q", "c-q")[:2], (0, b"from C"))
        self.assertEqual(self.tool("amqp-get", "-q", "c-q")[0], 2)  # Its way to say: empty.
        self.channel().exchange_declare("c-x", "fanout")
        for number in range(3):
            self.tool("amqp-publish", "-r", "c-q", "-b", f"{number}\n")
        self.assertEqual(self.tool("amqp-consume", "-q", "c-q", "-c", "3", "-p", "1", "cat")[:2], (0, b"0\n1\n2\n"))
        status, _, error = self.tool("amqp-get", "-q", "c-missing")
        self.assertNotEqual(status, 0)
        self.assertIn("404", error)
        self.assertIn("NOT_FOUND - no queue 'c-missing' in vhost '/'", error)
        self.assertEqual(self.tool("amqp-delete-queue", "-q", "c-q")[:2], (0, b"0\n"))

    # -- all together on one queue

    @row(26, 28)
    def test_all_languages_share_one_queue_and_bodies_arrive_byte_for_byte(self):
        self.fresh("shared")
        channel = self.channel()
        channel.queue_declare("shared", durable=True)
        body = bytes(range(256)) * 40
        names = list(LANGUAGES) + ["python", "c"]
        for writer in names:
            sent = writer.encode() + body
            if writer == "python":
                channel.basic_publish("", "shared", sent, pika.BasicProperties(content_type="application/octet-stream", delivery_mode=2))
            elif writer == "c":
                self.tool("amqp-publish", "-r", "shared", "-p", "-C", "application/octet-stream", body=sent)
            else:
                self.client(writer, "publish", "shared", body=sent)
        for index, writer in enumerate(names):
            reader = names[(index + 3) % len(names)]  # Each is read by another one.
            if reader == "python":
                method, properties, got = channel.basic_get("shared", auto_ack=True)
                content_type = properties.content_type
            elif reader == "c":
                _, got, _ = self.tool("amqp-get", "-q", "shared")
                content_type = "application/octet-stream"
            else:
                done = self.client(reader, "get", "shared")
                got, content_type = done.stdout, done.stderr.decode().splitlines()[-1]
            self.assertEqual(content_type, "application/octet-stream", f"{writer} to {reader}")
            self.assertTrue(got == writer.encode() + body, f"{writer} to {reader}: {len(got)} bytes {got[:40]}...")
        self.assertEqual(self.counts("shared")[0], 0)

    @row(28)
    def test_from_python_to_java_and_back(self):
        self.fresh("there", "back")
        channel = self.channel()
        for name in ("there", "back"):
            channel.queue_declare(name, durable=True)
        body = b"\x00\xff" + "pickle, protobuf, ü".encode() * 100
        channel.basic_publish("", "there", body, pika.BasicProperties(content_type="application/octet-stream"))
        got = self.client("java", "get", "there").stdout
        self.assertEqual(got, body)
        self.client("java", "publish", "back", body=got)
        self.assertEqual(channel.basic_get("back", auto_ack=True)[2], body)
