"""The advantages once more, as plain loops over numbers, from the papers' equations alone.

Every oracle takes the options of the advantage of its name, and returns the advantage of each token.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from statistics import fmean, stdev

from tests.support.advantage_batches import POPULATION, Batch, Episode

EPSILON = 1e-6

Oracle = Callable[..., list[float]]


@dataclass(frozen=True)
class Unit:
    """What has a return: an episode, or a turn with what is still to come."""

    episode: int
    group: int
    turn: int
    tokens: int
    result: float
    value: float
    state: int = 0


def to_go(episode: Episode, discount: float) -> list[float]:
    """R_t = Σ_k γ^k r_{t+k}."""
    rewards = [turn.reward for turn in episode.turns]
    return [sum(discount**k * r for k, r in enumerate(rewards[t:])) for t in range(len(rewards))]


def episodes_of(batch: Batch) -> list[Unit]:
    return [
        Unit(i, episode.group, 0, episode.tokens, sum(turn.reward for turn in episode.turns), episode.value)
        for i, episode in enumerate(batch.episodes)
    ]


def turns_of(batch: Batch, discount: float) -> list[Unit]:
    return [
        Unit(i, episode.group, t, len(turn.values), result, turn.values[0], turn.state)
        for i, episode in enumerate(batch.episodes)
        for t, (turn, result) in enumerate(zip(episode.turns, to_go(episode, discount), strict=True))
    ]


def per_token(units: Sequence[Unit], advantages: Sequence[float]) -> list[float]:
    return [a for unit, a in zip(units, advantages, strict=True) for _ in range(unit.tokens)]


def deviation(values: Sequence[float], of_one: float) -> float:
    return stdev(values) if len(values) > 1 else of_one


def whitened(values: Sequence[float], counts: Sequence[int] | None = None) -> list[float]:
    """Over the step: each value met as often as it counts."""
    met = [v for v, n in zip(values, counts or [1] * len(values), strict=True) for _ in range(n)]
    return [(value - fmean(met)) / (deviation(met, 0.0) + EPSILON) for value in values]


def peers_of(unit: Unit, units: Sequence[Unit]) -> list[Unit]:
    return [peer for peer in units if (peer.group, peer.turn) == (unit.group, unit.turn)]


def results(units: Sequence[Unit]) -> list[float]:
    return [unit.result for unit in units]


def less_mean(units: Sequence[Unit]) -> list[float]:
    return [unit.result - fmean(results(peers_of(unit, units))) for unit in units]


def less_others(units: Sequence[Unit]) -> list[float]:
    found = []
    for unit in units:
        others = [peer.result for peer in peers_of(unit, units) if peer.episode != unit.episode]
        found.append(unit.result - fmean(others) if others else 0.0)
    return found


def divided(units: Sequence[Unit], centred: Sequence[float], scale: str) -> list[float]:
    """By one of the scales that a recipe can choose."""
    if scale == "none":
        return list(centred)
    if scale == "group-std":
        spreads = [deviation(results(peers_of(unit, units)), 1.0) for unit in units]
        return [c / (spread + EPSILON) for c, spread in zip(centred, spreads, strict=True)]
    if scale == "batch-std":
        return [c / (deviation(results(units), 0.0) + EPSILON) for c in centred]
    if scale == "whiten-units":
        return whitened(centred)
    if scale == "whiten-tokens":
        return whitened(centred, [unit.tokens for unit in units])
    assert scale == "informative"
    told = [max(rs := results(peers_of(unit, units))) - min(rs) > 1e-5 for unit in units]
    return [c * len(units) / max(sum(told), 1) for c in centred]


def _units(batch: Batch, credit: str, discount: float) -> list[Unit]:
    return episodes_of(batch) if credit == "sequence" else turns_of(batch, discount)


def reinforce(batch: Batch, credit: str = "sequence", discount: float = 1.0) -> list[float]:
    units = _units(batch, credit, discount)
    return per_token(units, results(units))


def grpo(batch: Batch, scale: str = "group-std") -> list[float]:
    units = episodes_of(batch)
    return per_token(units, divided(units, less_mean(units), scale))


def dr_grpo(batch: Batch) -> list[float]:
    return grpo(batch, "none")


def rloo(batch: Batch, scale: str = "none") -> list[float]:
    units = episodes_of(batch)
    return per_token(units, divided(units, less_others(units), scale))


def remax(batch: Batch) -> list[float]:
    units = episodes_of(batch)
    return per_token(units, [unit.result - batch.starts[unit.group].greedy for unit in units])


def opo(batch: Batch) -> list[float]:
    units = episodes_of(batch)
    found = []
    for unit in units:
        peers = peers_of(unit, units)
        expected = sum(peer.tokens * peer.result for peer in peers) / sum(peer.tokens for peer in peers)
        found.append(unit.result - expected)
    return per_token(units, found)


def lite_ppo(batch: Batch) -> list[float]:
    return grpo(batch, "batch-std")


def gpg(batch: Batch) -> list[float]:
    return grpo(batch, "informative")


def reinforce_plus_plus(batch: Batch, discount: float = 1.0) -> list[float]:
    return whitened([r for unit in turns_of(batch, discount) for r in [unit.result] * unit.tokens])


def reinforce_plus_plus_baseline(batch: Batch) -> list[float]:
    return whitened(dr_grpo(batch))


def gdpo(batch: Batch) -> list[float]:
    units = episodes_of(batch)
    return per_token(units, whitened(results(units)))


def return_to_go(batch: Batch, discount: float = 1.0, scale: str = "whiten-units") -> list[float]:
    units = turns_of(batch, discount)
    return per_token(units, divided(units, less_mean(units), scale))


def gigpo(batch: Batch, weight: float = 1.0, discount: float = 0.95, scale: str = "group-std") -> list[float]:
    turns = turns_of(batch, discount)
    of_state = []
    for turn in turns:
        same = [peer.result for peer in turns if (peer.group, peer.state) == (turn.group, turn.state)]
        spread = deviation(same, 1.0) + EPSILON if scale == "group-std" else 1.0
        of_state.append((turn.result - fmean(same)) / spread)
    steps = per_token(turns, of_state)
    return [whole + weight * step for whole, step in zip(grpo(batch, scale), steps, strict=True)]


def sppo(batch: Batch, credit: str = "sequence") -> list[float]:
    units = _units(batch, credit, 1.0)
    return per_token(units, [unit.result - unit.value for unit in units])


def gae_of_episode(
    rewards: Sequence[float], values: Sequence[float], discount: float, gae_lambda: float
) -> list[float]:
    """A_t = Σ_l (γλ)^l δ_{t+l}, every sum anew."""
    after = [*values[1:], 0.0]
    surprise = [r + discount * v_next - v for r, v_next, v in zip(rewards, after, values, strict=True)]
    return [sum((discount * gae_lambda) ** k * d for k, d in enumerate(surprise[t:])) for t in range(len(surprise))]


def gae(
    batch: Batch, level: str = "token", discount: float = 1.0, gae_lambda: float = 1.0, whiten: bool = True
) -> list[float]:
    found, lengths = [], []
    for episode in batch.episodes:
        rewards, values = [], []
        for turn in episode.turns:
            met = turn.values if level == "token" else turn.values[:1]
            values += met
            rewards += [0.0] * (len(met) - 1) + [turn.reward]
            lengths += [1] * len(met) if level == "token" else [len(turn.values)]
        found += gae_of_episode(rewards, values, discount, gae_lambda)
    if whiten:
        found = whitened(found)
    return [a for a, length in zip(found, lengths, strict=True) for _ in range(length)]


def gu(*steps: Batch, discount: float = 1.0, rate: float = 0.1) -> list[float]:
    """The advantages of the last step, after the averages have met all of them."""
    centre = variance = math.nan
    for index, batch in enumerate(steps):
        units = turns_of(batch, discount)
        plain = [unit.result - unit.value for unit in units]
        mean = fmean(plain)
        spread = fmean([(x - mean) ** 2 for x in plain])
        centre = mean if index == 0 else (1 - rate) * centre + rate * mean
        variance = spread if index == 0 else (1 - rate) * variance + rate * spread
    return per_token(units, [(x - centre) / math.sqrt(variance + EPSILON) for x in plain])


def spo(
    *steps: Batch, prior: float = 0.5, half_life: float = 0.06, rho_min: float = 0.875, rho_max: float = 0.96
) -> list[float]:
    """The advantages of the last step; a start that a step meets twice is visited once, by both groups."""
    worth = 1 / (1 - rho_min)
    sums, visits = [prior * worth] * POPULATION, [worth] * POPULATION
    for batch in steps:
        units = episodes_of(batch)
        expected = [total / count for total, count in zip(sums, visits, strict=True)]
        found = [unit.result - expected[batch.starts[unit.group].number] for unit in units]
        for number in range(POPULATION):
            here = [unit for unit in units if batch.starts[unit.group].number == number]
            if here:
                drift = fmean([batch.starts[unit.group].drift for unit in here])
                rho = min(max(2 ** (-drift / half_life), rho_min), rho_max)
                sums[number] = rho * sums[number] + sum(results(here))
                visits[number] = rho * visits[number] + len(here)
    return per_token(units, whitened(found))


ORACLES: dict[str, Oracle] = {
    "reinforce": reinforce,
    "grpo": grpo,
    "dr-grpo": dr_grpo,
    "rloo": rloo,
    "remax": remax,
    "opo": opo,
    "lite-ppo": lite_ppo,
    "gpg": gpg,
    "reinforce++": reinforce_plus_plus,
    "reinforce++-baseline": reinforce_plus_plus_baseline,
    "gdpo": gdpo,
    "return-to-go": return_to_go,
    "gigpo": gigpo,
    "sppo": sppo,
    "gae": gae,
    "gu": gu,
    "spo": spo,
}
