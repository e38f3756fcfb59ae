"""verl's own losses against ours: equal where they mean the same, and each difference pinned down.

docs/agreement.md is the page of these tests: what differs there has a test under "that differ" here.
"""

from __future__ import annotations

import math
import warnings
from functools import partial
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

with warnings.catch_warnings():
    warnings.simplefilter("ignore")  # engines that are not installed
    pytest.importorskip("verl", reason="verl has pins of its own: make test-adapters runs this in its own environment")
    from verl.trainer.ppo import core_algos as verl

from seqpo import objectives
from seqpo.advantages import squared_value_loss
from seqpo.objectives import Clip, Identity, Objective, exact_entropy, kl_penalty
from tests.support.verl_batches import Batch, actor, gradient, make_batch

# verl adds 1e-8 to the lengths that it divides by
same = partial(torch.testing.assert_close, rtol=1e-7, atol=1e-9)

NO_DUAL = 1e9
WIDTH = 9  # of a padded batch
SCALES = (0.01, 0.3, 3.0, 30.0)


def ours(objective: Objective, batch: Batch) -> Tensor:
    layout = batch.layout
    return objective(*(layout.flat(x) for x in (batch.logprobs, batch.old, batch.advantages)), layout.segments).value


def theirs(loss_mode: str, batch: Batch, mode: str = "token-mean", **settings: Any) -> Tensor:
    config = actor(loss_mode, loss_agg_mode=mode, **settings)
    config.global_batch_info["loss_scale_factor"] = config.loss_scale_factor
    return verl.get_policy_loss_fn(loss_mode)(**batch.arguments(), loss_agg_mode=mode, config=config)[0]


def assert_same(found: Tensor, expected: Tensor, batch: Batch) -> None:
    same(found, expected)
    same(gradient(found, batch), gradient(expected, batch))


def clip(aggregate: Any, dual: float | None, max_length: int | None = None) -> Objective:
    credit: Any = "token" if max_length else "level"
    return Objective("token", Identity(), Clip(0.2, 0.2, dual), aggregate, credit=credit, max_length=max_length)


# Losses that mean the same.

CLIPPED = {
    "ppo": (objectives.ppo(dual=3.0), "token-mean", {}),
    "ppo, no dual clip": (objectives.ppo(), "token-mean", {"clip_ratio_c": NO_DUAL}),
    "grpo": (objectives.grpo(dual=3.0), "seq-mean-token-mean", {}),
    "summed": (clip("sequence-sum", 3.0), "seq-mean-token-sum", {}),
    "dr-grpo": (
        objectives.dr_grpo(max_length=64),
        "seq-mean-token-sum-norm",
        {"loss_scale_factor": 64, "clip_ratio_c": NO_DUAL},
    ),
    "dr-grpo, the batch's width": (clip("constant-length", 3.0, WIDTH), "seq-mean-token-sum-norm", {}),
    "dapo": (objectives.dapo(), "token-mean", {"clip_ratio_high": 0.28, "clip_ratio_c": NO_DUAL}),
}


@pytest.mark.parametrize("scale", SCALES)
@pytest.mark.parametrize("name", CLIPPED)
def test_vanilla(name: str, scale: float) -> None:
    objective, mode, settings = CLIPPED[name]
    batch = make_batch(seed=1, scale=scale, time=WIDTH, per_token=True)
    assert_same(ours(objective, batch), theirs("vanilla", batch, mode, **settings), batch)


@pytest.mark.parametrize("scale", SCALES)
def test_sapo(scale: float) -> None:
    batch = make_batch(seed=2, scale=scale, per_token=True)
    assert_same(ours(objectives.sapo(), batch), theirs("sapo", batch), batch)


@pytest.mark.parametrize("scale", SCALES)
def test_cispo(scale: float) -> None:
    batch = make_batch(seed=3, scale=scale, per_token=True)
    expected = theirs("cispo", batch, clip_ratio_low=1.0, clip_ratio_high=0.2)
    assert_same(ours(objectives.cispo(), batch), expected, batch)


@pytest.mark.parametrize("scale", [0.0003, 0.01, 0.3, 3.0])
def test_gspo_is_gspo_token(scale: float) -> None:
    batch = make_batch(seed=4, scale=scale, per_token=True)
    expected = theirs("gspo", batch, "seq-mean-token-mean", clip_ratio_low=3e-4, clip_ratio_high=4e-4)
    assert_same(ours(objectives.gspo_token(), batch), expected, batch)


@pytest.mark.parametrize("scale", [0.0003, 0.01, 0.3, 3.0])
def test_gspo_of_shared_advantages(scale: float) -> None:
    batch = make_batch(seed=4, scale=scale)
    expected = theirs("gspo", batch, "seq-mean-token-mean", clip_ratio_low=3e-4, clip_ratio_high=4e-4)
    assert_same(ours(objectives.gspo(), batch), expected, batch)


@pytest.mark.parametrize("scale", [0.01, 0.3, 3.0])
def test_geo_mean_is_gmpo(scale: float) -> None:
    batch = make_batch(seed=5, scale=scale)
    expected = theirs("geo_mean", batch, clip_ratio_low=0.4, clip_ratio_high=0.4)
    assert_same(ours(objectives.gmpo(), batch), expected, batch)


def test_gpg_and_reinforce_use_no_ratio() -> None:
    batch = make_batch(seed=6, per_token=True)
    assert_same(ours(objectives.gpg(), batch), theirs("gpg", batch), batch)
    arguments = batch.arguments()
    expected, _ = verl.compute_policy_loss_reinforce(
        rollout_log_prob=arguments.pop("old_log_prob"), **arguments, config=actor()
    )
    assert_same(ours(objectives.reinforce(), batch), expected, batch)


def weighed(loss_mode: str, batch: Batch, weights: Tensor, **settings: Any) -> float:
    config = actor(loss_mode, **settings)
    found, _ = verl.get_policy_loss_fn(loss_mode)(**batch.arguments(), config=config, rollout_is_weights=weights)
    return found.item()


def test_rollout_weights_of_a_clip() -> None:
    batch = make_batch(seed=6, scale=1.0, per_token=True)
    weights = 2 * torch.rand(batch.mask.shape, dtype=torch.float64, generator=torch.Generator().manual_seed(6))
    found = weighed("seqpo.ppo", batch, weights, options={"dual": 3.0})
    assert found == pytest.approx(weighed("vanilla", batch, weights))


@pytest.mark.parametrize("form", ["k1", "k2", "k3", "k3+"])
def test_kl_of_near_policies(form: Any) -> None:
    batch = make_batch(seed=7, scale=0.3)
    found, expected = kl_penalty(batch.logprobs, batch.old, form), verl.kl_penalty(batch.logprobs, batch.old, form)
    assert_same(found.sum(), expected.sum(), batch)
    same(found, expected)


def test_value_loss() -> None:
    batch = make_batch(seed=8, scale=0.5)
    layout, returns = batch.layout, batch.advantages
    expected, _ = verl.compute_value_loss(batch.logprobs, returns, batch.old, batch.mask, cliprange_value=0.2)
    values, targets, behaviour = (layout.flat(x) for x in (batch.logprobs, returns, batch.old))
    assert_same(squared_value_loss(values, targets, behaviour, clip=0.2).mean(), expected, batch)


def test_entropy() -> None:
    mask = make_batch(seed=9).mask
    logits = torch.randn(*mask.shape, 11, dtype=torch.float64, generator=torch.Generator().manual_seed(9))
    same(exact_entropy(logits)[mask.bool()].mean(), verl.compute_entropy_loss(logits, mask))


# Losses that differ.


def row(log_ratio: float, advantage: float, tokens: int = 1) -> Batch:
    old = torch.full((1, tokens), -1.0, dtype=torch.float64)
    logprobs = (old + log_ratio).requires_grad_()
    mask, uid = torch.ones(1, tokens, dtype=torch.long), np.array(["a"], dtype=object)
    return Batch(mask, logprobs, old, torch.full_like(old, advantage), uid)


def test_gspo_is_cut_at_e10_in_verl() -> None:
    batch = row(log_ratio=15.0, advantage=-1.0)
    cut, kept = theirs("gspo", batch, "seq-mean-token-mean"), ours(objectives.gspo_token(), batch)
    assert (cut.item(), kept.item()) == pytest.approx((math.exp(10), math.exp(15)))
    assert gradient(cut, batch).item() == 0
    assert gradient(kept, batch).item() == pytest.approx(math.exp(15))


def test_gspo_and_geo_mean_do_not_clamp_tokens_in_verl() -> None:
    batch = row(log_ratio=-50.0, advantage=1.0)
    assert theirs("geo_mean", batch).item() == pytest.approx(-math.exp(-50))
    assert ours(objectives.gmpo(), batch).item() == pytest.approx(-math.exp(-20))
    assert theirs("gspo", batch).item() == pytest.approx(-math.exp(-50))
    assert ours(objectives.gspo_token(), batch).item() == pytest.approx(-math.exp(-20))


def test_geo_mean_counts_rows_without_actions() -> None:
    batch = make_batch(seed=10)
    with_empty = Batch(batch.mask.clone(), batch.logprobs, batch.old, batch.advantages, batch.uid)
    with_empty.mask[0] = 0
    kept = batch.rows([1, 2, 3, 4, 5])
    same(ours(objectives.gmpo(), with_empty), ours(objectives.gmpo(), kept))
    settings = {"clip_ratio_low": 0.4, "clip_ratio_high": 0.4}
    same(theirs("geo_mean", with_empty, **settings), theirs("geo_mean", kept, **settings) * 5 / 6)


def test_geo_mean_ignores_the_global_batch() -> None:
    batch = make_batch(seed=11)
    config = actor("geo_mean")
    config.global_batch_info.update(dp_size=1, batch_num_tokens=int(batch.mask.sum()), global_batch_size=6)
    loss = verl.get_policy_loss_fn("geo_mean")
    whole = loss(**batch.arguments(), config=config)[0]
    parts = [loss(**batch.rows(rows).arguments(), config=config)[0] for rows in ([0], [1, 2, 3, 4, 5])]
    assert abs(sum(parts) - whole) > 0.1 * abs(whole)
    same(parts[0] / 6 + parts[1] * 5 / 6, whole)


def test_rollout_weights_of_a_row_are_their_geometric_mean_in_verls_geo_mean() -> None:
    batch = row(log_ratio=0.0, advantage=1.0, tokens=2)
    weights = torch.tensor([[1.0, 4.0]], dtype=torch.float64)
    assert weighed("geo_mean", batch, weights) == pytest.approx(-2.0)
    assert weighed("seqpo.gmpo", batch, weights) == pytest.approx(-2.5)


def test_verls_gspo_takes_ppos_clip_and_token_mean_unless_told() -> None:
    batch = make_batch(seed=12, scale=0.3, per_token=True)
    objective = Objective("sequence", Identity(), Clip(0.2, 0.2), "token-mean", credit="token")
    assert_same(ours(objective, batch), theirs("gspo", batch), batch)


def test_kl_of_far_policies() -> None:
    near = {"k1": 25.0, "k2": 25.0**2 / 2, "k3": 10.0}
    for form, value in near.items():
        batch = row(log_ratio=25.0 if form != "k3" else -3.0, advantage=0.0)
        assert verl.kl_penalty(batch.logprobs, batch.old, form).item() == pytest.approx(value)
    far = row(log_ratio=25.0, advantage=0.0)
    assert kl_penalty(far.logprobs, far.old, "k1").item() == 20
    assert kl_penalty(far.logprobs, far.old, "k2").item() == 200
    batch = row(log_ratio=-3.0, advantage=0.0)
    found = kl_penalty(batch.logprobs, batch.old, "k3")
    assert found.item() == pytest.approx(math.exp(3) - 4)
    assert gradient(found, batch).item() == pytest.approx(1 - math.exp(3))
    assert gradient(verl.kl_penalty(batch.logprobs, batch.old, "k3"), batch).item() == 0
