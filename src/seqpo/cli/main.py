"""The commands, their arguments, and how errors are told. Heavy imports happen inside the commands."""

from __future__ import annotations

import os
import shlex
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Literal, TypeVar

import tyro
from tyro.conf import FlagCreatePairsOff, Positional

if TYPE_CHECKING:
    from seqpo.cli.recipe import Recipe

A = TypeVar("A")


@dataclass(frozen=True)
class Stage:
    """Arguments of `sft`, `train` and `nmt`; all that follows are overrides of the recipe, such as `--seed 1`.

    Attributes:
        recipe: a TOML file, or the name of a recipe that comes with seqpo.
        resume: go on from the newest checkpoint, as if the run had not been interrupted.
        skip_bad: leave out sentence pairs that can't be used, and count them, instead of stopping at the first.
    """

    recipe: Positional[str]
    resume: bool = False
    skip_bad: bool = False


@dataclass(frozen=True)
class Evaluate:
    """Measure a run: its own policy, and simpler ways such as wait-k with the same weights.

    Writes report.json, report.md and curve.png. What follows are overrides of the run's recipe, such as
    `--evaluation.wait-k 1 3 5`.

    Attributes:
        run: folder that `seqpo sft` or `seqpo train` wrote.
        data: sentences to evaluate on (TSV, JSONL, text; gzip or not); the run's test set when left out.
        target_data: second of two aligned text files.
        source: column or key of the source sentence.
        target: column or key of the reference.
        out: folder of the report; the run's when left out.
        skip_bad: leave out sentence pairs that can't be used, and count them, instead of stopping at the first.
    """

    run: Positional[Path]
    data: str | None = None
    target_data: str = ""
    source: str = "source"
    target: str = "target"
    out: Path | None = None
    skip_bad: bool = False


@dataclass(frozen=True)
class Translate:
    """Translate words from standard input as they arrive, one sentence per line.

    Attributes:
        run: folder of a trained run.
        stage: whose weights, such as "sft" or "seqpo"; the last trained one when left out.
        trace: show every READ and WRITE, with the source units read so far.
    """

    run: Positional[Path]
    stage: str = ""
    trace: bool = False


@dataclass(frozen=True)
class Plot:
    """Draw reports as one quality–latency figure, a metrics.jsonl as learning curves, or what becomes of a sentence.

    Attributes:
        paths: report.json files or folders that hold one; one metrics.jsonl; or, for a sentence, one run.
        kind: "curves", a "staircase" of a system's READs and WRITEs, or the "outputs" of systems side by side.
        out: the figure, PNG.
        quality: score on the vertical axis.
        latency: score on the horizontal axis.
        sentence: number of the test sentence, from 1.
        systems: names of the systems that translate it, as in a report; the policy trained last when left out.
    """

    paths: Positional[tuple[Path, ...]]
    kind: Literal["curves", "staircase", "outputs"] = "curves"
    out: Path = Path("curve.png")
    quality: str = "bleu"
    latency: str = "al"
    sentence: int = 1
    systems: tuple[str, ...] = ()


@dataclass(frozen=True)
class Demo:
    """Train, improve, evaluate and show a simultaneous translator, in a few minutes on a laptop's CPU.

    What follows are overrides of the recipe `demo`, such as `--seed 1`.

    Attributes:
        out: folder of the run.
        resume: go on from the newest checkpoints.
    """

    out: Path = Path("runs/demo")
    resume: bool = False


def sft(arguments: Sequence[str]) -> None:
    """Supervised warm-up on scheduled episodes, of a causal LM with its tokenizer, or of a READ/WRITE agent."""
    stage, recipe = _recipe_of("sft", arguments)
    from seqpo.cli.kinds import KINDS

    print(KINDS[recipe.policy].sft(recipe, resume=stage.resume))


def train(arguments: Sequence[str]) -> None:
    """SeqPO-SiMT, or a READ/WRITE agent: improve a policy by whole episodes, for quality and low delay."""
    stage, recipe = _recipe_of("train", arguments)
    from seqpo.cli.kinds import KINDS

    print(KINDS[recipe.policy].train(recipe, resume=stage.resume))


def nmt(arguments: Sequence[str]) -> None:
    """Train a recurrent translator, the environment of a READ/WRITE agent, on whole sentences."""
    stage, recipe = _recipe_of("nmt", arguments)
    from seqpo.cli import pretraining

    print(pretraining.nmt(recipe, resume=stage.resume))


def evaluate(arguments: Sequence[str]) -> None:
    """Measure a run against simpler ways, such as wait-k with the same weights."""
    given, rest = _parse(Evaluate, "evaluate", arguments)
    from seqpo.cli import evaluating
    from seqpo.cli.recipe import CorpusConfig, override

    recipe = _skipping(evaluating.of_run(given.run), given.skip_bad)
    if given.data is not None:
        test = CorpusConfig(given.data, given.target_data, given.source, given.target)
        recipe = replace(recipe, data=replace(recipe.data, test=test))
    recipe = override(recipe, rest, prog="seqpo evaluate RUN", description="Keys of the run's recipe.")
    evaluating.evaluate(recipe, out=given.out or given.run, command=_line("evaluate", arguments))


def translate(arguments: Sequence[str]) -> None:
    """Translate words as they arrive on standard input."""
    given = _parse_all(Translate, "translate", arguments)
    from seqpo.cli import live

    live.translate(given.run, stage=given.stage, trace=given.trace)


def plot(arguments: Sequence[str]) -> None:
    """Draw the quality–latency curve of reports, learning curves, or one sentence."""
    given = _parse_all(Plot, "plot", arguments)
    from seqpo.cli import evaluating

    if given.kind == "curves":
        evaluating.plot(given.paths, given.out, given.quality, given.latency)
    elif len(given.paths) != 1:
        raise ValueError(f"--kind {given.kind} draws a sentence of one run: give its folder alone")
    else:
        evaluating.plot_sentence(given.paths[0], given.kind, given.sentence, given.systems, given.out)


def demo(arguments: Sequence[str]) -> None:
    """The whole way on the embedded corpus: warm-up, SeqPO-SiMT, evaluation, live traces."""
    given, rest = _parse(Demo, "demo", arguments)
    from seqpo.cli import evaluating, stages
    from seqpo.cli.recipe import load_recipe, override

    recipe = replace(load_recipe("demo"), out=str(given.out))
    recipe = override(recipe, rest, prog="seqpo demo", description="Keys of the recipe.")
    stages.sft(recipe, resume=given.resume)
    stages.train(recipe, resume=given.resume)
    evaluating.evaluate(recipe, out=given.out, command=_line("demo", arguments))


COMMANDS: dict[str, Callable[[Sequence[str]], None]] = {
    command.__name__: command for command in (demo, sft, train, nmt, evaluate, translate, plot)
}


def main(arguments: Sequence[str] | None = None) -> int:
    """Run a command; return the exit status: 0, 1 for an error that was told, 130 when interrupted."""
    arguments = list(sys.argv[1:] if arguments is None else arguments)
    if not arguments or arguments[0] in ("-h", "--help"):
        print(_overview())
        return 0
    if arguments[0] == "--version":
        from seqpo import __version__

        print(__version__)
        return 0
    if arguments[0] not in COMMANDS:
        print(f"seqpo: unknown command {arguments[0]!r}\n\n{_overview()}", file=sys.stderr)
        return 2
    try:
        COMMANDS[arguments[0]](arguments[1:])
    except KeyboardInterrupt:
        print("\ninterrupted; sft, train, nmt and demo go on with --resume", file=sys.stderr)
        return 130
    except (ValueError, OSError, RuntimeError, ModuleNotFoundError) as error:
        if os.environ.get("SEQPO_DEBUG"):
            raise
        print(f"seqpo {arguments[0]}: {error}\n(SEQPO_DEBUG=1 shows where)", file=sys.stderr)
        return 1
    return 0


def _overview() -> str:
    lines = [f"  {name:<10} {(command.__doc__ or '').splitlines()[0]}" for name, command in COMMANDS.items()]
    return "\n".join(
        [
            "seqpo: policies that act in several steps and are judged at the end.",
            "",
            "usage: seqpo COMMAND …   (seqpo COMMAND --help tells its arguments and the recipe's keys)",
            "",
            *lines,
        ]
    )


def _recipe_of(command: str, arguments: Sequence[str]) -> tuple[Stage, Recipe]:
    """Parse the arguments of a stage, load its recipe and apply the overrides."""
    from seqpo.cli.recipe import Recipe, load_recipe, override

    about = COMMANDS[command].__doc__ or ""
    if "--help" in arguments or "-h" in arguments:
        usage = f"{about}\n\nusage: seqpo {command} RECIPE [--resume] [--skip-bad] [--KEY VALUE …]\n"
        recipes = "RECIPE is a TOML file, or the name of a recipe that comes with seqpo. Keys and defaults:"
        override(Recipe(), ["--help"], prog=f"seqpo {command} RECIPE", description=usage + recipes)
    stage, rest = _parse(Stage, command, arguments)
    recipe = _skipping(load_recipe(stage.recipe), stage.skip_bad)
    return stage, override(recipe, rest, prog=f"seqpo {command} RECIPE", description=about)


def _skipping(recipe: Recipe, bad: bool) -> Recipe:
    return replace(recipe, data=replace(recipe.data, skip_bad=True)) if bad else recipe


def _parse(kind: type[A], command: str, arguments: Sequence[str]) -> tuple[A, list[str]]:
    """Parse what belongs to a command itself; return the rest, its recipe's overrides."""
    return tyro.cli(
        kind,
        prog=f"seqpo {command}",
        args=arguments,
        return_unknown_args=True,
        config=(FlagCreatePairsOff,),
    )


def _parse_all(kind: type[A], command: str, arguments: Sequence[str]) -> A:
    return tyro.cli(kind, prog=f"seqpo {command}", args=arguments, config=(FlagCreatePairsOff,))


def _line(command: str, arguments: Sequence[str]) -> str:
    return shlex.join(["seqpo", command, *arguments])
