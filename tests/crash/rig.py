"""What the crash tests are made of: a run with its seed, its histories and its verdict, a broker, and a small disk that can lose its
power or be full. Needs root and a loop device; where there is none the tests fail, since they show nothing."""
import collections
import contextlib
import errno
import fcntl
import json
import os
import random
import re
import shutil
import signal
import struct
import subprocess
import sys
import time
import unittest

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), ".."))
from support import server as support

BUILD = os.environ.get("PONTOON_BUILD", os.path.join(support.ROOT, "build/release"))
KIND_OF_LINE = re.compile(rb"^\d+ (\w+) .*\n", re.M)


class Broker(support.PontoonServer):
    """The broker of a run: its log stays with the run, its data may lie on a disk of their own."""

    def __init__(self, folder, data_dir=None, program="pontoon-server", **more):
        self._data_dir = data_dir or os.path.join(folder, "data")
        self.program = program
        os.makedirs(folder, exist_ok=True)
        super().__init__(folder=folder, **more)

    @property
    def data_dir(self):
        return self._data_dir

    def _command(self):
        return [os.path.join(support.BIN, self.program)] + super()._command()[1:]

    def freeze(self):
        """Returns when it executes nothing more: a signal to stop is acted upon only when one of its threads has the
        processor, and until then the others go on. What still sleeps inside the kernel then stops before it gets back. Without that a
        sync that is under way when the disk stops may be told to have succeeded, which no real disk without power does."""
        self.process.send_signal(signal.SIGSTOP)
        support.wait_until(lambda: "T" in self._thread_states(), what="the stop")
        support.wait_until(lambda: self._thread_states() <= {"T", "D"}, what="the stop of all threads")

    def _thread_states(self):
        folder, states = f"/proc/{self.pid}/task", set()
        for thread in os.listdir(folder):
            with contextlib.suppress(FileNotFoundError, ProcessLookupError), \
                    open(os.path.join(folder, thread, "stat"), encoding="ascii", errors="replace") as stat:
                states.add(stat.read().rpartition(")")[2].split()[0])
        return states


class Run:
    """One run: a folder with histories, logs and the verdict, removed only when all went well."""

    def __init__(self, name):
        self.seed = int(os.environ.get("PONTOON_CRASH_SEED", random.randrange(1, 1 << 31)))
        self.random = random.Random(f"{name} {self.seed}")
        self.name = f"{name}-{self.seed}"
        self.folder = os.path.join(BUILD, "crash", f"{self.name}-{os.getpid()}")
        os.makedirs(self.folder)
        self.loads = []
        self.round = 0
        self.next_round()
        print(f"       {name}: PONTOON_CRASH_SEED={self.seed}, files in {self.folder}", flush=True)

    def next_round(self):
        """Histories from scratch, for queues that are empty."""
        self.round += 1
        self.faults_file = open(self._path("faults.history"), "wb", buffering=0)
        self.histories = [self.faults_file.name]
        self.began = time.monotonic()

    @property
    def message_prefix(self):
        return f"{self.name}-{self.round}"

    def _path(self, name):
        return os.path.join(self.folder, f"{self.round}-{name}")

    # -- what happened

    def fault(self, what):
        """To be called right before it is done."""
        self.faults_file.write(b"%d fault %s\n" % (time.monotonic_ns(), what.encode()))

    def started(self):
        self.faults_file.write(b"%d started\n" % time.monotonic_ns())

    def start_broker(self, broker, **more):
        broker.start(**more)
        self.started()

    def dead(self):
        """To be called when nothing can come from it any more."""
        self.faults_file.write(b"%d dead\n" % time.monotonic_ns())

    def kill9(self, broker):
        self.fault("kill-9")
        broker.kill9()
        self.dead()

    def power_cut(self, disk, broker):
        self.fault("power-cut")
        disk.power_cut(broker)
        self.dead()

    # -- clients

    def load(self, broker, name="load", **options):
        load = Load(self, broker, name, options)
        self.loads.append(load)
        return load

    def drain(self, broker, seconds=60):
        path = self._path("drain.history")
        self.histories.append(path)
        with open(self._path("drain.log"), "wb") as log:
            done = subprocess.run(
                [os.path.join(support.BIN, "pontoon-crash-load"), "--port", str(broker.port), "--run", self.message_prefix, "--history",
                 path, "--drain", str(seconds)], stdin=subprocess.DEVNULL, stdout=log, stderr=log, timeout=seconds + 60, check=False)
        if done.returncode != 0:
            with open(self._path("drain.log"), encoding="utf-8") as log:
                print("       " + log.read().strip(), flush=True)

    # -- the verdict

    def check(self, **floors):
        """Runs pontoon-check over all histories; the report as a dictionary."""
        self.faults_file.write(b"%d end\n" % time.monotonic_ns())
        self.faults_file.close()
        report_path = self._path("report.json")
        command = [os.path.join(support.BIN, "pontoon-check"), "--json", report_path]
        for name, value in floors.items():
            command += ["--" + name.replace("_", "-"), str(value)]
        done = subprocess.run(command + self.histories, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, text=True, timeout=120,
                              check=False)
        print("       " + done.stdout.strip().replace("\n", "\n       "), flush=True)
        print(f"       {time.monotonic() - self.began:.1f} s", flush=True)
        with open(report_path, encoding="utf-8") as file:
            report = json.load(file)
        if (done.returncode == 0) != (report["verdict"] == "pass"):
            raise AssertionError(f"pontoon-check: exit {done.returncode}, but its report says {report['verdict']}")
        return report

    def close(self, keep):
        for load in self.loads:
            load.kill()
        if not keep:
            shutil.rmtree(self.folder)


class Load:
    """pontoon-crash-load as a process of its own."""

    def __init__(self, run, broker, name, options):
        self.history = run._path(f"{name}.history")
        run.histories.append(self.history)
        command = [os.path.join(support.BIN, "pontoon-crash-load"), "--port", str(broker.port), "--run", run.message_prefix,
                   "--history", self.history, "--seed", str(run.seed)]
        for key, value in options.items():
            command.append("--" + key.replace("_", "-"))
            if value is not True:
                command.append(str(value))
        self.counted_bytes = 0
        self.counts = collections.Counter()
        self.said_path = run._path(f"{name}.log")
        with open(self.said_path, "wb") as said:
            self.process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=said, stderr=said)
        support.wait_until(lambda: os.path.exists(self.history), what="the load's history")

    def count(self, kind):
        """How many lines of this kind its history has by now."""
        with open(self.history, "rb") as file:
            file.seek(self.counted_bytes)
            whole_lines = file.read().rpartition(b"\n")[0] + b"\n"
        if len(whole_lines) > 1:
            self.counted_bytes += len(whole_lines)
            self.counts.update(match.group(1).decode() for match in KIND_OF_LINE.finditer(whole_lines))
        return self.counts[kind]

    def wait_for(self, kind, more, seconds=20):
        """Until there are so many more lines of this kind than now."""
        wanted = self.count(kind) + more
        support.wait_until(lambda: self.count(kind) >= wanted, seconds, f"{more} more `{kind}` in {self.history}")

    def wait_for_all(self, kind, total, seconds=60):
        """Until there are so many lines of this kind in all."""
        self.wait_for(kind, max(0, total - self.count(kind)), seconds)

    def said(self):
        """Its lines `blocked ...` and `unblocked`."""
        with open(self.said_path, encoding="utf-8") as said:
            return said.read().splitlines()

    def stop(self, seconds=60):
        """Publishes no more, waits for confirms, closes its consumers."""
        self.process.stdin.close()
        status = self.process.wait(seconds)
        if status != 0:
            raise AssertionError(f"pontoon-crash-load ended with {status}: {self.said()}")

    def kill(self):
        if self.process.poll() is None:
            self.process.kill()
            self.process.wait()


class SmallDisk:
    """An ext4 of its own on a loop device, mounted so that forgotten syncs show."""

    OPTIONS = "noatime,noauto_da_alloc,commit=300,nodiscard"
    FS_IOC_SHUTDOWN, WITHOUT_LOG_FLUSH = 0x8004587D, 2

    def __init__(self, folder, megabytes):
        # In memory where there is room: the loop device keeps the order of flushes either way, and nothing else is slowed down.
        memory = os.statvfs("/dev/shm") if os.path.isdir("/dev/shm") else None
        in_memory = memory is not None and memory.f_bavail * memory.f_frsize > 2 * megabytes << 20
        name = os.path.basename(folder)
        self.image = f"/dev/shm/{name}.img" if in_memory else os.path.join(folder, "disk.img")
        self.path = os.path.join(folder, "disk")
        self.device = None
        self.cuts = 0
        os.makedirs(self.path)
        try:
            with open(self.image, "wb") as image:
                image.truncate(megabytes << 20)
            self._tool("mkfs.ext4", "-q", "-F", "-b", "4096", "-m", "0", "-N", "8192", "-J", "size=8", "-E",
                       "lazy_itable_init=0,lazy_journal_init=0", self.image)
            self.device = self._tool("losetup", "-f", "--show", self.image).strip()
            self._mount()
        except Exception:
            self.close()
            raise

    @staticmethod
    def require():
        """An error that says what this machine lacks."""
        if os.geteuid() != 0:
            raise AssertionError("the crash tests mount small disks: they need root")
        if not os.path.exists("/dev/loop-control"):
            raise AssertionError("the crash tests need loop devices; this machine has no /dev/loop-control")
        for tool in ("losetup", "mkfs.ext4", "mount", "umount"):
            if shutil.which(tool, path=os.environ.get("PATH", "") + ":/usr/sbin:/sbin") is None:
                raise AssertionError(f"the crash tests need {tool} (packages util-linux, mount, e2fsprogs)")

    @staticmethod
    def _tool(*command):
        done = subprocess.run(command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
                              timeout=60, check=False, env={**os.environ, "PATH": os.environ.get("PATH", "") + ":/usr/sbin:/sbin"})
        if done.returncode != 0:
            raise AssertionError(f"{' '.join(command)}: {done.stdout}")
        return done.stdout

    def _mount(self):
        self._tool("mount", "-t", "ext4", "-o", self.OPTIONS, self.device, self.path)

    def _unmount(self):
        def done():
            if not os.path.ismount(self.path):
                return True
            try:
                self._tool("umount", self.path)
            except AssertionError:
                return False
            return True
        support.wait_until(done, 10, f"umount {self.path}")

    def power_cut(self, broker):
        """The disk stops without a last flush, the broker dies, the disk comes back as it was synced; and proof of all that."""
        self.cuts += 1
        synced, unsynced = (os.path.join(self.path, f"canary-{kind}-{self.cuts}") for kind in ("synced", "unsynced"))
        song = os.urandom(5000)
        with open(synced, "wb") as file:
            file.write(song)
            file.flush()
            os.fsync(file.fileno())
        with open(unsynced, "wb") as file:
            file.write(song)
        broker.freeze()
        disk = os.open(self.path, os.O_RDONLY)
        try:
            fcntl.ioctl(disk, self.FS_IOC_SHUTDOWN, struct.pack("I", self.WITHOUT_LOG_FLUSH))
        finally:
            os.close(disk)
        try:
            with open(os.path.join(self.path, "too-late"), "wb"):
                raise AssertionError("the disk still takes writes after its power was cut")
        except OSError as error:
            if error.errno != errno.EIO:
                raise
        broker.kill9()
        self._unmount()
        self._mount()
        if self._content(synced) != song:
            raise AssertionError("the power cut took what was synced: this disk is no proof of anything")
        if self._content(unsynced) == song:
            raise AssertionError("the power cut did not bite: what was never synced is still there")
        os.unlink(synced)

    @staticmethod
    def _content(path):
        if not os.path.exists(path):
            return None
        with open(path, "rb") as file:
            return file.read()

    def free_bytes(self):
        space = os.statvfs(self.path)
        return space.f_bavail * space.f_frsize

    def fill(self, reserve):
        """Takes all space to the last byte, some 50 MB a second towards the end, as a busy neighbour would; but not what the broker gives
        up for its own needs by deleting the file `reserve`."""
        kept = os.stat(reserve).st_blocks * 512
        with open(os.path.join(self.path, "filler"), "ab") as file:
            try:
                while (left := self.free_bytes() - (0 if os.path.exists(reserve) else kept)) > 0:
                    step = left - (100 << 20) if left > 104 << 20 else min(left, 1 << 20)
                    os.posix_fallocate(file.fileno(), os.fstat(file.fileno()).st_size, max(4096, step))
                    time.sleep(0.02)
            except OSError as error:
                if error.errno != errno.ENOSPC:
                    raise

    def unfill(self):
        os.unlink(os.path.join(self.path, "filler"))

    def close(self):
        """May be called again."""
        if os.path.ismount(self.path):
            self._unmount()
        if self.device is not None:
            self._tool("losetup", "-d", self.device)
            self.device = None
        if os.path.exists(self.image):
            os.unlink(self.image)


class CrashTest(unittest.TestCase):
    """A test with a run; files of a run that went wrong stay."""

    run_name = "crash"
    seconds_at_most = 300
    disk_megabytes = 0

    def setUp(self):
        if self.disk_megabytes:
            SmallDisk.require()
        self.run_ = Run(self.run_name)
        self.disk = self.broker = None
        self.passed = False
        self.addCleanup(self._clean_up)
        if self.disk_megabytes:
            self.disk = SmallDisk(self.run_.folder, self.disk_megabytes)

    def _clean_up(self):
        for load in self.run_.loads:
            load.kill()
        if self.broker is not None:
            self.broker.close()
        if self.disk is not None:
            if not self.passed and os.path.isdir(os.path.join(self.disk.path, "data")):
                shutil.copytree(os.path.join(self.disk.path, "data"), os.path.join(self.run_.folder, "data"), dirs_exist_ok=True)
            self.disk.close()
        self.run_.close(keep=not self.passed)

    def make_broker(self, **more):
        data_dir = os.path.join(self.disk.path, "data") if self.disk else None
        self.broker = Broker(os.path.join(self.run_.folder, "broker"), data_dir=data_dir, **more)
        return self.broker

    def finish(self, **floors):
        """Stops the load, drains and checks: the report must say pass."""
        for load in self.run_.loads:
            if load.process.returncode is None:
                load.stop()
        self.run_.drain(self.broker)
        report = self.run_.check(**floors)
        self.assertEqual(report["verdict"], "pass", report["broken"] + report["incomplete"])
        return report


