"""Technocarte: school canteen and after-school, over the SOAP interface it offered from 2011 to 2018."""

from connectors.technocarte.client import Settings, Technocarte, connect

__all__ = ["Settings", "Technocarte", "connect"]
