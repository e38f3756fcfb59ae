"""The published advantages as plain loops over float64 numbers: what the tests hold the code to.

Each function is written from its paper alone, is named like its catalog entry (`dr_grpo` for "dr-grpo"), takes the
same options, and returns the advantage of each token of a batch, in order:

    batch = Batch(episodes=(Episode(0, (Turn(1.0),)), Episode(0, (Turn(0.0),))), starts=(Start(),))
    advantages = grpo(batch)  # of two tokens

Nothing is imported but the standard library. Every episode is scored, and a whole step is one batch.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from statistics import fmean, stdev

EPSILON = 1e-6
"""Added to every deviation that something is divided by."""


@dataclass(frozen=True)
class Turn:
    """A turn of one token or more.

    Attributes:
        reward: of the turn.
        values: a critic's value before each of its tokens.
        state: number of what it was chosen in; the same for the same state.
    """

    reward: float
    values: tuple[float, ...] = (0.0,)
    state: int = 0


@dataclass(frozen=True)
class Episode:
    """A trajectory.

    Attributes:
        group: index of its start.
        turns: in order.
        bootstrap: a critic's value of what followed, if it was cut off; 0 if it came to its own end.
    """

    group: int
    turns: tuple[Turn, ...]
    bootstrap: float = 0.0

    @property
    def tokens(self) -> int:
        """Number of tokens."""
        return sum(len(turn.values) for turn in self.turns)

    @property
    def value(self) -> float:
        """A critic's value of the start: the one before the first token."""
        return self.turns[0].values[0]


@dataclass(frozen=True)
class Start:
    """Where the episodes of a group start.

    Attributes:
        number: among all starts of the task.
        greedy: return of the greedy episode from here.
    """

    number: int = 0
    greedy: float = 0.0


@dataclass(frozen=True)
class Batch:
    """The episodes of an optimizer step, and the starts of its groups."""

    episodes: tuple[Episode, ...]
    starts: tuple[Start, ...]


@dataclass(frozen=True)
class Unit:
    """What has a return: an episode, or a turn with what is still to come.

    Attributes:
        episode: index of the episode.
        group: index of its start.
        turn: index of the turn in the episode; 0 for a whole episode.
        tokens: how many tokens get the unit's advantage.
        result: the return.
        value: a critic's value before the unit.
        state: number of what a turn was chosen in.
    """

    episode: int
    group: int
    turn: int
    tokens: int
    result: float
    value: float
    state: int = 0


def to_go(episode: Episode, discount: float, bootstrap: float = 0.0) -> list[float]:
    """R_t = Σ_k γ^k r_{t+k} of each of the T turns; plus γ^(T−t)·`bootstrap` where more would have followed."""
    rewards = [*(turn.reward for turn in episode.turns), bootstrap]
    return [sum(discount**k * r for k, r in enumerate(rewards[t:])) for t in range(len(episode.turns))]


def episodes_of(batch: Batch) -> list[Unit]:
    """Return the episodes as units; the return is the sum of the rewards."""
    return [
        Unit(i, episode.group, 0, episode.tokens, sum(turn.reward for turn in episode.turns), episode.value)
        for i, episode in enumerate(batch.episodes)
    ]


def turns_of(batch: Batch, discount: float, bootstrapped: bool = False) -> list[Unit]:
    """Return the turns as units; the return is what is still to come, beyond the end where `bootstrapped`."""
    found = []
    for i, episode in enumerate(batch.episodes):
        returns = to_go(episode, discount, episode.bootstrap if bootstrapped else 0.0)
        for t, (turn, result) in enumerate(zip(episode.turns, returns, strict=True)):
            found.append(Unit(i, episode.group, t, len(turn.values), result, turn.values[0], turn.state))
    return found


def units_of(batch: Batch, credit: str, discount: float = 1.0, bootstrapped: bool = False) -> list[Unit]:
    """Return the units of a credit: "sequence" or "return-to-go"."""
    return episodes_of(batch) if credit == "sequence" else turns_of(batch, discount, bootstrapped)


def per_token(units: Sequence[Unit], advantages: Sequence[float]) -> list[float]:
    """Give each token the advantage of its unit."""
    return [a for unit, a in zip(units, advantages, strict=True) for _ in range(unit.tokens)]


def peers_of(unit: Unit, units: Sequence[Unit]) -> list[Unit]:
    """Return whom a unit is compared with: its group's episodes, or their turns of the same index."""
    return [peer for peer in units if (peer.group, peer.turn) == (unit.group, unit.turn)]


def results(units: Sequence[Unit]) -> list[float]:
    """Return the returns."""
    return [unit.result for unit in units]


def deviation(values: Sequence[float], of_one: float) -> float:
    """Return the sample standard deviation, or `of_one` where there is one value alone."""
    return stdev(values) if len(values) > 1 else of_one


def whitened(values: Sequence[float], counts: Sequence[int] | None = None) -> list[float]:
    """Take away the mean and divide by the deviation, each value met as often as it counts."""
    met = [v for v, n in zip(values, counts or [1] * len(values), strict=True) for _ in range(n)]
    return [(value - fmean(met)) / (deviation(met, 0.0) + EPSILON) for value in values]


def less_mean(units: Sequence[Unit]) -> list[float]:
    """Return R − mean(R) of the peers."""
    return [unit.result - fmean(results(peers_of(unit, units))) for unit in units]


def divided(units: Sequence[Unit], centred: Sequence[float], scale: str) -> list[float]:
    """Divide what was centred by one of the scales that a recipe can choose."""
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
    if scale == "informative":
        differs = [max(rs := results(peers_of(unit, units))) - min(rs) > 1e-5 for unit in units]
        return [c * len(units) / max(sum(differs), 1) for c in centred]
    raise ValueError(f"unknown scale {scale!r}")


def reinforce(batch: Batch, credit: str = "sequence", discount: float = 1.0) -> list[float]:
    """Williams 1992: R, or R_t."""
    units = units_of(batch, credit, discount)
    return per_token(units, results(units))


def grpo(batch: Batch, scale: str = "group-std") -> list[float]:
    """2402.03300: (R − mean(R)) / std(R) over the group."""
    units = episodes_of(batch)
    return per_token(units, divided(units, less_mean(units), scale))


def dr_grpo(batch: Batch) -> list[float]:
    """2503.20783: R − mean(R)."""
    return grpo(batch, "none")


def rloo(batch: Batch, scale: str = "none") -> list[float]:
    """2402.14740: R less the mean of the others of the group; 0 where there is nobody else."""
    units = episodes_of(batch)
    centred = []
    for unit in units:
        others = [peer.result for peer in peers_of(unit, units) if peer.episode != unit.episode]
        centred.append(unit.result - fmean(others) if others else 0.0)
    return per_token(units, divided(units, centred, scale))


def remax(batch: Batch) -> list[float]:
    """2310.10505: R less that of the greedy episode from the same start."""
    units = episodes_of(batch)
    return per_token(units, [unit.result - batch.starts[unit.group].greedy for unit in units])


def opo(batch: Batch) -> list[float]:
    """2505.23585: R − Σ T_j·R_j / Σ T_j over the group, T tokens long."""
    units = episodes_of(batch)
    found = []
    for unit in units:
        peers = peers_of(unit, units)
        expected = sum(peer.tokens * peer.result for peer in peers) / sum(peer.tokens for peer in peers)
        found.append(unit.result - expected)
    return per_token(units, found)


def lite_ppo(batch: Batch) -> list[float]:
    """2508.08221: (R − mean(R)) / std over all returns of the step."""
    return grpo(batch, "batch-std")


def gpg(batch: Batch) -> list[float]:
    """2504.02546: B / (B − M) · (R − mean(R)), where M of the B episodes are in groups without a difference."""
    return grpo(batch, "informative")


def reinforce_plus_plus(batch: Batch, discount: float = 1.0) -> list[float]:
    """2501.03262: R_t, whitened over all tokens of the step."""
    units = turns_of(batch, discount)
    return whitened(per_token(units, results(units)))


def reinforce_plus_plus_baseline(batch: Batch) -> list[float]:
    """2501.03262: R − mean(R), whitened over all tokens of the step."""
    return whitened(dr_grpo(batch))


def gdpo(batch: Batch) -> list[float]:
    """2601.05242: R, whitened over the episodes of the step."""
    units = episodes_of(batch)
    return per_token(units, whitened(results(units)))


def return_to_go(batch: Batch, discount: float = 1.0, scale: str = "whiten-units") -> list[float]:
    """Sutton et al. 1999: R_t less the mean at the same turn in the group, then scaled."""
    units = turns_of(batch, discount)
    return per_token(units, divided(units, less_mean(units), scale))


def gigpo(batch: Batch, weight: float = 1.0, discount: float = 0.95, scale: str = "group-std") -> list[float]:
    """2505.10978, Eq. 8: GRPO's advantage + ω · the same comparison of R_t from the same state of a group."""
    turns = turns_of(batch, discount)
    of_state = []
    for turn in turns:
        same = [peer.result for peer in turns if (peer.group, peer.state) == (turn.group, turn.state)]
        spread = deviation(same, 1.0) + EPSILON if scale == "group-std" else 1.0
        of_state.append((turn.result - fmean(same)) / spread)
    steps = per_token(turns, of_state)
    return [whole + weight * step for whole, step in zip(grpo(batch, scale), steps, strict=True)]


def sppo(batch: Batch, credit: str = "sequence") -> list[float]:
    """2604.08865, Eq. 1: R − V(start); with return-to-go R_t − V_t, where what was cut off goes on as V says."""
    units = units_of(batch, credit, bootstrapped=True)
    return per_token(units, [unit.result - unit.value for unit in units])


def gae_of_episode(
    rewards: Sequence[float], values: Sequence[float], bootstrap: float, discount: float, gae_lambda: float
) -> list[float]:
    """A_t = Σ_l (γλ)^l δ_{t+l} with δ_t = r_t + γ·V_{t+1} − V_t, every sum anew; V is `bootstrap` after the end."""
    after = [*values[1:], bootstrap]
    surprise = [r + discount * v_next - v for r, v_next, v in zip(rewards, after, values, strict=True)]
    return [sum((discount * gae_lambda) ** k * d for k, d in enumerate(surprise[t:])) for t in range(len(surprise))]


def gae(
    batch: Batch, level: str = "token", discount: float = 1.0, gae_lambda: float = 1.0, whiten: bool = True
) -> list[float]:
    """1506.02438, Eq. 16, over the tokens or turns of each episode; whitened over all of them."""
    found, lengths = [], []
    for episode in batch.episodes:
        rewards: list[float] = []
        values: list[float] = []
        for turn in episode.turns:
            met = turn.values if level == "token" else turn.values[:1]
            values += met
            rewards += [0.0] * (len(met) - 1) + [turn.reward]
            lengths += [1] * len(met) if level == "token" else [len(turn.values)]
        found += gae_of_episode(rewards, values, episode.bootstrap, discount, gae_lambda)
    if whiten:
        found = whitened(found)
    return [a for a, length in zip(found, lengths, strict=True) for _ in range(length)]


def gu(*steps: Batch, discount: float = 1.0, rate: float = 0.1) -> list[float]:
    """1610.00388, Section 4.3: (R_t − V_t − b) / √(σ² + ε) of the last step, with b, σ² averaged over all of them."""
    centre = variance = math.nan
    for index, batch in enumerate(steps):
        units = turns_of(batch, discount, bootstrapped=True)
        plain = [unit.result - unit.value for unit in units]
        mean = fmean(plain)
        spread = fmean([(x - mean) ** 2 for x in plain])
        centre = mean if index == 0 else (1 - rate) * centre + rate * mean
        variance = spread if index == 0 else (1 - rate) * variance + rate * spread
    return per_token(units, [(x - centre) / math.sqrt(variance + EPSILON) for x in plain])


def spo(*steps: Batch, prior: float = 0.5, visits: float = 8.0, rho: float = 0.96) -> list[float]:
    """2509.13232: R − S/W of its start, whitened, of the last step; S ← ρS + ΣR and W ← ρW + n after each visit.

    A start that a step meets twice is visited once, by both groups.
    """
    numbers = sorted({start.number for batch in steps for start in batch.starts})
    sums, counts = dict.fromkeys(numbers, prior * visits), dict.fromkeys(numbers, visits)
    for batch in steps:
        units = episodes_of(batch)
        number_of = [batch.starts[unit.group].number for unit in units]
        found = [unit.result - sums[n] / counts[n] for unit, n in zip(units, number_of, strict=True)]
        for number in sorted(set(number_of)):
            here = [unit for unit, n in zip(units, number_of, strict=True) if n == number]
            sums[number] = rho * sums[number] + sum(results(here))
            counts[number] = rho * counts[number] + len(here)
    return per_token(units, whitened(found))
