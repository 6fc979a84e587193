"""« Carte » and « Statistiques » in a real browser, at three widths."""

import pytest

from tests.browser.conftest import WIDTHS, faults_of, shoot


@pytest.mark.parametrize("name", ["carte", "statistiques"])
async def test_the_page_has_no_fault_at_any_width(visit, console, name):
    await console.submit()
    page = await visit(f"/console/{name}")
    for width_name, width in WIDTHS.items():
        await page.set_viewport_size({"width": width, "height": 900})
        assert await faults_of(page) == []
        await shoot(page, f"{name}-{width_name}")
        assert await page.evaluate("document.documentElement.scrollWidth <= innerWidth")
