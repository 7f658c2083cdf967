"""What makes a number dead, and where a person's clock stands; how it is read is in phones.py. Pure."""

import re
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date
from functools import lru_cache

from backoffice_core.borrowers.phones import OWNER_KINDS, Phone, read_phone

__all__ = [
    "DEAD_SIGNS_NEEDED", "FLAGS", "OWNER_KINDS", "UNUSABLE", "Phone", "Sign", "phone_state", "read_phone", "time_zone_of",
    "trunk_refuses_everybody",
]  # fmt: skip
FLAGS = (
    "bankrupt", "incapacitated", "inpatient", "minor", "disability_group_1", "protected_military", "close_to_protected",
    "deceased", "vulnerable", "representative_only", "refused_interaction", "breathing_space", "breathing_space_mh",
)  # fmt: skip
UNUSABLE = frozenset({"DEAD", "UNREACHABLE", "WRONG_PARTY"})  # never dialed
DEAD_SIGNS_NEEDED = 2  # on so many different business days (domain.md 4.2 Phone)


@dataclass(frozen=True, slots=True)
class Sign:
    """One observation of a number on one day: dead, alive, right_party, wrong_party; others are not counted."""

    day: date
    sign: str


def phone_state(signs: Iterable[Sign], dead_signs_needed: int = DEAD_SIGNS_NEEDED) -> str:
    """The verdict on all evidence, oldest first (domain.md 4.2 Phone; CC-10).

    One sign of death makes a number SUSPECT, signs on enough different days DEAD; any answer wipes them out, and a
    talk with the right person makes the number VERIFIED for good. WRONG_PARTY is an agent's word and yields only to
    another talk with the right person: whoever lives behind a wrong number, the machine hears him as "alive".
    """
    state, verified = "UNVERIFIED", False
    dead_days: set[date] = set()
    for one in signs:
        if one.sign == "right_party":
            verified, state = True, "VERIFIED"
            dead_days.clear()
        elif one.sign == "wrong_party":
            verified, state = False, "WRONG_PARTY"
        elif state == "WRONG_PARTY":
            continue
        elif one.sign == "alive":
            dead_days.clear()
            state = "VERIFIED" if verified else "UNVERIFIED"
        elif one.sign == "dead":
            dead_days.add(one.day)
            state = "DEAD" if len(dead_days) >= dead_signs_needed else "SUSPECT"
    return state


def trunk_refuses_everybody(dead: int, alive: int) -> bool:
    """Whether recent signs of one trunk speak of the trunk and not of the numbers: nearly all of many are "dead"."""
    return dead >= 30 and dead > 4 * alive


# Regions by the beginning of their names, in the languages that files use. What is not here is unknown, and an unknown
# clock means no call. Ukraine and Kazakhstan (since 2024-03-01) have one zone; Russia has eleven.
_ONE_ZONE = {
    "UA": "Europe/Kyiv", "KZ": "Asia/Almaty", "PL": "Europe/Warsaw", "DE": "Europe/Berlin", "GB": "Europe/London",
    "CZ": "Europe/Prague", "MD": "Europe/Chisinau", "GE": "Asia/Tbilisi", "LT": "Europe/Vilnius", "LV": "Europe/Riga",
    "EE": "Europe/Tallinn", "RO": "Europe/Bucharest", "SK": "Europe/Bratislava", "UZ": "Asia/Tashkent",
}  # fmt: skip
_UNSURE = {"UA": ("крим", "крым", "crimea", "севастопол", "sevastopol")}
_RU_ZONES = {
    "Europe/Kaliningrad": ("калининград",),
    "Europe/Moscow": ("москва", "московск", "санкт-петербург", "ленинградск", "нижегородск", "татарстан", "краснодарск",
                      "ростовск", "воронеж", "белгород", "тульск", "тверск", "рязанск", "калужск", "владимирск",
                      "ярославск", "ставропол", "дагестан", "архангельск", "мурманск", "карел", "вологодск", "псков",
                      "смоленск", "брянск", "курск", "орловск", "липецк", "тамбов", "пензен", "мордов", "чуваш",
                      "марий", "киров", "костромск", "ивановск", "новгородск", "коми"),
    "Europe/Samara": ("самар", "удмурт"),
    "Europe/Saratov": ("саратов",),
    "Europe/Volgograd": ("волгоград",),
    "Europe/Ulyanovsk": ("ульяновск",),
    "Europe/Astrakhan": ("астрахан",),
    "Asia/Yekaterinburg": ("свердловск", "екатеринбург", "челябинск", "пермск", "башкортостан", "тюмен", "курганск",
                           "оренбург", "ханты", "ямал"),
    "Asia/Omsk": ("омск",),
    "Asia/Novosibirsk": ("новосибирск",),
    "Asia/Barnaul": ("алтай",),
    "Asia/Tomsk": ("томск",),
    "Asia/Novokuznetsk": ("кемеров", "кузбасс"),
    "Asia/Krasnoyarsk": ("красноярск", "хакас", "тыва"),
    "Asia/Irkutsk": ("иркутск", "бурят"),
    "Asia/Chita": ("забайкал",),
    "Asia/Vladivostok": ("приморск", "хабаровск", "еврейск"),
    "Asia/Sakhalin": ("сахалин",),
    "Asia/Magadan": ("магадан",),
    "Asia/Kamchatka": ("камчат",),
}  # fmt: skip


@lru_cache(maxsize=4096)
def time_zone_of(jurisdiction: str, region: str, place: str) -> str:
    """IANA zone of a place of residence, or "" where the table cannot be sure."""
    said = [
        re.sub(r"^(м|г|місто|город|обл|республика|республіка)[. ]+", "", part.strip().lower())
        for part in (region, place)
    ]
    if any(word.startswith(_UNSURE.get(jurisdiction, ())) for part in said for word in part.split()):
        return ""
    if jurisdiction == "RU":
        for part in said:
            for zone, stems in _RU_ZONES.items():
                if part and part.startswith(stems):
                    return zone
        return ""
    return _ONE_ZONE.get(jurisdiction, "")
