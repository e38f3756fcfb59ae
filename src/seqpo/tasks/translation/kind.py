"""Translation as a kind of run: a language model is warmed up on scheduled episodes, then optimized by whole ones."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

from seqpo.evaluation.statistics import TestSet
from seqpo.policies.models import load_model
from seqpo.runs import build as shared
from seqpo.runs.kinds import Reinforced, Stage, Supervised
from seqpo.runs.systems import System
from seqpo.tasks.translation import build
from seqpo.tasks.translation.alignment import align
from seqpo.tasks.translation.config import TranslationRun
from seqpo.tasks.translation.corpora import Pair
from seqpo.tasks.translation.metrics import METRICS
from seqpo.tasks.translation.streams import ModelStreams
from seqpo.tasks.translation.systems import FIGURES, WARM_UP, streams, systems
from seqpo.tasks.translation.task import TranslationTask
from seqpo.tasks.translation.traces import Trace, format_trace
from seqpo.training import checkpoints
from seqpo.training.world import World

_TEXT = ("data.source_language", "data.target_language", "data.train", "data.skip_bad", "vocabulary", "model")

_SAMPLER = ("sampler.engine", "sampler.temperature", "sampler.precision", "sampler.correction")


def warm_up(run: TranslationRun, world: World) -> Supervised:
    """Make tokenizer and model, to be trained on scheduled episodes."""
    read = build.corpus(run.data, "train", run.seed)
    pairs = _aligned(run, read.pairs)
    shared.say(world, build.described(read, len(pairs)))
    before = checkpoints.latest(Path(run.out) / WARM_UP)
    model, tokenizer = build.beginning(run, pairs)
    tokenizer = build.load_tokenizer(before) if before else tokenizer
    policy = build.policy(run, model, tokenizer, world)
    rendering = build.renderer(run, tokenizer)
    chunks = run.dialogue.warmup_chunks or (run.dialogue.chunk,)
    task = TranslationTask(pairs, rendering, chunks, run.dialogue.layout, run.schedule, seed=run.seed)
    shared.say(world, f"{sum(p.numel() for p in model.parameters()) / 1e6:.2f} M parameters, {len(tokenizer)} tokens")
    measured = run.sft.eval_every and world.leads
    return Supervised(policy, task, build.dev_evaluation(run, model, rendering) if measured else None)


def optimization(run: TranslationRun, world: World) -> Reinforced:
    """Make policy optimization (SeqPO-SiMT, 2505.20622) from the warm-up, or from the model that the recipe names."""
    read = build.corpus(run.data, "train", run.seed)
    shared.say(world, build.described(read, len(read.pairs), "sentences"))
    warm = run.model.path if not run.sft.steps else shared.checkpoint(run, WARM_UP)
    model, tokenizer = load_model(warm), build.load_tokenizer(warm)
    policy = build.policy(run, model, tokenizer, world)
    rendering = build.renderer(run, tokenizer)
    scoring = build.scoring(run.reward, run.data)
    measured = run.train.eval_every and world.leads
    return Reinforced(
        policy,
        TranslationTask(read.pairs, rendering, (run.dialogue.chunk,), run.dialogue.layout, seed=run.seed, **scoring),
        reference=policy.snapshot() if run.kl.coefficient else None,
        kl=run.kl,
        correction=run.sampler.correction,
        evaluate=build.dev_evaluation(run, model, rendering) if measured else None,
    )


class Translation:
    """The kind `translation`; see `seqpo.runs.kinds.TaskKind`."""

    config = TranslationRun
    stages: Mapping[str, Stage[TranslationRun]] = {
        WARM_UP: Stage(warm_up, "sft", (*_TEXT, "dialogue", "schedule", "sampler.temperature")),
        "train": Stage(
            optimization,
            "train",
            (*_TEXT, "dialogue", "sft.steps", "objective", "advantage", "reward", "kl", *_SAMPLER),
        ),
    }
    metrics = METRICS
    figures = FIGURES

    def test_set(self, run: TranslationRun) -> TestSet:
        """Return the test sentences."""
        return build.held_out(run.data)

    def systems(self, run: TranslationRun) -> list[System]:
        """List policies, wait-k and offline."""
        return systems(run)

    def streams(self, run: TranslationRun, stage: str) -> ModelStreams:
        """Make a place for live streams."""
        return streams(run, stage)

    def show(self, outcome: Trace) -> str:
        """Show who read and wrote what."""
        return format_trace(outcome)


TRANSLATION = Translation()


def _aligned(run: TranslationRun, pairs: Sequence[Pair]) -> Sequence[Pair]:
    """Word-align sentences where the recipe wants it and they are not aligned yet."""
    if not run.schedule.align or all(pair.alignment is not None for pair in pairs):
        return pairs
    return align(pairs, *build.units(run.data))
