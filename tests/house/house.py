"""What the checks of the house share: its files, its rooms and their arrows."""
import functools
import os
import re
import subprocess

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))


@functools.lru_cache(None)
def files():
    """All files of the repository, tracked or about to be."""
    listing = subprocess.check_output(["git", "-c", "safe.directory=*", "ls-files", "--cached", "--others", "--exclude-standard"], cwd=ROOT, text=True)
    return sorted(f for f in set(listing.splitlines()) if os.path.isfile(os.path.join(ROOT, f)))


def sources(*folders):
    """The C++ files below these folders."""
    return [f for f in files() if f.endswith((".h", ".cc")) and f.startswith(tuple(folder + "/" for folder in folders))]


@functools.lru_cache(None)
def text(path):
    with open(os.path.join(ROOT, path), encoding="utf-8", errors="replace") as file:
        return file.read()


def code_lines(path):
    """(number, line) without // comments, so that a word in a comment is no finding."""
    for number, line in enumerate(text(path).splitlines(), 1):
        yield number, re.sub(r"//.*", "", line)


@functools.lru_cache(None)
def arrows():
    """room -> the rooms and libraries it may use, as cmake/PontoonRooms.cmake says."""
    found = {}
    for room, allowed in re.findall(r"^set\(PONTOON_ALLOWED_(\w+)([^)]*)\)", text("cmake/PontoonRooms.cmake"), re.M):
        found[room] = set(allowed.split())
    return found


def room_of(path):
    """The room that a file stands in, as the arrows call it; None outside the rooms."""
    folder = os.path.dirname(path)
    while folder:
        name = folder.replace("/", "_")
        if name in arrows():
            return name
        folder = os.path.dirname(folder)
    return None
