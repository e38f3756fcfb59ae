"""φ: what happens to the log-ratio d of each action token before it enters the weight.

Each gate maps `d` `[N]` and the advantage `[N]` (for its sign only) to gated log-ratios `[N]`. Where a gate is
soft, its temperature τ depends on the sign of the advantage.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

import torch
from torch import Tensor


class Gate(Protocol):
    """φ(d; A): `[N]` log-ratios and `[N]` advantages to `[N]` gated log-ratios."""

    def __call__(self, log_ratio: Tensor, advantage: Tensor) -> Tensor:
        """Gate the log-ratios."""
        ...


@dataclass(frozen=True)
class Identity:
    """φ(d) = d: the plain importance ratio."""

    def __call__(self, log_ratio: Tensor, advantage: Tensor) -> Tensor:
        """Return the log-ratio as it is."""
        return log_ratio


@dataclass(frozen=True)
class OneSidedClamp:
    """φ(d) = s·min(s·d, s·clamp(d, −ε, ε)), s = sign A: GMPO's clip in log space (2507.20673, Eq. 4).

    A ratio that has already moved the way its advantage pushes loses its gradient beyond ε.
    """

    epsilon: float = 0.4

    def __call__(self, log_ratio: Tensor, advantage: Tensor) -> Tensor:
        """Clamp from above where A > 0, from below where A < 0."""
        return torch.where(advantage > 0, log_ratio.clamp(max=self.epsilon), log_ratio.clamp(min=-self.epsilon))

    def stops(self, log_ratio: Tensor, advantage: Tensor) -> Tensor:
        """`[N]` whether a token has lost its gradient."""
        above, below = log_ratio > self.epsilon, log_ratio < -self.epsilon
        return ((advantage > 0) & above) | ((advantage < 0) & below)


@dataclass(frozen=True)
class SigmoidGate:
    """φ(d) = log[(4/τ)·σ(τ(r − 1))], r = eᵈ: SAPO's gate (2511.20347); in SSPO's first version too.

    The 4/τ makes the on-policy gradient exactly REINFORCE's, at any temperature.
    """

    tau_pos: float = 1.0
    tau_neg: float = 1.05

    def __call__(self, log_ratio: Tensor, advantage: Tensor) -> Tensor:
        """Return the log of the gate."""
        tau = _temperature(self, advantage)
        return torch.log(4 / tau) + torch.nn.functional.logsigmoid(tau * torch.expm1(log_ratio))


@dataclass(frozen=True)
class LogSpaceGate:
    """φ(d) = g(τd)/τ for a bounded odd g with g'(0) = 1: soft forms of GMPO's clamp (SSPO, reconstruction).

    `shape` is one of `LOG_SPACE_SHAPES`; |φ| is bounded by sup g / τ.
    """

    shape: str = "arctan"
    tau_pos: float = 1.0
    tau_neg: float = 1.05

    def __post_init__(self) -> None:
        if self.shape not in LOG_SPACE_SHAPES:
            raise ValueError(f"unknown gate shape {self.shape!r}: choose one of {', '.join(LOG_SPACE_SHAPES)}")

    def __call__(self, log_ratio: Tensor, advantage: Tensor) -> Tensor:
        """Squash the log-ratio."""
        tau = _temperature(self, advantage)
        return LOG_SPACE_SHAPES[self.shape](tau * log_ratio) / tau


LOG_SPACE_SHAPES: dict[str, Callable[[Tensor], Tensor]] = {
    "arctan": torch.arctan,
    "tanh": torch.tanh,
    "softsign": torch.nn.functional.softsign,
    "erf": lambda x: math.sqrt(math.pi) / 2 * torch.erf(x),
}


def _temperature(gate: SigmoidGate | LogSpaceGate, advantage: Tensor) -> Tensor:
    positive, negative = advantage.new_tensor(gate.tau_pos), advantage.new_tensor(gate.tau_neg)
    return torch.where(advantage > 0, positive, negative)
