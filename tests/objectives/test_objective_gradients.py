"""Gradients in closed form, where the papers give one: on one episode of five tokens."""

from __future__ import annotations

import math
from collections.abc import Callable

import pytest

from seqpo import objectives
from seqpo.objectives.reference import Step
from tests.support.objective_steps import measure, token

RATIOS = [-1.3, -0.2, 0.0, 0.4, 0.9]
"""Log-ratios d of the tokens."""

T = len(RATIOS)
both_signs = pytest.mark.parametrize("advantage", [1.5, -1.5])


def _one_episode(advantage: float) -> Step:
    return [[[token(-1.0, d, advantage) for d in RATIOS]]]


def _slope(name: str, advantage: float, **options: object) -> list[float]:
    return measure(objectives.get(name, **options), _one_episode(advantage))[1]


GATES: dict[str, tuple[Callable[[float], float], Callable[[float], float]]] = {
    # g and g' of x = τd
    "arctan": (math.atan, lambda x: 1 / (1 + x**2)),
    "tanh": (math.tanh, lambda x: 1 - math.tanh(x) ** 2),
    "softsign": (lambda x: x / (1 + abs(x)), lambda x: 1 / (1 + abs(x)) ** 2),
    "erf": (lambda x: math.sqrt(math.pi) / 2 * math.erf(x), lambda x: math.exp(-(x**2))),
}


@both_signs
@pytest.mark.parametrize("gate", GATES)
def test_a_gate_on_the_log_ratio(gate: str, advantage: float):
    # ∂J/∂log π = A · w · (1/T) · g'(τd), with w = exp(mean g(τd)/τ)
    tau = 2.0 if advantage > 0 else 3.0
    g, slope_of_g = GATES[gate]
    weight = math.exp(sum(g(tau * d) / tau for d in RATIOS) / T)
    slope = _slope("sspo", advantage, gate=gate, tau_pos=2.0, tau_neg=3.0)
    assert slope == pytest.approx([-advantage * weight / T * slope_of_g(tau * d) for d in RATIOS])


@both_signs
def test_the_sigmoid_gate_inside_a_geometric_mean(advantage: float):
    # ∂J/∂log π = A · S · (1/T) · τ (1 − σ(τ(r − 1))) r
    tau = 1.0 if advantage > 0 else 1.05
    sigmoid = [1 / (1 + math.exp(-tau * (math.exp(d) - 1))) for d in RATIOS]
    shared = math.prod(4 / tau * s for s in sigmoid) ** (1 / T)
    expected = [-advantage * shared / T * tau * (1 - s) * math.exp(d) for s, d in zip(sigmoid, RATIOS, strict=True)]
    assert _slope("sspo", advantage, gate="sigmoid") == pytest.approx(expected)


@pytest.mark.parametrize("tau", [0.5, 1.0, 3.0])
def test_the_sigmoid_gate_alone_is_a_squared_sech(tau: float):
    # f'(r)·r = sech²(τ(r − 1)/2)·r for each token
    ratios = [math.exp(d) for d in RATIOS]
    expected = [-r / math.cosh(tau * (r - 1) / 2) ** 2 / T for r in ratios]
    assert _slope("sapo", 1.0, tau_pos=tau) == pytest.approx(expected)


def _clamped(advantage: float, epsilon: float) -> tuple[list[float], list[float]]:
    """The clamped log-ratios, and 1 where a token keeps its gradient."""
    kept = [float(d <= epsilon if advantage > 0 else d >= -epsilon) for d in RATIOS]
    clamped = [min(d, epsilon) if advantage > 0 else max(d, -epsilon) for d in RATIOS]
    return clamped, kept


@both_signs
def test_the_geometric_mean_stops_a_token_beyond_the_clamp_only_the_way_it_is_pushed(advantage: float):
    # ∂J/∂log π = A · w · (1/T), or nothing
    clamped, kept = _clamped(advantage, 0.3)
    weight = math.exp(sum(clamped) / T)
    assert _slope("gmpo", advantage, epsilon=0.3) == pytest.approx([-advantage * weight / T * keep for keep in kept])
    assert kept == ([1, 1, 1, 0, 0] if advantage > 0 else [0, 1, 1, 1, 1])


@both_signs
def test_the_harmonic_mean_favours_tokens_that_have_become_unlikely(advantage: float):
    # ∂w/∂φ = w² e^−φ / T
    clamped, kept = _clamped(advantage, 0.3)
    weight = T / sum(math.exp(-phi) for phi in clamped)
    expected = [-advantage * weight**2 * math.exp(-phi) / T * keep for phi, keep in zip(clamped, kept, strict=True)]
    assert _slope("hmpo", advantage, epsilon=0.3) == pytest.approx(expected)


@both_signs
def test_the_kernel_of_vespo_is_the_same_at_every_token(advantage: float):
    # ∂J/∂log π = φ(W) · A · (1/T), with the true ratio W = e^(Σd)
    k, rate = (2.0, 3.0) if advantage > 0 else (3.0, 2.0)
    product = math.exp(sum(RATIOS))
    kernel = product**k * math.exp(rate * (1 - product))
    assert _slope("vespo", advantage) == pytest.approx([-kernel * advantage / T] * T)


@both_signs
def test_the_capped_ratio_keeps_every_gradient(advantage: float):
    # ∂J/∂log π = min(r, 1.2) · A · (1/T)
    expected = [-min(math.exp(d), 1.2) * advantage / T for d in RATIOS]
    assert _slope("cispo", advantage) == pytest.approx(expected)


def test_the_clip_stops_a_token_only_the_way_it_is_pushed():
    # ∂J/∂log π = r · A · (1/T), or nothing; r = 0.27, 0.82, 1, 1.49, 2.46 against 0.8 … 1.2
    ratios = [math.exp(d) for d in RATIOS]
    kept = [1, 1, 1, 0, 0]
    assert _slope("ppo", 1.0) == pytest.approx([-r / T * keep for r, keep in zip(ratios, kept, strict=True)])
    kept = [0, 1, 1, 1, 1]
    assert _slope("ppo", -1.0) == pytest.approx([r / T * keep for r, keep in zip(ratios, kept, strict=True)])


def test_the_dual_clip_bounds_a_bad_token_that_has_become_likely():
    # r = 20, A = −1: −20 without, −3 with, and no gradient there
    step = [[[token(-1.0, math.log(20), -1.0)]]]
    value, slope, seen = measure(objectives.get("grpo"), step)
    assert (value, slope[0], seen["no_gradient"]) == (pytest.approx(20.0), pytest.approx(20.0), 0)
    value, slope, seen = measure(objectives.get("grpo", dual=3.0), step)
    assert (value, slope[0], seen["no_gradient"]) == (3.0, 0.0, 1)
