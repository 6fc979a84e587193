"""A provider that lies, and a browser that brings back what it was not sent for: each is refused, and nobody is in."""

import re
from urllib.parse import parse_qs, urlencode, urlsplit

import pytest
import pytest_asyncio
import structlog

from hub.accounts import Account, Right
from hub.doorkeeper import make_account
from hub.identities import Known
from monitoring.console.door import COOKIE
from monitoring.console.identity_errors import SignInError
from monitoring.console.identity_kept import LEFT_ALONE
from monitoring.console.identity_provider import Provider
from monitoring.console.identity_ticket import LASTS, draw, seal
from monitoring.console.page_identity import TICKET
from tests.console.conftest import PASSWORD
from tests.console.identity import BACK, START, Hand, Walker, city
from tests.identity_provider.hostile import (
    CLIENT,
    SECRET,
    SUBJECT,
    TOKEN,
    Hostile,
    altered,
    by_a_key_of_its_own,
    by_another_key,
    by_nobody,
    by_the_clients_secret,
    by_the_public_key,
    garbage,
)

pytestmark = pytest.mark.asyncio(loop_scope="module")


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def liar():
    """A provider that lies when it is told to."""
    made = Hostile()
    await made.start()
    yield made
    await made.stop()


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def console(liar, hashed, tmp_path_factory):
    """A hub that knows this provider as it would ProConnect, and an account that is entered by it."""
    said = {"issuer": liar.issuer, "client_id": CLIENT, "client_secret": SECRET, "userinfo": "signed", "pkce": False}
    asked = {"required_amr": ["mfa"], "required_claims": {"siret": ["1"]}, "local": False, "break_glass": "secours"}
    with pytest.MonkeyPatch.context() as monkeypatch:
        folder = tmp_path_factory.mktemp("city")
        async with city(folder, hashed, monkeypatch, **said, **asked) as made:
            ondine = Account(login="ondine", name="Ondine Roux", rights=frozenset({Right.METADATA}))
            make_account(made.settings, ondine, None, Known(liar.issuer, SUBJECT))
            await made.account("secours")
            await made.account("lise")
            yield made


class Traveller(Walker):
    """A browser that was sent to the provider, and comes back from there as a test says."""

    def __init__(self, console, liar):
        super().__init__()
        self.console, self.liar = console, liar
        self.netloc = urlsplit(console.url).netloc

    async def leave(self, **lies):
        """Be sent to the provider, which will lie so; gives what it was asked for."""
        answer = await self.step(f"{self.console.url}{START}?suite=/console/mes-droits")
        asked = {name: values[0] for name, values in parse_qs(urlsplit(answer.headers["location"]).query).items()}
        self.liar.honest(**{"nonce": asked["nonce"], **lies})
        return asked

    async def back(self, *said, **more):
        """Come back with this."""
        return await self.step(f"{self.console.url}{BACK}?{urlencode([*said, *more.items()])}")

    @property
    def is_in(self):
        """Whether it was given a stay."""
        return COOKIE in self.cookies[self.netloc]


@pytest_asyncio.fixture(loop_scope="module")
async def traveller(console, liar):
    """A browser that nobody used yet, before an honest provider."""
    liar.honest()
    async with Traveller(console, liar) as made:
        yield made


def refused(answer, code, traveller):
    """Say that a page in French refuses, by this code, and that nobody is in."""
    assert answer.status_code in {400, 403, 503}, answer.text
    assert "La connexion n&#39;a pas abouti" in answer.text
    assert re.search(r"se reproduit : (\w+)\.", answer.text)[1] == code
    assert not traveller.is_in
    assert TICKET not in traveller.cookies[traveller.netloc]


async def test_an_honest_answer_lets_in_with_only_the_parameters_that_proconnect_takes(traveller):
    asked = await traveller.leave()
    assert asked.keys() == {"response_type", "client_id", "redirect_uri", "scope", "state", "nonce", "claims"}
    answer = await traveller.back(code="c", state=asked["state"])
    assert (answer.status_code, answer.headers["location"]) == (303, "/console/mes-droits")
    assert traveller.is_in
    sent = traveller.liar.asked[-1]
    assert (sent["client_id"], sent["client_secret"], sent["code"]) == (CLIENT, SECRET, "c")
    assert "code_verifier" not in sent


LIES = {
    "signed by nobody": ({"forge": by_nobody}, "id_token_algorithm"),
    "signed with the public key as a secret": ({"forge": by_the_public_key}, "id_token_algorithm"),
    "signed with the client's secret": ({"forge": by_the_clients_secret}, "id_token_algorithm"),
    "signed with a key that it brings": ({"forge": by_a_key_of_its_own}, "id_token_unreadable"),
    "signed with another key": ({"forge": by_another_key}, "id_token_signature"),
    "changed after it was signed": ({"forge": altered}, "id_token_signature"),
    "no token": ({"forge": garbage}, "id_token_unreadable"),
    "expired": ({"claims": {"exp": 1_700_000_000}}, "id_token_expired"),
    "of no end": ({"claims": {"exp": None}}, "id_token_exp"),
    "of the future": ({"claims": {"iat": 32_000_000_000}}, "id_token_iat"),
    "of another issuer": ({"claims": {"iss": "https://ailleurs.example"}}, "id_token_iss"),
    "for another client": ({"claims": {"aud": "un-autre"}}, "id_token_aud"),
    "for several, ours not named": ({"claims": {"aud": [CLIENT, "un-autre"]}}, "id_token_azp"),
    "given to another client": ({"claims": {"azp": "un-autre"}}, "id_token_azp"),
    "of another sign-in": ({"claims": {"nonce": "un-autre-nonce"}}, "id_token_nonce"),
    "of no sign-in": ({"claims": {"nonce": None}}, "id_token_nonce"),
    "of another access token": ({"claims": {"at_hash": "AAAAAAAAAAAAAAAAAAAAAA"}}, "id_token_at_hash"),
    "about nobody": ({"claims": {"sub": ""}}, "id_token_sub"),
    "about a number": ({"claims": {"sub": 12}}, "id_token_sub"),
    "by a password alone": ({"claims": {"amr": ["pwd"]}}, "id_token_amr"),
    "of unsaid means": ({"claims": {"amr": None}}, "id_token_amr"),
    "with means as a text": ({"claims": {"amr": "mfa"}}, "id_token_amr"),
    "userinfo about another": ({"info": {"sub": "un-autre"}}, "userinfo_sub"),
    "userinfo about nobody": ({"info": {"sub": None}}, "userinfo_sub"),
    "userinfo unsigned": ({"unsigned": True}, "userinfo_unsigned"),
    "userinfo of another issuer": ({"info": {"iss": "https://ailleurs.example"}}, "userinfo_iss"),
    "userinfo for another client": ({"info": {"aud": "un-autre"}}, "userinfo_aud"),
    "userinfo expired": ({"info": {"exp": 1_700_000_000}}, "userinfo_expired"),
    "of another establishment": ({"info": {"siret": "2"}}, "claim_elsewhere"),
    "of several establishments": ({"info": {"siret": ["1", "2"]}}, "claim_elsewhere"),
}
"""What is the matter → the lie, and the code by which it is refused."""


@pytest.mark.parametrize("lie", LIES)
async def test_a_provider_that_lies_lets_nobody_in(traveller, lie):
    how, code = LIES[lie]
    asked = await traveller.leave(**how)
    with structlog.testing.capture_logs() as lines:
        answer = await traveller.back(code="c", state=asked["state"])
    refused(answer, code, traveller)
    assert lines == [{"event": "sign-in refused", "code": code, "log_level": "warning"}]
    assert not re.search(f"{SUBJECT}|{TOKEN}|Ondine", answer.text)


@pytest.mark.parametrize(
    ("said", "code"),
    [
        ([("code", "c")], "state_missing"),
        ([("code", "c"), ("state", "")], "state_missing"),
        ([("code", "c"), ("state", "é" * 43)], "state_wrong"),
        ([("state", "{state}")], "code_missing"),
        ([("code", "c" * 3000), ("state", "{state}")], "code_missing"),
        ([("code", "c"), ("code", "d"), ("state", "{state}")], "answer_twofold"),
        ([("code", "c"), ("state", "{state}"), ("iss", "https://ailleurs.example")], "issuer_foreign"),
        ([("error", "access_denied"), ("error_description", "<b>non</b>"), ("state", "{state}")], "denied"),
        ([("error", "access_denied")], "state_missing"),
    ],
)
async def test_what_comes_back_must_answer_what_was_asked(traveller, said, code):
    asked = await traveller.leave()
    before = len(traveller.liar.asked)
    answer = await traveller.back(*[(name, value.replace("{state}", asked["state"])) for name, value in said])
    refused(answer, code, traveller)
    assert "<b>non</b>" not in answer.text
    assert len(traveller.liar.asked) == before


async def test_an_answer_serves_once_even_to_who_kept_its_cookie(traveller):
    asked = await traveller.leave()
    kept = dict(traveller.cookies[traveller.netloc])
    assert (await traveller.back(code="c", state=asked["state"])).status_code == 303
    traveller.cookies[traveller.netloc] = kept
    refused(await traveller.back(code="d", state=asked["state"]), "state_reused", traveller)


async def test_an_answer_that_another_browser_asked_for_is_not_taken(console, liar, traveller):
    async with Traveller(console, liar) as thief:
        asked = await thief.leave()
        refused(await traveller.back(code="c", state=asked["state"]), "ticket_missing", traveller)
        await traveller.leave()
        refused(await traveller.back(code="c", state=asked["state"]), "state_wrong", traveller)


async def test_a_ticket_is_not_taken_after_five_minutes_nor_when_it_was_changed(console, traveller):
    now = console.hub.ledger.book.now()
    ticket, old = draw("/console/", now), draw("/console/", now - LASTS.total_seconds() * 1000)
    cookies = traveller.cookies[traveller.netloc]
    for shown, code in (
        (seal(console.hub.secret, old.model_dump_json()), "ticket_expired"),
        (seal(b"un autre secret que le notre", ticket.model_dump_json()), "ticket_missing"),
        (seal(console.hub.secret, "{}"), "ticket_missing"),
        ("n'importe.quoi", "ticket_missing"),
    ):
        cookies[TICKET] = shown
        refused(await traveller.back(code="c", state=ticket.state), code, traveller)


@pytest.fixture
def forgetful(console):
    """The console knows nothing of its provider yet, and its time is what a test says."""
    clock = Hand()
    made = Provider(console.settings.console.identity, clock)
    known, console.mounted.state.provider = console.mounted.state.provider, made
    yield clock
    console.mounted.state.provider = known


@pytest.mark.usefixtures("forgetful")
async def test_a_provider_that_names_itself_in_its_answers_must_do_so_each_time(liar, traveller):
    liar.honest(document={"authorization_response_iss_parameter_supported": True})
    asked = await traveller.leave()
    refused(await traveller.back(code="c", state=asked["state"]), "issuer_missing", traveller)
    asked = await traveller.leave()
    assert (await traveller.back(code="c", state=asked["state"], iss=liar.issuer)).status_code == 303


@pytest.mark.usefixtures("forgetful")
async def test_a_provider_that_changes_its_key_is_asked_for_the_new_one(liar, traveller):
    asked = await traveller.leave()
    assert (await traveller.back(code="c", state=asked["state"])).status_code == 303
    new = type(liar.key).generate_key(2048, {"kid": "new"})
    asked = await traveller.leave(signing=new, shown=[new])
    assert (await traveller.back(code="c", state=asked["state"])).status_code == 303


async def test_passwords_are_closed_but_for_the_one_that_breaks_the_glass(traveller):
    for login, status in (("lise", 401), ("secours", 303)):
        fields = {"login": login, "password": PASSWORD, "suite": "/console/"}
        answer = await traveller.step(f"{traveller.console.url}/console/connexion", fields)
        assert answer.status_code == status


DOCUMENTS = {
    "that cannot be had": ({"status": 500}, "unreachable"),
    "that is elsewhere": ({"status": 302}, "discovery_refused"),
    "of another issuer": ({"document": {"issuer": "https://ailleurs.example"}}, "discovery_issuer"),
    "that leads to another host": ({"document": {"token_endpoint": "http://127.0.0.2/token"}}, "discovery_elsewhere"),
    "that leads to a file": ({"document": {"jwks_uri": "file:///etc/passwd"}}, "discovery_elsewhere"),
    "that is a number": ({"document": {"jwks_uri": 12}}, "discovery_unreadable"),
    "that goes on and on": ({"document": {"x": "x" * 300_000}}, "answer_too_large"),
}


@pytest.mark.parametrize("document", DOCUMENTS)
async def test_a_document_must_be_the_providers_own(liar, console, document):
    how, code = DOCUMENTS[document]
    liar.honest(**how)
    with pytest.raises(SignInError, match=f"^{code}$"):
        await Provider(console.settings.console.identity).metadata()


async def test_a_provider_that_is_away_is_said_to_be_and_asked_again_a_while_later(liar, console, traveller, forgetful):
    liar.honest(status=500)
    refused(await traveller.step(console.url + START), "unreachable", traveller)
    liar.honest()
    refused(await traveller.step(console.url + START), "unreachable", traveller)
    forgetful.at += LEFT_ALONE
    assert (await traveller.step(console.url + START)).status_code == 303
