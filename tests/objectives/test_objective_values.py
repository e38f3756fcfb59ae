"""Every objective of the catalog: a value by hand, and the loops of `oracles` in value and gradient."""

from __future__ import annotations

import math

import pytest
import torch
from oracles import CASES, Step, Token, gradient
from steps import build, make_step, measure, tensors

from seqpo import objectives

# Two episodes. The first (A = 1) has two turns of one token, that have become twice and half as likely; the
# second (A = −2) has one token, half as likely.
_LN2 = math.log(2)


def _token(new: float, log_ratio: float, advantage: float) -> Token:
    return Token(new, new - log_ratio, advantage, held=new)


BY_HAND: Step = [[[_token(-1.0, _LN2, 1.0)], [_token(-2.0, -_LN2, 1.0)]], [[_token(-0.5, -_LN2, -2.0)]]]

VALUES = {
    # −½ [1·(−1) + 1·(−2)  +  (−2)·(−½)] = −½ (−3 + 1)
    "reinforce": 1.0,
    # −½ [½ (min(2, 1.2) + min(½, 0.8))  +  min(½·(−2), 0.8·(−2))] = −½ (0.85 − 1.6)
    "grpo": 0.375,
    # the same terms, summed over 2 · 10: −(1.2 + 0.5 − 1.6) / 20
    "dr-grpo": -0.005,
    # clip at 1.28 instead, over 3 tokens: −(1.28 + 0.5 − 1.6) / 3
    "dapo": -0.06,
    # weights √(2·½) = 1 and ½: −½ [1 + min(½·(−2), 0.9997·(−2))] = −½ (1 − 1.9994)
    "gspo": 0.4997,
    # log-ratios (0.4, −ln 2) and −0.4: weights √(e^0.4/2) = 0.863662 and e^−0.4 = 0.670320; −½ (0.863662 − 1.340640)
    "gmpo": 0.238489,
    # 4σ(1) = 2.924234, 4σ(−½) = 1.510163; (4/1.05)σ(−0.525) = 1.415938; −½ (2.217199 − 2.831876)
    "sapo": 0.307339,
    # arctan is odd, so weight 1; exp(−arctan(1.05 ln 2)/1.05) = exp(−0.629144/1.05) = 0.549259; −½ (1 − 1.098518)
    "sspo": 0.049259,
    # weights min(2, 1.2), ½ and ½: −⅓ [1.2·(−1) + ½·(−2)  +  ½·(−2)·(−½)] = −⅓ (−2.2 + 0.5)
    "cispo": 1.7 / 3,
}


def test_every_name_has_a_value_and_an_oracle():
    assert set(VALUES) == set(objectives.names())
    assert {case.name for case in CASES.values()} == set(objectives.names())


@pytest.mark.parametrize("name", VALUES)
def test_value_by_hand(name: str):
    value, _, _ = measure(build(name, CASES[name].options), BY_HAND)
    assert value == pytest.approx(VALUES[name], abs=1e-6)


@pytest.mark.parametrize("scale", [1e-4, 0.1, 0.5, 2.0])
@pytest.mark.parametrize("label", CASES)
def test_equals_the_loops(label: str, scale: float):
    case = CASES[label]
    step = make_step([[2, 1, 3], [1], [4, 2], [3], [1, 1]], seed=7, scale=scale)
    value, slope, _ = measure(build(case.name, case.options), step)
    assert value == pytest.approx(case.oracle(step), rel=1e-12)
    torch.testing.assert_close(slope, gradient(case.oracle, step), rtol=1e-6, atol=1e-9)


def _one_episode(advantage: float) -> tuple[Step, list[float], int]:
    log_ratios = [-1.3, -0.2, 0.0, 0.4, 0.9]
    return [[[_token(-1.0, d, advantage) for d in log_ratios]]], log_ratios, len(log_ratios)


@pytest.mark.parametrize("advantage", [1.5, -1.5])
def test_gradient_of_the_arctan_gate_in_closed_form(advantage: float):
    # ∂J/∂log π = A · w · (1/T) · 1/(1 + τ²d²)
    step, log_ratios, count = _one_episode(advantage)
    tau = 2.0 if advantage > 0 else 3.0
    _, slope, _ = measure(objectives.get("sspo", tau_pos=2.0, tau_neg=3.0), step)
    weight = math.exp(sum(math.atan(tau * d) / tau for d in log_ratios) / count)
    assert slope == pytest.approx([-advantage * weight / count / (1 + (tau * d) ** 2) for d in log_ratios])


@pytest.mark.parametrize("advantage", [1.5, -1.5])
def test_gradient_of_the_sigmoid_gate_in_closed_form(advantage: float):
    # ∂J/∂log π = A · S · (1/T) · τ (1 − σ(τ(r − 1))) r
    step, log_ratios, count = _one_episode(advantage)
    tau = 1.0 if advantage > 0 else 1.05
    sigmoid = [1 / (1 + math.exp(-tau * (math.exp(d) - 1))) for d in log_ratios]
    shared = math.prod(4 / tau * s for s in sigmoid) ** (1 / count)
    expected = [
        -advantage * shared / count * tau * (1 - s) * math.exp(d) for s, d in zip(sigmoid, log_ratios, strict=True)
    ]
    _, slope, _ = measure(objectives.get("sspo", gate="sigmoid"), step)
    assert slope == pytest.approx(expected)


@pytest.mark.parametrize("tau", [0.5, 1.0, 3.0])
def test_gradient_of_sapo_is_a_squared_sech(tau: float):
    # f'(r)·r = sech²(τ(r − 1)/2)·r for each token
    step, log_ratios, count = _one_episode(1.0)
    _, slope, _ = measure(objectives.get("sapo", tau_pos=tau), step)
    ratios = [math.exp(d) for d in log_ratios]
    assert slope == pytest.approx([-r / math.cosh(tau * (r - 1) / 2) ** 2 / count for r in ratios])


def test_gmpo_stops_a_token_beyond_the_clamp_only_the_way_it_is_pushed():
    step, _, _ = _one_episode(1.0)
    _, slope, _ = measure(objectives.get("gmpo", epsilon=0.3), step)
    assert [s == 0 for s in slope] == [False, False, False, True, True]
    step, _, _ = _one_episode(-1.0)
    _, slope, _ = measure(objectives.get("gmpo", epsilon=0.3), step)
    assert [s == 0 for s in slope] == [True, False, False, False, False]


def test_dual_clip_bounds_a_bad_token_that_has_become_likely():
    # r = 20, A = −1: −20 without, −3 with, and no gradient there
    step = [[[_token(-1.0, math.log(20), -1.0)]]]
    value, slope, seen = measure(objectives.get("grpo"), step)
    assert (value, slope[0], seen["no_gradient"]) == (pytest.approx(20.0), pytest.approx(20.0), 0)
    value, slope, seen = measure(objectives.get("grpo", dual=3.0), step)
    assert (value, slope[0], seen["no_gradient"]) == (3.0, 0.0, 1)


def test_diagnostics_by_hand():
    # GRPO on the three tokens: |r − 1| = 1, ½, ½; the clip stops r = 2 (A > 0) and r = ½ (A < 0);
    # k3 = r − 1 − log r = 1 − ln 2, and −½ + ln 2 twice: together ln 2
    _, _, seen = measure(objectives.get("grpo"), BY_HAND)
    assert seen == pytest.approx({"ratio_deviation": 2 / 3, "no_gradient": 2 / 3, "kl_behaviour": _LN2 / 3})
    # GSPO weighs units by their tokens: |w − 1| = 0 for two tokens, ½ for one
    _, _, seen = measure(objectives.get("gspo"), BY_HAND)
    assert seen["ratio_deviation"] == pytest.approx(1 / 6)
    assert seen["no_gradient"] == pytest.approx(1 / 3)
    # REINFORCE uses no ratio, and still tells how far the policy has moved
    _, _, seen = measure(objectives.get("reinforce"), BY_HAND)
    assert seen["ratio_deviation"] == pytest.approx(2 / 3)
    assert seen["no_gradient"] == 0


def test_gmpo_reports_tokens_without_gradient():
    # ln 2 > 0.4 where A > 0, −ln 2 < −0.4 where A < 0: two of three tokens
    _, slope, seen = measure(objectives.get("gmpo"), BY_HAND)
    assert [s == 0 for s in slope] == [True, False, True]
    assert seen["no_gradient"] == pytest.approx(2 / 3)


def test_diagnostics_carry_no_gradient():
    loss = objectives.get("sspo")(*tensors(BY_HAND))
    assert not any(value.requires_grad for value in loss.diagnostics.values())
