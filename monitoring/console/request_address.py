"""The address of one request's page: which request, what of it is looked at, and the list that it was opened from."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final
from urllib.parse import urlencode

from pydantic import ValidationError
from starlette.convertors import IntegerConvertor, register_url_convertor

from hub.criteria import Criteria
from monitoring.console.request_timeline import Reading


class Digits(IntegerConvertor):
    """Reads a number in a path: one of more digits than a request's is no address, whatever it is asked for."""

    regex = "[0-9]{1,9}"


register_url_convertor("digits", Digits())
PREFIX: Final = "/demandes/{number:digits}"
"""Where the addresses of one request's pages begin."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """What is looked at: which request, which of its deliveries and attempts, read by whom, within which list."""

    number: int
    envoi: int | None = None
    essai: int | None = None
    lecture: Reading = Reading.AGENT
    dans: str = ""
    piece: str = ""
    dit: str = ""

    @property
    def path(self) -> str:
        """The path of this request's page."""
        return f"/console/demandes/{self.number:09d}"

    @property
    def query(self) -> str:
        """What goes with a form of this page: the list, and who reads."""
        return self._query(("lecture", "dans"))

    def to(self, **over: Any) -> str:
        """Write the address of this page, with some of it otherwise."""
        return self.path + self._query(("envoi", "essai", "lecture", "dans", "piece"), **over)

    def about(self, ordinal: int, attempt: int | None) -> str:
        """Write what goes with a form about one attempt of a delivery."""
        return self._query(("envoi", "essai", "lecture", "dans"), envoi=ordinal, essai=attempt)

    @property
    def criteria(self) -> Criteria:
        """The list that the page was opened from; all requests when that cannot be read."""
        try:
            return Criteria.of_query(self.dans)
        except ValidationError:
            return Criteria()

    @property
    def back(self) -> str:
        """The address of that list."""
        return f"/console/demandes{f'?{self.dans}' if self.dans else ''}"

    def _query(self, names: Sequence[str], **over: Any) -> str:
        said = {name: getattr(self, name) for name in names} | over
        query = {name: str(value) for name, value in said.items() if value and value != Reading.AGENT}
        return f"?{urlencode(query)}" if query else ""
