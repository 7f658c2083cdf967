"""Who gets in, and who does not."""

import asyncio
import html
import re
from datetime import timedelta

import httpx
import pytest
from sqlalchemy import select, update

from backoffice_core.staff.models import AccessEntry, Login, User
from tests.conftest import until
from tests.console.conftest import PASSWORD, RunningConsole


async def test_login_leads_each_role_to_its_first_page(console: RunningConsole) -> None:
    for login, role, home, extension in (("anna", "agent", "/desk", 101), ("olha", "supervisor", "/floor", None)):
        await console.person(login, role, extension)
        browser = console.browser()
        answer = await browser.log_in(login)
        assert (answer.status_code, answer.headers["location"]) == (303, home)
        cookie = answer.headers["set-cookie"]
        assert "HttpOnly" in cookie
        assert "SameSite=strict" in cookie
        assert (await browser.get(home)).status_code == 200


async def test_only_the_digest_of_the_cookie_is_kept(console: RunningConsole) -> None:
    browser = await console.logged_in("anna", extension=101)
    token = browser.cookies["backoffice_login"]
    async with console.database.begin() as s:
        rows = (await s.execute(select(Login))).scalars().all()
    assert len(rows) == 1
    assert token not in {rows[0].token_hash, rows[0].csrf}


async def test_a_login_whose_sender_gave_up_takes_no_desk(console: RunningConsole) -> None:
    """Monday 08:00: passwords are checked two at a time. Who clicked again meanwhile sent another login, and the older one must
    not take the desk from it a moment later."""
    await console.person("anna", extension=101)
    checks = console.app.state.console.password_checks
    async with checks, checks:
        browser = console.browser()
        with pytest.raises(httpx.ReadTimeout):
            await browser.post("/login", data={"login": "anna", "password": PASSWORD, "phone": "desk"}, timeout=0.5)
        await browser.aclose()
        second = asyncio.create_task(console.browser().log_in("anna"))
        await until(lambda: len(checks._waiters or ()) == 2, what="both wait for their turn")
    answer = await second
    assert answer.status_code == 303
    async with console.database.begin() as s:
        rows = (await s.execute(select(Login))).scalars().all()
        assert [row.ended_at for row in rows] == [None], "one login, and nobody was sent away by it"


async def test_five_failures_close_the_login_for_fifteen_minutes(console: RunningConsole) -> None:
    await console.person("anna", extension=101)
    browser = console.browser()
    said = set()
    for _ in range(5):
        answer = await browser.log_in("anna", "wrong password")
        said.add(answer.text)
        assert answer.status_code == 401
    right = await browser.log_in("anna")
    assert right.status_code == 401
    assert said == {right.text}, "a closed login must not be told from a wrong password"
    async with console.database.begin() as s:
        await s.execute(update(User).values(locked_until=console.clock.wall() - timedelta(seconds=1)))
    assert (await browser.log_in("anna")).status_code == 303


async def test_an_unknown_login_is_answered_as_a_wrong_password(console: RunningConsole) -> None:
    await console.person("anna", extension=101)
    browser = console.browser()
    wrong, unknown = await browser.log_in("anna", "wrong password"), await browser.log_in("anne", "wrong password")
    assert wrong.text.replace("anna", "") == unknown.text.replace("anne", "")


async def test_without_login_pages_lead_to_it_and_programs_get_401(console: RunningConsole) -> None:
    browser = console.browser()
    page = await browser.get("/desk")
    assert (page.status_code, page.headers["location"]) == (303, "/login")
    assert (await browser.get("/desk/state", headers={"Accept": "application/json"})).status_code == 401
    fragment = await browser.get("/desk/view", headers={"HX-Request": "true"})
    assert (fragment.status_code, fragment.headers["hx-redirect"]) == (401, "/login?expired=1")


async def test_a_login_leads_back_to_the_page_asked_for_and_to_no_other_site(console: RunningConsole) -> None:
    """FL-17: the session was gone; the way back is kept through a wrong password; other addresses are not followed."""
    browser = await console.logged_in("boss", "supervisor")
    browser.cookies.set("backoffice_login", "gone")
    asked = "/reports/load?by=unit&branch=%D0%9A%D0%B8%D1%97%D0%B2"
    form = await browser.get((await browser.get(asked)).headers["location"])
    assert 'name="next" value="/reports/load?by=unit&amp;branch=%D0%9A%D0%B8%D1%97%D0%B2"' in form.text
    who = {"login": "boss", "password": PASSWORD, "phone": "desk"}
    wrong = await browser.post("/login", data=who | {"password": "wrong password", "next": asked})
    assert 'name="next"' in wrong.text
    assert (await browser.post("/login", data=who | {"next": asked})).headers["location"] == asked
    for other in (
        "//evil.example",
        "/\\evil.example",
        "https://evil.example",
        "/\t/evil.example",
        "/login?next=/login",
        "evil",
    ):
        assert (await browser.post("/login", data=who | {"next": other})).headers["location"] == "/floor", other


async def test_the_way_back_outlives_a_fragment_and_another_language(console: RunningConsole) -> None:
    """FL-17: a fragment whose session is gone leads back to the page around it; the language of the login page keeps it."""
    browser, back = await console.logged_in("boss", "supervisor"), "/tasks?list=all&kind=SMS"
    browser.cookies.set("backoffice_login", "gone")
    around = {"HX-Request": "true", "HX-Current-URL": f"{console.url}{back}"}
    led = (await browser.get("/queue", headers=around)).headers["hx-redirect"]
    assert led == "/login?expired=1&next=%2Ftasks%3Flist%3Dall%26kind%3DSMS"
    form = (await browser.get(led)).text
    link = re.search(r'lang="en" href="([^"]*)"', form)
    assert link
    english = await browser.get(html.unescape(link[1]))
    assert english.headers["location"] == "/login?expired=1&next=%2Ftasks%3Flist%3Dall%26kind%3DSMS"
    assert f'name="next" value="{html.escape(back)}"' in (await browser.get(english.headers["location"])).text
    strange = await browser.get("/login/language?lang=ru&next=//evil.example")
    assert strange.headers["location"] == "/login"


async def test_logout_ends_the_cookie_and_the_seat(console: RunningConsole) -> None:
    browser = await console.logged_in("anna", extension=101)
    token = browser.cookies["backoffice_login"]
    assert (await browser.send_form("/logout")).headers["hx-redirect"] == "/login"
    answer = await console.browser().get("/desk", headers={"Cookie": f"backoffice_login={token}"})
    assert answer.status_code == 303
    async with console.database.begin() as s:
        acts = (await s.execute(select(AccessEntry.act).order_by(AccessEntry.id))).scalars().all()
    assert acts == ["LOGIN", "LOGOUT"]


@pytest.mark.parametrize("path", ["/desk/ready", "/desk/pause", "/stop", "/logout", "/language"])
async def test_a_post_without_the_token_is_refused(console: RunningConsole, path: str) -> None:
    browser = await console.logged_in("anna", extension=101)
    browser.csrf = "another"
    answer = await browser.send_form(path, json=True, reason="BREAK", lang="ru")
    assert (answer.status_code, answer.json()["error"]) == (403, "FOREIGN_REQUEST")


async def test_a_post_from_another_site_is_refused_even_with_the_token(console: RunningConsole) -> None:
    browser = await console.logged_in("anna", extension=101)
    headers = {"X-CSRF-Token": browser.csrf, "Origin": "https://evil.example"}
    assert (await browser.post("/desk/ready", headers=headers)).status_code == 403
    foreign = await browser.post("/login", data={"login": "anna", "password": "x"}, headers=headers)
    assert foreign.status_code == 403
    own = {"X-CSRF-Token": browser.csrf, "Origin": console.url}
    assert (await browser.post("/desk/ready", headers=own)).status_code == 200


async def test_pages_are_protected_by_headers(console: RunningConsole) -> None:
    answer = await console.browser().get("/login")
    policy = answer.headers["content-security-policy"]
    assert "unsafe" not in policy
    assert "frame-ancestors 'none'" in policy
    assert answer.headers["x-content-type-options"] == "nosniff"
    static = answer.text.split('href="/static/console.css')[1].split('"')[0]
    sheet = await console.browser().get(f"/static/console.css{static}")
    assert "immutable" in sheet.headers["cache-control"]


async def test_health_names_the_parts(console: RunningConsole) -> None:
    answer = (await console.browser().get("/health")).json()
    assert answer == {"database": True, "redis": True, "telephony": True, "stopped": False}


async def test_roles_open_only_their_pages(console: RunningConsole) -> None:
    agent = await console.logged_in("anna", extension=101)
    supervisor = await console.logged_in("olha", "supervisor")
    admin = await console.logged_in("root", "admin")
    for browser, path, status in (
        (agent, "/floor", 403), (agent, "/queue", 403), (agent, "/desk", 200), (supervisor, "/desk", 403),
        (supervisor, "/queue", 200), (supervisor, "/floor", 200), (admin, "/queue", 403), (admin, "/floor", 200),
        (agent, "/nothing", 404),
    ):  # fmt: skip
        answer = await browser.get(path)
        assert answer.status_code == status, path
    assert (await agent.send_form("/stop", json=True, reason="no")).status_code == 403


async def test_the_language_is_the_persons(console: RunningConsole) -> None:
    browser = await console.logged_in("anna", extension=101)
    for lang, word in (("uk", "Мій день"), ("ru", "Мой день"), ("en", "My day")):
        assert (await browser.send_form("/language", lang=lang)).status_code == 204
        assert word in (await browser.get("/desk")).text
    assert (await browser.send_form("/language", lang="xx", json=True)).status_code == 422
