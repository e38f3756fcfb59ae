"""Optimizer steps made of numbers, for the plain loops and for the objectives alike."""

from __future__ import annotations

import random
from collections.abc import Callable, Sequence
from dataclasses import replace

import torch
from hypothesis import strategies as st
from torch import Tensor

from seqpo.objectives import Objective
from seqpo.objectives.reference import Step, Token, count, tokens_of
from seqpo.segments import LEVELS, Denominators, Level, Segments

Tensors = tuple[Tensor, Tensor, Tensor, Segments]
Measured = tuple[float, list[float], dict[str, float]]

shapes = st.lists(st.lists(st.integers(1, 4), min_size=1, max_size=3), min_size=1, max_size=5)
"""Lengths of the turns of the episodes of a step."""

seeds = st.integers(0, 10**6)

scales = st.sampled_from([1e-4, 0.1, 0.5, 2.0])
"""How far, in log-probs, the policy has moved from the one that sampled."""


def make_step(shape: Sequence[Sequence[int]], seed: int, scale: float, level: Level = "sequence") -> Step:
    """Draw the numbers of a step; each unit of `level` has an advantage of its own."""
    rng = random.Random(seed)

    def token(advantage: float) -> Token:
        old = -rng.expovariate(1.0)
        new = old + rng.gauss(0, scale)
        return Token(new, old, rng.gauss(0, 1) if level == "token" else advantage, held=new)

    def turn(length: int, advantage: float) -> list[Token]:
        advantage = rng.gauss(0, 1) if level == "turn" else advantage
        return [token(advantage) for _ in range(length)]

    def episode(turns: Sequence[int]) -> list[list[Token]]:
        advantage = rng.gauss(0, 1)
        return [turn(length, advantage) for length in turns]

    return [episode(turns) for turns in shape]


steps = st.builds(make_step, shapes, seeds, scales, st.sampled_from(LEVELS))


def token(new: float, log_ratio: float, advantage: float) -> Token:
    """A token that has become e^`log_ratio` times as likely."""
    return Token(new, new - log_ratio, advantage, held=new)


def denominators_of(step: Step) -> Denominators:
    return Denominators(episodes=len(step), tokens=count(step))


def segments_of(step: Step) -> Segments:
    turns = [len(turn) for episode in step for turn in episode]
    per_episode = torch.tensor([len(episode) for episode in step], dtype=torch.long)
    return Segments(
        turn=torch.repeat_interleave(torch.arange(len(turns)), torch.tensor(turns, dtype=torch.long)),
        episode=torch.repeat_interleave(torch.arange(len(step)), per_episode),
        group=torch.zeros(len(step), dtype=torch.long),
        groups=1,
    )


def tensors(step: Step, dtype: torch.dtype = torch.float64) -> Tensors:
    """Pack a step: current log-probs (a leaf), behaviour log-probs, advantages, segments."""
    flat = [token for episode in step for token in tokens_of(episode)]
    new = torch.tensor([token.new for token in flat], dtype=dtype, requires_grad=True)
    old = torch.tensor([token.old for token in flat], dtype=dtype)
    return new, old, torch.tensor([token.advantage for token in flat], dtype=dtype), segments_of(step)


def measure(
    objective: Objective, step: Step, denominators: Denominators | None = None, dtype: torch.dtype = torch.float64
) -> Measured:
    """Loss, gradient by each token's log-prob, and diagnostics."""
    new, old, advantages, segments = tensors(step, dtype)
    loss = objective(new, old, advantages, segments, denominators)
    (slope,) = torch.autograd.grad(loss.value, new)
    return loss.value.item(), slope.tolist(), loss.diagnostics.as_dict()


def gradient(loss: Callable[[Step], float], step: Step, h: float = 1e-6) -> list[float]:
    """Central differences of a plain loop by every token's current log-prob."""

    def moved(place: tuple[int, int, int], by: float) -> Step:
        e, t, i = place
        copy = [[list(turn) for turn in episode] for episode in step]
        copy[e][t][i] = replace(copy[e][t][i], new=copy[e][t][i].new + by)
        return copy

    places = [(e, t, i) for e, episode in enumerate(step) for t, turn in enumerate(episode) for i in range(len(turn))]
    return [(loss(moved(place, h)) - loss(moved(place, -h))) / (2 * h) for place in places]
