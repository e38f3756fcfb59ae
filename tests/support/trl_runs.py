"""Trainers of TRL's, on the tiny translation task."""

from __future__ import annotations

import copy
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

from torch import Tensor

os.environ |= {"TRL_EXPERIMENTAL_SILENCE": "1", "HF_HUB_OFFLINE": "1", "HF_HUB_DISABLE_TELEMETRY": "1"}

from datasets import Dataset
from transformers import PreTrainedModel
from trl import GRPOConfig
from trl.trainer.utils import split_tensor_dict

from seqpo.adapters.trl import Rollout, SeqPOTrainer, scored_by
from seqpo.objectives import PolicyLoss
from seqpo.tasks.translation.task import TranslationStart
from tests.support.translation import renderer, tokenizer, translation, translator

GROUP = 3
ROWS = 12
STARTS: dict[str, TranslationStart] = {start.pair.source: start for start in translation().starts(8, step=0)}


def config(folder: Path, **options: Any) -> GRPOConfig:
    plain = {
        "output_dir": str(folder),
        "use_cpu": True,
        "bf16": False,
        "report_to": [],
        "disable_tqdm": True,
        "save_strategy": "no",
        "gradient_checkpointing": False,
        "max_grad_norm": 1e9,
        "num_generations": GROUP,
        "per_device_train_batch_size": ROWS,
        "per_device_eval_batch_size": 2 * GROUP,
        "gradient_accumulation_steps": 1,
        "learning_rate": 1e-3,
        "max_steps": 1,
        "logging_steps": 1,
    }
    return GRPOConfig(**plain | options)


def rollout(limit: int = 3) -> Rollout:
    return Rollout(STARTS.__getitem__, stop=renderer().stop, limit=limit)


def trainer(
    folder: Path,
    *,
    objective: PolicyLoss | str = "sspo",
    advantage: Any = "rloo",
    model: PreTrainedModel | None = None,
    reward: Callable[..., list[float]] | None = None,
    **options: Any,
) -> SeqPOTrainer:
    """A trainer whose episodes are translations, sampled by seqpo's engine."""
    prompts = Dataset.from_dict({"prompt": list(STARTS)})
    return SeqPOTrainer(
        model or translator().model,
        reward or scored_by(translation().score, STARTS.__getitem__),
        config(folder, **options),
        train_dataset=prompts,
        eval_dataset=prompts.select(range(4)),
        processing_class=tokenizer(),
        rollout_func=rollout(),
        objective=objective,
        advantage=advantage,
    )


def generation(made: SeqPOTrainer) -> dict[str, Any]:
    """Episodes of a generation, scored and compared, as TRL's tensors."""
    made.model.train()
    found: dict[str, Any] = made._generate_and_score_completions(next(iter(made.get_train_dataloader())))
    return found


def gradients(made: SeqPOTrainer, whole: dict[str, Any], wrapped: Any = None) -> dict[str, Tensor]:
    """What an optimizer step on a given generation is made of, by the trainer's own path."""
    steps = made.args.gradient_accumulation_steps
    made.current_gradient_accumulation_steps = steps
    made._buffered_inputs = split_tensor_dict(whole, made.args.steps_per_generation)
    made._prepare_inputs = lambda _: made._buffered_inputs[made._step % made.args.steps_per_generation]
    made.model.zero_grad()
    for number in range(steps):
        made.accelerator.gradient_state._set_sync_gradients(number + 1 == steps)
        made.training_step(wrapped or made.model, [], None)
    return {name: copy.deepcopy(p.grad) for name, p in made.model.named_parameters() if p.grad is not None}


def close(one: dict[str, Tensor], other: dict[str, Tensor], rtol: float = 1e-4) -> bool:
    """Whether two gradients are equal but for rounding, and not zero."""
    assert one.keys() == other.keys()
    difference = sum(float((one[name] - other[name]).square().sum()) for name in one) ** 0.5
    size = sum(float(value.square().sum()) for value in one.values()) ** 0.5
    return size > 0 and difference <= rtol * size
