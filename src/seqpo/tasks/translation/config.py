"""The sections of a translation run, and those that READ/WRITE runs share."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import ClassVar, Literal

from seqpo.objectives import SamplerCorrection
from seqpo.policies.models import ModelConfig
from seqpo.records import refuse_changed
from seqpo.runs.config import ChoiceConfig, EvaluationConfig, RunConfig
from seqpo.tasks.translation.dialogue import Layout
from seqpo.tasks.translation.rewards import FUSIONS
from seqpo.tasks.translation.schedules import ScheduleMixture
from seqpo.training.loop import KLConfig
from seqpo.training.supervised import SupervisedConfig


@dataclass(frozen=True)
class CorpusConfig:
    """Where the sentences of a split come from.

    Attributes:
        path: "grammar" for the embedded corpus, "datasets:NAME" or "datasets:NAME:CONFIG" for a Hugging Face data
            set, or a TSV, JSONL or plain-text file, gzip or not.
        target_path: second of two aligned text files; empty for other forms.
        source: column or key of the source sentence.
        target: column or key of the translation.
        count: use the first so many sentences (draw so many from the grammar); 0 for all of a file.
    """

    path: str = "grammar"
    target_path: str = ""
    source: str = "source"
    target: str = "target"
    count: int = 0

    def __post_init__(self) -> None:
        if self.path == "grammar":
            refuse_changed(self, ("target_path", "source", "target"), "the embedded grammar has no files")


@dataclass(frozen=True)
class DataConfig:
    """Parallel text.

    Attributes:
        source_language: ISO code; says what is a unit of the source, and which grammar is embedded.
        target_language: ISO code; says also how BLEU is tokenised.
        train: sentences to learn from.
        dev: sentences that learning curves are measured on.
        test: sentences that reports are made of.
        skip_bad: leave out bad records instead of stopping at the first.
    """

    source_language: str = "de"
    target_language: str = "en"
    train: CorpusConfig = field(default_factory=lambda: CorpusConfig(count=30000))
    dev: CorpusConfig = field(default_factory=lambda: CorpusConfig(count=200))
    test: CorpusConfig = field(default_factory=lambda: CorpusConfig(count=500))
    skip_bad: bool = False


@dataclass(frozen=True)
class DialogueConfig:
    """How a sentence becomes an episode.

    Attributes:
        chunk: source units per chunk (m of SeqPO-SiMT): words, or characters of languages written without spaces.
        warmup_chunks: chunk sizes that the warm-up draws from; empty for `chunk` alone.
        layout: "interleaved" appends chunk and answer, turn by turn; "cumulative" shows all source so far, then all
            that was written so far, afresh in each turn.
        renderer: special tokens ("plain"), the model's chat template ("chat"), or the latter where there is one.
        instruction: system message of a chat template.
        limit: most tokens of a turn.
    """

    chunk: int = 1
    warmup_chunks: tuple[int, ...] = ()
    layout: Layout = "interleaved"
    renderer: Literal["auto", "plain", "chat"] = "auto"
    instruction: str = "Translate what has been said so far. Answer with nothing to wait for more."
    limit: int = 32

    def __post_init__(self) -> None:
        if self.renderer == "plain":
            refuse_changed(self, ("instruction",), "a plain renderer shows no instruction")


@dataclass(frozen=True)
class RewardConfig:
    """What translations are rewarded for.

    Attributes:
        quality: "bleu" or "chrf" of the sentence, your own function as "module:name", or the URL of a service.
        latency: "al", "laal", "ap" or "dal", in target units.
        fuse: how the two become rewards of turns.

    Raises:
        ValueError: a fusion that there is not, or options that it doesn't have.
    """

    quality: str = "bleu"
    latency: str = "al"
    fuse: ChoiceConfig = field(default_factory=lambda: ChoiceConfig("seqpo"))

    def __post_init__(self) -> None:
        FUSIONS.check(self.fuse.name, self.fuse.options)  # refused here, an option is named by file and key


@dataclass(frozen=True)
class SamplerConfig:
    """The engine that samples in training.

    Attributes:
        engine: "ragged", seqpo's own, or "module:name" of your own.
        temperature: of sampling, and of the distribution that is trained.
        precision: of its weights: "float32" or "bf16".
        slots: streams at a time; changes memory and speed, not results.
        correction: for an engine that differs from the trainer, in precision or kernels.
    """

    engine: str = "ragged"
    temperature: float = 1.0
    precision: Literal["float32", "bf16"] = "float32"
    slots: int = 128
    correction: SamplerCorrection = field(default_factory=lambda: SamplerCorrection("none"))

    def __post_init__(self) -> None:
        if self.correction.form == "none":
            refuse_changed(self.correction, ("level", "mean", "low", "high"), "correction.form is 'none'")


@dataclass(frozen=True)
class TranslationEvaluation(EvaluationConfig):
    """What a report holds.

    Attributes:
        wait_k: the k of the wait-k systems.
        fixed: stages whose weights the fixed schedules (wait-k, offline) borrow.
        chunks: further chunk sizes that the warm-up's own policy is measured at.
        slots: streams at a time.
    """

    wait_k: tuple[int, ...] = (1, 2, 3, 4, 5, 6, 8)
    fixed: tuple[str, ...] = ("sft",)
    chunks: tuple[int, ...] = ()
    slots: int = 128


@dataclass(frozen=True, kw_only=True)
class TranslationRun(RunConfig):
    """A language model that translates while it reads.

    Attributes:
        vocabulary: size of the tokenizer that is trained where the model brings none.
        data: parallel text.
        model: the language model.
        dialogue: how a sentence becomes an episode.
        schedule: supervised schedules of the warm-up.
        sft: the warm-up; without steps, policy optimization begins from `model.path`.
        reward: what translations are rewarded for.
        kl: how the policy is held near the warm-up.
        sampler: the engine that samples in training.
        evaluation: what a report holds.
    """

    ESSENTIAL: ClassVar[tuple[str, ...]] = (
        *("out", "seed", "data.source_language", "data.target_language", "data.train.path", "model.path"),
        *("sft.steps", "train.steps", "reward.fuse.options", "train.optimizer.lr"),
    )

    TEST: ClassVar[str] = "data.test"

    vocabulary: int = 2500
    data: DataConfig = field(default_factory=DataConfig)
    model: ModelConfig = field(default_factory=ModelConfig)
    dialogue: DialogueConfig = field(default_factory=DialogueConfig)
    schedule: ScheduleMixture = field(default_factory=ScheduleMixture)
    sft: SupervisedConfig = field(default_factory=SupervisedConfig)
    reward: RewardConfig = field(default_factory=RewardConfig)
    kl: KLConfig = field(default_factory=KLConfig)
    sampler: SamplerConfig = field(default_factory=SamplerConfig)
    evaluation: TranslationEvaluation = field(default_factory=TranslationEvaluation)

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.model.path:
            refuse_changed(self, ("vocabulary",), "the tokenizer comes with model.path")
        else:
            refuse_changed(self.dialogue, ("instruction",), "a model from scratch has no chat template to show it by")
            if not self.sft.steps:
                raise ValueError("sft.steps = 0 needs a model to begin from: set model.path")
