"""ESII eSirius ePlanning: appointments, by the interface that one public client uses (README.md says how sure)."""

from connectors.esii.client import Esii, Settings, connect

__all__ = ["Esii", "Settings", "connect"]
