"""Every objective of the catalog: a value by hand, and the plain loops in value and gradient."""

from __future__ import annotations

import inspect
import math

import pytest
import torch

from seqpo import objectives
from seqpo.objectives.reference import Step
from seqpo.segments import LEVELS, Level
from tests.support.objective_cases import CASES
from tests.support.objective_steps import gradient, make_step, measure, token

# Two episodes. The first (A = 1) has two turns of one token, that have become twice and half as likely; the
# second (A = −2) has one token, half as likely.
_LN2 = math.log(2)
BY_HAND: Step = [[[token(-1.0, _LN2, 1.0)], [token(-2.0, -_LN2, 1.0)]], [[token(-0.5, -_LN2, -2.0)]]]

VALUES = {
    # −½ [1·(−1) + 1·(−2)  +  (−2)·(−½)] = −½ (−3 + 1)
    "reinforce": 1.0,
    # the same terms over 3 tokens: −⅓ (−3 + 1)
    "gpg": 2 / 3,
    # −⅓ [min(2, 1.2) + min(½, 0.8)  +  min(½·(−2), 0.8·(−2))] = −⅓ (1.2 + 0.5 − 1.6)
    "ppo": -0.1 / 3,
    # the same terms, the first episode's halved: −½ [½ (1.2 + 0.5)  −  1.6] = −½ (0.85 − 1.6)
    "grpo": 0.375,
    # the same terms, summed over 2 · 10: −(1.2 + 0.5 − 1.6) / 20
    "dr-grpo": -0.005,
    # clip at 1.28 instead, over 3 tokens: −(1.28 + 0.5 − 1.6) / 3
    "dapo": -0.06,
    # weights √(2·½) = 1 and ½: −½ [1 + min(½·(−2), 0.9997·(−2))] = −½ (1 − 1.9994)
    "gspo": 0.4997,
    # weight 1 at both tokens of the first: −½ [½ (1 + 1) − 1.9994]
    "gspo-token": 0.4997,
    # lengths 2 and 1: −½ [2·1 + 1·min(½·(−2), 0.998·(−2))] = −½ (2 − 1.996)
    "luspo": -0.002,
    # log-ratios (0.4, −ln 2) and −0.4: weights √(e^0.4/2) = 0.863662 and e^−0.4 = 0.670320; −½ (0.863662 − 1.340640)
    "gmpo": 0.238489,
    # the same log-ratios: 2 / (e^−0.4 + 2) = 2 / 2.670320 = 0.748974; −½ (0.748974 − 1.340640)
    "hmpo": 0.295833,
    # 4σ(1) = 2.924234, 4σ(−½) = 1.510163; (4/1.05)σ(−0.525) = 1.415938; −½ (2.217199 − 2.831876)
    "sapo": 0.307339,
    # arctan is odd, so weight 1; exp(−arctan(1.05 ln 2)/1.05) = exp(−0.629144/1.05) = 0.549259; −½ (1 − 1.098518)
    "sspo": 0.049259,
    # weights min(2, 1.2), ½ and ½: −⅓ [1.2·(−1) + ½·(−2)  +  ½·(−2)·(−½)] = −⅓ (−2.2 + 0.5)
    "cispo": 1.7 / 3,
    # W = 2·½ = 1 and ½: φ = 1 and ½³·e^(2·½) = 0.339785; −⅓ [−1 − 2 + 0.339785·(−2)·(−½)] = −⅓ (−3 + 0.339785)
    "vespo": 0.886738,
}


def test_every_name_has_a_value_and_a_case_at_each_of_its_levels():
    assert set(VALUES) == set(objectives.names())
    for name, entry in objectives.CATALOG.items():
        options = [case.options for case in CASES.values() if case.name == name]
        assert options
        if "level" in inspect.signature(entry.build).parameters:
            assert {each["level"] for each in options} == set(LEVELS)


@pytest.mark.parametrize("name", VALUES)
def test_value_by_hand(name: str):
    objective = objectives.get(name, **({"max_length": 10} if name == "dr-grpo" else {}))
    value, _, _ = measure(objective, BY_HAND)
    assert value == pytest.approx(VALUES[name], abs=1e-6)


def test_advantages_that_differ_by_hand():
    # one turn of two tokens, ratio √(2·½) = 1, A = (1, −2), log π = (−1, −2)
    step = [[[token(-1.0, _LN2, 1.0), token(-2.0, -_LN2, -2.0)]]]
    # each token its own ratio, ½ min(2, 1.2) + ½ min(½·(−2), 0.8·(−2)) = 0.6 − 0.8
    assert measure(objectives.get("grpo"), step)[0] == pytest.approx(0.2)
    # the sequence's ratio, ½ (1 − 2); twice that, not halved by the length
    assert measure(objectives.get("gspo-token"), step)[0] == pytest.approx(0.5)
    assert measure(objectives.get("luspo"), step)[0] == pytest.approx(1.0)
    # weights 1, ½ (1·(−1) + (−2)·(−2))
    assert measure(objectives.get("vespo"), step)[0] == pytest.approx(-1.5)
    # weights 1.2 and ½, ½ (−1.2 + ½·4)
    assert measure(objectives.get("cispo"), step)[0] == pytest.approx(-0.4)
    # a unit takes the mean, −½
    assert measure(objectives.get("gspo"), step)[0] == pytest.approx(0.5)


@pytest.mark.parametrize("vary", LEVELS)
@pytest.mark.parametrize("scale", [1e-4, 0.5, 2.0])
@pytest.mark.parametrize("label", CASES)
def test_equals_the_loops(label: str, scale: float, vary: Level):
    case = CASES[label]
    step = make_step([[2, 1, 3], [1], [4, 2], [1, 1]], seed=7, scale=scale, level=vary)
    value, slope, _ = measure(case.objective, step)
    assert value == pytest.approx(case.reference(step), rel=1e-12)
    torch.testing.assert_close(slope, gradient(case.reference, step), rtol=1e-6, atol=1e-8)


@pytest.mark.parametrize("label", CASES)
def test_advantages_may_differ_down_to_the_unit(label: str):
    assert CASES[label].objective.credit_level == CASES[label].credit_level


def test_every_loop_has_the_options_of_its_objective():
    for name, entry in objectives.CATALOG.items():
        assert entry.reference is not None
        assert entry.reference.__name__ == entry.build.__name__
        _, *options = inspect.signature(entry.reference).parameters.values()
        defaults = {option.name: option.default for option in options}
        assert defaults == {p.name: p.default for p in inspect.signature(entry.build).parameters.values()}, name


OTHER = {
    "ppo": {"epsilon": 0.1, "dual": 1.2},
    "grpo": {"epsilon": 0.4},
    "dr-grpo": {"epsilon": 0.1, "max_length": 7},
    "dapo": {"epsilon_low": 0.1, "epsilon_high": 0.5},
    "gspo": {"epsilon_low": 0.1, "epsilon_high": 0.3},
    "gspo-token": {"epsilon_low": 0.1, "epsilon_high": 0.3},
    "luspo": {"epsilon_low": 0.1, "epsilon_high": 0.3},
    "gmpo": {"epsilon": 0.1},
    "hmpo": {"epsilon": 0.1},
    "sapo": {"tau_pos": 2.0, "tau_neg": 0.5},
    "sspo": {"tau_pos": 2.0, "tau_neg": 0.5},
    "cispo": {"epsilon_low": 0.3, "epsilon_high": 0.5},
    "vespo": {"k_pos": 1.0, "lambda_pos": 2.0, "k_neg": 2.0, "lambda_neg": 1.0},
}


@pytest.mark.parametrize("level", LEVELS)
@pytest.mark.parametrize("name", OTHER)
def test_other_options_equal_the_loops(name: str, level: Level):
    step = make_step([[2, 1, 3], [1], [4, 2], [1, 1]], seed=3, scale=2.0)
    loop = objectives.CATALOG[name].reference
    assert loop is not None
    found, _, _ = measure(objectives.get(name, level=level, **OTHER[name]), step)
    assert found == pytest.approx(loop(step, level=level, **OTHER[name]), rel=1e-12)
    assert found != pytest.approx(loop(step, level=level), rel=1e-6)
