"""The sections of a READ/WRITE run."""

from __future__ import annotations

from dataclasses import dataclass, field, fields
from typing import ClassVar

from seqpo.records import refuse_changed
from seqpo.runs import build
from seqpo.runs.config import ChoiceConfig, EvaluationConfig, RunConfig
from seqpo.tasks.read_write.agent import AgentConfig
from seqpo.tasks.read_write.demonstrations import LagMixture
from seqpo.tasks.read_write.translator.network import TranslatorConfig
from seqpo.tasks.translation.config import DataConfig, RewardConfig
from seqpo.training.critic import CriticConfig
from seqpo.training.supervised import SupervisedConfig


@dataclass(frozen=True)
class PretrainingConfig:
    """The recurrent translator (Gu et al. 2016), and its training on whole sentences.

    Attributes:
        model: its shape.
        prefixes: share of the training pairs that are cut to the beginnings of both sides; the paper has none.
        max_pieces: pairs with a longer side, in tokens, are left out; also the limit of a translation.
        slots: streams that it translates at a time in training; changes memory and speed, not results.
        train: how long and how it is trained.
    """

    model: TranslatorConfig = field(default_factory=TranslatorConfig)
    prefixes: float = 0.0
    max_pieces: int = 50
    slots: int = 128
    train: SupervisedConfig = field(default_factory=SupervisedConfig)

    def __post_init__(self) -> None:
        if not 0 <= self.prefixes <= 1:
            raise ValueError(f"prefixes must be in [0, 1], got {self.prefixes}")
        if min(self.max_pieces, self.slots) < 1:
            raise ValueError(f"max_pieces and slots must be positive, got {self.max_pieces} and {self.slots}")


@dataclass(frozen=True)
class BaselineConfig(CriticConfig):
    """The baseline b(o_t), a critic that predicts the return of each decision, and how it learns.

    Attributes:
        hidden: its inner width.
    """

    hidden: int = 128

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.hidden < 1:
            raise ValueError(f"hidden must be positive, got {self.hidden}")


@dataclass(frozen=True)
class WaitIfConfig:
    """The grid of wait-if-worse and wait-if-diff (Cho and Esipova 2016); Gu et al. peek at one word.

    Attributes:
        first: source units that are read before the first decision; empty to leave these systems out.
        peek: source units that are looked ahead.
    """

    first: tuple[int, ...] = (1,)
    peek: tuple[int, ...] = (1,)

    def __post_init__(self) -> None:
        if min((*self.first, *self.peek), default=1) < 1:
            raise ValueError(f"first and peek are one unit or more, got {self.first} and {self.peek}")


@dataclass(frozen=True)
class SegmentationConfig:
    """SEG1 and SEG2 (Oda et al. 2014), which translate segments of a sentence on their own.

    Attributes:
        mu: mean lengths of segments, in words, a system each; empty to leave these systems out.
        sentences: training sentences that they learn from.
        max_length: most words of a segment that is translated for them to learn from.
        alpha: what a pair of tags costs SEG2, in sentences' BLEU+1.
    """

    mu: tuple[float, ...] = ()
    sentences: int = 500
    max_length: int = 12
    alpha: float = 0.5

    def __post_init__(self) -> None:
        if min(self.sentences, self.max_length) < 1 or self.alpha < 0:
            raise ValueError("sentences and max_length must be positive, and alpha not negative")
        if min(self.mu, default=1.0) < 1:
            raise ValueError(f"mu, a mean length of segments, is 1 or more, got {self.mu}")


@dataclass(frozen=True)
class ReadWriteEvaluation(EvaluationConfig):
    """What a report holds.

    Attributes:
        wait_k: the k of the wait-k systems.
        beam: hypotheses of beam search; 1 leaves the beam systems out.
        wait_if: wait-if-worse and wait-if-diff.
        segmentation: SEG1 and SEG2.
        slots: streams at a time.
    """

    wait_k: tuple[int, ...] = (1, 2, 3, 4, 5, 6, 8)
    beam: int = 1
    wait_if: WaitIfConfig = field(default_factory=WaitIfConfig)
    segmentation: SegmentationConfig = field(default_factory=SegmentationConfig)
    slots: int = 128

    def __post_init__(self) -> None:
        if self.beam < 1:
            raise ValueError(f"a beam has one hypothesis or more, got {self.beam}")


@dataclass(frozen=True, kw_only=True)
class ReadWriteRun(RunConfig):
    """An agent that decides READ or WRITE over a frozen translator (Gu et al. 2016, 1610.00388).

    Attributes:
        vocabulary: size of the tokenizer that is trained.
        data: parallel text.
        translator: the translator that agents decide over, and its training, the stage `nmt`.
        agent: the shape of the agent.
        schedule: wait-k schedules that the agent's warm-up imitates.
        sft: the agent's warm-up; without steps, an agent begins as chance does, as in the paper.
        objective: the loss of policy optimization.
        advantage: how rewards are compared.
        reward: what translations are rewarded for.
        critic: the baseline, where the advantage needs one.
        evaluation: what a report holds.
    """

    ESSENTIAL: ClassVar[tuple[str, ...]] = (
        *("out", "stage", "seed", "data.source_language", "data.target_language", "data.train.path"),
        *("translator.train.steps", "sft.steps", "train.steps", "reward.fuse.options"),
    )

    TEST: ClassVar[str] = "data.test"

    vocabulary: int = 2500
    data: DataConfig = field(default_factory=DataConfig)
    translator: PretrainingConfig = field(default_factory=PretrainingConfig)
    agent: AgentConfig = field(default_factory=AgentConfig)
    schedule: LagMixture = field(default_factory=LagMixture)
    sft: SupervisedConfig = field(default_factory=lambda: SupervisedConfig(steps=0))
    objective: ChoiceConfig = field(default_factory=lambda: ChoiceConfig("reinforce"))
    advantage: ChoiceConfig = field(default_factory=lambda: ChoiceConfig("gu"))
    reward: RewardConfig = field(default_factory=lambda: RewardConfig(latency="ap", fuse=ChoiceConfig("gu")))
    critic: BaselineConfig = field(default_factory=BaselineConfig)
    evaluation: ReadWriteEvaluation = field(default_factory=ReadWriteEvaluation)

    def __post_init__(self) -> None:
        super().__post_init__()
        if ":" not in self.advantage.name and "values" not in build.advantage(self).needs:
            names = tuple(item.name for item in fields(self.critic))
            refuse_changed(self.critic, names, f"critic: advantage {self.advantage.name!r} needs no values")
