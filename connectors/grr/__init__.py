"""GRR: rooms, equipment and appointments, through the HTML forms of its pages (README.md says how sure)."""

from connectors.grr.client import Grr, Settings, connect

__all__ = ["Grr", "Settings", "connect"]
