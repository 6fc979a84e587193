"""A real clamd on loopback, which knows one virus: the harmless one that every scanner is tested with."""

import asyncio
import signal

from hub.throwaway import LOOPBACK, Server

EICAR = rb"X5O!P%@AP[4\PZX54(P^)7CC)7}$EICAR-STANDARD-ANTIVIRUS-TEST-FILE!$H+H*"
NAME = "Eicar-Test-Signature"
LARGEST = 12 * 1024 * 1024


class Clamd(Server):
    """ClamAV's daemon, over TCP and at a Unix socket, with a signature of our own."""

    package = "clamav-daemon"
    programs = ("clamd",)
    places = "usr/sbin"
    orderly = signal.SIGTERM

    @property
    def url(self):
        """Where it answers, as the setting `scanner` says it."""
        return f"tcp://{LOOPBACK}:{self.port}"

    @property
    def socket(self):
        """The path of its Unix socket."""
        return str(self.data / "clamd.ctl")

    async def _launch(self):
        signatures = self.data / "signatures"
        signatures.mkdir(exist_ok=True)
        (signatures / "ours.ndb").write_text(f"{NAME}:0:*:{EICAR.hex()}\n")
        settings = {
            "DatabaseDirectory": signatures,
            "TemporaryDirectory": self.data,
            "TCPAddr": LOOPBACK,
            "TCPSocket": self.port,
            "LocalSocket": self.socket,
            "StreamMaxLength": LARGEST,
            "Foreground": "yes",
        }
        (self.data / "clamd.conf").write_text("".join(f"{name} {value}\n" for name, value in settings.items()))
        self._run(self.program("clamd"), "--config-file", self.data / "clamd.conf")

    async def _answers(self):
        try:
            reader, writer = await asyncio.open_connection(LOOPBACK, self.port)
        except OSError:
            return False
        writer.write(b"nPING\n")
        said = await reader.readline()
        writer.close()
        return said == b"PONG\n"
