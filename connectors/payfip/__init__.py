"""PayFiP: opens payments on the State's payment page and follows them, by the DGFiP's published contract."""

from connectors.payfip.client import PayFiP, connect
from connectors.payfip.wire import Settings

__all__ = ["PayFiP", "Settings", "connect"]
