"""Quality and delay of a group of translations, fused into one reward each (SeqPO-SiMT, 2505.20622)."""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from torch import Tensor

from seqpo.segments import add_by


@dataclass(frozen=True)
class FusedReward:
    """r = quality_weight · z(quality) − latency_weight · max(floor, z(latency)), z over the group.

    The papers' notes print the floor with the symbol of the chunk size; a z-score of a small group can't reach
    a chunk size, so it is a parameter of its own here. −inf is no floor.

    Attributes:
        quality_weight: λ of the paper; 0 for the latency-only ablation.
        latency_weight: 1 in the paper; 0 for the quality-only ablation.
        floor: below it, being faster earns nothing more.
    """

    quality_weight: float = 2.0
    latency_weight: float = 1.0
    floor: float = 0.0

    def __post_init__(self) -> None:
        if self.quality_weight == self.latency_weight == 0:
            raise ValueError("a reward without quality and without latency says nothing")
        if math.isnan(self.floor):
            raise ValueError("the floor must be a number, or -inf for none")

    def __call__(self, quality: Tensor, latency: Tensor, group: Tensor, groups: int) -> Tensor:
        """Fuse the scores `[episodes]` of the episodes of `groups` groups: `[episodes]`."""
        delay = group_z(latency, group, groups).clamp(min=self.floor)
        return self.quality_weight * group_z(quality, group, groups) - self.latency_weight * delay


def group_z(values: Tensor, group: Tensor, groups: int) -> Tensor:
    """Centre by the group's mean and divide by its population standard deviation; 0 where that is 0.

    Args:
        values: `[episodes]`.
        group: `[episodes]` index of the group of each.
        groups: number of groups.
    """
    wide = values.double()  # float32 would round the mean of equal scores, and find a deviation where there is none
    sizes = add_by(torch.ones_like(wide), group, groups)
    centred = wide - (add_by(wide, group, groups) / sizes)[group]
    std = (add_by(centred.square(), group, groups) / sizes).sqrt()[group]
    varied = std > 1e-8 * (1 + wide.abs())
    return torch.where(varied, centred / std.where(varied, 1.0), 0.0).to(values.dtype)
