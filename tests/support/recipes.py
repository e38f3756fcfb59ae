"""Runs that take seconds: a recipe of each kind, and a run's folder made by hand."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

import torch

from seqpo.policies.models import ModelConfig
from seqpo.records import decode
from seqpo.runs.config import ChoiceConfig, RunConfig, RuntimeConfig
from seqpo.runs.kinds import find_kind
from seqpo.runs.recipes import Recipe
from seqpo.tasks.read_write.agent import AgentConfig
from seqpo.tasks.read_write.config import (
    BaselineConfig,
    PretrainingConfig,
    ReadWriteEvaluation,
    ReadWriteRun,
    SegmentationConfig,
    WaitIfConfig,
)
from seqpo.tasks.read_write.demonstrations import LagMixture
from seqpo.tasks.read_write.translator.network import TranslatorConfig
from seqpo.tasks.translation.config import (
    CorpusConfig,
    DataConfig,
    DialogueConfig,
    RewardConfig,
    TranslationEvaluation,
    TranslationRun,
)
from seqpo.tasks.translation.dialogue import Layout
from seqpo.training.loop import LoopConfig
from seqpo.training.optimizer import OptimizerConfig
from seqpo.training.supervised import SupervisedConfig
from seqpo.training.world import full_weights
from tests.support.bandit_kind import BanditRun
from tests.support.translation import translator

STRANGER = "tests.support.bandit_kind:BANDIT"
_HERE = RuntimeConfig(device="cpu", threads=1)
_DATA = DataConfig(train=CorpusConfig(count=40), dev=CorpusConfig(count=3), test=CorpusConfig(count=4))

RUNS: Mapping[str, RunConfig] = {
    "translation": TranslationRun(
        vocabulary=320,
        data=_DATA,
        model=ModelConfig(width=32, layers=1, heads=2, kv_heads=2, ffn=48, dropout=0.1),
        dialogue=DialogueConfig(chunk=2, limit=4),
        sft=SupervisedConfig(6, 4, log_every=1, eval_every=4, save_every=2, optimizer=OptimizerConfig(3e-3, 2)),
        train=LoopConfig(steps=4, groups_per_step=2, group_size=3, save_every=2),
        evaluation=TranslationEvaluation(wait_k=(1, 3), resamples=20),
        runtime=_HERE,
    ),
    "read-write": ReadWriteRun(
        vocabulary=320,
        data=_DATA,
        translator=PretrainingConfig(
            TranslatorConfig(16, 24, 16, dropout=0.1),
            prefixes=0.2,
            max_pieces=60,
            train=SupervisedConfig(6, 8, log_every=1, eval_every=4, save_every=2, optimizer=OptimizerConfig(1e-2, 2)),
        ),
        agent=AgentConfig(8),
        schedule=LagMixture(k=(3, 3)),
        sft=SupervisedConfig(4, 4, log_every=1, eval_every=4, save_every=2, optimizer=OptimizerConfig(1e-2, 2)),
        reward=RewardConfig(latency="ap", fuse=ChoiceConfig("gu", {"alpha": 0.0, "beta": -1.0, "ap_target": 0.5})),
        critic=BaselineConfig(hidden=6),
        train=LoopConfig(steps=4, groups_per_step=2, group_size=3, save_every=2, eval_every=2, entropy=0.01),
        evaluation=ReadWriteEvaluation(
            wait_k=(1, 3),
            beam=2,
            wait_if=WaitIfConfig((1, 2), (1,)),
            segmentation=SegmentationConfig((4.0,), sentences=6, max_length=4),
            resamples=20,
        ),
        runtime=_HERE,
    ),
    STRANGER: BanditRun(train=LoopConfig(steps=5, groups_per_step=4, group_size=3, save_every=2), runtime=_HERE),
}
"""A tiny run of each kind. A new kind is tested by adding one."""


def recipe(kind: str, out: Path, **changes: Any) -> Recipe:
    """Make a tiny run of a kind in this folder; keys to be changed are dotted, as in `**{"sft.steps": 2}`."""
    run = RUNS[kind]
    data = asdict(run)
    for key, value in {"out": str(out), **changes}.items():
        *sections, name = key.split(".")
        table = data
        for section in sections:
            table = table[section]
        table[name] = value
    return Recipe(kind, find_kind(kind), decode(type(run), data, name="the recipe"))


def write(made: Recipe, folder: Path) -> Path:
    """Write a recipe into a folder; return the file."""
    file = folder / "tiny.toml"
    made.save(file)
    return file


def untrained_run(folder: Path, *, chunk: int = 1, layout: Layout = "interleaved") -> Path:
    """Make a translation run whose policy has random weights, and so writes at once and much."""
    policy = translator(torch.float32)
    changes = {"dialogue.chunk": chunk, "dialogue.layout": layout, "dialogue.limit": 3}
    recipe("translation", folder, **changes).save(folder / "sft" / "recipe.toml")
    policy.save(folder / "sft" / "checkpoint-00000001", full_weights(policy.module))
    return folder
