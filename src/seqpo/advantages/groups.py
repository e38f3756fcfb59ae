"""Comparing a return with those of its group, and with all returns of an optimizer step.

The members of a group share an index; `scored` leaves units out of every mean and deviation.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from seqpo.advantages.inputs import Sum
from seqpo.segments import add_by

EPSILON = 1e-6
"""Added to a standard deviation before dividing by it."""


@dataclass(frozen=True)
class Groups:
    """Units that are compared with each other, in groups.

    Attributes:
        index: `[units]` the group of each unit.
        count: number of groups.
        scored: `[units]` whether a unit has a return at all.
    """

    index: Tensor
    count: int
    scored: Tensor

    def sum(self, values: Tensor) -> Tensor:
        """Sum the scored of each group, and give the sum to its members: `[units]`."""
        return add_by(torch.where(self.scored, values, 0), self.index, self.count)[self.index]

    def mean(self, values: Tensor, weights: Tensor | None = None) -> Tensor:
        """Average over each group, weighed or not: `[units]`; 0 where nothing was scored."""
        weights = torch.ones_like(values) if weights is None else weights.to(values.dtype)
        total = self.sum(weights)
        return self.sum(weights * values) / torch.where(total > 0, total, 1)

    def others(self, values: Tensor) -> Tensor:
        """Average over the *other* members: `[units]`; its own value for a unit without others."""
        sizes = self.sizes(values)
        return torch.where(sizes > 1, (self.sum(values) - values) / (sizes - 1).clamp(min=1), values)

    def std(self, values: Tensor) -> Tensor:
        """Sample standard deviation of each group: `[units]`; 1 in a group of one."""
        sizes = self.sizes(values)
        squares = self.sum((values - self.mean(values)).square())
        return torch.where(sizes > 1, (squares / (sizes - 1).clamp(min=1)).sqrt(), 1)

    def sizes(self, like: Tensor) -> Tensor:
        """Number of scored members of each group: `[units]`."""
        return self.sum(torch.ones_like(like))


def moments(values: Tensor, weights: Tensor, all_sum: Sum) -> tuple[Tensor, Tensor]:
    """Mean and sample standard deviation of values, each counted `weights` times, over all processes."""
    weights = weights.to(values.dtype)
    count, total = all_sum(torch.stack([weights.sum(), (weights * values).sum()]))
    mean = total / count.clamp(min=1)
    squares = all_sum((weights * (values - mean).square()).sum())
    return mean, torch.sqrt(squares / (count - 1).clamp(min=1))
