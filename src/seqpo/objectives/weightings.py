"""ψ: what a unit's weight w, its advantage A and its log-prob contribute to the objective.

Each maps `[units]` tensors to `[units]` terms, to be maximised.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar, Protocol

import torch
from torch import Tensor


class Weighting(Protocol):
    """ψ(w, A, log π): `[units]` each, to `[units]` terms.

    A weighting of your own is a frozen dataclass that inherits from this.

    Attributes:
        weighs_logprob: whether the gradient comes through log π, the ratio being held, or through the ratio.
    """

    weighs_logprob: ClassVar[bool] = False

    def __call__(self, weight: Tensor, advantage: Tensor, logprob: Tensor) -> Tensor:
        """Weigh the advantage."""
        ...

    def stops(self, weight: Tensor, advantage: Tensor) -> Tensor:
        """`[units]` whether a unit has lost its gradient here; never, unless a weighting says so."""
        return torch.zeros_like(weight, dtype=torch.bool)


@dataclass(frozen=True)
class Linear(Weighting):
    """ψ = w·A."""

    def __call__(self, weight: Tensor, advantage: Tensor, logprob: Tensor) -> Tensor:
        """Weigh by the ratio itself."""
        return weight * advantage


@dataclass(frozen=True)
class Clip(Weighting):
    """ψ = min(w·A, clip(w, 1 − low, 1 + high)·A): PPO's pessimistic clip (1707.06347, Eq. 7).

    With `dual`, also ψ ≥ dual·A where A < 0 (1912.09729, Eq. 5).
    """

    low: float = 0.2
    high: float = 0.2
    dual: float | None = None

    def __post_init__(self) -> None:
        if self.dual is not None and self.dual <= 1 + self.high:
            raise ValueError(f"dual clip {self.dual} must exceed 1 + high = {1 + self.high}")

    def __call__(self, weight: Tensor, advantage: Tensor, logprob: Tensor) -> Tensor:
        """Take the smaller of the plain and the clipped term."""
        term = torch.minimum(weight * advantage, weight.clamp(1 - self.low, 1 + self.high) * advantage)
        if self.dual is None:
            return term
        return torch.maximum(term, self.dual * advantage.clamp(max=0))

    def stops(self, weight: Tensor, advantage: Tensor) -> Tensor:
        """`[units]` whether a unit has lost its gradient."""
        excess = weight - weight.clamp(1 - self.low, 1 + self.high)
        stopped = excess * advantage > 0
        return stopped if self.dual is None else stopped | ((weight > self.dual) & (advantage < 0))


@dataclass(frozen=True)
class ScoreFunction(Weighting):
    """ψ = A·log π: the score-function gradient, no ratio."""

    weighs_logprob: ClassVar[bool] = True

    def __call__(self, weight: Tensor, advantage: Tensor, logprob: Tensor) -> Tensor:
        """Weigh the log-prob by the advantage."""
        return advantage * logprob


@dataclass(frozen=True)
class CappedScore(Weighting):
    """ψ = sg[clip(w, 1 − low, 1 + high)]·A·log π: CISPO (2506.13585); every token keeps a gradient."""

    weighs_logprob: ClassVar[bool] = True
    low: float = 1.0
    high: float = 0.2

    def __call__(self, weight: Tensor, advantage: Tensor, logprob: Tensor) -> Tensor:
        """Weigh the log-prob by advantage and capped ratio."""
        return weight.detach().clamp(1 - self.low, 1 + self.high) * advantage * logprob


@dataclass(frozen=True)
class GammaScore(Weighting):
    """ψ = sg[φ(w)]·A·log π, φ(w) = w^k·exp(λ(1 − w)): VESPO's kernel (2602.10693); φ(1) = 1.

    k and λ depend on the sign of the advantage; A ≥ 0 counts as positive, as in the released code. With
    λ_pos > k_pos, a good episode that is already likelier than when it was sampled is held back.
    """

    weighs_logprob: ClassVar[bool] = True
    k_pos: float = 2.0
    lambda_pos: float = 3.0
    k_neg: float = 3.0
    lambda_neg: float = 2.0

    def __post_init__(self) -> None:
        if min(self.k_pos, self.lambda_pos, self.k_neg, self.lambda_neg) <= 0:
            raise ValueError("k and λ must be positive: the kernel must vanish for small and for large weights")

    def __call__(self, weight: Tensor, advantage: Tensor, logprob: Tensor) -> Tensor:
        """Weigh the log-prob by advantage and kernel."""
        positive = (advantage >= 0).to(weight.dtype)
        k = self.k_neg + positive * (self.k_pos - self.k_neg)
        rate = self.lambda_neg + positive * (self.lambda_pos - self.lambda_neg)
        held = weight.detach()
        return torch.exp(k * torch.log(held) + rate * (1 - held)) * advantage * logprob
