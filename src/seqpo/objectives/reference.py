"""The published objectives as plain loops over float64 numbers: what the tests hold the code to.

Each function is written from its paper alone, is named like its catalog entry (`dr_grpo` for "dr-grpo"), takes the
same options, and returns the loss, to be minimised, of one optimizer step:

    chosen = Token(new=-0.9, old=-1.0, advantage=1.0, held=-0.9)
    loss = grpo([[[chosen]]])  # one episode of one turn of one token

A `level` says which tokens share one importance weight: a token alone, a turn, or a whole episode ("sequence"); the
advantage of several tokens is their mean. Nothing is imported but the standard library, and nothing is clamped
against overflow.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass


@dataclass(frozen=True)
class Token:
    """An action token.

    Attributes:
        new: its log-prob under the policy now.
        old: its log-prob when it was sampled.
        advantage: how much better than expected it was.
        held: its log-prob now, as a stop-gradient sees it: to take a gradient by finite differences, move `new` and
            leave this.
    """

    new: float
    old: float
    advantage: float
    held: float


Turn = list[Token]
Episode = list[Turn]
Step = list[Episode]
"""The episodes of an optimizer step."""
Unit = list[Token]
"""Tokens that share one importance weight."""


def tokens_of(episode: Episode) -> list[Token]:
    """Return all tokens of an episode, in order."""
    return [token for turn in episode for token in turn]


def units(episode: Episode, level: str) -> list[Unit]:
    """Cut an episode into its units: "token", "turn" or "sequence"."""
    if level == "token":
        return [[token] for token in tokens_of(episode)]
    return episode if level == "turn" else [tokens_of(episode)]


def count(step: Step) -> int:
    """Count the tokens of a step."""
    return sum(len(tokens_of(episode)) for episode in step)


def advantage_of(unit: Unit) -> float:
    """Return the mean advantage of a unit's tokens."""
    return sum(token.advantage for token in unit) / len(unit)


def reinforce(step: Step) -> float:
    """Williams 1992: the mean over episodes of Σ A·log π."""
    return -sum(token.advantage * token.new for episode in step for token in tokens_of(episode)) / len(step)


def gpg(step: Step) -> float:
    """2504.02546: the mean over all tokens of A·log π."""
    return -sum(token.advantage * token.new for episode in step for token in tokens_of(episode)) / count(step)


def _ratio(unit: Unit) -> float:
    """(Π π / π_old)^(1/T) over the T tokens of a unit."""
    return math.exp(sum(token.new - token.old for token in unit) / len(unit))


def _clipped(ratio: float, advantage: float, low: float, high: float, dual: float | None = None) -> float:
    """min(r·A, clip(r, 1 − low, 1 + high)·A), and no less than dual·A where A < 0."""
    term = min(ratio * advantage, max(1 - low, min(ratio, 1 + high)) * advantage)
    return max(term, dual * advantage) if dual is not None and advantage < 0 else term


def ppo(step: Step, level: str = "token", epsilon: float = 0.2, dual: float | None = None) -> float:
    """1707.06347, Eq. 7, and 1912.09729, Eq. 5: the clipped term, averaged over all tokens."""
    total = 0.0
    for episode in step:
        for unit in units(episode, level):
            total += len(unit) * _clipped(_ratio(unit), advantage_of(unit), epsilon, epsilon, dual)
    return -total / count(step)


def grpo(step: Step, level: str = "token", epsilon: float = 0.2, dual: float | None = None) -> float:
    """2402.03300, Eq. 3 without its KL: the clipped term, averaged over an episode, then over episodes."""
    total = 0.0
    for episode in step:
        parts = units(episode, level)
        for unit in parts:
            total += _clipped(_ratio(unit), advantage_of(unit), epsilon, epsilon, dual) / len(parts)
    return -total / len(step)


def dapo(step: Step, level: str = "token", epsilon_low: float = 0.2, epsilon_high: float = 0.28) -> float:
    """2503.14476, Eq. 8: clipped higher above than below, averaged over all tokens."""
    total = 0.0
    for episode in step:
        for unit in units(episode, level):
            total += len(unit) * _clipped(_ratio(unit), advantage_of(unit), epsilon_low, epsilon_high)
    return -total / count(step)


def gspo(step: Step, level: str = "sequence", epsilon_low: float = 3e-4, epsilon_high: float = 4e-4) -> float:
    """2507.18071, Eq. 5: one clipped term an episode; with turns, the mean over the turns of each."""
    total = 0.0
    for episode in step:
        parts = units(episode, level)
        for unit in parts:
            total += _clipped(_ratio(unit), advantage_of(unit), epsilon_low, epsilon_high) / len(parts)
    return -total / len(step)


def _own_ratio(unit: Unit, token: Token) -> float:
    """sg[s]·π / sg[π]: the unit's ratio s as a value, the token's own log-prob in the gradient (2507.18071, Eq. 14)."""
    shared = math.exp(sum(other.held - other.old for other in unit) / len(unit))
    return shared * math.exp(token.new - token.held)


def gspo_token(step: Step, level: str = "sequence", epsilon_low: float = 3e-4, epsilon_high: float = 4e-4) -> float:
    """2507.18071, Eq. 13: GSPO with an advantage for each token."""
    total = 0.0
    for episode in step:
        for unit in units(episode, level):
            for token in unit:
                term = _clipped(_own_ratio(unit, token), token.advantage, epsilon_low, epsilon_high)
                total += term / len(tokens_of(episode))
    return -total / len(step)


def dr_grpo(step: Step, max_length: int = 1024, level: str = "token", epsilon: float = 0.2) -> float:
    """2503.20783: the clipped term, summed over tokens, over episodes times a constant length."""
    total = 0.0
    for episode in step:
        for unit in units(episode, level):
            for token in unit:
                total += _clipped(_own_ratio(unit, token), token.advantage, epsilon, epsilon)
    return -total / (len(step) * max_length)


def luspo(step: Step, level: str = "sequence", epsilon_low: float = 2e-3, epsilon_high: float = 2.5e-3) -> float:
    """2602.05261: GSPO's term, counted once for each token, with the advantage of each."""
    total = 0.0
    for episode in step:
        for unit in units(episode, level):
            for token in unit:
                total += _clipped(_own_ratio(unit, token), token.advantage, epsilon_low, epsilon_high)
    return -total / len(step)


def _one_sided(log_ratio: float, advantage: float, epsilon: float) -> float:
    """s·min(s·d, s·clip(d, −ε, ε)) with s the sign of A: held where the advantage pushes to."""
    side = math.copysign(1.0, advantage)
    return side * min(side * log_ratio, side * max(-epsilon, min(log_ratio, epsilon)))


def gmpo(step: Step, level: str = "sequence", epsilon: float = 0.4) -> float:
    """2507.20673, Eq. 4: the geometric mean of the clamped ratios."""
    total = 0.0
    for episode in step:
        parts = units(episode, level)
        for unit in parts:
            advantage = advantage_of(unit)
            clamped = [_one_sided(token.new - token.old, advantage, epsilon) for token in unit]
            total += math.exp(sum(clamped) / len(unit)) * advantage / len(parts)
    return -total / len(step)


def hmpo(step: Step, level: str = "sequence", epsilon: float = 0.4) -> float:
    """The harmonic variant in the released code of 2507.20673: T / Σ 1/r̃ of the clamped ratios r̃."""
    total = 0.0
    for episode in step:
        parts = units(episode, level)
        for unit in parts:
            advantage = advantage_of(unit)
            inverses = [1 / math.exp(_one_sided(token.new - token.old, advantage, epsilon)) for token in unit]
            total += len(unit) / sum(inverses) * advantage / len(parts)
    return -total / len(step)


def sapo(step: Step, level: str = "token", tau_pos: float = 1.0, tau_neg: float = 1.05) -> float:
    """2511.20347: f(r) = 4/τ · σ(τ(r − 1)) per token; of several tokens, (Π f)^(1/T). Averaged like GRPO."""
    total = 0.0
    for episode in step:
        parts = units(episode, level)
        for unit in parts:
            advantage = advantage_of(unit)
            tau = tau_pos if advantage > 0 else tau_neg
            product = 1.0
            for token in unit:
                ratio = math.exp(token.new - token.old)
                product *= 4 / tau / (1 + math.exp(-tau * (ratio - 1)))
            total += product ** (1 / len(unit)) * advantage / len(parts)
    return -total / len(step)


SQUASH: dict[str, Callable[[float], float]] = {
    "arctan": math.atan,
    "tanh": math.tanh,
    "softsign": lambda x: x / (1 + abs(x)),
    "erf": lambda x: math.sqrt(math.pi) / 2 * math.erf(x),
}
"""SSPO's gates, each of slope 1 at 0."""


def sspo(
    step: Step, gate: str = "arctan", level: str = "sequence", tau_pos: float = 1.0, tau_neg: float = 1.05
) -> float:
    """2602.19327, reconstructed: exp(mean squash(τd)/τ)·A; in its first version the geometric mean of SAPO's gates."""
    if gate == "sigmoid":
        return sapo(step, level, tau_pos, tau_neg)
    total = 0.0
    for episode in step:
        parts = units(episode, level)
        for unit in parts:
            advantage = advantage_of(unit)
            tau = tau_pos if advantage > 0 else tau_neg
            gated = [SQUASH[gate](tau * (token.new - token.old)) / tau for token in unit]
            total += math.exp(sum(gated) / len(unit)) * advantage / len(parts)
    return -total / len(step)


def cispo(step: Step, level: str = "token", epsilon_low: float = 1.0, epsilon_high: float = 0.2) -> float:
    """2506.13585, Eq. 4: sg[clip(r)]·A·log π, averaged over all tokens."""
    total = 0.0
    for episode in step:
        for unit in units(episode, level):
            held = math.exp(sum(token.held - token.old for token in unit) / len(unit))
            for token in unit:
                total += max(1 - epsilon_low, min(held, 1 + epsilon_high)) * token.advantage * token.new
    return -total / count(step)


def vespo(
    step: Step,
    level: str = "sequence",
    k_pos: float = 2.0,
    lambda_pos: float = 3.0,
    k_neg: float = 3.0,
    lambda_neg: float = 2.0,
) -> float:
    """2602.10693: sg[W^k·e^(λ(1 − W))]·A·log π with W the product of the ratios, averaged over all tokens."""
    total = 0.0
    for episode in step:
        for unit in units(episode, level):
            held = math.exp(sum(token.held - token.old for token in unit))
            for token in unit:
                k, rate = (k_pos, lambda_pos) if token.advantage >= 0 else (k_neg, lambda_neg)
                total += held**k * math.exp(rate * (1 - held)) * token.advantage * token.new
    return -total / count(step)
