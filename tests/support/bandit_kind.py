"""A kind that a stranger brings: pulls at a bandit's arms, by a network that learns which arm pays in which context."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial

import torch
from torch import nn

from seqpo.evaluation.statistics import Metric, TestSet, per_example
from seqpo.policies.network import NetworkCritic, NetworkPolicy, mlp
from seqpo.runs import build
from seqpo.runs.config import ChoiceConfig, RunConfig
from seqpo.runs.kinds import Reinforced, Stage
from seqpo.runs.systems import Progress, System
from seqpo.tasks.control.bandit import Bandit, Pull
from seqpo.training.critic import CriticConfig
from seqpo.training.world import World

PAYOFFS = ((0.0, 1.0), (0.5, 0.2), (0.1, 0.3), (1.0, 0.0))
"""Reward of each of two arms, in four contexts."""


@dataclass(frozen=True, kw_only=True)
class BanditRun(RunConfig):
    """A run at the bandit.

    Attributes:
        critic: how the values of contexts are learned.
        hidden: width of the networks.
        pulls: that systems are measured on.
    """

    objective: ChoiceConfig = field(default_factory=lambda: ChoiceConfig("reinforce"))
    advantage: ChoiceConfig = field(default_factory=lambda: ChoiceConfig("gu"))
    critic: CriticConfig = field(default_factory=CriticConfig)
    hidden: int = 4
    pulls: int = 8


def _network(run: BanditRun, outputs: int) -> nn.Module:
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(run.seed)
        return mlp(len(PAYOFFS), outputs, run.hidden)


def _optimization(run: BanditRun, world: World) -> Reinforced:
    policy, values = _network(run, 2).to(world.device), _network(run, 1).to(world.device)
    return Reinforced(NetworkPolicy(policy), Bandit(PAYOFFS), NetworkCritic(values), run.critic)


def _greedy(run: BanditRun, stage: str, pulls: Sequence[Pull]) -> list[int]:
    policy = NetworkPolicy(_network(run, 2))
    policy.update_weights(policy.load(build.checkpoint(run, stage)))
    return [episode.turns[0].action[0] for episode in policy.rollout(pulls, 1, seed=None)]


def _first_arm(pulls: Sequence[Pull]) -> list[int]:
    return [0] * len(pulls)


def _play(choose: Callable[[Sequence[Pull]], list[int]], pulls: Sequence[Pull], progress: Progress) -> list[float]:
    paid = [pull.act(arm).reward for pull, arm in zip(pulls, choose(pulls), strict=True)]
    progress(len(paid))
    return paid


class BanditKind:
    """The least that a kind can be."""

    config = BanditRun
    stages: Mapping[str, Stage[BanditRun]] = {"train": Stage(_optimization, depends=("hidden",))}
    metrics = (
        Metric("paid", "paid", "higher", axis="quality", measure=per_example(lambda paid, _: paid), compared=True),
    )

    def test_set(self, run: BanditRun) -> TestSet:
        return TestSet(Bandit(PAYOFFS).starts(run.pulls, step=0), "pulls")

    def systems(self, run: BanditRun) -> list[System]:
        own = [
            System(
                stage, stage, partial(_play, partial(_greedy, run, stage)), build.family(stage), baseline="first-arm"
            )
            for stage in build.trained(run)
        ]
        return [*own, System("first-arm", "", partial(_play, _first_arm), "first-arm", is_baseline=True)]


BANDIT = BanditKind()
