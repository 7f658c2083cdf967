"""A portfolio of invented people for the far end: `python -m far_end.portfolio --loans 1000 --seed 7 --out FILE`.

Nobody in it lives, and its numbers may belong to anybody: the product marks what it imports with `--demo`, and refuses
to dial it on a trunk that leads off this machine. The last three digits of each number choose what the far end does
(README.md); `MIX` says how often. Equal arguments give an equal file.

Shares of days past due, log-normal balances and 1.2–2.0 loans a person follow domain figures of unsecured retail loans;
the default leaves most of the healthy loans out, because they are never dialed.
"""

# ruff: noqa: SIM905 (long lists of names read better as words)
import argparse
import csv
import itertools
import math
import os
import random
import re
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal
from pathlib import Path
from zoneinfo import ZoneInfo

COLUMNS = (
    "person_ref", "last_name", "first_name", "middle_name", "birth_date", "tax_id", "code_word", "language", "jurisdiction",
    "region", "place", "phones", "contract_no", "product", "branch", "currency", "opened", "balance", "overdue_principal",
    "overdue_interest", "overdue_penalty", "days_past_due", "next_due", "next_amount", "as_at", "flags",
)  # fmt: skip

# Family names: for a man and for a woman. Given names: with the patronymic that sons and daughters of it bear.
LAST = [
    *((n, n) for n in "Шевченко Бондаренко Ткаченко Кравченко Олійник Коваль Поліщук Савченко Марченко Лисенко Руденко Мороз "
      "Петренко Клименко Павленко Кравчук Кузьменко Пономаренко Василенко Левченко Харченко Сидоренко Гончар Мельник Романюк "
      "Ткачук Литвин Бойко Гаврилюк Мартинюк Гнатюк Яценко Дяченко Тимошенко Дорошенко Чорновол Білоус Гуменюк".split()),
    ("Ковальський", "Ковальська"), ("Левицький", "Левицька"), ("Вишневський", "Вишневська"), ("Яворський", "Яворська"),
    ("Соколовський", "Соколовська"), ("Мазур", "Мазур"), ("Іваньків", "Іваньків"), ("Чорний", "Чорна"), ("Білий", "Біла"),
]  # fmt: skip
MEN = [tuple(n.split("/")) for n in (
    "Олександр/Олександрович/Олександрівна Сергій/Сергійович/Сергіївна Андрій/Андрійович/Андріївна "
    "Володимир/Володимирович/Володимирівна Микола/Миколайович/Миколаївна Іван/Іванович/Іванівна Юрій/Юрійович/Юріївна "
    "Віктор/Вікторович/Вікторівна Василь/Васильович/Василівна Дмитро/Дмитрович/Дмитрівна Олег/Олегович/Олегівна "
    "Ігор/Ігорович/Ігорівна Петро/Петрович/Петрівна Михайло/Михайлович/Михайлівна Роман/Романович/Романівна "
    "Тарас/Тарасович/Тарасівна Богдан/Богданович/Богданівна Євген/Євгенович/Євгенівна Максим/Максимович/Максимівна "
    "Павло/Павлович/Павлівна Анатолій/Анатолійович/Анатоліївна Степан/Степанович/Степанівна"
).split()]  # fmt: skip
WOMEN = (
    "Олена Наталія Ірина Тетяна Оксана Світлана Людмила Юлія Марія Галина Ганна Анна Вікторія Катерина Надія Валентина Лариса "
    "Любов Ольга Інна Алла Софія Христина Дарина Богдана Леся Соломія Мирослава"
).split()  # fmt: skip
PLACES = {  # country: region, place, weight
    "UA": [
        ("м. Київ", "Київ", 18), ("Київська", "Бровари", 4), ("Київська", "Біла Церква", 3), ("Харківська", "Харків", 9),
        ("Дніпропетровська", "Дніпро", 9), ("Дніпропетровська", "Кривий Ріг", 5), ("Одеська", "Одеса", 9),
        ("Львівська", "Львів", 9), ("Львівська", "Дрогобич", 2), ("Запорізька", "Запоріжжя", 5), ("Вінницька", "Вінниця", 4),
        ("Полтавська", "Полтава", 3), ("Полтавська", "Кременчук", 2), ("Чернігівська", "Чернігів", 2),
        ("Черкаська", "Черкаси", 3), ("Хмельницька", "Хмельницький", 3), ("Житомирська", "Житомир", 3),
        ("Сумська", "Суми", 2), ("Рівненська", "Рівне", 2), ("Івано-Франківська", "Івано-Франківськ", 3),
        ("Тернопільська", "Тернопіль", 2), ("Волинська", "Луцьк", 2), ("Закарпатська", "Ужгород", 2),
        ("Чернівецька", "Чернівці", 2), ("Кіровоградська", "Кропивницький", 2), ("Миколаївська", "Миколаїв", 3),
    ],
    "KZ": [("", "Алматы", 5), ("", "Астана", 4), ("Карагандинская", "Караганда", 2), ("", "Шымкент", 2)],
}  # fmt: skip
RUSSIAN_SPEAKERS = {
    "Харківська": 0.45,
    "Одеська": 0.45,
    "Запорізька": 0.4,
    "Дніпропетровська": 0.35,
    "Миколаївська": 0.35,
}
MOBILE = {  # what follows the country code, and how many digits come after it
    "UA": ("+380", ["50", "66", "95", "99", "67", "68", "96", "97", "98", "63", "73", "93"], 7),
    "KZ": ("+7", ["701", "702", "705", "707", "747", "771", "775", "776", "777", "778"], 7),
}
CURRENCY = {"UA": "UAH", "KZ": "KZT"}
SCALE = {"UAH": 1.0, "KZT": 11.5}  # of balances
WORDS = "калина барвінок дзвін верба сонце мальва ластівка криниця тополя жито роса хмара смерека яблуко перо".split()
PRODUCTS = (("CASH", 0.5, 38_000), ("CARD", 0.35, 17_000), ("GOODS", 0.15, 11_000))  # share, median balance in UAH

# What the far end does with a number, in shares of numbers, and the endings that make it do so.
REFUSALS = frozenset({403, 404, 408, 410, 480, 484, 486, 503, 600, 603})
MIX: tuple[tuple[float, range], ...] = (
    (0.45, range(400)),  # a person answers and talks
    (0.26, range(700, 989)),  # rings out
    (0.09, range(400, 500)),  # busy
    (0.05, range(500, 550)),  # answers and hangs up at once
    (0.05, range(550, 600)),  # 480
    (0.05, range(630, 700)),  # 404, 410, 484
    (0.02, range(604, 630)),  # 603
    (0.02, range(990, 1000)),  # an announcement
    (0.01, range(503, 504)),  # 503
)
# Days past due of loans: share, first, last. The first row is scaled by `--healthy`.
BUCKETS = ((5.5, 1, 30), (1.8, 31, 60), (1.0, 61, 90), (1.5, 91, 180), (2.2, 181, 720))


@dataclass(frozen=True, kw_only=True)
class Wish:
    """`healthy`: share of loans that are not late; `flagged`, `without_phone`, `second_phone`, `shared`: shares of
    persons. `answering`: share of numbers that a person answers, None = as in MIX. `as_at`: when balances are true."""

    loans: int
    seed: int = 1
    as_at: datetime
    jurisdictions: tuple[str, ...] = ("UA",)
    healthy: float = 0.06
    answering: float | None = None
    flagged: float = 0.015
    without_phone: float = 0.01
    second_phone: float = 0.22
    shared: float = 0.01


def rows(wish: Wish) -> Iterator[dict[str, str]]:
    """One dict per loan, in the columns of the portfolio file."""
    dice = random.Random(wish.seed)
    phones = _Phones(dice, wish.answering)
    left = wish.loans
    for n in itertools.count(1):
        if left <= 0:
            return
        person = _person(dice, n, wish, phones)
        for k in range(min(left, dice.choices((1, 2, 3), (70, 22, 8))[0])):
            yield person | _loan(dice, n, k, person["jurisdiction"], wish)
            left -= 1


def _person(dice: random.Random, n: int, wish: Wish, phones: "_Phones") -> dict[str, str]:
    country = wish.jurisdictions[0] if dice.random() < 0.85 else dice.choice(wish.jurisdictions)
    woman = dice.random() < 0.48
    given, _, _ = dice.choice(MEN)
    father = dice.choice(MEN)
    region, place, _ = dice.choices(PLACES[country], [weight for *_, weight in PLACES[country]])[0]
    russian = dice.random() < (RUSSIAN_SPEAKERS.get(region, 0.12) if country == "UA" else 1.0)
    today = wish.as_at.date()
    born = today - timedelta(days=int(365.25 * dice.triangular(21, 75, 38)))
    days = (born - datetime(1899, 12, 31).date()).days  # noqa: DTZ001 (a date)
    return {
        "person_ref": f"D{wish.seed:04d}-{n:07d}",
        "last_name": dice.choice(LAST)[woman],
        "first_name": dice.choice(WOMEN) if woman else given,
        "middle_name": father[2] if woman else father[1],
        "birth_date": born.isoformat(),
        "tax_id": f"{days:05d}{dice.randrange(10_000):04d}{dice.randrange(10)}",  # ten digits; the check digit is not kept
        "code_word": dice.choice(WORDS),
        "language": "ru" if russian else "uk",
        "jurisdiction": country,
        "region": region,
        "place": place,
        "phones": phones.of_person(country, russian=russian, wish=wish),
        "flags": _flag(dice, wish),
    }


def _flag(dice: random.Random, wish: Wish) -> str:
    if dice.random() >= wish.flagged:
        return ""
    today = wish.as_at.date()
    since = today - timedelta(days=dice.randrange(1, 60))
    if dice.random() < 0.6:
        return f"protected_military:{since}::довідка військової частини"
    return f"inpatient:{since}:{today + timedelta(days=dice.randrange(5, 40))}:довідка лікарні"


class _Phones:
    """Numbers that can exist, none twice but those that are shared on purpose."""

    def __init__(self, dice: random.Random, answering: float | None) -> None:
        self.dice = dice
        self.given: set[str] = set()
        self.recent: dict[str, str] = {}
        shares = [share for share, _ in MIX]
        if answering is not None:
            rest = sum(shares[1:]) or 1.0
            shares = [answering, *(share / rest * (1 - answering) for share in shares[1:])]
        self.shares = shares

    def of_person(self, country: str, *, russian: bool, wish: Wish) -> str:
        chance = self.dice.random()
        if chance < wish.without_phone:
            return ""
        if chance < wish.without_phone + wish.shared and country in self.recent:
            return f"{self.recent[country]}:self"  # a couple with one telephone
        first = self._number(country, russian=russian)
        self.recent[country] = first
        if self.dice.random() < wish.second_phone:
            owner = self.dice.choice(("self", "work", "relative"))
            return f"{first}:self|{self._number(country, russian=russian)}:{owner}"
        return f"{first}:self"

    def _number(self, country: str, *, russian: bool) -> str:
        code, operators, digits = MOBILE[country]
        while True:
            place = self.dice.choices(range(len(MIX)), self.shares)[0]
            endings = [e for e in MIX[place][1] if e not in REFUSALS or len(MIX[place][1]) == 1]
            ending = self.dice.choice(endings)
            if place == 0:
                ending += (ending % 2 != russian) * (1 if ending % 2 == 0 else -1)  # odd endings speak Russian
                if ending in REFUSALS:
                    continue
            head = self.dice.randrange(
                2 * 10 ** (digits - 4), 10 ** (digits - 3)
            )  # not 0… or 1…: not all are given out
            number = f"{code}{self.dice.choice(operators)}{head}{ending:03d}"
            if number not in self.given:
                self.given.add(number)
                return number


def _loan(dice: random.Random, person: int, k: int, country: str, wish: Wish) -> dict[str, str]:
    product, _, median = dice.choices(PRODUCTS, [share for _, share, _ in PRODUCTS])[0]
    currency = CURRENCY[country]
    balance = _cents(median * SCALE[currency] * math.exp(dice.gauss(0, 0.8)))
    dpd = 0
    if dice.random() >= wish.healthy:
        _, first, last = dice.choices(BUCKETS, [share for share, _, _ in BUCKETS])[0]
        dpd = dice.randint(first, last)
    payment = _cents(float(balance) / dice.randint(8, 30))
    late = min(balance, payment * -(-dpd // 30))
    interest = _cents(float(late) * dice.uniform(0.15, 0.35)) if dpd else Decimal("0.00")
    today = wish.as_at.date()
    due = today + timedelta(days=dice.randint(1, 30))
    return {
        "contract_no": f"{country}{wish.seed:04d}/{person:07d}-{k + 1}",
        "product": product,
        "branch": f"{dice.randrange(1, 90):03d}",
        "currency": currency,
        "opened": (today - timedelta(days=dpd + dice.randint(60, 900))).isoformat(),
        "balance": str(balance),
        "overdue_principal": str(late - interest),
        "overdue_interest": str(interest),
        "overdue_penalty": "0.00",  # none under martial law
        "days_past_due": str(dpd),
        "next_due": due.isoformat(),
        "next_amount": str(payment),
        "as_at": wish.as_at.isoformat(),
    }


def _cents(value: float) -> Decimal:
    return Decimal(max(1, round(value * 100))) / 100


def write(wish: Wish, file: Path) -> int:
    """Writes the file and returns the number of loans in it."""
    file.parent.mkdir(parents=True, exist_ok=True)
    part = file.with_name(file.name + ".part")
    with part.open("w", encoding="utf-8", newline="") as out:
        writer = csv.DictWriter(out, COLUMNS, delimiter=";", lineterminator="\n")
        writer.writeheader()
        count = 0
        for row in rows(wish):
            writer.writerow(row)
            count += 1
    part.replace(file)
    return count


def _morning() -> datetime:
    """Six in the morning of the business day (BACKOFFICE_NOW, else the wall's) in Kyiv: when the core closed its books."""
    kyiv = ZoneInfo("Europe/Kyiv")
    told = os.environ.get("BACKOFFICE_NOW", "")
    now = datetime.fromisoformat(told).astimezone(kyiv) if told else datetime.now(kyiv)
    return min(now, now.replace(hour=6, minute=0)).replace(second=0, microsecond=0)


def _moment(cell: str) -> datetime:
    moment = datetime.fromisoformat(cell)
    if moment.tzinfo is None:
        raise ValueError
    return moment


def _countries(cell: str) -> tuple[str, ...]:
    found = tuple(re.findall("[A-Z]+", cell.upper()))
    if not found or set(found) - set(PLACES):
        raise ValueError
    return found


def main() -> None:
    parser = argparse.ArgumentParser(
        prog="python -m far_end.portfolio", description="Writes a portfolio of invented people."
    )
    parser.add_argument("--loans", type=int, required=True, metavar="N")
    parser.add_argument("--seed", type=int, default=1, metavar="S", help="another number, other people (1–9999)")
    parser.add_argument("--out", type=Path, required=True, metavar="FILE")
    parser.add_argument(
        "--as-at", type=_moment, default=None, help="ISO time with zone; default: 6:00 of the business day"
    )
    parser.add_argument("--jurisdictions", type=_countries, default=("UA",), help="UA (default), or as UA,KZ")
    parser.add_argument("--healthy", type=float, default=0.06, help="share of loans that are not late")
    parser.add_argument("--answering", type=float, default=None, help="share of numbers that a person answers (0.45)")
    said = parser.parse_args()
    wish = Wish(
        loans=said.loans, seed=said.seed, as_at=said.as_at or _morning(), jurisdictions=said.jurisdictions,
        healthy=said.healthy, answering=said.answering,
    )  # fmt: skip
    count = write(wish, said.out)
    sys.stdout.write(f"{count} loans of invented people in {said.out}\n")


if __name__ == "__main__":
    main()
