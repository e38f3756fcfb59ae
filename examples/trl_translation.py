"""Simultaneous translation in TRL's trainer: `python examples/trl_translation.py 700 30 runs/trl`.

Warms a small model up on the embedded German→English corpus, then lets TRL's GRPOTrainer improve it, with the
objective SSPO, the advantage RLOO, and SeqPO-SiMT's reward of quality and delay.
"""

import sys
from pathlib import Path

from datasets import Dataset
from trl import GRPOConfig

from seqpo.adapters.trl import Rollout, SeqPOTrainer, scored_by
from seqpo.policies.causal_lm import CausalLMPolicy
from seqpo.policies.models import ModelConfig, new_model
from seqpo.tasks.translation import grammar, quality
from seqpo.tasks.translation.renderer import plain_renderer
from seqpo.tasks.translation.task import TranslationTask
from seqpo.tasks.translation.vocabulary import train_tokenizer
from seqpo.training.optimizer import OptimizerConfig
from seqpo.training.supervised import SupervisedConfig, train_supervised
from seqpo.training.world import full_weights
from seqpo.types import pack

warm_up, steps, out = int(sys.argv[1]), int(sys.argv[2]), Path(sys.argv[3])
pairs = grammar.sample("de-en", 5000, 0, "train")
tokenizer = train_tokenizer((text for pair in pairs for text in (pair.source, pair.target)), size=600)
renderer = plain_renderer(tokenizer, "word", "word")
model = new_model(ModelConfig(width=64, layers=2, ffn=128), len(tokenizer), renderer.stop, seed=0)
policy = CausalLMPolicy(model, tokenizer, stop=renderer.stop, limit=12)
task = TranslationTask(pairs, renderer, chunks=(2,), quality=quality.get("bleu", language="en"))
train_supervised(
    policy,
    task,
    SupervisedConfig(warm_up, batch=32, optimizer=OptimizerConfig(lr=3e-3)),
    stage=out / "sft",
)

starts = {start.pair.source: start for start in task.starts(2000, step=1)}  # a prompt is a source sentence
test = TranslationTask(grammar.sample("de-en", 100, 0, "test"), renderer, chunks=(2,), quality=task.quality)
test_starts = test.starts(100, step=0)


def measure() -> dict[str, float]:
    """Quality and delay, greedily, on sentences that were not trained on."""
    policy.update_weights(full_weights(policy.module))
    batch = pack(policy.rollout(test_starts, 1, seed=None))
    parts = test.score(test_starts, batch).parts
    return {name: round(float(part.mean()), 2) for name, part in parts.items()}


before = measure()
args = GRPOConfig(
    str(out / "trl"),
    max_steps=steps,
    num_generations=8,
    per_device_train_batch_size=32,
    gradient_accumulation_steps=2,
    learning_rate=5e-4,
    lr_scheduler_type="constant",
    use_cpu=True,
    bf16=False,
    gradient_checkpointing=False,
    logging_steps=5,
    save_strategy="no",
    report_to=[],
)
trainer = SeqPOTrainer(
    model,
    scored_by(task.score, starts.__getitem__),
    args,
    train_dataset=Dataset.from_dict({"prompt": list(starts)}),
    processing_class=tokenizer,
    rollout_func=Rollout(starts.__getitem__, stop=renderer.stop, limit=12),
    objective="sspo",
    advantage="rloo",
)
trainer.train()
print("before", before)
print("after ", measure())
