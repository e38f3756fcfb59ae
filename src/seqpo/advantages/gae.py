"""PPO's advantage: generalised advantage estimation on a learned critic."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor

from seqpo.advantages.groups import EPSILON, moments
from seqpo.advantages.inputs import NOTHING, AdvantageInputs, Need, Sum, alone
from seqpo.advantages.returns import check_rewards, gae
from seqpo.segments import Level, Segments


@dataclass(frozen=True)
class GAE:
    """Generalised advantages per action token or per turn (1506.02438), whitened over the step or not.

    Attributes:
        level: of the critic's values, `[N]` or `[turns]`.
        discount: γ per token or turn.
        gae_lambda: λ; 1 for the return minus the value, 0 for the surprise of one step.
        whiten: whether the step's mean is taken away and its standard deviation divided by, each unit counted
            once, as PPO's implementations do.
    """

    level: Literal["token", "turn"] = "token"
    discount: float = 1.0
    gae_lambda: float = 1.0
    whiten: bool = True

    def __post_init__(self) -> None:
        if self.level not in ("token", "turn"):
            raise ValueError(f"unknown level {self.level!r}: a critic's values are a token's or a turn's")
        if not (0 <= self.discount <= 1 and 0 <= self.gae_lambda <= 1):
            raise ValueError(f"discount and gae_lambda lie between 0 and 1, got {self.discount} and {self.gae_lambda}")

    @property
    def needs(self) -> tuple[Need, ...]:
        """The critic's values."""
        return ("values",)

    @property
    def value_level(self) -> Level:
        """The level of the advantages."""
        return self.level

    def targets(self, rewards: Tensor, segments: Segments, inputs: AdvantageInputs) -> Tensor:
        """Return A + V `[units]`, of the advantages before whitening; see `seqpo.advantages.HasCriticTargets`."""
        known, scored = check_rewards(rewards, segments)
        values = self._values(segments, inputs)
        _, targets = self._estimate(known, values, segments, inputs)
        return torch.where(scored[segments.episode_of(self.level)], targets, torch.nan).to(values.dtype)

    def __call__(
        self, rewards: Tensor, segments: Segments, inputs: AdvantageInputs = NOTHING, all_sum: Sum = alone
    ) -> Tensor:
        """Return the advantage of each action token `[N]`; see `seqpo.advantages.Advantage`."""
        known, scored = check_rewards(rewards, segments)
        centred, _ = self._estimate(known, self._values(segments, inputs), segments, inputs)
        counted = scored[segments.episode_of(self.level)]
        if self.whiten:
            mean, std = moments(centred, counted, all_sum)
            centred = (centred - mean) / (std + EPSILON)
        return segments.spread(torch.where(counted, centred, 0), self.level).to(rewards.dtype)

    def _values(self, segments: Segments, inputs: AdvantageInputs) -> Tensor:
        of = "action tokens" if self.level == "token" else "turns"
        return inputs.require("values", segments.count(self.level), of)

    def _estimate(
        self, rewards: Tensor, values: Tensor, segments: Segments, inputs: AdvantageInputs
    ) -> tuple[Tensor, Tensor]:
        level, discount = self.level, self.discount
        return gae(rewards, values.double(), segments, level, discount, self.gae_lambda, inputs.bootstrap)
