"""The commands, their arguments, and how errors are told. Heavy imports happen inside the commands."""

from __future__ import annotations

import os
import shlex
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, ClassVar

import tyro
from tyro.conf import FlagCreatePairsOff, OmitSubcommandPrefixes, Positional, subcommand

if TYPE_CHECKING:
    from seqpo.runs.recipes import Recipe

HELP, HELP_ALL = ("-h", "--help"), "--help-all"


@dataclass(frozen=True)
class Train:
    """Run the stages of a recipe in order, and skip those that are finished.

    What follows are overrides of the recipe, such as `--seed 1`.

    Attributes:
        recipe: a TOML file, or the name of a recipe that comes with seqpo.
        only: run this stage alone.
        resume: go on from the newest checkpoint, as if the run had not been interrupted.
        dry_run: print the resolved recipe and what would be made, and make nothing.
    """

    recipe: Positional[str]
    only: str = ""
    resume: bool = False
    dry_run: bool = False

    def run(self, rest: Sequence[str], command: str) -> None:
        """Train."""
        _train(_overridden(self.recipe, rest, command), self.only, self.resume, self.dry_run)


@dataclass(frozen=True)
class Sft:
    """Run the supervised warm-up of a recipe: `train RECIPE --only sft`.

    What follows are overrides of the recipe, such as `--sft.steps 100`.

    Attributes:
        recipe: a TOML file, or the name of a recipe that comes with seqpo.
        resume: go on from the newest checkpoint, as if the run had not been interrupted.
    """

    STAGE: ClassVar[str] = "sft"

    recipe: Positional[str]
    resume: bool = False

    def run(self, rest: Sequence[str], command: str) -> None:
        """Train."""
        _train(_overridden(self.recipe, rest, command), self.STAGE, self.resume)


@dataclass(frozen=True)
class Nmt(Sft):
    """Train the translator that READ/WRITE agents decide over: `train RECIPE --only nmt`.

    What follows are overrides of the recipe, such as `--translator.train.steps 100`.

    Attributes:
        recipe: a TOML file, or the name of a recipe that comes with seqpo.
        resume: go on from the newest checkpoint, as if the run had not been interrupted.
    """

    STAGE: ClassVar[str] = "nmt"


@dataclass(frozen=True)
class Demo:
    """Train, improve, evaluate and show a simultaneous translator, in a few minutes on a laptop's CPU.

    What follows are overrides of the recipe `demo`, such as `--seed 1`.

    Attributes:
        resume: go on from the newest checkpoints.
    """

    resume: bool = False

    def run(self, rest: Sequence[str], command: str) -> None:
        """Train and evaluate."""
        from seqpo.runs.evaluate import evaluate

        recipe = _overridden("demo", rest, command)
        _train(recipe, "", self.resume)
        evaluate(recipe, out=Path(recipe.run.out), command=command)


@dataclass(frozen=True)
class Evaluate:
    """Measure a run: its own policies, and simpler ways such as wait-k with the same weights.

    Writes report.json, report.md and curve.png. What follows are overrides of the run's recipe, such as
    `--evaluation.wait-k 1 3 5`.

    Attributes:
        folder: that `seqpo train` wrote.
        data: file to evaluate on (sentences: TSV, JSONL, text; gzip or not); the run's test set when left out.
        target_data: second of two aligned text files.
        source: column or key of the source sentence.
        target: column or key of the reference.
        out: folder of the report; the run's when left out.
    """

    folder: Positional[Path]
    data: str = ""
    target_data: str = ""
    source: str = ""
    target: str = ""
    out: Path | None = None

    def run(self, rest: Sequence[str], command: str) -> None:
        """Evaluate."""
        from seqpo.runs.evaluate import evaluate
        from seqpo.runs.recipes import recipe_of

        recipe = recipe_of(self.folder)
        named = {"path": self.data, "target_path": self.target_data, "source": self.source, "target": self.target}
        if given := {key: value for key, value in named.items() if value}:
            recipe = recipe.with_test(given)
        recipe = recipe.override(rest, prog="seqpo evaluate RUN", description="Keys of the run's recipe.")
        evaluate(recipe, out=self.out or self.folder, command=command)


@dataclass(frozen=True)
class Translate:
    """Translate words from standard input as they arrive, one sentence per line.

    Attributes:
        folder: of a trained run.
        stage: whose weights, such as "sft" or "seqpo"; the last trained one when left out.
        trace: show every READ and WRITE, with the source units read so far.
    """

    folder: Positional[Path]
    stage: str = ""
    trace: bool = False

    def run(self, rest: Sequence[str], command: str) -> None:
        """Translate."""
        from seqpo.runs import build
        from seqpo.runs.kinds import Live
        from seqpo.runs.live import interpret
        from seqpo.runs.recipes import RecipeError, recipe_of

        _refuse(rest, "translate")
        recipe = recipe_of(self.folder)
        if not isinstance(recipe.kind, Live):
            raise RecipeError(f"a {recipe.name} run has nothing that could be used live")
        build.tune(recipe.run.runtime)
        interpret(recipe.kind.streams(recipe.run, self.stage), sys.stdin, sys.stdout, trace=self.trace)


@dataclass(frozen=True)
class Plot:
    """Draw reports as a figure of quality and cost, a metrics.jsonl as learning curves, or what becomes of an example.

    Attributes:
        paths: report.json files or folders that hold one; one metrics.jsonl; or, for an example, one run.
        kind: "curves", or a figure of one example: a "staircase" of READs and WRITEs, the "outputs" of systems side
            by side.
        out: the figure, PNG.
        quality: score on the vertical axis; the report's first one of quality when left out.
        latency: score on the horizontal axis; the report's first one of cost when left out.
        sentence: number of the test example, from 1.
        systems: names of the systems, as in a report; the policy trained last when left out.
    """

    paths: Positional[tuple[Path, ...]]
    kind: str = "curves"
    out: Path = Path("curve.png")
    quality: str = ""
    latency: str = ""
    sentence: int = 1
    systems: tuple[str, ...] = ()

    def run(self, rest: Sequence[str], command: str) -> None:
        """Draw."""
        from seqpo.runs.evaluate import plot, plot_example
        from seqpo.runs.recipes import recipe_of

        _refuse(rest, "plot")
        if self.kind == "curves":
            plot(self.paths, self.out, quality=self.quality, cost=self.latency)
        elif len(self.paths) != 1:
            raise ValueError(f"--kind {self.kind} draws an example of one run: give its folder alone")
        else:
            plot_example(recipe_of(self.paths[0]), self.kind, self.sentence, self.systems, self.out)


Command = (
    Annotated[Demo, subcommand("demo")]
    | Annotated[Train, subcommand("train")]
    | Annotated[Sft, subcommand("sft")]
    | Annotated[Nmt, subcommand("nmt")]
    | Annotated[Evaluate, subcommand("evaluate")]
    | Annotated[Translate, subcommand("translate")]
    | Annotated[Plot, subcommand("plot")]
)


def main(arguments: Sequence[str] | None = None) -> int:
    """Run a command; return the exit status: 0, 1 for an error that was told, 2 for bad usage, 130 when interrupted."""
    arguments = list(sys.argv[1:] if arguments is None else arguments)
    if arguments[:1] == ["--version"]:
        from seqpo import __version__

        print(__version__)
        return 0
    try:
        if _helped(arguments):
            return 0
        command, rest = _parse(arguments or ["--help"])
        command.run(rest, shlex.join(["seqpo", *arguments]))
    except KeyboardInterrupt:
        print("\ninterrupted; train, sft, nmt and demo go on with --resume", file=sys.stderr)
        return 130
    except (ValueError, OSError, RuntimeError, ModuleNotFoundError) as error:
        if os.environ.get("SEQPO_DEBUG"):
            raise
        print(f"seqpo {arguments[0]}: {error}\n(SEQPO_DEBUG=1 shows where)", file=sys.stderr)
        return 1
    return 0


def _train(recipe: Recipe, only: str, resume: bool, dry_run: bool = False) -> None:
    from seqpo.runs import stages

    if dry_run:
        print(recipe.text())
        for line in stages.plan(recipe, only=only or None, resume=resume):
            print(f"# {line}")
        return
    for folder in stages.train(recipe, only=only or None, resume=resume):
        print(folder)


def _overridden(recipe: str, rest: Sequence[str], command: str) -> Recipe:
    from seqpo.runs.recipes import load_recipe

    loaded = load_recipe(recipe)
    about = f"Keys of a {loaded.name} run, with the values of {recipe}."
    return loaded.override(rest, prog=" ".join(command.split()[:3]), description=about)


def _parse(arguments: Sequence[str]) -> tuple[Any, list[str]]:
    """Parse what belongs to a command itself; return the rest, overrides of its recipe."""
    return tyro.cli(
        Command,
        prog="seqpo",
        description="Policies that act in several steps and are judged at the end.",
        args=arguments,
        return_unknown_args=True,
        config=(FlagCreatePairsOff, OmitSubcommandPrefixes),
    )


def _helped(arguments: Sequence[str]) -> bool:
    """Help with a recipe's keys where the arguments name one: the ten that matter most, or all with --help-all."""
    asked = [argument for argument in arguments if argument in (*HELP, HELP_ALL)]
    rest = [argument for argument in arguments if argument not in asked]
    named = [argument for argument in rest if not argument.startswith("-")]
    if not asked or rest[:1] not in (["demo"], ["train"], ["sft"], ["nmt"]) or (len(named) == 1 and named != ["demo"]):
        return False
    from seqpo.runs.help import essentials
    from seqpo.runs.recipes import load_recipe

    name = getattr(_parse(rest)[0], "recipe", "demo")
    shown = "seqpo demo" if named == ["demo"] else f"seqpo {rest[0]} {name}"
    if HELP_ALL in asked:
        _overridden(name, ["--help"], shown)
    print(essentials(load_recipe(name), shown))
    return True


def _refuse(rest: Sequence[str], command: str) -> None:
    if rest:
        raise ValueError(f"unrecognised options: {shlex.join(rest)} (seqpo {command} --help tells which there are)")
