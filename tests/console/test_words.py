"""One catalogue: the same keys in all languages, every used key exists, none is unused, every code has words."""

import re
from datetime import date
from decimal import Decimal
from pathlib import Path

import pytest

from agent_console.icons import ICONS
from backoffice_core.borrowers.phones import REFUSALS
from backoffice_core.borrowers.rules import FLAGS, OWNER_KINDS
from backoffice_core.call_centre.carriers.caller_id_rules import SIGNS, SPANS
from backoffice_core.call_centre.desks.agents import PAUSE_REASONS
from backoffice_core.call_centre.desks.preview import SKIP_REASONS
from backoffice_core.call_centre.dialing.campaign_rules import CHOICES
from backoffice_core.call_centre.dialing.pacing_words import BOUNDS
from backoffice_core.call_centre.rules import BY_CAUSE, BY_SIP, OUTCOMES
from backoffice_core.catalogue import FOLDER, Catalogue, phone, short_name
from backoffice_core.compliance import consents
from backoffice_core.compliance.terms import REASON_ORDER
from backoffice_core.staff.rules import ROLES
from recordings.faults import FAULTS
from tests.conftest import ROOT

CONSOLE = ROOT / "agent_console"
FAMILIES = (  # keys made of a stored code; the words of a code stand in the catalogue whether or not it came up yet
    "agent-state", "call-state", "task-state", "result", "outcome", "reason", "why", "case-state", "stage", "flag", "owner",
    "phone-state", "promise", "task", "pause", "role", "recording", "speech", "campaign", "event", "error", "remedy", "input",
    "what-if-field", "what-if-bad", "what-if-state", "policy", "still", "cards",
    "phone-refused", "rule", "problem", "stop-cause", "announcement", "trunk-state", "trunk-why", "sign", "span",
    "caller-id-state", "sound", "said", "one-way", "mode", "abandon-window", "denominator", "machines", "purpose", "consent-way",
    "ends", "task-result", "task-move", "task-bad", "task-end", "unit", "tasks-list", "tasks-when",
    "strategy-state", "skip-reason", "step-state",
    "slow", "pacing",
    "skip", "preview-nothing", "answered-by",
    "strategy-bad", "strategy-field", "strategy-only", "evidence", "contact-channel", "contact-result",
    "dossier", "proof", "hand-over", "report", "roll-way", "load-item", "plan", "correction", "hold-stop", "hold-why", "cw-sum",
    "cw-court",
    "hours-item", "complaints-item", "late-act", "grievance", "complaint",
    "segment", "shipped", "move-why", "webhook-state", "webhook-group", "webhook-url",
)  # fmt: skip


@pytest.fixture(scope="module")
def catalogue() -> Catalogue:
    return Catalogue.load(strict=True)


def keys(lang: str) -> set[str]:
    return set(re.findall(r"^([a-zA-Z][\w-]*) =", (FOLDER / f"{lang}.ftl").read_text(), re.MULTILINE))


def sources() -> str:
    files = [*CONSOLE.rglob("*.html"), *CONSOLE.rglob("*.py")]
    return "\n".join(file.read_text() for file in files)


def test_all_languages_have_the_same_keys(catalogue: Catalogue) -> None:
    assert catalogue.languages == ("uk", "ru", "en")
    assert keys("uk") == keys("ru") == keys("en")


def test_every_key_that_is_used_exists_and_none_is_unused() -> None:
    text, known = sources(), keys("uk")
    used = set(re.findall(r"\b(?:t|words|prompt|w)\(\s*['\"]([a-z][\w-]*[\w])['\"]", text))
    assert used - known == set()
    quoted = set(re.findall(r"['\"]([a-zA-Z][\w-]*)['\"]", text))
    made = {f"{head}{tail}" for head, tail in _made()}
    unused = {k for k in known - used - quoted - made if not k.startswith(tuple(f"{f}-" for f in FAMILIES))}
    assert unused - {"minutes", "hours-minutes"} == set()  # said by the catalogue itself


def _made() -> list[tuple[str, str]]:
    """Keys that templates put together: a stem and an ending."""
    fields = ("amount", "due_date", "call_back_at")
    identity = ("birth_date", "tax_id_last4", "code_word")
    return [
        *((f"field-{name}", tail) for name in fields for tail in ("", "-hint")),
        *((f"identity-{name}", tail) for name in identity for tail in ("", "-hint")),
        *(
            (f"says-{name}", tail)
            for name in ("whole", "salary", "paid", "dispute", "hardship")
            for tail in ("", "-do")
        ),
        *(("phone-", kind) for kind in ("browser", "desk", "bank")),
        *(("notice-by-", how) for how in ("script", "prompt")),
        *((f"health-{name}", tail) for name in ("database", "redis", "telephony") for tail in ("", "-away")),
    ]


@pytest.mark.parametrize("lang", ["uk", "ru", "en"])
def test_every_code_has_words(catalogue: Catalogue, lang: str) -> None:
    codes = {
        "outcome": [*OUTCOMES, "NO_DISPOSITION"],
        "result": [
            *BY_SIP.values(),
            *BY_CAUSE.values(),
            "ANSWERED_HUMAN",
            "ABANDONED",
            "SILENT",
            "FAILED",
            "UNKNOWN",
            "FAX",
        ],
        "reason": [*REASON_ORDER, "RETRY_WAIT", "EXHAUSTED"],
        "skip": SKIP_REASONS,
        "task": [rule.task for rule in OUTCOMES.values() if rule.task],
        "pause": [*PAUSE_REASONS, "LOGIN", "LINE_LOST", "PHONE_HUNG_UP", "NO_DISPOSITION"],
        "flag": FLAGS,
        "consent-way": consents.WAYS,
        "contact-channel": consents.CHANNELS,
        "purpose": consents.KINDS,
        "owner": OWNER_KINDS,
        "role": ROLES,
        "phone-refused": REFUSALS,
        "sign": SIGNS,
        "span": SPANS,
        "sound": FAULTS,
        "recording": ["EXPECTED", "MISSING", "DELETED"],
        "stage": [str(n) for n in range(10)],
        **{name.replace("_", "-"): values for name, values in CHOICES.items()},
        "slow": BOUNDS,
    }
    missing = [
        f"{family}-{code}"
        for family, some in codes.items()
        for code in some
        if not catalogue.has(lang, f"{family}-{code}")
    ]
    assert missing == []


def test_formats_are_those_of_the_design(catalogue: Catalogue) -> None:
    uk, ru, en = (catalogue.words(lang) for lang in ("uk", "ru", "en"))
    sum_ = Decimal("18462.75")
    assert [w.money(sum_) for w in (uk, ru, en)] == [
        "18\u00a0462,75\u00a0₴",
        "18\u00a0462,75\u00a0₴",
        "UAH\u00a018,462.75",
    ]
    assert [w.money(sum_, "RUB") for w in (uk, ru)] == ["18\u00a0462,75\u00a0RUB", "18\u00a0462,75\u00a0₽"]
    assert uk.money(-sum_).startswith("\u2212")
    assert [w.percent(241, 10000, 2) for w in (uk, en)] == ["2,41\u00a0%", "2.41%"]
    assert [w.date(date(2026, 11, 20)) for w in (uk, ru, en)] == ["20.11.2026", "20.11.2026", "20 Nov 2026"]
    assert [w("days", n=n) for w in (uk, ru) for n in (1, 3, 12)] == [
        "1 день", "3 дні", "12 днів", "1 день", "3 дня", "12 дней",
    ]  # fmt: skip
    assert (uk.duration(278), uk.duration(3900), uk.hours(9720)) == ("04:38", "1:05:00", "2 год 42 хв")
    assert short_name("Робот 01") == "Робот\u00a001"
    assert (phone("+380675550142"), short_name("Коваленко Олена Петрівна")) == (
        "+380\u00a067\u00a0555\u00a001\u00a042", "Коваленко\u00a0О.\u00a0П.",
    )  # fmt: skip


def test_a_further_language_is_a_file(tmp_path: Path) -> None:
    for file in FOLDER.glob("*.ftl"):
        (tmp_path / file.name).write_text(file.read_text())
    (tmp_path / "pl.ftl").write_text("nav-desk = Biurko\n")
    offered = Catalogue.load(tmp_path)
    assert offered.languages == ("uk", "ru", "en", "pl")
    assert (offered.text("pl", "nav-desk"), offered.text("pl", "nav-floor")) == ("Biurko", "Зал")
    (tmp_path / "pl.ftl").write_text("nav-desk = Biurko\n= broken\n")
    with pytest.raises(ValueError, match=r"pl\.ftl, line 2"):
        Catalogue.load(tmp_path)


def test_missing_words_are_loud_in_tests_and_shown_as_the_key_in_use(catalogue: Catalogue) -> None:
    with pytest.raises(KeyError):
        catalogue.text("uk", "no-such-key")
    with pytest.raises(ValueError, match="days"):
        catalogue.text("uk", "days")
    assert Catalogue.load().text("en", "no-such-key") == "no-such-key"


def test_every_icon_that_is_used_is_drawn() -> None:
    text = "\n".join(file.read_text() for file in CONSOLE.rglob("*.html"))
    assert set(re.findall(r"\bic\('([\w-]+)'", text)) - set(ICONS) == set()
