"""ψ: what a unit's weight w, its advantage A and its log-prob contribute to the objective.

Each maps `[units]` tensors to `[units]` terms, to be maximised.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

import torch
from torch import Tensor


class Weighting(Protocol):
    """ψ(w, A, log π): `[units]` each, to `[units]` terms."""

    def __call__(self, weight: Tensor, advantage: Tensor, logprob: Tensor) -> Tensor:
        """Weigh the advantage."""
        ...


@dataclass(frozen=True)
class Linear:
    """ψ = w·A."""

    def __call__(self, weight: Tensor, advantage: Tensor, logprob: Tensor) -> Tensor:
        """Weigh by the ratio itself."""
        return weight * advantage


@dataclass(frozen=True)
class Clip:
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
        return torch.where(advantage < 0, torch.maximum(term, self.dual * advantage), term)

    def stops(self, weight: Tensor, advantage: Tensor) -> Tensor:
        """`[units]` whether a unit has lost its gradient."""
        bad = weight < 1 - self.low
        if self.dual is not None:
            bad |= weight > self.dual
        return ((advantage > 0) & (weight > 1 + self.high)) | ((advantage < 0) & bad)


@dataclass(frozen=True)
class Score:
    """ψ = A·log π: the score-function gradient, no ratio."""

    def __call__(self, weight: Tensor, advantage: Tensor, logprob: Tensor) -> Tensor:
        """Weigh the log-prob by the advantage."""
        return advantage * logprob


@dataclass(frozen=True)
class CappedScore:
    """ψ = sg[clip(w, 1 − low, 1 + high)]·A·log π: CISPO (2506.13585); every token keeps a gradient."""

    low: float = 1.0
    high: float = 0.2

    def __call__(self, weight: Tensor, advantage: Tensor, logprob: Tensor) -> Tensor:
        """Weigh the log-prob by advantage and capped ratio."""
        return weight.detach().clamp(1 - self.low, 1 + self.high) * advantage * logprob
