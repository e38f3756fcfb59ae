"""Playing a corpus through a model, by its own policy or by a fixed schedule."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

import torch
from torch import Tensor
from transformers import PreTrainedModel

from seqpo.evaluation.scores import score
from seqpo.sessions import Engine, play
from seqpo.tasks.translation.corpora import Pair
from seqpo.tasks.translation.dialogue import SourceDialogue, WaitK
from seqpo.tasks.translation.renderer import Renderer
from seqpo.tasks.translation.task import TranslationTask
from seqpo.tasks.translation.traces import Trace
from seqpo.types import TokenEnv

Decider = Callable[[SourceDialogue], TokenEnv]
"""Who decides when to write: turns a source's script into the one that is played."""


def own(script: SourceDialogue) -> TokenEnv:
    """Let the model decide."""
    return script


def fixed(k: int | None) -> Decider:
    """Let wait-k decide; None waits until the end."""
    return lambda script: WaitK(script, k)


def translate_all(
    engine: Engine,
    scripts: Sequence[SourceDialogue],
    decider: Decider,
    limit: int,
    progress: Callable[[int], None] | None = None,
) -> list[Trace]:
    """Translate greedily, and record who read and wrote what."""
    played = play(engine, [decider(script) for script in scripts], limit=limit, progress=progress)
    return [script.trace([answer.tokens for _, answer in turns]) for script, turns in zip(scripts, played, strict=True)]


def make_engine(model: PreTrainedModel, frame: Renderer, slots: int, dtype: torch.dtype | None = None) -> Engine:
    """Make an engine that can also follow quotas of target units."""
    return Engine(model, stop=frame.stop, slots=slots, dtype=dtype, unit_starts=frame.unit_starts)


def dev_probe(
    model: PreTrainedModel, task: TranslationTask, pairs: Sequence[Pair], language: str, limit: int, slots: int
) -> Callable[[Mapping[str, Tensor]], dict[str, float]]:
    """Return a function that measures weights on the development set: BLEU, chrF, AL."""
    engine = make_engine(model, task.renderer, slots)
    scripts = [task.script(pair, task.chunks[0]) for pair in pairs]

    def probe(weights: Mapping[str, Tensor]) -> dict[str, float]:
        engine.update_weights({name.removeprefix("model."): value for name, value in weights.items()})
        traces = translate_all(engine, scripts, own, limit)
        return readings(traces, pairs, language, ("bleu", "chrf", "al", "al_std"))

    return probe


def readings(traces: Sequence[Trace], pairs: Sequence[Pair], language: str, keys: Sequence[str]) -> dict[str, float]:
    """Score what was made of development sentences, for a learning curve.

    Args:
        traces: one per sentence.
        pairs: the sentences.
        language: of the target.
        keys: scores of a `System`; the waits before verbs are added where these are annotated.
    """
    references = [pair.target for pair in pairs]
    system = score("dev", traces, references, language=language, pairs=pairs, resamples=2)
    found = {f"dev/{key}": float(getattr(system, key)) for key in keys}
    if system.verb_wait is not None and system.other_wait is not None:
        found |= {"dev/verb_wait": system.verb_wait, "dev/other_wait": system.other_wait}
    return found
