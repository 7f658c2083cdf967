"""Pictures of every page in three languages, light and dark: `python -m tests.browser.screens OUT` (make screens).

The real console over a database of its own, with a shift at work in it; 1366 × 768, no far end, nothing is dialed.
"""

import argparse
import asyncio
import sys
import tempfile
from pathlib import Path

from playwright.async_api import Page, async_playwright

from backoffice_core.clock import load as load_clock
from backoffice_core.db import Database
from backoffice_core.migrations import migrate
from backoffice_core.parts import postgres, valkey
from tests.browser import tour, world
from tests.browser.conftest import ARGS
from tests.conftest import fresh_settings, running
from tests.console.conftest import RunningConsole, running_console

THEMES = ("light", "dark")


class Pictures:
    """Takes each page in its languages and both themes."""

    def __init__(self, out: Path) -> None:
        self.out, self.count = out, 0

    async def __call__(self, page: Page, name: str, *, languages: tuple[str, ...] = tour.ALL) -> None:
        shown = await page.evaluate("document.documentElement.lang")
        for lang in languages or (shown,):
            if languages and await page.locator("#me").count():
                await tour.speak(page, lang)
            for theme in THEMES:
                await page.evaluate("theme => document.documentElement.dataset.theme = theme", theme)
                await page.evaluate("document.fonts.ready")
                await page.screenshot(path=self.out / f"{name}.{lang}.{theme}.png")
                self.count += 1
        sys.stdout.write(f"{name}: {', '.join(languages or (shown,))}\n")
        sys.stdout.flush()


async def take(console: RunningConsole, look: Pictures) -> None:
    async with async_playwright() as playwright:
        browser = await playwright.chromium.launch(executable_path="/usr/bin/chromium", args=ARGS)
        size = {"width": 1366, "height": 768}

        async def visitor() -> Page:
            return await (await browser.new_context(viewport=size, locale="uk-UA")).new_page()  # type: ignore[arg-type]

        await tour.login(await visitor(), console, look)
        number = await tour.desk(await visitor(), console, look)
        await tour.caller(await visitor(), console, look)
        page = await visitor()
        await tour.supervisor(page, console)
        await world.shift(console)
        await tour.floor(page, console, look)
        await tour.case(page, console, number, look)
        await tour.lists(page, console, look)
        await tour.work(page, console, look)
        await tour.strategies(page, console, look)
        await tour.reports(page, console, look)
        await tour.case_work(page, console, look)
        await tour.aside(page, console, look)
        page = await visitor()
        await tour.api_docs(page, console, look)
        await tour.webhooks(page, console, look)
        await browser.close()


async def run(data: Path, look: Pictures) -> None:
    settings = fresh_settings(data)
    logs = settings.data / "log"
    with (
        running(postgres.part(settings, fast=True), logs / "postgres.log"),
        running(valkey.part(settings), logs / "valkey.log"),
    ):
        await asyncio.to_thread(migrate, settings)
        database = Database(settings, name="screens")
        async with running_console(settings, database, load_clock(settings)) as console:
            await take(console, look)
        await database.close()


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m tests.browser.screens", description="Pictures of every page.")
    parser.add_argument("out", type=Path, metavar="OUT", help="folder for the pictures")
    out: Path = parser.parse_args().out
    out.mkdir(parents=True, exist_ok=True)
    look = Pictures(out)
    with tempfile.TemporaryDirectory(prefix="screens-") as data:
        asyncio.run(run(Path(data), look))
    sys.stdout.write(f"{look.count} pictures in {out}\n")


if __name__ == "__main__":
    main()
