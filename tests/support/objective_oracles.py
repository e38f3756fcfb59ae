"""The objectives once more, as plain loops over numbers, from the papers' equations alone.

A step is a list of episodes, an episode a list of turns, a turn a list of tokens. Every oracle returns the loss,
to be minimised. Its `level` says which tokens share one weight: a token alone, a turn, or a whole episode; the
advantage of several tokens is their mean. Nothing here uses seqpo or torch.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, replace


@dataclass(frozen=True)
class Token:
    """An action token: its log-prob now and when it was sampled, its advantage.

    `held` is the log-prob now, as a stop-gradient sees it: it stays when `new` is moved.
    """

    new: float
    old: float
    advantage: float
    held: float


Turn = list[Token]
Episode = list[Turn]
Step = list[Episode]
Unit = list[Token]
Oracle = Callable[..., float]


def tokens_of(episode: Episode) -> list[Token]:
    return [token for turn in episode for token in turn]


def units(episode: Episode, level: str) -> list[Unit]:
    if level == "token":
        return [[token] for token in tokens_of(episode)]
    return episode if level == "turn" else [tokens_of(episode)]


def count(step: Step) -> int:
    return sum(len(tokens_of(episode)) for episode in step)


def advantage_of(unit: Unit) -> float:
    return sum(token.advantage for token in unit) / len(unit)


def _clipped(ratio: float, advantage: float, low: float, high: float, dual: float | None = None) -> float:
    term = min(ratio * advantage, max(1 - low, min(ratio, 1 + high)) * advantage)
    return max(term, dual * advantage) if dual is not None and advantage < 0 else term


def _ratio(unit: Unit, gate: Callable[[float, float], float] = lambda d, a: d) -> float:
    """(Π gated ratios)^(1/T)."""
    advantage = advantage_of(unit)
    return math.exp(sum(gate(token.new - token.old, advantage) for token in unit) / len(unit))


def _own_ratio(unit: Unit, token: Token) -> float:
    """sg[s]·π / sg[π]: the unit's ratio as a value, the token's own log-prob in the gradient (2507.18071, Eq. 14)."""
    shared = math.exp(sum(other.held - other.old for other in unit) / len(unit))
    return shared * math.exp(token.new - token.held)


def reinforce(step: Step) -> float:
    """Williams 1992: mean over episodes of Σ A·log π."""
    return -sum(token.advantage * token.new for e in step for token in tokens_of(e)) / len(step)


def gpg(step: Step) -> float:
    """2504.02546: the same, averaged over all tokens."""
    return -sum(token.advantage * token.new for e in step for token in tokens_of(e)) / count(step)


def ppo(step: Step, level: str = "token", epsilon: float = 0.2, dual: float | None = None) -> float:
    """1707.06347, Eq. 7, and 1912.09729, Eq. 5: the mean over all tokens."""
    total = 0.0
    for episode in step:
        for unit in units(episode, level):
            total += len(unit) * _clipped(_ratio(unit), advantage_of(unit), epsilon, epsilon, dual)
    return -total / count(step)


def grpo(step: Step, level: str = "token", epsilon: float = 0.2, dual: float | None = None) -> float:
    """2402.03300, Eq. 3 without KL: the mean over an episode, then over episodes."""
    total = 0.0
    for episode in step:
        parts = units(episode, level)
        for unit in parts:
            total += _clipped(_ratio(unit), advantage_of(unit), epsilon, epsilon, dual) / len(parts)
    return -total / len(step)


def dr_grpo(step: Step, max_length: int = 1024, level: str = "token", epsilon: float = 0.2) -> float:
    """2503.20783: the sum over tokens, over episodes times a constant."""
    total = 0.0
    for episode in step:
        for unit in units(episode, level):
            for token in unit:
                total += _clipped(_own_ratio(unit, token), token.advantage, epsilon, epsilon)
    return -total / (len(step) * max_length)


def dapo(step: Step, level: str = "token") -> float:
    """2503.14476, Eq. 8: clip-higher, mean over all tokens."""
    total = 0.0
    for episode in step:
        for unit in units(episode, level):
            total += len(unit) * _clipped(_ratio(unit), advantage_of(unit), 0.2, 0.28)
    return -total / count(step)


def gspo(step: Step, level: str = "sequence", epsilon_low: float = 3e-4, epsilon_high: float = 4e-4) -> float:
    """2507.18071, Eq. 5; with turns, the mean over the turns of an episode, then over episodes."""
    total = 0.0
    for episode in step:
        parts = units(episode, level)
        for unit in parts:
            total += _clipped(_ratio(unit), advantage_of(unit), epsilon_low, epsilon_high) / len(parts)
    return -total / len(step)


def gspo_token(step: Step, level: str = "sequence", epsilon_low: float = 3e-4, epsilon_high: float = 4e-4) -> float:
    """2507.18071, Eq. 13: an advantage for each token."""
    total = 0.0
    for episode in step:
        for unit in units(episode, level):
            for token in unit:
                term = _clipped(_own_ratio(unit, token), token.advantage, epsilon_low, epsilon_high)
                total += term / len(tokens_of(episode))
    return -total / len(step)


def luspo(step: Step, level: str = "sequence") -> float:
    """2602.05261: GSPO's term, counted once for each token; per token as in GSPO-token."""
    total = 0.0
    for episode in step:
        for unit in units(episode, level):
            for token in unit:
                total += _clipped(_own_ratio(unit, token), token.advantage, 2e-3, 2.5e-3)
    return -total / len(step)


def _one_sided(d: float, advantage: float) -> float:
    s = math.copysign(1.0, advantage)
    return s * min(s * d, s * max(-0.4, min(d, 0.4)))


def gmpo(step: Step, level: str = "sequence") -> float:
    """2507.20673, Eq. 4."""
    total = 0.0
    for episode in step:
        parts = units(episode, level)
        for unit in parts:
            total += _ratio(unit, _one_sided) * advantage_of(unit) / len(parts)
    return -total / len(step)


def hmpo(step: Step, level: str = "sequence") -> float:
    """The harmonic variant in GMPO's released code: T / Σ 1/r̃."""
    total = 0.0
    for episode in step:
        parts = units(episode, level)
        for unit in parts:
            advantage = advantage_of(unit)
            inverses = [1 / math.exp(_one_sided(token.new - token.old, advantage)) for token in unit]
            total += len(unit) / sum(inverses) * advantage / len(parts)
    return -total / len(step)


def _tau(advantage: float) -> float:
    return 1.0 if advantage > 0 else 1.05


def _sapo_gate(ratio: float, tau: float) -> float:
    return 4 / tau / (1 + math.exp(-tau * (ratio - 1)))


def sapo(step: Step, level: str = "token") -> float:
    """2511.20347: the gate per token, mean over tokens, mean over episodes; of several tokens, (Π gates)^(1/T)."""
    total = 0.0
    for episode in step:
        parts = units(episode, level)
        for unit in parts:
            advantage = advantage_of(unit)
            product = math.prod(_sapo_gate(math.exp(token.new - token.old), _tau(advantage)) for token in unit)
            total += product ** (1 / len(unit)) * advantage / len(parts)
    return -total / len(step)


SQUASH: dict[str, Callable[[float], float]] = {
    "arctan": math.atan,
    "tanh": math.tanh,
    "softsign": lambda x: x / (1 + abs(x)),
    "erf": lambda x: math.sqrt(math.pi) / 2 * math.erf(x),
}


def sspo(step: Step, level: str = "sequence", gate: str = "arctan") -> float:
    """2602.19327 (reconstruction): exp(mean squash(τd)/τ)·A; its first version, the geometric mean of SAPO's gates."""
    if gate == "sigmoid":
        return sapo(step, level)
    total = 0.0
    for episode in step:
        parts = units(episode, level)
        for unit in parts:
            weight = _ratio(unit, lambda d, a: SQUASH[gate](_tau(a) * d) / _tau(a))
            total += weight * advantage_of(unit) / len(parts)
    return -total / len(step)


def cispo(step: Step, level: str = "token") -> float:
    """2506.13585, Eq. 4: −sg[clip(r, 0, 1.2)]·A·log π, mean over all tokens."""
    total = 0.0
    for episode in step:
        for unit in units(episode, level):
            held = math.exp(sum(token.held - token.old for token in unit) / len(unit))
            for token in unit:
                total += max(0.0, min(held, 1.2)) * token.advantage * token.new
    return -total / count(step)


def vespo(step: Step, level: str = "sequence") -> float:
    """2602.10693: −sg[W^k e^(λ(1−W))]·A·log π, W the product of ratios; mean over all tokens."""
    total = 0.0
    for episode in step:
        for unit in units(episode, level):
            held = math.exp(sum(token.held - token.old for token in unit))
            for token in unit:
                k, rate = (2.0, 3.0) if token.advantage >= 0 else (3.0, 2.0)
                total += held**k * math.exp(rate * (1 - held)) * token.advantage * token.new
    return -total / count(step)


ORACLES: dict[str, Oracle] = {
    "reinforce": reinforce,
    "ppo": ppo,
    "grpo": grpo,
    "dr-grpo": dr_grpo,
    "dapo": dapo,
    "gspo": gspo,
    "gspo-token": gspo_token,
    "gmpo": gmpo,
    "hmpo": hmpo,
    "sapo": sapo,
    "sspo": sspo,
    "cispo": cispo,
    "vespo": vespo,
    "luspo": luspo,
    "gpg": gpg,
}


def gradient(oracle: Oracle, step: Step, h: float = 1e-6) -> list[float]:
    """Central differences of an oracle by every token's current log-prob."""

    def moved(place: tuple[int, int, int], by: float) -> Step:
        e, t, i = place
        copy = [[list(turn) for turn in episode] for episode in step]
        copy[e][t][i] = replace(copy[e][t][i], new=copy[e][t][i].new + by)
        return copy

    places = [(e, t, i) for e, episode in enumerate(step) for t, turn in enumerate(episode) for i in range(len(turn))]
    return [(oracle(moved(place, h)) - oracle(moved(place, -h))) / (2 * h) for place in places]
