"""The power goes at random moments. What was not synced is gone then, and each cut proves that it was."""
import os
import sys
import time
import unittest

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import rig

CUTS = 20
CONFIRMED = 5000


class PowerCut(rig.CrashTest):
    run_name = "power-cut"
    disk_megabytes = 768

    def test_nothing_confirmed_is_lost_doubled_or_reordered_by_twenty_power_cuts(self):
        broker, chance = self.make_broker(), self.run_.random
        self.run_.start_broker(broker)
        load = self.run_.load(broker, publishers=2, rate=600)
        load.wait_for("ok", 200)
        for cut in range(CUTS):
            last = cut == CUTS - 1
            if cut and not last and chance.random() < 0.15:
                broker.start(wait=False)
                time.sleep(chance.uniform(0, 0.5))
            else:
                if cut:
                    self.run_.start_broker(broker)
                load.wait_for("ok", chance.randrange(100, 500))
                if last:  # However fast this machine is.
                    load.wait_for_all("ok", CONFIRMED)
                time.sleep(chance.uniform(0, 0.3))
            self.run_.power_cut(self.disk, broker)
        self.run_.start_broker(broker)
        load.wait_for("ok", 200)
        self.finish(min_confirmed=CONFIRMED, min_share=80, min_unknown=CUTS, min_faults=CUTS)
        self.passed = True


if __name__ == "__main__":
    unittest.main()
