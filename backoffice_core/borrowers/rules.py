"""What a phone number is, whose it may be, what makes it dead, and where a person's clock stands. Pure."""

import re
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date
from functools import lru_cache

import phonenumbers
from phonenumbers import NumberParseException, PhoneNumberFormat, PhoneNumberType

OWNER_KINDS = ("self", "work", "relative", "third_party", "unknown")
FLAGS = (
    "bankrupt", "incapacitated", "inpatient", "minor", "disability_group_1", "protected_military", "close_to_protected",
    "deceased", "vulnerable", "representative_only", "refused_interaction", "breathing_space", "breathing_space_mh",
)  # fmt: skip
UNUSABLE = frozenset({"DEAD", "UNREACHABLE", "WRONG_PARTY"})  # never dialed
DEAD_SIGNS_NEEDED = 2  # on so many different business days (domain.md 4.2 Phone)

_OWNER_WORDS = {
    "work": ("робо", "рабоч", "работа", "служб", "work", "office"),
    "relative": ("мама", "мати", "мать", "тато", "батьк", "отец", "папа", "дружин", "жена", "чоловік", "муж", "брат",
                 "сестр", "син", "сын", "дочк", "донька", "родич", "relative", "wife", "husband", "mother", "father"),
    "third_party": ("сусід", "сосед", "знайом", "знаком", "друг", "подруг", "колега", "коллега", "friend", "neighbour"),
    "self": ("моб", "дом", "особист", "личн", "mobile", "home", "self"),
}  # fmt: skip
_EXTENSION = re.compile(r"(?:,|;|#|x|ext\.?|доб\.?|вн\.?)\s*(\d{1,6})\s*$", re.IGNORECASE)
_LETTERS = re.compile(r"[^\W\d_]+(?:['’.-][^\W\d_]+)*", re.UNICODE)


@dataclass(frozen=True, slots=True)
class Phone:
    """A number that can exist: E.164 with its plus, as the file wrote it, and what it seems to be."""

    value: str
    original: str
    owner_kind: str
    number_type: str
    extension: str = ""


def read_phone(cell: str, region: str) -> Phone:
    """One phone as banks write it: `067 123-45-67`, `8 (067) …`, `0671234567 мама`, `+380…:work`, `044 … доб. 12`.

    `region` is the country whose habits a number without a country code follows. Words beside the number become a
    guess of its owner; without a word it is the borrower's own.
    Raises ValueError with the reason in words when no such number can exist.
    """
    original = cell.strip()
    text, _, owner = original.partition(":")
    owner = owner.strip().lower()
    if owner and owner not in OWNER_KINDS:
        raise ValueError(f"unknown owner «{owner}», expected one of {', '.join(OWNER_KINDS)}")
    extension = ""
    if found := _EXTENSION.search(text):
        extension, text = found[1], text[: found.start()]
    words = " ".join(_LETTERS.findall(text)).lower()
    if words:
        owner = owner or _owner_of(words)
        text = _LETTERS.sub(" ", text)
    value, number_type = _e164(text.strip(" .,-()"), region)
    return Phone(value, original, owner or "self", number_type, extension)


def _owner_of(words: str) -> str:
    for kind, stems in _OWNER_WORDS.items():
        if any(word.startswith(stem) for word in words.split() for stem in stems):
            return kind
    return "unknown"


def _e164(text: str, region: str) -> tuple[str, str]:
    digits = re.sub(r"\D", "", text)
    if len(digits) < 5:
        raise ValueError("not a phone number")
    tries = [text]
    if region == "UA" and len(digits) == 11 and digits.startswith("80"):
        tries = [digits[1:], text]  # 8-0-67: the trunk prefix of Soviet days
    elif region == "UA" and len(digits) == 9 and not text.startswith("+"):
        tries = ["0" + digits, text]
    for one in tries:
        try:
            number = phonenumbers.parse(one, region)
        except NumberParseException:
            continue
        kind = phonenumbers.number_type(number)  # UNKNOWN exactly when the number is not valid
        if kind != PhoneNumberType.UNKNOWN:
            return phonenumbers.format_number(number, PhoneNumberFormat.E164), _TYPES.get(kind, "unknown")
    raise ValueError(f"no such number can exist in {region}" if region else "no such number can exist")


_TYPES = {
    PhoneNumberType.MOBILE: "mobile",
    PhoneNumberType.FIXED_LINE: "fixed",
    PhoneNumberType.FIXED_LINE_OR_MOBILE: "unknown",
}


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
