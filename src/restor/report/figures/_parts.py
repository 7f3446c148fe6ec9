"""Restoration on parts of the facts that stand on an axis: by confidence, by dose."""

from __future__ import annotations

from collections.abc import Sequence

from restor.report.figures._grid import arm_panels
from restor.report.figures._rows import reference_lines_across, restoration_limits, source, style_of
from restor.report.figures.base import Drawn, LackingError, PlotMaterial, Width
from restor.report.plain import counted, number
from restor.report.words.restored import full
from restor.results import Arm, Part, PartKind
from restor.types import Kind


def arms_with(material: PlotMaterial, kind: PartKind) -> dict[str, tuple[Arm, list[Part]]]:
    """By id: the arms that have restoration by this kind of part.

    Raises:
        LackingError: if none has.
    """
    parts_of = {
        arm.id: (arm, arm.parts[kind])
        for arm in material.arms(Kind.CONTROL, Kind.METHOD, Kind.ORACLE)
        if any(part.restoration.value is not None for part in arm.parts.get(kind, []))
    }
    if not parts_of:
        raise LackingError(f"no arm has a restoration by {kind}")
    return parts_of


def _names(orders: Sequence[float]) -> list[str]:
    """Numbers with as many digits as it takes to tell them apart."""
    for digits in range(6):
        names = [number(order, digits) for order in orders]
        if len(set(names)) == len(names) and (digits or all(order == round(order) for order in orders)):
            break
    return names


def draw_ordered(material: PlotMaterial, width: Width, kind: PartKind, x: str, title: str, how: str) -> Drawn:
    """A panel per arm: restoration of each part with its interval, in the order of the axis, evenly spaced.

    Args:
        material: the study.
        width: of a column or a page.
        kind: of the parts.
        x: what the axis is.
        title: begins the caption.
        how: goes on in it.
    """
    parts_of = arms_with(material, kind)
    parts = [part for _, arm_parts in parts_of.values() for part in arm_parts if part.order is not None]
    if not parts:
        raise LackingError(f"the parts by {kind} have no place on an axis")
    low, high = restoration_limits(part.restoration for part in parts)
    # Parts of a figure may stand as close as -0.01 and -0.02 and as far apart as 1 and 64.
    orders = sorted({part.order for part in parts if part.order is not None})
    places = {order: place for place, order in enumerate(orders)}
    figure, panels = arm_panels([arm for arm, _ in parts_of.values()], width, x=x, y="Restoration (%)")
    for (arm, arm_parts), axes in zip(parts_of.values(), panels, strict=True):
        axes.set_xlim(-0.5, len(orders) - 0.5)
        axes.set_xticks(range(len(orders)), _names(orders))
        axes.set_ylim(low, high)
        axes.grid(axis="y")
        reference_lines_across(axes)
        colour, marker, filled, _ = style_of(arm.retain)
        placed = ((places[part.order], part.restoration) for part in arm_parts if part.order is not None)
        drawn = sorted((one for one in placed if one[1].value is not None), key=lambda one: one[0])
        for at, value in drawn:
            if value.ci_low is not None and value.ci_high is not None:
                axes.plot([at, at], [100 * value.ci_low, 100 * value.ci_high], color=colour, linewidth=1.0)
        axes.plot(
            [at for at, _ in drawn],
            [100 * value.value for _, value in drawn if value.value is not None],
            color=colour,
            marker=marker,
            markersize=3.5,
            markerfacecolor=colour if filled else "white",
            linewidth=0.9,
        )
    sizes = sorted({part.restoration.n for part in parts})
    n = counted(sizes[-1], "targeted test fact")
    n = n if len(sizes) == 1 else f"{sizes[0]:,} to {n}"
    unplaced = sum(part.order is None for _, arm_parts in parts_of.values() for part in arm_parts)
    gap = f" {counted(unplaced, 'part')} without a place on the axis left out." if unplaced else ""
    top = full(material.results)
    caption = (
        f"{title}: {how} Whiskers are 95 % intervals over entities; n = {n} a part. 0 % is the corrupted "
        f"model, 100 % the {top.arm if top else 'ideal'} one. Parts are small, and the best of many is so by luck. "
        f"Shaded: controls.{gap} {source(material.results)}"
    )
    return Drawn(figure, caption)
