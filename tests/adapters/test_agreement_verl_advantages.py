"""verl's own advantages against ours: equal where they mean the same, and each difference pinned down.

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
    from verl.trainer.config import AlgoConfig
    from verl.trainer.ppo import core_algos as verl

from seqpo import advantages
from seqpo.advantages import AdvantageInputs, Comparison, gae
from tests.support.verl_batches import Batch, make_batch, make_rewards

same = partial(torch.testing.assert_close, rtol=1e-7, atol=1e-9)

# 1e-6 on the deviation with us, 1e-8 on the variance in verl; float32 in its grpo_vectorized
near = partial(torch.testing.assert_close, rtol=2e-6, atol=2e-6)


# Advantages that mean the same.


def estimate(name: str, of: Batch, rewards: Tensor, **more: Any) -> Tensor:
    """What verl's estimator gives to the action tokens; its remax leaves numbers elsewhere."""
    arguments = {"token_level_rewards": rewards.clone(), "response_mask": of.mask, "index": of.uid, **more}
    found: Tensor = verl.get_adv_estimator_fn(name)(**arguments)[0]
    return found * of.mask


def advantage(batch: Batch, rewards: Tensor, of: Any, given: AdvantageInputs | None = None) -> Tensor:
    layout = batch.layout
    of_turns = layout.segments.sum(layout.flat(rewards), "turn")
    return layout.pad(of(of_turns, layout.segments, given or AdvantageInputs()))


SAME_ADVANTAGES = {
    "grpo": (advantages.get("grpo"), {}),
    "grpo, no deviation": (advantages.get("dr-grpo"), {"norm_adv_by_std_in_grpo": False}),
    "rloo": (advantages.get("rloo"), {}),
    "rloo_vectorized": (advantages.get("rloo"), {}),
    "opo": (advantages.get("opo"), {}),
    "gpg": (advantages.get("gpg"), {}),
}


@pytest.mark.parametrize("at_end", [True, False])
@pytest.mark.parametrize("name", SAME_ADVANTAGES)
def test_advantages_of_a_group(name: str, at_end: bool) -> None:
    batch = make_batch(seed=13, rows=9)
    rewards = make_rewards(batch, at_end=at_end)
    ours, settings = SAME_ADVANTAGES[name]
    same(advantage(batch, rewards, ours), estimate(name.partition(",")[0], batch, rewards, **settings))


def test_advantages_of_the_vectorized_grpo() -> None:
    batch = make_batch(seed=13, rows=9)
    rewards = make_rewards(batch)
    near(advantage(batch, rewards, advantages.get("grpo")), estimate("grpo_vectorized", batch, rewards))


@pytest.mark.parametrize(
    ("name", "of"),
    [("reinforce_plus_plus", "reinforce++"), ("reinforce_plus_plus_baseline", "reinforce++-baseline")],
)
def test_advantages_whitened_over_tokens(name: str, of: str) -> None:
    batch = make_batch(seed=14)
    rewards = make_rewards(batch)
    near(advantage(batch, rewards, advantages.get(of)), estimate(name, batch, rewards, config=AlgoConfig()))


@pytest.mark.parametrize(("gamma", "lam"), [(1.0, 1.0), (0.9, 0.8), (1.0, 0.0)])
def test_gae_and_its_targets(gamma: float, lam: float) -> None:
    batch = make_batch(seed=15)
    rewards, values = make_rewards(batch), batch.old
    whitened, targets = verl.compute_gae_advantage_return(rewards, values, batch.mask, gamma, lam)
    layout = batch.layout
    of = advantages.get("gae", discount=gamma, gae_lambda=lam)
    found = advantage(batch, rewards, of, AdvantageInputs(values=layout.flat(values)))
    near(layout.flat(found), layout.flat(whitened))
    of_turns = layout.segments.sum(layout.flat(rewards), "turn")
    _, expected = gae(of_turns, layout.flat(values), layout.segments, "token", gamma, lam)
    same(layout.flat(targets), expected)


def test_remax_of_rewards_at_the_end() -> None:
    batch = make_batch(seed=16)
    rewards = make_rewards(batch, at_end=True)
    of_group = torch.tensor([0.5, -1.0], dtype=torch.float64)
    expected = estimate("remax", batch, rewards, reward_baselines=of_group.repeat_interleave(3))
    same(advantage(batch, rewards, advantages.get("remax"), AdvantageInputs(greedy=of_group)), expected)


def test_gdpo_whitens_normalised_parts_over_tokens() -> None:
    batch = make_batch(seed=17)
    draw = torch.Generator().manual_seed(17)
    parts = {key: torch.randn(6, generator=draw).numpy() for key in ("quality", "latency")}
    config = AlgoConfig(gdpo_reward_keys=list(parts), gdpo_reward_weights=[1.0, 2.0])
    known = {"prompts": batch.mask[:, :1], "attention_mask": torch.ones(6, 10, dtype=torch.long)}
    whole = torch.zeros_like(batch.old)
    expected = estimate("gdpo", batch, whole, config=config, non_tensor_batch=parts, batch=known)
    weighed = [weight * normalised(batch, part) for part, weight in zip(parts.values(), (1.0, 2.0), strict=True)]
    found = advantage(batch, sum(weighed, whole), Comparison("none", "whiten-tokens"))
    torch.testing.assert_close(found, expected.double(), rtol=1e-5, atol=1e-5)  # float32 in verl


def normalised(batch: Batch, of_rows: Any) -> Tensor:
    """A part of the reward, normalised in its group, at the first token of each row."""
    rewards = torch.zeros_like(batch.old)
    rewards[:, 0] = torch.from_numpy(of_rows).double()
    return advantage(batch, rewards, advantages.get("grpo")) * (torch.arange(rewards.shape[1]) == 0)


# Advantages that differ.


def outcomes(rewards: list[float], groups: str, lengths: list[int] | None = None) -> tuple[Batch, Tensor]:
    """Rows of `lengths` tokens, or one, whose whole reward stands at the end."""
    lengths = lengths or [1] * len(rewards)
    time = torch.arange(max(lengths))
    mask = (time < torch.tensor(lengths)[:, None]).long()
    zeros = torch.zeros(mask.shape, dtype=torch.float64)
    paid = torch.zeros_like(zeros)
    paid[torch.arange(len(rewards)), torch.tensor(lengths) - 1] = torch.tensor(rewards, dtype=torch.float64)
    return Batch(mask, zeros, zeros, zeros, np.array(list(groups), dtype=object)), paid


@pytest.mark.parametrize(
    ("name", "of", "alone"),
    [
        ("grpo", "grpo", 5.0),
        ("grpo_vectorized", "grpo", 5.0),
        ("rloo", "rloo", 5.0),
        ("rloo_vectorized", "rloo", 0.0),
        ("opo", "opo", 5.0),
        ("gpg", "gpg", 5.0),
    ],
)
def test_a_group_of_one_keeps_its_raw_score_in_verl(name: str, of: str, alone: float) -> None:
    batch, rewards = outcomes([5.0, 1.0, 3.0], "abb")
    assert estimate(name, batch, rewards)[0].item() == pytest.approx(alone, rel=2e-6)
    assert advantage(batch, rewards, advantages.get(of))[0].item() == 0


def test_a_group_of_one_shifts_the_whitened_baseline_in_verl() -> None:
    batch, rewards = outcomes([5.0, 1.0, 3.0], "abb")

    def whiten(values: list[float]) -> Tensor:
        tensor = torch.tensor(values, dtype=torch.float64)[:, None]
        return (tensor - tensor.mean()) / tensor.std()

    near(estimate("reinforce_plus_plus_baseline", batch, rewards), whiten([5, -1, 1]))
    near(advantage(batch, rewards, advantages.get("reinforce++-baseline")), whiten([0, -1, 1]))


def test_gpg_makes_up_for_scores_of_zero_in_verl() -> None:
    batch, rewards = outcomes([0.0, 1.0, 2.0, 2.0], "aabb")
    centred = torch.tensor([-0.5, 0.5, 0.0, 0.0], dtype=torch.float64)[:, None]
    same(estimate("gpg", batch, rewards), centred * 4 / 3)  # three scores are not zero
    same(advantage(batch, rewards, advantages.get("gpg")), centred * 4 / 2)  # two rows have a group with a difference


def test_reinforce_plus_plus_discounts_tokens_in_verl() -> None:
    batch, rewards = outcomes([1.0, 1.0], "ab", [1, 3])
    to_go = verl.get_adv_estimator_fn("reinforce_plus_plus")(rewards, batch.mask, config=AlgoConfig(gamma=0.5))[1]
    same(to_go[1], torch.tensor([0.25, 0.5, 1.0], dtype=torch.float64))
    plain = advantage(batch, rewards, Comparison("none", "none", "return-to-go", discount=0.5))
    same(plain[1], torch.ones(3, dtype=torch.float64))  # one turn: nothing lies between


def test_remax_takes_what_is_to_come_in_verl() -> None:
    batch = make_batch(rows=1, time=3)
    batch.mask[:] = torch.tensor([[1, 0, 1]])
    rewards = torch.tensor([[2.0, 0, 3]], dtype=torch.float64)
    greedy = torch.tensor([1.0], dtype=torch.float64)
    to_go = torch.tensor([[4.0, 0, 2]], dtype=torch.float64)
    whole = torch.tensor([[4.0, 0, 4]], dtype=torch.float64)
    same(estimate("remax", batch, rewards, reward_baselines=greedy), to_go)
    same(advantage(batch, rewards, advantages.get("remax"), AdvantageInputs(greedy=greedy)), whole)


def test_gdpo_counts_tokens_in_verl_and_episodes_with_us() -> None:
    batch, rewards = outcomes([1.0, -1.0], "ab", [1, 3])
    shape = torch.tensor([[1.0, 0, 0], [-1, -1, -1]], dtype=torch.float64)
    near(advantage(batch, rewards, advantages.get("gdpo")), shape / math.sqrt(2))
    found = estimate("gdpo", batch, rewards)  # singletons keep their score; mean -1/2, variance 1 over four tokens
    near(found, torch.tensor([[1.5, 0, 0], [-0.5, -0.5, -0.5]], dtype=torch.float64))


@pytest.mark.parametrize("name", ["reinforce_plus_plus", "reinforce_plus_plus_baseline"])
def test_a_single_token_cannot_be_whitened_in_verl(name: str) -> None:
    batch, rewards = outcomes([2.0], "a")
    with pytest.raises(ValueError, match="sum of the mask is one"):
        estimate(name, batch, rewards, config=AlgoConfig())
    assert advantage(batch, rewards, advantages.get("reinforce++")).item() == 0
