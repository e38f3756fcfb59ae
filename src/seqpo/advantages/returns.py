"""Rewards of turns to returns: of the episode, to go, and generalised (GAE)."""

from __future__ import annotations

import torch
from torch import Tensor

from seqpo.segments import Level, Segments, add_by


def check_rewards(rewards: Tensor, segments: Segments) -> tuple[Tensor, Tensor]:
    """Split rewards into numbers, in float64, and whether each episode was scored at all.

    In float64, for a rounding error in the mean of equal returns, over a deviation of zero, would be huge.

    Returns:
        `[turns]` rewards, 0 in episodes with a NaN, and `[episodes]` whether an episode has none.

    Raises:
        ValueError: rewards of another shape.
    """
    if rewards.shape != (segments.turns,):
        raise ValueError(f"rewards have shape {tuple(rewards.shape)}, segments hold {segments.turns} turns")
    unknown = add_by(rewards.isnan().long(), segments.episode, segments.episodes) > 0
    return torch.where(unknown[segments.episode], 0.0, rewards.double()), ~unknown


def positions(owner: Tensor, episodes: int) -> Tensor:
    """Number the units of each episode from 0, given the episode of each unit, non-decreasing: `[units]`."""
    counts = add_by(torch.ones_like(owner), owner, episodes)
    first = counts.cumsum(0) - counts
    return torch.arange(owner.numel(), device=owner.device) - first[owner]


def discounted(values: Tensor, owner: Tensor, episodes: int, decay: float) -> Tensor:
    """Sum what is still to come: y_t = x_t + decay · y_{t+1} within each episode.

    Args:
        values: `[units]` in order of time.
        owner: `[units]` episode of each, non-decreasing.
        episodes: number of episodes.
        decay: factor per unit.

    Returns:
        `[units]`.
    """
    place = positions(owner, episodes)
    columns = values.new_zeros(int(place.max()) + 1, episodes).index_put((place, owner), values)
    for step in range(columns.shape[0] - 2, -1, -1):
        columns[step] += decay * columns[step + 1]
    return columns[place, owner]


def bootstrapped(rewards: Tensor, segments: Segments, bootstrap: Tensor | None, discount: float) -> Tensor:
    """Let the last reward of each episode stand for what followed it as well: r + γ·V(what followed).

    Returns to go and temporal differences then go on beyond a cut, where without it they would take what followed
    to be worth nothing.

    Args:
        rewards: `[turns]`.
        segments: turns and episodes.
        bootstrap: `[episodes]` a critic's values, 0 after an end; None where no episode was cut off.
        discount: γ per unit.

    Returns:
        `[turns]`.

    Raises:
        ValueError: a bootstrap of another shape.
    """
    if bootstrap is None:
        return rewards
    if bootstrap.shape != (segments.episodes,):
        raise ValueError(
            f"the bootstrap has shape {tuple(bootstrap.shape)}, but there are {segments.episodes} episodes"
        )
    last = segments.count_per_episode("turn").cumsum(0) - 1
    return rewards.index_add(0, last, discount * bootstrap.to(rewards.dtype))


def gae(
    rewards: Tensor,
    values: Tensor,
    segments: Segments,
    level: Level,
    discount: float = 1.0,
    gae_lambda: float = 1.0,
    bootstrap: Tensor | None = None,
) -> tuple[Tensor, Tensor]:
    """Generalised advantage estimation over the action tokens or the turns of episodes (1506.02438, Eq. 16).

    δ_t = r_t + γ·V_{t+1} − V_t, A_t = Σ_l (γλ)^l δ_{t+l}; V is 0 after the end, and `bootstrap` after a cut.
    What was observed between two actions takes no step.

    Args:
        rewards: `[turns]`; at level `token` a turn's reward stands at its last token.
        values: `[units]` critic's prediction before each unit.
        segments: turns and episodes.
        level: `token` or `turn`.
        discount: γ per unit.
        gae_lambda: λ.
        bootstrap: `[episodes]` critic's prediction after each episode that was cut off, 0 for the others.

    Returns:
        `[units]` advantages, and `[units]` targets of the critic, A + V.

    Raises:
        ValueError: rewards, values or a bootstrap of other shapes.
    """
    if rewards.shape != (segments.turns,) or values.shape != (segments.count(level),):
        raise ValueError(
            f"rewards have shape {tuple(rewards.shape)} for {segments.turns} turns, values {tuple(values.shape)} for "
            f"{segments.count(level)} units of level {level!r}"
        )
    owner = segments.episode_of(level)
    paid = bootstrapped(rewards.to(values.dtype), segments, bootstrap, discount)
    if level == "token":
        last = segments.lengths("turn").cumsum(0) - 1
        paid = values.new_zeros(segments.tokens).index_put((last,), paid)
    following = torch.zeros_like(values)
    following[:-1] = values[1:] * (owner[1:] == owner[:-1])
    surprise = paid + discount * following - values
    advantages = discounted(surprise, owner, segments.episodes, discount * gae_lambda)
    return advantages, advantages + values
