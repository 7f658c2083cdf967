"""Reports of 1500 loans, asked with a filter, are as quick as without one (DM-05)."""

import itertools
import re
from typing import Any

from sqlalchemy import event, text

from backoffice_core.clock import Clock
from backoffice_core.db import Database
from backoffice_core.reports import question, service, tables
from tests import house

MANY = 1500
FILTERS: tuple[dict[str, str], ...] = ({"owner": "-"}, {"stage": "1"}, {"branch": "-", "product": "-"})
SEEN = re.compile(r"rows=([\d.]+) loops=(\d+)")
REMOVED = re.compile(r"Rows Removed by [\w ]+: (\d+)")


async def _copied(s: Any, table: str, given: dict[str, str]) -> None:
    """The one row of a table, MANY times."""
    found = await s.execute(text("SELECT column_name FROM information_schema.columns WHERE table_name = :t AND is_generated = "
                                 "'NEVER' AND is_identity = 'NO' ORDER BY 1"), {"t": table})  # fmt: skip
    names = [name for (name,) in found if not (table in {"loan_balances"} and name == "id") and given.get(name) != ""]
    values = ", ".join(given.get(name, f"x.{name}") for name in names)
    first = f"SELECT * FROM {table} LIMIT 1"  # noqa: S608
    await s.execute(text(f"INSERT INTO {table} ({', '.join(names)}) SELECT {values} FROM ({first}) x, copies"))  # noqa: S608


async def _bank(s: Any, clock: Clock) -> None:
    await house.borrower(s, clock)
    await s.flush()
    await s.execute(text(
        "CREATE TEMP TABLE copies AS SELECT n, gen_random_uuid() AS person, gen_random_uuid() AS loan,"
        " gen_random_uuid() AS kase FROM generate_series(1, CAST(:many AS int)) n"
    ), {"many": MANY})  # fmt: skip
    await _copied(s, "persons", {"id": "person", "external_ref": "'P-many-' || n"})
    await _copied(s, "loans", {"id": "loan", "person_id": "person", "contract_no": "'C-many-' || n"})
    await s.execute(text("UPDATE loans SET balance = 100, overdue_principal = 10, days_past_due = 5"))
    await s.execute(text(
        "INSERT INTO loan_balances (loan_id, as_at, recorded_at, balance, overdue_principal, overdue_interest, overdue_penalty,"
        " overdue_fee, days_past_due, correction, note) SELECT id, as_at, as_at, balance, 10, 0, 0, 0, 5, false, '' FROM loans"
    ))  # fmt: skip
    await _copied(
        s, "cases", {"id": "kase", "person_id": "person", "number": "", "opened_at": "x.opened_at - interval '5 days'"}
    )


async def test_a_filter_costs_no_more_than_none(database: Database, clock: Clock) -> None:
    """DM-05, CK-24: no part of a plan looks at each loan again for each loan, whatever the rows are narrowed by."""
    asked: list[tuple[str, Any]] = []
    event.listen(database.engine.sync_engine, "before_cursor_execute", lambda *a: asked.append((a[2], a[3])))
    today, explained = clock.today(), 0
    async with database.begin() as s:
        await _bank(s, clock)
        raw: Any = (await (await s.connection()).get_raw_connection()).driver_connection
        for name, narrow in itertools.product(("portfolio", "rolls"), FILTERS):
            family = service.family(name)
            kept = {k: v for k, v in narrow.items() if k in {*question.FILTERS, *family.cuts}}
            one = question.Question(
                report=name, as_at=today, first=today, zone=clock.zone, by=family.cuts[0], figure=family.figures[0].name,
                narrow=kept,
            )  # fmt: skip
            asked.clear()
            await tables.rows(s, family, one, limit=tables.MOST)
            for statement, given in [x for x in asked if "every_row" in x[0]]:
                plan = "\n".join(line[0] for line in await raw.fetch(f"EXPLAIN (ANALYZE) {statement}", *given))
                seen = [float(rows) * int(loops) for rows, loops in SEEN.findall(plan)]
                assert max([*seen, *map(int, REMOVED.findall(plan))]) < 20 * MANY, (name, narrow, plan)
                explained += 1
    assert explained == 2 * len(FILTERS)
