"""The kinds of policy that a recipe can name, and what the commands do for each."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from seqpo.cli import causal_lm, read_write, stages, systems, warming
from seqpo.cli.contest import Booth, Contestant
from seqpo.cli.recipe import PolicyKind, Recipe


class Trains(Protocol):
    """Trains a policy."""

    def __call__(self, recipe: Recipe, *, resume: bool = False) -> Path:
        """Train as the recipe says; return the stage's folder."""
        ...


@dataclass(frozen=True)
class Kind:
    """A kind of policy.

    Attributes:
        sft: warms it up on demonstrations.
        train: improves it by whole episodes.
        contestants: lists the systems of a report.
        booth: makes a place to interpret in, with the weights of a stage; of the last one where it isn't named.
    """

    sft: Trains
    train: Trains
    contestants: Callable[[Recipe], Sequence[Contestant]]
    booth: Callable[[Recipe, str], Booth]


KINDS: dict[PolicyKind, Kind] = {
    "causal-lm": Kind(stages.sft, stages.train, causal_lm.contestants, causal_lm.booth),
    "read-write": Kind(warming.sft, read_write.train, systems.contestants, read_write.booth),
}
"""What stands behind `policy` of a recipe."""
