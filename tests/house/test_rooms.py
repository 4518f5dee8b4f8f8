"""Arrows between rooms, and what the rooms in the middle must not touch."""
import os
import re
import sys
import unittest

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import house

ROOMS = ("base", "raft", "storage", "server", "client")
MIDDLE = ("raft/core", "raft/script", "server/amqp", "server/broker", "server/catalog", "server/session")

# What a deterministic room must not see; times and chance are inputs, bytes come and go through interfaces.
FORBIDDEN_IN_THE_MIDDLE = {
    r"#include <(thread|mutex|shared_mutex|condition_variable|future|semaphore|barrier|latch)>": "threads",
    r"#include <(chrono|ctime|time\.h|sys/time\.h)>|absl/time/clock\.h|absl::Now\(|steady_clock|system_clock": "a clock",
    r"#include <(iostream|fstream|filesystem|cstdio|stdio\.h|unistd\.h|fcntl\.h)>|#include <(sys|netinet|arpa|net)/": "I/O",
    r"#include <random>|std::random_device|\brand\(\)|absl/random/": "chance",
    r"base/mutex\.h|absl/synchronization": "locks",
}
# Where each large library may be included.
ONLY_IN = {
    r'#include [<"]rocksdb/': ("storage/", "bench/"),  # Benchmarks compare with RocksDB bare.
    r'#include [<"]boost/(asio|beast)': ("server/net/", "client/amqp/", "server/app/", "tests/", "bench/"),
    r'#include [<"]grpc(pp)?/|#include [<"]grpc': ("proto/", "server/net/", "server/admin/", "server/app/", "client/ctl/", "tests/", "bench/"),
    r'#include [<"]spdlog/': ("server/app/",),
    # Switches its deadlock detector off for gRPC.
    r'#include [<"]absl/synchronization/': ("server/app/main.cc", "tests/wire/", "bench/"),
    r'#include [<"]absl/log/': (),
}


class Rooms(unittest.TestCase):
    def test_includes_follow_the_arrows_also_in_test_files(self):
        wrong = []
        for path in house.sources(*ROOMS):
            room = house.room_of(path)
            allowed = house.arrows().get(room, set())
            if room is None or "*" in allowed:
                continue
            for number, line in enumerate(house.text(path).splitlines(), 1):
                include = re.match(r'#include "([a-z0-9_/]+)/[^/"]+"', line)
                used = house.room_of(include.group(1) + "/x") if include else None
                if used and used != room and used not in allowed:
                    wrong.append(f"{path}:{number}: {room} may not use {used}")
        self.assertEqual(wrong, [])

    def test_middle_rooms_have_no_clock_thread_io_chance_or_lock(self):
        wrong = []
        for path in house.sources(*MIDDLE):
            for number, line in house.code_lines(path):
                if path.endswith(("format_test.cc", "script_test.cc")) and re.search("<(fstream|filesystem)>", line):
                    continue  # It reads the fixtures of stored layouts, or scenarios.
                for pattern, what in FORBIDDEN_IN_THE_MIDDLE.items():
                    if re.search(pattern, line):
                        wrong.append(f"{path}:{number}: {what}: {line.strip()}")
        self.assertEqual(wrong, [])

    def test_large_libraries_stay_in_their_rooms(self):
        wrong = []
        for path in house.sources("base", "proto", "raft", "storage", "server", "client", "bench", "tests"):
            for number, line in house.code_lines(path):
                for pattern, places in ONLY_IN.items():
                    if re.search(pattern, line) and not path.startswith(places):
                        wrong.append(f"{path}:{number}: {line.strip()} belongs to {places or 'nobody'}")
        self.assertEqual(wrong, [])

    def test_middle_rooms_never_walk_a_hash_map(self):
        # The order of a walk would depend on chance, and could show in a log entry or on the wire.
        wrong = []
        for folder in MIDDLE:
            names, paths = set(), [p for p in house.sources(folder) if not p.endswith(("_test.cc", "_bench.cc"))]
            for path in paths:
                names.update(re.findall(r"(?:flat_hash|node_hash|unordered)_(?:map|set)<[^;{}]*>\s+(\w+)\s*(?:ABSL_\w+\([^)]*\)\s*)?[;{=]",
                                        house.text(path)))
            for path in paths:
                for number, line in enumerate(house.text(path).splitlines(), 1):
                    walk = re.search(r"for \([^;]*:\s*\*?(?:\w+(?:\.|->))*(\w+)\)", line)
                    if walk and walk.group(1) in names and "order does not show" not in line:
                        wrong.append(f"{path}:{number}: {line.strip()}")
        self.assertEqual(wrong, [], "sort, use a btree, or say in the line why the order does not show")

    def test_every_room_says_what_it_is(self):
        missing = []
        for path in house.files():
            if path.endswith("CMakeLists.txt") and house.room_of(path) not in (None, "tests", "bench"):
                readme = os.path.join(os.path.dirname(path), "README.md")
                if readme not in house.files():
                    missing.append(readme)
        self.assertEqual(missing, [])

    def test_targets_are_made_through_the_checking_functions_only(self):
        wrong = [f"{path}: {line.strip()}" for path in house.files() if path.endswith("CMakeLists.txt")
                 for line in house.text(path).splitlines()
                 if re.match(r"\s*(add_library|add_executable|file\s*\(\s*GLOB)", line) and not path.startswith("proto/")]
        self.assertEqual(wrong, [])


if __name__ == "__main__":
    unittest.main()
