"""The one formula: w = exp(mean over LEVEL of φ(d)),  loss = − AGGREGATE(ψ(w, A)).

d = log π_θ − log π_behaviour of an action token. Level, φ, ψ and aggregate are chosen independently; the
published objectives are the rows of `seqpo.objectives.catalog`.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, get_args

import torch
from torch import Tensor

from seqpo.objectives.gates import Gate, Identity, OneSidedClamp
from seqpo.objectives.weightings import CappedScore, Clip, Score, Weighting
from seqpo.segments import LEVELS, Level, Segments, Totals

Aggregate = Literal["episode-mean", "episode-sum", "token-mean", "constant-length"]
AGGREGATES: tuple[Aggregate, ...] = get_args(Aggregate)

MAX_LOG_RATIO = 20.0
"""Log-ratios are clamped to ±20 before any exponential: e²⁰ is finite in every dtype used for losses."""


@dataclass(frozen=True)
class Loss:
    """A loss and what it was made of.

    Attributes:
        value: scalar, to be minimised.
        diagnostics: detached scalars that add up over the micro-batches of a step: `ratio_deviation` (mean of
            |w − 1| over units), `no_gradient` (share of the tokens whose gradient a clip or clamp removed) and
            `kl_behaviour` (mean of the k3 estimate of KL(behaviour ‖ current) per token).
    """

    value: Tensor
    diagnostics: dict[str, Tensor]


@dataclass(frozen=True)
class Objective:
    """A sequence-level policy objective.

    Attributes:
        level: the unit whose tokens share one importance weight.
        gate: φ, applied to each token's log-ratio.
        weighting: ψ, applied to each unit.
        aggregate: how units are averaged. Per episode, then over episodes (`episode-mean`); summed per episode,
            averaged over episodes (`episode-sum`); each unit by its share of all tokens (`token-mean`);
            summed and divided by episodes × `max_length` (`constant-length`).
        max_length: the constant of `constant-length`, in action tokens.

    Raises:
        ValueError: a combination that has no meaning.
    """

    level: Level
    gate: Gate
    weighting: Weighting
    aggregate: Aggregate
    max_length: int | None = None

    def __post_init__(self) -> None:
        if self.level not in LEVELS:
            raise ValueError(f"unknown level {self.level!r}: choose one of {', '.join(LEVELS)}")
        if self.aggregate not in AGGREGATES:
            raise ValueError(f"unknown aggregate {self.aggregate!r}: choose one of {', '.join(AGGREGATES)}")
        if (self.aggregate == "constant-length") != (self.max_length is not None):
            raise ValueError("max_length belongs to the aggregate 'constant-length', and is needed there")
        if isinstance(self.weighting, Score | CappedScore) and self.level != "token":
            raise ValueError(f"{type(self.weighting).__name__} weighs the log-prob of a token: level must be 'token'")
        if isinstance(self.weighting, Score) and not isinstance(self.gate, Identity):
            raise ValueError("Score uses no ratio, so a gate on the ratio would be ignored")
        if self.level != "token" and self.aggregate == "constant-length":
            raise ValueError("'constant-length' replaces a token count: level must be 'token'")

    def __call__(
        self,
        logprobs: Tensor,
        behaviour: Tensor,
        advantages: Tensor,
        segments: Segments,
        totals: Totals | None = None,
    ) -> Loss:
        """Compute the loss of a batch, or of its share of a larger optimizer step.

        Args:
            logprobs: `[N]` current log-probs of the action tokens, differentiable.
            behaviour: `[N]` log-probs under the policy that sampled them.
            advantages: `[N]`; a unit of several tokens takes their mean (they agree, where credit is per unit).
            segments: turns and episodes of the N tokens; an episode must be whole.
            totals: denominators of the whole optimizer step; those of this batch when omitted. Losses of the
                parts of a step add up to the loss of the step, whatever the split.

        Raises:
            ValueError: shapes that differ.
        """
        for name, tensor in (("logprobs", logprobs), ("behaviour", behaviour), ("advantages", advantages)):
            if tensor.shape != (segments.tokens,):
                raise ValueError(f"{name} has shape {tuple(tensor.shape)}, segments hold {segments.tokens} tokens")
        totals = totals or segments.totals
        log_ratio = (logprobs - behaviour).clamp(-MAX_LOG_RATIO, MAX_LOG_RATIO)
        advantage = segments.mean(advantages, self.level)
        gated = self.gate(log_ratio, segments.spread(advantage, self.level))
        weight = torch.exp(segments.mean(gated, self.level))
        terms = self.weighting(weight, advantage, segments.mean(logprobs, self.level))
        shares = self._shares(segments, totals, terms.dtype)
        return Loss(
            value=-(shares * terms).sum(),
            diagnostics=self._diagnose(log_ratio, advantage, weight, segments, totals),
        )

    def _shares(self, segments: Segments, totals: Totals, dtype: torch.dtype) -> Tensor:
        """`[units]` share of each unit in the loss."""
        if self.aggregate == "token-mean":
            return segments.lengths(self.level).to(dtype) / totals.tokens
        if self.aggregate == "episode-mean":
            per_episode = segments.units_per_episode(self.level).to(dtype)
            return 1 / (totals.episodes * per_episode[segments.unit_episode(self.level)])
        length = self.max_length if self.max_length is not None else 1
        return torch.full(
            (segments.units(self.level),),
            1 / (totals.episodes * length),
            dtype=dtype,
            device=segments.turn.device,
        )

    @torch.no_grad()
    def _diagnose(
        self, log_ratio: Tensor, advantage: Tensor, weight: Tensor, segments: Segments, totals: Totals
    ) -> dict[str, Tensor]:
        lengths = segments.lengths(self.level).to(weight.dtype)
        deviation = ((weight - 1).abs() * lengths).sum() / totals.tokens
        if isinstance(self.weighting, Score):  # the ratio plays no part: report how far the policy has moved
            deviation = torch.expm1(log_ratio).abs().sum() / totals.tokens
        stopped = torch.zeros_like(log_ratio, dtype=torch.bool)
        if isinstance(self.weighting, Clip):
            stopped |= segments.spread(self.weighting.stops(weight, advantage), self.level)
        if isinstance(self.gate, OneSidedClamp):
            stopped |= self.gate.stops(log_ratio, segments.spread(advantage, self.level))
        k3 = torch.expm1(log_ratio) - log_ratio
        return {
            "ratio_deviation": deviation,
            "no_gradient": stopped.to(weight.dtype).sum() / totals.tokens,
            "kl_behaviour": k3.sum() / totals.tokens,
        }
