"""Writes what would be sent to Logitud, and sends nothing."""

from __future__ import annotations

from functools import cache
from typing import Final

from connectors._transport.http import HttpClient
from connectors._transport.soap import SoapPort
from connectors.logitud.client import WSDL, Settings
from connectors.logitud.wire import DEMANDES, QUESTIONS, write_request
from hub.connector import Outbound
from hub.manifest import ErrorTable

NOWHERE: Final = {"url": "http://127.0.0.1:9/", "username": "hub", "password": "none"}


def rehearse(message: Outbound) -> None:
    """Write a message's envelope, its files left out; raises InvalidMessageError for what breaks the contract."""
    if message.operation in QUESTIONS:
        _port().write(QUESTIONS[message.operation][0], **message.fields)
    else:
        _port().write(DEMANDES[message.operation].call, **write_request(message, []))


@cache
def _port() -> SoapPort:
    return SoapPort(WSDL, HttpClient(Settings.model_validate(NOWHERE)), ErrorTable())
