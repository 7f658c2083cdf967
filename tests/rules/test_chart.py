"""Bars and intervals as SVG: parts as long as their numbers, words escaped, in the order in which they came."""

from xml.etree import ElementTree

import pytest

from backoffice_core import chart

SVG = "{http://www.w3.org/2000/svg}"


def test_bars_are_as_long_as_their_numbers() -> None:
    drawn = chart.bars("t", [("<b>&", [30, 10]), ("two", [0, 20])], ["a", "b"], lambda n: f"{n:g} ₴", tones=(2, 1))
    tree = ElementTree.fromstring(drawn)  # noqa: S314 (our own)
    bars = [(r.get("class"), float(r.get("width") or 0)) for r in tree.iter(f"{SVG}rect") if r.get("height") == "16"]
    room = chart.WIDE - chart.WORDS - chart.NUMBER
    assert bars == [("f2", room * 0.75), ("f1", room * 0.25), ("f1", room * 0.5)]
    assert [t.text for t in tree.iter(f"{SVG}text")] == ["a", "b", "<b>&", "40 ₴", "two", "20 ₴"]
    shares = ElementTree.fromstring(chart.bars("t", [("x", [1, 1]), ("y", [5, 15])], ["a", "b"], str, of_whole=True))  # noqa: S314
    assert [float(r.get("width") or 0) for r in shares.iter(f"{SVG}rect") if r.get("height") == "16"] == [
        room / 2, room / 2, room / 4, room * 3 / 4,
    ]  # fmt: skip
    with pytest.raises(ValueError, match="nothing"):
        chart.bars("t", [], ["a"], str)


def test_intervals_stand_about_nought() -> None:
    drawn = chart.intervals("t", [chart.Span("a", -1.0, 0.0, 1.0, "0"), chart.Span("b", 0.5, 1.0, 2.0, "+1")])
    tree = ElementTree.fromstring(drawn)  # noqa: S314 (our own)
    nought, one, two = (line.attrib for line in tree.iter(f"{SVG}line"))
    middle = float(nought["x1"])
    assert float(one["x1"]) - middle == pytest.approx(middle - float(one["x2"]))
    assert float(two["x2"]) - middle == pytest.approx(4 * (float(two["x1"]) - middle))
    with pytest.raises(ValueError, match="nothing"):
        chart.intervals("t", [])
