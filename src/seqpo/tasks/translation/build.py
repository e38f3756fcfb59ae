"""From the recipe of a translation run to the objects it describes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch
from torch import Tensor
from transformers import AutoTokenizer, PreTrainedModel, PreTrainedTokenizerBase, PreTrainedTokenizerFast
from transformers.utils.logging import disable_progress_bar

from seqpo.evaluation.statistics import points
from seqpo.policies.causal_lm import CausalLMPolicy
from seqpo.policies.models import load_model, new_model
from seqpo.runs import build
from seqpo.sessions import ENGINES, SessionEngine, play
from seqpo.tasks.translation import grammar, quality
from seqpo.tasks.translation.config import CorpusConfig, DataConfig, RewardConfig, TranslationRun
from seqpo.tasks.translation.corpora import Corpus, Pair, from_datasets, read_pairs
from seqpo.tasks.translation.dialogue import SourceDialogue
from seqpo.tasks.translation.metrics import METRICS, TestSentences
from seqpo.tasks.translation.renderer import Renderer, chat_renderer, plain_renderer
from seqpo.tasks.translation.rewards import FUSIONS
from seqpo.tasks.translation.traces import Trace
from seqpo.tasks.translation.units import Unit, split, unit_of
from seqpo.tasks.translation.vocabulary import train_tokenizer
from seqpo.training.world import World
from seqpo.types import DevEvaluation

_DTYPES = {"float32": torch.float32, "bf16": torch.bfloat16}

disable_progress_bar()  # of Transformers, between the lines of ours


def corpus(data: DataConfig, split: str, seed: int = 0) -> Corpus:
    """Read the sentences of a split.

    Args:
        data: where they come from.
        split: "train", "dev" or "test".
        seed: of training sentences that are drawn from a grammar; other splits are always the same.

    Raises:
        DataError: sentences that can't be used.
        ValueError: a grammar without a count, or of other languages.
    """
    config: CorpusConfig = getattr(data, split)
    if config.path == "grammar":
        return _embedded(data, split, config.count, seed if split == "train" else 0)
    if config.path.startswith("datasets:"):
        name, _, configuration = config.path.removeprefix("datasets:").partition(":")
        found = from_datasets(
            name, config=configuration or None, split=split, source=config.source, target=config.target
        )
    else:
        found = read_pairs(
            config.path,
            source=config.source,
            target=config.target,
            target_path=config.target_path or None,
            skip_bad=data.skip_bad,
        )
    return replace(found, pairs=found.pairs[: config.count]) if config.count else found


def _embedded(data: DataConfig, split: str, count: int, seed: int) -> Corpus:
    direction = f"{data.source_language}-{data.target_language}"
    if direction not in grammar.DIRECTIONS:
        raise ValueError(f"no grammar is embedded for {direction}: give files, or one of {grammar.DIRECTIONS}")
    if count < 1:
        raise ValueError(f"data.{split}.count must say how many sentences to draw from the grammar")
    pairs = tuple(grammar.sample(direction, count, seed, split))  # type: ignore[arg-type]
    return Corpus(pairs, f"grammar:{direction}:{split}:{count}:{seed}", sha256="")


def held_out(data: DataConfig) -> TestSentences:
    """Read the sentences that systems are measured on."""
    found = corpus(data, "test")
    return TestSentences(found.pairs, found.name, found.sha256, language=data.target_language)


def units(data: DataConfig) -> tuple[Unit, Unit]:
    """Return what source and target are counted in."""
    return unit_of(data.source_language), unit_of(data.target_language)


def described(read: Corpus, used: int, what: str = "sentence pairs") -> str:
    """Say what is learned from."""
    skipped = f" ({read.skipped} bad records skipped)" if read.skipped else ""
    return f"{used} {what} from {read.name}{skipped}"


def renderer(run: TranslationRun, tokenizer: PreTrainedTokenizerBase) -> Renderer:
    """Choose how episodes become tokens."""
    kind = run.dialogue.renderer
    if kind == "chat" or (kind == "auto" and tokenizer.chat_template):
        return chat_renderer(tokenizer, *units(run.data), run.dialogue.instruction)
    return plain_renderer(tokenizer, *units(run.data))


def beginning(run: TranslationRun, train: Sequence[Pair]) -> tuple[PreTrainedModel, PreTrainedTokenizerBase]:
    """Make the model that the warm-up begins from, and its tokenizer."""
    if run.model.path:
        return load_model(run.model.path), load_tokenizer(run.model.path)
    tokenizer = train_tokenizer((text for pair in train for text in (pair.source, pair.target)), run.vocabulary)
    stop = plain_renderer(tokenizer, "word", "word").stop
    return new_model(run.model, len(tokenizer), stop, run.seed), tokenizer


def load_tokenizer(path: str | Path) -> PreTrainedTokenizerBase:
    """Load the tokenizer of a folder or id.

    Raises:
        ValueError: there is none.
    """
    config = Path(path, "tokenizer_config.json")
    try:
        # AutoTokenizer would make Qwen2's own of any tokenizer beside a Qwen2 model: other digits, a token more
        trained_here = config.exists() and "TokenizersBackend" in config.read_text(encoding="utf-8")
        kind = PreTrainedTokenizerFast if trained_here else AutoTokenizer
        tokenizer: PreTrainedTokenizerBase = kind.from_pretrained(str(path))
    except (OSError, ValueError) as error:
        raise ValueError(f"{path}: no tokenizer could be loaded from there ({error})") from error
    return tokenizer


def policy(
    run: TranslationRun, model: PreTrainedModel, tokenizer: PreTrainedTokenizerBase, world: World
) -> CausalLMPolicy:
    """Make the policy on the world's device."""
    torch.nn.Module.to(model, world.device)
    sampler = run.sampler
    return CausalLMPolicy(
        model,
        tokenizer,
        stop=renderer(run, tokenizer).stop,
        limit=run.dialogue.limit,
        slots=sampler.slots,
        temperature=sampler.temperature,
        engine=ENGINES.build(sampler.engine),
        rollout_dtype=_DTYPES[sampler.precision],
        autocast=build.autocast(run.runtime),
    )


def scoring(reward: RewardConfig, data: DataConfig) -> dict[str, Any]:
    """Return what tasks on parallel sentences are told about rewards."""
    return {
        "quality": quality.get(reward.quality, language=data.target_language),
        "latency": reward.latency,
        "reward": FUSIONS.build(reward.fuse.name, **reward.fuse.options),
    }


def evaluation_engine(model: PreTrainedModel, rendering: Renderer, slots: int) -> SessionEngine:
    """Make an engine that can also follow quotas of target units."""
    return ENGINES.build("ragged")(model, stop=rendering.stop, slots=slots, unit_starts=rendering.unit_starts)


def translate_all(
    engine: SessionEngine, dialogues: Sequence[SourceDialogue], limit: int, progress: Any = None
) -> list[Trace]:
    """Translate greedily, and record who read and wrote what."""
    played = play(engine, dialogues, limit=limit, progress=progress)
    pairs = zip(dialogues, played, strict=True)
    return [dialogue.trace([answer.tokens for _, answer in turns]).merged() for dialogue, turns in pairs]


def dev_evaluation(run: TranslationRun, model: PreTrainedModel, rendering: Renderer) -> DevEvaluation:
    """Return a function that measures weights on the development set: BLEU, chrF, AL."""
    dev = corpus(run.data, "dev").pairs
    engine = evaluation_engine(model, rendering, run.sampler.slots)
    dialogues = [dialogue(run, pair.source, rendering, run.dialogue.chunk) for pair in dev]

    def evaluate(weights: Mapping[str, Tensor]) -> dict[str, float]:
        engine.update_weights({name.removeprefix("model."): value for name, value in weights.items()})
        traces = translate_all(engine, dialogues, run.dialogue.limit)
        return dev_scores(traces, dev, run.data, ("bleu", "chrf", "al", "al_std"))

    return evaluate


def dialogue(run: TranslationRun, source: str, rendering: Renderer, chunk: int) -> SourceDialogue:
    """Let a source be read in chunks of some size."""
    return SourceDialogue(rendering, tuple(split(source, rendering.source_unit)), chunk, run.dialogue.layout)


def dev_scores(
    traces: Sequence[Trace], pairs: Sequence[Pair], data: DataConfig, names: Sequence[str]
) -> dict[str, float]:
    """Score what was made of development sentences, for a learning curve.

    Args:
        traces: one per sentence.
        pairs: the sentences.
        data: tells the target language.
        names: of metrics; the waits before verbs are added where these are annotated.
    """
    chosen = [metric for metric in METRICS if metric.name in (*names, "verb_wait", "other_wait")]
    found = points(chosen, traces, TestSentences(pairs, "dev", language=data.target_language))
    return {f"dev/{name}": value for name, value in found.items()}
