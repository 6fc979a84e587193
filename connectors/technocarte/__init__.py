"""Technocarte: school canteen, after-school, their invoices, over the SOAP interface it offered from 2011 to 2018."""

from connectors.technocarte.client import Settings, Technocarte, connect
from connectors.technocarte.rehearsal import rehearse

__all__ = ["Settings", "Technocarte", "connect", "rehearse"]
