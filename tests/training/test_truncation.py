"""Episodes that are cut off: what a critic learns from them, and what is refused."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from safetensors.torch import load_file
from torch import Tensor

from seqpo import advantages
from seqpo.advantages import Advantage, AdvantageInputs, Comparison, HasCriticTargets
from seqpo.policies.network import NetworkCritic, NetworkPolicy, mlp
from seqpo.segments import Level
from seqpo.tasks.control.bandit import paid
from seqpo.training.critic import CriticConfig, ValueLearner
from seqpo.training.minibatches import Minibatches
from seqpo.training.optimizer import OptimizerConfig
from seqpo.training.world import World
from seqpo.types import Batch, Outcome, Rewards, pack
from tests.support.training import optimized

DISCOUNT = 0.8
LIMIT = 5
FAST = OptimizerConfig(lr=0.1, warmup=0, decay="linear", weight_decay=0.0, clip=100.0)


@dataclass
class Endless:
    """Pays 1 for every step, for ever; cut off after five steps, or (`ends`) over by then."""

    ends: bool = False
    time: int = 0

    def begin(self) -> Endless:
        return Endless(self.ends)

    @property
    def features(self) -> np.ndarray:
        return np.ones(1, dtype=np.float32)

    def act(self, action: int) -> Outcome:
        self.time += 1
        over = self.time == LIMIT
        return Outcome(1.0, over and self.ends, over and not self.ends)


@dataclass(frozen=True)
class Payday:
    ends: bool = False

    def starts(self, count: int, *, step: int) -> list[Endless]:
        return [Endless(self.ends)] * count

    def score(self, starts: Sequence[Endless], batch: Batch) -> Rewards:
        return paid(batch)


def a_critic(level: Any = "turn") -> NetworkCritic:
    torch.manual_seed(1)
    return NetworkCritic(mlp(1, 1, 4).double(), level)


def a_policy() -> NetworkPolicy:
    torch.manual_seed(0)
    return NetworkPolicy(mlp(1, 2, 4).double())


def learned(stage: Path, advantage: Advantage, critic: Any, task: Payday | None = None, **changes: Any) -> None:
    """Let a critic learn for 120 steps, and a policy for one."""
    usual = {
        "steps": 121,
        "groups_per_step": 2,
        "group_size": 2,
        "save_every": 121,
        "log_every": 121,
        "optimizer": FAST,
    }
    usual |= {"objective": "ppo", "critic_config": CriticConfig(epochs=8, warmup=120, optimizer=FAST)}
    optimized(stage, a_policy(), task or Payday(), advantage=advantage, critic=critic, **usual | changes)


def value(critic: NetworkCritic) -> float:
    with torch.no_grad():
        return float(critic.module(torch.ones(1, 1).double()))


LEARNERS = {
    "gae": lambda: advantages.get("gae", level="turn", discount=DISCOUNT, gae_lambda=0.9),
    "gae of one step": lambda: advantages.get("gae", level="turn", discount=DISCOUNT, gae_lambda=0.0),
    "gu": lambda: advantages.get("gu", discount=DISCOUNT),
}
every = pytest.mark.parametrize("name", LEARNERS)


@every
def test_the_value_of_an_endless_reward_is_found_through_a_time_limit(tmp_path: Path, name: str):
    critic = a_critic()
    learned(tmp_path, LEARNERS[name](), critic)
    assert value(critic) == pytest.approx(1 / (1 - DISCOUNT), rel=0.01)


def test_an_end_is_worth_nothing(tmp_path: Path):
    critic = a_critic()
    learned(tmp_path, LEARNERS["gu"](), critic, Payday(ends=True))
    # the critic can't tell the steps apart: the mean of what is still to come from each
    left = [sum(DISCOUNT**k for k in range(steps)) for steps in range(1, LIMIT + 1)]
    assert value(critic) == pytest.approx(sum(left) / LIMIT, rel=0.01)


@dataclass
class Watched:
    """An advantage that notes what it was given."""

    of: Any

    def __post_init__(self) -> None:
        self.seen: list[AdvantageInputs] = []
        self.needs, self.level, self.value_level = self.of.needs, self.of.level, self.of.value_level
        self.targets = self.of.targets

    def __call__(self, rewards: Tensor, segments: Any, inputs: AdvantageInputs, all_sum: Any) -> Tensor:
        self.seen.append(inputs)
        return self.of(rewards, segments, inputs, all_sum)


def test_the_advantage_is_given_what_the_critic_said_before_its_update(tmp_path: Path):
    critic, watched = a_critic(), Watched(LEARNERS["gae"]())
    before = value(critic)
    learned(tmp_path, watched, critic, steps=1, critic_config=CriticConfig(optimizer=FAST))
    (seen,) = watched.seen
    assert seen.bootstrap is not None
    assert seen.bootstrap.tolist() == pytest.approx([before] * 4)
    assert value(critic) != pytest.approx(before, abs=0.01)


def test_where_nothing_is_cut_off_there_is_no_bootstrap(tmp_path: Path):
    watched = Watched(LEARNERS["gae"]())
    learned(tmp_path, watched, a_critic(), Payday(ends=True), steps=1, critic_config=CriticConfig())
    assert watched.seen[0].bootstrap is None


def test_a_critic_of_whole_episodes_is_asked_for_no_bootstrap(tmp_path: Path):
    watched = Watched(Comparison("value"))
    learned(tmp_path, watched, a_critic("sequence"), steps=1, critic_config=CriticConfig())
    assert watched.seen[0].bootstrap is None


def predicted(batch: Batch, critic: Any, config: CriticConfig, budget: int = 10**6) -> AdvantageInputs:
    teacher = LEARNERS["gae"]()
    assert isinstance(teacher, HasCriticTargets)
    learner = ValueLearner(critic, teacher, config, 1, 1, World())
    return learner.predict(Minibatches(batch, [1] * len(batch.episodes), budget, World()))


MIXED = [Endless(), Endless(ends=True), Endless()]


@pytest.mark.parametrize("budget", [1, 2, 10**6])
def test_an_episode_that_ended_has_a_bootstrap_of_nothing(budget: int):
    batch, critic = pack(a_policy().rollout(MIXED, 1, seed=0), dtype=torch.float64), a_critic()
    found = predicted(batch, critic, CriticConfig(), budget).bootstrap
    assert found is not None
    assert found.tolist() == pytest.approx([value(critic), 0, value(critic)])


def test_a_bootstrap_of_a_chance_is_the_sigmoid_of_the_logit():
    batch, critic = pack(a_policy().rollout(MIXED, 1, seed=0), dtype=torch.float64), a_critic()
    found = predicted(batch, critic, CriticConfig("cross-entropy")).bootstrap
    assert found is not None
    chance = torch.tensor(value(critic)).sigmoid().item()
    assert found.tolist() == pytest.approx([chance, 0, chance], rel=1e-6)


class Short:
    """A critic that can't say what would have followed."""

    level: Level = "turn"

    def __init__(self) -> None:
        self.module = a_critic().module

    def predict(self, batch: Batch) -> Tensor:
        return NetworkCritic(self.module).predict(batch)


@every
def test_a_critic_that_can_not_value_what_was_cut_off_is_refused(tmp_path: Path, name: str):
    message = "an episode was truncated, and Short can't value what would have followed.*needs `predict_final`"
    with pytest.raises(ValueError, match=message):
        learned(tmp_path, LEARNERS[name](), Short())


def test_a_critic_without_final_values_does_where_nothing_is_cut_off(tmp_path: Path):
    changes = {"steps": 2, "critic_config": CriticConfig(optimizer=FAST)}
    learned(tmp_path / "short", LEARNERS["gae"](), Short(), Payday(ends=True), **changes)
    learned(tmp_path / "whole", LEARNERS["gae"](), a_critic(), Payday(ends=True), **changes)
    for part in ("", "critic"):
        short, whole = (
            load_file(tmp_path / stage / "checkpoint-00000002" / part / "model.safetensors")
            for stage in ("short", "whole")
        )
        assert all(torch.equal(short[key], whole[key]) for key in whole)


def test_final_values_of_another_shape_are_refused(tmp_path: Path):
    critic = a_critic()
    predict_final = critic.predict_final
    critic.predict_final = lambda batch: predict_final(batch)[:, None]  # type: ignore[method-assign]
    with pytest.raises(ValueError, match=r"have shape \(4, 1\), but there are 4 units of level 'sequence'"):
        learned(tmp_path, LEARNERS["gae"](), critic)
