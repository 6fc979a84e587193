"""Takes the pictures of docs/console.md: a demonstration's hub, its story told, each page as an operator sees it.

Run as `python -m tests.browser.screenshots` (`make screenshots`).
"""

import asyncio
import random
import sys
from contextlib import AsyncExitStack
from pathlib import Path
from tempfile import TemporaryDirectory

from playwright.async_api import async_playwright

from hub.client import HubClient
from hub.demo.city import open_city
from hub.demo.control import Control
from hub.demo.hour import Plan, live
from hub.demo.leftover import leave_some
from hub.demo.story import World
from hub.demo.traffic import read_samples
from hub.settings import HOME
from tests.browser.conftest import CHROMIUM, QUIETLY

FOLDER = Path(__file__).parents[2] / "docs/images"
REQUESTS = 120
PAGES = {
    "a-traiter": "/console/",
    "demandes": "/console/demandes?status=parked",
    "decisions": "/console/decisions",
    "lots": "/console/lots",
    "carte": "/console/carte",
    "statistiques": "/console/statistiques",
    "mes-droits": "/console/mes-droits",
}
"""Picture → the page it is of."""

WIDE = {"width": 1280, "height": 800}
PHONE = {"width": 390, "height": 844}


async def main():
    """Tell the story, then take the pictures."""
    FOLDER.mkdir(parents=True, exist_ok=True)  # once, before anything
    with TemporaryDirectory() as folder:
        async with AsyncExitStack() as stack:
            city = await stack.enter_async_context(open_city("embedded", Path(folder)))
            portal, agent, operator = [
                await stack.enter_async_context(HubClient(city.url, city.keys[role]))
                for role in ("front_end", "agent", "operator")
            ]
            control = await stack.enter_async_context(Control(city.control))
            world = World(portal, agent, operator, control, random.Random(2026))
            await live(world, Plan(REQUESTS, 2026, once=True), city)
            await leave_some(world, read_samples(HOME))
            playwright = await stack.enter_async_context(async_playwright())
            found = next(path for path in CHROMIUM if Path(path).exists())  # noqa: ASYNC240  # three names
            browser = await playwright.chromium.launch(executable_path=found, args=[*QUIETLY[:-1]])
            await take(browser, city)
            await browser.close()


async def take(browser, city):
    """Enter, and take a picture of each page."""
    context = await browser.new_context(viewport=WIDE, locale="fr-FR", color_scheme="light")
    page = await context.new_page()
    url = city.url.replace("127.0.0.1", "localhost")
    await page.goto(f"{url}/console/")
    await page.get_by_label("Identifiant").fill(city.login)
    await page.get_by_label("Mot de passe").fill(city.password)
    await page.get_by_role("button", name="Entrer").click()
    await page.wait_for_url(f"{url}/console/")
    await page.goto(f"{url}{PAGES['carte']}")
    while await page.get_by_text("0 demande ouverte").count():
        await page.wait_for_timeout(1000)  # the map follows the ledger within seconds
        await page.reload()
    for name, path in PAGES.items():
        await page.goto(f"{url}{path}")
        await page.wait_for_load_state("networkidle")
        await page.screenshot(path=FOLDER / f"{name}.png")
        sys.stdout.write(f"docs/images/{name}.png\n")
    await page.goto(f"{url}/console/demandes?status=parked")
    await page.locator("[data-open]").first.click()
    await page.wait_for_load_state("networkidle")
    await page.screenshot(path=FOLDER / "demande.png")
    await page.set_viewport_size(PHONE)
    await page.goto(f"{url}/console/")
    await page.screenshot(path=FOLDER / "a-traiter-telephone.png")


if __name__ == "__main__":
    asyncio.run(main())
