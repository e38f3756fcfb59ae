"""A critic in the loop: what it learns, when, and that a policy learns with it."""

from __future__ import annotations

import copy
import shutil
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from seqpo import advantages, objectives
from seqpo.advantages import Advantage, AdvantageInputs, Comparison
from seqpo.policies.network import NetworkCritic, NetworkPolicy, mlp
from seqpo.tasks.control.bandit import Bandit, paid
from seqpo.tasks.control.gym import GymTask
from seqpo.training.checkpoints import CheckpointError
from seqpo.training.critic import CriticConfig
from seqpo.training.optimizer import OptimizerConfig
from seqpo.types import Batch, Outcome, Rewards, pack
from tests.support.training import LAST, optimized
from tests.support.translation import InterruptedRunError, interrupt, rows, weights

FAST = OptimizerConfig(lr=3e-2, warmup=0, decay="constant", weight_decay=0.0)
CRITIC = CriticConfig(epochs=2, optimizer=FAST)
WITH_CRITIC = {
    "gu": (advantages.get("gu"), "turn"),
    "sppo": (advantages.get("sppo"), "sequence"),
    "gae": (advantages.get("gae", level="turn", gae_lambda=0.9), "turn"),
}
"""Advantages that need a critic, and the level of its values."""

every = pytest.mark.parametrize("name", WITH_CRITIC)


@dataclass
class Walk:
    """A walk of at most six steps along a line; it ends at either end, and pays at the right one."""

    place: int
    time: int = 0

    def begin(self) -> Walk:
        return Walk(self.place)

    @property
    def features(self) -> np.ndarray:
        return np.array([self.place / 3, self.time / 6, 1.0], dtype=np.float32)

    def act(self, action: int) -> Outcome:
        self.place += 1 if action else -1
        self.time += 1
        return Outcome(float(self.place == 3), abs(self.place) == 3 or self.time == 6)


class Walks:
    """Walks from five places in turn."""

    def starts(self, count: int, *, step: int) -> list[Walk]:
        return [Walk((step * count + number) % 5 - 2) for number in range(count)]

    def score(self, starts: Sequence[Walk], batch: Batch) -> Rewards:
        return paid(batch)


def walker() -> NetworkPolicy:
    torch.manual_seed(0)
    return NetworkPolicy(mlp(3, 2, 8).double())


def a_critic(level: Any, inputs: int = 3) -> NetworkCritic:
    torch.manual_seed(1)
    return NetworkCritic(mlp(inputs, 1, 8).double(), level)


def walked(stage: Path, name: str = "gu", *, policy: NetworkPolicy | None = None, **changes: Any) -> None:
    """Optimize a walker."""
    advantage, level = WITH_CRITIC[name]
    usual = {
        "objective": "ppo",
        "advantage": copy.deepcopy(advantage),
        "minibatches": 2,
        "epochs": 2,
        "optimizer": FAST,
    }
    usual |= {"critic": a_critic(level), "critic_config": CRITIC}
    optimized(stage, policy or walker(), Walks(), **usual | changes)


# A policy learns with it.

PAYOFFS = ((1.0, 0.0, 0.2), (0.0, 0.3, 1.0), (0.1, 0.9, 0.5), (0.0, 1.0, 0.0))
BEST = (0, 2, 1, 1)


@pytest.mark.parametrize(
    ("name", "loss"), [("gu", "squared"), ("sppo", "cross-entropy"), ("sppo", "squared"), ("gae", "clipped")]
)
def test_a_bandit_learns_the_best_arm_of_every_context(tmp_path: Path, name: str, loss: Any):
    torch.manual_seed(0)
    policy, critic = NetworkPolicy(mlp(4, 3, 16)), NetworkCritic(mlp(4, 1, 16), WITH_CRITIC[name][1])  # type: ignore[arg-type]
    config = CriticConfig(loss, clip=0.2, optimizer=FAST)
    optimized(
        tmp_path,
        policy,
        Bandit(PAYOFFS),
        objective="ppo",
        advantage=copy.deepcopy(WITH_CRITIC[name][0]),
        steps=60,
        group_size=16,
        minibatches=2,
        save_every=60,
        critic=critic,
        critic_config=config,
        optimizer=FAST,
    )
    with torch.no_grad():
        chances = torch.softmax(policy.module(torch.eye(4)), dim=-1)
        values = config.values(critic.module(torch.eye(4)).squeeze(1))
    assert chances[range(4), BEST].min() > 0.9
    assert values.tolist() == pytest.approx([1, 1, 0.9, 1], abs=0.15)
    logged = rows(tmp_path)
    assert logged[0]["critic/explained"] < 0.3
    assert logged[-1]["critic/loss"] < logged[0]["critic/loss"]


@pytest.mark.slow
@every
def test_cartpole_is_balanced(tmp_path: Path, name: str):
    pytest.importorskip("gymnasium")
    torch.manual_seed(0)
    quick = replace(FAST, lr=1e-2)
    advantage, level = WITH_CRITIC[name]
    policy, critic = NetworkPolicy(mlp(4, 2, 32)), NetworkCritic(mlp(4, 1, 32), level)  # type: ignore[arg-type]
    optimized(
        tmp_path,
        policy,
        GymTask("CartPole-v1"),
        objective="ppo",
        advantage=copy.deepcopy(advantage),
        steps=30,
        groups_per_step=8,
        group_size=4,
        minibatches=2,
        epochs=4,
        save_every=30,
        critic=critic,
        critic_config=CriticConfig(epochs=8, optimizer=replace(quick, clip=100.0)),
        optimizer=quick,
    )
    returns = [row["rollout/return"] for row in rows(tmp_path)]
    assert returns[0] < 40  # a coin would do as well
    assert sum(returns[-5:]) / 5 > 150


def test_a_learned_baseline_makes_the_gradient_less_noisy_and_leaves_its_mean(tmp_path: Path):
    """Contexts that pay very differently, whatever is done: the best case for a baseline of the context."""
    payoffs = ((5.0, 5.5), (-4.0, -3.0), (0.2, 0.0))
    torch.manual_seed(0)
    policy, critic = NetworkPolicy(nn.Linear(3, 2, bias=False)), NetworkCritic(nn.Linear(3, 1), "sequence")
    plain, learned = advantages.get("reinforce"), advantages.get("sppo")
    reinforce, task = objectives.get("reinforce"), Bandit(payoffs)
    optimized(
        tmp_path,
        policy,
        task,
        objective=reinforce,
        advantage=learned,
        steps=61,
        groups_per_step=3,
        group_size=16,
        save_every=100,
        critic=critic,
        critic_config=CriticConfig(warmup=60, epochs=4, optimizer=replace(FAST, lr=0.1, clip=100.0)),
        optimizer=replace(FAST, lr=1e-9),
    )

    def gradient(advantage: Advantage, seed: int) -> Tensor:
        batch = pack(policy.rollout(task.starts(3, step=0), 2, seed=seed))
        inputs = AdvantageInputs(values=critic.predict(batch).detach())
        estimated = advantage(paid(batch).values, batch.segments, inputs)
        logprobs = policy.logprobs(batch)
        loss = reinforce(logprobs, batch.behaviour, estimated, batch.segments).value
        return torch.autograd.grad(-loss, policy.module.weight)[0].flatten()

    noisy, quiet = (torch.stack([gradient(a, seed) for seed in range(400)]) for a in (plain, learned))
    weight = policy.module.weight
    expected = (torch.softmax(weight.t(), dim=-1) * torch.tensor(payoffs)).sum(-1).mean()
    true = torch.autograd.grad(expected, weight)[0].flatten()
    assert quiet.var(0).sum() < 0.05 * noisy.var(0).sum()
    for found in (noisy, quiet):
        assert ((found.mean(0) - true).abs() < 4 * (found.var(0) / 400).sqrt() + 1e-6).all()


# What it is taught, and when its values are taken.


class Watched(Comparison):
    """An advantage that notes the values it was given."""

    seen: list[Tensor]

    def __call__(self, rewards, segments, inputs, all_sum):
        self.seen.append(inputs.values)
        return super().__call__(rewards, segments, inputs, all_sum)


def test_the_advantage_gets_the_values_of_before_the_update(tmp_path: Path):
    critic, policy = a_critic("sequence"), walker()
    batch = pack(policy.rollout(Walks().starts(4, step=0), 3, seed=0))
    before = critic.predict(batch).detach()
    watched = Watched("value")
    object.__setattr__(watched, "seen", [])
    walked(tmp_path, steps=1, advantage=watched, critic=critic, policy=policy)
    (seen,) = watched.seen
    torch.testing.assert_close(seen, before.float())
    assert (critic.predict(batch) - seen).abs().max() > 0.01
    assert rows(tmp_path)[0]["critic/value"] == pytest.approx(before.mean().item())


@every
def test_during_its_warm_up_only_the_critic_learns(tmp_path: Path, name: str):
    policy = walker()
    before = copy.deepcopy(policy.module.state_dict())
    falling = replace(FAST, decay="linear")
    walked(tmp_path, name, policy=policy, critic_config=replace(CRITIC, warmup=3), save_every=1, optimizer=falling)
    kept = policy.load(tmp_path / "checkpoint-00000003")
    assert all(torch.equal(kept[key], value) for key, value in before.items())
    assert not torch.equal(weights(tmp_path / "checkpoint-00000003" / "critic"), weights(tmp_path / LAST / "critic"))
    assert not torch.equal(weights(tmp_path / "checkpoint-00000003"), weights(tmp_path / LAST))
    logged = rows(tmp_path)
    assert ["loss" in row for row in logged] == [False, False, False, True]
    assert all("critic/loss" in row for row in logged)
    walked(tmp_path / "without", name, steps=1, optimizer=falling)
    assert logged[-1]["lr"] == rows(tmp_path / "without")[0]["lr"]  # the policy's rate begins to fall when it begins


# How it is computed.


@every
def test_the_split_into_micro_batches_changes_nothing(tmp_path: Path, name: str):
    for stage, budget in (("whole", 10**6), ("some", 10), ("single", 1)):
        walked(tmp_path / stage, name, micro_tokens=budget)
    for stage in ("some", "single"):
        for part in (LAST, f"{LAST}/critic"):
            whole, cut = weights(tmp_path / "whole" / part), weights(tmp_path / stage / part)
            torch.testing.assert_close(cut, whole, rtol=0, atol=1e-9)


def test_the_critic_goes_through_the_policys_minibatches(tmp_path: Path):
    critic = a_critic("turn")
    predict, asked = critic.predict, []

    def watch(batch: Batch) -> Tensor:
        asked.append((len(batch.episodes), torch.is_grad_enabled()))
        return predict(batch)

    critic.predict = watch  # type: ignore[method-assign]
    walked(tmp_path, steps=1, critic_config=replace(CRITIC, epochs=3), critic=critic)
    assert asked == [(12, False), *[(6, True)] * 6]


@pytest.mark.parametrize(("stop", "warmup"), [(1, 0), (3, 1), (3, 3)])
@every
def test_a_run_goes_on_as_if_it_had_not_stopped(tmp_path: Path, name: str, stop: int, warmup: int):
    """And however often it was saved, before the policy's first update too."""
    config = replace(CRITIC, warmup=warmup)
    walked(tmp_path / "whole", name, critic_config=config, save_every=4)
    policy = walker()
    interrupt(policy, stop)
    with pytest.raises(InterruptedRunError):
        walked(tmp_path / "stopped", name, critic_config=config, policy=policy)
    walked(tmp_path / "stopped", name, critic_config=config)
    for part in (LAST, f"{LAST}/critic"):
        assert torch.equal(weights(tmp_path / "whole" / part), weights(tmp_path / "stopped" / part))
    assert rows(tmp_path / "whole") == rows(tmp_path / "stopped")


# What is refused.


def test_a_checkpoint_without_the_critic_can_not_be_gone_on_with(tmp_path: Path):
    walked(tmp_path, steps=2)
    shutil.rmtree(tmp_path / "checkpoint-00000002" / "critic")
    with pytest.raises(CheckpointError, match=r"critic/model\.safetensors: no such file"):
        walked(tmp_path)


def test_another_critic_can_not_be_gone_on_with(tmp_path: Path):
    walked(tmp_path, steps=2)
    with pytest.raises(CheckpointError, match=r"critic.*is of another model"):
        walked(tmp_path, critic=NetworkCritic(nn.Linear(3, 1).double()))


def test_a_critic_of_another_level_is_refused(tmp_path: Path):
    with pytest.raises(ValueError, match="needs values of level 'turn', the critic's are of level 'sequence'"):
        walked(tmp_path, critic=a_critic("sequence"))
    with pytest.raises(ValueError, match="needs values of level 'sequence', the critic's are of level 'turn'"):
        walked(tmp_path, name="sppo", critic=a_critic("turn"))
    with pytest.raises(ValueError, match="needs values of level 'token', the critic's are of level 'turn'"):
        walked(tmp_path, advantage=advantages.get("gae"), critic=a_critic("turn"))
    with pytest.raises(ValueError, match="unknown level 'token': this critic values a 'turn', or the start"):
        a_critic("token")


def test_a_critic_without_use_is_refused(tmp_path: Path):
    with pytest.raises(ValueError, match="needs no values, so there is nothing that the critic could be for"):
        walked(tmp_path, advantage=advantages.get("rloo"), critic=a_critic("turn"))


def test_an_advantage_that_does_not_teach_is_refused(tmp_path: Path):
    class Silent:
        needs, level = ("values",), "turn"

        def __call__(self, *_: object) -> Tensor:
            raise AssertionError

    with pytest.raises(ValueError, match="does not say what the critic should learn: it must have `value_level`"):
        walked(tmp_path, advantage=Silent(), critic=a_critic("turn"))  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="Silent teaches no critic: it has no `value_level` and `targets`"):
        walked(tmp_path, advantage=advantages.RunningScale(Silent()), critic=a_critic("turn"))  # type: ignore[arg-type]


def test_predictions_of_another_shape_are_refused(tmp_path: Path):
    critic = a_critic("sequence")
    predict = critic.predict
    critic.predict = lambda batch: predict(batch)[:, None]  # type: ignore[method-assign]
    with pytest.raises(ValueError, match=r"have shape \(12, 1\), but there are 12 units of level 'sequence'"):
        walked(tmp_path, name="sppo", critic=critic)


def test_settings_without_meaning_are_refused():
    with pytest.raises(ValueError, match="unknown value loss 'huber': choose one of squared, clipped, cross-entropy"):
        CriticConfig("huber")  # type: ignore[arg-type]
    for wrong in ({"clip": 0.0}, {"epochs": 0}, {"warmup": -1}):
        with pytest.raises(
            ValueError, match="clip must be positive, its epochs 1 or more, and its warmup not negative"
        ):
            CriticConfig(**wrong)  # type: ignore[arg-type]


def test_a_warm_up_that_leaves_the_policy_no_step_is_refused(tmp_path: Path):
    with pytest.raises(ValueError, match=r"4 of 4 steps are the critic's \(critic.warmup\): the policy would learn"):
        walked(tmp_path, critic_config=CriticConfig(warmup=4))
    optimized(tmp_path, walker(), Walks(), steps=1, critic_config=CriticConfig(warmup=4))  # there is no critic
