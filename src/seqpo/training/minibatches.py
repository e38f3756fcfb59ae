"""A rollout, and how it is cut: into minibatches of whole groups, and into micro-batches of one forward pass each."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import accumulate

import torch
from torch import Tensor

from seqpo.segments import Level
from seqpo.training.optimizer import split_by_size
from seqpo.training.world import World
from seqpo.types import Batch, pack


@dataclass(frozen=True)
class Minibatches:
    """A packed rollout, and how it is cut.

    Attributes:
        batch: the episodes of this process.
        num_tokens: what a forward pass costs for each episode, in tokens.
        budget: most tokens, padding included, of one forward pass.
        world: whose processes have a rollout each, all of the same number of episodes.
    """

    batch: Batch
    num_tokens: Sequence[int]
    budget: int
    world: World

    def deal(self, count: int) -> list[list[int]]:
        """Deal the groups out to minibatches: the episodes of each."""
        group = self.batch.segments.group.tolist()
        return [[i for i in range(len(group)) if group[i] % count == number] for number in range(count)]

    def micro_batches(self, members: Sequence[int]) -> list[list[int]]:
        """Cut some episodes into micro-batches, as many on every process: sharded models need that."""
        sizes = [self.num_tokens[i] for i in members]
        number = self.world.most(len(split_by_size(sizes, self.budget)))
        return [[members[i] for i in part] for part in split_by_size(sizes, self.budget, number)]

    def pack(self, members: Sequence[int]) -> Batch:
        """Pack some episodes."""
        return pack([self.batch.episodes[i] for i in members], device=self.world.device)

    def index(self, members: Sequence[int], level: Level) -> Tensor:
        """Positions, among the batch's units of a level, of those of some episodes, in their order."""
        if level == "token":
            return self.batch.token_index(members)
        counts = [len(episode.turns) if level == "turn" else 1 for episode in self.batch.episodes]
        first = [0, *accumulate(counts)]
        return torch.cat([torch.arange(first[i], first[i + 1]) for i in members]).to(self.world.device)

    def score(self, score: Callable[[Batch], Tensor], level: Level = "token") -> Tensor:
        """Score the units of the batch micro-batch by micro-batch, without gradient: `[units]`."""
        found = self.batch.behaviour.new_empty(self.batch.segments.count(level))
        with torch.no_grad():
            for part in self.micro_batches(range(len(self.num_tokens))):
                found[self.index(part, level)] = score(self.pack(part)).to(found.dtype)
        return found
