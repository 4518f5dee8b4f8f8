"""Two brokers with a planted fault each (storage/negative_controls.h): the same power cuts must turn the checker red, or what the other
tests show is worth nothing."""
import os
import subprocess
import sys
import unittest

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import rig
from support import server as support

# Red comes with the first cut that falls between a report and its sync.
ROUNDS_MAX = 6
CUTS_PER_ROUND = 4


class NegativeControls(rig.CrashTest):
    run_name = "negative-control"
    disk_megabytes = 512

    def cut_until_red(self, fault):
        """Rounds of load, power cut, drain and check, until the checker says fail."""
        run = self.run_
        broker = self.make_broker(program="pontoon-server-negative", environment={"PONTOON_NEGATIVE_CONTROL": fault})
        verdicts = []
        for number in range(ROUNDS_MAX):
            if number:
                run.next_round()
            run.start_broker(broker)
            load = run.load(broker, publishers=2, rate=0)
            for _ in range(CUTS_PER_ROUND):
                load.wait_for("ok", 200 + run.random.randrange(300))
                run.power_cut(self.disk, broker)
                self.start_whatever_is_left(run, broker, fault)
            load.stop()
            run.drain(broker, seconds=15)
            report = run.check(min_confirmed=300, min_faults=1)
            verdicts.append((report["verdict"], report["lost"]))
            broker.kill9()
            if report["verdict"] == "fail" and report["lost"] > 0:
                return
        self.fail(f"{ROUNDS_MAX * CUTS_PER_ROUND} power cuts under `{fault}`, and the checker saw no loss: {verdicts}")

    def start_whatever_is_left(self, run, broker, fault):
        """A broker that notices the loss itself is made to accept it: here it is the checker that has to see it."""
        broker.start(wait=False)
        try:
            broker.wait_ready()
        except AssertionError:
            if broker.process.poll() is None:
                raise
            broker.process = None
            print(f"       {fault}: the broker refuses to start: {broker.log(broker._ready_from).strip().splitlines()[-1][:200]}",
                  flush=True)
            accepted = subprocess.run(
                [os.path.join(support.BIN, "pontoon-server"), "--data-dir", broker.data_dir, "--accept-data-loss"],
                stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, timeout=60, check=False)
            if accepted.returncode != 0:
                raise AssertionError(f"--accept-data-loss: exit {accepted.returncode}: {accepted.stdout}") from None
            broker.start()
        run.started()

    def test_a_broker_that_skips_the_sync_is_found_out(self):
        self.cut_until_red("skip-sync")
        self.passed = True

    def test_a_broker_that_confirms_before_the_sync_is_found_out(self):
        self.cut_until_red("report-before-sync")
        self.passed = True

    def test_the_same_broker_without_a_fault_picked_passes(self):
        # What is red above is the fault, not this build.
        broker = self.make_broker(program="pontoon-server-negative")
        self.run_.start_broker(broker)
        load = self.run_.load(broker, publishers=2, rate=0)
        for _ in range(3):
            load.wait_for("ok", 300)
            self.run_.power_cut(self.disk, broker)
            self.run_.start_broker(broker)
        self.finish(min_confirmed=900, min_faults=3)
        self.passed = True


if __name__ == "__main__":
    unittest.main()
