"""What a kind of task brings, so that everything else works for it: `seqpo train`, `evaluate`, `translate`, `plot`."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from operator import attrgetter
from pathlib import Path
from typing import Any, Generic, Protocol, TypeVar, cast, runtime_checkable

from torch import Tensor

from seqpo import catalogs
from seqpo.evaluation.statistics import Metric, TestSet
from seqpo.objectives import SamplerCorrection
from seqpo.runs.config import RunConfig
from seqpo.runs.systems import Streams, System
from seqpo.training.critic import CriticConfig
from seqpo.training.loop import KLConfig, LoopConfig
from seqpo.training.supervised import SupervisedConfig
from seqpo.training.world import World
from seqpo.types import Batch, Critic, Demonstrates, DevEvaluation, Policy, Scorer, Task

C = TypeVar("C", bound=RunConfig)

KINDS = {
    "translation": "seqpo.tasks.translation.kind:TRANSLATION",
    "read-write": "seqpo.tasks.read_write.kind:READ_WRITE",
}
"""The kinds that come with seqpo: short names for what any `module:name` can be, imported when it is used."""


@dataclass(frozen=True)
class Supervised:
    """What a supervised stage trains.

    Attributes:
        policy: learns from demonstrations.
        task: demonstrates.
        evaluate: measures the policy on development data; None for no learning curve.
    """

    policy: Scorer
    task: Demonstrates
    evaluate: DevEvaluation | None = None


@dataclass(frozen=True)
class Reinforced:
    """What policy optimization trains; see `seqpo.training.loop.optimize`.

    Attributes:
        policy: learns by its own episodes.
        task: starts and scores them.
        critic: predicts returns, at the level that the advantage says.
        critic_config: how it learns.
        reference: log-probs under the policy that this one is held near.
        kl: how it is held there.
        correction: for a sampler that differs from the trainer.
        evaluate: measures the policy on development data; None for no learning curve.
    """

    policy: Policy
    task: Task
    critic: Critic | None = None
    critic_config: CriticConfig | None = None
    reference: Callable[[Batch], Tensor] | None = None
    kl: KLConfig | None = None
    correction: SamplerCorrection | None = None
    evaluate: DevEvaluation | None = None


@dataclass(frozen=True)
class Stage(Generic[C]):
    """A stage of a run.

    Attributes:
        make: makes what is trained, on the device of these processes.
        section: of the recipe, that says how long and how it is trained.
        depends: other keys and sections that its result depends on; a stage is not gone on from under others.
    """

    make: Callable[[C, World], Supervised | Reinforced]
    section: str = "train"
    depends: tuple[str, ...] = ()

    def config(self, run: RunConfig) -> SupervisedConfig | LoopConfig:
        """Return the section that says how long and how it is trained."""
        return cast("SupervisedConfig | LoopConfig", attrgetter(self.section)(run))


class TaskKind(Protocol[C]):
    """A kind of task.

    Attributes:
        config: what its recipes hold.
        stages: in order; the one called "train" is policy optimization, and writes the folder `stage` of the recipe.
        metrics: what its reports hold, the most important first.
    """

    @property
    def config(self) -> type[C]:
        """What its recipes hold."""
        ...

    @property
    def stages(self) -> Mapping[str, Stage[C]]:
        """Its stages, in order."""
        ...

    @property
    def metrics(self) -> Sequence[Metric]:
        """What its reports hold."""
        ...

    def test_set(self, run: C) -> TestSet:
        """Return what systems are measured on."""
        ...

    def systems(self, run: C) -> Sequence[System]:
        """List who is measured: the run's own policies, and what they are compared with.

        Raises:
            ValueError: nothing has been trained.
        """
        ...


@runtime_checkable
class Shows(Protocol):
    """A kind whose outcomes can be shown as text."""

    def show(self, outcome: Any) -> str:
        """Show what a system made of an example."""
        ...


@runtime_checkable
class Live(Protocol):
    """A kind whose policies can be used while their source arrives."""

    def streams(self, run: Any, stage: str) -> Streams:
        """Make a place for streams, with the weights of a stage; of the last one that was trained where it is empty."""
        ...


@runtime_checkable
class Draws(Protocol):
    """A kind with figures of single examples.

    Attributes:
        figures: by name; each is given the systems, the example, and the file to write.
    """

    @property
    def figures(self) -> Mapping[str, Callable[[Sequence[System], Any, Path], None]]:
        """Its figures, by name."""
        ...


def find_kind(name: str) -> TaskKind[Any]:
    """Return the kind of this name, or of this `module:name`.

    Raises:
        ValueError: there is none, or it is not of the form of `TaskKind`.
    """
    if name not in KINDS and ":" not in name:
        raise ValueError(f"unknown kind {name!r}: choose one of {', '.join(KINDS)}, or your own module:name")
    found = catalogs.load(KINDS.get(name, name), "kind")
    wanted = ("config", "stages", "metrics", "test_set", "systems")
    if missing := [member for member in wanted if not hasattr(found, member)]:
        raise ValueError(f"kind {name!r} has no {missing[0]}: it must have {', '.join(wanted)}, as TaskKind says")
    return cast("TaskKind[Any]", found)
