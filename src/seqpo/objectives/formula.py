"""The one formula: w = exp(POOL over LEVEL of φ(d)),  loss = − AGGREGATE(ψ(w, A)).

d = log π_θ − log π_behaviour of an action token. Level, φ, pool, ψ and aggregate are chosen independently; the
published objectives are the entries of `seqpo.objectives.catalog`.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from typing import Literal, Protocol, get_args

import torch
from torch import Tensor

from seqpo.objectives.diagnostics import Diagnostics
from seqpo.objectives.gates import Gate, Identity
from seqpo.objectives.weightings import ScoreFunction, Weighting
from seqpo.segments import Denominators, Level, Segments

Aggregate = Literal["sequence-mean", "sequence-sum", "token-mean", "constant-length"]
Pool = Literal["geometric", "harmonic", "product"]
Credit = Literal["level", "token"]

MAX_LOG_RATIO = 20.0
"""Log-ratios are clamped to ±20 before any exponential: e²⁰ is finite in every dtype used for losses."""


@dataclass(frozen=True)
class Loss:
    """A loss and what it was made of.

    Attributes:
        value: scalar, to be minimised.
        diagnose: computes the diagnostics of this part of the step.
    """

    value: Tensor
    diagnose: Callable[[], Diagnostics]

    @cached_property
    def diagnostics(self) -> Diagnostics:
        """Of this part of the step, computed when first asked for; they add up over parts, as the losses do."""
        return self.diagnose()


class PolicyLoss(Protocol):
    """What a trainer calls: an `Objective`, or anything of your own that has its form and keeps its promises.

    The losses of the parts of a step must add up to the loss of the step, which is what `denominators` are for.
    """

    @property
    def credit_level(self) -> Level:
        """The finest level at which advantages may differ."""
        ...

    def __call__(
        self,
        logprobs: Tensor,
        behaviour: Tensor,
        advantages: Tensor,
        segments: Segments,
        denominators: Denominators | None = None,
    ) -> Loss:
        """Compute the loss of a batch, or of its share of a larger optimizer step."""
        ...


@dataclass(frozen=True)
class Objective:
    """A sequence-level policy objective.

    Attributes:
        level: the unit whose tokens share one importance weight.
        gate: φ, applied to each token's log-ratio.
        weighting: ψ, applied to each unit.
        aggregate: how units are averaged. Per episode, then over episodes (`sequence-mean`); summed per episode,
            averaged over episodes (`sequence-sum`); each unit by its share of all tokens (`token-mean`);
            summed and divided by episodes × `max_length` (`constant-length`).
        pool: how the gated ratios of a unit become one weight: their geometric mean, their harmonic mean, or
            their product (the true ratio of the unit, clamped to e^±20).
        credit: whose advantage a weight multiplies: the unit's, or each token's own. With `token`, ψ acts on
            tokens, each with the value of its unit's weight and the gradient of its own gated ratio (GSPO-token,
            2507.18071 Eq. 13); equal to `level` where the tokens of a unit share their advantage, length
            weighting apart.
        max_length: the constant of `constant-length`, in action tokens.

    Raises:
        ValueError: a combination that has no meaning.
    """

    level: Level
    gate: Gate
    weighting: Weighting
    aggregate: Aggregate
    pool: Pool = "geometric"
    credit: Credit = "level"
    max_length: int | None = None

    def __post_init__(self) -> None:
        for name, kind in (("level", Level), ("aggregate", Aggregate), ("pool", Pool), ("credit", Credit)):
            if getattr(self, name) not in get_args(kind):
                raise ValueError(f"unknown {name} {getattr(self, name)!r}: choose one of {', '.join(get_args(kind))}")
        if (self.aggregate == "constant-length") != (self.max_length is not None):
            raise ValueError("max_length belongs to the aggregate 'constant-length', and is needed there")
        if self.max_length is not None and self.max_length < 1:
            raise ValueError(f"max_length is a number of tokens, got {self.max_length}")
        if self.aggregate == "constant-length" and self.credit_level != "token":
            raise ValueError("'constant-length' replaces a token count: level or credit must be 'token'")
        kind_of_weighting = type(self.weighting).__name__
        if self.weighting.weighs_logprob and self.credit_level != "token":
            raise ValueError(f"{kind_of_weighting} weighs the log-prob of a token: level or credit must be 'token'")
        if isinstance(self.weighting, ScoreFunction) and not isinstance(self.gate, Identity):
            raise ValueError("ScoreFunction uses no ratio, so a gate on the ratio would be ignored")
        if not self.weighting.weighs_logprob and self.credit == "token" and self.pool != "geometric":
            raise ValueError(f"credit 'token' splits a mean of log-ratios: pool must be 'geometric', not {self.pool!r}")

    @property
    def credit_level(self) -> Level:
        """The level at which ψ acts, and at which advantages may differ."""
        return "token" if self.credit == "token" else self.level

    def __call__(
        self,
        logprobs: Tensor,
        behaviour: Tensor,
        advantages: Tensor,
        segments: Segments,
        denominators: Denominators | None = None,
    ) -> Loss:
        """Compute the loss of a batch, or of its share of a larger optimizer step.

        Nothing here waits for the device. Half-precision log-probs are computed with in float32.

        Args:
            logprobs: `[N]` current log-probs of the action tokens, differentiable.
            behaviour: `[N]` log-probs under the policy that sampled them.
            advantages: `[N]`; a unit of several tokens takes their mean (they agree, where credit is of the level).
            segments: turns and episodes of the N tokens; an episode must be whole.
            denominators: denominators of the whole optimizer step; those of this batch when omitted. Losses of the
                parts of a step add up to the loss of the step, whatever the split.

        Raises:
            ValueError: shapes that differ.
        """
        for name, tensor in (("logprobs", logprobs), ("behaviour", behaviour), ("advantages", advantages)):
            if tensor.shape != (segments.tokens,):
                raise ValueError(f"{name} has shape {tuple(tensor.shape)}, segments hold {segments.tokens} tokens")
        denominators = denominators or segments.denominators
        logprobs, behaviour, advantages = _wide(logprobs), _wide(behaviour), _wide(advantages)
        log_ratio = (logprobs - behaviour).clamp(-MAX_LOG_RATIO, MAX_LOG_RATIO)
        advantage = segments.mean(advantages, self.credit_level)
        side = self._side(advantage, segments)
        gated = self.gate(log_ratio, side)
        pooled = self._pooled(gated, segments)
        weight = torch.exp(pooled)
        if self.credit_level != self.level:
            weight = torch.exp(segments.spread(pooled.detach(), self.level) + gated - gated.detach())
        terms = self.weighting(weight, advantage, segments.mean(logprobs, self.credit_level))
        seen = _Seen(log_ratio.detach(), side, pooled.detach(), weight.detach(), advantage)
        return Loss(
            value=-self._aggregated(terms, segments, denominators),
            diagnose=lambda: self._diagnose(seen, segments, denominators),
        )

    def _side(self, advantage: Tensor, segments: Segments) -> Tensor:
        """`[N]` which way its unit's advantage pushes each token: 1 where A > 0, else −1."""
        if isinstance(self.gate, Identity):
            return advantage.new_ones(())  # it does not look
        return segments.spread((advantage > 0).to(advantage.dtype) * 2 - 1, self.credit_level)

    def _pooled(self, gated: Tensor, segments: Segments) -> Tensor:
        """`[units]` log of the weight that the tokens of each unit share."""
        if self.pool == "geometric":
            return segments.mean(gated, self.level)
        if self.pool == "harmonic":
            return -torch.log(segments.mean(torch.exp(-gated), self.level))
        return segments.sum(gated, self.level).clamp(-MAX_LOG_RATIO, MAX_LOG_RATIO)

    def _aggregated(self, terms: Tensor, segments: Segments, denominators: Denominators) -> Tensor:
        """Average the terms `[units]`: a scalar."""
        if self.aggregate == "token-mean":
            weighed = terms if self.credit_level == "token" else terms * segments.lengths(self.credit_level)
            return weighed.sum() / denominators.tokens
        if self.aggregate == "sequence-mean" and self.credit_level != "sequence":
            per_episode = 1 / segments.count_per_episode(self.credit_level).to(terms.dtype)
            terms = terms * per_episode.index_select(0, segments.episode_of(self.credit_level))
        return terms.sum() / (denominators.episodes * (self.max_length or 1))

    @torch.no_grad()
    def _diagnose(self, seen: _Seen, segments: Segments, denominators: Denominators) -> Diagnostics:
        plain = seen.pooled if isinstance(self.gate, Identity) else self._pooled(seen.log_ratio, segments)
        stopped = segments.spread(self.weighting.stops(seen.weight, seen.advantage), self.credit_level)
        if not self.weighting.weighs_logprob and not isinstance(self.gate, Identity):
            pushed = segments.spread(seen.advantage != 0, self.credit_level)
            stopped = stopped | (self.gate.stops(seen.log_ratio, seen.side) & pushed)
        lengths = segments.lengths(self.level)
        shared = torch.exp(seen.pooled)
        sums = [
            (torch.expm1(plain).abs() * lengths).sum(),
            stopped.count_nonzero(),
            (torch.expm1(seen.log_ratio) - seen.log_ratio).sum(),
            (shared * lengths).sum(),
            (shared.square() * lengths).sum(),
        ]
        return Diagnostics(torch.stack([one.to(shared.dtype) for one in sums]) / denominators.tokens)


@dataclass(frozen=True)
class _Seen:
    """What diagnostics are computed from: `[N]`, `[N]`, and `[units]` at the objective's level and its unit, twice."""

    log_ratio: Tensor
    side: Tensor
    pooled: Tensor
    weight: Tensor
    advantage: Tensor


def _wide(values: Tensor) -> Tensor:
    return values.to(torch.promote_types(values.dtype, torch.float32))
