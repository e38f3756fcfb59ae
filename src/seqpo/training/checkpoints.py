"""Checkpoints: a folder that Transformers can load, with the training state beside the weights.

    STAGE/checkpoint-00000500/
        config.json, model.safetensors, tokenizer.json …   written by the policy
        training/optimizer.safetensors                      running averages, by parameter name
        training/state.json                                 step, and what the optimizer's groups hold
        training/advantage.safetensors                      what the advantage has learnt, if it learns anything
        critic/model.safetensors                            the critic's weights, if there is a critic;
        critic/optimizer.safetensors, critic/state.json     its training state, like the policy's

Randomness is a function of the seed and the step, so there is no generator state to keep. A folder appears under
its name only when it is complete, so a run that is killed at any moment leaves none that is broken.
"""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file
from torch import Tensor
from torch.distributed.checkpoint.state_dict import (
    StateDictOptions,
    get_optimizer_state_dict,
    set_model_state_dict,
    set_optimizer_state_dict,
)

from seqpo.training.optimizer import Updates
from seqpo.training.world import full_weights
from seqpo.types import Scorer

_PREFIX = "checkpoint-"
_TRAINING, _CRITIC = "training", "critic"
_WEIGHTS, _OPTIMIZER, _STATE = "model.safetensors", "optimizer.safetensors", "state.json"
_ADVANTAGE = "advantage.safetensors"
_KEPT = 2


class CheckpointError(ValueError):
    """A checkpoint that can't be used; the message names the file and a remedy."""


def latest(stage: Path) -> Path | None:
    """Return the newest checkpoint of a stage's folder, or None."""
    found = sorted(path for path in stage.glob(f"{_PREFIX}*") if path.name[len(_PREFIX) :].isdigit())
    return found[-1] if found else None


def step_of(checkpoint: Path) -> int:
    """Return the number of loop steps that had been taken when a checkpoint was written."""
    return int(checkpoint.name.removeprefix(_PREFIX))


def save(
    stage: Path,
    step: int,
    policy: Scorer,
    updates: Updates,
    *,
    advantage: Mapping[str, Tensor] | None = None,
    critic: Updates | None = None,
) -> None:
    """Write a checkpoint and drop all but the newest ones. Every process must call it; the leading one writes.

    Args:
        stage: folder of the run's stage.
        step: number of loop steps that have been taken.
        policy: writes the weights.
        updates: hold module and optimizer.
        advantage: what the advantage has learnt from batch to batch; the same on every process.
        critic: module and optimizer of the critic.
    """
    weights = full_weights(updates.module)
    state = _optimizer_state(updates)
    critic_weights = full_weights(critic.module) if critic else {}
    critic_state = _optimizer_state(critic) if critic else {}
    if updates.world.leads:
        partial = stage / f"partial-{step:08d}"
        shutil.rmtree(partial, ignore_errors=True)
        partial.mkdir(parents=True)
        policy.save(partial, {name: value.cpu() for name, value in weights.items()})
        _write_training(partial / _TRAINING, step, updates.taken, state)
        if advantage:
            _write_tensors(partial / _TRAINING / _ADVANTAGE, advantage)
        if critic:
            _write_training(partial / _CRITIC, step, critic.taken, critic_state)
            _write_tensors(partial / _CRITIC / _WEIGHTS, critic_weights)
        final = stage / f"{_PREFIX}{step:08d}"
        shutil.rmtree(final, ignore_errors=True)
        os.replace(partial, final)
        for old in sorted(stage.glob(f"{_PREFIX}*"))[:-_KEPT]:
            shutil.rmtree(old)
    updates.world.barrier()


def resume(folder: Path, updates: Updates, weights: Mapping[str, Tensor]) -> int:
    """Put weights and training state of a checkpoint into a module and its optimizer.

    Args:
        folder: of the checkpoint.
        updates: of the module; it may be sharded differently from when the checkpoint was written.
        weights: of the checkpoint, by the names of the module's state.

    Returns:
        The number of loop steps that had been taken.

    Raises:
        CheckpointError: no training state, or one of another model.
    """
    return _restore(folder / _TRAINING, updates, weights)


def resume_critic(folder: Path, critic: Updates) -> None:
    """Put weights and training state of a checkpoint into a critic and its optimizer.

    Raises:
        CheckpointError: no critic, or another one.
    """
    _restore(folder / _CRITIC, critic, _read_tensors(folder / _CRITIC / _WEIGHTS))


def _restore(folder: Path, updates: Updates, weights: Mapping[str, Tensor]) -> int:
    state, tensors = _read_training(folder)
    options = StateDictOptions(full_state_dict=True, broadcast_from_rank0=updates.world.size > 1, strict=False)
    set_model_state_dict(updates.module, dict(weights), options=options)
    updates.taken = state["updates"]
    if not updates.taken:
        return int(state["step"])
    moments: dict[str, dict[str, Tensor]] = {}
    for key, value in tensors.items():
        name, _, kind = key.rpartition("/")
        moments.setdefault(name, {})[kind] = value
    wanted = {name for name, p in updates.module.named_parameters() if p.requires_grad}
    missing = {name.removeprefix("module.") for name in wanted} - set(moments)
    if missing:
        raise CheckpointError(f"{folder}: the optimizer state lacks {sorted(missing)[0]}; it is of another model")
    optimizer_state: dict[str, Any] = {"state": moments, "param_groups": state["groups"]}
    set_optimizer_state_dict(updates.module, updates.optimizer, optimizer_state, options=options)
    return int(state["step"])


def read_advantage(folder: Path) -> dict[str, Tensor]:
    """Read what an advantage had learnt when a checkpoint was written; empty if nothing.

    Raises:
        CheckpointError: a file that can't be read.
    """
    path = folder / _TRAINING / _ADVANTAGE
    return _read_tensors(path) if path.exists() else {}


def _optimizer_state(updates: Updates) -> dict[str, Any]:
    if not updates.taken:  # torch would take a step to have something to return, and the next one would differ
        return {"state": {}, "param_groups": []}
    options = StateDictOptions(full_state_dict=True, cpu_offload=True)
    return get_optimizer_state_dict(updates.module, updates.optimizer, options=options)


def _write_training(folder: Path, step: int, taken: int, state: Mapping[str, Any]) -> None:
    folder.mkdir()
    tensors = {f"{name}/{kind}": value for name, moments in state["state"].items() for kind, value in moments.items()}
    _write_tensors(folder / _OPTIMIZER, tensors)
    text = json.dumps({"step": step, "updates": taken, "groups": state["param_groups"]}, indent=1)
    (folder / _STATE).write_text(text, encoding="utf-8")


def _write_tensors(path: Path, tensors: Mapping[str, Tensor]) -> None:
    save_file({name: value.cpu().contiguous() for name, value in tensors.items()}, path)


def _read_training(folder: Path) -> tuple[dict[str, Any], dict[str, Tensor]]:
    try:
        state = json.loads((folder / _STATE).read_text(encoding="utf-8"))
    except FileNotFoundError as error:
        raise _lost(folder / _STATE) from error
    except (ValueError, OSError) as error:
        raise _unreadable(folder / _STATE, error) from error
    if missing := sorted({"step", "updates", "groups"} - set(state)):
        raise CheckpointError(f"{folder / _STATE} lacks {missing[0]}; resume from an earlier checkpoint")
    return state, _read_tensors(folder / _OPTIMIZER)


def _read_tensors(path: Path) -> dict[str, Tensor]:
    try:
        tensors = load_file(path)
    except FileNotFoundError as error:
        raise _lost(path) from error
    except (ValueError, OSError, SafetensorError) as error:
        raise _unreadable(path, error) from error
    for name, tensor in tensors.items():
        if not torch.isfinite(tensor).all():
            raise CheckpointError(f"{path}: {name} is not finite")
    return tensors


def _lost(path: Path) -> CheckpointError:
    return CheckpointError(f"{path}: no such file; this checkpoint can't be resumed from")


def _unreadable(path: Path, error: Exception) -> CheckpointError:
    return CheckpointError(f"{path}: unreadable ({error}); resume from an earlier checkpoint")
