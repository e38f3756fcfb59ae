"""Runs that take seconds: a recipe of a few steps, and a run's folder made by hand."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import torch

from seqpo.cli.recipe import EpisodeConfig, Recipe, save_recipe
from seqpo.tasks.translation.dialogue import Layout
from seqpo.training.world import full_weights
from tests.support.translation import translator

TINY = """
vocabulary = 320
[data]
train = { path = "grammar", count = 40 }
dev = { path = "grammar", count = 3 }
test = { path = "grammar", count = 4 }
[model]
width = 32
layers = 1
heads = 2
kv_heads = 2
ffn = 48
dropout = 0.1
[episode]
chunk = 2
limit = 4
[sft]
steps = 6
batch = 4
log_every = 1
eval_every = 4
save_every = 2
optimizer = { lr = 3e-3, warmup = 2 }
[train]
steps = 4
starts = 2
group_size = 3
save_every = 1
kl = { coefficient = 0.02 }
[evaluation]
wait_k = [1, 3]
resamples = 20
[runtime]
device = "cpu"
threads = 1
"""


def write_recipe(folder: Path, *, out: str = "run", text: str = TINY) -> str:
    """Write the recipe of a run in the same folder; return its path."""
    file = folder / "tiny.toml"
    file.write_text(f'out = "{folder / out}"\n{text}', encoding="utf-8")
    return str(file)


def untrained_run(folder: Path, *, chunk: int = 1, layout: Layout = "interleaved") -> Path:
    """A run whose policy has random weights, and so writes at once and much."""
    policy = translator(torch.float32)
    recipe = Recipe(out=str(folder), episode=EpisodeConfig(chunk=chunk, layout=layout, limit=3))
    recipe = replace(recipe, runtime=replace(recipe.runtime, device="cpu", threads=1))
    save_recipe(recipe, folder / "sft" / "recipe.toml")
    policy.save(folder / "sft" / "checkpoint-00000001", full_weights(policy.module))
    return folder
