"""Charts drawn by the server as SVG: across in percent, up in pixels, so that they fit a phone and keep their text."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from html import escape

from markupsafe import Markup

TOP = 22
BOTTOM = 22
AXIS_LABELS = 12  # as many short labels as fit across a phone
LONG_AXIS_LABELS = 7
SHORT_LABEL = 3
SMALLEST_TOP = 1e-9


@dataclass(frozen=True, slots=True)
class Bar:
    """One bar. `height` None: nothing is known for it. `before`: what it is compared with."""

    label: str
    height: float | None
    text: str
    before: float | None = None
    before_text: str = ""
    is_now: bool = False
    axis: str | None = None  # shorter label under the bar; None: the label


@dataclass(frozen=True, slots=True)
class Line:
    """One line through evenly spaced places; None leaves a gap."""

    name: str
    heights: tuple[float | None, ...]


@dataclass(frozen=True, slots=True)
class Band:
    """The normal range behind lines."""

    low: float
    high: float


@dataclass(frozen=True, slots=True)
class Level:
    """A height that stands for the whole time: a limit, or what is usual."""

    height: float
    look: str  # limit or usual


@dataclass(frozen=True, slots=True)
class Moment:
    """An instant on the way from the left edge (0) to the right one (1)."""

    share: float
    look: str  # began or found


def bar_chart(
    *,
    title: str,
    description: str,
    bars: Sequence[Bar],
    unit: str,
    height: int = 210,
    scale_text: "ScaleText | None" = None,
) -> Markup:
    """Draw bars from zero, each with its tooltip; `before` stands paler behind."""
    highest = max((h for bar in bars for h in (bar.height, bar.before) if h is not None), default=0.0)
    top = nice_top(highest)
    plot = height - TOP - BOTTOM
    step = 100.0 / max(1, len(bars))
    body: list[str] = _grid(plot)
    every = _every([bar.label if bar.axis is None else bar.axis for bar in bars])
    for index, bar in enumerate(bars):
        shown = index % every == 0
        body.append(_bar(bar, left=index * step, step=step, top=top, plot=plot, shown=shown))
    body.append(f'<line class="axis-line" x1="0" x2="100%" y1="{TOP + plot}" y2="{TOP + plot}"/>')
    body += _figures(top=top, plot=plot, unit=unit, texts=scale_text)  # last, so that no bar hides them
    return _svg(title=title, description=description, body=body, height=height)


def line_chart(
    *,
    title: str,
    description: str,
    lines: Sequence[Line],
    axis: Sequence[str],
    unit: str,
    band: Band | None = None,
    levels: Sequence[Level] = (),
    moments: Sequence[Moment] = (),
    from_zero: bool = False,
    height: int = 220,
    scale_text: "ScaleText | None" = None,
) -> Markup:
    """Draw lines over a normal range, with levels across and moments up and down.

    `axis` are the labels below, evenly spaced from the left edge.
    """
    known = [h for line in lines for h in line.heights if h is not None] + [level.height for level in levels]
    if band is not None:
        known += [band.low, band.high]
    low, high = _range(known, from_zero=from_zero)
    plot = height - TOP - BOTTOM
    body = [_level(high, y=TOP, unit=unit, texts=scale_text), _level(low, y=TOP + plot, unit="", texts=scale_text)]
    inner: list[str] = []
    if band is not None:
        y_high, y_low = (100 * (high - edge) / (high - low) for edge in (band.high, band.low))
        inner.append(f'<rect class="band" x="0" width="100" y="{y_high:.2f}" height="{y_low - y_high:.2f}"/>')
    for moment in moments:
        x = 100 * min(1.0, max(0.0, moment.share))
        inner.append(f'<line class="moment {moment.look}" x1="{x:.2f}" x2="{x:.2f}" y1="0" y2="100"/>')
    for level in levels:
        y = 100 * (high - level.height) / (high - low)
        inner.append(f'<line class="{level.look}" x1="0" x2="100" y1="{y:.2f}" y2="{y:.2f}"/>')
    for number, line in enumerate(lines, start=1):
        runs = _runs(line.heights, low=low, high=high)
        inner += [f'<polyline class="line-{(number - 1) % 3 + 1}" points="{points}"/>' for points in runs]
    body.insert(
        0,
        f'<svg x="0" y="{TOP}" width="100%" height="{plot}" viewBox="0 0 100 100" preserveAspectRatio="none">'
        f"{''.join(inner)}</svg>",
    )
    every = _every(axis)
    for index, label in enumerate(axis):
        if index % every == 0:
            x = 100.0 * index / max(1, len(axis))
            body.append(f'<text x="{x:.2f}%" y="{height - 5}">{escape(label)}</text>')
    return _svg(title=title, description=description, body=body, height=height)


def sparkline(*, title: str, heights: Sequence[float | None]) -> Markup:
    """Draw a small line without axes."""
    low, high = _range([h for h in heights if h is not None], from_zero=False)
    runs = "".join(f'<polyline class="line-1" points="{points}"/>' for points in _runs(heights, low=low, high=high))
    return Markup(
        f'<svg class="chart sparkline" role="img" viewBox="0 0 100 100" preserveAspectRatio="none">'
        f"<title>{escape(title)}</title>{runs}</svg>"
    )


@dataclass(frozen=True, slots=True)
class ScaleText:
    """How figures on the axis are written; one decimal less than this looks the same for two levels."""

    decimal_mark: str = "."
    group_mark: str = ","

    def write(self, amount: float) -> str:
        text = f"{amount:,.2f}".rstrip("0").rstrip(".") if amount % 1 else f"{amount:,.0f}"
        return text.replace(",", "\0").replace(".", self.decimal_mark).replace("\0", self.group_mark)


def nice_top(highest: float) -> float:
    """Round up to a figure that divides well in two."""
    if highest < SMALLEST_TOP:
        return 1.0
    power = 10.0 ** math.floor(math.log10(highest))
    return next(
        factor * power for factor in (1, 1.2, 1.6, 2, 2.4, 3, 4, 5, 6, 8, 10) if factor * power >= highest * 0.999999
    )


def _bar(bar: Bar, *, left: float, step: float, top: float, plot: int, shown: bool) -> str:
    parts = [f"<g><title>{escape(bar.label)}: {escape(bar.text)}{_before_text(bar)}</title>"]
    width = step * (0.72 if bar.before is None else 0.46)
    start = left + (step - width) / 2 + (0 if bar.before is None else step * 0.09)
    if bar.before is not None:
        parts.append(_rect("bar-before", x=left + step * 0.14, width=width, up=plot * bar.before / top, plot=plot))
    if bar.height is not None and bar.height > 0:
        kind = "bar-main now" if bar.is_now else "bar-main"
        parts.append(_rect(kind, x=start, width=width, up=max(1.5, plot * bar.height / top), plot=plot))
    elif bar.height is None:
        parts.append(
            f'<rect class="bar-main gap" x="{start:.3f}%" width="{width:.3f}%" y="{TOP + plot - 3}" height="3"/>'
        )
    parts.append(f'<rect class="hit" x="{left:.3f}%" width="{step:.3f}%" y="{TOP}" height="{plot}"/>')
    if shown:
        label = bar.label if bar.axis is None else bar.axis
        parts.append(
            f'<text x="{left + step / 2:.3f}%" y="{TOP + plot + 16}" text-anchor="middle">{escape(label)}</text>'
        )
    return "".join([*parts, "</g>"])


def _rect(kind: str, *, x: float, width: float, up: float, plot: int) -> str:
    return (
        f'<rect class="{kind}" x="{x:.3f}%" width="{width:.3f}%" y="{TOP + plot - up:.1f}" height="{up:.1f}" rx="3"/>'
    )


def _before_text(bar: Bar) -> str:
    return f" ({escape(bar.before_text)})" if bar.before_text else ""


def _every(labels: Sequence[str]) -> int:
    """Tell which of the labels are shown: each, or every so many."""
    fit = AXIS_LABELS if all(len(label) <= SHORT_LABEL for label in labels) else LONG_AXIS_LABELS
    return max(1, -(-len(labels) // fit))


def _grid(plot: int) -> list[str]:
    return [f'<line class="grid-line" x1="0" x2="100%" y1="{y}" y2="{y}"/>' for y in (TOP, TOP + plot // 2)]


def _figures(*, top: float, plot: int, unit: str, texts: ScaleText | None) -> list[str]:
    return [_figure(top, y=TOP, unit=unit, texts=texts), _figure(top / 2, y=TOP + plot // 2, unit="", texts=texts)]


def _figure(amount: float, *, y: int, unit: str, texts: ScaleText | None) -> str:
    text = (texts or ScaleText()).write(amount)
    return f'<text class="figure" x="0" y="{y - 5}">{escape(text)}{" " + escape(unit) if unit else ""}</text>'


def _level(amount: float, *, y: int, unit: str, texts: ScaleText | None) -> str:
    line = f'<line class="grid-line" x1="0" x2="100%" y1="{y}" y2="{y}"/>'
    return line + _figure(amount, y=y, unit=unit, texts=texts)


def _range(known: Sequence[float], *, from_zero: bool) -> tuple[float, float]:
    if not known:
        return 0.0, 1.0
    low, high = (0.0 if from_zero else min(known)), max(known)
    margin = (high - low) * 0.08 or max(1.0, abs(high) * 0.05)
    return (low if from_zero else low - margin), high + margin


def _runs(heights: Sequence[float | None], *, low: float, high: float) -> list[str]:
    """Cut a line at its gaps; places are spread over 0 to 100 both ways."""
    runs: list[list[str]] = [[]]
    last = max(1, len(heights) - 1)
    for index, h in enumerate(heights):
        if h is None:
            runs.append([])
        else:
            runs[-1].append(f"{100 * index / last:.2f},{100 * (high - h) / (high - low):.2f}")
    return [" ".join(run if len(run) > 1 else run * 2) for run in runs if run]


def _svg(*, title: str, description: str, body: Sequence[str], height: int) -> Markup:
    return Markup(
        f'<svg class="chart" role="img" height="{height}" width="100%">'
        f"<title>{escape(title)}</title><desc>{escape(description)}</desc>{''.join(body)}</svg>"
    )
