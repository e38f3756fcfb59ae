"""Importance correction for a sampler that is not quite the trainer."""

from __future__ import annotations

import math

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor

from seqpo import objectives
from seqpo.objectives import SamplerCorrection
from seqpo.objectives.correction import Form
from seqpo.objectives.reference import Step
from seqpo.segments import LEVELS, Level
from tests.support.objective_steps import make_step, seeds, segments_of, shapes, tensors, token

# An episode of two turns, and one of one turn; c = π_behaviour / π_sampler of their tokens:
RATIOS = [4.0, 1 / 2, 1 / 4, 3.0]
STEP: Step = [[[token(-1.0, 0.0, 1.0)] * 2, [token(-1.0, 0.0, 1.0)]], [[token(-1.0, 0.0, -2.0)]]]
ADVANTAGES = torch.tensor([1.0, 1.0, 1.0, -2.0], dtype=torch.float64)


def _weights(correction: SamplerCorrection, ratios: list[float] = RATIOS) -> list[float]:
    """What each token of the step is weighed by."""
    behaviour = torch.full((4,), -1.0, dtype=torch.float64)
    sampler = behaviour - torch.tensor(ratios, dtype=torch.float64).log()
    weighed: Tensor = correction(ADVANTAGES, behaviour, sampler, segments_of(STEP)) / ADVANTAGES
    return weighed.tolist()


@pytest.mark.parametrize(
    ("form", "expected"),
    [
        ("none", [1, 1, 1, 1]),
        ("truncate", [2, 1 / 2, 0.3, 2]),
        ("mask", [0, 1 / 2, 0, 0]),
        ("reject", [0, 1, 0, 0]),
    ],
)
def test_each_form_by_hand(form: Form, expected: list[float]):
    # c = 4, ½, ¼, 3 against 0.3 … 2
    assert _weights(SamplerCorrection(form, low=0.3)) == pytest.approx(expected)


@pytest.mark.parametrize(
    ("level", "mean", "expected"),
    [
        ("token", False, [4, 1 / 2, 1 / 4, 3]),
        ("token", True, [4, 1 / 2, 1 / 4, 3]),
        # 4·½ = 2, ¼, 3, or their root 1/T
        ("turn", False, [2, 2, 1 / 4, 3]),
        ("turn", True, [math.sqrt(2)] * 2 + [1 / 4, 3]),
        # 4·½·¼ = ½
        ("sequence", False, [1 / 2] * 3 + [3]),
        ("sequence", True, [2 ** (-1 / 3)] * 3 + [3]),
    ],
)
def test_each_level_by_hand(level: Level, mean: bool, expected: list[float]):
    assert _weights(SamplerCorrection("mask", level, mean, high=10)) == pytest.approx(expected)


def test_the_defaults_truncate_tokens_at_2():
    assert _weights(SamplerCorrection()) == pytest.approx([2, 1 / 2, 1 / 4, 2])


def test_an_unknown_sampler_counts_as_equal_to_the_trainer():
    assert _weights(SamplerCorrection(high=10), [4.0, math.nan, 1 / 4, math.nan]) == pytest.approx([4, 1, 1 / 4, 1])
    # in a turn it adds log 1
    by_turn = SamplerCorrection("mask", "turn", high=10)
    assert _weights(by_turn, [4.0, math.nan, 1 / 4, 3.0]) == pytest.approx([4, 4, 1 / 4, 3])


@pytest.mark.parametrize("form", ["truncate", "mask", "reject"])
@given(
    shape=shapes, seed=seeds, level=st.sampled_from(LEVELS), mean=st.booleans(), scale=st.sampled_from([0.1, 1, 1e4])
)
def test_weights_stay_within_the_bounds(
    form: Form, shape: list[list[int]], seed: int, level: Level, mean: bool, scale: float
):
    new, old, advantages, segments = tensors(make_step(shape, seed, scale))
    weights = SamplerCorrection(form, level, mean, 0.5, 3.0)(advantages, old, new, segments) / advantages
    kept = weights[weights != 0]
    assert (kept >= 0.5 - 1e-12).all()
    assert (kept <= 3.0 + 1e-12).all()
    assert not weights.requires_grad


@pytest.mark.parametrize("form", ["none", "truncate", "mask", "reject"])
@given(shape=shapes, seed=seeds, level=st.sampled_from(LEVELS), mean=st.booleans())
def test_a_sampler_that_is_the_trainer_changes_nothing(
    form: Form, shape: list[list[int]], seed: int, level: Level, mean: bool
):
    _, old, advantages, segments = tensors(make_step(shape, seed, 0.1))
    corrected = SamplerCorrection(form, level, mean, 1.0, 1.0)(advantages, old, old.clone(), segments)
    assert corrected.tolist() == advantages.tolist()


def test_a_weight_of_the_advantage_is_a_weight_of_the_term():
    # PPO's terms are −(1.2 + 0.5 − 1.6)/3 without; the first at 2, the last left out: −(2·1.2 + 0.5)/3
    ln2 = math.log(2)
    step = [[[token(-1.0, ln2, 1.0)], [token(-2.0, -ln2, 1.0)]], [[token(-0.5, -ln2, -2.0)]]]
    new, old, advantages, segments = tensors(step)
    sampler = old - torch.tensor([2.0, 1.0, 10.0], dtype=torch.float64).log()
    corrected = SamplerCorrection("mask")(advantages, old, sampler, segments)
    loss = objectives.get("ppo")(new, old, corrected, segments)
    assert loss.value.item() == pytest.approx(-2.9 / 3)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"form": "clip"}, "unknown form 'clip': choose one of none, truncate, mask, reject"),
        ({"level": "episode"}, "unknown level 'episode': choose one of token, turn, sequence"),
        ({"low": 1.1}, "the bounds 1.1 … 2.0 leave out"),
        ({"high": 0.9}, "the bounds 0.0 … 0.9 leave out"),
        ({"low": -0.1}, "the bounds -0.1 … 2.0 leave out"),
    ],
)
def test_a_correction_without_meaning_raises(options: dict[str, object], message: str):
    with pytest.raises(ValueError, match=message):
        SamplerCorrection(**options)  # type: ignore[arg-type]
