"""What a loss tells about itself, and that neither waits for the device."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest
import torch
from hypothesis import given, settings
from torch.overrides import TorchFunctionMode

from seqpo import objectives
from seqpo.objectives import Diagnostics
from seqpo.objectives.reference import Step
from seqpo.segments import Denominators, Segments
from tests.support.objective_cases import CASES
from tests.support.objective_steps import make_step, measure, steps, tensors, token

_LN2 = math.log(2)

# two turns of one token that have become twice and half as likely (A = 1); one token, half as likely (A = −2)
BY_HAND: Step = [[[token(-1.0, _LN2, 1.0)], [token(-2.0, -_LN2, 1.0)]], [[token(-0.5, -_LN2, -2.0)]]]


def _seen(name: str, step: Step = BY_HAND, **options: object) -> dict[str, float]:
    return measure(objectives.get(name, **options), step)[2]


def test_by_hand_with_a_weight_for_each_token():
    # |r − 1| = 1, ½, ½; the clip stops r = 2 (A > 0) and r = ½ (A < 0);
    # k3 = r − 1 − log r = 1 − ln 2, and −½ + ln 2 twice: together ln 2; (2 + ½ + ½)² / (3·(4 + ¼ + ¼)) = 9 / 13.5
    expected = {
        "ratio_deviation": 2 / 3,
        "no_gradient": 2 / 3,
        "kl_behaviour": _LN2 / 3,
        "effective_sample_size": 2 / 3,
    }
    for name in ("ppo", "grpo", "dr-grpo"):
        assert _seen(name) == pytest.approx(expected)


def test_by_hand_with_a_weight_for_each_sequence():
    # weights 1 (two tokens) and ½ (one): |w − 1| is ½ for one of three; (1 + 1 + ½)² / (3·(1 + 1 + ¼)) = 6.25 / 6.75
    for name in ("gspo", "gspo-token", "luspo"):
        seen = _seen(name)
        assert seen["ratio_deviation"] == pytest.approx(1 / 6)
        assert seen["no_gradient"] == pytest.approx(1 / 3)
        assert seen["effective_sample_size"] == pytest.approx(25 / 27)


def test_the_weight_is_gated_the_deviation_is_not():
    # gated log-ratios (0.4, −ln 2) and −0.4: weights √(e^0.4/2) twice and e^−0.4
    first, second = math.exp(0.2) / math.sqrt(2), math.exp(-0.4)
    size = (2 * first + second) ** 2 / (3 * (2 * first**2 + second**2))
    assert _seen("gmpo")["effective_sample_size"] == pytest.approx(size)
    assert _seen("gmpo")["ratio_deviation"] == pytest.approx(1 / 6)


def test_the_product_is_not_normalised_by_length():
    # two tokens, r = 2 each: W = 4
    step = [[[token(-1.0, _LN2, 1.0)] * 2]]
    assert _seen("vespo", step)["ratio_deviation"] == pytest.approx(3)
    assert _seen("gspo", step)["ratio_deviation"] == pytest.approx(1)


def test_an_objective_without_a_ratio_still_tells_how_far_the_policy_has_moved():
    for name in ("reinforce", "gpg"):
        seen = _seen(name)
        assert seen["ratio_deviation"] == pytest.approx(2 / 3)
        assert seen["no_gradient"] == 0


def test_the_clamp_reports_tokens_without_gradient():
    # ln 2 > 0.4 where A > 0, −ln 2 < −0.4 where A < 0: two of three tokens
    for name in ("gmpo", "hmpo"):
        _, slope, seen = measure(objectives.get(name), BY_HAND)
        assert [s == 0 for s in slope] == [True, False, True]
        assert seen["no_gradient"] == pytest.approx(2 / 3)


@pytest.mark.parametrize("label", CASES)
@settings(max_examples=10, deadline=None)
@given(step=steps)
def test_no_gradient_is_the_share_of_tokens_without_one(label: str, step: Step):
    _, slope, seen = measure(CASES[label].objective, step)
    stops = CASES[label].name in {"ppo", "grpo", "dr-grpo", "dapo", "gspo", "gspo-token", "gmpo", "hmpo", "luspo"}
    stopped = slope.count(0.0) / len(slope) if stops else 0.0
    assert seen["no_gradient"] == pytest.approx(stopped, abs=1e-12)


@pytest.mark.parametrize("label", CASES)
def test_equal_weights_are_worth_the_whole_sample(label: str):
    drawn = make_step([[2, 1], [3]], seed=3, scale=0.0)
    step = [[[replace(token, advantage=1.0) for token in turn] for turn in episode] for episode in drawn]
    assert measure(CASES[label].objective, step)[2]["effective_sample_size"] == pytest.approx(1)


def test_one_weight_above_all_others_is_worth_one_token():
    step = [[[token(-1.0, 20.0, 1.0)]], *[[[token(-1.0, 0.0, 1.0)]]] * 3]
    assert _seen("reinforce", step)["effective_sample_size"] == pytest.approx(1 / 4)


def test_parts_add_up():
    one, two = (
        Diagnostics(torch.tensor([0.1, 0.0, 0.2, 0.5, 0.5])),
        Diagnostics(torch.tensor([0.3, 0.5, 0.0, 0.5, 1.5])),
    )
    assert (one + two).as_dict() == pytest.approx(
        {"ratio_deviation": 0.4, "no_gradient": 0.5, "kl_behaviour": 0.2, "effective_sample_size": 1 / 2}
    )


def test_nothing_was_weighed():
    assert Diagnostics(torch.zeros(5)).as_dict()["effective_sample_size"] == 0


@pytest.mark.parametrize("label", CASES)
def test_diagnostics_carry_no_gradient(label: str):
    assert not CASES[label].objective(*tensors(BY_HAND)).diagnostics.sums.requires_grad


class _NothingFromTheHost(TorchFunctionMode):
    """Fails where a number would be copied to the device, which waits for it."""

    def __torch_function__(
        self, func: Callable[..., Any], types: Any, args: tuple[Any, ...] = (), kwargs: dict[str, Any] | None = None
    ) -> Any:
        assert func not in {torch.tensor, torch.as_tensor, torch.Tensor.new_tensor}, func
        return func(*args, **(kwargs or {}))


@pytest.mark.parametrize("label", CASES)
def test_neither_the_loss_nor_its_diagnostics_wait_for_the_device(label: str):
    # tensors of the meta device have no numbers: whatever must read one raises
    meta = torch.device("meta")
    segments = Segments(*(torch.zeros(n, dtype=torch.long, device=meta) for n in (6, 3, 2)), groups=1)
    new = torch.zeros(6, device=meta, requires_grad=True)
    old, advantages = torch.zeros(6, device=meta), torch.zeros(6, device=meta)
    with _NothingFromTheHost():
        loss = CASES[label].objective(new, old, advantages, segments, Denominators(2, 6))
        loss.value.backward()
        sums = loss.diagnostics.sums
    assert new.grad is not None
    assert (loss.value.shape, new.grad.shape, sums.shape) == ((), (6,), (5,))
    with pytest.raises((RuntimeError, NotImplementedError)):
        loss.value.item()
