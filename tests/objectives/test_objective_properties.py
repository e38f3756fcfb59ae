"""What holds for every objective: invariances, limits, bounds, and combinations that raise."""

from __future__ import annotations

import math
import random
from dataclasses import replace
from itertools import pairwise

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from oracles import CASES, Step, Token, tokens_of
from steps import build, make_step, measure, scales, shapes, tensors

from seqpo import objectives
from seqpo.objectives import Objective
from seqpo.objectives.gates import Identity, LogSpaceGate, OneSidedClamp, SigmoidGate
from seqpo.objectives.weightings import CappedScore, Clip, Linear, Score
from seqpo.segments import Totals

every_case = pytest.mark.parametrize("label", CASES)
steps = st.builds(make_step, shapes, st.integers(0, 10**6), scales)
few = settings(max_examples=25, deadline=None)


def _objective(label: str) -> Objective:
    return build(CASES[label].name, CASES[label].options)


def _totals(step: Step) -> Totals:
    return Totals(episodes=len(step), tokens=sum(len(tokens_of(episode)) for episode in step))


def _by_episode(step: Step, slope: list[float]) -> list[list[float]]:
    numbers = iter(slope)
    return [[next(numbers) for _ in tokens_of(episode)] for episode in step]


@every_case
@few
@given(step=steps, seed=st.integers(0, 10**6))
def test_the_order_of_episodes_does_not_matter(label: str, step: Step, seed: int):
    order = random.Random(seed).sample(range(len(step)), len(step))
    value, slope, seen = measure(_objective(label), step)
    value_too, slope_too, seen_too = measure(_objective(label), [step[i] for i in order])
    assert value_too == pytest.approx(value, rel=1e-12, abs=1e-15)
    assert seen_too == pytest.approx(seen, rel=1e-12, abs=1e-15)
    parts = _by_episode(step, slope)
    torch.testing.assert_close(slope_too, [s for i in order for s in parts[i]], rtol=1e-12, atol=1e-15)


@every_case
@few
@given(step=steps, cuts=st.sets(st.integers(1, 4)))
def test_micro_batches_add_up_to_the_step(label: str, step: Step, cuts: set[int]):
    edges = [0, *sorted(cut for cut in cuts if cut < len(step)), len(step)]
    parts = [step[a:b] for a, b in pairwise(edges)]
    value, slope, seen = measure(_objective(label), step)
    measured = [measure(_objective(label), part, _totals(step)) for part in parts]
    assert sum(v for v, _, _ in measured) == pytest.approx(value, rel=1e-12, abs=1e-15)
    torch.testing.assert_close([s for _, part, _ in measured for s in part], slope, rtol=1e-12, atol=1e-15)
    for name, number in seen.items():
        assert sum(d[name] for _, _, d in measured) == pytest.approx(number, rel=1e-12, abs=1e-15)


@every_case
@few
@given(step=steps, others=steps)
def test_other_episodes_do_not_change_an_episode_share(label: str, step: Step, others: Step):
    totals = Totals(episodes=40, tokens=400)
    _, alone, _ = measure(_objective(label), step, totals)
    _, among, _ = measure(_objective(label), step + others, totals)
    torch.testing.assert_close(among[: len(alone)], alone, rtol=1e-12, atol=1e-15)


@every_case
@few
@given(step=steps)
def test_float32_is_close_to_float64(label: str, step: Step):
    value, _, _ = measure(_objective(label), step)
    narrow, _, _ = measure(_objective(label), step, dtype=torch.float32)
    assert narrow == pytest.approx(value, rel=1e-4, abs=1e-5)


@every_case
@few
@given(shape=shapes, seed=st.integers(0, 10**6))
def test_on_policy_the_gradient_is_the_weighted_score(label: str, shape: list[list[int]], seed: int):
    step = make_step(shape, seed, scale=0.0)
    totals = _totals(step)
    expected = [
        -token.advantage
        * CASES[label].share(totals.episodes, totals.tokens, len(episode), len(tokens_of(episode)), len(turn))
        for episode in step
        for turn in episode
        for token in turn
    ]
    _, slope, seen = measure(_objective(label), step)
    assert slope == pytest.approx(expected, rel=1e-12)
    assert seen["kl_behaviour"] == seen["no_gradient"] == 0


@every_case
@few
@given(step=steps)
def test_nothing_to_prefer_nothing_to_learn(label: str, step: Step):
    flat = [[[replace(token, advantage=0.0) for token in turn] for turn in episode] for episode in step]
    value, slope, _ = measure(_objective(label), flat)
    assert value == 0
    assert not any(slope)


@every_case
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize("advantage", [3.0, -3.0])
@pytest.mark.parametrize("log_ratio", [1e4, -1e4])
def test_huge_log_ratios_stay_finite(label: str, log_ratio: float, advantage: float, dtype: torch.dtype):
    step = [[[Token(-1.0, -1.0 - log_ratio, advantage, held=-1.0)] * 3, [Token(-1.0, -1.0, advantage, -1.0)]]]
    value, slope, seen = measure(_objective(label), step, dtype=dtype)
    assert math.isfinite(value)
    assert all(map(math.isfinite, slope))
    assert all(map(math.isfinite, seen.values()))


@few
@given(step=steps)
def test_a_soft_gate_without_temperature_is_gspo_without_clip(step: Step):
    unclipped = objectives.get("gspo", epsilon_low=1e9, epsilon_high=1e9)
    value, slope, _ = measure(unclipped, step)
    for gate in ("arctan", "tanh", "softsign", "erf"):
        soft, soft_slope, _ = measure(objectives.get("sspo", gate=gate, tau_pos=1e-9, tau_neg=1e-9), step)
        assert soft == pytest.approx(value, rel=1e-6)
        torch.testing.assert_close(soft_slope, slope, rtol=1e-6, atol=1e-9)
    loose, loose_slope, _ = measure(objectives.get("gmpo", epsilon=math.inf), step)
    assert loose == pytest.approx(value, rel=1e-12)
    torch.testing.assert_close(loose_slope, slope, rtol=1e-12, atol=1e-15)


@few
@given(length=st.integers(1, 6), count=st.integers(1, 4), seed=st.integers(0, 10**6), scale=scales)
def test_levels_meet_where_there_is_one_unit(length: int, count: int, seed: int, scale: float):
    one_turn = make_step([[length]] * count, seed, scale)
    for name in ("gspo", "gmpo", "sspo", "sapo", "grpo"):
        of_turns = measure(objectives.get(name, level="turn"), one_turn)
        of_sequences = measure(objectives.get(name, level="sequence"), one_turn)
        assert of_turns[0] == pytest.approx(of_sequences[0], rel=1e-12)
        torch.testing.assert_close(of_turns[1], of_sequences[1], rtol=1e-12, atol=1e-15)
    single_tokens = make_step([[1] * length] * count, seed, scale)
    for name in ("gspo", "gmpo", "sspo", "sapo", "grpo", "dapo"):
        of_turns = measure(objectives.get(name, level="turn"), single_tokens)
        of_tokens = measure(objectives.get(name, level="token"), single_tokens)
        assert of_turns[0] == pytest.approx(of_tokens[0], rel=1e-12)


def _curve(gate: object, advantage: float) -> tuple[torch.Tensor, torch.Tensor]:
    log_ratio = torch.linspace(-8, 8, 801, dtype=torch.float64, requires_grad=True)
    gated = gate(log_ratio, torch.full_like(log_ratio, advantage))  # type: ignore[operator]
    (slope,) = torch.autograd.grad(gated.sum(), log_ratio)
    return gated.detach(), slope


@pytest.mark.parametrize("advantage", [1.0, -1.0])
@pytest.mark.parametrize(
    ("shape", "supremum"),
    [("arctan", math.pi / 2), ("tanh", 1.0), ("softsign", 1.0), ("erf", math.sqrt(math.pi) / 2)],
)
def test_log_space_gates_are_odd_bounded_and_steepest_at_one(shape: str, supremum: float, advantage: float):
    tau = 2.0 if advantage > 0 else 3.0
    gated, slope = _curve(LogSpaceGate(shape, tau_pos=2.0, tau_neg=3.0), advantage)
    assert gated.abs().max() <= supremum / tau
    assert gated.abs().max() > 0.9 * supremum / tau
    torch.testing.assert_close(gated, -gated.flip(0))
    assert slope[400] == pytest.approx(1.0)
    assert (slope[400:].diff() <= 1e-15).all()


def test_the_sigmoid_gate_is_bounded_and_monotone():
    # relative to its value on-policy, 2/τ, the gate lies in [2σ(−τ), 2]
    for advantage, tau in ((1.0, 1.0), (-1.0, 1.05)):
        gated, slope = _curve(SigmoidGate(), advantage)
        relative = torch.exp(gated) / (2 / tau)
        assert relative.max() <= 2 + 1e-12
        assert relative.min() >= 2 / (1 + math.exp(tau))
        assert (slope >= 0).all()


def test_the_one_sided_clamp_bounds_only_the_side_it_is_pushed_to():
    gated, _ = _curve(OneSidedClamp(0.4), 1.0)
    assert (gated.min(), gated.max()) == (pytest.approx(-8), pytest.approx(0.4))
    gated, _ = _curve(OneSidedClamp(0.4), -1.0)
    assert (gated.min(), gated.max()) == (pytest.approx(-0.4), pytest.approx(8))


@given(
    log_ratio=st.floats(-5, 5),
    advantage=st.floats(-3, 3),
    low=st.floats(0, 0.9),
    high=st.floats(0, 0.9),
)
def test_the_clip_is_pessimistic(log_ratio: float, advantage: float, low: float, high: float):
    weight, gain = torch.tensor(math.exp(log_ratio)).double(), torch.tensor(advantage).double()
    term = Clip(low, high)(weight, gain, weight)
    assert term <= weight * gain
    assert term <= (1 + high) * gain if advantage > 0 else term <= (1 - low) * gain


@pytest.mark.parametrize(
    ("parts", "message"),
    [
        (("sequence", Identity(), Score(), "episode-sum", None), "level must be 'token'"),
        (("turn", Identity(), CappedScore(), "token-mean", None), "level must be 'token'"),
        (("token", OneSidedClamp(), Score(), "episode-sum", None), "a gate on the ratio would be ignored"),
        (("sequence", Identity(), Clip(), "constant-length", 10), "replaces a token count"),
        (("token", Identity(), Clip(), "constant-length", None), "max_length belongs to"),
        (("token", Identity(), Clip(), "token-mean", 10), "max_length belongs to"),
        (("word", Identity(), Linear(), "token-mean", None), "unknown level 'word'"),
        (("token", Identity(), Linear(), "mean", None), "unknown aggregate 'mean'"),
    ],
)
def test_a_combination_without_meaning_raises(parts: tuple[object, ...], message: str):
    with pytest.raises(ValueError, match=message):
        Objective(*parts)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("name", "options", "message"),
    [
        ("ppo2", {}, "unknown objective 'ppo2': choose one of reinforce"),
        ("grpo", {"epsilon_low": 0.1}, "has no option epsilon_low; its options: level, epsilon, dual"),
        ("reinforce", {"level": "turn"}, "its options: none"),
        ("sspo", {"gate": "relu"}, "unknown gate 'relu': choose one of sigmoid, arctan"),
        ("grpo", {"dual": 1.1}, "dual clip 1.1 must exceed"),
        ("sspo", {"level": "episode"}, "unknown level 'episode'"),
    ],
)
def test_a_wrong_option_raises_and_names_the_right_ones(name: str, options: dict[str, object], message: str):
    with pytest.raises(ValueError, match=message):
        objectives.get(name, **options)


def test_an_unknown_gate_shape_raises():
    with pytest.raises(ValueError, match="unknown gate shape 'relu'"):
        LogSpaceGate("relu")


@pytest.mark.parametrize("wrong", ["logprobs", "behaviour", "advantages"])
def test_shapes_that_differ_raise(wrong: str):
    new, old, advantages, segments = tensors(make_step([[2, 1]], 0, 0.1))
    given_ = {"logprobs": new, "behaviour": old, "advantages": advantages}
    given_[wrong] = given_[wrong][:2]
    with pytest.raises(ValueError, match=rf"{wrong} has shape \(2,\), segments hold 3 tokens"):
        objectives.get("grpo")(**given_, segments=segments)
