"""The city's shop, paid on PayFiP: orders, payments, invoices, stands, by a declared, hypothetical contract."""

from connectors.regie_boutique.client import RegieBoutique, connect
from connectors.regie_boutique.settings import Settings

__all__ = ["RegieBoutique", "Settings", "connect"]
