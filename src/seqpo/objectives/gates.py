"""φ: what happens to the log-ratio d of each action token before it enters the weight.

Each gate maps `d` `[N]` and the side s `[N]` that the advantage pushes to (1 where A > 0, else −1) to gated
log-ratios `[N]`. Where a gate is soft, its temperature τ depends on the side.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

import torch
from torch import Tensor


class Gate(Protocol):
    """φ(d; s): `[N]` log-ratios and `[N]` sides to `[N]` gated log-ratios.

    A gate of your own is a frozen dataclass that inherits from this.
    """

    def __call__(self, log_ratio: Tensor, side: Tensor) -> Tensor:
        """Gate the log-ratios."""
        ...

    def stops(self, log_ratio: Tensor, side: Tensor) -> Tensor:
        """`[N]` whether a token has lost its gradient here; never, unless a gate says so."""
        return torch.zeros_like(log_ratio, dtype=torch.bool)


@dataclass(frozen=True)
class Identity(Gate):
    """φ(d) = d: the plain importance ratio."""

    def __call__(self, log_ratio: Tensor, side: Tensor) -> Tensor:
        """Return the log-ratio as it is."""
        return log_ratio


@dataclass(frozen=True)
class OneSidedClamp(Gate):
    """φ(d) = s·min(s·d, s·clamp(d, −ε, ε)), s = sign A: GMPO's clip in log space (2507.20673, Eq. 4).

    A ratio that has already moved the way its advantage pushes loses its gradient beyond ε.
    """

    epsilon: float = 0.4

    def __call__(self, log_ratio: Tensor, side: Tensor) -> Tensor:
        """Clamp from above where A > 0, from below where A < 0."""
        return side * (side * log_ratio).clamp(max=self.epsilon)

    def stops(self, log_ratio: Tensor, side: Tensor) -> Tensor:
        """`[N]` whether a token has lost its gradient."""
        return side * log_ratio > self.epsilon


@dataclass(frozen=True)
class SigmoidGate(Gate):
    """φ(d) = log[(4/τ)·σ(τ(r − 1))], r = eᵈ: SAPO's gate (2511.20347); in SSPO's first version too.

    The 4/τ makes the on-policy gradient exactly REINFORCE's, at any temperature.
    """

    tau_pos: float = 1.0
    tau_neg: float = 1.05

    def __call__(self, log_ratio: Tensor, side: Tensor) -> Tensor:
        """Return the log of the gate."""
        tau = _choose(side, self.tau_pos, self.tau_neg)
        scale = _choose(side, math.log(4 / self.tau_pos), math.log(4 / self.tau_neg))
        return scale + torch.nn.functional.logsigmoid(tau * torch.expm1(log_ratio))


@dataclass(frozen=True)
class LogSpaceGate(Gate):
    """φ(d) = g(τd)/τ for a bounded odd g with g'(0) = 1: soft forms of GMPO's clamp (SSPO, reconstruction).

    `shape` is one of `LOG_SPACE_SHAPES`; |φ| is bounded by sup g / τ.
    """

    shape: str = "arctan"
    tau_pos: float = 1.0
    tau_neg: float = 1.05

    def __post_init__(self) -> None:
        if self.shape not in LOG_SPACE_SHAPES:
            raise ValueError(f"unknown gate shape {self.shape!r}: choose one of {', '.join(LOG_SPACE_SHAPES)}")

    def __call__(self, log_ratio: Tensor, side: Tensor) -> Tensor:
        """Squash the log-ratio."""
        tau = _choose(side, self.tau_pos, self.tau_neg)
        return LOG_SPACE_SHAPES[self.shape](tau * log_ratio) / tau


LOG_SPACE_SHAPES: dict[str, Callable[[Tensor], Tensor]] = {
    "arctan": torch.arctan,
    "tanh": torch.tanh,
    "softsign": torch.nn.functional.softsign,
    "erf": lambda x: math.sqrt(math.pi) / 2 * torch.erf(x),
}


def _choose(side: Tensor, positive: float, negative: float) -> Tensor:
    """Take one number where the side is 1, another where it is −1 (a tenth of the time of `torch.where`)."""
    return (1 + side) * (positive / 2) + (1 - side) * (negative / 2)
