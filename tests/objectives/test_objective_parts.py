"""The parts of an objective: bounds of the gates, parts of one's own, and combinations that raise."""

from __future__ import annotations

import math
from dataclasses import dataclass

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor

from seqpo import objectives
from seqpo.objectives import (
    CappedScore,
    Clip,
    GammaScore,
    Gate,
    Identity,
    Linear,
    LogSpaceGate,
    Objective,
    OneSidedClamp,
    ScoreFunction,
    SigmoidGate,
    Weighting,
)
from tests.support.objective_steps import make_step, measure, tensors, token

SUPREMA = {"arctan": math.pi / 2, "tanh": 1.0, "softsign": 1.0, "erf": math.sqrt(math.pi) / 2}
temperatures = st.floats(0.1, 10)
log_ratios = st.floats(-20, 20)
signs = st.sampled_from([1.0, -1.0])


def _at(gate: Gate, log_ratio: float, advantage: float) -> tuple[float, float]:
    """φ and φ' at a log-ratio."""
    d = torch.tensor([log_ratio], dtype=torch.float64, requires_grad=True)
    phi = gate(d, torch.full_like(d, advantage))
    (slope,) = torch.autograd.grad(phi.sum(), d)
    return phi.item(), slope.item()


@pytest.mark.parametrize("shape", SUPREMA)
@given(d=log_ratios, tau=temperatures, sign=signs)
def test_a_gate_on_the_log_ratio_is_odd_bounded_and_flatter_further_away(shape: str, d: float, tau: float, sign: float):
    gate = LogSpaceGate(shape, tau, tau)
    phi, slope = _at(gate, d, sign)
    assert abs(phi) <= SUPREMA[shape] / tau * (1 + 1e-12)
    assert abs(phi) <= abs(d) * (1 + 1e-12)
    assert _at(gate, -d, sign) == pytest.approx((-phi, slope))
    assert 0 <= _at(gate, 1.1 * d, sign)[1] <= slope <= 1


@pytest.mark.parametrize("shape", SUPREMA)
def test_the_bound_of_a_gate_is_reached_far_away(shape: str):
    assert _at(LogSpaceGate(shape, 2.0, 3.0), 1e6, 1.0)[0] == pytest.approx(SUPREMA[shape] / 2, rel=1e-5)
    assert _at(LogSpaceGate(shape, 2.0, 3.0), -1e6, -1.0)[0] == pytest.approx(-SUPREMA[shape] / 3, rel=1e-5)


@given(d=log_ratios, tau=temperatures, sign=signs)
def test_the_sigmoid_gate_lies_below_4_over_tau_and_rises(d: float, tau: float, sign: float):
    phi, slope = _at(SigmoidGate(tau, tau), d, sign)
    assert 4 / tau / (1 + math.exp(tau)) * (1 - 1e-9) <= math.exp(phi) <= 4 / tau * (1 + 1e-12)
    assert slope >= 0


@pytest.mark.parametrize("gate", [Identity(), OneSidedClamp(), SigmoidGate(), *map(LogSpaceGate, SUPREMA)])
@pytest.mark.parametrize("advantage", [1.0, -1.0])
def test_at_ratio_1_the_gated_ratio_rises_as_the_ratio_does(gate: Gate, advantage: float):
    phi, slope = _at(gate, 0.0, advantage)
    assert math.exp(phi) * slope == pytest.approx(1.0)


@given(d=log_ratios, epsilon=st.floats(0, 5))
def test_the_one_sided_clamp_bounds_only_the_side_it_is_pushed_to(d: float, epsilon: float):
    gate, d_now = OneSidedClamp(epsilon), torch.tensor([d], dtype=torch.float64)
    assert _at(gate, d, 1.0)[0] == min(d, epsilon)
    assert _at(gate, d, -1.0)[0] == max(d, -epsilon)
    for sign in (1.0, -1.0):
        stopped = gate.stops(d_now, torch.full_like(d_now, sign)).item()
        assert stopped == (sign * d > epsilon)
        assert stopped == (_at(gate, d, sign)[1] == 0)


@given(d=st.floats(-5, 5), advantage=st.floats(-3, 3), low=st.floats(0, 0.9), high=st.floats(0, 0.9))
def test_the_clip_is_pessimistic(d: float, advantage: float, low: float, high: float):
    weight, gain = torch.tensor(math.exp(d)).double(), torch.tensor(advantage).double()
    term = Clip(low, high)(weight, gain, weight)
    assert term <= weight * gain
    assert term <= (1 + high) * gain if advantage > 0 else term <= (1 - low) * gain
    assert Clip(low, high, dual=3.0)(weight, gain, weight) >= min(term, 3 * gain)


@given(d=log_ratios, sign=signs)
def test_the_kernel_of_vespo_is_1_at_ratio_1_and_highest_at_k_over_lambda(d: float, sign: float):
    def kernel(ratio: float) -> float:
        one = torch.ones(1, dtype=torch.float64)
        return sign * GammaScore()(ratio * one, sign * one, one).item()

    peak = 2 / 3 if sign > 0 else 3 / 2
    assert kernel(1.0) == pytest.approx(1.0)
    assert 0 <= kernel(math.exp(d)) <= kernel(peak) * (1 + 1e-12)


@dataclass(frozen=True)
class Halved(Gate):
    """Half of the log-ratio, and none below −1."""

    def __call__(self, log_ratio: Tensor, side: Tensor) -> Tensor:
        return log_ratio.clamp(min=-1.0) / 2

    def stops(self, log_ratio: Tensor, side: Tensor) -> Tensor:
        return log_ratio < -1.0


@dataclass(frozen=True)
class Squared(Weighting):
    """w²·A."""

    def __call__(self, weight: Tensor, advantage: Tensor, logprob: Tensor) -> Tensor:
        return weight.square() * advantage


FAR_AND_NEAR = [[[token(-1.0, -3.0, 2.0), token(-1.0, 0.5, 2.0)]]]


def test_a_gate_of_your_own():
    # φ = −½ and ¼, w = e^−⅛; the first token is stopped, the second has slope w·A·½·½
    value, slope, seen = measure(Objective("sequence", Halved(), Linear(), "sequence-mean"), FAR_AND_NEAR)
    weight = math.exp(-1 / 8)
    assert value == pytest.approx(-2 * weight)
    assert slope == pytest.approx([0, -2 * weight / 4])
    assert seen["no_gradient"] == 0.5


def test_a_weighting_of_your_own():
    # w = e^−1.25, ∂w²/∂log π = 2w²/2; a weighting that says nothing of stops stops nothing
    value, slope, seen = measure(Objective("sequence", Identity(), Squared(), "sequence-mean"), FAR_AND_NEAR)
    square = math.exp(-2.5)
    assert value == pytest.approx(-2 * square)
    assert slope == pytest.approx([-2 * square] * 2)
    assert seen["no_gradient"] == 0


def test_a_soft_gate_with_an_advantage_for_each_token():
    # w = e^¼ both ways; each token's gradient is its own: w·A_t·½·½
    step = [[[token(-1.0, 0.0, 1.0), token(-1.0, 1.0, -3.0)]]]
    value, slope, _ = measure(Objective("sequence", Halved(), Linear(), "sequence-mean", credit="token"), step)
    weight = math.exp(1 / 4)
    assert value == pytest.approx(-weight * (1 - 3) / 2)
    assert slope == pytest.approx([-weight / 4, 3 * weight / 4])


def test_a_clamp_inside_a_held_weight_leaves_every_gradient():
    # the weight e^0.4 is capped at 1.2 and held: the gradient comes through log π
    capped = Objective("token", OneSidedClamp(0.4), CappedScore(), "token-mean")
    _, slope, seen = measure(capped, [[[token(-1.0, 2.0, 1.0)]]])
    assert slope == [pytest.approx(-1.2)]
    assert seen["no_gradient"] == 0


@pytest.mark.parametrize(
    ("parts", "options", "message"),
    [
        (("sequence", Identity(), ScoreFunction(), "sequence-sum"), {}, "ScoreFunction weighs the log-prob of a token"),
        (("turn", Identity(), CappedScore(), "token-mean"), {}, "CappedScore weighs the log-prob of a token"),
        (("sequence", Identity(), GammaScore(), "token-mean"), {}, "level or credit must be 'token'"),
        (("token", OneSidedClamp(), ScoreFunction(), "sequence-sum"), {}, "a gate on the ratio would be ignored"),
        (("sequence", Identity(), Clip(), "constant-length"), {"max_length": 10}, "replaces a token count"),
        (("token", Identity(), Clip(), "constant-length"), {}, "max_length belongs to"),
        (("token", Identity(), Clip(), "token-mean"), {"max_length": 10}, "max_length belongs to"),
        (("token", Identity(), Clip(), "constant-length"), {"max_length": 0}, "a number of tokens, got 0"),
        (("sequence", Identity(), Clip(), "token-mean"), {"credit": "token", "pool": "product"}, "not 'product'"),
        (("sequence", Identity(), Linear(), "token-mean"), {"credit": "token", "pool": "harmonic"}, "not 'harmonic'"),
        (("word", Identity(), Linear(), "token-mean"), {}, "unknown level 'word': choose one of token, turn"),
        (("token", Identity(), Linear(), "mean"), {}, "unknown aggregate 'mean': choose one of sequence-mean"),
        (("token", Identity(), Linear(), "token-mean"), {"pool": "median"}, "unknown pool 'median'"),
        (("token", Identity(), Linear(), "token-mean"), {"credit": "turn"}, "unknown credit 'turn'"),
    ],
)
def test_a_combination_without_meaning_raises(parts: tuple[object, ...], options: dict[str, object], message: str):
    with pytest.raises(ValueError, match=message):
        Objective(*parts, **options)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("name", "options", "message"),
    [
        ("ppo2", {}, "unknown objective 'ppo2': choose one of reinforce"),
        ("grpo", {"epsilon_low": 0.1}, "has no option epsilon_low; its options: level, epsilon, dual"),
        ("reinforce", {"level": "turn"}, "its options: none"),
        ("sspo", {"gate": "relu"}, "unknown gate 'relu': choose one of sigmoid, arctan"),
        ("grpo", {"dual": 1.1}, "dual clip 1.1 must exceed"),
        ("ppo", {"dual": 1.2}, "dual clip 1.2 must exceed 1 \\+ high = 1.2"),
        ("sspo", {"level": "episode"}, "option level can't be 'episode': choose one of token, turn, sequence"),
        ("ppo", {"epsilon": "0.2"}, "option epsilon can't be '0.2': it must be of type float"),
        ("ppo", {"dual": True}, "option dual can't be True: it must be of type float or None"),
        ("dr-grpo", {"max_length": -1}, "a number of tokens, got -1"),
        *(("vespo", {name: 0.0}, "must be positive") for name in ("k_pos", "lambda_pos", "k_neg", "lambda_neg")),
    ],
)
def test_a_wrong_option_raises_and_names_the_right_ones(name: str, options: dict[str, object], message: str):
    with pytest.raises(ValueError, match=message):
        objectives.get(name, **options)


def test_an_unknown_gate_shape_raises():
    with pytest.raises(ValueError, match="unknown gate shape 'relu': choose one of arctan"):
        LogSpaceGate("relu")


@pytest.mark.parametrize("wrong", ["logprobs", "behaviour", "advantages"])
def test_shapes_that_differ_raise(wrong: str):
    new, old, advantages, segments = tensors(make_step([[2, 1]], 0, 0.1))
    arguments = {"logprobs": new, "behaviour": old, "advantages": advantages}
    arguments[wrong] = arguments[wrong][:2]
    with pytest.raises(ValueError, match=rf"{wrong} has shape \(2,\), segments hold 3 tokens"):
        objectives.get("grpo")(**arguments, segments=segments)


def test_every_entry_says_what_it_is():
    for entry in objectives.CATALOG.values():
        assert entry.summary.endswith(".")
        assert entry.paper
        assert entry.formula
