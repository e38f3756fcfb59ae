"""The library in ten lines: `python examples/ten_lines.py 600 30 runs/ten` warms up, optimizes, and translates."""

import sys
from pathlib import Path

from seqpo import advantages, objectives
from seqpo.policies.causal_lm import CausalLMPolicy
from seqpo.policies.models import ModelConfig, new_model
from seqpo.tasks.translation import grammar, quality
from seqpo.tasks.translation.renderer import plain_renderer
from seqpo.tasks.translation.task import TranslationTask
from seqpo.tasks.translation.traces import format_trace
from seqpo.tasks.translation.vocabulary import train_tokenizer
from seqpo.training.loop import KLConfig, LoopConfig, optimize
from seqpo.training.supervised import SupervisedConfig, train_supervised
from seqpo.training.world import World

warm_up, steps, out = int(sys.argv[1]), int(sys.argv[2]), Path(sys.argv[3])
pairs = grammar.sample("de-en", 5000, 0, "train")
tokenizer = train_tokenizer((text for pair in pairs for text in (pair.source, pair.target)), size=1000)
renderer = plain_renderer(tokenizer, "word", "word")
model = new_model(ModelConfig(width=64), len(tokenizer), renderer.stop, seed=0)
policy = CausalLMPolicy(model, tokenizer, stop=renderer.stop)
task = TranslationTask(pairs, renderer, quality=quality.get("bleu", language="en"))
train_supervised(policy, task, SupervisedConfig(warm_up), world=World(), stage=out / "sft")
loop = LoopConfig(steps, starts=8, kl=KLConfig(0.0))
optimize(policy, task, objectives.get("sspo"), advantages.get("rloo"), loop, world=World(), stage=out / "seqpo")
(start,) = task.starts(1, step=0)
(episode,) = policy.rollout([start], group_size=1, seed=0)
print(format_trace(start.script.trace([turn.action for turn in episode.turns])))
