"""A real browser goes to a real provider and back, with its own notion of cookies, sites and content policies."""

import pytest

from hub.accounts import Account, Right
from hub.doorkeeper import link_account, make_account
from hub.identities import Known
from tests.browser.conftest import faults_of, shoot
from tests.console.identity import city, real_provider


@pytest.fixture
async def console(tmp_path, hashed, monkeypatch):
    """A hub that knows the real provider, which is another site than itself to a browser."""
    with real_provider(tmp_path) as real:
        said = {name: real[name] for name in ("issuer", "client_id", "client_secret")}
        async with city(tmp_path, hashed, monkeypatch, **said) as made:
            made.real = real
            make_account(made.settings, Account(login="agnes", name="Agnès Petit", rights=frozenset(Right)), None)
            yield made


async def test_somebody_comes_in_by_the_provider_and_leaves_both(chrome, console):
    agnes = console.real["users"]["agnes"]
    page = await (await chrome.new_context(locale="fr-FR")).new_page()
    page.set_default_timeout(15_000)
    page.faults = []
    page.on("console", lambda said: page.faults.append(said.text) if "Content Security" in said.text else None)
    await page.goto(f"{console.url}/console/mes-droits")
    assert await faults_of(page) == []
    await shoot(page, "connexion-proconnect")
    await page.get_by_role("link", name="Se connecter avec ProConnect").click()
    await page.get_by_label("Username").fill("agnes")
    await page.get_by_label("Password").fill(agnes["password"])
    await page.get_by_role("button", name="Se connecter").click()
    await page.get_by_role("heading", name="Vous n'avez pas encore de compte ici").wait_for()
    assert await faults_of(page) == []
    await shoot(page, "connexion-inconnue")
    link_account(console.settings, "agnes", Known(console.real["issuer"], agnes["subject"]))
    await page.goto(f"{console.url}/console/mes-droits")
    await page.get_by_role("link", name="Se connecter avec ProConnect").click()
    await page.get_by_role("heading", name="Mes droits").wait_for()
    await page.get_by_role("button", name="Se déconnecter").click()
    await page.get_by_text("Vous êtes déconnecté.").wait_for()
    await page.get_by_role("link", name="Se connecter avec ProConnect").click()
    await page.get_by_label("Username").wait_for()
    assert page.faults == []
