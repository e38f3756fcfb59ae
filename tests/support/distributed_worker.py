"""Runs each CASE in its folder, alone or under torchrun: `distributed_worker.py PARALLEL CASE=FOLDER …`.

A folder that holds a checkpoint is gone on with.
"""

from __future__ import annotations

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

import torch
from torch import Tensor, nn
from torch.distributed.fsdp import FSDPModule
from torch.nn.parallel import DistributedDataParallel

from seqpo import advantages
from seqpo.advantages import HasCriticTargets
from seqpo.policies.network import mlp
from seqpo.segments import Level
from seqpo.training.critic import CriticConfig
from seqpo.training.loop import KLConfig, LoopKLForm
from seqpo.training.optimizer import OptimizerConfig
from seqpo.training.supervised import SupervisedConfig, train_supervised
from seqpo.training.world import Parallel, World, join_world
from seqpo.types import Batch
from tests.support.training import optimized
from tests.support.translation import tokenizer, translation, translator

STEPS = 4
OPTIMIZER = OptimizerConfig(lr=1e-3, warmup=2, decay="linear")


class Counting:
    """A critic that sees how often each token was in a chunk, be it of every turn or of the first."""

    def __init__(self, level: Level) -> None:
        torch.manual_seed(0)
        self.module: nn.Module = mlp(len(tokenizer()), 1, 8).double()
        self.level = level

    def predict(self, batch: Batch) -> Tensor:
        turns = [turn for e in batch.episodes for turn in (e.turns if self.level == "turn" else e.turns[:1])]
        shown = [torch.tensor(turn.observation.tokens) for turn in turns]
        counts = [torch.bincount(tokens, minlength=len(tokenizer())) for tokens in shown]
        values: Tensor = self.module(torch.stack(counts).double())
        return values.squeeze(1)


def reinforced(objective: str, advantage: str, form: LoopKLForm, world: World, folder: Path) -> None:
    policy, chosen = translator(), advantages.get(advantage)
    critic = Counting(chosen.value_level) if "values" in chosen.needs and isinstance(chosen, HasCriticTargets) else None
    optimized(
        folder,
        policy,
        translation(),
        objective=objective,
        advantage=chosen,
        steps=STEPS,
        groups_per_step=8,
        minibatches=2,
        epochs=2,
        micro_tokens=300,
        optimizer=OPTIMIZER,
        kl=KLConfig(0.05, form),
        critic=critic,
        critic_config=CriticConfig("clipped", epochs=2, warmup=1, optimizer=OPTIMIZER),
        world=world,
    )
    check(policy.module, world)
    if critic:
        check(critic.module, world)


def check(module: nn.Module, world: World) -> None:
    """Make sure that the processes share the model in the way that is tested."""
    wrapper: dict[Parallel, type] = {"ddp": DistributedDataParallel, "fsdp2": FSDPModule}
    assert world.size == 1 or isinstance(module, wrapper[world.parallel])


def supervised(world: World, folder: Path) -> None:
    config = SupervisedConfig(STEPS, batch=6, micro_tokens=100, log_every=1, save_every=2, optimizer=OPTIMIZER)
    policy = translator()
    train_supervised(policy, translation(), config, world=world, stage=folder, resume=True)
    check(policy.module, world)


def run(case: str, world: World, folder: Path) -> None:
    """Run a case: "supervised", or "objective advantage kl-form"."""
    if case == "supervised":
        supervised(world, folder)
    else:
        objective, advantage, form = case.split()
        reinforced(objective, advantage, form, world, folder)  # type: ignore[arg-type]


if __name__ == "__main__":
    with join_world("cpu", sys.argv[1]) as joined:  # type: ignore[arg-type]
        for argument in sys.argv[2:]:
            name, _, place = argument.partition("=")
            run(name, joined, Path(place))
