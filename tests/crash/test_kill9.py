"""kill -9 at random moments: of a broker that serves, and of one that is still starting."""
import os
import sys
import time
import unittest

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import rig

KILLS = 50
CONFIRMED = 5000


class KillNine(rig.CrashTest):
    run_name = "kill9"
    # kill -9 leaves the page cache whole: where the data lies proves nothing here, and there it is quick.
    disk_megabytes = 768

    def test_nothing_confirmed_is_lost_doubled_or_reordered_by_fifty_kills(self):
        broker, chance = self.make_broker(), self.run_.random
        self.run_.start_broker(broker)
        load = self.run_.load(broker, publishers=2, rate=600)
        load.wait_for("ok", 200)
        in_start = 0
        for kill in range(KILLS):
            # One in five hits the start, at some moment of the usual half second; the others a broker that has confirmed something.
            last = kill == KILLS - 1
            if kill and not last and chance.random() < 0.2:
                broker.start(wait=False)
                time.sleep(chance.uniform(0, 0.5))
                in_start += "Server startup complete" not in broker.log(broker._ready_from)
            else:
                if kill:
                    self.run_.start_broker(broker)
                load.wait_for("ok", chance.randrange(1, 200))
                if last:  # However fast this machine is.
                    load.wait_for_all("ok", CONFIRMED)
                time.sleep(chance.uniform(0, 0.3))
            self.run_.kill9(broker)
        self.run_.start_broker(broker)
        load.wait_for("ok", 200)
        print(f"       {KILLS} kills, {in_start} of them before the broker was ready", flush=True)
        self.finish(min_confirmed=CONFIRMED, min_share=80, min_unknown=KILLS, min_faults=KILLS)
        self.passed = True


if __name__ == "__main__":
    unittest.main()
