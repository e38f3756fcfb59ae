"""A run's language models as systems: their own policy, fixed schedules with the same weights, live interpreters."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import lru_cache, partial
from pathlib import Path

from transformers import PreTrainedModel

from seqpo.cli import build
from seqpo.cli.contest import Booth, Contestant, Tell
from seqpo.cli.probing import Decider, fixed, make_engine, own, translate_all
from seqpo.cli.recipe import Recipe, RecipeError, load_recipe
from seqpo.evaluation.scores import Setting
from seqpo.policies.models import load_model
from seqpo.sessions import Engine, Session
from seqpo.tasks.translation.corpora import Pair
from seqpo.tasks.translation.dialogue import Layout, SourceDialogue, show
from seqpo.tasks.translation.renderer import Renderer
from seqpo.tasks.translation.traces import Trace
from seqpo.tasks.translation.units import split
from seqpo.training import checkpoints


def contestants(recipe: Recipe) -> list[Contestant]:
    """List the systems of a report: each stage's own policy, wait-k and offline with the same weights.

    Raises:
        RecipeError: no stage has been trained.
    """
    chunk, asked = recipe.episode.chunk, recipe.evaluation
    trained = [stage for stage in asked.stages if checkpoints.latest(Path(recipe.out) / stage)]
    if not trained:
        raise RecipeError(f"{recipe.out}: no stage has been trained there; run `seqpo sft` first")
    # weights are loaded once for the systems of a stage, and one stage's at a time
    system = partial(_contestant, recipe, lru_cache(maxsize=1)(partial(_load, recipe)))
    sizes = [size for size in asked.chunks if size != chunk] if "sft" in trained else []
    warm = {chunk: "sft"} | {size: f"sft-m{size}" for size in sizes} if "sft" in trained else {}
    listed = []
    for stage in trained:
        size = _chunk_of(recipe, stage)
        rival = warm.get(size, "") if stage != "sft" else ""
        listed.append(system(stage, stage, size, own, "own", rival))
    listed += [system(warm[size], "sft", size, own, "own") for size in sizes]
    for number, lender in enumerate([stage for stage in asked.fixed if stage in trained] or trained[-1:]):
        mark, weights = f"@{lender}" if number else "", f"with the weights of {lender}"
        for k in asked.wait_k:
            listed.append(system(f"wait-{k}{mark}", lender, chunk, fixed(k), f"wait-{k} {weights}"))
        listed.append(system(f"offline{mark}", lender, chunk, fixed(None), f"offline {weights}"))
    return listed


def _chunk_of(recipe: Recipe, stage: str) -> int:
    """The chunk size of a stage's own policy: the one it was optimized for; the warm-up knows several."""
    file = Path(recipe.out) / stage / "recipe.toml"
    return load_recipe(file).episode.chunk if stage != "sft" and file.exists() else recipe.episode.chunk


@dataclass(frozen=True)
class _Loaded:
    """A stage's model."""

    engine: Engine
    renderer: Renderer


def _load(recipe: Recipe, stage: str) -> _Loaded:
    folder = build.stage_checkpoint(recipe, stage)
    model: PreTrainedModel = build.place(load_model(folder), build.device(recipe))
    frame = build.renderer(recipe, build.load_tokenizer(folder))
    return _Loaded(make_engine(model, frame, recipe.evaluation.slots), frame)


def _contestant(
    recipe: Recipe,
    load: Callable[[str], _Loaded],
    name: str,
    stage: str,
    chunk: int,
    decider: Decider,
    policy: str,
    rival: str = "",
) -> Contestant:
    """Make a system of a stage's weights, a chunk size, and who decides."""

    def translate(pairs: Sequence[Pair], tell: Tell) -> list[Trace]:
        loaded = load(stage)
        frame, layout = loaded.renderer, recipe.episode.layout
        sources = [tuple(split(pair.source, frame.source_unit)) for pair in pairs]
        scripts = [SourceDialogue(frame, source, chunk, layout) for source in sources]
        return translate_all(loaded.engine, scripts, decider, recipe.episode.limit, tell)

    settings: dict[str, Setting] = {
        "policy": policy,
        "decoding": "greedy",
        "chunk": chunk,
        "layout": recipe.episode.layout,
    }
    return Contestant(name, stage, translate, settings, rival)


class ModelInterpreter:
    """Translates one sentence, chunk by chunk.

    Args:
        engine: runs the session.
        renderer: of the model.
        layout: of the model.
        limit: most tokens of a turn.
    """

    def __init__(self, engine: Engine, renderer: Renderer, layout: Layout, limit: int) -> None:
        self.renderer = renderer
        self.layout = layout
        self.limit = limit
        self._session: Session = engine.open()
        self._source: list[str] = []
        self._answers: list[tuple[int, ...]] = []

    def read(self, chunk: list[str]) -> str:
        """Read a chunk and return what the policy writes after it, "" for a wait."""
        return self._turn(chunk, over=False)

    def finish(self) -> str:
        """Tell that the sentence is over, return the rest of its translation, and close the session."""
        rest = self._turn([], over=True)
        self._session.close()
        return rest

    def _turn(self, chunk: list[str], *, over: bool) -> str:
        self._source += chunk
        shown = show(self.renderer, self.layout, self._source, len(chunk), self._answers, over=over)
        if shown.reset_context:
            self._session.rewind()
        self._session.read(shown.tokens)
        self._session.write(self.limit)
        while self._session.writing:
            self._session.engine.step()
        self._answers.append(self._session.answer().tokens)
        return last_piece(self.renderer, self._answers)


def last_piece(renderer: Renderer, answers: Sequence[Sequence[int]]) -> str:
    """Return the text that the last answer added; words bring the space before them, which the first doesn't need."""
    *earlier, last = renderer.pieces([[token for token in answer if token != renderer.stop] for answer in answers])
    return last if any(earlier) else last.lstrip()


def booth(recipe: Recipe, stage: str) -> Booth:
    """Make a place to interpret in; see `Kind`."""
    trained = [name for name in recipe.evaluation.stages if (Path(recipe.out) / name).exists()]
    folder = build.stage_checkpoint(recipe, stage or (trained[-1] if trained else "sft"))
    frame = build.renderer(recipe, build.load_tokenizer(folder))
    engine, episode = make_engine(load_model(folder), frame, slots=1), recipe.episode
    how = episode.layout, episode.limit
    return Booth(frame.source_unit, episode.chunk, lambda: ModelInterpreter(engine, frame, *how))
