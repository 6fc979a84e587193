"""« Lots » in a real browser: many changed by keyboard, progress that refreshes itself and can be paused."""

import asyncio

from sqlalchemy import text

from tests.browser.conftest import WIDTHS, faults_of, shoot

TICK = """(subjects) => {
  const token = JSON.parse(document.body.getAttribute("hx-headers"))["X-CSRF-Token"];
  const form = document.createElement("form");
  form.method = "post";
  form.action = "/console/lots/plan";
  for (const [name, value] of [["csrf", token], ...subjects.map((one) => ["subject", one])]) {
    form.append(Object.assign(document.createElement("input"), { type: "hidden", name, value }));
  }
  document.body.append(form);
  form.requestSubmit();
}"""


async def test_many_are_changed_from_the_choice_to_the_last_row(visit, console, target):
    target.break_with("refused", times=-1)
    numbers = [await console.submit("essai", f"k-{index}") for index in range(12)]
    page = await visit("/console/lots")
    assert await faults_of(page) == []
    async with asyncio.timeout(60):
        while "parked" not in {row.status for row in standing(console)} or len({*standing(console)}) > 1:
            await asyncio.sleep(0.05)
    target.mend()
    target.latency = 0.3
    await page.evaluate(TICK, [str(number * 1000 + 1) for number in numbers])
    await page.get_by_role("heading", name="Changement par lot").wait_for()
    await seen_everywhere(page, "batch-choice")
    await page.get_by_label("Relancer", exact=False).first.focus()
    await page.keyboard.press("Space")
    await page.get_by_role("button", name="Préparer le plan").focus()
    await page.keyboard.press("Enter")
    await page.wait_for_url("**/lots/*?dit=plan")
    await seen_everywhere(page, "batch-plan")
    await page.get_by_label("Pourquoi ce lot est lancé").focus()
    await page.keyboard.type("Le logiciel répond de nouveau")
    await page.keyboard.press("Enter")
    await page.wait_for_url("**/lots/*?dit=lancer")
    await shoot(page, "batch-running")
    await page.locator("#standing ~ div .state.good", has_text="terminé").wait_for(timeout=60_000)
    assert "terminé, 100 %" in await page.locator("#batch-said").inner_text()
    assert not await page.get_by_role("button", name="Mettre le lot en pause").is_visible()
    await page.reload()
    await seen_everywhere(page, "batch-ended")
    assert sum(target.taken().values()) == 12


def standing(console):
    return console.hub.ledger.look(lambda connection: connection.execute(text("SELECT status FROM request")).all())


async def seen_everywhere(page, name):
    """Hold a page to what axe asks, at three widths, none of which it overflows."""
    for width, pixels in WIDTHS.items():
        await page.set_viewport_size({"width": pixels, "height": 900})
        assert await faults_of(page) == []
        await shoot(page, f"{name}-{width}")
        assert await page.evaluate("document.documentElement.scrollWidth <= innerWidth")
