"""Lengths, words and forms that are checked by a tool, so that nobody has to remember them."""
import os
import re
import shutil
import subprocess
import sys
import unittest

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import house

HARD_LIMIT = 500
SOFT_LIMIT = 400
COLUMNS = 100
COLUMNS_OF_A_TABLE = 140
HAND_WRITTEN = (".cc", ".h", ".py", ".sh", ".js", ".go", ".rb", ".php", ".java", ".proto", ".cmake")
TEXTS = HAND_WRITTEN + (".md", ".txt", ".json", ".yml", ".yaml", ".service", ".conf")


def is_text(path):
    return path.endswith(TEXTS) or "." not in os.path.basename(path)


class Files(unittest.TestCase):
    def test_files_fit_in_a_head(self):
        """At most 500 lines; what is longer today stands in long_files.txt with its length, which may only fall."""
        recorded = {}
        for line in house.text("tests/house/long_files.txt").splitlines():
            if line and not line.startswith("#"):
                length, path = line.split()
                recorded[path] = int(length)
        wrong, soft = [], 0
        for path in house.files():
            if not path.endswith(HAND_WRITTEN):
                continue
            length = house.text(path).count("\n")
            soft += SOFT_LIMIT < length <= HARD_LIMIT
            if path in recorded:
                if length > recorded[path]:
                    wrong.append(f"{path} grew from {recorded[path]} to {length} lines")
                elif length <= HARD_LIMIT:
                    wrong.append(f"{path} has {length} lines now: take it off tests/house/long_files.txt")
            elif length > HARD_LIMIT:
                wrong.append(f"{path} has {length} lines; at most {HARD_LIMIT}: split it by concern")
        wrong += [f"{path} is gone: take it off tests/house/long_files.txt" for path in recorded if path not in house.files()]
        print(f"       {soft} files between {SOFT_LIMIT} and {HARD_LIMIT} lines, {len(recorded)} longer")
        self.assertEqual(wrong, [])

    def test_lines_of_cpp_fit_in_a_hundred_columns(self):
        """A table that is laid out by hand, between clang-format off and on, may be wider."""
        wrong = []
        for path in house.files():
            if not path.endswith((".cc", ".h")):
                continue
            columns = COLUMNS
            for number, line in enumerate(house.text(path).splitlines(), 1):
                if line.strip() == "// clang-format off":
                    columns = COLUMNS_OF_A_TABLE
                elif line.strip() == "// clang-format on":
                    columns = COLUMNS
                if len(line) > columns:
                    wrong.append(f"{path}:{number}: {len(line)} columns")
        self.assertEqual(wrong, [])

    @unittest.skipUnless(shutil.which("clang-format-14"), "clang-format-14 is not installed")
    def test_cpp_is_formatted(self):
        files = [path for path in house.files() if path.endswith((".cc", ".h"))]
        done = subprocess.run(["clang-format-14", "--dry-run", "--Werror", *files], cwd=house.ROOT, stdout=subprocess.PIPE,
                              stderr=subprocess.STDOUT, text=True, check=False)
        wrong = sorted(set(re.findall(r"^(\S+?):\d+:\d+: error:", done.stdout, re.M)))
        self.assertEqual((done.returncode, wrong), (0, []), "run ./dev fmt --all\n" + done.stdout[:2000])

    def test_nothing_is_left_for_later_in_the_code(self):
        marks = "|".join(["TO" + "DO", "FIX" + "ME", "XX" + "X", "HA" + "CK"])
        wrong = [f"{path}:{number}: {line.strip()}" for path in house.files() if is_text(path)
                 for number, line in enumerate(house.text(path).splitlines(), 1) if re.search(rf"\b({marks})\b", line)]
        self.assertEqual(wrong, [])

    def test_no_package_registry_is_named(self):
        # A machine is set up with its own registries; what the house names would bypass them.
        hosts = r"npmj[s]\.org|pypi\.or[g]|pythonhosted\.or[g]|rubygem[s]\.org|proxy\.golang\.or[g]|crate[s]\.io|" \
                r"deb\.debian\.or[g]|packagist\.or[g]|repo1?\.maven\.|docker\.i[o]\b|ghcr\.i[o]|quay\.i[o]"
        wrong = [f"{path}:{number}: {line.strip()[:100]}" for path in house.files() if is_text(path)
                 for number, line in enumerate(house.text(path).splitlines(), 1) if re.search(hosts, line)]
        self.assertEqual(wrong, [])

    def test_no_room_is_called_after_nothing(self):
        vague = {"utils", "util", "common", "misc", "helper", "helpers", "manager"}
        wrong = [path for path in house.files() if vague & set(re.split(r"[/._]", path))]
        self.assertEqual(wrong, [])

    def test_headers_are_guarded_by_their_path(self):
        wrong = []
        for path in house.sources("base", "raft", "storage", "server", "client", "bench", "tests"):
            if path.endswith(".h"):
                guard = "PONTOON_" + re.sub(r"[/.]", "_", path).upper() + "_"
                if f"#ifndef {guard}\n#define {guard}\n" not in house.text(path):
                    wrong.append(f"{path}: expected {guard}")
        self.assertEqual(wrong, [])

    def test_suppressions_of_sanitizers_name_no_code_of_ours(self):
        wrong = [path for path in house.files() if path.endswith(".supp") and "pontoon" in house.text(path)]
        wrong += [f"{path}:{number}" for path in house.sources("base", "raft", "storage", "server", "client")
                  for number, line in house.code_lines(path) if "no_sanitize" in line]
        self.assertEqual(wrong, [])

    def test_every_suite_tells_what_it_wants(self):
        wrong = []
        for path in house.files():
            if re.fullmatch(r"tests/\w+/run", path):
                head = "\n".join(house.text(path).splitlines()[:15])
                for key in ("order", "presets", "quick", "minutes"):
                    if not re.search(rf"^# {key}: ", head, re.M):
                        wrong.append(f"{path}: no '# {key}:'")
                if not os.access(os.path.join(house.ROOT, path), os.X_OK):
                    wrong.append(f"{path} is not executable")
        self.assertEqual(wrong, [])


if __name__ == "__main__":
    unittest.main()
