"""Optimizer steps, learning rates, and how a step is cut into parts."""

from __future__ import annotations

import math
from itertools import pairwise

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor, nn

from seqpo.training.optimizer import DivergenceError, OptimizerConfig, Updates, split_by_size
from seqpo.training.world import World


def linear(config: OptimizerConfig, steps: int = 10) -> tuple[nn.Linear, Updates]:
    layer = nn.Linear(2, 1, bias=False).double()
    with torch.no_grad():
        layer.weight.copy_(torch.tensor([[1.0, -2.0]]))
    return layer, Updates(layer, config, World(), steps)


def test_learning_rates_by_hand():
    cosine = OptimizerConfig(lr=1.0, warmup=2, decay="cosine")
    # half and whole of the peak; then halfway from peak to a tenth of it
    assert [cosine.rate(step, 10) for step in (0, 1, 2)] == [0.5, 1.0, 1.0]
    assert cosine.rate(6, 10) == pytest.approx(0.55)
    assert cosine.rate(10, 10) == pytest.approx(0.1)
    linear = OptimizerConfig(lr=2.0, warmup=0, decay="linear")
    assert [linear.rate(step, 4) for step in range(4)] == pytest.approx([2.0, 1.55, 1.1, 0.65])
    assert OptimizerConfig(lr=3.0, warmup=0, decay="constant").rate(999, 10) == 3.0


@given(st.sampled_from(["constant", "linear", "cosine"]), st.integers(0, 20), st.integers(1, 60), st.floats(1e-6, 10.0))
def test_rates_rise_to_the_peak_and_never_below_a_tenth(decay, warmup: int, steps: int, lr: float):
    config = OptimizerConfig(lr=lr, warmup=warmup, decay=decay)
    rates = [config.rate(step, steps) for step in range(steps)]
    assert all(0 < rate <= lr * (1 + 1e-12) for rate in rates)
    assert rates[:warmup] == sorted(rates[:warmup])
    assert rates[warmup:] == sorted(rates[warmup:], reverse=True)
    assert all(rate >= 0.0999 * lr for rate in rates[warmup:])


@pytest.mark.parametrize("wrong", [{"decay": "step"}, {"lr": 0.0}, {"clip": -1.0}, {"warmup": -1}])
def test_settings_without_meaning_are_refused(wrong: dict):
    with pytest.raises(ValueError, match=next(iter(wrong))):
        OptimizerConfig(**wrong)


def test_the_first_step_of_adam_by_hand():
    layer, updates = linear(OptimizerConfig(lr=0.1, warmup=0, decay="constant", weight_decay=0.0, clip=1.0))
    result = updates.step([lambda: layer(torch.tensor([[3.0, -4.0]]).double()).sum()])
    # the loss is 3·1 + 4·2, its gradient (3, -4) has norm 5; Adam's first step goes by lr against the sign
    assert result == pytest.approx({"loss": 11.0, "grad_norm": 5.0, "lr": 0.1})
    assert layer.weight.tolist()[0] == pytest.approx([0.9, -1.9], abs=1e-6)


def test_matrices_decay_and_vectors_do_not():
    layer = nn.Linear(1, 1)
    nn.init.ones_(layer.weight), nn.init.ones_(layer.bias)
    updates = Updates(layer, OptimizerConfig(lr=0.1, warmup=0, weight_decay=0.5), World(), 10)
    updates.step([lambda: 0 * (layer.weight.sum() + layer.bias.sum())])
    assert (layer.weight.item(), layer.bias.item()) == pytest.approx((0.95, 1.0))


def test_the_parts_of_a_step_add_up():
    whole, one = linear(OptimizerConfig(warmup=0))
    split, two = linear(OptimizerConfig(warmup=0))
    x = torch.tensor([[0.3, 1.0], [2.0, -0.7]]).double()
    assert one.step([lambda: whole(x).square().sum()]) == pytest.approx(
        two.step([lambda: split(x[:1]).square().sum(), lambda: split(x[1:]).square().sum()]), rel=1e-6
    )
    torch.testing.assert_close(whole.weight, split.weight, rtol=0, atol=1e-14)


@pytest.mark.parametrize(
    ("spoil", "said"),
    [
        (lambda out: out * math.nan, "loss nan"),
        (lambda out: out / 0, "loss (-?inf|nan)"),
        (lambda out: (out * 0).sqrt(), "gradient norm nan.*first weight"),  # a finite loss whose slope is not
    ],
)
def test_a_step_that_is_not_finite_is_not_taken(spoil, said: str):
    layer, updates = linear(OptimizerConfig(warmup=0))
    inputs = torch.ones(1, 2).double()

    def loss() -> Tensor:
        return layer(inputs).sum()

    updates.step([loss])
    before = layer.weight.clone()
    with pytest.raises(DivergenceError, match=rf"optimizer step 2 has .*{said}"):
        updates.step([loss, lambda: spoil(loss())])
    assert torch.equal(layer.weight, before)
    # nothing of the bad step is left behind for the next one
    assert updates.step([loss])["grad_norm"] == pytest.approx(math.sqrt(2))


sizes_strategy = st.lists(st.integers(1, 50), min_size=1, max_size=30)


@given(sizes_strategy, st.integers(1, 200), st.integers(1, 40))
def test_splitting_is_a_partition_within_the_budget(sizes: list[int], budget: int, at_least: int):
    parts = split_by_size(sizes, budget, at_least)
    assert sorted(index for part in parts for index in part) == list(range(len(sizes)))
    assert all(parts)
    assert len(parts) >= min(at_least, len(sizes))
    for part in parts:
        assert len(part) == 1 or len(part) * max(sizes[index] for index in part) <= budget


@given(sizes_strategy, st.integers(1, 200))
def test_no_two_neighbouring_parts_would_fit_into_one(sizes: list[int], budget: int):
    parts = split_by_size(sizes, budget)
    for one, other in pairwise(parts):
        assert (len(one) + 1) * sizes[one[0]] > budget
        assert sizes[one[-1]] >= sizes[other[0]]


def test_splitting_by_hand():
    # 2 × 5 fits into 10; then 3 × 3; one that exceeds the budget stands alone
    assert split_by_size([3, 5, 12, 5, 3, 3], budget=10) == [[2], [1, 3], [0, 4, 5]]
    assert split_by_size([1, 1, 1, 1], budget=100, at_least=3) == [[0], [1], [2, 3]]
