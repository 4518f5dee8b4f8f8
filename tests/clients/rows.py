"""Prints which test shows which row of the feature list's section 1, and fails when a row has none.

Usage: rows.py [--quiet]. Rows that one node without HTTP API, page and packages cannot show are named with their reason.
"""
import os
import sys
import unittest

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, HERE)

ELSEWHERE = {
    2: "layout of an unpacked archive: packages", 4: "distribution packages", 5: "container image",
    6: "web page", 21: "web page", 51: "TTL", 52: "maximum length",
}
PARTS_ELSEWHERE = {
    11: "login to the web page: HTTP API", 22: "count over HTTP: HTTP API", 23: "Python 2: not in Debian 12",
    26: ".NET: not in Debian 12", 53: "terabytes, expiry by time",
}


def tests_by_row():
    found = {}
    def walk(item):
        if isinstance(item, unittest.TestSuite):
            for child in item:
                walk(child)
        else:
            method = getattr(item, getattr(item, "_testMethodName", ""), None)
            for number in getattr(method, "rows", ()):
                found.setdefault(number, []).append(item.id())
    walk(unittest.TestLoader().discover(HERE, pattern="test_*.py"))
    return found


def gaps(found):
    return [number for number in range(1, 81) if number not in ELSEWHERE and number not in found]


def main():
    found = tests_by_row()
    if "--quiet" not in sys.argv:
        for number in range(1, 81):
            for name in found.get(number, []):
                print(f"S{number}\t{name}")
            if number in ELSEWHERE or number in PARTS_ELSEWHERE:
                print(f"S{number}\t(not here: {ELSEWHERE.get(number) or PARTS_ELSEWHERE[number]})")
    missing = gaps(found)
    for number in missing:
        print(f"S{number}\tNO TEST")
    return 1 if missing else 0


if __name__ == "__main__":
    sys.exit(main())
