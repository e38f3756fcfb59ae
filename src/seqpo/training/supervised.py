"""Supervised warm-up: imitate demonstrated episodes, by maximum likelihood of their action tokens."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Protocol

import torch
from torch import Tensor, nn

from seqpo.training import checkpoints
from seqpo.training.log import RunLog
from seqpo.training.optimizer import OptimizerConfig, Updates, split_by_size
from seqpo.training.world import World, full_weights
from seqpo.types import Batch, Episode, pack

DevEvaluation = Callable[[Mapping[str, Tensor]], dict[str, float]]
"""Measures the policy with the given weights, for the learning curve."""


class Scores(checkpoints.Saves, Protocol):
    """A policy whose actions have differentiable log-probs."""

    module: nn.Module

    def logprobs(self, batch: Batch) -> Tensor:
        """Score the action tokens of a batch: `[N]`."""
        ...

    def num_tokens(self, episodes: Sequence[Episode]) -> list[int]:
        """What a forward pass costs for each episode, in tokens."""
        ...


class Demonstrates(Protocol):
    """A task that can show how it is done."""

    def demonstrations(self, count: int, *, step: int) -> list[Episode]:
        """Return the episodes of a step; a function of the step alone."""
        ...


@dataclass(frozen=True)
class SupervisedConfig:
    """Supervised warm-up.

    Attributes:
        steps: optimizer steps.
        batch: episodes per step, over all processes.
        micro_tokens: most tokens, padding included, of one forward pass; changes memory and speed, not results.
        log_every: steps between rows of the log.
        eval_every: steps between measurements on the development set; 0 for none.
        save_every: steps between checkpoints; the last step is always saved.
        optimizer: learning rate and the like.
    """

    steps: int = 2000
    batch: int = 64
    micro_tokens: int = 8192
    log_every: int = 20
    eval_every: int = 0
    save_every: int = 500
    optimizer: OptimizerConfig = field(default_factory=OptimizerConfig)


def train_supervised(
    policy: Scores,
    task: Demonstrates,
    config: SupervisedConfig,
    *,
    world: World,
    stage: Path,
    resume_weights: Callable[[Path], Mapping[str, Tensor]] | None = None,
    probe: DevEvaluation | None = None,
) -> None:
    """Train a policy on demonstrations, and leave checkpoints and `metrics.jsonl` in a stage's folder.

    Args:
        policy: its module is wrapped for the world here.
        task: demonstrates.
        config: how long and how.
        world: the processes.
        stage: folder of this stage of the run.
        resume_weights: reads the weights of a checkpoint; given to go on from the newest one.
        probe: measures the policy every `eval_every` steps.

    Raises:
        DivergenceError: a loss or gradient that isn't finite.
    """
    policy.module = world.wrap(policy.module)
    updates = Updates(policy.module, config.optimizer, world, config.steps)
    found = checkpoints.latest(stage) if resume_weights else None
    done = checkpoints.resume(found, updates, resume_weights(found)) if found and resume_weights else 0
    mine = world.share(config.batch, "demonstrations")
    policy.module.train()
    with RunLog(stage, config.steps, done, silent=not world.leads) as log:
        for step in range(done, config.steps):
            torch.manual_seed(step)  # dropout, if the model has any
            episodes = task.demonstrations(config.batch, step=step)
            tokens = sum(episode.actions for episode in episodes)
            result = _imitation_step(policy, updates, episodes[mine], tokens, config.micro_tokens)
            last = step + 1 == config.steps
            if config.eval_every and ((step + 1) % config.eval_every == 0 or last):
                weights = full_weights(policy.module)  # every process gathers, even if only one measures
                result |= probe(weights) if probe else {}
            if (step + 1) % config.log_every == 0 or last or len(result) > 3:
                log.write(step + 1, result, f"loss {result['loss']:.3f}")
            if (step + 1) % config.save_every == 0 or last:
                checkpoints.save(stage, step + 1, policy, updates)


def _imitation_step(
    policy: Scores, updates: Updates, episodes: Sequence[Episode], tokens: int, budget: int
) -> dict[str, float]:
    sizes = policy.num_tokens(episodes)
    count = updates.world.most(len(split_by_size(sizes, budget)))

    def loss(part: list[int]) -> Tensor:
        batch = pack([episodes[index] for index in part], device=updates.world.device)
        return -policy.logprobs(batch).sum() / tokens

    return updates.step([partial(loss, part) for part in split_by_size(sizes, budget, count)])
