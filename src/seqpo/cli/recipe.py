"""One configuration behind all commands: a TOML recipe, dotted overrides, unknown keys are errors."""

from __future__ import annotations

import tomllib
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Literal

import tomli_w
import tyro

from seqpo.policies.models import ModelConfig
from seqpo.records import RecordError, decode
from seqpo.tasks.read_write.translator.network import TranslatorConfig
from seqpo.tasks.translation import rewards
from seqpo.tasks.translation.dialogue import Layout
from seqpo.tasks.translation.schedules import ScheduleMixture
from seqpo.training.loop import LoopConfig
from seqpo.training.supervised import SupervisedConfig
from seqpo.training.world import Parallel

PolicyKind = Literal["causal-lm", "read-write"]
FRAMINGS = ("auto", "plain", "chat")


class RecipeError(ValueError):
    """A recipe that can't be used; the message names the file and the key."""


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
        align: word-align the training sentences with eflomal, for segment schedules.
    """

    source_language: str = "de"
    target_language: str = "en"
    train: CorpusConfig = field(default_factory=lambda: CorpusConfig(count=30000))
    dev: CorpusConfig = field(default_factory=lambda: CorpusConfig(count=200))
    test: CorpusConfig = field(default_factory=lambda: CorpusConfig(count=500))
    skip_bad: bool = False
    align: bool = False


@dataclass(frozen=True)
class EpisodeConfig:
    """How a sentence becomes an episode.

    Attributes:
        chunk: source units per chunk (m of SeqPO-SiMT): words, or characters of languages written without spaces.
        warmup_chunks: chunk sizes that the warm-up draws from; empty for `chunk` alone.
        layout: "interleaved" appends chunk and answer, turn by turn; "cumulative" shows all source so far, then all
            that was written so far, afresh in each turn.
        renderer: special tokens ("plain"), the model's chat template ("chat"), or the latter where there is one.
        instruction: system message of a chat renderer.
        limit: most tokens of a turn.
    """

    chunk: int = 1
    warmup_chunks: tuple[int, ...] = ()
    layout: Layout = "interleaved"
    renderer: Literal["auto", "plain", "chat"] = "auto"
    instruction: str = "Translate what has been said so far. Answer with nothing to wait for more."
    limit: int = 32


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
class RewardConfig:
    """What translations are judged by.

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
        rewards.get(self.fuse.name, **self.fuse.options)  # refused here, an option is named by file and key


@dataclass(frozen=True)
class NmtConfig:
    """Pre-training of the recurrent translator (Gu et al. 2016).

    Attributes:
        model: its shape.
        prefixes: share of the training pairs that are cut to the beginnings of both sides; the paper has none.
        max_pieces: pairs with a longer side, in tokens, are left out; also the limit of a translation.
        train: how long and how it is trained.
    """

    model: TranslatorConfig = field(default_factory=TranslatorConfig)
    prefixes: float = 0.0
    max_pieces: int = 50
    train: SupervisedConfig = field(default_factory=SupervisedConfig)

    def __post_init__(self) -> None:
        if not 0 <= self.prefixes <= 1:
            raise ValueError(f"prefixes must be in [0, 1], got {self.prefixes}")
        if self.max_pieces < 1:
            raise ValueError(f"max_pieces must be positive, got {self.max_pieces}")


@dataclass(frozen=True)
class ReadWriteConfig:
    """The READ/WRITE agent (Gu et al. 2016), which decides over the translator of the run.

    Attributes:
        hidden: width of the agent's recurrent state.
        baseline_hidden: inner width of the baseline, the critic that predicts the return of each decision.
    """

    hidden: int = 512
    baseline_hidden: int = 128

    def __post_init__(self) -> None:
        if min(self.hidden, self.baseline_hidden) < 1:
            raise ValueError("hidden and baseline_hidden must be positive")


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
class SegmentsConfig:
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
class EvaluationConfig:
    """What a report holds.

    Attributes:
        wait_k: the k of the wait-k systems.
        stages: stages whose own policy is measured, as far as they have been trained.
        fixed: stages whose weights the fixed schedules (wait-k, offline) borrow.
        chunks: further chunk sizes that the warm-up's own policy is measured at.
        beam: hypotheses of a READ/WRITE agent's beam search; 1 leaves the beam systems out.
        wait_if: wait-if-worse and wait-if-diff, over the translator of a READ/WRITE agent.
        segments: SEG1 and SEG2, over the same.
        resamples: of the bootstrap.
        slots: streams at a time.
    """

    wait_k: tuple[int, ...] = (1, 2, 3, 4, 5, 6, 8)
    stages: tuple[str, ...] = ("sft", "seqpo")
    fixed: tuple[str, ...] = ("sft",)
    chunks: tuple[int, ...] = ()
    beam: int = 1
    wait_if: WaitIfConfig = field(default_factory=WaitIfConfig)
    segments: SegmentsConfig = field(default_factory=SegmentsConfig)
    resamples: int = 1000
    slots: int = 128

    def __post_init__(self) -> None:
        if self.beam < 1:
            raise ValueError(f"a beam has one hypothesis or more, got {self.beam}")


@dataclass(frozen=True)
class RuntimeConfig:
    """Where and how exactly it is computed.

    Attributes:
        device: "cpu", "cuda", or "auto" for a CUDA GPU where there is one.
        parallel: how processes started by torchrun share the model: "ddp" or "fsdp2".
        threads: of torch on a CPU; 0 leaves it to torch.
        precision: of training: "float32", or "bf16" for matrix products in bfloat16.
        rollout_precision: of the sampling engine's weights: "float32" or "bf16".
        matmul_precision: of float32 matrix products, as `torch.set_float32_matmul_precision` has it: "highest", or
            faster, "high" or "medium" (bfloat16 factors, float32 sums).
        slots: streams sampled at a time.
    """

    device: str = "auto"
    parallel: Parallel = "ddp"
    threads: int = 0
    precision: Literal["float32", "bf16"] = "float32"
    rollout_precision: Literal["float32", "bf16"] = "float32"
    matmul_precision: Literal["highest", "high", "medium"] = "highest"
    slots: int = 128


@dataclass(frozen=True)
class Recipe:
    """A complete run.

    Attributes:
        out: folder of the run.
        policy: what `seqpo train` improves: "causal-lm", a language model that reads chunks and writes; or
            "read-write", an agent that decides over a frozen translator.
        stage: folder in it that `seqpo train` writes, so that several policies can grow from one warm-up.
        seed: of everything drawn at random.
        vocabulary: size of the tokenizer that is trained where the model brings none.
        temperature: of sampling in training.
        data: parallel text.
        model: the language model.
        episode: how a sentence becomes an episode.
        schedule: supervised schedules of the warm-up.
        sft: the warm-up.
        nmt: pre-training of the recurrent translator.
        agent: the READ/WRITE agent.
        objective: the loss of policy optimization.
        advantage: how rewards are compared.
        reward: what translations are judged by.
        train: policy optimization.
        evaluation: what a report holds.
        runtime: where and how exactly it is computed.
    """

    out: str = "runs/run"
    policy: PolicyKind = "causal-lm"
    stage: str = "seqpo"
    seed: int = 0
    vocabulary: int = 2500
    temperature: float = 1.0
    data: DataConfig = field(default_factory=DataConfig)
    model: ModelConfig = field(default_factory=ModelConfig)
    episode: EpisodeConfig = field(default_factory=EpisodeConfig)
    schedule: ScheduleMixture = field(default_factory=ScheduleMixture)
    sft: SupervisedConfig = field(default_factory=SupervisedConfig)
    nmt: NmtConfig = field(default_factory=NmtConfig)
    agent: ReadWriteConfig = field(default_factory=ReadWriteConfig)
    objective: ChoiceConfig = field(default_factory=lambda: ChoiceConfig("grpo"))
    advantage: ChoiceConfig = field(default_factory=lambda: ChoiceConfig("dr-grpo"))
    reward: RewardConfig = field(default_factory=RewardConfig)
    train: LoopConfig = field(default_factory=LoopConfig)
    evaluation: EvaluationConfig = field(default_factory=EvaluationConfig)
    runtime: RuntimeConfig = field(default_factory=RuntimeConfig)

    def __post_init__(self) -> None:
        if self.policy == "read-write" and self.train.kl.coefficient:
            raise ValueError("a READ/WRITE agent has no reference to stay near: train.kl.coefficient = 0")
        if self.policy == "read-write" and self.schedule.segments:
            raise ValueError("a READ/WRITE agent is warmed up by wait-k, without segments: schedule.segments = 0")


EMBEDDED = Path(__file__).parent.parent / "recipes"
"""The recipes that come with the package; `seqpo sft demo` finds `demo.toml` there."""


def load_recipe(path: str | Path) -> Recipe:
    """Read a recipe: a TOML file, or the name of one that comes with the package.

    Raises:
        RecipeError: no such file, not TOML, or a key or value that is not one of a recipe's.
    """
    file = Path(path)
    if not file.exists() and (EMBEDDED / f"{path}.toml").exists():
        file = EMBEDDED / f"{path}.toml"
    try:
        data = tomllib.loads(file.read_text(encoding="utf-8"))
        return decode(Recipe, data, name="the recipe")
    except FileNotFoundError:
        known = ", ".join(sorted(recipe.stem for recipe in EMBEDDED.glob("*.toml")))
        raise RecipeError(f"{path}: no such recipe; give a TOML file, or one of {known}") from None
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise RecipeError(f"{file}: not TOML: {error}") from None
    except RecordError as error:
        raise RecipeError(f"{file}: {error}") from None


def override(recipe: Recipe, arguments: Sequence[str], *, prog: str, description: str) -> Recipe:
    """Apply dotted overrides such as `--train.optimizer.lr 1e-4`; print the help of all keys for `--help`.

    Raises:
        RecipeError: values that do not fit together.
        SystemExit: an unknown key or an unreadable value (after saying so), or help.
    """
    try:
        return tyro.cli(Recipe, args=arguments, default=recipe, prog=prog, description=description)
    except ValueError as error:
        raise RecipeError(f"command line: {error}") from None


def save_recipe(recipe: Recipe, path: Path) -> None:
    """Write the resolved recipe, all defaults included."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(tomli_w.dumps(asdict(recipe)), encoding="utf-8")
