"""The result as a picture: horizontal bars in SVG, written by hand."""

from __future__ import annotations

from html import escape

from benchmarks.overhead.rounds import Cost, Row

_LEFT, _WIDTH, _BAR, _GAP, _TOP = 190, 420, 20, 10, 54
_OURS, _OTHERS = "#1f6feb", "#9aa4b2"


def svg(rows: list[Row]) -> str:
    """Two charts side by side, each from zero: microseconds of CPU for a request, and for an event."""
    height = _TOP + len(rows) * (_BAR + _GAP) + 20
    width = 2 * (_LEFT + _WIDTH)
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" width="{width}" height="{height}" '
        'font-family="sans-serif" font-size="13">',
        "<title>CPU time of a proxy for a request and for a streamed event</title>",
        f'<rect width="{width}" height="{height}" fill="#ffffff"/>',
        *_chart("µs of CPU a request", [(row.peer, row.request) for row in rows], 0),
        *_chart("µs of CPU a streamed event", [(row.peer, row.event) for row in rows], _LEFT + _WIDTH),
        "</svg>",
    ]
    return "\n".join(parts) + "\n"


def _chart(title: str, bars: list[tuple[str, Cost]], offset: int) -> list[str]:
    longest = max(cost.median_us for _, cost in bars)
    room = _WIDTH - 80
    lines = [f'<text x="{offset + _LEFT}" y="30" font-weight="bold" fill="#1b1f24">{escape(title)}</text>']
    for number, (name, cost) in enumerate(bars):
        y = _TOP + number * (_BAR + _GAP)
        width = max(1.0, cost.median_us / longest * room)
        colour = _OURS if name.startswith("forebay") else _OTHERS
        middle = y + _BAR - 5
        lines += [
            f'<text x="{offset + _LEFT - 8}" y="{middle}" text-anchor="end" fill="#1b1f24">{escape(name)}</text>',
            f'<rect x="{offset + _LEFT}" y="{y}" width="{width:.1f}" height="{_BAR}" fill="{colour}"/>',
            f'<text x="{offset + _LEFT + width + 6:.1f}" y="{middle}" fill="#1b1f24">{cost.median_us:.1f}</text>',
        ]
    return lines
