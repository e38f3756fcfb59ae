"""Systems of one kind, told by their names, and how far others lie above their curve."""

import re
from collections.abc import Sequence

import numpy as np

from seqpo.evaluation.scores import System

_RULES = ("wait-", "seg1", "seg2", "offline")


def family_of(name: str) -> str:
    """Name the family of a system: "wait-k" of `wait-3`, "ap-beam" of `ap-0.5-beam`, "seqpo" of `seqpo-low`."""
    if name.endswith("-beam"):
        return f"{family_of(name.removesuffix('-beam'))}-beam"
    kind, _, lender = name.partition("@")
    if re.fullmatch(r"wait[-_ ]?k?[-_= ]?\d+", kind):
        return f"wait-k@{lender}" if lender else "wait-k"
    for known in ("offline", "sft", "seqpo"):
        if name.startswith(known):
            return known
    return re.sub(r"[-_= ]*\d+(\.\d+)?$", "", name) or name


def follows_rules(name: str) -> bool:
    """Tell whether a system is a baseline, by a rule or segments, rather than a policy that decides for itself."""
    return name.startswith(_RULES)


def curves(systems: Sequence[System]) -> dict[str, list[System]]:
    """The families of baselines that have more than one member, by name."""
    members: dict[str, list[System]] = {}
    for system in systems:
        if follows_rules(system.name):
            members.setdefault(family_of(system.name), []).append(system)
    return {name: some for name, some in members.items() if len(some) > 1}


def bleu_at(curve: Sequence[System], delay: float, *, by: str = "al") -> float | None:
    """Interpolate a curve's BLEU at some delay, linearly; None where the curve doesn't reach it.

    Args:
        curve: systems of a family, at least one.
        delay: where.
        by: the score that `delay` is one of.
    """
    points = sorted((float(getattr(system, by)), system.bleu) for system in curve)
    delays, values = zip(*points, strict=True)
    return float(np.interp(delay, delays, values)) if delays[0] <= delay <= delays[-1] else None
