"""What an installation says of its HubEE: where it is, and the account of each procedure."""

from __future__ import annotations

import base64
from collections.abc import Mapping
from typing import Annotated, Final

from pydantic import Field, FilePath, SecretStr, model_validator

from connectors._transport.http import HttpSettings, TargetUrl, secret
from hub.model import Frozen

BATCH: Final = 25
"""The most notifications that HubEE gives at once."""

ProcessCode = Annotated[str, Field(pattern=r"^[A-Za-z0-9_-]{1,30}$")]
Header = Annotated[str, Field(max_length=50, pattern=r"^[ -~]*$")]


class Credentials(Frozen):
    """The account of one procedure: HubEE gives one for each."""

    client_id: str
    client_secret: SecretStr | None = None
    client_secret_file: FilePath | None = None

    @model_validator(mode="after")
    def _has_a_secret(self) -> Credentials:
        if (self.client_secret is None) == (self.client_secret_file is None):
            raise ValueError("client_secret: it, or client_secret_file")
        return self

    @property
    def authorization(self) -> str:
        """What the token's door wants, the secret read from its file when there is one."""
        pair = f"{self.client_id}:{secret(self.client_secret, self.client_secret_file)}"
        return f"Basic {base64.b64encode(pair.encode()).decode()}"


class Settings(HttpSettings):
    """How this town reaches HubEE: `url` ends with /teledossiers/v1, `procedures` has an account for each code.

    `author` signs events. `method_override`: PATCH travels in a POST, where something on the way blocks it.
    """

    token_url: TargetUrl
    procedures: Annotated[Mapping[ProcessCode, Credentials], Field(min_length=1)]
    author: Annotated[str, Field(min_length=1, max_length=255)] = "Ville"
    method_override: bool = False
    batch: Annotated[int, Field(ge=1, le=BATCH)] = BATCH
    editor_name: Header = ""
    application_name: Header = "city-hub"
    software_version: Header = ""

    @property
    def headers(self) -> dict[str, str]:
        """How HubEE asks software to name itself; the names that are empty stay away."""
        named = {
            "editorName": self.editor_name,
            "applicationName": self.application_name,
            "softwareVersion": self.software_version,
        }
        return {name: value for name, value in named.items() if value}
