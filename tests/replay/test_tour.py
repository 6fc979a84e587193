"""The demonstration that visits every kind once."""

import re
import subprocess
import sys

from hub.catalogue import Catalogue
from hub.settings import HOME

LINE = re.compile(r"(?P<kind>\w+(\.\w+)?) +(?P<number>\d{9})  (?P<stage>.+)")
ENDS = {"Accepté", "Demande annulée"}


def test_every_kind_is_visited_and_ends():
    command = [sys.executable, "-m", "hub", "demo", "--all"]
    ended = subprocess.run(command, capture_output=True, text=True, check=False, timeout=170)
    assert ended.returncode == 0, ended.stdout + ended.stderr
    *lines, last = ended.stdout.splitlines()
    visited = {seen["kind"]: seen["stage"] for seen in map(LINE.fullmatch, lines) if seen}
    kinds = Catalogue.read(HOME).kinds
    assert visited.keys() == kinds.keys()
    assert set(visited.values()) <= ENDS
    assert re.fullmatch(rf"balance: accepted={len(kinds)}( \w+=\d+){{4}} lost=0 doubled=0 imbalance=0", last), last
