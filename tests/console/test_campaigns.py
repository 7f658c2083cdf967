"""The page of campaigns: who sees it, who changes it, what a refusal says."""

from sqlalchemy import select

from backoffice_core.call_centre.campaign_models import Campaign
from tests.console.conftest import RunningConsole

FORM = {
    "mode": "predictive", "priority": "5", "target_abandon_pct": "2", "ratio": "1,5", "abandon_window": "day",
    "denominator": "live", "machines": "off", "skill": "", "active": "1",
}  # fmt: skip


async def test_a_supervisor_changes_the_mode_while_it_runs(console: RunningConsole) -> None:
    """TL-07: listed with as what it runs and why; a refused value changes nothing."""
    boss = await console.logged_in("boss", "supervisor")
    page = (await boss.get("/campaigns")).text
    assert 'id="campaign-collection"' in page
    assert "прогресивний набір" in page
    assert (await boss.send_form("/campaigns/collection", **FORM)).status_code == 303
    page = (await boss.get("/campaigns")).text
    assert "предиктивний набір" in page
    assert "немає правила про покинуті дзвінки" in page, "no rules are loaded: it is locked, and says so"
    refused = await boss.send_form("/campaigns/collection", **FORM | {"priority": "0"})
    assert refused.status_code == 422
    assert "Нічого не змінено" in refused.text
    async with console.database.begin() as s:
        one = await s.scalar(select(Campaign))
        assert one is not None
        assert (one.mode, one.priority) == ("predictive", 5)


async def test_who_may_look_may_not_change_and_agents_see_nothing(console: RunningConsole) -> None:
    admin = await console.logged_in("root", "admin")
    assert (await admin.get("/campaigns")).status_code == 200
    assert 'action="/campaigns/' not in (await admin.get("/campaigns")).text
    assert (await admin.send_form("/campaigns/collection", **FORM)).status_code == 403
    agent = await console.logged_in("anna", "agent", extension=101)
    assert (await agent.get("/campaigns")).status_code == 403
