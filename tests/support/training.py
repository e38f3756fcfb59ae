"""Policy optimization of a few steps."""

from __future__ import annotations

from dataclasses import fields, replace
from pathlib import Path
from typing import Any, TypeVar

from seqpo import advantages, objectives
from seqpo.advantages import Advantage
from seqpo.objectives import PolicyLoss
from seqpo.training.loop import LoopConfig, optimize
from seqpo.training.optimizer import OptimizerConfig

P = TypeVar("P")

CONFIG = LoopConfig(
    steps=4,
    groups_per_step=4,
    group_size=3,
    save_every=2,
    optimizer=OptimizerConfig(lr=1e-3, warmup=0, decay="constant"),
)
LAST = f"checkpoint-{CONFIG.steps:08d}"


def optimized(
    stage: Path,
    policy: P,
    task: Any,
    *,
    objective: PolicyLoss | str = "grpo",
    advantage: Advantage | str = "dr-grpo",
    config: LoopConfig = CONFIG,
    resume: bool = True,
    **changes: Any,
) -> P:
    """Optimize a policy, going on from a checkpoint if the stage has one, and return it.

    Args:
        stage: folder of the stage.
        policy: is held near what it is now where `kl` says so.
        task: of the episodes.
        objective: one, or its name.
        advantage: one, or its name.
        config: of the loop.
        resume: as `optimize` takes it.
        changes: of the config by the names of its fields; others are arguments of `optimize`.
    """
    named = {item.name for item in fields(LoopConfig)} & set(changes)
    arguments = {name: value for name, value in changes.items() if name not in named}
    if (kl := arguments.get("kl")) and kl.coefficient:
        arguments.setdefault("reference", policy.snapshot())  # type: ignore[attr-defined]
    optimize(
        policy,  # type: ignore[arg-type]
        task,
        objectives.get(objective) if isinstance(objective, str) else objective,
        advantages.get(advantage) if isinstance(advantage, str) else advantage,
        replace(config, **{name: changes[name] for name in named}),
        stage=stage,
        resume=resume,
        **arguments,
    )
    return policy
