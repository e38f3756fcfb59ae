"""The objectives once more, as plain loops over numbers, from the papers' equations alone.

A step is a list of episodes, an episode a list of turns, a turn a list of tokens. Every oracle returns the loss,
to be minimised. Nothing here uses seqpo or torch.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import Any


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
Oracle = Callable[[Step], float]


def tokens_of(episode: Episode) -> list[Token]:
    return [token for turn in episode for token in turn]


def reinforce(step: Step) -> float:
    """Williams 1992: mean over episodes of Σ A·log π."""
    return -sum(token.advantage * token.new for e in step for token in tokens_of(e)) / len(step)


def _clipped(ratio: float, advantage: float, low: float, high: float) -> float:
    return min(ratio * advantage, max(1 - low, min(ratio, 1 + high)) * advantage)


def _ratio(token: Token) -> float:
    return math.exp(token.new - token.old)


def grpo(step: Step, epsilon: float = 0.2, dual: float | None = None) -> float:
    """2402.03300, Eq. 3 without KL; `dual` is 1912.09729, Eq. 5."""
    total = 0.0
    for episode in step:
        tokens = tokens_of(episode)
        for token in tokens:
            term = _clipped(_ratio(token), token.advantage, epsilon, epsilon)
            if dual is not None and token.advantage < 0:
                term = max(term, dual * token.advantage)
            total += term / len(tokens)
    return -total / len(step)


def dr_grpo(step: Step, max_length: int = 1024) -> float:
    """2503.20783: the sum over tokens, over episodes times a constant."""
    total = sum(_clipped(_ratio(t), t.advantage, 0.2, 0.2) for e in step for t in tokens_of(e))
    return -total / (len(step) * max_length)


def dapo(step: Step) -> float:
    """2503.14476, Eq. 8: clip-higher, mean over all tokens."""
    terms = [_clipped(_ratio(t), t.advantage, 0.2, 0.28) for e in step for t in tokens_of(e)]
    return -sum(terms) / len(terms)


def _geometric(tokens: list[Token], gate: Callable[[float, float], float]) -> float:
    """(Π gated ratios)^(1/T)."""
    return math.exp(sum(gate(t.new - t.old, t.advantage) for t in tokens) / len(tokens))


def gspo(step: Step, low: float = 3e-4, high: float = 4e-4) -> float:
    """2507.18071, Eq. 5."""
    total = 0.0
    for episode in step:
        tokens = tokens_of(episode)
        total += _clipped(_geometric(tokens, lambda d, a: d), tokens[0].advantage, low, high)
    return -total / len(step)


def gspo_turns(step: Step) -> float:
    """GSPO's ratio for each turn: the mean over the turns of an episode, then over episodes."""
    total = 0.0
    for episode in step:
        for turn in episode:
            term = _clipped(_geometric(turn, lambda d, a: d), turn[0].advantage, 3e-4, 4e-4)
            total += term / len(episode)
    return -total / len(step)


def _one_sided(d: float, advantage: float) -> float:
    s = math.copysign(1.0, advantage)
    return s * min(s * d, s * max(-0.4, min(d, 0.4)))


def gmpo(step: Step) -> float:
    """2507.20673, Eq. 4."""
    total = 0.0
    for episode in step:
        tokens = tokens_of(episode)
        total += _geometric(tokens, _one_sided) * tokens[0].advantage
    return -total / len(step)


def _tau(advantage: float, positive: float = 1.0, negative: float = 1.05) -> float:
    return positive if advantage > 0 else negative


def _sapo_gate(ratio: float, tau: float) -> float:
    return 4 / tau / (1 + math.exp(-tau * (ratio - 1)))


def sapo(step: Step) -> float:
    """2511.20347: the gate per token, mean over tokens, mean over episodes."""
    total = 0.0
    for episode in step:
        tokens = tokens_of(episode)
        for token in tokens:
            gate = _sapo_gate(_ratio(token), _tau(token.advantage))
            total += gate * token.advantage / len(tokens)
    return -total / len(step)


def sspo(step: Step, squash: Callable[[float], float] = math.atan) -> float:
    """2602.19327 (reconstruction): exp(mean squash(τd)/τ)·A, mean over episodes."""
    total = 0.0
    for episode in step:
        tokens = tokens_of(episode)
        weight = _geometric(tokens, lambda d, a: squash(_tau(a) * d) / _tau(a))
        total += weight * tokens[0].advantage
    return -total / len(step)


def sspo_turns(step: Step) -> float:
    """The arctan gate with one weight per turn."""
    total = 0.0
    for episode in step:
        for turn in episode:
            weight = _geometric(turn, lambda d, a: math.atan(_tau(a) * d) / _tau(a))
            total += weight * turn[0].advantage / len(episode)
    return -total / len(step)


def sspo_sigmoid(step: Step) -> float:
    """2602.19327, first version (reconstruction): the geometric mean of SAPO's gates."""
    total = 0.0
    for episode in step:
        tokens = tokens_of(episode)
        product = math.prod(_sapo_gate(_ratio(t), _tau(t.advantage)) for t in tokens)
        total += product ** (1 / len(tokens)) * tokens[0].advantage
    return -total / len(step)


def cispo(step: Step) -> float:
    """2506.13585, Eq. 4: −sg[clip(r, 0, 1.2)]·A·log π, mean over all tokens."""
    terms = []
    for episode in step:
        for token in tokens_of(episode):
            weight = max(0.0, min(math.exp(token.held - token.old), 1.2))
            terms.append(weight * token.advantage * token.new)
    return -sum(terms) / len(terms)


def gradient(oracle: Oracle, step: Step, h: float = 1e-6) -> list[float]:
    """Central differences of an oracle by every token's current log-prob."""

    def moved(place: tuple[int, int, int], by: float) -> Step:
        e, t, i = place
        copy = [[list(turn) for turn in episode] for episode in step]
        copy[e][t][i] = replace(copy[e][t][i], new=copy[e][t][i].new + by)
        return copy

    places = [(e, t, i) for e, episode in enumerate(step) for t, turn in enumerate(episode) for i in range(len(turn))]
    return [(oracle(moved(place, h)) - oracle(moved(place, -h))) / (2 * h) for place in places]


@dataclass(frozen=True)
class Case:
    """An objective of the catalog with options, and the loss it must have.

    `share` is the weight of a token in REINFORCE's gradient at θ = behaviour, given the number of episodes,
    all tokens, the turns of its episode, the tokens of its episode and those of its turn.
    """

    name: str
    oracle: Oracle
    share: Callable[[int, int, int, int, int], float]
    options: dict[str, Any] = field(default_factory=dict)


def _per_episode(episodes: int, tokens: int, turns: int, length: int, turn: int) -> float:
    return 1 / (episodes * length)


def _per_turn(episodes: int, tokens: int, turns: int, length: int, turn: int) -> float:
    return 1 / (episodes * turns * turn)


def _per_token(episodes: int, tokens: int, turns: int, length: int, turn: int) -> float:
    return 1 / tokens


CASES: dict[str, Case] = {
    "reinforce": Case("reinforce", reinforce, lambda e, *_: 1 / e),
    "grpo": Case("grpo", grpo, _per_episode),
    "grpo, dual clip": Case("grpo", lambda step: grpo(step, dual=3.0), _per_episode, {"dual": 3.0}),
    "dr-grpo": Case("dr-grpo", lambda step: dr_grpo(step, 10), lambda e, *_: 1 / (e * 10), {"max_length": 10}),
    "dapo": Case("dapo", dapo, _per_token),
    "gspo": Case("gspo", gspo, _per_episode),
    "gspo, turns": Case("gspo", gspo_turns, _per_turn, {"level": "turn"}),
    "gmpo": Case("gmpo", gmpo, _per_episode),
    "sapo": Case("sapo", sapo, _per_episode),
    "sspo": Case("sspo", sspo, _per_episode),
    "sspo, turns": Case("sspo", sspo_turns, _per_turn, {"level": "turn"}),
    "sspo, sigmoid": Case("sspo", sspo_sigmoid, _per_episode, {"gate": "sigmoid"}),
    "sspo, tanh": Case("sspo", lambda step: sspo(step, math.tanh), _per_episode, {"gate": "tanh"}),
    "sspo, softsign": Case(
        "sspo", lambda step: sspo(step, lambda x: x / (1 + abs(x))), _per_episode, {"gate": "softsign"}
    ),
    "sspo, erf": Case(
        "sspo",
        lambda step: sspo(step, lambda x: math.sqrt(math.pi) / 2 * math.erf(x)),
        _per_episode,
        {"gate": "erf"},
    ),
    "cispo": Case("cispo", cispo, _per_token),
}
