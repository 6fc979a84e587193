"""Who may do what to whose: every route of the API, asked by every sort of caller about one person's request.

A route that has no line in the table fails; so does an answer that shows the request to somebody it is not for.
"""

import asyncio
import json
from dataclasses import replace
from types import SimpleNamespace

import httpx
import pytest

import hub.app
from connectors.rest.sandbox import ERRORS, OPERATIONS
from hub.access import Role, new_key
from hub.api import build_api
from hub.app import open_hub
from hub.keys import add_keys
from hub.settings import Settings
from tests.hub.conftest import MAPPING, SCHEMA, submission_of

CANARY = "CANARI-1850513002"
PDF = b"%PDF-1.4\n1 0 obj\n<<>>\nendobj\ntrailer\n<<>>\n%%EOF\n"

KEYS = {
    "owner": (Role.FRONT_END, "portail", {}),
    "stranger": (Role.FRONT_END, "voisin", {}),
    "owner of another kind": (Role.FRONT_END, "portail", {"kinds": frozenset({"autre"})}),
    "owner of another site": (Role.FRONT_END, "portail", {"sites": frozenset({"annexe"})}),
    "agent": (Role.AGENT, "*", {}),
    "agent of another house": (Role.AGENT, "voisin", {}),
    "agent of another kind": (Role.AGENT, "*", {"kinds": frozenset({"autre"})}),
    "agent of another site": (Role.AGENT, "*", {"sites": frozenset({"annexe"})}),
    "operator": (Role.OPERATOR, "*", {}),
    "operator of another house": (Role.OPERATOR, "voisin", {}),
    "operator of another kind": (Role.OPERATOR, "*", {"kinds": frozenset({"autre"})}),
    "operator of another site": (Role.OPERATOR, "*", {"sites": frozenset({"annexe"})}),
    "a front end that calls itself *": (Role.FRONT_END, "*", {}),
}
UNKNOWN = ("nobody", "made up", "revoked", "expired")
FRONT_ENDS = [name for name, (role, *_) in KEYS.items() if role is Role.FRONT_END]
OUTSIDE = {name: 404 if "house" in name or "stranger" in name or "itself" in name else 403 for name in KEYS}
"""What they are told who may do such a thing, but not to this request: nothing of another house's exists."""

OWNERS = {"owner", "agent", "operator"}

ALLOWED = 0
"""Any answer but 401, 403 and 404."""

SHARED = 1
"""The same, about what is nobody's: the answer is filtered, and shows nothing of the request."""


def only(roles, else_=403, **instead):
    """Let these roles act on the request if it is theirs, and refuse the others."""
    said = {}
    for name, (role, *_) in KEYS.items():
        said[name] = else_ if role not in roles else ALLOWED if name in OWNERS else OUTSIDE[name]
    return said | {name.replace("_", " "): status for name, status in instead.items()}


def shared(*roles):
    """Let these roles in, each for what they may see."""
    return {name: SHARED if role in roles else 403 for name, (role, *_) in KEYS.items()}


EVERY = tuple(Role)
ONES_OWN = only(EVERY)
OPERATED = only({Role.OPERATOR})
SWITCHED = {name: ALLOWED if name == "operator" else 403 for name in KEYS}
"""What touches everybody is for those who are kept to nothing."""

SUBMITTED = {name: ALLOWED if name in {"owner", "stranger", FRONT_ENDS[-1]} else 403 for name in KEYS}
"""A front end submits for itself, whoever it is, within its kinds and sites."""

UPLOADED = {name: SHARED if name in FRONT_ENDS else 403 for name in KEYS}
ASKED = dict.fromkeys(FRONT_ENDS, 404) | {name: 403 for name in KEYS if name not in FRONT_ENDS}
BATCHES = dict.fromkeys(KEYS, 403) | {name: 404 for name in KEYS if name.startswith("operator ")}
BATCHES["operator"] = ALLOWED
KIND = {name: 404 if "kind" in name else SHARED for name in KEYS}
COUNTED = shared(Role.OPERATOR) | {"operator of another house": 403}
"""Requests are not counted by house, so that whoever is kept to one counts nothing."""

NO_TARGET = dict.fromkeys((*UNKNOWN, *KEYS), 404)
"""Targets prove who they are in ways of their own, and this one calls nobody."""

REQUEST = "/v1/requests/{number}"
DELIVERY = "/v1/operations/deliveries/{delivery}"
BATCH = "/v1/operations/batches/{batch}"
REASON = {"reason": "essai"}

TABLE = {
    "POST /v1/requests": (SUBMITTED, submission_of(name="Autre")),
    "POST /v1/requests/batch": (UPLOADED, {"requests": [submission_of(name="Autre")]}),
    "GET /v1/requests": (shared(*EVERY), None),
    "GET /v1/requests/due": (shared(*EVERY), None),
    f"GET {REQUEST}": (ONES_OWN, None),
    f"POST {REQUEST}/decision": (ONES_OWN, {"accept": True}),
    f"POST {REQUEST}/correct": (ONES_OWN, {"data": {"objet": "corrigé"}}),
    f"POST {REQUEST}/cancel": (ONES_OWN, REASON),
    "POST /v1/attachments": (UPLOADED, PDF),
    "GET /v1/attachments/{attachment}": (ONES_OWN, None),
    "GET /v1/kinds": (shared(*EVERY), None),
    "GET /v1/kinds/{kind}": (KIND, None),
    "GET /v1/kinds/{kind}/schema": (KIND, None),
    "GET /v1/queries": (shared(*EVERY), None),
    "GET /v1/queries/{name}": (dict.fromkeys(KEYS, 404), None),
    "POST /v1/queries/{name}": (ASKED, {"data": {}}),
    f"GET {DELIVERY}": (OPERATED, None),
    f"GET {DELIVERY}/preview": (OPERATED, None),
    f"POST {DELIVERY}/verify": (OPERATED, None),
    f"POST {DELIVERY}/retry": (OPERATED, {}),
    f"POST {DELIVERY}/reroute": (OPERATED, {"target": "cible"}),
    f"POST {DELIVERY}/reject": (OPERATED, REASON),
    f"POST {DELIVERY}/finalize": (OPERATED, {"reason": "essai", "reference": "R1"}),
    f"POST {DELIVERY}/second": (OPERATED, None),
    f"POST {DELIVERY}/reopen": (OPERATED, REASON),
    "GET /v1/operations/deliveries": (shared(Role.OPERATOR), None),
    "GET /v1/operations/causes": (shared(Role.OPERATOR), None),
    "POST /v1/operations/causes/note": (shared(Role.OPERATOR), {"target": "cible", "code": "x", "stage": "y"}),
    "POST /v1/operations/requests/{number}/assign": (OPERATED, {"owner": "lmartin"}),
    "GET /v1/operations/targets": (shared(Role.OPERATOR), None),
    "POST /v1/operations/targets/{name}/pause": (SWITCHED, REASON),
    "POST /v1/operations/targets/{name}/resume": (SWITCHED, None),
    "POST /v1/operations/batches": (shared(Role.OPERATOR), {"verb": "assign", "filter": {}, "owner": "lmartin"}),
    "GET /v1/operations/batches": (shared(Role.OPERATOR), None),
    f"GET {BATCH}": (BATCHES, None),
    f"GET {BATCH}/rows": (BATCHES, None),
    f"GET {BATCH}/rows.csv": (BATCHES, None),
    f"POST {BATCH}/start": (BATCHES, REASON),
    f"POST {BATCH}/pause": (BATCHES, None),
    f"POST {BATCH}/continue": (BATCHES, None),
    f"POST {BATCH}/stop": (BATCHES, None),
    "GET /v1/operations/statistics": (COUNTED, None),
    "GET /v1/operations/statistics.csv": (COUNTED, None),
    "GET /v1/targets/{target}": (NO_TARGET, None),
    "POST /v1/targets/{target}": (NO_TARGET, {}),
    "GET /v1/targets/{target}/{path}": (NO_TARGET, None),
    "POST /v1/targets/{target}/{path}": (NO_TARGET, {}),
}
"""Each route → what each caller is answered about the owner's request, and what is sent."""

UNDESCRIBED = {
    "GET /v1/operations/reload": (shared(Role.OPERATOR), None),
    "POST /v1/operations/reload": (SWITCHED, None),
}
"""Routes that stand beside the OpenAPI and want a key."""

OPEN = {"/", "/docs", "/openapi.json", "/health/live", "/health/ready", "/health/catalogue"}
"""Routes that anybody may ask: they say nothing of anybody."""

ANSWERS = {200, 201, 202, 207, 400, 401, 403, 404, 409, 413, 415, 422}

ASKERS = (*UNKNOWN, *sorted(KEYS, key=OWNERS.__contains__))
"""Those who may act come last: what they do ends the request."""


@pytest.fixture(scope="module")
def asked(tmp_path_factory):
    """Every answer to every caller on every route, and what the API is made of."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(hub.app, "attach_monitors", lambda _hub: None)
        return asyncio.run(ask_everything(installation(tmp_path_factory.mktemp("matrix"))))


def installation(folder):
    """Settle a hub with two kinds and a target that nobody needs to answer."""
    for kind in ("essai", "autre"):
        there = folder / "home/routes" / kind
        there.mkdir(parents=True)
        (there / "schema.json").write_text(json.dumps(SCHEMA))
        (there / "route.yaml").write_text(
            f"route: {kind}\ntitle: Démarche {kind}\nowner: tests\nsteps: [{{deliver: cible, using: cible/deposer}}]"
        )
    (folder / "home/mappings/cible").mkdir(parents=True)
    (folder / "home/mappings/cible/deposer.yaml").write_text(MAPPING.format(operation="deposer"))
    target = {"url": "http://127.0.0.1:9", "unavailable": [503], "operations": OPERATIONS, "errors": ERRORS}
    return Settings(
        database=f"sqlite:///{folder}/hub.db",
        files=folder / "files",
        secret_file=folder / "secret",
        homes=(folder / "home",),
        targets={"cible": {"connector": "rest", "settings": target}},
        rates={"stranger": {"per_second": 10_000, "burst": 10_000}},
    )


async def ask_everything(settings):
    async with open_hub(settings, serve=False) as opened:
        app = build_api(opened)
        transport = httpx.ASGITransport(app, raise_app_exceptions=False)
        async with httpx.AsyncClient(transport=transport, base_url="http://hub") as client:
            headers = await callers_of(opened)
            about = await settle(client, headers)
            answers = {}
            for route, (_, body) in (TABLE | UNDESCRIBED).items():
                for name in ASKERS:
                    answers[route, name] = await ask(client, route, about, body, headers[name])
        described = {f"{method.upper()} {path}" for path, verbs in app.openapi()["paths"].items() for method in verbs}
        plain = {route.path for route in app.routes if hasattr(route, "path") and route.path}
    return SimpleNamespace(answers=answers, described=described, plain=plain, about=about)


async def callers_of(opened):
    """Give each caller a key, or what is none."""
    now = opened.ledger.book.now()
    headers = {"nobody": {}, "made up": {"Authorization": f"Bearer hub_{'0' * 12}_{'A' * 43}"}}
    ended = {"revoked": {"revoked_at": now}, "expired": {"expires_at": now}}
    wanted = KEYS | {name: (Role.OPERATOR, "*", over) for name, over in ended.items()}
    for name, (role, house, over) in wanted.items():
        text, key = new_key(opened.secret, now, front_end=house, role=role)
        await opened.ledger.write(add_keys, replace(key, **over))
        headers[name] = {"Authorization": f"Bearer {text}"}
    return headers


async def settle(client, headers):
    """Have the owner submit a request with a file, and the operator plan a batch of it."""
    mine = headers["owner"]
    file = await client.post(
        "/v1/attachments?name=a.pdf", content=PDF, headers={**mine, "Content-Type": "application/octet-stream"}
    )
    attachment = file.json()["id"]
    said = submission_of(name=CANARY, attachments=[attachment])
    made = await client.post("/v1/requests", json=said, headers={**mine, "Idempotency-Key": "matrix"})
    assert made.status_code == 202, made.text
    number = made.json()["number"]
    planned = {"verb": "assign", "requests": [number], "owner": "lmartin"}
    batch = await client.post("/v1/operations/batches", json=planned, headers=headers["operator"])
    return {
        "number": number,
        "delivery": f"{number}-1",
        "attachment": attachment,
        "batch": batch.json()["id"],
        "kind": "essai",
        "name": "cible",
        "target": "cible",
        "path": "rien",
    }


async def ask(client, route, about, body, headers):
    method, path = route.split(" ")
    headers = {**headers, "Idempotency-Key": f"matrix-{hash(headers.get('Authorization'))}"}
    if isinstance(body, bytes):
        headers["Content-Type"] = "application/octet-stream"
        said = {"content": body}
    else:
        said = {} if body is None else {"json": body}
    query = "?name=b.pdf" if path.endswith("attachments") else ""
    return await client.request(method, path.format(**about) + query, headers=headers, **said)


def test_every_route_has_its_line(asked):
    assert asked.described == set(TABLE)
    others = {path for path in asked.plain if path not in OPEN}
    assert others <= {route.split(" ")[1] for route in TABLE | UNDESCRIBED}


@pytest.mark.parametrize("route", [route for route in TABLE | UNDESCRIBED if "/v1/targets" not in route])
def test_whoever_is_not_known_is_told_one_and_the_same(asked, route):
    refused = [asked.answers[route, name] for name in UNKNOWN]
    assert {answer.status_code for answer in refused} == {401}
    assert len({answer.content for answer in refused}) == 1


@pytest.mark.parametrize("route", TABLE | UNDESCRIBED)
def test_each_caller_may_do_what_the_table_says(asked, route):
    expected, _ = (TABLE | UNDESCRIBED)[route]
    found = {name: asked.answers[route, name].status_code for name in expected}
    wrong = {
        name: (found[name], status)
        for name, status in expected.items()
        if (found[name] in {401, 403, 404} if status in {ALLOWED, SHARED} else found[name] != status)
    }
    assert wrong == {}


@pytest.mark.parametrize("route", TABLE | UNDESCRIBED)
def test_nobody_is_shown_a_request_that_is_not_for_them(asked, route):
    secrets = (CANARY, asked.about["number"], asked.about["attachment"])
    shown = {
        name
        for name in (*UNKNOWN, *KEYS)
        if name not in OWNERS and any(secret in asked.answers[route, name].text for secret in secrets)
    }
    assert shown == set()


def test_those_it_is_for_are_shown_it(asked):
    assert all(asked.about["number"] in asked.answers["GET /v1/requests", name].text for name in OWNERS)
    assert asked.answers["GET /v1/attachments/{attachment}", "owner"].content == PDF


def test_no_answer_is_an_accident(asked):
    assert {answer.status_code for answer in asked.answers.values()} <= ANSWERS
    assert not any(
        header.startswith("access-control") for answer in asked.answers.values() for header in answer.headers
    )
    assert all(answer.headers["x-content-type-options"] == "nosniff" for answer in asked.answers.values())
