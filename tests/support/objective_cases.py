"""What is tested: every objective of the catalog, at every level that it takes, and its other options."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial
from typing import Any

from seqpo import objectives
from seqpo.objectives import Objective
from seqpo.objectives.reference import Step
from seqpo.segments import LEVELS, Level

Share = Callable[[int, int, int, int, int], float]
"""The weight of a token in REINFORCE's gradient at θ = behaviour, given the number of episodes, all tokens, the
turns of its episode, the tokens of its episode and those of its turn."""


@dataclass(frozen=True)
class Case:
    """An objective of the catalog with options, and what must be true of it.

    `unit` is the level at which advantages count.
    """

    name: str
    share: Share
    credit_level: Level
    options: dict[str, Any] = field(default_factory=dict)

    @property
    def objective(self) -> Objective:
        return objectives.get(self.name, **self.options)

    @property
    def reference(self) -> Callable[[Step], float]:
        loop = objectives.CATALOG[self.name].reference
        assert loop is not None
        return partial(loop, **self.options)


def _per_episode(episodes: int, tokens: int, turns: int, length: int, turn: int) -> float:
    return 1 / (episodes * length)


def _per_turn(episodes: int, tokens: int, turns: int, length: int, turn: int) -> float:
    return 1 / (episodes * turns * turn)


def _per_token(episodes: int, tokens: int, turns: int, length: int, turn: int) -> float:
    return 1 / tokens


def _per_constant(episodes: int, tokens: int, turns: int, length: int, turn: int) -> float:
    return 1 / (episodes * 10)


def _summed(episodes: int, tokens: int, turns: int, length: int, turn: int) -> float:
    return 1 / episodes


def _unit_credit(label: str, turn: Share = _per_turn, other: Share = _per_episode, **options: Any) -> dict[str, Case]:
    """The weight multiplies the advantage of its unit."""
    name = label.partition(" ")[0]
    return {
        f"{label}, {level}": Case(name, turn if level == "turn" else other, level, options | {"level": level})
        for level in LEVELS
    }


def _token_credit(name: str, share: Share, **options: Any) -> dict[str, Case]:
    """The weight multiplies the advantage of each token."""
    return {f"{name}, {level}": Case(name, share, "token", options | {"level": level}) for level in LEVELS}


CASES: dict[str, Case] = {
    "reinforce": Case("reinforce", _summed, "token"),
    "gpg": Case("gpg", _per_token, "token"),
    **_unit_credit("ppo", _per_token, _per_token),
    **_unit_credit("ppo with dual clip", _per_token, _per_token, dual=1.5),
    **_unit_credit("grpo"),
    **_unit_credit("grpo with dual clip", dual=3.0),
    **_token_credit("dr-grpo", _per_constant, max_length=10),
    **_unit_credit("dapo", _per_token, _per_token),
    **_unit_credit("gspo"),
    **_token_credit("gspo-token", _per_episode),
    **_unit_credit("gmpo"),
    **_unit_credit("hmpo"),
    **_unit_credit("sapo"),
    **_unit_credit("sspo"),
    **_unit_credit("sspo with sigmoid", gate="sigmoid"),
    **_unit_credit("sspo with tanh", gate="tanh"),
    **_unit_credit("sspo with softsign", gate="softsign"),
    **_unit_credit("sspo with erf", gate="erf"),
    **_token_credit("cispo", _per_token),
    **_token_credit("vespo", _per_token),
    **_token_credit("luspo", _summed),
}
"""Every name of the catalog is here, at every level that it takes."""
