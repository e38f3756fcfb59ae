"""What a critic learns from a rollout, by hand."""

from __future__ import annotations

from math import log
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from seqpo.advantages import Comparison
from seqpo.policies.network import NetworkCritic
from seqpo.training.critic import CriticConfig, ValueLearner
from seqpo.training.minibatches import Minibatches
from seqpo.training.optimizer import OptimizerConfig
from seqpo.training.world import World
from seqpo.types import Batch, Episode, Turn, pack

FAST = OptimizerConfig(lr=3e-2, warmup=0, decay="constant", weight_decay=0.0)


def seen_at(place: int) -> Turn:
    return Turn(np.array([place / 3, 0, 1], dtype=np.float32), (1,), (-0.5,))


# Episodes of two turns, one and one, from a start of features (1, 0, 1) and two of (0, 0, 1).
HAND = pack([Episode(0, (seen_at(3), seen_at(0))), Episode(1, (seen_at(0),)), Episode(2, (seen_at(0),))])
REWARDS = torch.tensor([1.0, 3.0, 2.0, 0.0], dtype=torch.float64)


def linear(*values: float, level: Any = "sequence") -> NetworkCritic:
    """A critic that says w · features."""
    layer = nn.Linear(3, 1, bias=False).double()
    with torch.no_grad():
        layer.weight.copy_(torch.tensor([values]))
    return NetworkCritic(layer, level)


def of_starts(critic: NetworkCritic, config: CriticConfig) -> ValueLearner:
    return ValueLearner(critic, Comparison("value"), config, 1, 1, World())


def taught(learner: ValueLearner, batch: Batch, rewards: Tensor) -> dict[str, float]:
    minibatches = Minibatches(batch, [1] * len(batch.episodes), 10**6, World())
    return learner.learn(minibatches, rewards, learner.predict(minibatches))


def test_what_is_logged_by_hand():
    # values 3, 1, 1 of returns 4, 2, 0: errors 1, 1, −1; variances (4² + 2²) / 3 − 2² = 8/3, and 1 − 1/9
    logged = taught(of_starts(linear(2, 5, 1), CriticConfig()), HAND, REWARDS)
    assert logged["critic/loss"] == pytest.approx(0.5)
    assert logged["critic/value"] == pytest.approx(5 / 3)
    assert logged["critic/explained"] == pytest.approx(1 - (8 / 9) / (8 / 3))


def test_cross_entropy_is_of_the_logit_and_the_value_its_sigmoid():
    # logits log 3 and 0 are values ¾ and ½
    logged = taught(of_starts(linear(log(3), 0, 0), CriticConfig("cross-entropy")), HAND, REWARDS / 4)
    assert logged["critic/value"] == pytest.approx(1.75 / 3)
    assert logged["critic/loss"] == pytest.approx((log(4 / 3) + 2 * log(2)) / 3)


def test_nothing_is_explained_where_nothing_varies():
    logged = taught(of_starts(linear(0.3, 0, 0), CriticConfig()), HAND, torch.tensor([0.1, 0.2, 0.3, 0.3]))
    assert logged["critic/explained"] == 0


def test_the_loss_is_the_mean_over_units_of_the_level():
    # returns to go 4, 3, 2, 0 of the turns, and values of 0: ½ · (16 + 9 + 4) / 4
    learner = ValueLearner(
        linear(0, 0, 0, level="turn"), Comparison("value", "none", "return-to-go"), CriticConfig(), 1, 1, World()
    )
    assert taught(learner, HAND, REWARDS)["critic/loss"] == pytest.approx(29 / 8)


def test_a_clipped_value_stays_near_where_it_was():
    moved = {}
    for loss in ("squared", "clipped"):
        critic = linear(0, 0, 0)
        taught(of_starts(critic, CriticConfig(loss, clip=0.2, epochs=40, optimizer=FAST)), HAND, REWARDS)  # type: ignore[arg-type]
        moved[loss] = critic.module(torch.tensor([[1.0, 0.0, 1.0]]).double()).item()
    assert moved["squared"] > 1
    assert 0.2 < moved["clipped"] < 0.6  # momentum carries it over the edge


def test_episodes_without_a_score_teach_nothing():
    whole, rest = linear(1, 0, 0), linear(1, 0, 0)
    unknown = REWARDS.index_fill(0, torch.tensor([1]), torch.nan)
    logged = taught(of_starts(whole, CriticConfig()), HAND, unknown)
    assert logged == taught(of_starts(rest, CriticConfig()), pack(HAND.episodes[1:]), REWARDS[2:])
    assert torch.equal(whole.module.weight, rest.module.weight)
    nothing = taught(of_starts(whole, CriticConfig()), HAND, torch.full_like(REWARDS, torch.nan))
    assert set(nothing.values()) == {0.0}


def test_returns_that_are_no_chances_are_refused_by_cross_entropy():
    with pytest.raises(ValueError, match="predicts numbers between 0 and 1, and should have said 4: scale the rewards"):
        taught(of_starts(linear(0, 0, 0), CriticConfig("cross-entropy")), HAND, REWARDS)
