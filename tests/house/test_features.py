"""Every row of the feature list that one node can show has a test (tests/clients/rows.py prints which)."""
import os
import subprocess
import sys
import unittest

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import house


class Features(unittest.TestCase):
    def test_no_row_is_without_a_test(self):
        done = subprocess.run([sys.executable, "tests/clients/rows.py"], cwd=house.ROOT, stdout=subprocess.PIPE,
                              stderr=subprocess.STDOUT, text=True, check=False)
        self.assertEqual((done.returncode, [line for line in done.stdout.splitlines() if "NO TEST" in line]), (0, []), done.stdout)


if __name__ == "__main__":
    unittest.main()
