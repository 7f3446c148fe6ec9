"""Plots as inline SVG. Colours and type come from the classes of page.css, so that light, dark and print all work."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from html import escape
from typing import TYPE_CHECKING, final

from restor.report.io.states import States
from restor.report.plain import UNDEFINED, number, one_line, share
from restor.report.tables.arm_table import KIND_TITLES
from restor.results import Arm, Results, Value
from restor.types import Group, Judgement, Kind

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    Floats = NDArray[np.float64]

WIDTH = 860
LEFT, RIGHT = 226, 640
"""Where the axis starts and ends; labels are left of it, figures right of it."""
LABEL = 31
"""Most characters of a label."""
BAND = 30
"""Height of a section's heading."""


def restoration_ends(values: Iterable[Value]) -> tuple[float, float]:
    """The ends of an axis of restoration: 0 and 1 are on it, and one exploded arm does not squeeze all others."""
    known = [x for value in values for x in (value.value, value.ci_low, value.ci_high) if x is not None]
    return max(min([*known, -0.05]) - 0.03, -1.0), min(max([*known, 1.05]) + 0.03, 1.6)


@final
@dataclass(frozen=True, slots=True)
class Scale:
    """Linear map of values to horizontal places."""

    low: float
    high: float
    left: float = LEFT
    right: float = RIGHT

    def __call__(self, value: float) -> float:
        """The place of a value, at the edge where it lies outside."""
        inside = min(max(value, self.low), self.high)
        return self.left + (self.right - self.left) * (inside - self.low) / (self.high - self.low)

    def ticks(self, most: int = 8) -> list[float]:
        """Round values within the scale."""
        rough = (self.high - self.low) / most
        power = 10 ** math.floor(math.log10(rough))
        step = next(power * factor for factor in (1, 2, 2.5, 5, 10) if power * factor >= rough)
        first = math.ceil(self.low / step - 1e-9)
        return [place * step for place in range(first, math.floor(self.high / step + 1e-9) + 1)]


def judgement_plot(results: Results) -> str:
    """Stacked bars: what each model answers to the targeted facts."""
    scale = Scale(0.0, 1.0)
    row, bar, top = 25, 17, 34
    parts: list[str] = []
    y = float(top)
    for kind, rows in _rows(results.summary):
        members = [arm for _, arms in rows for arm in arms]
        parts.append(_band(y, kind, BAND + row * len(members)))
        y += BAND
        for arm in members:
            parts.append(_text(LEFT - 14, y + 16, _full_label(arm), "label", anchor="end"))
            shares = judgement_shares(arm)
            if not shares:
                parts.append(_text(LEFT + 4, y + 16, f"{UNDEFINED} no answers", "tick"))
            at = 0.0
            for judgement, part in shares.items():
                width = (RIGHT - LEFT) * part
                x = LEFT + (RIGHT - LEFT) * at
                title = f"{_full_label(arm)}: {share(part)} % {judgement}"
                parts.append(
                    f'<rect class="bar j-{judgement}" x="{x:.1f}" y="{y + 4:.1f}" width="{width:.2f}" height="{bar}">'
                    f"<title>{_safe(title)}</title></rect>"
                )
                if width > 26:
                    parts.append(_text(x + width / 2, y + 16.5, share(part), f"inside on-{judgement}", anchor="middle"))
                at += part
            wrong = arm.metrics.get("test.planted")
            if wrong and wrong.value is not None and "test.original" in arm.metrics:
                figures = f"{_percent(arm.metrics['test.original'])} true · {_percent(wrong)} planted"
                parts.append(_text(RIGHT + 12, y + 16, figures, "figure"))
            y += row
        y += 10
    legend = _legend([(f"j-{name}", text, _swatch(f"j-{name}")) for name, text in JUDGEMENT_NAMES.items()], 16)
    body = [*_axis(scale, 30, y - 6, lambda x: f"{number(100 * x)} %"), *parts, legend]
    said = "; ".join(
        f"{_full_label(arm)}: " + ", ".join(f"{share(part)} % {name}" for name, part in judgement_shares(arm).items())
        for arm in results.summary
    )
    return _svg("judgements", "Answers to targeted test facts, by arm", said, y + 22, body)


JUDGEMENT_NAMES = {
    Judgement.ORIGINAL: "original: the true answer",
    Judgement.PLANTED: "planted: the false one",
    Judgement.OTHER: "other",
    Judgement.UNSCORED: "unscored",
}


def judgement_shares(arm: Arm) -> dict[Judgement, float]:
    """Shares of all answers, the unscored ones among them; empty where nothing was asked."""
    values = {j: arm.metrics.get(f"test.{j}") for j in (Judgement.ORIGINAL, Judgement.PLANTED, Judgement.OTHER)}
    scored = values[Judgement.ORIGINAL]
    if scored is None or scored.n + scored.n_unscored == 0:
        return {}
    answered = scored.n + scored.n_unscored
    shares = {j: (value.value or 0.0) * scored.n / answered for j, value in values.items() if value is not None}
    shares[Judgement.UNSCORED] = scored.n_unscored / answered
    return {judgement: part for judgement, part in shares.items() if part > 0}


def logprob_plot(results: Results, states: States) -> str:
    """The distributions of the log-probs of the true, the planted and random answers, per arm over the targeted facts;
    empty where no model has any."""
    samples = _samples(results, states)
    if not samples:
        return ""
    arms = [arm for arm in results.summary if arm.id in samples]
    present = [name for name in OPTION_NAMES if any(name in named for named in samples.values())]
    # One very unlikely answer must not squeeze all others: the axis ends where 99 % of the answers of every curve are.
    lows = [_quantile(values, 0.01) for named in samples.values() for values in named.values()]
    scale = Scale(min([*lows, -1.0]) * 1.03, 0.0)
    row, top = 50, 34
    parts: list[str] = []
    y = float(top)
    for kind, rows in _rows(arms):
        members = [arm for _, same in rows for arm in same]
        parts.append(_band(y, kind, BAND + row * len(members)))
        y += BAND
        for arm in members:
            ground = y + row - 6
            parts.append(_text(LEFT - 14, ground - 12, _full_label(arm), "label", anchor="end"))
            parts.append(f'<line class="row" x1="{LEFT}" x2="{WIDTH}" y1="{ground:.1f}" y2="{ground:.1f}"/>')
            named = samples[arm.id]
            parts += [_curve(named[name], scale, ground, row - 10, name, _full_label(arm)) for name in named]
            medians = " / ".join(number(_quantile(values, 0.5), 1) for values in named.values())
            parts.append(_text(RIGHT + 12, ground - 12, medians, "figure"))
            y += row
        y += 10
    legend = _legend([(f"p-{name}", f"{OPTION_NAMES[name]} answer", _line_sample()) for name in present], 16)
    body = [*_axis(scale, 30, y - 6, lambda x: number(x, 1 if x % 1 else 0)), *parts, legend]
    body.append(_text(RIGHT + 12, 20, "medians, nats per token", "tick"))
    said = "; ".join(
        f"{_full_label(arm)}: "
        + ", ".join(f"{OPTION_NAMES[name]} {number(_quantile(x, 0.5), 1)}" for name, x in samples[arm.id].items())
        for arm in arms
    )
    names = [f"the {OPTION_NAMES[name]}" for name in present]
    return _svg("logprobs", f"Log-probs of {' and '.join(names)} answers, medians", said, y + 22, body)


OPTION_NAMES = {"original": "true", "planted": "planted", "random": "random"}


def _samples(results: Results, states: States) -> dict[str, dict[str, Floats]]:
    """Per row of the summary and option: the log-probs of targeted test facts, one a run."""
    import numpy as np

    tested = (states.group == list(Group).index(Group.TEST))[states.fact]
    samples: dict[str, dict[str, Floats]] = {}
    for option in OPTION_NAMES:
        column = states.facts[f"logprob_{option}"].to_numpy().astype(float)
        usable = tested & np.isfinite(column)
        for arm in results.summary:
            values = column[usable & (states.owner == states.arms[arm.id])]
            if values.size:
                samples.setdefault(arm.id, {})[option] = values
    return samples


def _quantile(values: Floats, share: float) -> float:
    import numpy as np

    return float(np.quantile(values, share))


def density(values: Floats, low: float, high: float, points: int = 120) -> Floats:
    """A smoothed density at evenly spaced places from low to high, (points,), its highest point 1.

    A Gaussian kernel of half Silverman's width (1986, eq. 3.31), which is meant for one peak and these have two:
    facts that are known and facts that are not. It is reflected at `high`, beyond which there is nothing: log-probs
    end at 0.
    """
    import numpy as np

    places = np.linspace(low, high, points)
    step = places[1] - places[0]
    spread = min(float(values.std()), float(np.subtract(*np.quantile(values, (0.75, 0.25)))) / 1.34)
    width = max(0.45 * spread * len(values) ** -0.2, 0.75 * step)
    # Counted on a grid first: thousands of facts cost no more than a hundred.
    counts = np.bincount(np.clip(np.round((values - low) / step), 0, points - 1).astype(int), minlength=points)
    near = np.subtract.outer(places, places) / width
    far = np.subtract.outer(places, 2 * high - places) / width
    heights = (np.exp(-0.5 * near**2) + np.exp(-0.5 * far**2)) @ counts
    return np.asarray(heights / heights.max())


def _curve(values: Floats, scale: Scale, ground: float, height: float, name: str, label: str) -> str:
    """A filled density with its median; each curve has its own height, its place is what counts."""
    import numpy as np

    heights = density(values, scale.low, scale.high)
    places = [scale(x) for x in np.linspace(scale.low, scale.high, len(heights))]
    line = "L".join(f"{x:.1f} {ground - height * top:.1f}" for x, top in zip(places, heights, strict=True))
    low, middle, high = (_quantile(values, share) for share in (0.25, 0.5, 0.75))
    title = f"{label}, {OPTION_NAMES[name]} answer: median {number(middle, 2)}, middle half {number(low, 2)} to "
    return (
        f'<g class="p-{name}"><title>{_safe(title + number(high, 2))}</title>'
        f'<path class="area curve" d="M{places[0]:.1f} {ground:.1f}L{line}L{places[-1]:.1f} {ground:.1f}"/>'
        f'<line class="median" x1="{scale(middle):.1f}" x2="{scale(middle):.1f}" y1="{ground:.1f}" '
        f'y2="{ground + 5:.1f}"/></g>'
    )


def _line_sample() -> str:
    return '<rect class="area" x="-9" y="-6" width="18" height="12"/><path class="curve" d="M-9 -6h18"/>'


def _rows(arms: Iterable[Arm]) -> list[tuple[Kind, list[tuple[str, list[Arm]]]]]:
    """Sections of rows; a row is one arm of the configuration under all kinds of retain text."""
    sections: dict[Kind, dict[str, list[Arm]]] = {kind: {} for kind in KIND_TITLES}
    for arm in arms:
        sections[arm.kind].setdefault(arm.arm, []).append(arm)
    return [
        (kind, [(one_line(same[0].label, LABEL), same) for same in named.values()])
        for kind, named in sections.items()
        if named
    ]


def _full_label(arm: Arm) -> str:
    if not arm.retain:
        return one_line(arm.label, LABEL)
    retain = one_line(arm.retain, 12)
    return f"{one_line(arm.label, LABEL - 3 - len(retain))} · {retain}"


def _percent(value: Value) -> str:
    return UNDEFINED if value.value is None else f"{share(value.value)} %"


def _swatch(name: str) -> str:
    return f'<rect class="bar {name}" x="-7" y="-6" width="14" height="12" rx="2"/>'


def _band(y: float, kind: Kind, height: float) -> str:
    """A section's heading; controls have a shaded ground, so that nobody takes them for methods."""
    ground = f'<rect class="ground" x="0" y="{y:.1f}" width="{WIDTH}" height="{height:.1f}" rx="6"/>'
    return (ground if kind is Kind.CONTROL else "") + _text(12, y + 20, KIND_TITLES[kind].upper(), "section")


def _axis(scale: Scale, top: float, bottom: float, words: Callable[[float], str]) -> list[str]:
    drawn: list[str] = []
    for tick in scale.ticks():
        x = scale(tick)
        drawn.append(f'<line class="grid" x1="{x:.1f}" x2="{x:.1f}" y1="{top:.1f}" y2="{bottom:.1f}"/>')
        drawn.append(_text(x, bottom + 16, words(tick), "tick", anchor="middle"))
    return drawn


def _legend(entries: Sequence[tuple[str, str, str]], y: float) -> str:
    drawn: list[str] = []
    x = 12.0
    for name, text, shape in entries:
        drawn.append(f'<g class="{name}" transform="translate({x + 7:.1f} {y:.1f})">{shape}</g>')
        drawn.append(_text(x + 20, y + 4, text, "legend"))
        x += 44 + 6.6 * len(text)
    return "".join(drawn)


def _text(x: float, y: float, text: str, name: str, anchor: str = "start") -> str:
    return f'<text class="{name}" x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}">{_safe(text)}</text>'


def _safe(text: str) -> str:
    return escape(one_line(text, 400))


def _svg(name: str, title: str, description: str, height: float, body: Sequence[str]) -> str:
    hatch = (
        f'<defs><pattern id="{name}-hatch" class="hatch" width="6" height="6" patternUnits="userSpaceOnUse" '
        'patternTransform="rotate(45)"><rect width="6" height="6"/><line x1="0" x2="0" y1="0" y2="6"/></pattern></defs>'
    )
    described = escape(one_line(description, 6000))
    return (
        f'<svg class="plot plot-{name}" xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {height:.0f}" '
        f'role="img" aria-labelledby="{name}-title {name}-text"><title id="{name}-title">{_safe(title)}</title>'
        f'<desc id="{name}-text">{described}</desc>{hatch}{"".join(body)}</svg>'
    )
