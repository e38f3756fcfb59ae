"""From a recipe to objects, as far as all kinds share them."""

from __future__ import annotations

import sys
from contextlib import AbstractContextManager
from pathlib import Path

import torch

from seqpo import advantages, objectives
from seqpo.advantages import Advantage
from seqpo.objectives import PolicyLoss
from seqpo.runs.config import RunConfig, RuntimeConfig
from seqpo.training import checkpoints
from seqpo.training.world import World, join_world


def objective(run: RunConfig) -> PolicyLoss:
    """Make the objective.

    Raises:
        ValueError: an unknown name or option, or something that is no objective.
    """
    return objectives.CATALOG.build(run.objective.name, **run.objective.options)


def advantage(run: RunConfig) -> Advantage:
    """Make the advantage.

    Raises:
        ValueError: an unknown name or option, or something that is no advantage.
    """
    return advantages.CATALOG.build(run.advantage.name, **run.advantage.options)


def tune(runtime: RuntimeConfig) -> None:
    """Set torch's threads, and the precision of its float32 products."""
    if runtime.threads:
        torch.set_num_threads(runtime.threads)
    torch.set_float32_matmul_precision(runtime.matmul_precision)


def join(runtime: RuntimeConfig) -> AbstractContextManager[World]:
    """Join the processes of a run, on its device and threads."""
    tune(runtime)
    return join_world(runtime.device, runtime.parallel)


def say(world: World, text: str) -> None:
    """Tell the user something, once."""
    if world.leads:
        print(text, file=sys.stderr)


def device(runtime: RuntimeConfig) -> torch.device:
    """Choose where a single process evaluates."""
    return torch.device("cuda" if runtime.device != "cpu" and torch.cuda.is_available() else "cpu")


def autocast(runtime: RuntimeConfig) -> torch.dtype | None:
    """Dtype of the training pass's matrix products; None for the weights' own."""
    return None if runtime.precision == "float32" else torch.bfloat16


def checkpoint(run: RunConfig, stage: str) -> Path:
    """Return the newest checkpoint of a stage's folder.

    Raises:
        ValueError: there is none.
    """
    found = checkpoints.latest(Path(run.out) / stage)
    if found is None:
        raise ValueError(f"{run.out}/{stage}: no checkpoint there; run `seqpo train` first")
    return found


def trained(run: RunConfig, *others: str) -> list[str]:
    """List the stages whose own policy can be measured: some others, those that the recipe names, and its own."""
    named = dict.fromkeys((*others, *run.evaluation.stages, run.stage))
    return [stage for stage in named if checkpoints.latest(Path(run.out) / stage)]


def family(stage: str) -> str:
    """Name the family of a stage's policy: stages that differ by their last part, as ap-0.3 and ap-0.5, are one."""
    return stage.rpartition("-")[0] or stage
