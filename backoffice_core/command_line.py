"""What the commands share: the parts they work with, and how they speak to people and to scripts."""

import asyncio
import getpass
import json
import sys
import time as stopwatch
from collections.abc import AsyncIterator, Callable, Coroutine, Iterator, Mapping, Sequence
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass
from datetime import date, datetime
from typing import Annotated, Any, TypeVar

import typer
from rich.console import Console
from rich.progress import Progress
from rich.table import Table

from backoffice_core import clock as clocks
from backoffice_core import config, plain_log
from backoffice_core.clock import Clock
from backoffice_core.config import Settings
from backoffice_core.days import meant
from backoffice_core.db import AWAY, Database
from backoffice_core.errors import BadInput
from backoffice_core.events import News
from backoffice_core.said import said

T = TypeVar("T")
Json = Annotated[bool, typer.Option("--json", help="for scripts")]
BAR_AFTER_S = 2.0


@dataclass(frozen=True)
class House:
    """What a command works with."""

    settings: Settings
    clock: Clock
    database: Database

    async def tell(self, *news: News) -> None:
        """News of what this command has committed."""
        from backoffice_core.bus import Bus

        bus = Bus(self.settings)
        await bus.publish(*news)
        await bus.close()

    def day(self, said: str) -> date:
        """Raises BadInput."""
        try:
            return meant(date.fromisoformat(said)) if said else self.clock.today()
        except ValueError:
            raise BadInput(f"“{said}” is not a date.", remedy="Write it as 2026-12-31.") from None

    def hour(self, at: datetime | None) -> str:
        return f"{at.astimezone(self.clock.zone):%d.%m. %H:%M}" if at else ""


def hush() -> None:
    """What a command says is its own words; log lines of the parts it uses would spoil its JSON."""
    plain_log.lines("ERROR", lambda: sys.stderr)


@asynccontextmanager
async def _house() -> AsyncIterator[House]:
    hush()
    settings = config.load()
    database = Database(settings, pool=2, name="command")
    try:
        yield House(settings, clocks.load(settings), database)
    finally:
        await database.close()


def run(
    work: Callable[[House], Coroutine[Any, Any, T]], loop: Callable[[], asyncio.AbstractEventLoop] | None = None
) -> T:
    """`loop` makes another event loop than Python's own: uvloop's pays for its import in long work alone."""

    async def inside() -> T:
        async with _house() as house:
            return await work(house)

    with asyncio.Runner(loop_factory=loop) as runner:
        return runner.run(inside())


def noted(act: str, subject: str = "", data: Mapping[str, Any] | None = None) -> bool:
    """A row in the audit of what this command has done; False when the database does not answer."""
    from backoffice_core.audit import service as audit

    async def work(house: House) -> None:
        async with house.database.begin() as s:
            audit.note(s, f"os:{getpass.getuser()}", act, subject, data)

    try:
        run(work)
    except AWAY:
        return False
    return True


def say(text: str) -> None:
    """In the language of the terminal (`said`)."""
    typer.echo(said(text))


def say_json(what: object) -> None:
    typer.echo(json.dumps(what, ensure_ascii=False, default=str))


def table(title: str, head: Sequence[str], rows: Sequence[Sequence[object]]) -> None:
    drawn = Table(*map(said, head), title=said(title) or None, title_justify="left", box=None, pad_edge=False)
    for row in rows:
        drawn.add_row(*("" if cell is None else str(cell) for cell in row))
    Console(width=None if sys.stdout.isatty() else 160, highlight=False, markup=False).print(drawn)


@contextmanager
def bar(label: str) -> Iterator[Callable[[int, int], None]]:
    """A function `(done, total)`; a bar shows on the terminal once the work takes longer than two seconds."""
    begun = stopwatch.monotonic()
    with Progress(console=Console(stderr=True), transient=True, disable=not sys.stderr.isatty()) as bars:
        task = bars.add_task(said(label), visible=False)

        def step(done: int, total: int) -> None:
            bars.update(task, completed=done, total=total, visible=stopwatch.monotonic() - begun > BAR_AFTER_S)

        yield step


def fields_of(thing: object, *names: str) -> dict[str, Any]:
    return {name: getattr(thing, name) for name in names}
