"""What reads bytes that others wrote, each with the only errors it may raise: anything else is a fault of ours."""

from __future__ import annotations

import asyncio
import os
from base64 import urlsafe_b64encode
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from datetime import date
from functools import cache
from pathlib import Path
from tempfile import mkstemp
from types import SimpleNamespace

from joserfc.jwk import ECKey
from joserfc.jws import JWSRegistry
from starlette.requests import Request

from connectors._transport import etat, graphql_api, json_api
from connectors._transport.http import Answer, read_retry_after
from connectors._transport.soap import first_in_body, read_body
from connectors._transport.xml import parse as parse_xml
from connectors._transport.xml_values import read_values
from connectors.adresse import wire as adresse
from connectors.esii import wire as esii
from connectors.grr import planning as grr_planning
from connectors.grr import wire as grr
from connectors.grr.reservation import Creneaux
from connectors.hubee import wire as hubee
from connectors.lutece import wire as lutece
from connectors.payfip import wire as payfip
from connectors.regie_boutique import wire as regie_boutique
from connectors.rest import wire as rest
from connectors.sig import wire as sig
from connectors.technocarte import wire as technocarte
from hub import api_files, tracing
from hub.access import CREDENTIAL
from hub.connector import Call
from hub.errors import ConfigurationError, DeliveryError, MappingError
from hub.files import content_disposition, recognize, safe_name
from hub.forms.kind import files_of
from hub.forms.model import FormError, read_form
from hub.forms.proof import prove
from hub.gate import read_json, validate_envelope
from hub.jwks import PublicKeys
from hub.manifest import ErrorTable
from hub.mapping import CompiledMapping
from hub.model import Instant
from hub.problems import Problem, ProblemType
from hub.settings_door import Client, Tokens
from hub.tokens import TokenReader
from monitoring.console import door

ROOT = Path(__file__).parents[2]
STATUSES = (200, 201, 204, 302, 400, 404, 408, 409, 422, 429, 500, 503)
TYPES = ("application/json", "text/xml; charset=utf-8", "text/html", "")
BOUNDARY = "bord"
DOUBLES = {
    "type": "object",
    "properties": {"n": {"type": "integer"}, "v": {"type": "array", "items": {"type": "number"}}},
}
MAPPING = """
mapping: essai/poser
from: essai
to: essai.poser
fields: {{o: {!r}}}
examples: [{{name: e, given: {{}}, expect: {{}}}}]
"""
LOOP = asyncio.new_event_loop()


@dataclass(frozen=True)
class Target:
    """One reader: what it is given, and what it may raise."""

    read: Callable[[bytes], object]
    raises: tuple[type[Exception], ...] = ()

    def __call__(self, content: bytes) -> None:
        """Read; lets through whatever it may not raise."""
        with suppress(*self.raises):
            self.read(content)


@cache
def errors_of(connector: str) -> ErrorTable:
    """Read a connector's own errors."""
    return ErrorTable.read(ROOT / "connectors" / connector)


def answer_of(content: bytes) -> Answer:
    """Make an answer: the first byte says its status and its type, the rest is its body."""
    first = content[0] if content else 0
    kind = TYPES[first // len(STATUSES) % len(TYPES)]
    return Answer(STATUSES[first % len(STATUSES)], {"content-type": kind, "retry-after": "5"}, content[1:])


def request_of(body: bytes, **headers: str) -> Request:
    """Make a request whose body comes in two pieces."""
    pieces = [body[: len(body) // 2], body[len(body) // 2 :]]

    async def receive() -> dict[str, object]:
        return {"type": "http.request", "body": pieces.pop(0), "more_body": bool(pieces)}

    raw = [(name.replace("_", "-").encode(), value.encode("latin-1")) for name, value in headers.items()]
    return Request({"type": "http", "method": "POST", "path": "/", "query_string": b"", "headers": raw}, receive)


def text_of(content: bytes) -> str:
    """Read bytes as headers are read."""
    return content.decode("latin-1")


def submission(content: bytes) -> None:
    """Read the body of a submission."""
    validate_envelope(read_json(content))


def file(content: bytes) -> None:
    """Tell what a file is."""
    descriptor, name = mkstemp()
    try:
        os.write(descriptor, content)
        recognize(Path(name))
    finally:
        os.close(descriptor)
        Path(name).unlink()


def file_name(content: bytes) -> None:
    """Make a safe name, which must be one."""
    name = safe_name(content.decode("utf-8", "surrogateescape"))
    header = content_disposition(name)
    assert 0 < len(name) <= 100
    assert not set(name) & set('/\\\r\n\0";')
    header.encode("ascii")


def multipart(content: bytes) -> None:
    """Read an upload that is a form."""
    headers = {"content_type": f"multipart/form-data; boundary={BOUNDARY}"}
    request = request_of(content.replace(b"\n", b"\r\n"), **headers)

    async def whole() -> None:
        upload = await api_files._only_file(request)
        safe_name(upload.filename or "")
        await upload.close()

    LOOP.run_until_complete(whole())


def multipart_type(content: bytes) -> None:
    """Read an upload whose type is odd."""
    body = b"--bord\r\nContent-Disposition: form-data; name=f; filename=a.pdf\r\n\r\n%PDF-\r\n--bord--\r\n"
    LOOP.run_until_complete(api_files._only_file(request_of(body, content_type=text_of(content))))


def headers(content: bytes) -> None:
    """Read what callers say of themselves and of their files."""
    said = text_of(content)
    safe_name(api_files._said_name(request_of(b"", content_disposition=said)))
    tracing.heard([(b"traceparent", content)])
    CREDENTIAL.fullmatch(said)
    door.entrance(request_of(b"", hx_current_url=said, hx_request="true", host="hub", cookie=said))
    assert request_of(b"", cookie=said).cookies.get(door.COOKIE, "") is not None


@cache
def token_reader() -> tuple[ECKey, TokenReader]:
    """Make a reader of tokens at a moment that stays, and the key that signs what it is given."""
    key = ECKey.generate_key("P-256", {"kid": "cle"})
    keys = PublicKeys(Path("none"))
    keys._keys, keys._had_at = {"cle": key}, keys._clock()
    keys._tried_at = float("inf")
    said = Tokens(issuer="i", audience="a", jwks=Path("none"), clients={"c": Client(front_end="f")})
    return key, TokenReader(said, keys, lambda: Instant(1_800_000_000_000))


def token(content: bytes) -> None:
    """Read a token: a header, a line's end and claims, signed as the header of a good one would have it."""
    key, reader = token_reader()
    header, _, claims = content.partition(b"\n")
    named = header or b'{"alg": "ES256", "kid": "cle", "typ": "at+jwt"}'
    signed = b".".join(urlsafe_b64encode(part).rstrip(b"=") for part in (named, claims))
    made = urlsafe_b64encode(JWSRegistry.algorithms["ES256"].sign(signed, key)).rstrip(b"=")
    try:
        LOOP.run_until_complete(reader.authenticate(f"Bearer {(signed + b'.' + made).decode()}"))
    except Problem as problem:
        assert problem.kind is ProblemType.UNAUTHENTICATED  # noqa: PT017  # of others there is no question here


def console_form(content: bytes) -> None:
    """Read a form of the console."""
    headers = {"content_length": str(len(content)), "content_type": "application/x-www-form-urlencoded"}
    LOOP.run_until_complete(door.read_form(request_of(content, **headers)))


def xml(content: bytes) -> None:
    """Read XML, and its values by a schema."""
    read_values(parse_xml(content), DOUBLES)


def soap(content: bytes) -> None:
    """Read an envelope, and the one string that it may hold."""
    first_in_body(content[1:])
    element = read_body(answer_of(content), errors_of("technocarte"), unavailable=frozenset({503}))
    said = technocarte.read_return("ListeEcoles", element)
    technocarte.read_schools(said, errors_of("technocarte"))


def json_answers(content: bytes) -> None:
    """Read an answer in JSON as each connector would."""
    answer = answer_of(content)
    service = rest.Service(title="e", effect="once", reference="/id", details={"n": "/n/0"}, error_code="/error/code")
    readers: list[Callable[[], object]] = [
        lambda: json_api.read_answer(answer),
        lambda: json_api.read_failure(answer, errors_of("rest")),
        lambda: graphql_api.read_data(answer, errors_of("rest")),
        lambda: adresse.read_addresses(answer, errors_of("adresse"), unavailable=frozenset({503})),
        lambda: esii.read_code(answer, errors_of("esii")),
        lambda: esii.check_moved(answer),
        lambda: esii.read_slots(esii.read_list(answer)),
        lambda: esii.read_sites(esii.read_list(answer)),
        lambda: esii.read_services(esii.read_list(answer)),
        lambda: hubee.find_ours(hubee.read_case(answer), "100000000-0"),
        lambda: hubee.read_event(answer),
        lambda: hubee.read_notifications(answer),
        lambda: hubee.read_token(answer),
        lambda: lutece.parse(answer),
        lambda: rest.read_receipt(service, answer, errors_of("rest")),
        lambda: rest.read_details(service, answer),
        lambda: sig.read_json(answer, errors_of("sig"), SimpleNamespace(unavailable=frozenset())),
        lambda: etat.at(etat.parse(answer.body), "a", "b"),
        lambda: etat.read_wait(answer),
    ]
    for read in readers:
        with suppress(DeliveryError):
            read()


def pages(content: bytes) -> None:
    """Read a page that was written for people."""
    answer = answer_of(content)
    asked = Creneaux(ressource=7, jour=date(2026, 9, 1))
    for read in (
        lambda: grr_planning.read_slots(answer, asked, errors_of("grr")),
        lambda: grr.read_exists(answer, "12"),
        lambda: grr.check_report(answer),
        lambda: grr.check_gone(answer, errors_of("grr")),
    ):
        with suppress(DeliveryError):
            read()


def notifications(content: bytes) -> None:
    """Read what targets call with."""
    call = Call(method="POST", query={"idOp": text_of(content)}, headers={"webhook-id": text_of(content)}, body=content)
    payfip.read_notification(call)
    regie_boutique.read_notification(call)


def retry_after(content: bytes) -> None:
    """Read a wait."""
    wait = read_retry_after(text_of(content))
    assert wait is None or wait.total_seconds() > 0


def form(content: bytes) -> None:
    """Take a form as the console's import does, as far as its files."""
    said = read_form(read_json(content))
    if not prove(said, ("Dépôt",)):
        files_of(said, 1, ("Dépôt",))


def mapping(content: bytes) -> None:
    """Load a mapping."""
    CompiledMapping.read("essai.yaml", content.decode("utf-8", "replace"))


def expression(content: bytes) -> None:
    """Load a mapping of one expression, and apply it."""
    read = CompiledMapping.read("essai.yaml", MAPPING.format(content.decode("utf-8", "ignore")))
    read.apply({"data": {"a": [1, "deux", None]}, "number": 100000000})


TARGETS = {
    "submission": Target(submission, (Problem,)),
    "file": Target(file, (Problem,)),
    "file_name": Target(file_name),
    "multipart": Target(multipart, (Problem,)),
    "multipart_type": Target(multipart_type, (Problem,)),
    "headers": Target(headers),
    "token": Target(token),
    "console_form": Target(console_form, (door.ForgedError,)),
    "xml": Target(xml, (DeliveryError,)),
    "soap": Target(soap, (DeliveryError,)),
    "json_answers": Target(json_answers),
    "pages": Target(pages),
    "notifications": Target(notifications),
    "retry_after": Target(retry_after),
    "form": Target(form, (FormError, Problem)),
    "mapping": Target(mapping, (ConfigurationError,)),
    "expression": Target(expression, (ConfigurationError, MappingError)),
}
