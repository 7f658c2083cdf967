"""Campaigns (issue 5, TL-07): their modes, what locks them, skills, and the queue of each."""

from collections.abc import Collection
from datetime import date, timedelta
from decimal import Decimal

import pytest

from backoffice_core.audit import service as audit
from backoffice_core.call_centre.calls import attempts
from backoffice_core.call_centre.desks import agents
from backoffice_core.call_centre.dialing import campaigns, pacing_book, pacing_view, pacing_words
from backoffice_core.call_centre.dialing.campaign_rules import runs_as
from backoffice_core.call_centre.models import CallAttempt
from backoffice_core.catalogue import Catalogue
from backoffice_core.clock import Clock
from backoffice_core.compliance.loader import parse, read_file
from backoffice_core.compliance.rulebook import RuleBook
from backoffice_core.config import Settings
from backoffice_core.db import Database
from backoffice_core.errors import BadInput, NotFound
from backoffice_core.staff.models import User
from tests import house
from tests.core.test_night_commands import run, said

DAY = date(2026, 11, 25)
BOOK = RuleBook(parse(row) for row in read_file())


def _book(*, without: Collection[str]) -> RuleBook:
    return RuleBook(rule for rule in BOOK if rule.kind not in without)


@pytest.mark.parametrize(
    ("mode", "book", "purpose", "runs", "why"),
    [
        ("predictive", BOOK, "collection", "predictive", ""),
        ("predictive", _book(without={"dialer_limit"}), "collection", "progressive", "NO_LIMIT"),
        ("predictive", _book(without={"frequency_cap"}), "collection", "progressive", "NO_CAPS"),
        ("predictive", BOOK, "survey", "progressive", "NO_PURPOSE_CAPS"),
        ("predictive", BOOK, "verification", "progressive", "NO_PURPOSE_CAPS"),  # the caps are those of collection
        ("preview", _book(without={"frequency_cap"}), "service", "preview", "NO_PURPOSE_CAPS"),
        ("predictive", BOOK, "service", "predictive", ""),
        ("power", _book(without={"dialer_limit"}), "collection", "progressive", "NO_LIMIT"),
        ("progressive", _book(without={"dialer_limit"}), "collection", "progressive", ""),
        ("preview", BOOK, "collection", "preview", ""),
        ("agentless", _book(without={"dialer_limit"}), "collection", "agentless", ""),  # it abandons nobody
        ("agentless", _book(without={"frequency_cap"}), "collection", "agentless", "NO_ROBOT_CAPS"),
    ],
)
def test_overdialing_is_locked_until_caps_and_a_limit_are_in_force(
    mode: str, book: RuleBook, purpose: str, runs: str, why: str
) -> None:
    """CC-04, issue 5: without a cap and a dialer_limit for the jurisdiction it runs progressive and says so."""
    found = runs_as(mode, Decimal(3), purpose, book, {"UA"}, DAY)
    assert (found.mode, found.why) == (runs, why)


def test_every_jurisdiction_must_have_its_rules_and_the_strictest_limit_wins() -> None:
    """House decision 3.5: a campaign's own target never loosens the rule's."""
    no_any = RuleBook(rule for rule in BOOK if not (rule.kind == "dialer_limit" and rule.jurisdiction == "*"))
    assert runs_as("predictive", Decimal(9), "collection", no_any, {"US", "UA"}, DAY).where == "UA"
    us = runs_as("predictive", Decimal(9), "collection", no_any, {"US"}, DAY)
    assert (us.mode, us.target_pct) == ("predictive", Decimal(3))
    assert runs_as("predictive", Decimal(1), "collection", no_any, {"US"}, DAY).target_pct == Decimal(1)


async def test_a_change_is_audited_and_refusals_name_the_field(database: Database, clock: Clock) -> None:
    """TL-07: changed while running, with who and from what to what; "collection" is always there."""
    async with database.begin() as s:
        assert [one.name for one in await campaigns.listed(s)] == ["collection"]
        said = {"mode": "predictive", "target_abandon_pct": "2,5", "priority": "3"}
        one = await campaigns.change(s, "collection", said, who="user:1", by="Оксана", wall=clock.wall())
        assert (one.mode, one.target_abandon_pct, one.priority) == ("predictive", Decimal("2.50"), 3)
        made = await campaigns.change(
            s,
            "spring-survey",
            {"purpose": "survey", "skill": "survey"},
            who="os:x",
            by="x",
            wall=clock.wall(),
            new=True,
        )
        assert made.mode == "progressive"
    async with database.begin() as s:
        (_, row) = await audit.entries(s, act="CAMPAIGN_CHANGED")
        assert row.subject == "collection"
        assert row.data["mode"] == {"from": "progressive", "to": "predictive"}
    for name, fields, field in (
        ("collection", {"mode": "wild"}, "mode"), ("collection", {"ratio": "0.5"}, "ratio"),
        ("collection", {"target_abandon_pct": "NaN"}, "target_abandon_pct"), ("collection", {"colour": "red"}, "colour"),
        ("collection", {"priority": "1.5"}, "priority"), ("collection", {"retries": "[]"}, "retries"),
        ("collection", {"skill": "two words"}, "skill"), ("Весна", {}, "name"),
    ):  # fmt: skip
        async with database.begin() as s:
            with pytest.raises(BadInput) as refused:
                await campaigns.change(s, name, fields, who="os:x", by="x", wall=clock.wall(), new=True)
            assert refused.value.details["field"] == field
    async with database.begin() as s:
        with pytest.raises(NotFound):
            await campaigns.change(s, "nobody", {}, who="os:x", by="x", wall=clock.wall())


async def test_agents_serve_by_skill_and_priority_and_each_campaign_has_its_queue(
    database: Database, clock: Clock, live_settings: Settings
) -> None:
    """Issue 5: agents serve several campaigns, by skill and priority; a claim takes only its campaign's tasks."""
    async with database.begin() as s:
        await house.rules_in_force(s, clock)
        await campaigns.change(s, "survey", {"skill": "survey"}, who="os:x", by="x", wall=clock.wall(), new=True)
        novice, second, first = [await house.agent(s, clock) for _ in range(3)]
        logins = {seat.user_id: (await s.get_one(User, seat.user_id)).login for seat in (second, first)}
        await campaigns.set_skill(s, logins[second.user_id], "survey", 2, who="os:x")
        await campaigns.set_skill(s, logins[first.user_id], "survey", 1, who="os:x")
        of_survey = await agents.longest_waiting(s, campaign="survey")
        of_collection = await agents.longest_waiting(s)
        assert of_survey is not None
        assert of_collection is not None
        assert (of_survey.id, of_collection.id) == (first.id, novice.id)
        agents.change(s, first, "PAUSED", "LUNCH", clock.wall())
        agents.change(s, second, "PAUSED", "LUNCH", clock.wall())
        await s.flush()
        assert await agents.longest_waiting(s, campaign="survey") is None, "without the skill nobody gets its calls"
        rows = {row.campaign.name: row for row in await campaigns.board(s, clock.today(), "UA")}
        assert (rows["survey"].agents, rows["collection"].agents) == (2, 3)
        await house.borrower(s, clock)
    async with database.begin() as s:
        terms = {"trunk": live_settings.trunks[0], "now": clock.now(), "today": clock.today(), "wall": clock.wall()}
        assert await attempts.claim(s, live_settings, campaign="survey", **terms) is None
        assert await attempts.claim(s, live_settings, campaign="collection", **terms) is not None


async def test_the_account_is_counted_from_the_calls_by_window(database: Database, clock: Clock) -> None:
    """Issue 5: live answers and abandoned by campaign and caller id, over a day and 30, whoever counts and how often."""
    wall = clock.wall()
    day_start = wall - timedelta(hours=3)
    async with database.begin() as s:
        for ago, result, abandoned, agent in (
            (timedelta(minutes=1), None, False, True), (timedelta(hours=1), "ANSWERED_HUMAN", False, True),
            (timedelta(hours=2), "ABANDONED", True, False), (timedelta(hours=2), "ANSWERED_MACHINE", False, False),
            (timedelta(days=3), "ABANDONED", True, False), (timedelta(days=40), "ABANDONED", True, False),
        ):  # fmt: skip
            one = await house.borrower(s, clock)
            at = wall - ago
            s.add(
                CallAttempt(
                    id=house.some_call(), task_id=one.task.id, case_id=one.case.id, person_id=one.person.id,
                    contact_point_id=one.phone.id, number=one.phone.value, campaign="collection", purpose="collection",
                    trunk="far-end", caller_id="+380445550100", language="uk", fence=1, business_at=at, claimed_at=at,
                    answered_at=at, ended_at=None if result is None else at, result=result, abandoned=abandoned,
                    agent_id=one.person.id if agent else None, state="ENDED" if result else "CONNECTED",
                )
            )  # fmt: skip
    key, accounts = ("collection", "+380445550100"), pacing_view.Accounts()
    starts = {"day": day_start, "30d": day_start - timedelta(days=29)}
    for _ in range(2):  # the second time most of it is remembered
        async with database.begin() as s:
            found = await accounts.look(s, starts, day_start, wall)
        assert found["day"] == {key: pacing_view.Count(live=3, queued=3, abandoned=1)}
        assert found["30d"] == {key: pacing_view.Count(live=4, queued=4, abandoned=2)}


async def test_decisions_are_read_back_in_words_and_the_memory_by_kin(database: Database, clock: Clock) -> None:
    """FL-17: every decision can be read back in three languages; the next leader has what the last one learned."""
    wall = clock.wall()
    terms = {"free": 4, "expected_free": 2.3, "expected_answers": 3.0, "budget": 1.4}
    async with database.begin() as s:
        plain = {"at": wall, "pool": "collection", "given": {"collection": 12}}
        await pacing_book.keep_decisions(s, [
            plain | {"at": wall - timedelta(days=31), "calls": 1, "bound": "agents", "terms": {"free": 1, "in_flight": 0}},
            plain | {"calls": 12, "bound": "account", "terms": terms},
        ])  # fmt: skip
        await pacing_book.keep_memory(s, "collection", {"a": 1}, wall)
        await pacing_book.keep_memory(s, "collection", {"a": 2}, wall)
        assert await pacing_book.memory(s, "collection+survey") == {"a": 2}
        assert await pacing_book.memory(s, "survey") is None
        assert await pacing_book.prune(s, wall) == 1
        (row,) = await pacing_book.decisions(s)
        catalogue = Catalogue.load()
        assert pacing_words.decision(catalogue.words("en"), row) == (
            "12 placed: 4 free + 2.3 expected to be free; 3.0 expected answers in flight; budget 1.4"
        )
        assert "budget" in pacing_words.slow(catalogue.words("en"), row)
        assert "запас" in pacing_words.slow(catalogue.words("uk"), row)
        row.bound = "agents"
        assert pacing_words.slow(catalogue.words("ru"), row) == ""
        row.terms = {"free": 2, "in_flight": 0, "ratio": 1.5, "in_hand": 1, "callers": 3, "pace": 0.5}
        assert pacing_words.decision(catalogue.words("en"), row) == (
            "12 placed: 2 free; 0 in flight; 1.50 lines for each free agent; 1 of them with an agent taken first; "
            "3 agents kept for callers; 0.5 of the agents counted on after an alarm"
        )


async def test_the_commands_of_campaigns_and_decisions(
    live_settings: Settings, database: Database, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Issue 5: what is locked is said, also to a script; a decision is read back in the terminal's language."""
    made = await said(live_settings, "campaign", "set", "spring", "--new", "--mode", "predictive")
    assert (made["mode"], made["runs_as"], made["why"], made["where"]) == (
        "predictive",
        "progressive",
        "NO_LIMIT",
        "UA",
    )
    monkeypatch.setenv("LC_ALL", "uk_UA.UTF-8")
    assert "немає правила про покинуті дзвінки" in (await run(live_settings, "campaign", "list"))[1]
    code, _, refusal = await run(live_settings, "campaign", "set", "spring", "--ratio", "0")
    assert code != 0
    assert "ratio не може бути «0»" in refusal
    async with database.begin() as s:
        row = {"at": clock.wall(), "pool": "collection", "calls": 2, "bound": "list", "given": {"collection": 2}}
        await pacing_book.keep_decisions(s, [row | {"terms": {"free": 2, "in_flight": 0, "accounts": {}}}])
    told = (await run(live_settings, "dialer", "decisions", "--last", "3"))[1]
    assert "Набрано 2" in told
    assert "нікого набирати" in told
