"""Agents come in by a real provider: who is known, who is not, who is closed out, and how one leaves."""

import re
from urllib.parse import parse_qs, urlsplit

import pytest
import pytest_asyncio

from hub.accounts import Account, Change, Right, change_accounts
from hub.doorkeeper import link_account, make_account, show_asking, unlink_account
from hub.identities import Known
from monitoring.console.door import COOKIE
from monitoring.console.page_identity import TICKET
from tests.console.conftest import PASSWORD
from tests.console.identity import START, Walker, city, real_provider
from tests.identity_provider import SIRET

pytestmark = pytest.mark.asyncio(loop_scope="module")


@pytest.fixture(scope="module")
def real(tmp_path_factory):
    """The real provider, at work."""
    with real_provider(tmp_path_factory.mktemp("provider")) as known:
        yield known


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def console(real, hashed, tmp_path_factory):
    """A hub that asks this provider for more than a password, and for the city's own people."""
    said = {name: real[name] for name in ("issuer", "client_id", "client_secret")}
    asked = {"required_amr": ["mfa"], "acr_values": ["eidas2"], "required_claims": {"siret": [SIRET]}}
    with pytest.MonkeyPatch.context() as monkeypatch:
        folder = tmp_path_factory.mktemp("city")
        async with city(folder, hashed, monkeypatch, **said, **asked, userinfo="plain") as made:
            petit = Account(login="agnes", name="Agnès Petit", rights=frozenset({Right.METADATA}))
            make_account(made.settings, petit, None)
            await made.account("lise")
            yield made


@pytest_asyncio.fixture(loop_scope="module")
async def walker():
    """A browser that nobody used yet."""
    async with Walker() as made:
        yield made


@pytest.fixture
def agnes(console, real):
    """The account is linked to whom the provider knows, for one test."""
    link_account(console.settings, "agnes", Known(real["issuer"], real["users"]["agnes"]["subject"]))
    yield real["users"]["agnes"]
    unlink_account(console.settings, "agnes")


async def test_whom_the_provider_vouches_for_enters_and_has_the_rights_of_the_hubs_own_table(console, agnes, walker):
    page = await walker.sign_in(console, agnes, "agnes")
    assert (page.status_code, page.url.path) == (200, "/console/mes-droits")
    assert "Agnès Petit" in page.text
    assert page.text.count("<td>oui</td>") == 1
    assert "mot-de-passe" not in page.text
    cookies = walker.cookies[urlsplit(console.url).netloc]
    assert COOKIE in cookies
    assert TICKET not in cookies


async def test_the_browser_is_sent_with_a_state_a_nonce_and_a_challenge_of_its_own(console, walker):
    asked = [parse_qs(urlsplit((await walker.step(console.url + START)).headers["location"]).query) for _ in range(2)]
    for name in ("state", "nonce", "code_challenge"):
        assert len({said[name][0] for said in asked}) == 2
        assert all(len(said[name][0]) >= 32 for said in asked)
    assert asked[0]["code_challenge_method"] == ["S256"]
    assert asked[0]["claims"] == ['{"id_token":{"amr":{"essential":true}}}']


async def test_somebody_unknown_is_told_what_to_tell_and_enters_once_linked(console, real, walker):
    user = real["users"]["agnes"]
    page = await walker.sign_in(console, user, "agnes")
    assert page.status_code == 403
    assert "votre demande d'accès est notée" in page.text
    assert f'<code id="subject">{user["subject"]}</code>' in page.text
    assert COOKIE not in walker.cookies[urlsplit(console.url).netloc]
    [asked] = show_asking(console.settings)
    who = Known(asked.issuer, asked.subject)
    assert who == Known(real["issuer"], user["subject"])
    link_account(console.settings, "agnes", who)
    assert show_asking(console.settings) == []
    assert (await walker.walk(f"{console.url}{START}?suite=/console/mes-droits")).status_code == 200
    assert unlink_account(console.settings, "agnes") == 1
    assert (await walker.step(f"{console.url}/console/mes-droits")).status_code == 303


async def test_a_disabled_account_stays_closed_whatever_the_provider_says(console, agnes, walker):
    await console.hub.ledger.write(change_accounts, Change(login="agnes", values={"disabled_at": 1}))
    page = await walker.sign_in(console, agnes, "agnes")
    await console.hub.ledger.write(change_accounts, Change(login="agnes", values={"disabled_at": None}))
    assert page.status_code == 403
    assert "Votre compte est fermé" in page.text
    assert COOKIE not in walker.cookies[urlsplit(console.url).netloc]


async def test_who_gave_a_password_alone_is_asked_for_more(console, real, walker):
    page = await walker.sign_in(console, real["users"]["bruno"], "bruno")
    assert page.status_code == 403
    assert "prouver plus sûrement" in page.text
    assert "id_token_acr" in page.text


async def test_a_way_back_serves_once_even_to_who_kept_its_cookie(console, agnes, walker):
    netloc = urlsplit(console.url).netloc
    await walker.step(f"{console.url}{START}")
    kept = dict(walker.cookies[netloc])
    walker.cookies[netloc].clear()
    page = await walker.sign_in(console, agnes, "agnes")
    back = next(url for url in walker.seen if "code=" in url)
    assert page.status_code == 200
    walker.cookies[netloc] = kept
    assert "state_wrong" in (await walker.step(back)).text


async def test_leaving_the_console_leaves_the_provider_too(console, agnes, walker):
    page = await walker.sign_in(console, agnes, "agnes")
    csrf = re.search(r'name="csrf" value="([^"]+)"', page.text)[1]
    leaving = await walker.step(f"{console.url}/console/sortie", {"csrf": csrf})
    assert leaving.status_code == 200
    assert leaving.headers["clear-site-data"] == '"cache", "storage"'
    assert COOKIE not in walker.cookies[urlsplit(console.url).netloc]
    there = leaving.headers["refresh"].removeprefix("0; url=")
    assert urlsplit(there).path == "/o/logout/"
    assert parse_qs(urlsplit(there).query).keys() == {"id_token_hint", "state", "post_logout_redirect_uri"}
    entrance = await walker.walk(there)
    assert entrance.url.path == "/console/connexion"
    assert "Vous êtes déconnecté." in entrance.text
    assert (await walker.step(f"{console.url}/console/mes-droits")).status_code == 303
    asked = await walker.walk(f"{console.url}{START}")
    assert "csrfmiddlewaretoken" in asked.text


async def test_an_account_of_the_provider_alone_has_no_password_that_opens_it(console, walker):
    for password in ("", "x", PASSWORD):
        fields = {"login": "agnes", "password": password, "suite": "/console/"}
        assert (await walker.step(f"{console.url}/console/connexion", fields)).status_code == 401


async def test_local_accounts_work_beside(console, walker):
    page = await walker.step(f"{console.url}/console/connexion")
    assert "Se connecter avec ProConnect" in page.text
    fields = {"login": "lise", "password": PASSWORD, "suite": "/console/mes-droits"}
    assert (await walker.walk(f"{console.url}/console/connexion", fields)).status_code == 200
