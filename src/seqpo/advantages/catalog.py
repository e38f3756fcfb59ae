"""The published advantages, each a choice of baseline, scale and credit."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

from seqpo.advantages.parts import Advantage


@dataclass(frozen=True)
class Entry:
    """A published advantage: its choices, its paper, and what it is in one line."""

    default: Advantage
    paper: str
    summary: str


CATALOG: dict[str, Entry] = {
    "reinforce": Entry(Advantage("none"), "Williams 1992", "The plain return of the episode."),
    "grpo": Entry(Advantage("group-mean", "group-std"), "2402.03300", "Return minus the group's mean, over its std."),
    "dr-grpo": Entry(Advantage("group-mean"), "2503.20783", "Return minus the group's mean."),
    "rloo": Entry(Advantage("leave-one-out"), "2402.14740", "Return minus the mean of the other episodes."),
    "lite-ppo": Entry(
        Advantage("group-mean", "batch-std"),
        "2508.08221",
        "Return minus the group's mean, over the batch's std.",
    ),
    "return-to-go": Entry(
        Advantage("group-mean", "batch-std", "return-to-go"),
        "Sutton et al. 1999",
        "What is still to come, minus its mean at the same turn, over the batch's std.",
    ),
}


def names() -> tuple[str, ...]:
    """Names of the published advantages."""
    return tuple(CATALOG)


def get(name: str, **options: Any) -> Advantage:
    """Build a published advantage, with its defaults where no option says otherwise.

    Raises:
        ValueError: an unknown name or option, or options without meaning together.
    """
    if name not in CATALOG:
        raise ValueError(f"unknown advantage {name!r}: choose one of {', '.join(CATALOG)}")
    try:
        return replace(CATALOG[name].default, **options)
    except TypeError:
        raise ValueError(
            f"advantage {name!r} got options {', '.join(options)}; known: baseline, scale, credit, discount"
        ) from None
