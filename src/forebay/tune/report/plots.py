"""Draws plots as SVG text: lines, points with intervals, and histograms; nothing is loaded from anywhere."""

from __future__ import annotations

import math
from collections.abc import Sequence
from html import escape

import msgspec

WIDTH, HEIGHT = 640, 260
_LEFT, _RIGHT, _TOP, _BOTTOM = 64, 12, 30, 40
_COLOURS = 6


class Line(msgspec.Struct, frozen=True, kw_only=True):
    """A named series. `bars`: an interval for each point, or None; `steps`: drawn as bars from the axis."""

    name: str
    points: tuple[tuple[float, float], ...]
    bars: tuple[tuple[float, float] | None, ...] = ()
    marked: bool = False
    filled: bool = False


class Axes(msgspec.Struct, frozen=True, kw_only=True):
    """What a plot's axes say, and whether they are logarithmic."""

    title: str
    x: str
    y: str
    log_x: bool = False
    log_y: bool = False


def plot(axes: Axes, lines: Sequence[Line]) -> str:
    """One figure; empty text where there is nothing to draw."""
    shown = [line for line in lines if line.points]
    xs = [x for line in shown for x, _y in line.points if not axes.log_x or x > 0]
    ys = [y for line in shown for _x, y in line.points if not axes.log_y or y > 0]
    ys += [end for line in shown for bar in line.bars if bar is not None for end in bar if not axes.log_y or end > 0]
    if not xs or not ys:
        return ""
    across = _Scale(min(xs), max(xs), (_LEFT, WIDTH - _RIGHT), log=axes.log_x)
    low = min(ys) if axes.log_y else min(0.0, *ys)
    up = _Scale(low, max(ys), (HEIGHT - _BOTTOM, _TOP), log=axes.log_y)
    drawn = [_drawn(line, number, across, up) for number, line in enumerate(shown)]
    return "".join(
        [
            f'<figure><svg viewBox="0 0 {WIDTH} {HEIGHT}" role="img" aria-label="{escape(axes.title)}">',
            f'<text class="title" x="{_LEFT}" y="16">{escape(axes.title)}</text>',
            _grid(across, up),
            f'<text class="axis" x="{(WIDTH + _LEFT) / 2}" y="{HEIGHT - 6}" text-anchor="middle">'
            f"{escape(axes.x)}</text>",
            f'<text class="axis" transform="translate(13 {HEIGHT / 2}) rotate(-90)" text-anchor="middle">'
            f"{escape(axes.y)}</text>",
            *drawn,
            _legend(shown),
            "</svg></figure>",
        ]
    )


class _Scale:
    """From values to pixels."""

    def __init__(self, low: float, high: float, pixels: tuple[float, float], *, log: bool) -> None:
        if high <= low:
            low, high = (low / 2, low * 2) if log else (low - 0.5, low + 0.5)
        self.log, self.low, self.high, self.pixels = log, low, high, pixels

    def __call__(self, value: float) -> float:
        if self.log:
            value = max(value, self.low)
            share = math.log(value / self.low) / math.log(self.high / self.low)
        else:
            share = (value - self.low) / (self.high - self.low)
        first, last = self.pixels
        return round(first + share * (last - first), 1)

    def ticks(self) -> list[float]:
        """Round values within, about five."""
        if self.log:
            decades = range(math.floor(math.log10(self.low)), math.ceil(math.log10(self.high)) + 1)
            wide = self.high / self.low
            steps = (1, 1.5, 2, 3, 4, 5, 7) if wide < 8 else (1, 2, 5) if wide < 1000 else (1,)
            found = [step * 10.0**decade for decade in decades for step in steps]
            within = [value for value in found if self.low <= value <= self.high]
            return within or [self.low, self.high]
        raw = (self.high - self.low) / 5
        size = 10.0 ** math.floor(math.log10(raw))
        step = next(size * each for each in (1, 2, 5, 10) if size * each >= raw)
        first = math.ceil(self.low / step - 1e-9)
        return [number * step for number in range(first, math.floor(self.high / step + 1e-9) + 1)]


def _grid(across: _Scale, up: _Scale) -> str:
    parts = []
    for value in up.ticks():
        y = up(value)
        parts.append(f'<line class="grid" x1="{_LEFT}" x2="{WIDTH - _RIGHT}" y1="{y}" y2="{y}"/>')
        parts.append(f'<text class="tick" x="{_LEFT - 5}" y="{y + 4}" text-anchor="end">{_short(value)}</text>')
    for value in across.ticks():
        x = across(value)
        parts.append(f'<line class="grid" x1="{x}" x2="{x}" y1="{_TOP}" y2="{HEIGHT - _BOTTOM}"/>')
        parts.append(
            f'<text class="tick" x="{x}" y="{HEIGHT - _BOTTOM + 15}" text-anchor="middle">{_short(value)}</text>'
        )
    return "".join(parts)


def _drawn(line: Line, number: int, across: _Scale, up: _Scale) -> str:
    colour = f"c{number % _COLOURS}"
    places = [(across(x), up(y)) for x, y in line.points if not (up.log and y <= 0) and not (across.log and x <= 0)]
    path = " ".join(f"{x},{y}" for x, y in places)
    parts = []
    if line.filled and places:
        floor = HEIGHT - _BOTTOM
        parts.append(f'<polygon class="{colour} fill" points="{places[0][0]},{floor} {path} {places[-1][0]},{floor}"/>')
    parts.append(f'<polyline class="{colour}" points="{path}"/>')
    for (value, _y), bar in zip(line.points, line.bars, strict=False):
        if bar is not None:
            x, ends = across(value), (up(bar[0]), up(bar[1]))
            parts.append(f'<line class="{colour}" x1="{x}" x2="{x}" y1="{ends[0]}" y2="{ends[1]}"/>')
    if line.marked:
        for (x, y), (at_x, at_y) in zip(line.points, places, strict=False):
            told = f"{escape(line.name)}: {_short(x)}, {_short(y)}"
            parts.append(f'<circle class="{colour} dot" cx="{at_x}" cy="{at_y}" r="3.5"><title>{told}</title></circle>')
    return "".join(parts)


def _legend(lines: Sequence[Line]) -> str:
    parts, x = [], WIDTH - _RIGHT
    for number in range(len(lines) - 1, -1, -1):
        name = lines[number].name
        if not name:
            continue
        x -= 7 * sum(2 if ord(char) > 0x2E80 else 1 for char in name) + 26
        parts.append(
            f'<rect class="c{number % _COLOURS} key" x="{x}" y="8" width="10" height="10"/>'
            f'<text class="tick" x="{x + 14}" y="17">{escape(name)}</text>'
        )
    return "".join(parts)


def _short(value: float) -> str:
    """A number as short as it can be read."""
    if value == 0:
        return "0"
    if abs(value) >= 10_000:
        return f"{value / 1000:.4g}k"
    return f"{value:.3g}" if abs(value) < 1000 else f"{value:.4g}"
