"""The one way to train: every stage of every kind goes through `run_stage`."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from seqpo.runs import build
from seqpo.runs.kinds import Reinforced, Supervised
from seqpo.runs.recipes import FILE, Recipe, RecipeError, changed, load_recipe
from seqpo.training import checkpoints
from seqpo.training.loop import LoopConfig, optimize
from seqpo.training.requirements import check_credit, check_requirements
from seqpo.training.supervised import SupervisedConfig, train_supervised
from seqpo.training.world import World

_HARMLESS = ("log_every", "eval_every", "save_every", "micro_tokens")
"""Keys of a section that change no result."""


def train(recipe: Recipe, *, only: str | None = None, resume: bool = False) -> list[Path]:
    """Run the stages of a recipe in order, and skip those that are finished.

    Args:
        recipe: of any kind.
        only: run this stage alone.
        resume: go on with a stage that was interrupted, from its newest checkpoint.

    Returns:
        The folders of the stages; none on processes that don't lead.

    Raises:
        RecipeError: no such stage, or a folder of another run.
    """
    names = [only] if only else [name for name in recipe.kind.stages if recipe.stage(name).config(recipe.run).steps]
    folders = []
    with build.join(recipe.run.runtime) as world:
        for name in names:
            if only is None and finished(recipe, name):
                build.say(world, f"{recipe.folder(name)}: finished")
            else:
                run_stage(recipe, name, world, resume=resume)
            folders.append(recipe.folder(name))
        return folders if world.leads else []


def plan(recipe: Recipe, *, only: str | None = None, resume: bool = False) -> list[str]:
    """Say what `train` would do.

    Raises:
        RecipeError: what it would refuse.
    """
    lines = []
    for name in [only] if only else list(recipe.kind.stages):
        folder, steps = recipe.folder(name), recipe.stage(name).config(recipe.run).steps
        if not steps:
            lines.append(f"{name}: left out, of no steps")
        elif only is None and finished(recipe, name):
            lines.append(f"{name}: finished, {folder}")
        else:
            _check_folder(recipe, name, resume)
            found = checkpoints.latest(folder) if resume else None
            begin = f"go on from {found}" if found else "begin"
            lines.append(f"{name}: {begin}, to step {steps}, in {folder}")
    return lines


def run_stage(recipe: Recipe, name: str, world: World, *, resume: bool = False) -> None:
    """Train what a stage makes.

    Raises:
        RecipeError: a folder of another run.
        ValueError: what can't be trained together; nothing has been written then.
    """
    stage, run, folder = recipe.stage(name), recipe.run, recipe.folder(name)
    _check_folder(recipe, name, resume)
    world.barrier()
    made, config = stage.make(run, world), stage.config(run)
    match made, config:
        case Supervised(), SupervisedConfig():
            _prepare(recipe, folder, world)
            train_supervised(
                *(made.policy, made.task, config),
                stage=folder,
                world=world,
                resume=resume,
                evaluate=made.evaluate,
            )
        case Reinforced(), LoopConfig():
            objective, advantage = build.objective(run), build.advantage(run)
            check_requirements(advantage, made.task, made.critic)
            check_credit(objective, advantage)
            _prepare(recipe, folder, world)
            optimize(
                *(made.policy, made.task, objective, advantage, config),
                stage=folder,
                seed=run.seed,
                world=world,
                resume=resume,
                critic=made.critic,
                critic_config=made.critic_config,
                reference=made.reference,
                kl=made.kl,
                correction=made.correction,
                evaluate=made.evaluate,
            )
        case _:
            raise RecipeError(
                f"stage {name!r} makes a {type(made).__name__}, which its section {stage.section!r}, a "
                f"{type(config).__name__}, can't train"
            )


def finished(recipe: Recipe, name: str) -> bool:
    """Tell whether a stage has taken all its steps.

    Raises:
        RecipeError: it has, by another recipe.
    """
    stage, folder = recipe.stage(name), recipe.folder(name)
    found = checkpoints.latest(folder)
    if found is None or checkpoints.step_of(found) < stage.config(recipe.run).steps:
        return False
    _refuse_changed(recipe, name, ("seed", stage.section, *stage.depends))
    return True


def _check_folder(recipe: Recipe, name: str, resume: bool) -> None:
    """Raise where a stage can't begin in its folder, or can't go on there."""
    folder = recipe.folder(name)
    if not resume and folder.exists() and any(folder.iterdir()):
        raise RecipeError(f"{folder} is not empty: give another --out, --resume it, or remove it")
    _refuse_changed(recipe, name, ("seed", *recipe.stage(name).depends))


def _refuse_changed(recipe: Recipe, name: str, keys: Sequence[str]) -> None:
    """Raise where a stage was begun by another recipe, if it was begun at all."""
    file = recipe.folder(name) / FILE
    if not file.exists():
        return
    before = load_recipe(file)
    differs = [f"kind = {before.name!r}, now {recipe.name!r}"] if before.name != recipe.name else []
    if differs := differs or changed(before.run, recipe.run, keys, besides=_HARMLESS):
        other = "--stage or --out" if name == "train" else "--out"
        raise RecipeError(f"{file.parent} was made with {differs[0]}: give another {other}, or remove it")


def _prepare(recipe: Recipe, folder: Path, world: World) -> None:
    """Make the folder of a stage, and keep the resolved recipe in it."""
    if world.leads:
        folder.mkdir(parents=True, exist_ok=True)
        recipe.save(folder / FILE)
