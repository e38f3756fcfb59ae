"""From a recipe to the objects it describes."""

from __future__ import annotations

import inspect
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, cast

import torch
from torch import Tensor
from transformers import AutoTokenizer, PreTrainedModel, PreTrainedTokenizerBase, PreTrainedTokenizerFast

from seqpo import advantages, catalogs, objectives
from seqpo.advantages import Advantage
from seqpo.cli.recipe import ChoiceConfig, CorpusConfig, Recipe, RecipeError, RuntimeConfig
from seqpo.objectives import PolicyLoss
from seqpo.policies.causal_lm import CausalLMPolicy
from seqpo.policies.models import load_model, new_model
from seqpo.tasks.read_write.task import ReadWriteTask
from seqpo.tasks.translation import grammar, quality, rewards
from seqpo.tasks.translation.corpora import Corpus, Pair, from_datasets, read_pairs
from seqpo.tasks.translation.renderer import Renderer, chat_renderer, plain_renderer
from seqpo.tasks.translation.task import TranslationTask
from seqpo.tasks.translation.units import Unit
from seqpo.tasks.translation.vocabulary import train_tokenizer
from seqpo.training import checkpoints
from seqpo.training.world import World

_UNSPACED = ("zh", "ja", "th")
_DTYPES = {"float32": torch.float32, "bf16": torch.bfloat16}


def unit_of(language: str) -> Unit:
    """Return what a language is counted in: characters where words are not set apart."""
    return "char" if language.split("-", maxsplit=1)[0].lower() in _UNSPACED else "word"


def corpus(recipe: Recipe, split: str) -> Corpus:
    """Read the sentences of a split.

    Args:
        recipe: its `data`.
        split: "train", "dev" or "test".

    Raises:
        DataError: sentences that can't be used.
        RecipeError: a grammar without a count, or of other languages.
    """
    data = recipe.data
    config: CorpusConfig = getattr(data, split)
    if config.path == "grammar":
        return _embedded(recipe, split, config.count)
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


def _embedded(recipe: Recipe, split: str, count: int) -> Corpus:
    direction = f"{recipe.data.source_language}-{recipe.data.target_language}"
    if direction not in grammar.DIRECTIONS:
        raise RecipeError(f"no grammar is embedded for {direction}: give files, or one of {grammar.DIRECTIONS}")
    if count < 1:
        raise RecipeError(f"data.{split}.count must say how many sentences to draw from the grammar")
    seed = recipe.seed if split == "train" else 0
    pairs = tuple(grammar.sample(direction, count, seed, split))  # type: ignore[arg-type]
    return Corpus(pairs, f"grammar:{direction}:{split}:{count}:{seed}", sha256="")


def renderer(recipe: Recipe, tokenizer: PreTrainedTokenizerBase) -> Renderer:
    """Choose how episodes become tokens."""
    units = unit_of(recipe.data.source_language), unit_of(recipe.data.target_language)
    kind = recipe.episode.renderer
    if kind == "chat" or (kind == "auto" and tokenizer.chat_template):
        return chat_renderer(tokenizer, *units, recipe.episode.instruction)
    return plain_renderer(tokenizer, *units)


def beginning(recipe: Recipe, train: Corpus) -> tuple[PreTrainedModel, PreTrainedTokenizerBase]:
    """Make the model that the warm-up begins from, and its tokenizer."""
    if recipe.model.path:
        return load_model(recipe.model.path), load_tokenizer(recipe.model.path)
    texts = (text for pair in train.pairs for text in (pair.source, pair.target))
    tokenizer = train_tokenizer(texts, recipe.vocabulary)
    stop = plain_renderer(tokenizer, "word", "word").stop
    return new_model(recipe.model, len(tokenizer), stop, recipe.seed), tokenizer


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


def stage_checkpoint(recipe: Recipe, stage: str) -> Path:
    """Return the newest checkpoint of a stage of the run.

    Raises:
        RecipeError: there is none.
    """
    found = checkpoints.latest(Path(recipe.out) / stage)
    if found is None:
        command = {"sft": "sft", "sft-agent": "sft", "nmt": "nmt"}.get(stage, "train")
        raise RecipeError(f"{recipe.out}/{stage}: no checkpoint there; run `seqpo {command}` first")
    return found


def tune(runtime: RuntimeConfig) -> None:
    """Set torch's threads, and the precision of its float32 products."""
    if runtime.threads:
        torch.set_num_threads(runtime.threads)
    torch.set_float32_matmul_precision(runtime.matmul_precision)


def device(recipe: Recipe) -> torch.device:
    """Choose where a single process evaluates."""
    return torch.device("cuda" if recipe.runtime.device != "cpu" and torch.cuda.is_available() else "cpu")


def place(model: PreTrainedModel, device: torch.device) -> PreTrainedModel:
    """Move a model to a device."""
    torch.nn.Module.to(model, device)
    return model


def policy(recipe: Recipe, model: PreTrainedModel, tokenizer: PreTrainedTokenizerBase, world: World) -> CausalLMPolicy:
    """Make the policy on the world's device."""
    place(model, world.device)
    return CausalLMPolicy(
        model,
        tokenizer,
        stop=renderer(recipe, tokenizer).stop,
        limit=recipe.episode.limit,
        slots=recipe.runtime.slots,
        temperature=recipe.temperature,
        rollout_dtype=_DTYPES[recipe.runtime.rollout_precision],
        autocast=None if recipe.runtime.precision == "float32" else torch.bfloat16,
    )


def task(recipe: Recipe, source: Corpus, frame: Renderer, chunks: tuple[int, ...]) -> TranslationTask:
    """Make the task of a corpus."""
    return TranslationTask(
        source.pairs,
        frame,
        chunks,
        recipe.episode.layout,
        recipe.schedule,
        **_judging(recipe),
    )


def read_write_task(recipe: Recipe, pairs: Sequence[Pair], frame: Renderer) -> ReadWriteTask:
    """Make the task of a READ/WRITE agent."""
    return ReadWriteTask(pairs, frame, **_judging(recipe))


def _judging(recipe: Recipe) -> dict[str, Any]:
    """What all translation tasks are told in the same way."""
    return {
        "quality": quality.get(recipe.reward.quality, language=recipe.data.target_language),
        "latency": recipe.reward.latency,
        "reward": rewards.get(recipe.reward.fuse.name, **recipe.reward.fuse.options),
        "seed": recipe.seed,
    }


def objective(choice: ChoiceConfig) -> PolicyLoss:
    """Make an objective of the catalog, or what a function of the user's own returns for the options.

    Raises:
        RecipeError: something that is no objective.
        ValueError: an unknown name or option.
    """
    if ":" in choice.name:
        return cast(PolicyLoss, _own(choice, "objective", ("credit_level",), "seqpo.objectives.PolicyLoss"))
    return objectives.get(choice.name, **choice.options)


def advantage(choice: ChoiceConfig) -> Advantage:
    """Make an advantage of the catalog, or what a function or class of the user's own returns for the options.

    Raises:
        RecipeError: something that is no advantage.
        ValueError: an unknown name or option.
    """
    if ":" in choice.name:
        return cast(Advantage, _own(choice, "advantage", ("needs", "level"), "seqpo.advantages.Advantage"))
    return advantages.get(choice.name, **choice.options)


def _own(choice: ChoiceConfig, what: str, members: tuple[str, ...], form: str) -> object:
    """Call what a user's own name stands for with the options, and check the form of what it returns."""
    make = catalogs.load(choice.name, what)
    if not callable(make):
        raise RecipeError(f"{what} {choice.name!r} is a {type(make).__name__}, not a function or class")
    try:
        inspect.signature(make).bind(**choice.options)
    except TypeError as error:
        raise RecipeError(f"{what} {choice.name!r} does not take the options {choice.options}: {error}") from error
    made: object = make(**choice.options)
    if not (callable(made) and all(hasattr(made, member) for member in members)):
        raise RecipeError(
            f"{what} {choice.name!r} gave a {type(made).__name__}: it must be callable and have {', '.join(members)}, "
            f"as {form} says"
        )
    return made


def checkpoint_weights(folder: Path) -> Mapping[str, Tensor]:
    """Read a checkpoint's weights, by the names that a policy's module has."""
    return {f"model.{name}": value for name, value in load_model(folder).state_dict().items()}
