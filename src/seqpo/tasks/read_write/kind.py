"""READ/WRITE as a kind of run (Gu et al. 2016, 1610.00388): a translator, then agents that decide over it."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from seqpo.evaluation.statistics import TestSet
from seqpo.runs import build as shared
from seqpo.runs.kinds import Reinforced, Stage, Supervised
from seqpo.runs.systems import System
from seqpo.tasks.read_write import build
from seqpo.tasks.read_write.build import PRETRAINING, WARM_UP, BaselineCritic
from seqpo.tasks.read_write.config import ReadWriteRun
from seqpo.tasks.read_write.demonstrations import Demonstrations
from seqpo.tasks.read_write.policy import ReadWritePolicy
from seqpo.tasks.read_write.streams import AgentStreams
from seqpo.tasks.read_write.systems import draw_attention, streams, systems
from seqpo.tasks.read_write.translator.pairs import PairTask, fitting
from seqpo.tasks.read_write.translator.policy import TranslatorPolicy
from seqpo.tasks.translation import build as translation
from seqpo.tasks.translation.metrics import METRICS
from seqpo.tasks.translation.renderer import plain_renderer
from seqpo.tasks.translation.systems import FIGURES
from seqpo.tasks.translation.traces import Trace, format_trace
from seqpo.training import checkpoints
from seqpo.training.world import World

_TEXT = ("data.source_language", "data.target_language", "data.train", "data.skip_bad", "vocabulary")
_TRANSLATOR = (*_TEXT, "translator.model", "translator.prefixes", "translator.max_pieces")


def pretraining(run: ReadWriteRun, world: World) -> Supervised:
    """Make tokenizer and translator, to be trained on whole sentence pairs."""
    train = translation.corpus(run.data, "train", run.seed)
    tokenizer = build.tokenizer(run, train)
    rendering = plain_renderer(tokenizer, *translation.units(run.data))
    pairs = fitting(train.pairs, rendering, run.translator.max_pieces)
    shared.say(world, translation.described(train, len(pairs)))
    left_out = len(train.pairs) - len(pairs)
    shared.say(world, f"{left_out} left out, of more than {run.translator.max_pieces} pieces")
    translator = build.new_translator(run, rendering)
    count = sum(p.numel() for p in translator.parameters())
    shared.say(world, f"{count / 1e6:.2f} M parameters, {len(tokenizer)} tokens")
    measured = run.translator.train.eval_every and world.leads
    evaluate = build.translator_evaluation(run, translator.to(world.device), rendering) if measured else None
    policy = TranslatorPolicy(translator, tokenizer, autocast=shared.autocast(run.runtime))
    return Supervised(policy, PairTask(pairs, rendering, run.translator.prefixes, run.seed), evaluate)


def warm_up(run: ReadWriteRun, world: World) -> Supervised:
    """Make an agent, to imitate wait-k of many k over the run's translator."""
    over = build.setup(run, world.device, run.translator.slots)
    task = build.training_task(run, over, world)
    policy = ReadWritePolicy(over.decoding, build.new_agent(run, over.observed))
    evaluate = build.agent_evaluation(run, over) if run.sft.eval_every and world.leads else None
    return Supervised(policy, Demonstrations(policy, task, run.schedule), evaluate)


def optimization(run: ReadWriteRun, world: World) -> Reinforced:
    """Make an agent and its baseline over the frozen translator, from the warm-up if there is one."""
    over = build.setup(run, world.device, run.translator.slots)
    task = build.training_task(run, over, world, **translation.scoring(run.reward, run.data))
    agent = build.new_agent(run, over.observed)
    if run.sft.steps and (warm := checkpoints.latest(Path(run.out) / WARM_UP)):
        build.begin_with(agent, warm)
        shared.say(world, f"begins with {warm}")
    needs_values = "values" in shared.advantage(run).needs
    return Reinforced(
        ReadWritePolicy(over.decoding, agent),
        task,
        critic=BaselineCritic(build.new_baseline(run, over.observed)) if needs_values else None,
        critic_config=run.critic,
        evaluate=build.agent_evaluation(run, over) if run.train.eval_every and world.leads else None,
    )


class ReadWrite:
    """The kind `read-write`; see `seqpo.runs.kinds.TaskKind`."""

    config = ReadWriteRun
    stages: Mapping[str, Stage[ReadWriteRun]] = {
        PRETRAINING: Stage(pretraining, "translator.train", _TRANSLATOR),
        WARM_UP: Stage(warm_up, "sft", (*_TRANSLATOR, "agent", "schedule")),
        "train": Stage(
            optimization, "train", (*_TRANSLATOR, "agent", "objective", "advantage", "reward", "critic", "sft.steps")
        ),
    }
    metrics = METRICS
    figures: Mapping[str, Callable[[Sequence[System], Any, Path], None]] = {**FIGURES, "staircase": draw_attention}

    def test_set(self, run: ReadWriteRun) -> TestSet:
        """Return the test sentences."""
        return translation.held_out(run.data)

    def systems(self, run: ReadWriteRun) -> list[System]:
        """List agents and the baselines over the same translator."""
        return systems(run)

    def streams(self, run: ReadWriteRun, stage: str) -> AgentStreams:
        """Make a place for live streams."""
        return streams(run, stage)

    def show(self, outcome: Trace) -> str:
        """Show who read and wrote what."""
        return format_trace(outcome)


READ_WRITE = ReadWrite()
