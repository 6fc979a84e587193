"""A real browser before a real console: Debian's Chromium, started once, a context of its own for each test."""

import os
import re
import subprocess
from pathlib import Path

import pytest
from axe_playwright_python.async_playwright import Axe
from playwright.async_api import async_playwright

from monitoring.console.door import COOKIE
from tests.console.conftest import *  # noqa: F403

SHOTS = Path(os.environ.get("HUB_SCREENSHOTS", "build/screenshots"))
"""Where what the browser saw is kept, as artefacts of the run."""

CHROMIUM = ("/usr/bin/chromium", "/usr/bin/chromium-browser", "/usr/bin/google-chrome")
QUIETLY = (
    "--headless=new",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--disable-dev-shm-usage",
    "--remote-debugging-port=0",
)
WIDTHS = {"phone": 390, "half": 760, "wide": 1366}


@pytest.fixture(scope="session")
def chromium(tmp_path_factory):
    """A Chromium at work; gives where it listens."""
    found = next((path for path in CHROMIUM if Path(path).exists()), None)
    if found is None:
        assert os.environ.get("CI") != "true", "chromium is not installed"
        pytest.skip("chromium is not installed")
    profile = tmp_path_factory.mktemp("chromium")
    process = subprocess.Popen(
        [found, *QUIETLY, f"--user-data-dir={profile}", "about:blank"],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
    )
    address = None
    for line in process.stderr:
        if match := re.search(r"ws://\S+", line):
            address = match[0]
            break
    assert address, "chromium did not start"
    os.set_blocking(process.stderr.fileno(), False)
    yield address
    process.terminate()
    process.wait(20)


@pytest.fixture
async def chrome(chromium):
    """The browser, spoken to by this test."""
    async with async_playwright() as playwright:
        browser = await playwright.chromium.connect_over_cdp(chromium)
        yield browser
        for context in browser.contexts:
            await context.close()


@pytest.fixture
async def visit(chrome, console):
    """Open a page as somebody: `await visit("/console/", login="agnes")`."""

    async def opened(path, login="agnes", *, width=1366, at=None, **said):
        where = at or console
        inside = await where.enter(login, **said)
        context = await chrome.new_context(viewport={"width": width, "height": 900}, locale="fr-FR")
        await context.add_cookies(
            [
                {
                    "name": COOKIE,
                    "value": inside.token,
                    "url": where.url.replace("http:", "https:"),
                    "secure": True,
                    "httpOnly": True,
                }
            ]
        )
        page = await context.new_page()
        page.set_default_timeout(10_000)
        page.faults = []
        page.on("pageerror", lambda error: page.faults.append(str(error)))
        page.on("console", lambda said: page.faults.append(said.text) if said.type == "error" else None)
        await page.goto(f"{where.url}{path}")
        return page

    return opened


async def shoot(page, name):
    """Keep what the page looks like."""
    await page.screenshot(path=SHOTS / f"{name}.png", full_page=True)


async def faults_of(page):
    """Give what axe finds wrong with a page, WCAG 2.2 A and AA and its best practices, each with where."""
    found = await Axe().run(page)
    return [(one["id"], [node["html"][:120] for node in one["nodes"]][:4]) for one in found.response["violations"]] + [
        ("script", fault) for fault in page.faults
    ]
