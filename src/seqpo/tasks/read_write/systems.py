"""The systems over a run's translator: its agents, greedy or with a beam, and all that they are compared with."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray

from seqpo.evaluation.statistics import Setting
from seqpo.runs import build as shared
from seqpo.runs.systems import Progress, System
from seqpo.tasks.read_write import build
from seqpo.tasks.read_write.agent import AskAgent
from seqpo.tasks.read_write.beam import beam_search
from seqpo.tasks.read_write.build import PRETRAINING, TranslatorSetup
from seqpo.tasks.read_write.config import ReadWriteRun
from seqpo.tasks.read_write.deciders import WaitIfDiff, WaitIfWorse, WaitK, WaitOneStep, WaitUntilEnd
from seqpo.tasks.read_write.decoding import Decider, decode
from seqpo.tasks.read_write.segmentation.systems import segmentation_systems
from seqpo.tasks.read_write.streams import AgentStreams
from seqpo.tasks.read_write.task import encode_source
from seqpo.tasks.translation.corpora import Pair
from seqpo.tasks.translation.figures import staircase
from seqpo.tasks.translation.systems import draw_staircase
from seqpo.tasks.translation.traces import Trace

_AT_ONCE = 512  # sentences between two reports of progress


@dataclass(frozen=True)
class Decided:
    """Translates with somebody who decides.

    Attributes:
        over: the translator.
        decider: makes who decides; anew for each use, for it may remember.
        beam: hypotheses; 1 is greedy.
    """

    over: TranslatorSetup
    decider: Callable[[], Decider]
    beam: int = 1

    def __call__(self, pairs: Sequence[Pair], progress: Progress) -> list[Trace]:
        """Translate sentences."""
        over = self.over
        traces: list[Trace] = []
        for first in range(0, len(pairs), _AT_ONCE):
            sources = over.sources(pairs[first : first + _AT_ONCE])
            encoded = [encode_source(over.renderer, units) for units in sources]
            if self.beam > 1:
                found = beam_search(over.decoding, encoded, self.decider(), self.beam)
            else:
                found = decode(over.decoding, encoded, self.decider())
            traces += [over.trace(units, steps) for units, steps in zip(sources, found, strict=True)]
            progress(len(traces))
        return traces

    def attend(self, pair: Pair) -> tuple[Trace, NDArray[np.float32]]:
        """Translate a sentence greedily, and tell what each target unit attended to: `[target units, source units]`."""
        [units] = self.over.sources([pair])
        encoded = encode_source(self.over.renderer, units)
        [steps] = decode(self.over.decoding, [encoded], self.decider(), attention=True)
        return self.over.trace(units, steps), self.over.attention(encoded, steps)


def systems(run: ReadWriteRun) -> list[System]:
    """List the systems of a report: the trained agents, and the baselines of Gu et al. (2016, §6.1) and wait-k.

    Raises:
        ValueError: no translator has been trained.
    """
    asked, device = run.evaluation, shared.device(run.runtime)
    over = build.setup(run, device, asked.slots)
    listed: list[System] = []
    for stage in shared.trained(run):
        decided = Decided(over, partial(_ask, run, stage, device))
        own = System(stage, stage, decided, shared.family(stage), settings=_told(stage))
        listed += _with_beam(own, decided, asked.beam)
    whole = Decided(over, WaitUntilEnd)
    listed += _with_beam(_rule(over, "wait-until-end", WaitUntilEnd), whole, asked.beam)
    listed.append(_rule(over, "wait-one-step", WaitOneStep))
    for first, peek in ((first, peek) for first in asked.wait_if.first for peek in asked.wait_if.peek):
        listed.append(
            _rule(over, "wait-if-worse", partial(WaitIfWorse, first, peek), name=f"wait-if-worse-{first}.{peek}")
        )
        listed.append(
            _rule(over, "wait-if-diff", partial(WaitIfDiff, first, peek), name=f"wait-if-diff-{first}.{peek}")
        )
    listed += [_rule(over, "wait-k", partial(WaitK, k), name=f"wait-{k}") for k in asked.wait_k]
    return listed + segmentation_systems(run, over)


def streams(run: ReadWriteRun, stage: str) -> AgentStreams:
    """Make a place for live streams; see `seqpo.runs.kinds.Live`."""
    device = torch.device("cpu")
    over = build.setup(run, device, run.evaluation.slots)
    agent = build.agent_of(run, stage or (shared.trained(run) or [run.stage])[-1], device)
    return AgentStreams(over.decoding, over.renderer, AskAgent(agent, over.decoding.slots))


def draw_attention(chosen: Sequence[System], pair: Pair, out: Path) -> None:
    """Draw one system's READs and WRITEs of a sentence, over its attention where it is greedy."""
    play = chosen[0].play
    if len(chosen) == 1 and isinstance(play, Decided) and play.beam == 1:
        trace, attention = play.attend(pair)
        staircase(trace, out, attention=attention)
    else:
        draw_staircase(chosen, pair, out)


def _ask(run: ReadWriteRun, stage: str, device: torch.device) -> Decider:
    """Let a stage's agent decide."""
    return AskAgent(build.agent_of(run, stage, device), run.evaluation.slots)


def _rule(over: TranslatorSetup, family: str, decider: Callable[[], Decider], *, name: str = "") -> System:
    """Make a system of a rule, of the family's name where it has no own."""
    name = name or family
    return System(name, PRETRAINING, Decided(over, decider), family, is_baseline=True, settings=_told(name))


def _with_beam(system: System, decided: Decided, beam: int) -> Iterator[System]:
    """Yield a system and, where the beam is more than one, another with that beam, to be tested against the first."""
    yield system
    if beam > 1:
        yield replace(
            system,
            name=f"{system.name}-beam",
            play=replace(decided, beam=beam),
            family=f"{system.family}-beam",
            variant_of=system.family,
            baseline=system.name,
            settings=_told(system.name, f"beam {beam}"),
        )


def _told(policy: str, decoding: str = "greedy") -> dict[str, Setting]:
    return {"policy": policy, "decoding": decoding}
