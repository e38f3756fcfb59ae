"""Supervised schedules: which target units may be written after which source unit.

A schedule is a list `allowed`, one entry per source unit and one for the end of the source: how many target units may
have been written once that has been read. The last entry is the whole target.
"""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import accumulate

from seqpo.records import refuse_changed
from seqpo.tasks.translation.corpora import Link


def wait_k(source_length: int, target_length: int, k: int) -> list[int]:
    """Write one unit per source unit, beginning after k; all that is left at the end of the source."""
    allowed = [min(target_length, max(0, read - k + 1)) for read in range(1, source_length + 1)]
    return [*allowed, target_length]


def aligned(source_length: int, target_length: int, alignment: Sequence[Link], lag: int = 0) -> list[int]:
    """Write a unit as soon as all source units that it and its predecessors are aligned to have been read.

    The monotone segment trick: every prefix of the translation is supported by the prefix of the source.

    Args:
        source_length: units of the source.
        target_length: units of the target.
        alignment: (source, target) links; a unit without one goes with its predecessor.
        lag: source units to wait beyond that.

    Raises:
        ValueError: a link outside the sentence.
    """
    needs = [0] * target_length
    for source, target in alignment:
        if not (0 <= source < source_length and 0 <= target < target_length):
            raise ValueError(f"link {source}-{target} lies outside a pair of {source_length} and {target_length} units")
        needs[target] = max(needs[target], source + 1)
    ready = [max(need, 1) + lag for need in accumulate(needs, max)]
    allowed = [sum(when <= read for when in ready) for read in range(1, source_length + 1)]
    return [*allowed, target_length]


def full_sentence(source_length: int, target_length: int) -> list[int]:
    """Write everything at the end of the source."""
    return [0] * source_length + [target_length]


@dataclass(frozen=True)
class ScheduleMixture:
    """How the warm-up's episodes are scheduled: a random choice per sentence and epoch.

    Attributes:
        wait_k: weight of wait-k schedules.
        aligned: weight of aligned schedules, which need word alignments.
        full_sentence: weight of waiting until the end.
        k: smallest and largest k of wait-k.
        lag: largest extra lag of an aligned schedule, in source units; drawn from 0 on.
        align: word-align the training sentences with eflomal, where they bring no alignments.
    """

    wait_k: float = 0.7
    aligned: float = 0.0
    full_sentence: float = 0.3
    k: tuple[int, int] = (1, 8)
    lag: int = 2
    align: bool = False

    def __post_init__(self) -> None:
        weights = (self.wait_k, self.aligned, self.full_sentence)
        if min(weights) < 0 or sum(weights) <= 0:
            raise ValueError("the weights of the schedules must not be negative, and one must be positive")
        if not 1 <= self.k[0] <= self.k[1]:
            raise ValueError(f"k must be a range from 1 or more, smallest first, got {self.k}")
        if self.lag < 0:
            raise ValueError(f"lag must not be negative, got {self.lag}")
        if not self.aligned:
            refuse_changed(self, ("lag", "align"), "no schedule is aligned")
        if not self.wait_k:
            refuse_changed(self, ("k",), "no schedule is wait-k")

    def draw(
        self, rng: random.Random, source_length: int, target_length: int, alignment: Sequence[Link] | None
    ) -> list[int]:
        """Draw a schedule for a pair.

        Raises:
            ValueError: an aligned schedule is wanted, and the pair has no alignment.
        """
        weights = (self.wait_k, self.aligned, self.full_sentence)
        (kind,) = rng.choices(("wait-k", "aligned", "full"), weights)
        if kind == "wait-k":
            return wait_k(source_length, target_length, rng.randint(*self.k))
        if kind == "full":
            return full_sentence(source_length, target_length)
        if alignment is None:
            raise ValueError(
                "aligned schedules need word alignments: give an alignment column, "
                "let eflomal make one (schedule.align = true), or set schedule.aligned = 0"
            )
        return aligned(source_length, target_length, alignment, rng.randint(0, self.lag))
