"""Credit for steps taken in the same state (GiGPO)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor

from seqpo.advantages.comparison import Comparison
from seqpo.advantages.groups import EPSILON, Groups
from seqpo.advantages.inputs import NOTHING, AdvantageInputs, Need, Sum, alone
from seqpo.advantages.returns import check_rewards, discounted
from seqpo.segments import Level, Segments


@dataclass(frozen=True)
class SameState:
    """A = A_episode + weight · A_state (2505.10978, Eq. 8): who did better from the very same state?

    A_episode compares the returns of a group; A_state compares the discounted returns-to-go of the turns of a
    group that were chosen in the same state. A turn alone in its state has A_state = 0. Each is centred by the
    mean, and divided by the sample standard deviation or not.

    Attributes:
        weight: ω.
        discount: γ per turn, of A_state.
        scale: "group-std" or "none".
    """

    weight: float = 1.0
    discount: float = 0.95
    scale: Literal["group-std", "none"] = "group-std"

    def __post_init__(self) -> None:
        if self.scale not in ("group-std", "none"):
            raise ValueError(f"unknown scale {self.scale!r}: choose one of group-std, none")

    @property
    def needs(self) -> tuple[Need, ...]:
        """Which turns were chosen in the same state."""
        return ("states",)

    @property
    def level(self) -> Level:
        """Turns differ."""
        return "turn"

    def __call__(
        self, rewards: Tensor, segments: Segments, inputs: AdvantageInputs = NOTHING, all_sum: Sum = alone
    ) -> Tensor:
        """Return the advantage of each action token `[N]`; see `seqpo.advantages.Advantage`."""
        known, scored = check_rewards(rewards, segments)
        states = inputs.require("states", segments.turns, "turns")
        group = segments.group[segments.episode]
        states = states.unique(return_inverse=True)[1]  # any numbers will do
        count = int(states.max()) + 1
        groups = Groups(group * count + states, segments.groups * count, scored[segments.episode])
        returns = discounted(known, segments.episode, segments.episodes, self.discount)
        of_state = returns - groups.mean(returns)
        if self.scale == "group-std":
            of_state = of_state / (groups.std(returns) + EPSILON)
        of_episode = Comparison("group-mean", self.scale)(rewards.double(), segments)
        of_token = segments.spread(torch.where(groups.scored, of_state, 0), "turn")
        return (of_episode + self.weight * of_token).to(rewards.dtype)
