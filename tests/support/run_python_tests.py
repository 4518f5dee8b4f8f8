"""Runs the unittest files test_*.py of a folder and ends with the line `N passed, N failed`.

Usage: run_python_tests.py FOLDER [-j N] [NAME...]; NAME selects tests whose id contains it. With -j, test classes are
spread over N processes. A test that takes longer than its `seconds_at_most` (60) is stopped and has failed. A skipped test counts as failed: a machine that cannot run a test does not show its promise.
"""
import argparse
import os
import signal
import subprocess
import sys
import time
import unittest


# Sanitizers make everything slower.
PATIENCE = 4 if os.environ.get("PONTOON_PRESET") in ("dev", "tsan") else 1


def too_long(_signal, _frame):
    raise AssertionError("the test hangs: stopped here")


class Report(unittest.TextTestResult):
    left_out = 0

    def startTest(self, test):
        super().startTest(test)
        self.began = time.monotonic()
        signal.setitimer(signal.ITIMER_REAL, getattr(test, "seconds_at_most", 60) * PATIENCE)

    def stopTest(self, test):
        signal.setitimer(signal.ITIMER_REAL, 0)
        super().stopTest(test)

    def addSuccess(self, test):
        super().addSuccess(test)
        print(f"ok     {test.id()} ({time.monotonic() - self.began:.1f} s)", flush=True)

    def addFailure(self, test, err):
        super().addFailure(test, err)
        print(f"FAILED {test.id()}\n{self.failures[-1][1]}", flush=True)

    def addError(self, test, err):
        super().addError(test, err)
        print(f"FAILED {getattr(test, 'id', lambda: test)()}\n{self.errors[-1][1]}", flush=True)

    def addSkip(self, test, reason):
        if os.environ.get("PONTOON_TEST_BROKER"):  # Beside another broker, what only ours promises is left out.
            print(f"not here {test.id()}: {reason}", flush=True)
            self.left_out += 1
            return
        self.addFailure(test, (AssertionError, AssertionError(f"could not run: {reason}"), None))

    def printErrors(self):
        pass


def classes_of(suite):
    """The tests of a suite, grouped by class in the order of discovery."""
    groups = {}
    def walk(item):
        if isinstance(item, unittest.TestSuite):
            for child in item:
                walk(child)
        else:
            groups.setdefault(f"{type(item).__module__}.{type(item).__qualname__}", []).append(item)
    walk(suite)
    return groups


def run_here(tests):
    # A class with a fixture (setUpClass) that fails reports one error for all its tests.
    result = unittest.TextTestRunner(stream=open(os.devnull, "w", encoding="utf-8"), resultclass=Report,
                                     verbosity=0).run(unittest.TestSuite(tests))
    failed = len(result.failures) + len(result.errors) + len(result.unexpectedSuccesses)
    return max(0, result.testsRun - failed - result.left_out), failed


def run_side_by_side(folder, classes, jobs):
    """Each class in a process of its own, `jobs` at a time."""
    waiting, running, passed, failed = list(classes), [], 0, 0
    while waiting or running:
        while waiting and len(running) < jobs:
            name = waiting.pop(0)
            running.append((name, subprocess.Popen(
                [sys.executable, __file__, folder, "--class", name], stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, errors="replace")))
        name, process = running.pop(0)
        lines = process.communicate()[0].splitlines()
        print("\n".join(lines[:-1]), flush=True)
        try:
            counts = [int(word.split()[0]) for word in lines[-1].split(", ")]
        except (IndexError, ValueError):
            print(f"FAILED {name}: ended with status {process.returncode}: {lines[-1:]}", flush=True)
            counts = [0, 1]
        passed, failed = passed + counts[0], failed + counts[1]
    return passed, failed


def main():
    signal.signal(signal.SIGALRM, too_long)
    arguments = argparse.ArgumentParser()
    arguments.add_argument("folder")
    arguments.add_argument("names", nargs="*")
    arguments.add_argument("-j", type=int, default=1, dest="jobs")
    arguments.add_argument("--class", dest="only_class")
    options = arguments.parse_args()
    sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), ".."))
    groups = classes_of(unittest.TestLoader().discover(options.folder, pattern="test_*.py"))
    if options.only_class:
        groups = {options.only_class: groups[options.only_class]}
    if options.names:
        groups = {name: [t for t in tests if any(n in t.id() for n in options.names)] for name, tests in groups.items()}
        groups = {name: tests for name, tests in groups.items() if tests}
    if options.jobs > 1 and not options.names:
        passed, failed = run_side_by_side(options.folder, groups, options.jobs)
    else:
        passed, failed = run_here([test for tests in groups.values() for test in tests])
    print(f"{passed} passed, {failed} failed", flush=True)
    return 1 if failed or not passed else 0


if __name__ == "__main__":
    sys.exit(main())
