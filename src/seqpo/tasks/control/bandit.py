"""A bandit: one turn, one action, a reward. The smallest task with a known optimum, to check a trainer with."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from seqpo.types import Batch, Outcome, Rewards


@dataclass(frozen=True)
class Pull:
    """One pull at the bandit's arms, seen from a context.

    Attributes:
        payoffs: reward of each arm.
        context: number of the context.
        contexts: how many there are; features are one-hot.
    """

    payoffs: tuple[float, ...]
    context: int
    contexts: int

    def begin(self) -> Pull:
        """A pull has no state: it is its own situation."""
        return self

    @property
    def features(self) -> NDArray[np.float32]:
        """The context, one-hot."""
        row: NDArray[np.float32] = np.eye(self.contexts, dtype=np.float32)[self.context]
        return row

    def act(self, action: int) -> Outcome:
        """Pull an arm; the episode is over."""
        return Outcome(self.payoffs[action], terminated=True)


@dataclass(frozen=True)
class Bandit:
    """A contextual bandit.

    Attributes:
        payoffs: reward of each arm, per context.
    """

    payoffs: tuple[tuple[float, ...], ...]

    def starts(self, count: int, *, step: int) -> list[Pull]:
        """Go through the contexts in turn."""
        total = len(self.payoffs)
        contexts = [(step * count + number) % total for number in range(count)]
        return [Pull(self.payoffs[context], context, total) for context in contexts]

    @property
    def num_starts(self) -> int:
        """Number of contexts."""
        return len(self.payoffs)

    def start_ids(self, starts: Sequence[Pull]) -> Tensor:
        """Return `[starts]` their contexts."""
        return torch.tensor([start.context for start in starts])

    def score(self, starts: Sequence[Pull], batch: Batch) -> Rewards:
        """Reward each pull by its payoff."""
        return paid(batch)


def paid(batch: Batch) -> Rewards:
    """Reward every turn by what the environment paid for it."""
    turns = [turn.reward for episode in batch.episodes for turn in episode.turns]
    values = torch.tensor(turns, dtype=batch.behaviour.dtype, device=batch.behaviour.device)
    owner = batch.segments.episode
    returns = values.new_zeros(batch.segments.episodes).index_add(0, owner, values)
    lengths = batch.segments.count_per_episode("turn").to(values.dtype)
    return Rewards(values, {"return": returns, "length": lengths})
