"""A translation task of fifty sentences, policies for it, and how to look at what a run left behind."""

from __future__ import annotations

from functools import cache
from itertools import count
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import load_file
from torch import Tensor
from transformers import PreTrainedTokenizerFast

from seqpo.policies.causal_lm import CausalLMPolicy
from seqpo.policies.models import ModelConfig, new_model
from seqpo.tasks.translation import grammar, quality
from seqpo.tasks.translation.corpora import Pair
from seqpo.tasks.translation.dialogue import Layout
from seqpo.tasks.translation.renderer import Renderer, plain_renderer
from seqpo.tasks.translation.task import TranslationTask
from seqpo.tasks.translation.vocabulary import train_tokenizer
from seqpo.training.log import read_metrics
from seqpo.types import Batch, Episode, pack

SHAPE = ModelConfig(width=32, layers=2, heads=4, kv_heads=2, ffn=48)


@cache
def sentences() -> list[Pair]:
    return grammar.sample("de-en", 50, 0, "train")


@cache
def tokenizer() -> PreTrainedTokenizerFast:
    return train_tokenizer((text for pair in sentences() for text in (pair.source, pair.target)), 300)


def renderer() -> Renderer:
    return plain_renderer(tokenizer(), "word", "word")


def translation(layout: Layout = "interleaved") -> TranslationTask:
    """The task, in chunks of three words."""
    return TranslationTask(sentences(), renderer(), (3,), layout, quality=quality.get("chrf", language="en"))


def translator(dtype: torch.dtype = torch.float64, *, dropout: float = 0.0, talkative: float = 6.0) -> CausalLMPolicy:
    """A policy with random weights, made larger so that it has preferences to lose."""
    shape = ModelConfig(**{**vars(SHAPE), "dropout": dropout})
    model = new_model(shape, len(tokenizer()), renderer().stop, seed=0).to(dtype)
    with torch.no_grad():
        for weight in model.parameters():
            if weight.dim() == 2:
                weight.mul_(talkative)
    return CausalLMPolicy(model.eval(), tokenizer(), stop=renderer().stop, limit=3)


def sampled(policy: CausalLMPolicy, task: TranslationTask, count: int = 3, *, step: int = 0) -> list[Episode]:
    return policy.rollout(task.starts(count, step=step), 3, seed=step)


def sampled_batch(policy: CausalLMPolicy, task: TranslationTask) -> Batch:
    return pack(sampled(policy, task), dtype=torch.float64)


def weights(folder: Path) -> Tensor:
    """All weights of a checkpoint in one row."""
    state = load_file(folder / "model.safetensors")
    return torch.cat([state[name].flatten() for name in sorted(state)])


def rows(stage: Path) -> list[dict[str, float]]:
    """A stage's metrics, but for the clock."""
    return [{k: v for k, v in row.items() if k != "seconds"} for row in read_metrics(stage / "metrics.jsonl")]


class InterruptedRunError(Exception):
    """Someone has interrupted the run."""


def interrupt(policy: Any, at: int) -> None:
    """Let a policy's rollout number `at`, from 0, be interrupted."""
    sample, calls = policy.rollout, count()

    def interrupted(*arguments: Any, **options: Any) -> list[Episode]:
        if next(calls) == at:
            raise InterruptedRunError
        episodes: list[Episode] = sample(*arguments, **options)
        return episodes

    policy.rollout = interrupted
