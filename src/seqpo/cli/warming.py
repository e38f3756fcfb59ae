"""`seqpo sft` with `policy = "read-write"`: an agent learns wait-k of many k before it learns by rewards."""

from __future__ import annotations

import random
from dataclasses import dataclass
from pathlib import Path

from seqpo.cli import build
from seqpo.cli.read_write import WARM_UP, agent_probe, agent_weights, new_agent, training_task, translator_setup
from seqpo.cli.recipe import Recipe
from seqpo.cli.stages import join, stage_folder
from seqpo.tasks.read_write.deciders import WaitLags
from seqpo.tasks.read_write.policy import ReadWritePolicy
from seqpo.tasks.read_write.task import ReadWriteTask
from seqpo.tasks.translation.schedules import ScheduleMixture
from seqpo.training.supervised import train_supervised
from seqpo.types import Episode


@dataclass(frozen=True)
class _Lessons:
    """Demonstrations over the policy's translator, an episode per sentence with a lag of its own."""

    policy: ReadWritePolicy
    task: ReadWriteTask
    schedule: ScheduleMixture

    def demonstrations(self, count: int, *, step: int) -> list[Episode]:
        """Return the episodes of a step."""
        starts = self.task.starts(count, step=step)
        rng = random.Random(f"{self.task.seed} lags {step}")
        lags = [self.schedule.draw_lag(rng, len(start.units)) for start in starts]
        return self.policy.demonstrate(starts, WaitLags(lags))


def sft(recipe: Recipe, *, resume: bool = False) -> Path:
    """Warm an agent up over the run's translator; return the stage's folder."""
    with join(recipe) as world:
        setup = translator_setup(recipe, world.device, recipe.runtime.slots)
        task = training_task(recipe, setup, world)
        policy = ReadWritePolicy(setup.decoding, new_agent(recipe, setup.observed)[0])
        stage = stage_folder(recipe, WARM_UP, resume, world)
        probe = None
        if recipe.sft.eval_every and world.leads:
            probe = agent_probe(recipe, setup, build.corpus(recipe, "dev").pairs)
        train_supervised(
            policy,
            _Lessons(policy, task, recipe.schedule),
            recipe.sft,
            world=world,
            stage=stage,
            resume_weights=agent_weights if resume else None,
            probe=probe,
        )
    return stage
