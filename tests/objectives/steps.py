"""Optimizer steps made of numbers, for the oracles and for seqpo alike."""

from __future__ import annotations

import random
from collections.abc import Sequence

import torch
from hypothesis import strategies as st
from oracles import Step, Token, tokens_of
from torch import Tensor

from seqpo import objectives
from seqpo.objectives import Objective
from seqpo.segments import Segments, Totals

Tensors = tuple[Tensor, Tensor, Tensor, Segments]

shapes = st.lists(st.lists(st.integers(1, 4), min_size=1, max_size=3), min_size=1, max_size=5)
"""Lengths of the turns of the episodes of a step."""

scales = st.sampled_from([1e-4, 0.1, 0.5, 2.0])
"""How far, in log-probs, the policy has moved from the one that sampled."""


def make_step(shape: Sequence[Sequence[int]], seed: int, scale: float) -> Step:
    """Draw the numbers of a step; an episode has one advantage."""
    rng = random.Random(seed)

    def token(advantage: float) -> Token:
        old = -rng.expovariate(1.0)
        new = old + rng.gauss(0, scale)
        return Token(new, old, advantage, held=new)

    return [
        [[token(advantage) for _ in range(length)] for length in turns]
        for turns, advantage in ((turns, rng.gauss(0, 1)) for turns in shape)
    ]


def tensors(step: Step, dtype: torch.dtype = torch.float64) -> Tensors:
    """Pack a step: current log-probs (a leaf), behaviour log-probs, advantages, segments."""
    flat = [token for episode in step for token in tokens_of(episode)]
    turns = [len(turn) for episode in step for turn in episode]
    count = torch.tensor([len(episode) for episode in step])
    segments = Segments(
        turn=torch.repeat_interleave(torch.arange(len(turns)), torch.tensor(turns)),
        episode=torch.repeat_interleave(torch.arange(len(step)), count),
        group=torch.zeros(len(step), dtype=torch.long),
        groups=1,
    )
    new = torch.tensor([token.new for token in flat], dtype=dtype, requires_grad=True)
    old = torch.tensor([token.old for token in flat], dtype=dtype)
    return new, old, torch.tensor([token.advantage for token in flat], dtype=dtype), segments


def measure(
    objective: Objective, step: Step, totals: Totals | None = None, dtype: torch.dtype = torch.float64
) -> tuple[float, list[float], dict[str, float]]:
    """Loss, gradient by each token's log-prob, and diagnostics."""
    new, old, advantages, segments = tensors(step, dtype)
    loss = objective(new, old, advantages, segments, totals)
    loss.value.backward()
    assert new.grad is not None
    return loss.value.item(), new.grad.tolist(), {k: v.item() for k, v in loss.diagnostics.items()}


def build(name: str, options: dict[str, object]) -> Objective:
    """Make an objective of the catalog."""
    return objectives.get(name, **options)
