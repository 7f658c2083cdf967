"""Very many asked about at once: who is answered as his like is answered as he would be by himself."""

from datetime import timedelta

from hypothesis import given, settings

from backoffice_core.compliance.many import Reach
from tests.rules.compliance_world import BOOK, Contact, Entry, contact, datetime, decide, local, person, talked
from tests.rules.test_compliance_properties import questions

DAY = timedelta(days=1)


def counts(asked: Contact, at: datetime, entries: list[Entry]) -> bool:
    heard = [one for one in entries if one.state != "FREED"]
    lost = [(at - one.at) / DAY for one in heard if one.abandoned or one.uncertain]
    return Reach(BOOK, asked.profile()).counts([(at - one.at) / DAY for one in heard], min(lost, default=None))


@settings(max_examples=400)
@given(questions())
def test_ledger_that_no_rule_can_count_changes_no_answer(asked: tuple[Contact, datetime, list[Entry]]) -> None:
    what, at, entries = asked
    if not counts(what, at, entries):
        whole, empty = decide(what, at, *entries, guard_minutes=5), decide(what, at, guard_minutes=5)
        assert (whole.allow, whole.reasons, whole.next_allowed_at) == (
            empty.allow,
            empty.reasons,
            empty.next_allowed_at,
        )


def test_contacts_of_long_ago_do_not_make_a_question_of_its_own() -> None:
    at = local("2026-11-18 11:00")
    assert not counts(contact(), at, [talked(at - 5 * DAY), talked(at - 9 * DAY)])
    assert counts(contact(), at, [talked(at - timedelta(hours=3))])
    assert counts(contact(person("RU")), at, [talked(at - 2 * DAY), talked(at - 3 * DAY)])  # two talks a week
