"""Charts as SVG for pages and files, in the colours of the light or the dark theme (pure)."""

from collections.abc import Mapping, Sequence
from html import escape

W, H, LEFT, RIGHT, TOP, BOTTOM = 720, 300, 48, 16, 34, 34
# a file has no page around it: its own colours, for both themes
_OWN = (
    "<style>svg{background:#fff}text{font:400 12px system-ui,sans-serif;fill:#444}.grid{stroke:#ddd}"
    ".line{fill:none;stroke-width:2}.s0{stroke:#0b57d0}.s1{stroke:#b3261e}.s2{stroke:#146c2e}.s3{stroke:#7a4f01}"
    ".s4{stroke:#6b3fa0}.s5{stroke:#00696d}.t0{fill:#0b57d0}.t1{fill:#b3261e}.t2{fill:#146c2e}.t3{fill:#7a4f01}"
    ".t4{fill:#6b3fa0}.t5{fill:#00696d}@media(prefers-color-scheme:dark){svg{background:#14181f}text{fill:#c4c7cc}"
    ".grid{stroke:#333}.s0{stroke:#8ab4f8}.s1{stroke:#f2b8b5}.s2{stroke:#81c995}.s3{stroke:#fdd663}.s4{stroke:#d0bcff}"
    ".s5{stroke:#80d5d9}.t0{fill:#8ab4f8}.t1{fill:#f2b8b5}.t2{fill:#81c995}.t3{fill:#fdd663}.t4{fill:#d0bcff}"
    ".t5{fill:#80d5d9}}</style>"
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
    style = _OWN if own_colours else ""
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" class="chart" viewBox="0 0 {W} {H}" role="img" '
        f'aria-label="{escape(title, quote=True)}">{style}{"".join(parts)}</svg>'
    )
