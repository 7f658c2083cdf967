"""FL-18: announcements are recognised whatever the line does to them, and no good number is condemned by one.

The set of 500 numbers is `python -m tests.bench.announcements`; here is a part of it that takes seconds.
"""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from far_end.announcements import ANNOUNCEMENTS, on_one_call, ringing, sound
from far_end.media import RATE
from recordings.fingerprint import Print, compare, fingerprint
from recordings.recognise import CONDEMNING, MEANINGS, UNKNOWN, Known, recognise, same
from tests import sounds
from tests.sounds import CODECS, library, through, tune, varied, voice

NAMED = [name for name, one in ANNOUNCEMENTS.items() if one.meaning]


@pytest.fixture(scope="module")
def known() -> list[Known]:
    return library()


def heard(name: str, codec: str = "alaw", **way: object) -> Print:
    return fingerprint(through(codec, on_one_call(sound(name), seed=7, **way)))  # type: ignore[arg-type]


def test_the_shipped_announcements_are_a_dozen_in_two_languages_with_every_meaning() -> None:
    assert {one.meaning for one in ANNOUNCEMENTS.values()} == {*MEANINGS, ""}
    for language in ("uk", "ru"):
        spoken = [one for one in ANNOUNCEMENTS.values() if one.language == language]
        assert len(spoken) >= 6
        assert len({(one.voice, one.speed) for one in spoken}) >= 4, "voices and speeds differ"


def test_of_a_varied_set_at_least_95_percent_are_recognised(known: list[Known]) -> None:
    calls = list(varied(96, seed=11))
    verdicts = [(call, recognise(call.print, known)) for call in calls]
    wrong = [(call.name, verdict.meaning, call.way) for call, verdict in verdicts if verdict.meaning != call.meaning]
    assert len(wrong) <= 0.05 * len(calls), wrong
    condemned = [call.name for call, v in verdicts if v.meaning == CONDEMNING and call.meaning != CONDEMNING]
    assert condemned == [], "a harmless announcement was taken for a dead number"


def test_live_numbers_are_not_condemned(known: list[Known]) -> None:
    """Persons, tunes, ringing, voicemail, silence and noise: whatever it is taken for, it is not `not in service`."""
    dice = np.random.default_rng(3)
    live = [voice(name, seed) for name in ("borrower-uk", "borrower-ru", "agent-uk") for seed in range(6)]
    live += [tune(seed) for seed in range(20)]
    live += [sound(f"{language}-voicemail-1")[start:] for language in ("uk", "ru") for start in (0, 4000, 9000)]
    live += [ringing(12), np.zeros(RATE * 5), dice.normal(0, 0.03, RATE * 5), dice.normal(0, 0.0003, RATE * 5)]
    told = [recognise(fingerprint(through(CODECS[n % 4], one)), known).meaning for n, one in enumerate(live)]
    assert CONDEMNING not in told


@pytest.mark.parametrize("way", [{}, {"snr_db": 10}, {"cut": 1.0, "snr_db": 10}, {"ring": 6.0, "snr_db": 20}])
def test_announcements_that_begin_alike_are_told_apart_by_their_end(known: list[Known], way: dict[str, float]) -> None:
    """The same voice says “Номер, на який ви телефонуєте, …” of a dead number and of one that is switched off."""
    for language in ("uk", "ru"):
        dead, off = f"{language}-not-in-service-2", f"{language}-switched-off-2"
        assert recognise(heard(dead, **way), known).meaning == "not_in_service"
        assert recognise(heard(off, **way), known).meaning == "switched_off"
        without = [one for one in known if one.meaning != "switched_off"]
        assert recognise(heard(off, **way), without).meaning != CONDEMNING, "the library does not have it yet"


@pytest.mark.parametrize("name", [name for name in NAMED if "not-in-service" in name])
def test_the_beginning_alone_condemns_nobody(known: list[Known], name: str) -> None:
    whole = sound(name)
    for share in (0.3, 0.5, 0.65, 0.8):
        cut = fingerprint(through("alaw", whole[: int(len(whole) * share)]))
        verdict = recognise(cut, known)
        assert verdict.meaning != CONDEMNING, share
        assert verdict.key is None or verdict.meaning != UNKNOWN


def test_an_unknown_announcement_is_unknown_and_is_recognised_once_it_is_in_the_library(known: list[Known]) -> None:
    first, again = heard("uk-overload-1", "gsm", snr_db=20), heard("uk-overload-1", "ulaw", snr_db=10, cut=0.5)
    assert recognise(first, known).meaning == UNKNOWN
    unnamed = Known(99, "", first.trimmed())
    verdict = recognise(again, [*known, unnamed])
    assert (verdict.meaning, verdict.key) == (UNKNOWN, 99), "it joins its cluster"
    named = Known(99, "switched_off", Print.from_bytes(first.trimmed().to_bytes()))
    verdict = recognise(again, [*known, named])
    assert (verdict.meaning, verdict.key) == ("switched_off", 99)
    assert verdict.distance is not None
    assert verdict.distance < 0.35


def test_one_announcement_makes_one_cluster_whatever_the_line_does() -> None:
    """Two calls that heard the same belong together, two that heard different ones do not."""
    names = ("uk-overload-1", "uk-switched-off-1", "ru-no-funds-1", "melody-1")
    one = {name: heard(name, "gsm", snr_db=20).trimmed() for name in names}
    other = {name: heard(name, "ulaw", cut=0.5, level_db=-10, ring=1.5).trimmed() for name in names}
    assert {(a, b) for a in names for b in names if same(one[a], other[b])} == {(name, name) for name in names}


def test_ringing_is_ringback_and_silence_is_nothing(known: list[Known]) -> None:
    assert recognise(fingerprint(ringing(8)), known).meaning == "ringback"
    assert recognise(fingerprint(on_one_call(ringing(8), seed=1, snr_db=10)), known).meaning == "ringback"
    noise = np.random.default_rng(1).normal(0, 0.02, RATE * 6)
    for nothing in (np.zeros(RATE * 5), np.zeros(0), np.ones(100), noise):
        assert recognise(fingerprint(nothing), known).meaning == ""


def test_of_two_alike_entries_the_called_network_s_own_is_taken(known: list[Known]) -> None:
    print_ = heard("uk-switched-off-1").trimmed()
    twins = [Known(1, "switched_off", print_, carrier="Kyivstar"), Known(2, "forbidden", print_, carrier="Vodafone")]
    assert recognise(heard("uk-switched-off-1", "gsm"), twins, "Vodafone").key == 2
    assert recognise(heard("uk-switched-off-1", "gsm"), twins, "Kyivstar").key == 1


def test_a_harmless_meaning_that_fits_as_well_wins() -> None:
    print_ = heard("uk-not-in-service-1").trimmed()
    both = [Known(1, "not_in_service", print_), Known(2, "voicemail", print_)]
    assert recognise(heard("uk-not-in-service-1", "gsm"), both).meaning == "voicemail"


def test_a_fingerprint_is_kept_as_bytes() -> None:
    print_ = heard("ru-forbidden-1").trimmed()
    data = print_.to_bytes()
    again = Print.from_bytes(data)
    assert np.array_equal(again.rows, print_.rows)
    assert np.array_equal(again.active, print_.active)
    assert len(data) < 6000, "an announcement of three seconds stays small"
    for broken in (b"", data[:-1], b"\x07" + data[1:], data + b"x"):
        with pytest.raises(ValueError, match="fingerprint"):
            Print.from_bytes(broken)


@settings(max_examples=20, deadline=None)
@given(level_db=st.floats(-30, 4), before=st.floats(0, 3), codec=st.sampled_from(CODECS), name=st.sampled_from(NAMED))
def test_level_place_and_codec_change_no_verdict(level_db: float, before: float, codec: str, name: str) -> None:
    """Property: without noise, an announcement is recognised at every level and from every place in the file."""
    print_ = fingerprint(through(codec, on_one_call(sound(name), seed=1, level_db=level_db, before=before)))
    match = compare(sounds_known(name), print_)
    assert match is not None
    assert match.end > 0.65
    first = int(np.flatnonzero(fingerprint(sound(name)).active)[0])  # the library keeps no tones before the words
    assert abs(match.shift - before * 50 - first) < 3, "and its place is found"


def sounds_known(name: str) -> Print:
    if name not in _KNOWN:
        _KNOWN[name] = fingerprint(sounds.through("alaw", sound(name))).trimmed()
    return _KNOWN[name]


_KNOWN: dict[str, Print] = {}
