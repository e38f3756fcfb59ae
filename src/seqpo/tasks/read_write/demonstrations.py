"""What an agent imitates before it learns by rewards: wait-k over its translator, another k in each sentence."""

from __future__ import annotations

import random
from dataclasses import dataclass

from seqpo.records import refuse_changed
from seqpo.tasks.read_write.deciders import WaitLags
from seqpo.tasks.read_write.policy import ReadWritePolicy
from seqpo.tasks.read_write.task import ReadWriteTask
from seqpo.types import Episode


@dataclass(frozen=True)
class LagMixture:
    """How demonstrations are scheduled: a random choice per sentence and epoch.

    Attributes:
        wait_k: weight of wait-k schedules.
        full_sentence: weight of waiting until the end.
        k: smallest and largest k of wait-k.
    """

    wait_k: float = 1.0
    full_sentence: float = 0.0
    k: tuple[int, int] = (1, 8)

    def __post_init__(self) -> None:
        weights = (self.wait_k, self.full_sentence)
        if min(weights) < 0 or sum(weights) <= 0:
            raise ValueError("the weights of the schedules must not be negative, and one must be positive")
        if not 1 <= self.k[0] <= self.k[1]:
            raise ValueError(f"k must be a range from 1 or more, smallest first, got {self.k}")
        if not self.wait_k:
            refuse_changed(self, ("k",), "no schedule is wait-k")

    def draw(self, rng: random.Random, source_length: int) -> int:
        """Draw the k of a schedule; that of waiting until the end is more than the units of the source."""
        (kind,) = rng.choices(("wait-k", "full"), (self.wait_k, self.full_sentence))
        return rng.randint(*self.k) if kind == "wait-k" else source_length + 1


@dataclass(frozen=True)
class Demonstrations:
    """Demonstrations over the policy's translator, an episode per sentence with a lag of its own.

    Attributes:
        policy: whose translator is decided over.
        task: tells the sentences.
        schedule: tells their lags.
    """

    policy: ReadWritePolicy
    task: ReadWriteTask
    schedule: LagMixture

    def demonstrations(self, count: int, *, step: int) -> list[Episode]:
        """Return the episodes of a step."""
        starts = self.task.starts(count, step=step)
        rng = random.Random(f"{self.task.seed} lags {step}")
        lags = [self.schedule.draw(rng, len(start.units)) for start in starts]
        return self.policy.demonstrate(starts, WaitLags(lags))
