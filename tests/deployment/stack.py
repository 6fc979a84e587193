"""The hub's services of the compose file, started as plain processes: the very commands, the very health checks.

What a container has is here: a name in the network, or 0.0.0.0 → 127.0.0.1 with a free port · `/app` → a folder a
service · `/run/secrets` → a folder · a named volume → a folder that services share · the image's entry point, and its
`python` → this interpreter. Where the database and the broker are, the secrets say; the mail server, the configuration.
"""

import os
import signal
import socket
import subprocess
import sys
import time
from contextlib import suppress
from graphlib import TopologicalSorter
from pathlib import Path

import yaml

from hub.throwaway import LOOPBACK, TIED, free_port

ROOM = 10
"""Ports that the sandboxes may take, one after the other."""

PATIENCE = 90.0
INTERPRETERS = {"hub": (sys.executable, "-m", "hub"), "python": (sys.executable,)}


class Stack:
    """The services of a compose file that run one image; `config` is the file they share, `folder` holds all of it."""

    def __init__(self, services, config, folder):
        self.services, self.folder = services, folder
        listening = {name: said for name, said in services.items() if "--port" in said["command"]}
        self.addresses = dict(self._place(name, said) for name, said in listening.items())
        self.processes = {}
        self._config = self._here(config)
        (folder / "secrets").mkdir()

    def secret(self, name, text):
        """Write a secret."""
        (self.folder / "secrets" / name).write_text(text)

    def url(self, name):
        """Say where a service answers, as others in the network would be told."""
        [address] = [here for there, here in self.addresses.items() if there.startswith(f"{name}:")]
        return f"http://{address}"

    def up(self):
        """Start every service once those that it waits for are as it wants them."""
        sorter = TopologicalSorter({name: set(said["depends_on"]) for name, said in self.services.items()})
        sorter.prepare()
        while sorter.is_active():
            ready = sorter.get_ready()
            ours = [name for name in ready if name in self.services]
            for name in ours:
                self.start(name)
            for name in ours:
                self.wait(name)
            sorter.done(*ready)

    def start(self, name):
        """Start a service's command."""
        self._mount(name)
        with (self.folder / f"{name}.log").open("ab") as log:
            self.processes[name] = subprocess.Popen(
                ["/bin/sh", "-c", TIED, "sh", *INTERPRETERS["hub"], *self.command(name)],
                cwd=self.folder / name,
                env=self.environment(name),
                stdin=subprocess.PIPE,
                stdout=log,
                stderr=log,
                start_new_session=True,
            )

    def wait(self, name):
        """Wait until a service is healthy, or has done what it is for."""
        if "test" not in self.services[name]["healthcheck"]:
            assert self.processes[name].wait(PATIENCE) == 0, self.log(name)
            return
        until = time.monotonic() + PATIENCE
        while not self.is_healthy(name):
            assert self.processes[name].poll() is None, self.log(name)
            assert time.monotonic() < until, self.log(name)
            time.sleep(0.2)

    def is_healthy(self, name):
        """Run a service's own health check."""
        _, program, *arguments = self.services[name]["healthcheck"]["test"]
        return self.run(name, program, *[self._own(name, argument) for argument in arguments]).returncode == 0

    def run(self, name, program, *arguments):
        """Run a command beside a service, as `docker compose exec` does."""
        return subprocess.run(
            [*INTERPRETERS[program], *arguments],
            cwd=self.folder / name,
            env=self.environment(name),
            capture_output=True,
            text=True,
            check=False,
            timeout=60,
        )

    def stop(self, name):
        """Tell a service to end; gives its exit code."""
        process = self.processes.pop(name)
        process.send_signal(signal.SIGTERM)
        try:
            return process.wait(PATIENCE)
        finally:
            process.stdin.close()

    def down(self):
        """End whatever still runs, at once."""
        for process in self.processes.values():
            process.stdin.close()
            process.wait()

    def command(self, name):
        """Give a service's command, where it listens here."""
        verb, *arguments = self.services[name]["command"]
        return [verb, *(self._own(name, argument) for argument in arguments)]

    def environment(self, name):
        """Give a service its environment, and what any process needs."""
        said = self.services[name].get("environment") or {}
        kept = {variable: os.environ[variable] for variable in ("PATH", "LANG") if variable in os.environ}
        return kept | {variable: self._here(value) for variable, value in said.items()}

    def log(self, name):
        """Read the end of what a service printed."""
        return (self.folder / f"{name}.log").read_text("utf-8", "replace")[-2000:]

    def _place(self, name, said):
        return f"{name}:{_port_of(said)}", f"{LOOPBACK}:{_room() if name == 'sandboxes' else free_port()}"

    def _own(self, name, text):
        """Put a text of a service's own command or check where it listens here."""
        said = self.services[name]
        if "--port" not in said["command"]:
            return text
        port, here = _port_of(said), self.url(name).removeprefix("http://")
        exact = {"0.0.0.0": LOOPBACK, name: LOOPBACK, port: here.partition(":")[2]}
        return exact.get(text) or self._here(text).replace(f"{LOOPBACK}:{port}", here)

    def _here(self, text):
        """Put whatever a text names where it is here."""
        for there, here in (self.addresses | {"/run/secrets": str(self.folder / "secrets")}).items():
            text = text.replace(there, here)
        return text

    def _mount(self, name):
        """Lay a service's folder out as `/app` would be."""
        home, said = self.folder / name, self.services[name]
        (home / "var").mkdir(parents=True, exist_ok=True)
        for one in said["configs"]:
            _placed(home, one["target"]).write_text(self._config)
        for one in said["secrets"]:
            if isinstance(one, dict):
                _linked(_placed(home, one["target"]), self.folder / "secrets" / one["source"])
        for volume, target in (one.split(":") for one in said["volumes"]):
            (self.folder / "volumes" / volume).mkdir(parents=True, exist_ok=True)
            _linked(_placed(home, target), self.folder / "volumes" / volume)


def config_at(content, address):
    """Point the mail server that a hub.yaml names to an address."""
    said = yaml.safe_load(content)
    host, port = address.split(":")
    said["targets"]["courriel"]["settings"] |= {"host": host, "port": int(port)}
    return yaml.safe_dump(said)


def _port_of(said):
    return said["command"][said["command"].index("--port") + 1]


def _room():
    """Find a port with free ones after it."""
    while True:
        first = free_port()
        if all(_is_free(port) for port in range(first, first + ROOM)):
            return first


def _is_free(port):
    with socket.socket() as probe, suppress(OSError):
        probe.bind((LOOPBACK, port))
        return True
    return False


def _placed(home, target):
    return home / Path(target).relative_to("/app")


def _linked(link, target):
    if not link.is_symlink():
        link.symlink_to(target)
