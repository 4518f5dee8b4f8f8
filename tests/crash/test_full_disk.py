"""A disk that is full to the last byte: publishers wait, consumers do not, a restart works, and with space again all goes on by itself."""
import os
import sys
import time
import unittest

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import rig
from support.server import wait_until

ACKNOWLEDGED_WHILE_FULL = 10_000


class FullDisk(rig.CrashTest):
    run_name = "full-disk"
    disk_megabytes = 512

    def test_acknowledgements_and_a_restart_need_no_free_byte_and_publishing_resumes_by_itself(self):
        broker = self.make_broker()
        self.run_.start_broker(broker)
        publishers = self.run_.load(broker, "publishers", publishers=4, rate=0, no_consumers=True, bytes_max=4000)
        publishers.wait_for("ok", 2 * ACKNOWLEDGED_WHILE_FULL, seconds=60)

        # Full while they publish.
        self.disk.fill(os.path.join(broker.data_dir, "reserve"))
        self.await_blocked(publishers, 0)
        self.assertIn("blocked low on disk", publishers.said())
        self.await_rest(publishers)

        # Everything that was confirmed can be had and acknowledged.
        consumers = self.run_.load(broker, "consumers-while-full", publishers=0)
        wait_until(lambda: consumers.count("ack") >= ACKNOWLEDGED_WHILE_FULL, 60, "acknowledgements while the disk is full")
        consumers.stop()
        self.assert_publishers_wait(broker, publishers)

        # Both ways to restart while full.
        for how in ("stop", "kill-9"):
            blocked_before = self.times_blocked(publishers)
            if how == "stop":
                self.run_.fault(how)
                self.assertEqual(broker.stop(), 0)
                self.run_.dead()
            else:
                self.run_.kill9(broker)
            self.run_.start_broker(broker)
            self.await_blocked(publishers, blocked_before)
            self.await_rest(publishers)
            self.assert_publishers_wait(broker, publishers)

        # Space again.
        self.disk.unfill()
        wait_until(lambda: publishers.said()[-1] == "unblocked", 30, "connection.unblocked")
        publishers.wait_for("ok", 2000)
        self.assertTrue(broker.alive())
        self.finish(min_confirmed=2 * ACKNOWLEDGED_WHILE_FULL)
        self.passed = True

    @staticmethod
    def times_blocked(load):
        return sum(line.startswith("blocked ") for line in load.said())

    def await_blocked(self, load, before):
        def blocked():
            self.assertTrue(self.broker.alive(), "the broker ended on a full disk")
            return self.times_blocked(load) > before
        wait_until(blocked, what="connection.blocked")

    @staticmethod
    def await_rest(load):
        """Until what was on its way is confirmed and nothing more is."""
        last = [-1]

        def at_rest():
            before, last[0] = last[0], load.count("ok")
            time.sleep(0.2)
            return before == last[0]
        wait_until(at_rest, 20, "publishing at rest")

    def assert_publishers_wait(self, broker, publishers):
        self.assertTrue(broker.alive(), "the broker ended on a full disk")
        self.assertTrue(publishers.said()[-1].startswith("blocked "), "publishers were let in although the disk is full")


if __name__ == "__main__":
    unittest.main()
