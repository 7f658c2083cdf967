"""Charts as SVG for pages and files, in the colours of the light or the dark theme (pure)."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from html import escape
from typing import Any

W, H, LEFT, RIGHT, TOP, BOTTOM = 720, 300, 48, 16, 34, 34
# a file has no page around it: its own colours, for both themes
_LIGHT = ("#0b57d0", "#b3261e", "#146c2e", "#7a4f01", "#6b3fa0", "#00696d")
_DARK = ("#8ab4f8", "#f2b8b5", "#81c995", "#fdd663", "#d0bcff", "#80d5d9")


def _colours(some: Sequence[str]) -> str:
    return "".join(f".s{n}{{stroke:{c}}}.t{n},.f{n}{{fill:{c}}}" for n, c in enumerate(some))


_OWN = (
    "<style>svg{background:#fff}text{font:400 12px system-ui,sans-serif;fill:#444}.grid{stroke:#ddd}"
    f".line{{fill:none;stroke-width:2}}{_colours(_LIGHT)}@media(prefers-color-scheme:dark){{svg{{background:#14181f}}"
    f"text{{fill:#c4c7cc}}.grid{{stroke:#333}}{_colours(_DARK)}}}</style>"
)
SERIES = 6  # colours there are


def lines(title: str, series: Mapping[str, Sequence[float]], *, unit: str = "", own_colours: bool = True) -> str:
    """One line a series over hours 1 …; at most SERIES of them. `own_colours`: False inside a page with classes of its own.

    Raises ValueError when there is nothing to draw.
    """
    shown = dict(list(series.items())[:SERIES])
    points = max((len(values) for values in shown.values()), default=0)
    if points == 0:
        raise ValueError("nothing to draw")
    top = max(max(values, default=0.0) for values in shown.values()) * 1.1 or 1.0
    step = (W - LEFT - RIGHT) / max(points - 1, 1)

    def x(n: int) -> float:
        return LEFT + step * n if points > 1 else W / 2

    def y(value: float) -> float:
        return H - BOTTOM - (H - TOP - BOTTOM) * value / top

    parts = [f'<text x="{LEFT}" y="16">{escape(title)}</text>']
    for quarter in range(5):
        value = top * quarter / 4
        parts.append(f'<line class="grid" x1="{LEFT}" x2="{W - RIGHT}" y1="{y(value):.1f}" y2="{y(value):.1f}"/>')
        parts.append(f'<text x="{LEFT - 6}" y="{y(value) + 4:.1f}" text-anchor="end">{value:.3g}{escape(unit)}</text>')
    parts += [f'<text x="{x(n):.1f}" y="{H - BOTTOM + 18}" text-anchor="middle">{n + 1}</text>' for n in range(points)]
    at = LEFT + 200.0
    for n, (name, values) in enumerate(shown.items()):
        path = " ".join(f"{x(i):.1f},{y(value):.1f}" for i, value in enumerate(values))
        parts.append(f'<polyline class="line s{n}" points="{path}"/>')
        parts.append(f'<text class="t{n}" x="{at:.0f}" y="16">{escape(name)}</text>')
        at += 14 + 7 * len(name)
    return _svg(title, parts, W, H, own_colours)


def busy_by_hour(shifts: Sequence[Mapping[str, Any]]) -> dict[str, list[float]]:
    """Of simulated shifts: utilisation, percent, by policy, the mean over its seeds in each hour."""
    series: dict[str, list[float]] = {}
    for policy in dict.fromkeys(r["policy"] for r in shifts):
        hours = [[100 * h["utilisation"] for h in r["by_hour"]] for r in shifts if r["policy"] == policy]
        series[policy] = [sum(column) / len(column) for column in zip(*hours, strict=True)]
    return series


# --- bars and intervals: one row a thing, its words on the left, its number at the end ------------------------------

WIDE, WORDS, NUMBER, ROW, HEAD = 880, 210, 150, 24, 30
SIGN = 8.5  # width of a digit in a label, at most


def bars(
    title: str, rows: Sequence[tuple[str, Sequence[float]]], names: Sequence[str], show: Callable[[float], str], *,
    of_whole: bool = False, tones: Sequence[int] = (), own_colours: bool = True,
) -> str:  # fmt: skip
    """A bar a row, of as many parts as there are `names` (at most SERIES); `show` writes a row's sum, from nought.

    `of_whole`: each bar is as long as the others, and its parts are shares of it. `tones`: the colour of each part, by
    default one after the other. Raises ValueError without rows.
    """
    if not rows:
        raise ValueError("nothing to draw")
    longest = max((sum(values) for _, values in rows), default=0.0) or 1.0
    said = [escape(show(sum(values))) for _, values in rows]
    room = WIDE - WORDS - max(NUMBER, 16 + SIGN * max(len(one) for one in said))
    tones = tones or range(SERIES)
    parts = _legend(names, tones) if len(names) > 1 else []
    top = HEAD if parts else 4
    for n, (word, values) in enumerate(rows):
        y, x, whole = top + n * ROW, float(WORDS), sum(values)
        parts.append(_words(word, y))
        scale = room / ((whole or 1.0) if of_whole else longest)
        for series, value in enumerate(values[:SERIES]):
            wide = max(0.0, value) * scale
            if wide > 0:
                parts.append(f'<rect class="f{tones[series]}" x="{x:.1f}" y="{y + 4}" width="{wide:.1f}" height="16"/>')
            x += wide
        parts.append(f'<text class="lab" x="{x + 8:.1f}" y="{y + 16}">{said[n]}</text>')
    return _svg(title, parts, WIDE, top + len(rows) * ROW + 4, own_colours)


@dataclass(frozen=True, slots=True)
class Span:
    """From `low` to `high` around `mid`; `words`: what stands at its end."""

    name: str
    low: float
    mid: float
    high: float
    words: str


def intervals(title: str, spans: Sequence[Span], *, own_colours: bool = True) -> str:
    """A line from low to high with a point in it, a row each, about a common nought. Raises ValueError without spans."""
    if not spans:
        raise ValueError("nothing to draw")
    most = max(max(abs(one.low), abs(one.high)) for one in spans) or 1.0
    middle, half = WORDS + (WIDE - WORDS - NUMBER - 60) / 2, (WIDE - WORDS - NUMBER - 60) / 2
    tall = 4 + len(spans) * ROW
    parts = [f'<line class="axis" x1="{middle:.1f}" x2="{middle:.1f}" y1="0" y2="{tall}"/>']
    for n, one in enumerate(spans):
        y = 4 + n * ROW + 12
        low, mid, high = (middle + half * value / most for value in (one.low, one.mid, one.high))
        parts += [
            _words(one.name, y - 12),
            f'<line class="line s0" x1="{low:.1f}" x2="{high:.1f}" y1="{y}" y2="{y}"/>',
            f'<circle class="f0" cx="{mid:.1f}" cy="{y}" r="4"/>',
            f'<text class="lab" x="{middle + half + 12:.1f}" y="{y + 4}">{escape(one.words)}</text>',
        ]
    return _svg(title, parts, WIDE, tall, own_colours)


def _legend(names: Sequence[str], tones: Sequence[int]) -> list[str]:
    parts, x = [], float(WORDS)
    for n, name in enumerate(names[:SERIES]):
        parts.append(f'<rect class="f{tones[n]}" x="{x:.0f}" y="6" width="12" height="12"/>')
        parts.append(f'<text x="{x + 17:.0f}" y="16">{escape(name)}</text>')
        x += 40 + 7.2 * len(name)
    return parts


def _words(word: str, y: float) -> str:
    short = word if len(word) <= 30 else word[:29] + "…"
    return f'<text class="lab" x="{WORDS - 10}" y="{y + 16}" text-anchor="end">{escape(short)}</text>'


def _svg(title: str, parts: Sequence[str], wide: int, tall: float, own_colours: bool) -> str:
    size = f'viewBox="0 0 {wide} {tall:.0f}" width="{wide}" height="{tall:.0f}"'
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" class="chart" {size} role="img" aria-label="{escape(title, quote=True)}">'
        f"{_OWN if own_colours else ''}{''.join(parts)}</svg>"
    )
