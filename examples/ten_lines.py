"""The library in ten lines: `python examples/ten_lines.py 600 30 runs/ten` warms up, optimizes, and translates."""

import sys
from pathlib import Path

import seqpo
from seqpo.tasks import translation

warm_up, steps, out = int(sys.argv[1]), int(sys.argv[2]), Path(sys.argv[3])
pairs = translation.grammar.sample("de-en", 5000, 0, "train")
tokenizer = translation.train_tokenizer((text for pair in pairs for text in (pair.source, pair.target)), size=1000)
renderer = translation.plain_renderer(tokenizer, "word", "word")
task = translation.TranslationTask(pairs, renderer, quality=translation.quality.get("bleu", language="en"))
model = seqpo.new_model(seqpo.ModelConfig(width=64), len(tokenizer), renderer.stop, seed=0)
policy = seqpo.CausalLMPolicy(model, tokenizer, stop=renderer.stop)
seqpo.train_supervised(policy, task, seqpo.SupervisedConfig(warm_up), stage=out / "sft")
sspo, rloo = seqpo.objectives.get("sspo"), seqpo.advantages.get("rloo")
seqpo.optimize(policy, task, sspo, rloo, seqpo.LoopConfig(steps, groups_per_step=8), stage=out / "policy")
(start,) = task.starts(1, step=0)
(episode,) = policy.rollout([start], group_size=1, seed=0)
print(translation.format_trace(start.trace(episode).merged()))
