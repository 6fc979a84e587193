"""How a town reaches its shop, and by which secrets it knows that the shop is calling."""

from __future__ import annotations

import base64
from typing import Final

from pydantic import FilePath, HttpUrl, SecretStr, field_validator
from standardwebhooks.webhooks import Webhook

from connectors._transport.http import HttpSettings, secret
from hub.errors import ConfigurationError

PREFIX: Final = "whsec_"
SHORTEST_SECRET: Final = 24
"""Bytes, by the specification of Standard Webhooks."""


class Settings(HttpSettings):
    """How a town reaches its shop: the address of its API, and a `bearer` token.

    `secrets`, `secret_files`: what the shop signs its calls with, several while one is replaced; without any,
    no call is believed. `url_retour`: where payers come back, unless the mapping says otherwise.
    """

    secrets: tuple[SecretStr, ...] = ()
    secret_files: tuple[FilePath, ...] = ()
    url_retour: HttpUrl | None = None

    @field_validator("secrets")
    @classmethod
    def _are_secrets(cls, secrets: tuple[SecretStr, ...]) -> tuple[SecretStr, ...]:
        for one in secrets:
            read_secret(one.get_secret_value())
        return secrets

    @property
    def webhooks(self) -> tuple[Webhook, ...]:
        """What verifies the shop's signatures; raises ConfigurationError naming the file that holds no secret."""
        given = tuple(Webhook(read_secret(one.get_secret_value())) for one in self.secrets)
        return given + tuple(Webhook(read_secret_file(file)) for file in self.secret_files)


def read_secret(text: str) -> bytes:
    """Read a secret, `whsec_` and base64; raises ValueError when it is not one."""
    try:
        key = base64.b64decode(text.removeprefix(PREFIX), validate=True)
    except ValueError:
        key = b""
    if not text.startswith(PREFIX) or len(key) < SHORTEST_SECRET:
        raise ValueError(f"a secret is whsec_ followed by at least {SHORTEST_SECRET} bytes in base64")
    return key


def read_secret_file(file: FilePath) -> bytes:
    """Read a secret in a file of its own."""
    try:
        return read_secret(secret(None, file))
    except ValueError as error:
        raise ConfigurationError(file, str(error)) from None
