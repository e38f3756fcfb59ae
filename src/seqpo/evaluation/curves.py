"""Families of baselines as curves of quality over cost, and how far policies lie above them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

import numpy as np

from seqpo.evaluation.statistics import Column, Result


def first_axis(columns: Sequence[Column], axis: Literal["quality", "cost"]) -> Column | None:
    """Return the first column that can be this axis; None if there is none."""
    return next((column for column in columns if column.axis == axis), None)


def curves(systems: Sequence[Result], quality: str, cost: str) -> dict[str, tuple[Result, ...]]:
    """Collect the families of baselines that have more than one member with both scores, by name."""
    members: dict[str, list[Result]] = {}
    for system in systems:
        if system.is_baseline and {quality, cost} <= system.scores.keys():
            members.setdefault(system.family, []).append(system)
    return {name: tuple(some) for name, some in members.items() if len(some) > 1}


def quality_at(curve: Sequence[Result], place: float, *, quality: str, cost: str) -> float | None:
    """Interpolate a curve's quality at some cost, linearly; None where the curve doesn't reach it.

    Args:
        curve: systems of a family, at least one.
        place: the cost, in the unit of that score.
        quality: name of the score to interpolate.
        cost: name of the score that `place` is one of.
    """
    points = sorted((system.scores[cost].value, system.scores[quality].value) for system in curve)
    costs, values = zip(*points, strict=True)
    return float(np.interp(place, costs, values)) if costs[0] <= place <= costs[-1] else None


def margins(
    systems: Sequence[Result], *, quality: str, cost: str
) -> tuple[tuple[str, ...], dict[str, tuple[float | None, ...]]]:
    """Tell how far policies lie above (+) or below (−) the curves of baselines at the same cost.

    Returns:
        The names of the curves, and for each policy one margin per curve, None where the curve doesn't reach its cost.
    """
    found = curves(systems, quality, cost)
    own = [system for system in systems if not system.is_baseline and {quality, cost} <= system.scores.keys()]
    rows: dict[str, tuple[float | None, ...]] = {}
    for system in own:
        value, place = system.scores[quality].value, system.scores[cost].value
        expected = [quality_at(curve, place, quality=quality, cost=cost) for curve in found.values()]
        rows[system.name] = tuple(None if each is None else value - each for each in expected)
    return tuple(found), rows
