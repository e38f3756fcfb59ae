"""The systems of a translation run: its own policies, and fixed schedules with the same weights."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache, partial
from pathlib import Path
from typing import Any, cast

import torch

from seqpo.evaluation.statistics import Setting
from seqpo.policies.models import load_model
from seqpo.runs import build as shared
from seqpo.runs.recipes import FILE, load_recipe
from seqpo.runs.systems import Progress, System
from seqpo.sessions import SessionEngine
from seqpo.tasks.translation import build
from seqpo.tasks.translation.config import TranslationRun
from seqpo.tasks.translation.corpora import Pair
from seqpo.tasks.translation.dialogue import Quota, WaitK
from seqpo.tasks.translation.figures import side_by_side, staircase
from seqpo.tasks.translation.renderer import Renderer
from seqpo.tasks.translation.streams import ModelStreams
from seqpo.tasks.translation.traces import Trace

WARM_UP = "sft"


def systems(run: TranslationRun) -> list[System]:
    """List the systems of a report: each stage's own policy, wait-k and offline with the same weights.

    Raises:
        ValueError: no stage has been trained.
    """
    chunk, asked = run.dialogue.chunk, run.evaluation
    trained = shared.trained(run, WARM_UP)
    if not trained:
        raise ValueError(f"{run.out}: no stage has been trained there; run `seqpo train` first")
    make = _Maker(run)
    sizes = [size for size in asked.chunks if size != chunk] if WARM_UP in trained else []
    warm = {chunk: WARM_UP} | {size: f"{WARM_UP}-m{size}" for size in sizes} if WARM_UP in trained else {}
    listed = []
    for stage in trained:
        size = _chunk_of(run, stage)
        listed.append(make.own(stage, stage, size, warm.get(size, "") if stage != WARM_UP else ""))
    listed += [make.own(warm[size], WARM_UP, size) for size in sizes]
    for number, lender in enumerate([stage for stage in asked.fixed if stage in trained] or trained[-1:]):
        mark = f"@{lender}" if number else ""
        listed += [make.fixed(f"wait-{k}", "wait-k", lender, mark, WaitK(k)) for k in asked.wait_k]
        listed.append(make.fixed("offline", "offline", lender, mark, WaitK(None)))
    return listed


def streams(run: TranslationRun, stage: str) -> ModelStreams:
    """Make a place for live streams; see `seqpo.runs.kinds.Live`."""
    trained = shared.trained(run, WARM_UP)
    loaded = _load(run, stage or (trained[-1] if trained else WARM_UP))
    return ModelStreams(loaded.engine, loaded.renderer, run.dialogue.layout, run.dialogue.chunk, run.dialogue.limit)


@dataclass(frozen=True)
class _Loaded:
    """A stage's model."""

    engine: SessionEngine
    renderer: Renderer


def _load(run: TranslationRun, stage: str) -> _Loaded:
    folder = shared.checkpoint(run, stage)
    model = load_model(folder)
    torch.nn.Module.to(model, shared.device(run.runtime))
    rendering = build.renderer(run, build.load_tokenizer(folder))
    return _Loaded(build.evaluation_engine(model, rendering, run.evaluation.slots), rendering)


def draw_staircase(chosen: Sequence[System], pair: Pair, out: Path) -> None:
    """Draw one system's READs and WRITEs of a sentence.

    Raises:
        ValueError: several systems.
    """
    if len(chosen) > 1:
        raise ValueError("a staircase is one system's: name one, or draw outputs side by side")
    staircase(_of_one(chosen[0], pair), out)


def draw_outputs(chosen: Sequence[System], pair: Pair, out: Path) -> None:
    """Draw what systems make of a sentence side by side."""
    side_by_side({system.name: _of_one(system, pair) for system in chosen}, out)


FIGURES: Mapping[str, Callable[[Sequence[System], Any, Path], None]] = {
    "staircase": draw_staircase,
    "outputs": draw_outputs,
}
"""Figures of one sentence, by name."""


def _of_one(system: System, pair: Pair) -> Trace:
    [trace] = system.play([pair], lambda _: None)
    return cast(Trace, trace)


class _Maker:
    """Makes systems of a run; weights are loaded once for the systems of a stage, and one stage's at a time."""

    def __init__(self, run: TranslationRun) -> None:
        self._run = run
        self._load: Callable[[str], _Loaded] = lru_cache(maxsize=1)(partial(_load, run))

    def own(self, name: str, stage: str, chunk: int, baseline: str = "") -> System:
        """Let the policy of a stage decide."""
        play = partial(self._translate, stage, chunk, None)
        return System(name, stage, play, shared.family(stage), baseline=baseline, settings=self._settings("own", chunk))

    def fixed(self, name: str, family: str, lender: str, mark: str, quota: Quota) -> System:
        """Let a schedule decide, with the weights of a stage."""
        chunk = self._run.dialogue.chunk
        settings = self._settings(f"{name} with the weights of {lender}", chunk)
        play = partial(self._translate, lender, chunk, quota)
        variant_of = family if mark else ""
        return System(name + mark, lender, play, family + mark, True, variant_of, settings=settings)

    def _settings(self, policy: str, chunk: int) -> dict[str, Setting]:
        return {"policy": policy, "decoding": "greedy", "chunk": chunk, "layout": self._run.dialogue.layout}

    def _translate(
        self, stage: str, chunk: int, quota: Quota | None, pairs: Sequence[Pair], progress: Progress
    ) -> list[Trace]:
        loaded = self._load(stage)
        dialogues = [build.dialogue(self._run, pair.source, loaded.renderer, chunk) for pair in pairs]
        dialogues = [replace(dialogue, quota=quota) for dialogue in dialogues]
        return build.translate_all(loaded.engine, dialogues, self._run.dialogue.limit, progress)


def _chunk_of(run: TranslationRun, stage: str) -> int:
    """The chunk size of a stage's own policy: the one it was optimized for; the warm-up knows several."""
    file = Path(run.out) / stage / FILE
    trained_by = load_recipe(file).run if stage != WARM_UP and file.exists() else run
    chunk: int = trained_by.dialogue.chunk
    return chunk
