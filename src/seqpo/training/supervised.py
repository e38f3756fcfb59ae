"""Supervised warm-up: imitate demonstrated episodes, by maximum likelihood of their action tokens."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

import torch
from torch import Tensor

from seqpo.training import checkpoints
from seqpo.training.log import RunLog
from seqpo.training.optimizer import OptimizerConfig, Updates, split_by_size
from seqpo.training.world import World, full_weights
from seqpo.types import Demonstrates, DevEvaluation, Episode, Scorer, pack


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
    policy: Scorer,
    task: Demonstrates,
    config: SupervisedConfig,
    *,
    stage: Path,
    world: World | None = None,
    resume: bool = False,
    evaluate: DevEvaluation | None = None,
) -> None:
    """Train a policy on demonstrations, and leave checkpoints and `metrics.jsonl` in a stage's folder.

    Args:
        policy: its module is wrapped for the world here.
        task: demonstrates.
        config: how long and how.
        stage: folder of this stage of the run.
        world: the processes; this one alone when None.
        resume: go on from the newest checkpoint of the stage.
        evaluate: measures the policy every `eval_every` steps.

    Raises:
        DivergenceError: a loss or gradient that isn't finite.
    """
    world = world or World()
    policy.module = world.wrap(policy.module)
    updates = Updates(policy.module, config.optimizer, world, config.steps)
    found = checkpoints.latest(stage) if resume else None
    done = checkpoints.resume(found, updates, policy.load(found)) if found else 0
    mine = world.share(config.batch, "demonstrations")
    policy.module.train()
    with RunLog(stage, config.steps, done, silent=not world.leads) as log:
        for step in range(done, config.steps):
            torch.manual_seed(step)  # dropout, if the model has any
            episodes = task.demonstrations(config.batch, step=step)
            tokens = sum(episode.actions for episode in episodes)
            result = _supervised_step(policy, updates, episodes[mine], tokens, config.micro_tokens)
            last = step + 1 == config.steps
            if config.eval_every and ((step + 1) % config.eval_every == 0 or last):
                weights = full_weights(policy.module)  # every process gathers, even if only one measures
                result |= evaluate(weights) if evaluate else {}
            if (step + 1) % config.log_every == 0 or last or len(result) > 3:
                log.write(step + 1, result, f"loss {result['loss']:.3f}")
            if (step + 1) % config.save_every == 0 or last:
                checkpoints.save(stage, step + 1, policy, updates)


def _supervised_step(
    policy: Scorer, updates: Updates, episodes: Sequence[Episode], tokens: int, budget: int
) -> dict[str, float]:
    sizes = policy.num_tokens(episodes)
    count = updates.world.most(len(split_by_size(sizes, budget)))

    def loss(part: list[int]) -> Tensor:
        batch = pack([episodes[index] for index in part], device=updates.world.device)
        return -policy.logprobs(batch).sum() / tokens

    return updates.step([partial(loss, part) for part in split_by_size(sizes, budget, count)])
