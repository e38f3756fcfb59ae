"""The published objectives, each a row of the one formula: its parts, its defaults, its paper."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from seqpo.objectives.formula import Objective
from seqpo.objectives.gates import LOG_SPACE_SHAPES, Gate, Identity, LogSpaceGate, OneSidedClamp, SigmoidGate
from seqpo.objectives.weightings import CappedScore, Clip, Linear, Score
from seqpo.segments import Level


@dataclass(frozen=True)
class Entry:
    """A published objective: how it is built, where it was published, and what it is in one line."""

    build: Callable[..., Objective]
    paper: str
    summary: str


def _reinforce() -> Objective:
    return Objective("token", Identity(), Score(), "episode-sum")


def _grpo(level: Level = "token", epsilon: float = 0.2, dual: float | None = None) -> Objective:
    return Objective(level, Identity(), Clip(epsilon, epsilon, dual), "episode-mean")


def _dr_grpo(max_length: int = 1024, epsilon: float = 0.2) -> Objective:
    return Objective("token", Identity(), Clip(epsilon, epsilon), "constant-length", max_length)


def _dapo(level: Level = "token", epsilon_low: float = 0.2, epsilon_high: float = 0.28) -> Objective:
    return Objective(level, Identity(), Clip(epsilon_low, epsilon_high), "token-mean")


def _gspo(level: Level = "sequence", epsilon_low: float = 3e-4, epsilon_high: float = 4e-4) -> Objective:
    return Objective(level, Identity(), Clip(epsilon_low, epsilon_high), "episode-mean")


def _gmpo(level: Level = "sequence", epsilon: float = 0.4) -> Objective:
    return Objective(level, OneSidedClamp(epsilon), Linear(), "episode-mean")


def _sapo(level: Level = "token", tau_pos: float = 1.0, tau_neg: float = 1.05) -> Objective:
    return Objective(level, SigmoidGate(tau_pos, tau_neg), Linear(), "episode-mean")


def _sspo(gate: str = "arctan", level: Level = "sequence", tau_pos: float = 1.0, tau_neg: float = 1.05) -> Objective:
    if gate != "sigmoid" and gate not in LOG_SPACE_SHAPES:
        raise ValueError(f"unknown gate {gate!r}: choose one of sigmoid, {', '.join(LOG_SPACE_SHAPES)}")
    phi: Gate = SigmoidGate(tau_pos, tau_neg) if gate == "sigmoid" else LogSpaceGate(gate, tau_pos, tau_neg)
    return Objective(level, phi, Linear(), "episode-mean")


def _cispo(epsilon_low: float = 1.0, epsilon_high: float = 0.2) -> Objective:
    return Objective("token", Identity(), CappedScore(epsilon_low, epsilon_high), "token-mean")


CATALOG: dict[str, Entry] = {
    "reinforce": Entry(_reinforce, "Williams 1992", "A·log π, no ratio; sum over the episode's tokens."),
    "grpo": Entry(_grpo, "2402.03300, Eq. 3", "PPO's clip per token; mean over tokens, then over episodes."),
    "dr-grpo": Entry(_dr_grpo, "2503.20783", "GRPO divided by a constant length: no length bias."),
    "dapo": Entry(_dapo, "2503.14476, Eq. 8", "GRPO with a higher upper clip and the mean over all tokens."),
    "gspo": Entry(_gspo, "2507.18071, Eq. 5", "Clip on the length-normalised ratio of the whole sequence."),
    "gmpo": Entry(_gmpo, "2507.20673, Eq. 4", "Geometric mean of ratios that are clamped per token in log space."),
    "sapo": Entry(_sapo, "2511.20347", "A sigmoid gate per token instead of the clip."),
    "sspo": Entry(
        _sspo,
        "2602.19327 (reconstruction: its equations could not be read)",
        "A soft gate per token inside the geometric mean of the whole sequence.",
    ),
    "cispo": Entry(_cispo, "2506.13585, Eq. 4", "Capped, detached ratio on A·log π: all tokens keep a gradient."),
}


def names() -> tuple[str, ...]:
    """Names of the published objectives."""
    return tuple(CATALOG)


def get(name: str, **options: Any) -> Objective:
    """Build a published objective, with its paper's defaults where no option says otherwise.

    Raises:
        ValueError: an unknown name or option, or options without meaning together.
    """
    if name not in CATALOG:
        raise ValueError(f"unknown objective {name!r}: choose one of {', '.join(CATALOG)}")
    build = CATALOG[name].build
    known = inspect.signature(build).parameters
    unknown = sorted(set(options) - set(known))
    if unknown:
        allowed = ", ".join(known) or "none"
        raise ValueError(f"objective {name!r} has no option {', '.join(unknown)}; its options: {allowed}")
    return build(**options)
