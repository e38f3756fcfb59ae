"""`seqpo sft` and `seqpo train`: the two stages of a run."""

from __future__ import annotations

import sys
from contextlib import AbstractContextManager
from dataclasses import replace
from pathlib import Path

from transformers.utils.logging import disable_progress_bar

from seqpo.cli import build
from seqpo.cli.probing import dev_probe
from seqpo.cli.recipe import Recipe, RecipeError, save_recipe
from seqpo.policies.models import load_model
from seqpo.tasks.translation.alignment import align
from seqpo.tasks.translation.corpora import Corpus
from seqpo.training import checkpoints
from seqpo.training.loop import optimize
from seqpo.training.requirements import check_credit, check_requirements
from seqpo.training.supervised import train_supervised
from seqpo.training.world import World, join_world


def sft(recipe: Recipe, *, resume: bool = False) -> Path:
    """Train tokenizer and model on demonstrations; return the stage's folder."""
    with join(recipe) as world:
        stage = stage_folder(recipe, "sft", resume, world)
        train = _aligned(recipe, build.corpus(recipe, "train"))
        say(world, f"{len(train.pairs)} sentence pairs from {train.name}", train.skipped)
        start = build.load_tokenizer(found) if resume and (found := checkpoints.latest(stage)) else None
        model, tokenizer = build.beginning(recipe, train)
        tokenizer = start or tokenizer
        policy = build.policy(recipe, model, tokenizer, world)
        chunks = recipe.episode.warmup_chunks or (recipe.episode.chunk,)
        task = build.task(recipe, train, build.renderer(recipe, tokenizer), chunks)
        say(world, f"{sum(p.numel() for p in model.parameters()) / 1e6:.2f} M parameters, {len(tokenizer)} tokens")
        probe = None
        if recipe.sft.eval_every and world.leads:
            dev = build.corpus(recipe, "dev")
            judged = replace(task, chunks=(recipe.episode.chunk,))
            probe = dev_probe(
                model, judged, dev.pairs, recipe.data.target_language, recipe.episode.limit, recipe.runtime.slots
            )
        train_supervised(
            policy,
            task,
            recipe.sft,
            world=world,
            stage=stage,
            resume_weights=build.checkpoint_weights if resume else None,
            probe=probe,
        )
    return stage


def train(recipe: Recipe, *, resume: bool = False) -> Path:
    """Improve the warm-up policy by SeqPO-SiMT; return the stage's folder."""
    objective, advantage = build.objective(recipe.objective), build.advantage(recipe.advantage)
    with join(recipe) as world:
        data = build.corpus(recipe, "train")
        say(world, f"{len(data.pairs)} sentences from {data.name}", data.skipped)
        warm = _warm(recipe)
        model, tokenizer = load_model(warm), build.load_tokenizer(warm)
        policy = build.policy(recipe, model, tokenizer, world)
        task = build.task(recipe, data, build.renderer(recipe, tokenizer), (recipe.episode.chunk,))
        check_requirements(advantage, task)
        check_credit(objective, advantage)
        stage = stage_folder(recipe, recipe.stage, resume, world)
        probe = None
        if recipe.train.eval_every and world.leads:
            dev = build.corpus(recipe, "dev")
            probe = dev_probe(
                model, task, dev.pairs, recipe.data.target_language, recipe.episode.limit, recipe.runtime.slots
            )
        optimize(
            policy,
            task,
            objective,
            advantage,
            replace(recipe.train, seed=recipe.seed),
            world=world,
            stage=stage,
            reference=policy.snapshot() if recipe.train.kl.coefficient else None,
            resume_weights=build.checkpoint_weights if resume else None,
            probe=probe,
        )
    return stage


def _warm(recipe: Recipe) -> str | Path:
    """Where policy optimization begins: the run's warm-up, or else the model that the recipe names."""
    if recipe.model.path and checkpoints.latest(Path(recipe.out) / "sft") is None:
        return recipe.model.path
    return build.stage_checkpoint(recipe, "sft")


def join(recipe: Recipe) -> AbstractContextManager[World]:
    """Join the processes of the run, on the recipe's device and threads."""
    disable_progress_bar()
    build.tune(recipe.runtime)
    return join_world(recipe.runtime.device, recipe.runtime.parallel)


def stage_folder(recipe: Recipe, name: str, resume: bool, world: World) -> Path:
    """Prepare the folder of a stage, and save the resolved recipe in it."""
    stage = Path(recipe.out) / name
    if not resume and (stage.exists() and any(stage.iterdir())):
        raise RecipeError(f"{stage} is not empty: give another --out, --resume it, or remove it")
    world.barrier()
    if world.leads:
        stage.mkdir(parents=True, exist_ok=True)
        save_recipe(recipe, stage / "recipe.toml")
    return stage


def _aligned(recipe: Recipe, corpus: Corpus) -> Corpus:
    """Word-align a corpus where the recipe wants it and the corpus is not aligned yet."""
    if not recipe.data.align or all(pair.alignment is not None for pair in corpus.pairs):
        return corpus
    units = build.unit_of(recipe.data.source_language), build.unit_of(recipe.data.target_language)
    return replace(corpus, pairs=align(corpus.pairs, *units))


def say(world: World, text: str, skipped: int = 0) -> None:
    """Tell the user something, once."""
    if world.leads:
        print(text + (f" ({skipped} bad records skipped)" if skipped else ""), file=sys.stderr)
