"""What a newcomer types wrong gets a clear page that names the field; people HTML, programs JSON (ui.md: cause and remedy)."""

from datetime import timedelta

from agent_console.rule_words import rule_link, shipped
from backoffice_core.strategy import service as strategies
from tests import house
from tests.console.conftest import PASSWORD, RunningConsole, words

WRONG = (
    ("/tasks?q=%00", 400, ""), ("/case?q=a%00b", 400, ""), ("/case/%00", 400, ""),
    ("/case/99999999999999999999", 400, ""), ("/case/zz", 404, ""), ("/tasks/export.pdf", 404, ""),
    ("/queue?after=zz", 422, "after"), ("/queue?show=zz", 422, "show"), ("/queue.xlsx?show=zz", 422, "show"),
    ("/strategies/collection?v=zz", 422, "v"), ("/abandoned?days=0", 422, "days"), ("/abandoned?days=zz", 422, "days"),
    ("/strategies/collection/1/preview?on=zz", 422, "on"), ("/tasks?on=zz", 422, "on"),
    ("/tasks?view=calendar&month=zz", 422, "month"), ("/proof?as_at=zz", 422, "as_at"),
    # issue 6: days that nobody can mean
    ("/proof?as_at=0001-01-01", 422, "as_at"), ("/tasks?view=calendar&month=9999-12", 422, "month"),
    ("/tasks?view=calendar&month=0001-01", 422, "month"), ("/tasks?on=9999-12-31", 422, "on"),
    ("/overdue?day=31.12.9999", 422, "day"),
    # two of one kind: neither may be passed over in silence
    ("/reports/portfolio?branch=1&branch=2", 422, "branch"), ("/tasks?kind=SMS&kind=VISIT", 422, "kind"),
    ("/proof?unit=zz", 422, "unit"), ("/webhooks?state=zz", 422, "state"), ("/tasks/export.csv?on=zz", 422, "on"),
)  # fmt: skip


async def test_wrong_addresses_get_a_page_that_names_the_field(console: RunningConsole) -> None:
    """NUL, numbers that no database holds, and words where numbers stand: 400, 404 or 422 with a page in the reader's
    language; never “the database is away”, never raw JSON for people."""
    async with console.database.begin() as s:
        await house.rules_in_force(s, console.clock)
        borrower = await house.borrower(s, console.clock)
        code, title, content = strategies.read_file(strategies.DEFAULT)
        await strategies.draft(s, code, content, who="test", at=console.clock.now(), title=title)
    boss, admin = await console.logged_in("boss", "supervisor"), await console.logged_in("root", "admin")
    number = borrower.case.number
    for path, status, field in (*WRONG, (f"/case/{number}/dossier?day=zz", 422, "day")):
        asks = admin if path.startswith("/webhooks") else boss
        page = await asks.get(path, headers={"Accept": "text/html"})
        assert (page.status_code, page.headers["content-type"][:9]) == (status, "text/html"), (path, page.text[:300])
        assert "DATABASE_AWAY" not in page.text
        if field:
            assert f"Поле «{field}»" in page.text, path
            whole = 'id="misread"' in page.text and 'class="nav"' in page.text
            assert whole != ("." in path.partition("?")[0]), (
                f"{path}: the page stays, without the word; a file does not"
            )
        said = (await asks.get(path, headers={"Accept": "application/json"})).json()
        assert said.get("field", "") == field, path
        assert said["message"]
    several = (await boss.get("/tasks?on=zz&kind=SMS&unit=yy", headers={"Accept": "text/html"})).text
    assert "Поле «unit»" in several
    assert "«zz» пропущено" in several
    assert 'name="kind" value="SMS"' in several, "what can be read still narrows the page"
    assert (await boss.get("/reports/portfolio?as_at=0001-01-01")).status_code == 422
    early = await boss.get("/reports/portfolio?as_at=01.01.1900")
    assert (early.status_code, "01.01.1900: так рано" in early.text) == (422, True)
    assert 'value="01.01.1900" aria-invalid="true"' in early.text
    for query in ("phone=0671234567&day=zz", f"phone=0671234567&day={console.clock.today() + timedelta(days=400)}"):
        dossier = await boss.get(f"/dossier?{query}")
        assert (dossier.status_code, "Це не день, що вже настав" in dossier.text) == (422, True), query
    assert "Поле «date»" in (await boss.get("/dossier?date=zz", headers={"Accept": "text/html"})).text
    posted = await boss.send_form("/tasks", case=str(number), kind="LETTER", control_date="31.12.9999", note="a")
    assert posted.status_code == 422
    posted = await boss.send_form("/tasks", case=str(number), kind="LETTER", control_date="+1", note="a\0b")
    assert posted.status_code == 400


async def test_an_address_of_a_form_leads_to_its_page_and_a_lost_session_to_the_login(console: RunningConsole) -> None:
    """A form's address by GET (a language chosen after a refusal, a reload) is its page's; a form that was sent without a
    script when the session had ended leads to the login and back, never to a bare 401."""
    boss, html = await console.logged_in("boss", "supervisor"), {"Accept": "text/html"}
    for path, page in (("/campaigns/collection/count", "/campaigns/collection"), ("/strategies/a/1/step", "/strategies/a"),
                       ("/case/1/holds", "/case/1"), ("/tasks/1/close", "/tasks")):  # fmt: skip
        led = await boss.get(path, headers=html)
        assert (led.status_code, led.headers.get("location")) == (303, page), path
    assert (await boss.get("/campaigns/collection/count")).status_code == 405, "programs are told"
    sent = {"Referer": f"{console.url}/campaigns/collection?x=1", "X-CSRF-Token": boss.csrf} | html
    boss.cookies.delete("backoffice_login")
    lost = await boss.post("/campaigns/collection", data={"mode": "power"}, headers=sent)
    assert lost.status_code == 303
    assert lost.headers["location"] == "/login?expired=1&next=%2Fcampaigns%2Fcollection%3Fx%3D1"
    foreign = await boss.post("/campaigns/collection", headers=sent | {"Referer": "https://evil.example/x"})
    assert foreign.headers["location"] == "/login"


async def test_the_language_of_the_login_page_stays_with_who_chose_it(console: RunningConsole) -> None:
    """Chosen before the login, kept after it; the next person at the same browser has his own."""
    await console.person("olha", "supervisor")
    await console.person("petro", "supervisor")
    browser = console.browser()
    await browser.get("/login/language", params={"lang": "en"})
    await browser.log_in("olha")
    assert 'lang="en"' in (await browser.get("/queue")).text
    await browser.log_in("petro")
    assert 'lang="uk"' in (await browser.get("/queue")).text
    again = console.browser()
    await again.post("/login", data={"login": "olha", "password": PASSWORD, "phone": "desk"})
    assert 'lang="en"' in (await again.get("/queue")).text


async def test_rules_are_found_by_code_with_versions_dates_and_who_confirmed(console: RunningConsole) -> None:
    """Rules (versioned, dated, who confirmed): a code opens its rule, a word narrows, an unconfirmed one says so; agents have no
    use for them."""
    async with console.database.begin() as s:
        await house.rules_in_force(s, console.clock)
    boss = await console.logged_in("boss", "supervisor")
    page = (await boss.get("/rules", params={"q": "ua-military"})).text
    assert "law 2459-IX" in page
    assert "Не підтверджено" in page
    assert "protected_military" in page
    every = (await boss.get("/rules")).text
    assert "RU-TIME-WD" in every
    narrowed = (await boss.get("/rules", params={"country": "UA"})).text
    assert "UA-DAY" in narrowed
    assert "RU-TIME-WD" not in narrowed
    assert "Жодне правило" in (await boss.get("/rules", params={"q": "zzzz"})).text
    agent = await console.logged_in("ivan", "agent")
    assert (await agent.get("/rules")).status_code == 403


def test_codes_and_what_is_shipped_have_words() -> None:
    """No bare `inpatient` or `UA-MILITARY` stands where words should; notes of the shipped strategy speak all languages."""
    _, title, content = strategies.read_file(strategies.DEFAULT)
    for lang in ("uk", "ru", "en"):
        said = words().words(lang)
        assert str(rule_link(said, "inpatient")) == said("flag-inpatient")
        assert str(rule_link(said, "UA-MILITARY")).startswith(said("rule-kind-status_block"))
        assert '<a href="/rules?q=UA-MILITARY#rule">' in rule_link(said, "UA-MILITARY")
        assert "<b>" not in rule_link(said, "<b>")
        for note in (title, *(step["note"] for step in content["steps"] if step.get("note"))):
            assert lang == "uk" or shipped(said, note) != note, note
        for name in content["segments"]:
            assert said.code("segment", name) != name
        assert shipped(said, "what a person wrote") == "what a person wrote"
