"""What every run is told, whatever its kind; a kind adds its own sections to `RunConfig`."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import ClassVar, Literal

from seqpo import advantages, objectives
from seqpo.training.loop import LoopConfig
from seqpo.training.world import Parallel


@dataclass(frozen=True)
class ChoiceConfig:
    """A member of a catalog, or your own.

    Attributes:
        name: its name in the catalog, or "module:name" of a function of yours that makes one from the options.
        options: its options, where they differ from the published defaults.
    """

    name: str
    options: dict[str, bool | int | float | str] = field(default_factory=dict)


@dataclass(frozen=True)
class EvaluationConfig:
    """What a report holds.

    Attributes:
        stages: stages whose own policy is measured, beside this run's own, as far as they have been trained.
        metrics: scores of your own beside the kind's, each as "module:name" of a `Metric`.
        resamples: of the bootstrap.
    """

    stages: tuple[str, ...] = ()
    metrics: tuple[str, ...] = ()
    resamples: int = 1000


@dataclass(frozen=True)
class RuntimeConfig:
    """Where and how exactly it is computed.

    Attributes:
        device: "cpu", "cuda", or "auto" for a CUDA GPU where there is one.
        parallel: how processes started by torchrun share the model: "ddp" or "fsdp2".
        threads: of torch on a CPU; 0 leaves it to torch.
        precision: of training: "float32", or "bf16" for matrix products in bfloat16.
        matmul_precision: of float32 matrix products, as `torch.set_float32_matmul_precision` has it: "highest", or
            faster, "high" or "medium" (bfloat16 factors, float32 sums).
    """

    device: str = "auto"
    parallel: Parallel = "ddp"
    threads: int = 0
    precision: Literal["float32", "bf16"] = "float32"
    matmul_precision: Literal["highest", "high", "medium"] = "highest"


@dataclass(frozen=True, kw_only=True)
class RunConfig:
    """A complete run.

    Attributes:
        out: folder of the run.
        stage: folder in it that policy optimization writes, so that several policies can grow from one warm-up.
        seed: of everything drawn at random.
        objective: the loss of policy optimization.
        advantage: how rewards are compared.
        train: policy optimization.
        evaluation: what a report holds.
        runtime: where and how exactly it is computed.
    """

    ESSENTIAL: ClassVar[tuple[str, ...]] = (
        *("out", "stage", "seed", "objective.name", "advantage.name"),
        *("train.steps", "train.groups_per_step", "train.group_size", "train.optimizer.lr", "runtime.device"),
    )
    """The keys that matter most, which help begins with."""

    TEST: ClassVar[str] = ""
    """The section that says what systems are measured on; empty where no file could hold it."""

    out: str = "runs/run"
    stage: str = "policy"
    seed: int = 0
    objective: ChoiceConfig = field(default_factory=lambda: ChoiceConfig("grpo"))
    advantage: ChoiceConfig = field(default_factory=lambda: ChoiceConfig("dr-grpo"))
    train: LoopConfig = field(default_factory=LoopConfig)
    evaluation: EvaluationConfig = field(default_factory=EvaluationConfig)
    runtime: RuntimeConfig = field(default_factory=RuntimeConfig)

    def __post_init__(self) -> None:
        # refused here, a name or option is told by file and key; what is the user's own is imported when it is used
        objectives.CATALOG.check(self.objective.name, self.objective.options)
        advantages.CATALOG.check(self.advantage.name, self.advantage.options)
