"""Runs each CASE in its folder, alone or under torchrun: `distributed_worker.py PARALLEL CASE=FOLDER …`.

A folder that holds a checkpoint is gone on with.
"""

from __future__ import annotations

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from torch import nn
from torch.distributed.fsdp import FSDPModule
from torch.nn.parallel import DistributedDataParallel

from seqpo import advantages, objectives
from seqpo.training.imitation import ImitationConfig, imitate
from seqpo.training.loop import KLConfig, LoopConfig, LoopKLForm, optimize
from seqpo.training.updates import OptimizerConfig
from seqpo.training.world import Parallel, World, join_world
from tiny_runs import exact_weights, translation, translator

STEPS = 4
OPTIMIZER = OptimizerConfig(lr=1e-3, warmup=2, decay="linear")


def optimized(objective: str, advantage: str, kl: LoopKLForm, world: World, folder: Path) -> None:
    policy = translator()
    config = LoopConfig(
        steps=STEPS,
        starts=8,
        group_size=3,
        minibatches=2,
        epochs=2,
        micro_tokens=300,
        save_every=2,
        kl=KLConfig(0.05, kl),
        optimizer=OPTIMIZER,
    )
    optimize(
        policy,
        translation(),
        objectives.get(objective),
        advantages.get(advantage),
        config,
        world=world,
        stage=folder,
        reference=policy.snapshot(),
        resume_weights=exact_weights,
    )
    check(policy.module, world)


def check(module: nn.Module, world: World) -> None:
    """Make sure that the processes share the model in the way that is tested."""
    wrapper: dict[Parallel, type] = {"ddp": DistributedDataParallel, "fsdp2": FSDPModule}
    assert world.size == 1 or isinstance(module, wrapper[world.parallel])


def imitated(world: World, folder: Path) -> None:
    config = ImitationConfig(STEPS, batch=6, micro_tokens=100, log_every=1, save_every=2, optimizer=OPTIMIZER)
    policy = translator()
    imitate(policy, translation(), config, world=world, stage=folder, resume_weights=exact_weights)
    check(policy.module, world)


def run(case: str, world: World, folder: Path) -> None:
    """Run a case: "imitation", or "objective advantage kl-form"."""
    if case == "imitation":
        imitated(world, folder)
    else:
        objective, advantage, kl = case.split()
        optimized(objective, advantage, kl, world, folder)  # type: ignore[arg-type]


if __name__ == "__main__":
    with join_world("cpu", sys.argv[1]) as joined:  # type: ignore[arg-type]
        for argument in sys.argv[2:]:
            name, _, place = argument.partition("=")
            run(name, joined, Path(place))
