"""What holds for every objective: the order, the packing, the parts and the precision do not matter."""

from __future__ import annotations

import math
import random
from dataclasses import replace
from itertools import pairwise

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from seqpo.objectives import Diagnostics, Padded
from seqpo.objectives.reference import Step, Token, advantage_of, tokens_of, units
from seqpo.segments import LEVELS, Denominators, Level, Segments
from tests.support.objective_cases import CASES
from tests.support.objective_steps import denominators_of, make_step, measure, seeds, shapes, steps, tensors

every_case = pytest.mark.parametrize("label", CASES)
few = settings(max_examples=10, deadline=None)


def _by_episode(step: Step, slope: list[float]) -> list[list[float]]:
    numbers = iter(slope)
    return [[next(numbers) for _ in tokens_of(episode)] for episode in step]


@every_case
@few
@given(step=steps, seed=seeds)
def test_the_order_of_episodes_does_not_matter(label: str, step: Step, seed: int):
    order = random.Random(seed).sample(range(len(step)), len(step))
    value, slope, seen = measure(CASES[label].objective, step)
    value_too, slope_too, seen_too = measure(CASES[label].objective, [step[i] for i in order])
    assert value_too == pytest.approx(value, rel=1e-11, abs=1e-14)
    assert seen_too == pytest.approx(seen, rel=1e-11, abs=1e-14)
    parts = _by_episode(step, slope)
    torch.testing.assert_close(slope_too, [s for i in order for s in parts[i]], rtol=1e-11, atol=1e-14)


@every_case
@few
@given(step=steps, groups=st.lists(st.integers(0, 2), min_size=5, max_size=5))
def test_the_groups_of_episodes_do_not_matter(label: str, step: Step, groups: list[int]):
    new, old, advantages, plain = tensors(step)
    grouped = Segments(plain.turn, plain.episode, torch.tensor(groups[: len(step)]), 3)
    losses = [CASES[label].objective(new, old, advantages, segments).value for segments in (plain, grouped)]
    assert losses[0] == losses[1]


@every_case
@few
@given(step=steps, cuts=st.sets(st.integers(1, 4)))
def test_micro_batches_add_up_to_the_step(label: str, step: Step, cuts: set[int]):
    edges = [0, *sorted(cut for cut in cuts if cut < len(step)), len(step)]
    objective, denominators = CASES[label].objective, denominators_of(step)
    value, slope, seen = measure(objective, step)
    values, slopes, sums = 0.0, [], Diagnostics(torch.zeros(5, dtype=torch.float64))
    for a, b in pairwise(edges):
        new, *rest = tensors(step[a:b])
        loss = objective(new, *rest, denominators)
        values += loss.value.item()
        slopes += torch.autograd.grad(loss.value, new)[0].tolist()
        sums += loss.diagnostics
    assert values == pytest.approx(value, rel=1e-11, abs=1e-14)
    torch.testing.assert_close(slopes, slope, rtol=1e-11, atol=1e-14)
    assert sums.as_dict() == pytest.approx(seen, rel=1e-11, abs=1e-14)


@every_case
@few
@given(step=steps, others=steps)
def test_other_episodes_do_not_change_an_episode_share(label: str, step: Step, others: Step):
    denominators = Denominators(episodes=40, tokens=400)
    _, alone, _ = measure(CASES[label].objective, step, denominators)
    _, among, _ = measure(CASES[label].objective, step + others, denominators)
    torch.testing.assert_close(among[: len(alone)], alone, rtol=1e-11, atol=1e-14)


def _scattered_mask(step: Step, rng: random.Random) -> torch.Tensor:
    """Each episode a row; gaps before, between and after its turns; rows without action tokens in between."""
    rows: list[list[int]] = []
    for episode in step:
        row = [0] * rng.randint(0, 2)
        for turn in episode:
            row += [1] * len(turn) + [0] * rng.randint(1, 2)
        rows += [[]] * rng.randint(0, 1) + [row]
    return torch.tensor([row + [0] * (max(map(len, rows)) - len(row)) for row in rows])


@every_case
@pytest.mark.parametrize("garbage", [math.nan, math.inf, -math.inf])
@settings(max_examples=3, deadline=None)
@given(step=steps, seed=seeds)
def test_padding_does_not_matter_whatever_it_holds(label: str, garbage: float, step: Step, seed: int):
    value, slope, seen = measure(CASES[label].objective, step)
    layout = Padded.of(_scattered_mask(step, random.Random(seed)))
    new, old, advantages = (layout.pad(each.detach(), garbage) for each in tensors(step)[:3])
    new.requires_grad_()
    loss = CASES[label].objective(layout.flat(new), layout.flat(old), layout.flat(advantages), layout.segments)
    (padded_slope,) = torch.autograd.grad(loss.value, new)
    assert loss.value.item() == value
    assert loss.diagnostics.as_dict() == seen
    assert layout.flat(padded_slope).tolist() == slope
    assert not padded_slope[~layout.mask].any()


def _rounded(step: Step) -> Step:
    """The step in numbers that bfloat16 can hold."""

    def near(number: float) -> float:
        return torch.tensor(number, dtype=torch.bfloat16).item()

    def token(t: Token) -> Token:
        return Token(near(t.new), near(t.old), near(t.advantage), near(t.held))

    return [[[token(each) for each in turn] for turn in episode] for episode in step]


@every_case
@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
@settings(max_examples=5, deadline=None)
@given(shape=shapes, seed=seeds, scale=st.sampled_from([0.1, 0.5]), vary=st.sampled_from(LEVELS))
def test_narrow_numbers_are_computed_with_in_float32(
    label: str, dtype: torch.dtype, shape: list[list[int]], seed: int, scale: float, vary: Level
):
    step = _rounded(make_step(shape, seed, scale, vary))
    value, slope, seen = measure(CASES[label].objective, step)
    new, *rest = tensors(step, dtype)
    loss = CASES[label].objective(new, *rest)
    (narrow,) = torch.autograd.grad(loss.value, new)
    assert (loss.value.dtype, narrow.dtype) == (torch.float32, dtype)
    assert loss.value.item() == pytest.approx(value, rel=1e-4, abs=1e-5)
    assert loss.diagnostics.as_dict() == pytest.approx(seen, rel=1e-4, abs=1e-5)
    assert narrow.tolist() == pytest.approx(slope, rel=1e-2 if dtype == torch.bfloat16 else 1e-4, abs=1e-5)


@every_case
@few
@given(shape=shapes, seed=seeds, vary=st.sampled_from(LEVELS))
def test_on_policy_the_gradient_is_the_weighted_score(label: str, shape: list[list[int]], seed: int, vary: Level):
    case, step = CASES[label], make_step(shape, seed, 0.0, vary)
    denominators = denominators_of(step)
    shares = [
        case.share(denominators.episodes, denominators.tokens, len(episode), len(tokens_of(episode)), len(turn))
        for episode in step
        for turn in episode
        for _ in turn
    ]
    gains = [advantage_of(unit) for episode in step for unit in units(episode, case.credit_level) for _ in unit]
    _, slope, seen = measure(case.objective, step)
    assert slope == pytest.approx([-a * share for a, share in zip(gains, shares, strict=True)], rel=1e-11, abs=1e-15)
    assert seen["kl_behaviour"] == seen["no_gradient"] == seen["ratio_deviation"] == 0


@every_case
@few
@given(step=steps)
def test_nothing_to_prefer_nothing_to_learn(label: str, step: Step):
    flat = [[[replace(token, advantage=0.0) for token in turn] for turn in episode] for episode in step]
    value, slope, seen = measure(CASES[label].objective, flat)
    assert value == 0
    assert not any(slope)
    assert seen["no_gradient"] == 0


@every_case
@settings(max_examples=10, deadline=None)
@given(
    step=st.builds(make_step, shapes, seeds, st.sampled_from([1e2, 1e4]), st.sampled_from(LEVELS)),
    dtype=st.sampled_from([torch.bfloat16, torch.float32, torch.float64]),
)
def test_huge_log_ratios_stay_finite(label: str, step: Step, dtype: torch.dtype):
    value, slope, seen = measure(CASES[label].objective, step, dtype=dtype)
    assert all(map(math.isfinite, [value, *slope, *seen.values()]))


@every_case
@pytest.mark.parametrize("advantage", [3.0, -3.0])
@pytest.mark.parametrize("log_ratio", [1e4, -1e4])
def test_one_huge_token_stays_finite(label: str, log_ratio: float, advantage: float):
    far, near = Token(-1.0, -1.0 - log_ratio, advantage, held=-1.0), Token(-1.0, -1.0, advantage, held=-1.0)
    value, slope, seen = measure(CASES[label].objective, [[[far] * 3, [near]]], dtype=torch.float32)
    assert all(map(math.isfinite, [value, *slope, *seen.values()]))


@every_case
def test_a_part_without_episodes_adds_nothing(label: str):
    value, slope, seen = measure(CASES[label].objective, [], Denominators(episodes=4, tokens=9))
    assert (value, slope) == (0.0, [])
    assert not any(seen.values())
