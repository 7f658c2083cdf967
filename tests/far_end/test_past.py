"""The demo's thirty days before it opens: its reports, its proof and its strategy have something to say on the first look."""

from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path

from sqlalchemy import select

from backoffice_core.call_centre.models import CallAttempt
from backoffice_core.call_centre.rules import outcomes_of
from backoffice_core.clock import Clock
from backoffice_core.compliance import service as compliance
from backoffice_core.config import Settings
from backoffice_core.db import Database
from backoffice_core.loans.portfolio import import_file
from backoffice_core.nightly import run_night
from backoffice_core.reports import service as reports
from backoffice_core.reports.question import Question
from backoffice_core.staff import service as staff
from backoffice_core.strategy import proof
from backoffice_core.strategy import service as strategies
from backoffice_core.strategy.models import StrategyVersion
from far_end import past, portfolio


@contextmanager
def quiet(_: str) -> Iterator[None]:
    yield


async def test_the_demo_opens_with_a_past(
    database: Database, live_settings: Settings, clock: Clock, tmp_path: Path
) -> None:
    """README: nothing is empty on the first look; a second start of the same database adds nothing; today's list is taken."""
    file, today = tmp_path / "portfolio.csv", clock.today()
    portfolio.write(portfolio.Wish(loans=120, as_at=clock.now() - timedelta(hours=1)), file)
    async with database.begin() as s:
        for login, role in (("anna", "agent"), ("olha", "supervisor"), ("denys", "admin")):
            await staff.create_user(
                s, login=login, full_name=login, role=role, password="long enough 1", wall=clock.wall()
            )
        await compliance.load_rules(s, "test")
        await compliance.seed_calendar(s, range(today.year - 1, today.year + 2))
    for _ in range(2):
        await past.live_through(live_settings, database, clock, file, 1, quiet)
    async with database.begin() as s:
        await import_file(s, file, at=clock.now(), zone=clock.zone, demo=True)
    await run_night(database, clock, live_settings, today)
    async with database.begin() as s:
        assert len((await s.scalars(select(StrategyVersion))).all()) == 1
        assert [row.version for row, _ in await strategies.live(s, today)] == [1]
        asked = proof.Ask(as_at=today, first=today - timedelta(days=30), last=today)
        lines = await proof.figures(s, asked, "kind")
        sums = {name: sum(getattr(line, name) for line in lines) for name in ("due", "done", "late", "skipped", "open")}
        assert sums["due"] == sums["done"] + sums["late"] + sums["skipped"] + sums["open"]
        assert all(sums.values()), sums
        calls = (await s.scalars(select(CallAttempt))).all()
        assert {one.outcome for one in calls if one.outcome} <= set(outcomes_of("collection"))
        assert max(Counter((one.person_id, one.business_at.date()) for one in calls).values()) <= 2, "attempts a day"
        talks = Counter((one.person_id, one.business_at.isocalendar().week) for one in calls if one.agent_id)
        assert 0 < max(talks.values()) <= 2, "RU-CALL-W"
        for name in reports.FAMILIES:
            question = Question(
                report=name, as_at=today, first=today - timedelta(days=30), zone=clock.zone, by=reports.family(name).cuts[0]
            )  # fmt: skip
            report, compared = await reports.ask(s, question)
            assert report.lines, name
            if name == "arms":
                assert {line.key for line in report.lines} == {"champion", "challenger"}
                assert compared
            if name == "calls":
                (total,) = report.totals
                assert (
                    total.values["attempts"]
                    > total.values["human"]
                    > total.values["rpc"]
                    >= total.values["promised"]
                    > 0
                )
            if name == "promises":
                (total,) = report.totals
                assert total.values["kept"]
                assert total.values["broken"]
