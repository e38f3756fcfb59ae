"""The systems over a run's translator: its agents, greedy or with a beam, and all that they are compared with."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from functools import partial

import numpy as np
from numpy.typing import NDArray

from seqpo.cli import build, segmenting
from seqpo.cli.contest import Contestant, Tell
from seqpo.cli.pretraining import STAGE
from seqpo.cli.read_write import TranslatorSetup, agent_of, trained, translator_setup
from seqpo.cli.recipe import Recipe
from seqpo.tasks.read_write.agent import AskAgent
from seqpo.tasks.read_write.beam import beam_search
from seqpo.tasks.read_write.deciders import WaitIfDiff, WaitIfWorse, WaitK, WaitOneStep, WaitUntilEnd
from seqpo.tasks.read_write.decoding import Decider, decode
from seqpo.tasks.read_write.task import spoken
from seqpo.tasks.translation.corpora import Pair
from seqpo.tasks.translation.traces import Trace

_AT_ONCE = 512  # sentences between two reports of progress


def contestants(recipe: Recipe) -> list[Contestant]:
    """List the systems of a report: the trained agents, and the baselines of Gu et al. (2016, §6.1) and wait-k.

    Raises:
        RecipeError: no translator has been trained.
    """
    asked = recipe.evaluation
    device = build.device(recipe)
    setup = translator_setup(recipe, device, asked.slots)
    listed: list[Contestant] = []
    for stage in trained(recipe):
        listed += _greedy_and_beam(setup, stage, stage, _asking(recipe, stage), asked.beam)
    listed += _greedy_and_beam(setup, "wait-until-end", STAGE, WaitUntilEnd, asked.beam)
    listed.append(_system(setup, "wait-one-step", STAGE, WaitOneStep))
    for first, peek in ((first, peek) for first in asked.wait_if.first for peek in asked.wait_if.peek):
        listed.append(_system(setup, f"wait-if-worse-{first}.{peek}", STAGE, partial(WaitIfWorse, first, peek)))
        listed.append(_system(setup, f"wait-if-diff-{first}.{peek}", STAGE, partial(WaitIfDiff, first, peek)))
    listed += [_system(setup, f"wait-{k}", STAGE, partial(WaitK, k)) for k in asked.wait_k]
    return listed + segmenting.contestants(recipe, setup)


def _asking(recipe: Recipe, stage: str) -> Callable[[], Decider]:
    """Let a stage's agent decide."""
    return lambda: AskAgent(agent_of(recipe, stage, build.device(recipe)), recipe.evaluation.slots)


def _greedy_and_beam(
    setup: TranslatorSetup, name: str, stage: str, decider: Callable[[], Decider], beam: int
) -> Iterator[Contestant]:
    """Make a system and, where the beam is more than one, another with that beam, to be tested against the first."""
    yield _system(setup, name, stage, decider)
    if beam > 1:
        yield _system(setup, f"{name}-beam", stage, decider, beam, rival=name)


def _system(
    setup: TranslatorSetup, name: str, stage: str, decider: Callable[[], Decider], beam: int = 1, rival: str = ""
) -> Contestant:
    """Make a system of who decides; a decider is made for each use, for it may remember."""

    def translate(pairs: Sequence[Pair], tell: Tell) -> list[Trace]:
        traces: list[Trace] = []
        for first in range(0, len(pairs), _AT_ONCE):
            sources = setup.sources(pairs[first : first + _AT_ONCE])
            heard = [spoken(setup.renderer, units) for units in sources]
            if beam > 1:
                found = beam_search(setup.decoding, heard, decider(), beam)
            else:
                found = decode(setup.decoding, heard, decider())
            traces += [setup.trace(units, steps) for units, steps in zip(sources, found, strict=True)]
            tell(len(traces))
        return traces

    def attend(pair: Pair) -> tuple[Trace, NDArray[np.float32]]:
        [units] = setup.sources([pair])
        heard = spoken(setup.renderer, units)
        [steps] = decode(setup.decoding, [heard], decider(), attention=True)
        return setup.trace(units, steps), setup.attention(heard, steps)

    settings = {"policy": name.removesuffix("-beam"), "decoding": f"beam {beam}" if beam > 1 else "greedy"}
    return Contestant(name, stage, translate, dict(settings), rival, attend if beam == 1 else None)
