"""What a policy and a task can tell an advantage beside the rewards."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from seqpo.advantages import Advantage, AdvantageInputs, HasCriticTargets
from seqpo.objectives import PolicyLoss
from seqpo.segments import LEVELS, add_by
from seqpo.types import Batch, Critic, HasStartIds, HasStates, Policy, Task, pack


def check_requirements(advantage: Advantage, task: Task, critic: Critic | None = None) -> None:
    """Refuse an advantage that needs what this task and this critic can't tell.

    Raises:
        ValueError: saying what is missing.
    """
    _check_critic(advantage, critic)
    if "states" in advantage.needs and not isinstance(task, HasStates):
        raise ValueError("this advantage compares turns in the same state, and this task does not tell states apart")
    if "starts" in advantage.needs and not isinstance(task, HasStartIds):
        raise ValueError("this advantage remembers starts, and this task does not number them")


def _check_critic(advantage: Advantage, critic: Critic | None) -> None:
    if "values" not in advantage.needs:
        if critic is not None:
            raise ValueError("this advantage needs no values, so there is nothing that the critic could be for")
        return
    if critic is None:
        raise ValueError("this advantage needs the values of a critic, and there is none")
    if not isinstance(advantage, HasCriticTargets):
        raise ValueError(
            "this advantage needs the values of a critic, and does not say what the critic should learn: it must have "
            "`value_level` and `targets`"
        )
    if critic.level != advantage.value_level:
        raise ValueError(
            f"the advantage needs values of level {advantage.value_level!r}, the critic's are of level {critic.level!r}"
        )


def check_credit(objective: PolicyLoss, advantage: Advantage) -> None:
    """Refuse advantages that differ within the unit whose tokens would all get their mean.

    Raises:
        ValueError: naming both levels.
    """
    if LEVELS.index(advantage.level) < LEVELS.index(objective.credit_level):
        raise ValueError(
            f"the advantages differ by {advantage.level}, but the objective gives one to each "
            f"{objective.credit_level}, which would average them away: "
            f"choose the objective's level {advantage.level!r}, or credit 'token'"
        )


def collect_inputs(
    advantage: Advantage, policy: Policy, task: Task, starts: Sequence[Any], batch: Batch, first: int
) -> AdvantageInputs:
    """Collect what an advantage needs beside the rewards of a batch.

    Args:
        advantage: its `needs`, checked before.
        policy: plays the starts greedily, where that is needed.
        task: of the starts.
        starts: of the batch's groups, in order; numbered from `first`.
        batch: the packed episodes.
        first: number of the first start.
    """
    device = batch.behaviour.device
    greedy = states = numbers = None
    num_starts = 0
    if "greedy" in advantage.needs:
        best = pack(policy.rollout(starts, 1, seed=None, first=first), device=device)
        paid = task.score(starts, best).values
        greedy = add_by(paid, best.segments.episode, best.segments.episodes)
    if "states" in advantage.needs and isinstance(task, HasStates):
        states = task.states(starts, batch).to(device)
    if "starts" in advantage.needs and isinstance(task, HasStartIds):
        numbers, num_starts = task.start_ids(starts).to(device), task.num_starts
    return AdvantageInputs(greedy=greedy, states=states, starts=numbers, num_starts=num_starts)
