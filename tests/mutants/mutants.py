"""Runs the tests of Raft against each planted bug (raft/core/mutants.h) and fails for each that lives. First the simulator from random
seeds; for those that it does not find within its share, the unit tests and scripts. A script of the simulator that names a mutant
must break with it, whatever else does."""
import concurrent.futures
import os
import re
import subprocess
import sys

ROOT = os.path.abspath(os.path.join(os.path.dirname(__file__), "../.."))
# So many must be found by random seeds alone.
BY_SEEDS_AT_LEAST = 15
SEEDS_EACH = 240
SEEDS_AT_ONCE = 12
UNIT_SECONDS = 60
SCRIPT_SECONDS = 60
SIM_SCRIPTS_AT_LEAST = 14
NAMED_AT_LEAST = 8
# Those that show themselves by never ending. With any other, a run that is not done in time shows nothing but a slow machine.
NEVER_END = frozenset()


def mutants():
    with open(os.path.join(ROOT, "raft/core/mutants.h"), encoding="utf-8") as header:
        names = re.findall(r"^  (k[A-Z]\w*),", header.read(), re.M)
    assert names[0] == "kNone"
    return list(enumerate(names))


def run(command, mutant, seconds):
    """Exit status and output; None: it did not end, which is how a mutant of NEVER_END shows itself. TimeoutExpired with any other."""
    environment = dict(os.environ, PONTOON_MUTANT=str(mutant))
    try:
        done = subprocess.run(command, env=environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, timeout=seconds, check=False,
                              errors="replace", text=True)
        return done.returncode, done.stdout
    except subprocess.TimeoutExpired as ended:
        if mutants()[mutant][1] not in NEVER_END:
            raise
        return None, (ended.stdout or b"").decode(errors="replace") if isinstance(ended.stdout, bytes) else (ended.stdout or "")


def reason(output):
    """What was broken, in a few words."""
    for line in output.splitlines():
        if re.search(r"\b[RS]\d+\b.*:|^check |check failed|CHECK", line):
            return line.strip()[:120]
    return "ended without a word"


def by_seeds(binary, number):
    """(seeds it took, what was broken), or None if it lives."""
    for first in range(1, SEEDS_EACH + 1, SEEDS_AT_ONCE):
        status, output = run([os.path.join(binary, "pontoon-sim-mutants"), "--from", str(first), "--seeds", str(SEEDS_AT_ONCE),
                              "--jobs", "1"], number, 120)
        if status != 0:
            return first + SEEDS_AT_ONCE - 1, reason(output) if status is not None else "does not end"
    return None


def sim_scripts():
    """The simulator's scripts: (name, path, the mutant that it names or None)."""
    folder = os.path.join(ROOT, "raft/sim/scripts")
    found = []
    for name in sorted(os.listdir(folder)):
        if not name.endswith(".sim"):
            continue
        with open(os.path.join(folder, name), encoding="utf-8") as script:
            named = re.search(r"^# mutant (k\w+)$", script.read(), re.M)
        found.append((name, os.path.join(folder, name), named.group(1) if named else None))
    assert len(found) >= SIM_SCRIPTS_AT_LEAST and sum(named is not None for _, _, named in found) >= NAMED_AT_LEAST
    return found


def by_sim_script(binary, number, path):
    """What a script of the simulator finds, or None."""
    status, output = run([os.path.join(binary, "pontoon-sim-mutants"), "--script", path], number, SCRIPT_SECONDS)
    return None if status == 0 else reason(output) if status is not None else "does not end"


def by_sim_scripts(binary, number):
    """The first of the simulator's scripts that finds something."""
    for name, path, _ in sim_scripts():
        found = by_sim_script(binary, number, path)
        if found is not None:
            return f"{name}: {found}"
    return None


def by_tests(binary, number):
    """The scripts, then the unit tests, then the simulator's scripts: the first of them that fails."""
    for program in ("raft-mutants-scripts", "raft-mutants-unit"):
        status, output = run([os.path.join(binary, program)], number, UNIT_SECONDS)
        if status == 0:
            continue
        failed = re.findall(r"^\[  FAILED  \] (\S+?),? .*$", output, re.M)
        return failed[0] if failed else "a failed check" if status is not None else "does not end"
    return by_sim_scripts(binary, number)


def found_by(binary, number):
    """(by seeds, by tests): what finds the mutant; a test only where no seed does."""
    seeds = by_seeds(binary, number)
    return seeds, by_tests(binary, number) if seeds is None else None


def main(binary):
    passed, failed = 0, 0

    def verdict(good, text):
        nonlocal passed, failed
        passed, failed = passed + good, failed + (not good)
        print(("ok     " if good else "FAILED ") + text, flush=True)

    clean = by_tests(binary, 0)
    verdict(clean is None, "without a mutant scripts and unit tests find nothing" + (f": {clean}" if clean else ""))
    clean = run([os.path.join(binary, "pontoon-sim-mutants"), "--from", "1", "--seeds", "20"], 0, 300)
    verdict(clean[0] == 0, "without a mutant the simulator finds nothing" + ("" if clean[0] == 0 else ": " + reason(clean[1])))

    numbers = {name: number for number, name in mutants()}
    for name, path, mutant in sim_scripts():
        if mutant is not None:
            found = by_sim_script(binary, numbers[mutant], path)
            verdict(found is not None, f"{name} with {mutant}: {found or 'finds nothing'}")

    found_by_seeds = 0
    with concurrent.futures.ThreadPoolExecutor(max_workers=os.cpu_count()) as pool:
        chosen = mutants()[1:]
        runs = [pool.submit(found_by, binary, number) for number, _ in chosen]
        for (_, name), done in zip(chosen, runs):
            try:
                seeds, test = done.result()
            except subprocess.TimeoutExpired as slow:
                verdict(False, f"{name}: not done within {slow.timeout} s, which tells nothing")
                continue
            if seeds is not None:
                found_by_seeds += 1
                verdict(True, f"{name}: within {seeds[0]} seeds: {seeds[1]}")
                continue
            verdict(test is not None, f"{name}: " + (f"by {test}" if test else "lives"))
    verdict(found_by_seeds >= BY_SEEDS_AT_LEAST, f"{found_by_seeds} of {len(chosen)} by random seeds alone, wanted {BY_SEEDS_AT_LEAST}")
    print(f"{passed} passed, {failed} failed")
    return 0 if failed == 0 else 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1]))
