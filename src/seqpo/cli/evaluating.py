"""`seqpo evaluate` and `seqpo plot`: what a run is worth, against simpler ways with the same weights."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Literal

from rich.console import Console
from rich.progress import Progress

from seqpo.cli import build
from seqpo.cli.contest import Contestant
from seqpo.cli.kinds import KINDS
from seqpo.cli.recipe import Recipe, RecipeError, load_recipe
from seqpo.evaluation.figures import learning_curves, quality_latency
from seqpo.evaluation.report import Report, console_table
from seqpo.evaluation.scores import Comparison, System, paired_test, score
from seqpo.evaluation.staircase import side_by_side, staircase
from seqpo.tasks.translation.corpora import Corpus
from seqpo.tasks.translation.traces import Trace, format_trace
from seqpo.training.log import read_metrics

SentenceKind = Literal["staircase", "outputs"]


def evaluate(recipe: Recipe, *, out: Path, command: str) -> Report:
    """Measure a run, write `report.json`, `report.md` and `curve.png`, and print the table."""
    build.tune(recipe.runtime)
    console = Console()
    data = build.corpus(recipe, "test")
    references = [pair.target for pair in data.pairs]
    listed = KINDS[recipe.policy].contestants(recipe)
    traces: dict[str, list[Trace]] = {}
    systems: dict[str, System] = {}
    with Progress(console=Console(file=sys.stderr), transient=True) as progress:
        for contestant, found in _play(listed, data, progress):
            traces[contestant.name] = found
            systems[contestant.name] = score(
                contestant.name,
                found,
                references,
                language=recipe.data.target_language,
                pairs=data.pairs,
                resamples=recipe.evaluation.resamples,
                signature_parts=_signature(recipe, contestant, data),
            )
    report = Report(
        systems=tuple(systems[one.name] for one in listed),
        comparisons=tuple(_compare(recipe, listed, traces, references)),
        data={"name": data.name, "sha256": data.sha256, "sentences": len(data.pairs)},
        command=command,
        examples=tuple(_examples(traces, _last_stage(listed))),
    )
    report.save(out)
    quality_latency([report], out / "curve.png")
    console.print(console_table(report))
    for example in report.examples:
        console.print(example, markup=False, highlight=False, soft_wrap=True)
    return report


def _play(listed: Sequence[Contestant], data: Corpus, progress: Progress) -> Iterator[tuple[Contestant, list[Trace]]]:
    """Translate the data with each system in turn, stage by stage."""
    bar = progress.add_task("evaluating", total=len(data.pairs))
    for contestant in sorted(listed, key=lambda one: one.stage):
        progress.update(bar, description=f"evaluating {contestant.name}", completed=0)
        yield contestant, contestant.translate(data.pairs, lambda done: progress.update(bar, completed=done))


def _signature(recipe: Recipe, contestant: Contestant, data: Corpus) -> dict[str, object]:
    return {
        **contestant.settings,
        "seed": recipe.seed,
        "data": data.name,
        "sha256": data.sha256[:16] or "generated",
        "commit": _commit(),
    }


def _commit() -> str:
    """The commit of a source checkout of seqpo; "release" for an installed package."""
    folder = Path(__file__).parent
    asked = subprocess.run(
        ["git", "-C", str(folder), "describe", "--always", "--dirty"], capture_output=True, text=True, check=False
    )
    return asked.stdout.strip() if asked.returncode == 0 else "release"


def _compare(
    recipe: Recipe, listed: Sequence[Contestant], traces: dict[str, list[Trace]], references: Sequence[str]
) -> Iterator[Comparison]:
    """Test each system that has a rival against it."""
    for one in (one for one in listed if one.rival):
        for metric in ("bleu", "chrf", "al"):
            yield paired_test(
                traces[one.name],
                traces[one.rival],
                references,
                language=recipe.data.target_language,
                metric=metric,
                names=(one.name, one.rival),
                resamples=recipe.evaluation.resamples,
            )


def _last_stage(listed: Sequence[Contestant]) -> str:
    """The policy that was trained last, or else the last system."""
    return ([one.name for one in listed if one.name == one.stage] or [listed[-1].name])[-1]


def _examples(traces: dict[str, list[Trace]], name: str) -> list[str]:
    """Three sentences of different length, as a system translated them."""
    chosen = traces[name]
    order = sorted(range(len(chosen)), key=lambda index: (len(chosen[index].source), index))
    return [format_trace(chosen[order[len(order) * share // 4]]) for share in (1, 2, 3)]


def of_run(run: Path) -> Recipe:
    """Read the recipe that a run was made by: that of the stage which was begun last."""
    files = sorted(run.glob("*/recipe.toml"), key=lambda file: file.stat().st_mtime)
    if not files:
        raise RecipeError(f"{run}: no recipe.toml in a folder there; give the folder that `seqpo sft` wrote")
    return replace(load_recipe(files[-1]), out=str(run))


def plot_sentence(run: Path, kind: SentenceKind, number: int, systems: Sequence[str], out: Path) -> None:
    """Draw what systems of a run make of one sentence of its test set: a staircase of one, or several side by side.

    Args:
        run: folder of the run.
        kind: of figure.
        number: of the sentence, from 1.
        systems: by name, as a report has them; the policy that was trained last when none is named.
        out: the figure.

    Raises:
        RecipeError: no such sentence or system, or more than one system for a staircase.
    """
    recipe = of_run(run)
    build.tune(recipe.runtime)
    pairs = build.corpus(recipe, "test").pairs
    if not 1 <= number <= len(pairs):
        raise RecipeError(f"the test set has sentences 1 to {len(pairs)}, not {number}")
    listed = {one.name: one for one in KINDS[recipe.policy].contestants(recipe)}
    names = list(systems) or [_last_stage(list(listed.values()))]
    if unknown := [name for name in names if name not in listed]:
        raise RecipeError(f"this run has no system {', '.join(unknown)}: choose from {', '.join(listed)}")
    pair = pairs[number - 1]
    if kind == "outputs":
        side_by_side({name: listed[name].translate([pair], lambda _: None)[0] for name in names}, out)
    elif len(names) > 1:
        raise RecipeError("a staircase is one system's: name one, or draw outputs side by side")
    elif attend := listed[names[0]].attend:
        trace, attention = attend(pair)
        staircase(trace, out, attention=attention)
    else:
        staircase(listed[names[0]].translate([pair], lambda _: None)[0], out)
    print(out)


def plot(paths: Sequence[Path], out: Path, quality: str, latency: str) -> None:
    """Draw reports as one quality–latency figure, or metrics.jsonl files as learning curves."""
    metrics = [path for path in paths if path.suffix == ".jsonl"]
    if metrics:
        if len(metrics) != len(paths) or len(metrics) > 1:
            raise RecipeError("plot takes either reports or one metrics.jsonl, not a mixture")
        learning_curves(read_metrics(metrics[0]), out)
    else:
        quality_latency([Report.load(path) for path in paths], out, quality=quality, latency=latency)
    print(out)
