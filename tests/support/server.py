"""A broker for tests: Pontoon's, or Debian's RabbitMQ behind the same interface.

    with Server(config={"max_message_size": 65536}) as server:
        connection = pika.BlockingConnection(pika.URLParameters(server.uri()))
        server.kill9(); server.start()
        print(server.ctl("list_queues", "name", "messages").stdout)

Server() is Pontoon's broker from PONTOON_BIN (default build/release/bin); with PONTOON_TEST_BROKER=rabbitmq it is Debian's
RabbitMQ in a folder, on ports and with an epmd of its own, which proves that what a test expects is what RabbitMQ does. Each listens on
loopback; each dies with the process that started it. Start and stop from the main thread.
"""
import atexit
import ctypes
import os
import random
import re
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
BIN = os.environ.get("PONTOON_BIN", os.path.join(ROOT, "build/release/bin"))
RABBITMQ = os.environ.get("PONTOON_TEST_BROKER") == "rabbitmq"
# Everything takes longer under sanitizers; RabbitMQ's tools start a virtual machine each time.
PATIENCE = 6 if os.environ.get("PONTOON_PRESET") in ("dev", "tsan") else 1


def free_port():
    """A port P with P+20000 (administration) and P+3000 (RabbitMQ's epmd) free too, all below the ephemeral range."""
    for _ in range(200):
        port = random.randrange(10000, 12700)
        if all(_can_bind(p) for p in (port, port + 3000, port + 20000)):
            return port
    raise RuntimeError("no free port")


def _can_bind(port):
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
            return True
        except OSError:
            return False


def quick_folder():
    """Where a broker's data lies: in memory where there is room, since many tests wait for syncs and none of them proves anything about
    a disk (tests/crash does that); None stands for the usual place."""
    memory = os.statvfs("/dev/shm") if os.access("/dev/shm", os.W_OK) and "TMPDIR" not in os.environ else None
    return "/dev/shm" if memory is not None and memory.f_bavail * memory.f_frsize >= 2 << 30 else None


def wait_until(condition, seconds=30, what="the condition"):
    """Calls condition() until it is true and gives that value; for states that have no event to wait for."""
    deadline = time.monotonic() + seconds * PATIENCE
    while True:
        value = condition()
        if value:
            return value
        if time.monotonic() > deadline:
            raise AssertionError(f"{what} did not come true within {seconds * PATIENCE} s")
        time.sleep(0.02)


def _die_with_parent():
    ctypes.CDLL(None).prctl(1, signal.SIGKILL)  # PR_SET_PDEATHSIG


class ControlResult:
    """What a control command said: .status, .stdout, .stderr."""

    def __init__(self, status, stdout, stderr):
        self.status, self.stdout, self.stderr = status, stdout, stderr

    def rows(self):
        """The table as lists of columns, for commands called with -q --no-table-headers or -s."""
        return [line.split("\t") for line in self.stdout.splitlines() if line]


class _Broker:
    """What both kinds have: a process in a folder with a log on stdout."""

    def __init__(self, config=None, arguments=(), environment=None, folder=None, port=None, host="127.0.0.1"):
        self.owns_folder = folder is None
        self.folder = folder or tempfile.mkdtemp(prefix="pontoon-test-", dir=quick_folder())
        self.port = port or free_port()
        self.host = host
        self.config = dict(config or {})
        self.arguments = list(arguments)
        self.environment = dict(environment or {})
        self.log_path = os.path.join(self.folder, "broker.log")
        self.process = None
        atexit.register(self.close)

    def __enter__(self):
        if self.process is None:
            self.start()
        return self

    def __exit__(self, *_):
        self.close()

    # -- life

    def start(self, wait=True, timeout=60):
        """Starts it on the same folder and port as before; wait=False leaves wait_ready to the caller."""
        assert self.process is None, "it runs already"
        self._write_config()
        self._ready_from = self.log_size()
        with open(self.log_path, "ab") as log:
            self.process = subprocess.Popen(
                self._command(), env={**os.environ, **self._environment(), **self.environment}, stdin=subprocess.DEVNULL,
                stdout=log, stderr=subprocess.STDOUT, cwd=self.folder, start_new_session=True, preexec_fn=_die_with_parent)
        if wait:
            self.wait_ready(timeout)
        return self

    def wait_ready(self, timeout=60):
        self.wait_for_log("Server startup complete", since=self._ready_from, timeout=timeout)

    def stop(self, timeout=30):
        """SIGTERM; the exit status."""
        self.process.send_signal(signal.SIGTERM)
        return self.wait_exit(timeout)

    def wait_exit(self, timeout=30):
        status = self.process.wait(timeout * PATIENCE)
        self.process = None
        return status

    def kill9(self):
        """No good-bye: kill -9 of all of it."""
        os.killpg(self.process.pid, signal.SIGKILL)
        self.process.wait()
        self.process = None

    def restart(self, how="stop"):
        self.kill9() if how == "kill9" else self.stop()
        return self.start()

    def close(self):
        """Ends it whatever its state, and removes its folder; may be called again."""
        if self.process is not None:
            if self.process.poll() is None:
                self.kill9()
            self.process = None
        if self.owns_folder:
            shutil.rmtree(self.folder, ignore_errors=True)
        atexit.unregister(self.close)

    def alive(self):
        return self.process is not None and self.process.poll() is None

    @property
    def pid(self):
        return self.process.pid

    # -- what it shows

    def log_size(self):
        return os.path.getsize(self.log_path) if os.path.exists(self.log_path) else 0

    def log(self, since=0):
        """The log's text from this byte on; ask log_size() for now."""
        if not os.path.exists(self.log_path):
            return ""
        with open(self.log_path, "rb") as log:
            log.seek(since)
            return log.read().decode(errors="replace")

    def wait_for_log(self, pattern, since=0, timeout=10):
        """The first match of a regular expression in the log after `since`."""
        deadline = time.monotonic() + timeout * PATIENCE
        while True:
            found = re.search(pattern, self.log(since))
            if found:
                return found
            if self.process is not None and self.process.poll() is not None:
                raise AssertionError(f"the broker ended with {self.process.returncode}:\n{self.log(since)[-4000:]}")
            if time.monotonic() > deadline:
                raise AssertionError(f"no {pattern!r} in the log after {timeout * PATIENCE} s:\n{self.log(since)[-4000:]}")
            time.sleep(0.02)

    def resident_bytes(self):
        with open(f"/proc/{self.pid}/status", encoding="ascii") as status:
            return int(re.search(r"VmRSS:\s+(\d+) kB", status.read()).group(1)) * 1024

    def cpu_seconds(self):
        with open(f"/proc/{self.pid}/stat", encoding="ascii") as stat:
            fields = stat.read().rsplit(")", 1)[1].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")

    def uri(self, user="guest", password="guest", vhost="/"):
        from urllib.parse import quote
        return f"amqp://{quote(user, '')}:{quote(password, '')}@{self.host}:{self.port}/{quote(vhost, '')}"

    # -- the command line tool

    def ctl(self, *arguments, check=True, timeout=60):
        """Runs rabbitmqctl (pontoonctl) on this node; a ControlResult. With check, a failure is an error."""
        done = subprocess.run(self._control() + [str(a) for a in arguments], stdin=subprocess.DEVNULL,
                              stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, timeout=timeout * PATIENCE,
                              env={**os.environ, **self._environment(), **self.environment})
        if check and done.returncode != 0:
            raise AssertionError(f"{arguments}: exit {done.returncode}\n{done.stdout}{done.stderr}")
        return ControlResult(done.returncode, done.stdout, done.stderr)

    def _write_config(self):
        self.config_path = os.path.join(self.folder, "rabbitmq.conf")
        with open(self.config_path, "w", encoding="utf-8") as file:
            for key, value in {**self._base_config(), **self.config}.items():
                file.write(f"{key} = {value}\n")


class PontoonServer(_Broker):
    name = "pontoon"

    @property
    def data_dir(self):
        return os.path.join(self.folder, "data")

    @property
    def admin_port(self):
        return self.port + 20000

    @property
    def node(self):
        return "rabbit@" + socket.gethostname().split(".")[0]

    def _base_config(self):
        return {}

    def _environment(self):
        return {}

    def _command(self):
        command = [os.path.join(BIN, "pontoon-server"), "--data-dir", self.data_dir, "--config", self.config_path]
        if not any(key.startswith("listeners.tcp") for key in self.config) and not any(
                a.startswith("--listeners.tcp") for a in self.arguments) and "RABBITMQ_NODE_PORT" not in self.environment:
            command += ["--listeners.tcp.default", f"{self.host}:{self.port}"]
        return command + self.arguments

    def _control(self):
        return [os.path.join(BIN, "pontoonctl"), "-n", self.node, "--data-dir", self.data_dir]


class RabbitMqServer(_Broker):
    name = "rabbitmq"

    @property
    def data_dir(self):
        return os.path.join(self.folder, "mnesia")

    @property
    def node(self):
        return f"rabbit{self.port}@localhost"

    @property
    def pid(self):
        with open(os.path.join(self.folder, "pid"), encoding="ascii") as file:
            return int(file.read())

    def _base_config(self):
        return {"log.console": "true", "log.console.level": "info", "log.file": "false", "vm_memory_high_watermark.relative": "0.4",
                "disk_free_limit.absolute": "50MB"}

    def _environment(self):
        inside = lambda name: os.path.join(self.folder, name)
        with open(inside("enabled_plugins"), "w", encoding="ascii") as plugins:
            plugins.write("[].\n")
        return {
            "HOME": self.folder, "RABBITMQ_NODENAME": self.node, "RABBITMQ_NODE_IP_ADDRESS": self.host,
            "RABBITMQ_NODE_PORT": str(self.port), "RABBITMQ_DIST_PORT": str(self.port + 20000),
            "ERL_EPMD_PORT": str(self.port + 3000), "ERL_EPMD_ADDRESS": "127.0.0.1",
            "RABBITMQ_MNESIA_BASE": self.data_dir, "RABBITMQ_LOG_BASE": inside("logs"), "RABBITMQ_LOGS": "-",
            "RABBITMQ_ENABLED_PLUGINS_FILE": inside("enabled_plugins"), "RABBITMQ_CONFIG_FILE": inside("rabbitmq"),
            "RABBITMQ_CONF_ENV_FILE": inside("rabbitmq-env.conf"), "RABBITMQ_PID_FILE": inside("pid"),
            "RABBITMQ_SERVER_ADDITIONAL_ERL_ARGS": "+sbwt none +sbwtdcpu none",
        }

    def _command(self):
        return ["/usr/lib/rabbitmq/bin/rabbitmq-server"] + self.arguments

    def _control(self):
        return ["/usr/lib/rabbitmq/bin/rabbitmqctl", "-n", self.node]

    def close(self):
        super().close()
        subprocess.run(["epmd", "-port", str(self.port + 3000), "-kill"], stdin=subprocess.DEVNULL,
                       stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, check=False)


Server = RabbitMqServer if RABBITMQ else PontoonServer

_shared = None


def shared():
    """One server for all tests of this process that need nothing special; it ends with the process."""
    global _shared
    if _shared is None or not _shared.alive():
        _shared = Server().start()
    return _shared


if __name__ == "__main__":  # A broker to look at by hand: server.py [KEY=VALUE...], until Enter.
    with Server(config=dict(a.split("=", 1) for a in sys.argv[1:])) as by_hand:
        print(by_hand.uri(), by_hand.folder, flush=True)
        sys.stdin.readline()
