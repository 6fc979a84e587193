"""Nothing is fetched and nobody is called by what is only imported."""

import subprocess
import sys

from tests.supply.locked import ROOT

PROGRAM = """
import pkgutil, socket, sys
from importlib import import_module

FAMILIES = {socket.AF_INET, socket.AF_INET6}

def watch(event, arguments):
    if event in {"socket.connect", "socket.getaddrinfo", "socket.gethostbyname", "socket.sendto"}:
        raise SystemExit(f"{event} by {sys._getframe(1).f_code.co_filename}")
    if event == "socket.bind" and arguments[0].family in FAMILIES and arguments[1][1]:
        raise SystemExit(f"{event} by {sys._getframe(1).f_code.co_filename}")

sys.addaudithook(watch)
count = 0
for name in sys.argv[1:]:
    root = import_module(name)
    for module in pkgutil.walk_packages(root.__path__, f"{name}."):
        if not module.name.endswith((".__main__", ".migrations.env")):
            import_module(module.name)
            count += 1
print(count)
"""


def imported(*packages, program=PROGRAM, path=ROOT):
    """Import every module of packages in a process whose sockets reach nobody."""
    command = [sys.executable, "-I", "-c", f"import sys; sys.path.insert(0, {str(path)!r})\n{program}", *packages]
    return subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False, timeout=120)


def test_every_module_can_be_imported_where_there_is_no_network():
    ended = imported("hub", "connectors", "monitoring")
    assert ended.returncode == 0, ended.stderr[-2000:]
    there = [file for root in ("hub", "connectors", "monitoring") for file in (ROOT / root).rglob("*.py")]
    assert int(ended.stdout) > len(there) * 0.7


def test_a_module_that_calls_somebody_would_be_found(tmp_path):
    (tmp_path / "chatty").mkdir()
    (tmp_path / "chatty/__init__.py").write_text("")
    (tmp_path / "chatty/home.py").write_text("import socket\nsocket.create_connection(('127.0.0.1', 9), 1)\n")
    ended = imported("chatty", path=tmp_path)
    assert ended.returncode == 1
    assert ended.stderr.startswith("socket.getaddrinfo by ")
