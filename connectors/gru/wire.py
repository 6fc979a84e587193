"""Standard Webhooks 1.0 as the sender writes them: three headers, one signature for each secret in use."""

from __future__ import annotations

import base64
import hmac
from typing import Final

from pydantic import FilePath, SecretStr, field_validator, model_validator

from connectors._transport.http import Answer, HttpSettings, check_not_page, secret
from hub.connector import Receipt
from hub.errors import ConfigurationError
from hub.manifest import ErrorTable
from hub.model import DeliveryKey, Verdict

PREFIX: Final = "whsec_"
SHORTEST_SECRET: Final = 24
"""Bytes, by the specification."""


class Settings(HttpSettings):
    """Where a front end is called back, and the secrets it checks: the new one first while one is replaced."""

    secrets: tuple[SecretStr, ...] = ()
    secret_files: tuple[FilePath, ...] = ()

    @field_validator("secrets")
    @classmethod
    def _are_secrets(cls, secrets: tuple[SecretStr, ...]) -> tuple[SecretStr, ...]:
        for one in secrets:
            read_secret(one.get_secret_value())
        return secrets

    @model_validator(mode="after")
    def _has_a_secret(self) -> Settings:
        if not self.secrets and not self.secret_files:
            raise ValueError("secrets: at least one, there or in secret_files")
        return self

    @property
    def keys(self) -> tuple[bytes, ...]:
        """Every secret's bytes, in order; raises ConfigurationError naming the file that does not hold one."""
        given = tuple(read_secret(one.get_secret_value()) for one in self.secrets)
        return given + tuple(read_secret_file(file) for file in self.secret_files)


def read_secret(text: str) -> bytes:
    """Read a secret as the specification writes it, `whsec_` and base64; raises ValueError when it is not."""
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


def write_headers(keys: tuple[bytes, ...], key: DeliveryKey, now: int, body: bytes) -> dict[str, str]:
    """Write the headers of one call-back; `now` in seconds. The receiver drops a webhook-id it has seen."""
    return {
        "Content-Type": "application/json",
        "webhook-id": key,
        "webhook-timestamp": str(now),
        "webhook-signature": " ".join(sign(secret, key, now, body) for secret in keys),
    }


def sign(secret_key: bytes, key: DeliveryKey, now: int, body: bytes) -> str:
    """Sign one call-back.

    The package standardwebhooks wants the body as text and the moment as a naive datetime, which it takes
    for UTC; the tests verify with it what is signed here.
    """
    signed = hmac.digest(secret_key, b"%s.%d.%s" % (key.encode(), now, body), "sha256")
    return f"v1,{base64.b64encode(signed).decode()}"


def read_receipt(answer: Answer, errors: ErrorTable) -> Receipt:
    """Read what the front end says: any 2xx is a yes, unless it is a page for people."""
    if 200 <= answer.status < 300:
        check_not_page(answer)
        return Receipt()
    raise errors.failure(f"http_{answer.status}", otherwise=Verdict.UNCERTAIN)
