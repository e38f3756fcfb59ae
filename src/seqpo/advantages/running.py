"""Advantages that remember: a running scale (Gu et al.), and a running value of every start (SPO)."""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor

from seqpo.advantages.comparison import Comparison
from seqpo.advantages.groups import EPSILON
from seqpo.advantages.inputs import NOTHING, Advantage, AdvantageInputs, HasCriticTargets, Need, Sum, alone
from seqpo.advantages.returns import check_rewards
from seqpo.segments import Level, Segments, add_by


class RunningScale:
    """Centres and scales another advantage by running averages (1610.00388, Section 4.3).

    R̃ = (R̂ − b) / √(σ² + ε) with b and σ² averaged over the steps so far: b ← b + rate · (mean − b). The paper
    prints no rate; 1 takes the current batch alone, as the authors' released code does.

    Args:
        of: the advantage R̂; every unit at its level counts once.
        rate: weight of the current batch; the first batch counts whole.
    """

    def __init__(self, of: Advantage, rate: float = 0.1) -> None:
        if not 0 < rate <= 1:
            raise ValueError(f"rate is the weight of the current batch, above 0 and up to 1, got {rate}")
        self.of = of
        self.rate = rate
        self._moments: Tensor | None = None

    @property
    def needs(self) -> tuple[Need, ...]:
        """What the scaled advantage needs."""
        return self.of.needs

    @property
    def level(self) -> Level:
        """The level of the scaled advantage."""
        return self.of.level

    @property
    def value_level(self) -> Level:
        """The level of the scaled advantage's critic."""
        return self._teacher.value_level

    def targets(self, rewards: Tensor, segments: Segments, inputs: AdvantageInputs) -> Tensor:
        """Return the targets of the scaled advantage, which are not scaled; see `seqpo.advantages.HasCriticTargets`."""
        return self._teacher.targets(rewards, segments, inputs)

    @property
    def _teacher(self) -> HasCriticTargets:
        if not isinstance(self.of, HasCriticTargets):
            raise ValueError(f"{type(self.of).__name__} teaches no critic: it has no `value_level` and `targets`")
        return self.of

    def __call__(
        self, rewards: Tensor, segments: Segments, inputs: AdvantageInputs = NOTHING, all_sum: Sum = alone
    ) -> Tensor:
        """Return the advantage of each action token `[N]`, and remember the batch; see `Advantage`."""
        _, scored = check_rewards(rewards, segments)
        plain = self.of(rewards.double(), segments, inputs, all_sum)
        counted = scored[segments.token_episode]
        # a unit of n tokens is met n times, with a weight of 1/n
        weights = counted.to(plain.dtype) / segments.spread(segments.lengths(self.level), self.level)
        count, total, squares = all_sum(torch.stack([(weights * plain**power).sum() for power in range(3)]))
        if count == 0:
            return torch.zeros_like(plain, dtype=rewards.dtype)
        mean = total / count
        found = torch.stack([mean, squares / count - mean**2])
        last = found if self._moments is None else self._moments.to(found.device)
        self._moments = last + self.rate * (found - last)
        centre, variance = self._moments
        scaled = (plain - centre) / (variance.clamp(min=0) + EPSILON).sqrt()
        return torch.where(counted, scaled, 0).to(rewards.dtype)

    def state_dict(self) -> dict[str, Tensor]:
        """Return the running mean and variance."""
        return {} if self._moments is None else {"moments": self._moments}

    def load_state_dict(self, memory: Mapping[str, Tensor]) -> None:
        """Go on from a running mean and variance."""
        self._moments = memory.get("moments")


class RunningValue:
    """R − a value of the start that is tracked from visit to visit, whitened over the step (SPO, 2509.13232).

    Each start has discounted counts: W ← ρ·W + n, S ← ρ·S + ΣR; its value is S / W from *before* the visit. With
    rewards of 0 and 1 these are the two counts of a Beta distribution. The paper lets ρ fall,
    from 0.96 to 0.875, the further the policy has moved since it last played the start; here ρ is constant.

    Args:
        prior: value of a start that has not been visited, worth some visits. The paper estimates it
            with rollouts before training instead.
        visits: that the prior is worth; the paper's 1 / (1 − 0.875) by default.
        rho: ρ, the weight of the past at each visit.
    """

    def __init__(self, prior: float = 0.5, visits: float = 8.0, rho: float = 0.96) -> None:
        if not (0 <= rho < 1 and visits > 0):
            raise ValueError(f"rho lies from 0 to below 1, and visits are positive, got {rho} and {visits}")
        self.prior, self.visits, self.rho = prior, visits, rho
        self._counts: Tensor | None = None
        self._whitened = Comparison("value", "whiten-units")

    @property
    def needs(self) -> tuple[Need, ...]:
        """The number of each start."""
        return ("starts",)

    @property
    def level(self) -> Level:
        """Episodes differ."""
        return "sequence"

    def __call__(
        self, rewards: Tensor, segments: Segments, inputs: AdvantageInputs = NOTHING, all_sum: Sum = alone
    ) -> Tensor:
        """Return the advantage of each action token `[N]`, and remember the returns; see `Advantage`."""
        known, scored = check_rewards(rewards, segments)
        starts = inputs.require("starts", segments.groups, "groups")
        if not 0 <= int(starts.min()) <= int(starts.max()) < inputs.num_starts:
            raise ValueError(f"inputs.starts must be 0 or more, and below inputs.num_starts = {inputs.num_starts}")
        counts = self._known(inputs.num_starts, known)
        value = (counts[0] / counts[1])[starts]
        advantages = self._whitened(rewards, segments, AdvantageInputs(values=value[segments.group]), all_sum)
        returns = torch.where(scored, add_by(known, segments.episode, segments.episodes), 0)
        visits = add_by(scored.to(known.dtype), segments.group, segments.groups)
        seen = torch.stack([add_by(returns, segments.group, segments.groups), visits])
        added = all_sum(torch.zeros_like(counts).index_add(1, starts, seen))
        self._counts = torch.where(added[1] > 0, self.rho * counts + added, counts)
        return advantages

    def _known(self, num_starts: int, like: Tensor) -> Tensor:
        """`[2, num_starts]` discounted sums of returns and counts of visits."""
        if self._counts is None:
            first = like.new_tensor([[self.prior * self.visits], [self.visits]])
            self._counts = first.expand(2, num_starts).contiguous()
        if self._counts.shape[1] != num_starts:
            raise ValueError(f"values of {self._counts.shape[1]} starts are remembered, the task has {num_starts}")
        return self._counts.to(like.device)

    def state_dict(self) -> dict[str, Tensor]:
        """Return the counts of every start."""
        return {} if self._counts is None else {"counts": self._counts}

    def load_state_dict(self, memory: Mapping[str, Tensor]) -> None:
        """Go on from the counts of every start."""
        self._counts = memory.get("counts")
