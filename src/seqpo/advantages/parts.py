"""Three choices: baseline × scale × credit."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal, get_args

import torch
from torch import Tensor

from seqpo.segments import Segments, add_by

Baseline = Literal["none", "group-mean", "leave-one-out"]
Scale = Literal["none", "group-std", "batch-std"]
Credit = Literal["episode", "return-to-go"]

EPSILON = 1e-6
"""Added to a standard deviation before dividing by it, as GRPO's implementations do."""


def _alone(values: Tensor) -> Tensor:
    return values


@dataclass(frozen=True)
class Advantage:
    """Rewards of turns to advantages of tokens.

    Returns are compared among *peers*: the episodes of a group, or, with return-to-go, the turns of the same
    index in the episodes of a group. Peers that all have the same return, or a return without peers, get
    advantage zero from a baseline of the group, and nothing is ever divided by zero.

    Attributes:
        baseline: what is subtracted: nothing, the mean of the peers, or the mean of the *other* peers (RLOO).
        scale: what the difference is divided by: nothing, the sample standard deviation of the returns of the
            group, or that of all advantages of the optimizer step.
        credit: the return of a turn: the whole episode's, or what is still to come.
        discount: γ per turn, of return-to-go.

    Raises:
        ValueError: an unknown choice, or a discount without return-to-go.
    """

    baseline: Baseline = "group-mean"
    scale: Scale = "none"
    credit: Credit = "episode"
    discount: float = 1.0

    def __post_init__(self) -> None:
        for name, kind in (("baseline", Baseline), ("scale", Scale), ("credit", Credit)):
            if getattr(self, name) not in get_args(kind):
                choices = ", ".join(get_args(kind))
                raise ValueError(f"unknown {name} {getattr(self, name)!r}: choose one of {choices}")
        if self.baseline == "none" and self.scale != "none":
            raise ValueError("a scale needs a baseline: returns that don't vary would be divided by almost nothing")
        if self.credit == "episode" and self.discount != 1.0:
            raise ValueError("discount belongs to credit 'return-to-go'; the whole episode has one return")

    def __call__(self, rewards: Tensor, segments: Segments, all_sum: Callable[[Tensor], Tensor] = _alone) -> Tensor:
        """Return the advantage of each action token.

        Args:
            rewards: `[turns]`.
            segments: turns, episodes and groups; every group must be whole.
            all_sum: sums a tensor over the processes of a distributed run, for `batch-std`.

        Returns:
            `[N]`.

        Raises:
            ValueError: rewards of another shape.
        """
        if rewards.shape != (segments.turns,):
            raise ValueError(f"rewards have shape {tuple(rewards.shape)}, segments hold {segments.turns} turns")
        # in float64: a rounding error in the mean of equal returns, over a deviation of zero, would be huge
        returns, peers, count = self._returns(rewards.double(), segments)
        centred = returns - self._expected(returns, peers, count)
        if self.scale == "group-std":
            centred = centred / (_peer_std(returns, peers, count) + EPSILON)
        elif self.scale == "batch-std":
            centred = centred / (_pooled_std(centred, all_sum) + EPSILON)
        return segments.spread(centred, "sequence" if self.credit == "episode" else "turn").to(rewards.dtype)

    def _returns(self, rewards: Tensor, segments: Segments) -> tuple[Tensor, Tensor, int]:
        """`[units]` returns, `[units]` index of their set of peers, and the number of those sets."""
        if self.credit == "episode":
            return add_by(rewards, segments.episode, segments.episodes), segments.group, segments.groups
        counts = segments.units_per_episode("turn")
        first = counts.cumsum(0) - counts
        index = torch.arange(segments.turns, device=rewards.device) - first[segments.episode]
        longest = int(counts.max())
        padded = rewards.new_zeros(segments.episodes, longest).index_put((segments.episode, index), rewards)
        for step in range(longest - 2, -1, -1):
            padded[:, step] += self.discount * padded[:, step + 1]
        peers = segments.group[segments.episode] * longest + index
        return padded[segments.episode, index], peers, segments.groups * longest

    def _expected(self, returns: Tensor, peers: Tensor, count: int) -> Tensor:
        if self.baseline == "none":
            return torch.zeros_like(returns)
        sizes = add_by(torch.ones_like(returns), peers, count)[peers]
        sums = add_by(returns, peers, count)[peers]
        if self.baseline == "group-mean":
            return sums / sizes
        # a return without peers is its own expectation: nothing is known to compare it with
        return torch.where(sizes > 1, (sums - returns) / (sizes - 1).clamp(min=1), returns)


def _peer_std(returns: Tensor, peers: Tensor, count: int) -> Tensor:
    """`[units]` sample standard deviation among the peers of each; 1 where there is only one (TRL, verl)."""
    sizes = add_by(torch.ones_like(returns), peers, count)
    means = add_by(returns, peers, count) / sizes.clamp(min=1)
    squares = add_by((returns - means[peers]).square(), peers, count)
    std = (squares / (sizes - 1).clamp(min=1)).sqrt()
    return torch.where(sizes > 1, std, torch.ones_like(std))[peers]


def _pooled_std(values: Tensor, all_sum: Callable[[Tensor], Tensor]) -> Tensor:
    """Sample standard deviation over all units of all processes."""
    count, total = all_sum(torch.stack([values.new_tensor(values.numel()), values.sum()]))
    squares = all_sum((values - total / count).square().sum())
    return torch.sqrt(squares / (count - 1).clamp(min=1))
