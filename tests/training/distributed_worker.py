"""Runs each CASE in its folder, alone or under torchrun: `distributed_worker.py PARALLEL CASE=FOLDER …`.

A folder that holds a checkpoint is gone on with.
"""

from __future__ import annotations

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from tiny_runs import exact_weights, translation, translator

from seqpo import advantages, objectives
from seqpo.training.imitation import ImitationConfig, imitate
from seqpo.training.loop import KLConfig, KLForm, LoopConfig, optimize
from seqpo.training.updates import OptimizerConfig
from seqpo.training.world import World, join_world

STEPS = 4
OPTIMIZER = OptimizerConfig(lr=1e-3, warmup=2, decay="linear")


def optimized(objective: str, advantage: str, kl: KLForm, world: World, folder: Path) -> None:
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


def imitated(world: World, folder: Path) -> None:
    config = ImitationConfig(STEPS, batch=6, micro_tokens=100, log_every=1, save_every=2, optimizer=OPTIMIZER)
    imitate(translator(), translation(), config, world=world, stage=folder, resume_weights=exact_weights)


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
