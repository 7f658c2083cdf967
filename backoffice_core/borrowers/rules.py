"""Statuses of people, and where a person's clock stands. Pure. Numbers: phones.py reads them, verdicts.py judges them."""

import re
from functools import lru_cache

from backoffice_core.borrowers.phones import OWNER_KINDS, Phone, read_phone
from backoffice_core.borrowers.verdicts import UNUSABLE

__all__ = ["FLAGS", "OWNER_KINDS", "UNUSABLE", "Phone", "read_phone", "time_zone_of"]
FLAGS = (
    "bankrupt", "incapacitated", "inpatient", "minor", "disability_group_1", "protected_military", "close_to_protected",
    "deceased", "vulnerable", "representative_only", "refused_interaction", "breathing_space", "breathing_space_mh",
)  # fmt: skip


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
