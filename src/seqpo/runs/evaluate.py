"""What a run is worth: its systems on a test set, in a report; and its figures."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.progress import Progress

from seqpo import catalogs
from seqpo.evaluation.curves import first_axis
from seqpo.evaluation.figures import learning_curves, tradeoff
from seqpo.evaluation.report import Report, console_table
from seqpo.evaluation.statistics import Comparison, Metric, Result, Setting, TestSet, measure, paired_test
from seqpo.runs import build
from seqpo.runs.kinds import Draws, Shows
from seqpo.runs.recipes import FILE, Recipe, RecipeError, load_recipe
from seqpo.runs.systems import System
from seqpo.training.log import read_metrics

Outcomes = dict[str, Sequence[Any]]


def evaluate(recipe: Recipe, *, out: Path, command: str, data: TestSet | None = None) -> Report:
    """Measure a run, write `report.json`, `report.md` and `curve.png`, and print the table.

    Args:
        recipe: of the run.
        out: folder of the report.
        command: that makes the report again.
        data: the test set; the recipe's when None.
    """
    run = recipe.run
    build.tune(run.runtime)
    test_set, metrics = data or recipe.kind.test_set(run), _metrics(recipe)
    listed = recipe.kind.systems(run)
    outcomes: Outcomes = {}
    results: dict[str, Result] = {}
    with Progress(console=Console(file=sys.stderr), transient=True) as progress:
        for system, found in _play(listed, test_set, progress):
            outcomes[system.name] = found
            results[system.name] = _result(system, found, test_set, metrics, run)
    report = Report(
        systems=tuple(results[one.name] for one in listed),
        columns=tuple(metric.column for metric in metrics),
        comparisons=tuple(_compare(listed, outcomes, test_set, metrics, run.evaluation.resamples)),
        data={"name": test_set.name, "sha256": test_set.sha256, "examples": len(test_set.examples)},
        command=command,
        examples=tuple(_examples(recipe, listed, outcomes)),
    )
    _write(report, out)
    return report


def _write(report: Report, out: Path) -> None:
    """Write and show a report."""
    report.save(out)
    if first_axis(report.columns, "quality") and first_axis(report.columns, "cost"):
        tradeoff([report], out / "curve.png")
    console = Console()
    console.print(console_table(report, min(console.width, 100)))
    for example in report.examples:
        console.print(example, markup=False, highlight=False, soft_wrap=True)


def plot_example(recipe: Recipe, figure: str, number: int, names: Sequence[str], out: Path) -> None:
    """Draw what systems of a run make of one example of its test set.

    Args:
        recipe: of the run.
        figure: one of the kind's.
        number: of the example, from 1.
        names: of systems, as a report has them; the policy that was trained last when none is named.
        out: the figure.

    Raises:
        RecipeError: no such figure, example or system.
    """
    kind, run = recipe.kind, recipe.run
    build.tune(run.runtime)
    if not isinstance(kind, Draws) or figure not in kind.figures:
        known = ", ".join(kind.figures) if isinstance(kind, Draws) else "no figures of examples"
        raise RecipeError(f"a {recipe.name} run has no figure {figure!r}; it has {known}")
    examples = kind.test_set(run).examples
    if not 1 <= number <= len(examples):
        raise RecipeError(f"the test set has examples 1 to {len(examples)}, not {number}")
    listed = {one.name: one for one in kind.systems(run)}
    if unknown := [name for name in names if name not in listed]:
        raise RecipeError(f"this run has no system {', '.join(unknown)}: choose from {', '.join(listed)}")
    chosen = [listed[name] for name in names] or [_last_policy(list(listed.values()))]
    kind.figures[figure](chosen, examples[number - 1], out)
    print(out)


def plot(paths: Sequence[Path], out: Path, *, quality: str = "", cost: str = "") -> None:
    """Draw reports as one figure of quality against cost, or a metrics.jsonl as learning curves.

    Raises:
        RecipeError: a mixture of both.
        ValueError: a score that the reports don't have.
    """
    metrics = [path for path in paths if path.suffix == ".jsonl"]
    if metrics:
        if len(metrics) != len(paths) or len(metrics) > 1:
            raise RecipeError("plot takes either reports or one metrics.jsonl, not a mixture")
        recipe = metrics[0].with_name(FILE)
        titles = {metric.name: metric.label for metric in load_recipe(recipe).kind.metrics} if recipe.exists() else {}
        learning_curves(read_metrics(metrics[0]), out, titles)
    else:
        tradeoff([Report.load(path) for path in paths], out, quality=quality, cost=cost)
    print(out)


def _metrics(recipe: Recipe) -> list[Metric]:
    """The kind's metrics, and the user's own."""
    own = [catalogs.load(spec, "metric") for spec in recipe.run.evaluation.metrics]
    for spec, metric in zip(recipe.run.evaluation.metrics, own, strict=True):
        if not isinstance(metric, Metric):
            raise RecipeError(f"metric {spec!r} is a {type(metric).__name__}, not a seqpo.Metric")
    return [*recipe.kind.metrics, *(metric for metric in own if isinstance(metric, Metric))]


def _play(listed: Sequence[System], data: TestSet, progress: Progress) -> Iterator[tuple[System, Sequence[Any]]]:
    """Let each system play the data in turn, stage by stage."""
    bar = progress.add_task("evaluating", total=len(data.examples))
    for system in sorted(listed, key=lambda one: one.stage):
        progress.update(bar, description=f"evaluating {system.name}", completed=0)
        yield system, system.play(data.examples, lambda done: progress.update(bar, completed=done))


def _result(system: System, outcomes: Sequence[Any], data: TestSet, metrics: Sequence[Metric], run: Any) -> Result:
    settings: dict[str, Setting] = {
        **system.settings,
        "seed": run.seed,
        "data": data.name,
        "sha256": data.sha256[:16] or "generated",
        "commit": _commit(),
    }
    scores, signature = measure(metrics, outcomes, data, resamples=run.evaluation.resamples, settings=settings)
    return Result(
        system.name,
        system.family,
        system.is_baseline,
        scores,
        n=len(outcomes),
        signature=signature,
        variant_of=system.variant_of,
        settings=settings,
    )


def _compare(
    listed: Sequence[System], outcomes: Outcomes, data: TestSet, metrics: Sequence[Metric], resamples: int
) -> Iterator[Comparison]:
    """Test each system that has a baseline against it."""
    for one in (one for one in listed if one.baseline):
        for metric in (metric for metric in metrics if metric.compared):
            both = outcomes[one.name], outcomes[one.baseline]
            yield paired_test(metric, *both, data, names=(one.name, one.baseline), resamples=resamples)


def _examples(recipe: Recipe, listed: Sequence[System], outcomes: Outcomes) -> list[str]:
    """Three examples of different length, as the policy that was trained last has them."""
    if not isinstance(recipe.kind, Shows):
        return []
    shown = sorted(map(recipe.kind.show, outcomes[_last_policy(listed).name]), key=len)
    return [shown[len(shown) * share // 4] for share in (1, 2, 3)]


def _last_policy(listed: Sequence[System]) -> System:
    """The policy that was trained last, or else the last system."""
    return ([one for one in listed if one.name == one.stage] or [listed[-1]])[-1]


def _commit() -> str:
    """The commit of a source checkout of seqpo; "release" for an installed package."""
    folder = Path(__file__).parent
    asked = subprocess.run(
        ["git", "-C", str(folder), "describe", "--always", "--dirty"], capture_output=True, text=True, check=False
    )
    return asked.stdout.strip() if asked.returncode == 0 else "release"
