"""Runs the CTest programs of a build folder side by side and counts their GoogleTest cases.

Usage: run_unit_tests.py BUILD_FOLDER [NAME...]; the last line is `N passed, N failed`.
"""
import concurrent.futures
import json
import os
import subprocess
import sys
import tempfile
import time


def tests_of(build, names):
    listing = json.loads(subprocess.check_output(["ctest", "--show-only=json-v1"], cwd=build, text=True))
    for test in listing["tests"]:
        if "command" not in test:
            yield test["name"], None, 0, build, {}
            continue
        if names and test["name"] not in names:
            continue
        properties = {p["name"]: p["value"] for p in test.get("properties", [])}
        environment = dict(e.split("=", 1) for e in properties.get("ENVIRONMENT", []))
        yield (test["name"], test["command"], properties.get("TIMEOUT", 120),
               properties.get("WORKING_DIRECTORY", build), environment)


def cases_in(report):
    """(passed, failed, skipped) of a GoogleTest JSON report."""
    counts = [0, 0, 0]
    for suite in report.get("testsuites", []):
        for case in suite.get("testsuite", []):
            if case.get("failures"):
                counts[1] += 1
            elif case.get("result") == "SKIPPED":
                counts[2] += 1
            elif case.get("status") == "RUN":
                counts[0] += 1
    return counts


def run(test):
    name, command, timeout, folder, environment = test
    if command is None:
        return name, [0, 1, 0], 0, "not built\n"
    began = time.monotonic()
    with tempfile.TemporaryDirectory() as scratch:
        report = os.path.join(scratch, "report.json")
        try:
            done = subprocess.run(command, cwd=folder, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                                  stderr=subprocess.STDOUT, timeout=timeout, text=True, errors="replace",
                                  env={**os.environ, **environment, "GTEST_OUTPUT": "json:" + report})
            output, status = done.stdout, done.returncode
        except subprocess.TimeoutExpired as stuck:
            output = (stuck.stdout or b"").decode(errors="replace") + f"\nstopped after {timeout} s\n"
            status = -1
        try:
            with open(report, encoding="utf-8") as file:
                counts = cases_in(json.load(file))
        except (OSError, ValueError):
            counts = [1, 0, 0] if status == 0 else [0, 0, 0]
        if status != 0 and counts[1] == 0:
            counts[1] = 1
            output += f"\n{name}: exit status {status}\n"
    return name, counts, time.monotonic() - began, output


def main():
    total = [0, 0, 0]
    tests = list(tests_of(sys.argv[1], sys.argv[2:]))
    with concurrent.futures.ThreadPoolExecutor(os.cpu_count()) as pool:
        for name, counts, seconds, output in pool.map(run, tests):
            total = [a + b for a, b in zip(total, counts)]
            if counts[1]:
                print(output)
            skipped = f", {counts[2]} skipped" if counts[2] else ""
            print(f"{name}: {counts[0]} passed, {counts[1]} failed{skipped} ({seconds:.1f} s)", flush=True)
    print(f"{total[0]} passed, {total[1]} failed")
    return 1 if total[1] or not total[0] else 0


if __name__ == "__main__":
    sys.exit(main())
