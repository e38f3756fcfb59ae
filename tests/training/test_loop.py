"""Policy optimization: it finds what pays, whatever the task, and every promise about how it computes."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import replace
from itertools import count
from pathlib import Path
from typing import Any

import pytest
import torch

from seqpo import advantages, objectives
from seqpo.policies.network import NetworkPolicy, mlp
from seqpo.tasks.control.bandit import Bandit
from seqpo.tasks.control.gym import GymTask
from seqpo.training import checkpoints
from seqpo.training.loop import KLConfig, LoopKLForm
from seqpo.training.optimizer import DivergenceError, OptimizerConfig
from seqpo.training.world import World
from seqpo.types import Batch, Rewards, pack
from tests.support.training import CONFIG, LAST, optimized
from tests.support.translation import InterruptedRunError, interrupt, rows, translation, translator, weights

PAYOFFS = ((1.0, 0.0, 0.2), (0.0, 0.3, 1.0), (0.1, 0.9, 0.5), (0.0, 1.0, 0.0))
"""The best arms are the first, third, second and second."""


def chances(policy: NetworkPolicy) -> torch.Tensor:
    """The probability of each arm in each context."""
    with torch.no_grad():
        return torch.softmax(policy.module(torch.eye(len(PAYOFFS))), dim=-1)


@pytest.mark.parametrize(
    ("objective", "advantage"),
    [
        ("reinforce", "rloo"),
        ("grpo", "grpo"),
        ("dr-grpo", "dr-grpo"),
        ("dapo", "lite-ppo"),
        ("gspo", "grpo"),
        ("gmpo", "rloo"),
        ("sapo", "rloo"),
        ("sspo", "grpo"),
        ("cispo", "grpo"),
        ("ppo", "reinforce++"),
        ("gspo-token", "remax"),
        ("hmpo", "opo"),
        ("vespo", "spo"),
        ("luspo", "reinforce++-baseline"),
        ("gpg", "gpg"),
    ],
)
def test_a_bandit_learns_the_best_arm_of_every_context(tmp_path: Path, objective: str, advantage: str):
    torch.manual_seed(0)
    policy = NetworkPolicy(mlp(len(PAYOFFS), len(PAYOFFS[0]), 16))
    options = {"max_length": 1} if objective == "dr-grpo" else {}
    before = chances(policy)
    optimized(
        tmp_path,
        policy,
        Bandit(PAYOFFS),
        objective=objectives.get(objective, **options),
        advantage=advantage,
        steps=60,
        group_size=16,
        minibatches=2,
        save_every=60,
        log_every=60,
        optimizer=OptimizerConfig(lr=3e-2, warmup=0, decay="constant", weight_decay=0.0),
    )
    best = [row.index(max(row)) for row in PAYOFFS]
    assert best == [0, 2, 1, 1]
    contexts = range(len(PAYOFFS))
    assert before[contexts, best].max() < 0.6
    assert chances(policy)[contexts, best].min() > 0.9


@pytest.mark.slow
def test_cartpole_is_balanced_by_the_same_loop(tmp_path: Path):
    pytest.importorskip("gymnasium")
    torch.manual_seed(0)
    optimized(
        tmp_path,
        NetworkPolicy(mlp(4, 2, 32)),
        GymTask("CartPole-v1"),
        advantage="return-to-go",
        steps=30,
        groups_per_step=8,
        group_size=4,
        minibatches=2,
        epochs=4,
        save_every=30,
        optimizer=OptimizerConfig(lr=1e-2, warmup=0, decay="constant", weight_decay=0.0),
    )
    returns = [row["rollout/return"] for row in rows(tmp_path)]
    assert returns[0] < 40  # a coin would do as well
    assert sum(returns[-5:]) / 5 > 150


def test_translation_earns_more(tmp_path: Path):
    """The reward is relative to the group, so quality alone is made to count, and is looked at itself."""
    task = replace(translation(), reward=replace(translation().reward, latency_weight=0.0))
    policy, optimizer = translator(torch.float32, talkative=1.0), replace(CONFIG.optimizer, lr=3e-3)
    optimized(tmp_path, policy, task, steps=15, groups_per_step=6, group_size=6, optimizer=optimizer)
    quality = [row["rollout/quality"] for row in rows(tmp_path)]
    assert sum(quality[-3:]) > 1.2 * sum(quality[:3])


@pytest.mark.parametrize("kl", [KLConfig(0.0), KLConfig(0.1, "reward"), KLConfig(0.1, "k3+")])
@pytest.mark.parametrize(("objective", "advantage"), [("grpo", "grpo"), ("sspo", "dr-grpo"), ("dapo", "lite-ppo")])
def test_the_split_into_micro_batches_changes_nothing(tmp_path: Path, objective: str, advantage: str, kl: KLConfig):
    changes = {"steps": 2, "minibatches": 2, "epochs": 2, "kl": kl, "objective": objective, "advantage": advantage}
    for name, budget in (("whole", 10**6), ("some", 150), ("single", 1)):
        optimized(tmp_path / name, translator(), translation(), micro_tokens=budget, **changes)
    whole = weights(tmp_path / "whole" / "checkpoint-00000002")
    for name in ("some", "single"):
        torch.testing.assert_close(weights(tmp_path / name / "checkpoint-00000002"), whole, rtol=0, atol=1e-10)


def test_the_first_update_is_on_policy_and_the_others_use_stale_log_probs(tmp_path: Path):
    optimized(tmp_path / "once", translator(), translation())
    assert all(row["ratio_deviation"] < 1e-4 for row in rows(tmp_path / "once"))
    optimized(tmp_path / "often", translator(), translation(), epochs=3, minibatches=2)
    assert all(row["ratio_deviation"] > 1e-3 for row in rows(tmp_path / "often"))


class Counts:
    """An objective, and how often and on how much it was asked."""

    def __init__(self, name: str) -> None:
        self.objective = objectives.get(name)
        self.credit_level = self.objective.credit_level
        self.asked: list[tuple[int, float]] = []

    def __call__(self, logprobs, behaviour, *others):
        self.asked.append((len(logprobs), (logprobs - behaviour).abs().max().item()))
        return self.objective(logprobs, behaviour, *others)


def test_every_epoch_goes_through_all_minibatches(tmp_path: Path):
    objective = Counts("grpo")
    changes = {"objective": objective, "advantage": "grpo"}
    optimized(tmp_path, translator(), translation(), steps=1, epochs=2, minibatches=2, **changes)
    (first, moved), (second, _), (again, _), (more, _) = objective.asked
    assert (first, second) == (again, more)
    assert first + second == pytest.approx(rows(tmp_path)[0]["rollout/tokens"] * 12)
    assert moved < 1e-4
    assert all(drift > 1e-4 for _, drift in objective.asked[1:])


def test_a_step_in_one_piece_has_the_plain_loss_of_the_objective(tmp_path: Path):
    losses = []

    class Both(Counts):
        def __call__(self, logprobs, behaviour, advantage, segments, denominators):
            losses.append(self.objective(logprobs, behaviour, advantage, segments).value.item())
            return self.objective(logprobs, behaviour, advantage, segments, denominators)

    optimized(tmp_path, translator(), translation(), objective=Both("grpo"), advantage="rloo", steps=1)
    assert losses == pytest.approx([rows(tmp_path)[0]["loss"]], rel=1e-5)


def test_every_step_and_seed_samples_anew(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    seeds: list[int] = []
    for seed in (0, 1):
        policy = translator()
        sample = policy.rollout

        def watch(starts, size, *, seed, first, sample=sample):
            seeds.append(seed)
            return sample(starts, size, seed=seed, first=first)

        monkeypatch.setattr(policy, "rollout", watch)
        optimized(tmp_path / str(seed), policy, translation(), seed=seed)
    assert len(set(seeds)) == len(seeds) == 2 * CONFIG.steps


def test_dropout_of_the_warm_up_is_off(tmp_path: Path):
    policy = translator(dropout=0.3)
    policy.module.train()
    optimized(tmp_path, policy, translation())
    assert all(row["ratio_deviation"] < 1e-4 for row in rows(tmp_path))


class Flat:
    """A task that pays all episodes of some starts alike, and the others by their place in the batch."""

    def __init__(self, alike: Sequence[bool]) -> None:
        self.alike = alike

    def starts(self, count: int, *, step: int) -> list[Any]:
        return translation().starts(count, step=step)

    def score(self, starts: Sequence[Any], batch: Batch) -> Rewards:
        groups = batch.segments.group.tolist()
        paid = [0.7 if self.alike[group] else float(place) for place, group in enumerate(groups)]
        return Rewards.at_end(torch.tensor(paid), batch.segments, {})


BASELINED = ["grpo", "dr-grpo", "rloo", "opo", "lite-ppo", "gpg", "return-to-go"]
"""They compare an episode with its group and with nothing else."""


@pytest.mark.parametrize("advantage", BASELINED)
@pytest.mark.parametrize("objective", ["grpo", "gspo-token", "dapo"])
def test_groups_of_equal_rewards_teach_nothing(tmp_path: Path, objective: str, advantage: str):
    optimized(tmp_path, translator(), Flat([True] * 4), steps=1, objective=objective, advantage=advantage)
    (row,) = rows(tmp_path)
    assert (row["loss"], row["grad_norm"]) == (0.0, 0.0)


@pytest.mark.parametrize("advantage", BASELINED)
def test_a_group_of_equal_rewards_adds_nothing_to_the_others(advantage: str):
    policy, task = translator(), Flat([True, False])
    starts = task.starts(2, step=0)
    batch = pack(policy.rollout(starts, 3, seed=0))
    values = advantages.get(advantage)(task.score(starts, batch).values, batch.segments)
    owner = batch.segments.group[batch.segments.episode[batch.segments.turn]]
    assert torch.isfinite(values).all()
    assert (values[owner == 0] == 0).all()
    assert values[owner == 1].abs().max() > 0.1


def test_rewards_that_are_not_finite_stop_the_run(tmp_path: Path):
    class Broken(Flat):
        def score(self, starts: Sequence[Any], batch: Batch) -> Rewards:
            rewards = super().score(starts, batch)
            return Rewards(rewards.values * (math.nan if next(steps) == 4 else 1), {})

    steps = count(1)
    with pytest.raises(DivergenceError, match="the rewards of step 4 are not finite"):
        optimized(tmp_path, translator(), Broken([False] * 4))
    assert checkpoints.latest(tmp_path) == tmp_path / "checkpoint-00000002"


class SpoiltObjective(Counts):
    """An objective that is not a number from some call on."""

    def __call__(self, *arguments):
        loss = super().__call__(*arguments)
        return replace(loss, value=loss.value * math.nan) if len(self.asked) > 3 else loss


def test_a_loss_that_is_not_finite_stops_the_run_with_weights_and_checkpoint_intact(tmp_path: Path):
    optimized(tmp_path / "good", translator(), translation())
    policy = translator()
    with pytest.raises(DivergenceError, match=r"optimizer step 4 has loss nan .* not finite in \d+ gradients"):
        optimized(tmp_path / "bad", policy, translation(), objective=SpoiltObjective("grpo"))
    assert all(torch.isfinite(parameter).all() for parameter in policy.module.parameters())
    kept = "checkpoint-00000002"
    assert torch.equal(weights(tmp_path / "bad" / kept), weights(tmp_path / "good" / kept))
    optimized(tmp_path / "bad", translator(), translation())
    assert torch.equal(weights(tmp_path / "bad" / LAST), weights(tmp_path / "good" / LAST))


@pytest.mark.parametrize("stop", [1, 3])
@pytest.mark.parametrize(
    ("advantage", "kl"), [("dr-grpo", KLConfig(0.0)), ("dr-grpo", KLConfig(0.1, "k3")), ("spo", KLConfig(0.0))]
)
def test_a_run_goes_on_as_if_it_had_not_stopped(tmp_path: Path, stop: int, advantage: str, kl: KLConfig):
    """What the advantage remembers (SPO's values of the starts) included."""
    changes = {"epochs": 2, "minibatches": 2, "kl": kl, "advantage": advantage}
    optimized(tmp_path / "whole", translator(), translation(), **changes)
    policy = translator()
    interrupt(policy, stop)
    with pytest.raises(InterruptedRunError):
        optimized(tmp_path / "stopped", policy, translation(), **changes)
    optimized(tmp_path / "stopped", translator(), translation(), **changes)
    assert torch.equal(weights(tmp_path / "whole" / LAST), weights(tmp_path / "stopped" / LAST))
    assert rows(tmp_path / "whole") == rows(tmp_path / "stopped")


@pytest.mark.parametrize("form", ["reward", "k2", "k3", "k3+"])
def test_kl_holds_the_policy_near_where_it_began(tmp_path: Path, form: LoopKLForm):
    """The distance from the reference, with hardly any pull and with a strong one."""
    drifts = []
    for coefficient in (1e-6, 10.0):
        policy = translator(torch.float32)
        reference = policy.snapshot()
        optimized(tmp_path / str(coefficient), policy, translation(), steps=5, kl=KLConfig(coefficient, form))
        batch = pack(policy.rollout(translation().starts(8, step=99), 4, seed=5))
        with torch.no_grad():
            drifts.append((batch.behaviour - reference(batch)).mean().item())
    assert drifts[1] < 0.5 * drifts[0]


def test_different_seeds_sample_differently_and_equal_ones_alike(tmp_path: Path):
    for name, seed in (("one", 1), ("twin", 1), ("two", 2)):
        optimized(tmp_path / name, translator(), translation(), seed=seed, steps=2)
    assert rows(tmp_path / "one") == rows(tmp_path / "twin")
    assert rows(tmp_path / "one") != rows(tmp_path / "two")


def test_settings_without_meaning_are_refused(tmp_path: Path):
    with pytest.raises(ValueError, match="4 groups can't be cut into 5 minibatches"):
        replace(CONFIG, minibatches=5)
    with pytest.raises(ValueError, match="group_size must be 1 or more, got 0"):
        replace(CONFIG, group_size=0)
    with pytest.raises(ValueError, match="KL coefficient must not be negative"):
        KLConfig(-0.1)
    with pytest.raises(ValueError, match="unknown KL form 'k1': choose one of reward, k2"):
        KLConfig(0.1, "k1")  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="form = 'k3' would have no effect: the coefficient is 0; leave"):
        KLConfig(0.0, "k3")
    with pytest.raises(ValueError, match="a KL coefficient needs a reference policy; set it to 0 for none"):
        optimized(tmp_path, translator(), translation(), kl=KLConfig(0.1), reference=None)
    with pytest.raises(ValueError, match="6 groups can't be cut into 2 minibatches on each of 2 processes"):
        optimized(tmp_path, translator(), translation(), groups_per_step=6, minibatches=2, world=World(size=2))
    assert list(tmp_path.iterdir()) == []


def test_without_a_coefficient_a_reference_is_not_asked(tmp_path: Path):
    def reference(batch: Batch) -> torch.Tensor:
        raise AssertionError

    optimized(tmp_path, translator(), translation(), steps=1, kl=KLConfig(0.0), reference=reference)
    assert "kl_reference" not in rows(tmp_path)[0]


def test_a_run_that_does_not_go_on_begins_again(tmp_path: Path):
    optimized(tmp_path, translator(), translation(), steps=2)
    begun = weights(tmp_path / "checkpoint-00000002")
    optimized(tmp_path, translator(), translation(), steps=2, seed=1, resume=False)
    assert not torch.equal(weights(tmp_path / "checkpoint-00000002"), begun)
    assert [row["step"] for row in rows(tmp_path)] == [1, 2]


def test_the_evaluation_sees_the_weights_that_the_sampler_has(tmp_path: Path):
    policy, seen = translator(), []

    def evaluate(state: Mapping[str, torch.Tensor]) -> dict[str, float]:
        seen.append(state["model.model.norm.weight"].sum().item())
        return {"dev/measure": seen[-1]}

    optimized(tmp_path, policy, translation(), steps=3, eval_every=2, log_every=100, evaluate=evaluate)
    assert [(row["step"], row["dev/measure"]) for row in rows(tmp_path)] == list(zip((2, 3), seen, strict=True))
    assert seen[-1] == policy.model.model.norm.weight.sum().item()
