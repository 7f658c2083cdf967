"""Numbers as banks write them (FL-05), the verdict on a number (CC-10), and the clock of a place."""

import pytest

from backoffice_core.borrowers.rules import read_phone, time_zone_of

MESSY = [
    ("0671234567", "+380671234567", "self"),
    ("+38 (067) 123-45-67", "+380671234567", "self"),
    ("380671234567", "+380671234567", "self"),
    ("80671234567", "+380671234567", "self"),
    ("8 (067) 123 45 67", "+380671234567", "self"),
    ("671234567", "+380671234567", "self"),
    ("067.123.45.67 мама", "+380671234567", "relative"),
    ("067-123-45-67 (робочий)", "+380671234567", "work"),
    ("0671234567 сусідка", "+380671234567", "third_party"),
    ("0671234567 Марія Іванівна", "+380671234567", "unknown"),
    ("моб. 0671234567", "+380671234567", "self"),
    ("+380671234567:work", "+380671234567", "work"),
    ("(044) 490-12-34 доб. 115", "+380444901234", "self"),
    ("+7 701 234 56 78", "+77012345678", "self"),
]


@pytest.mark.parametrize(("cell", "value", "owner"), MESSY)
def test_fl05_messy_cell_becomes_e164_with_an_owner_and_keeps_the_original(cell: str, value: str, owner: str) -> None:
    phone = read_phone(cell, "UA")
    assert (phone.value, phone.owner_kind, phone.original) == (value, owner, cell)


def test_fl05_extension_and_type_are_read() -> None:
    assert read_phone("(044) 490-12-34 доб. 115", "UA").extension == "115"
    assert read_phone("(044) 490-12-34", "UA").number_type == "fixed"
    assert read_phone("067 123 45 67", "UA").number_type == "mobile"


@pytest.mark.parametrize(
    "cell", ["", "немає", "123", "+380001234567", "06712345678901", "067123456", "0671234567:boss"]
)
def test_fl05_impossible_number_is_refused_with_a_reason(cell: str) -> None:
    with pytest.raises(ValueError, match=r"\w"):
        read_phone(cell, "UA")


@pytest.mark.parametrize(
    ("jurisdiction", "region", "place", "zone"),
    [
        ("UA", "Львівська", "Львів", "Europe/Kyiv"),
        ("UA", "", "", "Europe/Kyiv"),
        ("UA", "АР Крим", "Ялта", ""),
        ("UA", "", "м. Севастополь", ""),
        ("KZ", "", "Алматы", "Asia/Almaty"),
        ("RU", "Свердловская обл.", "Екатеринбург", "Asia/Yekaterinburg"),
        ("RU", "", "г. Калининград", "Europe/Kaliningrad"),
        ("RU", "где-то", "там", ""),
        ("XX", "", "", ""),
    ],
)
def test_the_clock_of_a_place_is_known_or_unknown_never_guessed(
    jurisdiction: str, region: str, place: str, zone: str
) -> None:
    assert time_zone_of(jurisdiction, region, place) == zone
