"""What strangers send: refused with the documented status, in the form's words, never echoed, never kept."""

from functools import partial

import httpx
import pytest
from sqlalchemy import text

from hub.access import Role
from hub.policy import later

CANARY = "CANARI-1850513001"
JSON = {"Content-Type": "application/json", "Idempotency-Key": "k-1"}


def body(objet):
    """Write a submission by hand, whatever `objet` is."""
    identity = b'{"family_name": "%b", "given_name": "L\xc3\xa9a"}' % CANARY.encode()
    return b'{"kind": "essai", "applicant": {"identity": %b}, "data": {"objet": %b}}' % (identity, objet)


BROKEN = {
    "broken": (body(b'"un objet"')[:-1], 400, None),
    "empty": (b"", 400, None),
    "latin-1": (body(b'"\xe9t\xe9"'), 400, None),
    "byte order mark": (b"\xef\xbb\xbf" + body(b'"un objet"'), 400, None),
    "NaN": (body(b"NaN"), 400, "/data/objet"),
    "1e999": (body(b"1e999"), 400, "/data/objet"),
    "NUL": (body(rb'"\u0000"'), 400, "/data/objet"),
    "lone surrogate": (body(rb'"\ud800"'), 400, "/data/objet"),
    "a key twice": (body(b'"a", "objet": "b"'), 400, "/data"),
    "a depth of 100,000": (body(b"[" * 100_000 + b"]" * 100_000), 400, None),
    "5,000 digits": (body(b"9" * 5_000), 400, "/data/objet"),
    "unknown field": (body(b'"un objet", "canari": 1'), 422, "/data/canari"),
    "wrong type": (body(b'{"a": "%b"}' % CANARY.encode()), 422, "/data/objet"),
    "too long": (body(b'"%b"' % (CANARY.encode() * 20)), 422, "/data/objet"),
    "a list": (b"[]", 422, ""),
    "no data": (b'{"kind": "essai", "applicant": {"identity": {"family_name": "A", "given_name": "B"}}}', 422, "/data"),
    "unknown kind": (body(b'"un objet"').replace(b'"essai"', b'"autre"'), 422, "/kind"),
}


async def nothing_kept(hub):
    return hub.ledger.look(lambda connection: connection.scalar(text("SELECT count(*) FROM request"))) == 0


@pytest.mark.parametrize(("content", "status", "pointer"), BROKEN.values(), ids=BROKEN)
async def test_a_submission_that_cannot_be_is_refused_where_it_is_wrong(resting, open_desk, content, status, pointer):
    desk = await open_desk(resting)
    answer = await desk.post("/v1/requests", content=content, headers=JSON)
    assert answer.status_code == status
    assert answer.headers["content-type"] == "application/problem+json"
    assert CANARY not in answer.text
    assert pointer is None or answer.json()["errors"][0]["pointer"] == pointer
    assert await nothing_kept(resting)


DECISIONS = {
    "broken": (b"{", 400, None),
    "NUL": (rb'{"accept": true, "reason": "\u0000"}', 400, "/reason"),
    "a word for a boolean": (b'{"accept": "oui"}', 422, "/accept"),
    "nothing": (b"{}", 422, "/accept"),
    "unknown field": (b'{"accept": true, "canari": 1}', 422, "/canari"),
    "a list": (b"[]", 422, ""),
    "a number for data": (b'{"accept": true, "data": 1}', 422, "/data"),
}


@pytest.mark.parametrize(("content", "status", "pointer"), DECISIONS.values(), ids=DECISIONS)
async def test_a_decision_is_read_as_strictly_as_a_submission(resting, open_desk, content, status, pointer):
    desk = await open_desk(resting)
    number = await desk.submitted("avis")
    answer = await desk.post(f"/v1/requests/{number}/decision", content=content, headers=JSON)
    assert answer.status_code == status
    assert pointer is None or answer.json()["errors"][0]["pointer"] == pointer
    assert (await desk.get(f"/v1/requests/{number}")).json()["awaiting"] == "instruction"


NOWHERE = [
    "/v1/requests/12345678901234567890",
    "/v1/requests/%31%30%30",
    "/v1/requests/..%2f..%2fetc%2fpasswd",
    "/v1/requests/100000000%00",
    "/v1/requests/%D9%A1%D9%A0%D9%A0%D9%A0%D9%A0%D9%A0%D9%A0%D9%A0%D9%A0",
    "/v1/requests/999999999",
    "/v1/attachments/not-an-id",
    "/v1/attachments/00000000000000000000000000000000",
    "/v1/attachments/..%2f..%2fsecret",
    "/v1/kinds/autre",
    "/v1/kinds/..%2fessai",
    "/v1/operations/deliveries/100000000-1",
    "/v1/operations/deliveries/1",
    "/v1/operations/deliveries/99999999999999999999-1",
    "/v1/nulle/part",
]


@pytest.mark.parametrize("address", NOWHERE)
async def test_what_is_not_there_is_not_found(resting, open_desk, address):
    operator = await open_desk(resting, Role.OPERATOR, "*")
    answer = await operator.get(httpx.URL(f"http://hub{address}"))
    assert (answer.status_code, answer.json()["type"]) == (404, "/problems/not-found")


QUERIES = [
    "limit=0",
    "limit=101",
    "limit=99999999999999999999999",
    "limit=dix",
    "after=pas-un-curseur",
    "after=ffffffffffffffffffff",
    "status=perdue",
    "channel=pigeon",
    "from=hier",
    "q=%00",
    "q=",
    "q=" + "x" * 256,
    "kind=%00",
    "autre=1",
]


@pytest.mark.parametrize("query", QUERIES)
async def test_a_search_that_cannot_be_names_its_parameter(resting, open_desk, query):
    desk = await open_desk(resting)
    answer = await desk.get(f"/v1/requests?{query}")
    assert answer.status_code == 422
    assert answer.json()["errors"][0]["pointer"].startswith(f"/query/{query.split('=')[0]}")


async def trickled(size):
    """A body of this size, its length untold."""
    for _ in range(size // 50_000):
        yield b" " * 50_000


@pytest.mark.parametrize(
    ("content", "headers", "status"),
    [
        (b" " * 2_000_001, {}, 413),
        (partial(trickled, 50_000_000), {}, 413),
        (body(b'"un objet"'), {"Content-Length": "10"}, 400),
        (body(b'"un objet"'), {"Content-Length": "1000000"}, 400),
        (body(b'"un objet"'), {"Content-Encoding": "gzip"}, 415),
        (body(b'"un objet"'), {"Content-Type": "text/plain"}, 415),
        (body(b'"un objet"'), {"Content-Type": "application/json; charset=latin-1"}, 415),
    ],
    ids=["declared", "chunked", "longer than said", "shorter than said", "gzip", "no JSON", "latin-1"],
)
async def test_a_message_of_another_size_or_type_is_refused(resting, open_desk, content, headers, status):
    desk = await open_desk(resting)
    said = content() if callable(content) else content
    answer = await desk.post("/v1/requests", content=said, headers=JSON | headers)
    assert answer.status_code == status
    assert await nothing_kept(resting)


@pytest.mark.parametrize(
    "said",
    [None, "Bearer", "Bearer hub_000000000000_" + "A" * 43, "Basic aHViOmh1Yg==", "Bearer " + CANARY],
    ids=["no key", "empty", "unknown", "another scheme", "no key of ours"],
)
@pytest.mark.parametrize(
    ("method", "address"),
    [
        ("POST", "/v1/requests"),
        ("POST", "/v1/requests/batch"),
        ("GET", "/v1/requests"),
        ("POST", "/v1/attachments"),
        ("GET", "/v1/kinds"),
        ("POST", "/v1/operations/deliveries/100000000-1/finalize"),
    ],
)
async def test_nobody_gets_in_without_a_key(resting, open_desk, said, method, address):
    desk = await open_desk(resting)
    desk.headers.pop("authorization")
    answer = await desk.request(method, address, content=b"{", headers=JSON | ({"Authorization": said} if said else {}))
    assert (answer.status_code, answer.headers["www-authenticate"]) == (401, "Bearer")
    assert CANARY not in answer.text


async def test_a_revoked_and_an_expired_key_open_nothing(resting, open_desk):
    now = resting.ledger.book.now()
    yesterday = later(now, -(resting.settings.grace * 10_000))
    for ended in ("revoked_at", "expires_at"):
        desk = await open_desk(resting, **{ended: yesterday})
        assert (await desk.get("/v1/requests")).status_code == 401


async def test_another_house_does_not_learn_that_a_request_exists(resting, open_desk):
    mine, other = await open_desk(resting), await open_desk(resting, front_end="publik")
    number = await mine.submitted("avis")
    decision = await other.post(f"/v1/requests/{number}/decision", json={"accept": True})
    withdrawal = await other.post(f"/v1/requests/{number}/cancel", json={"reason": "à moi"})
    read = await other.get(f"/v1/requests/{number}")
    assert [answer.status_code for answer in (decision, withdrawal, read)] == [404, 404, 404]
    assert (await mine.get(f"/v1/requests/{number}")).json()["awaiting"] == "instruction"


async def test_a_key_kept_to_other_kinds_or_sites_is_forbidden(resting, open_desk):
    number = await (await open_desk(resting)).submitted("avis")
    for kept_to in ({"kinds": frozenset({"essai"})}, {"sites": frozenset({"annexe"})}):
        desk = await open_desk(resting, **kept_to)
        read = await desk.get(f"/v1/requests/{number}")
        decided = await desk.post(f"/v1/requests/{number}/decision", json={"accept": True})
        submitted = await desk.submit("avis", "k-2")
        assert [answer.status_code for answer in (read, decided, submitted)] == [403, 403, 403]


async def test_each_role_keeps_to_its_trade(resting, open_desk, submission):
    portal, agent = await open_desk(resting), await open_desk(resting, Role.AGENT)
    for address in ("deliveries", "causes", "targets", "deliveries/100000000-1"):
        assert (await portal.get(f"/v1/operations/{address}")).status_code == 403
        assert (await agent.get(f"/v1/operations/{address}")).status_code == 403
    assert (await agent.submit()).status_code == 403
    batch = await agent.post("/v1/requests/batch", json={"requests": [submission("essai")]}, headers=JSON)
    assert batch.status_code == 403
    assert (await agent.post("/v1/attachments?name=a.pdf", content=b"%PDF-")).status_code == 403


async def test_a_method_that_is_not_admitted_is_said_so(resting, open_desk):
    desk = await open_desk(resting)
    answer = await desk.put("/v1/requests", json={})
    assert (answer.status_code, answer.json()["type"]) == (405, "/problems/method-not-allowed")
