"""`seqpo evaluate` and `seqpo plot`: what a run is worth, against fixed schedules with the same weights."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import torch
from rich.console import Console
from rich.progress import Progress
from transformers import PreTrainedModel

from seqpo.cli import build
from seqpo.cli.probing import Decider, fixed, make_engine, own, translate_all
from seqpo.cli.recipe import Recipe, RecipeError, load_recipe
from seqpo.evaluation.figures import learning_curves, quality_latency
from seqpo.evaluation.report import Report, console_table
from seqpo.evaluation.scores import Comparison, System, paired_test, score
from seqpo.policies.fresh import load_model
from seqpo.tasks.translation.corpora import Corpus
from seqpo.tasks.translation.traces import Trace, format_trace
from seqpo.training import checkpoints
from seqpo.training.log import read_metrics


@dataclass(frozen=True)
class Contestant:
    """A system to be measured: a stage's weights, a chunk size, and who decides."""

    name: str
    stage: str
    chunk: int
    decider: Decider
    policy: str


def contestants(recipe: Recipe) -> list[Contestant]:
    """List the systems of a report: each stage's own policy, wait-k and offline with the same weights.

    Raises:
        RecipeError: no stage has been trained.
    """
    chunk, asked = recipe.episode.chunk, recipe.evaluation
    trained = [stage for stage in asked.stages if checkpoints.latest(Path(recipe.out) / stage)]
    if not trained:
        raise RecipeError(f"{recipe.out}: no stage has been trained there; run `seqpo sft` first")
    listed = [Contestant(stage, stage, _chunk_of(recipe, stage), own, "own") for stage in trained]
    if "sft" in trained:
        sizes = [size for size in asked.chunks if size != chunk]
        listed += [Contestant(f"sft-m{size}", "sft", size, own, "own") for size in sizes]
    for number, lender in enumerate([stage for stage in asked.fixed if stage in trained] or trained[-1:]):
        mark, weights = f"@{lender}" if number else "", f"with the weights of {lender}"
        listed += [Contestant(f"wait-{k}{mark}", lender, chunk, fixed(k), f"wait-{k} {weights}") for k in asked.wait_k]
        listed.append(Contestant(f"offline{mark}", lender, chunk, fixed(None), f"offline {weights}"))
    return listed


def _chunk_of(recipe: Recipe, stage: str) -> int:
    """The chunk size of a stage's own policy: the one it was optimized for; the warm-up knows several."""
    file = Path(recipe.out) / stage / "recipe.toml"
    return load_recipe(file).episode.chunk if stage != "sft" and file.exists() else recipe.episode.chunk


def evaluate(recipe: Recipe, *, out: Path, command: str) -> Report:
    """Measure a run, write `report.json`, `report.md` and `curve.png`, and print the table."""
    console = Console()
    data = build.corpus(recipe, "test")
    references = [pair.target for pair in data.pairs]
    listed = contestants(recipe)
    traces: dict[str, list[Trace]] = {}
    systems: dict[str, System] = {}
    with Progress(console=Console(file=sys.stderr), transient=True) as progress:
        for contestant, found in _play(recipe, listed, data, progress):
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


def _play(
    recipe: Recipe, listed: Sequence[Contestant], data: Corpus, progress: Progress
) -> Iterator[tuple[Contestant, list[Trace]]]:
    """Translate the data with each system in turn; weights are loaded once per stage."""
    device = torch.device("cuda" if recipe.runtime.device != "cpu" and torch.cuda.is_available() else "cpu")
    loaded: tuple[str, PreTrainedModel] | None = None
    bar = progress.add_task("evaluating", total=len(data.pairs))
    for contestant in sorted(listed, key=lambda one: one.stage):
        if loaded is None or loaded[0] != contestant.stage:
            folder = build.stage_checkpoint(recipe, contestant.stage)
            loaded = contestant.stage, build.place(load_model(folder), device)
            frame = build.framing(recipe, build.load_tokenizer(folder))
        engine = make_engine(loaded[1], frame, recipe.evaluation.slots)
        task = build.task(recipe, data, frame, (contestant.chunk,))
        scripts = [task.script(pair, contestant.chunk) for pair in data.pairs]
        progress.update(bar, description=f"evaluating {contestant.name}", completed=0)
        yield (
            contestant,
            translate_all(
                engine,
                scripts,
                contestant.decider,
                recipe.episode.limit,
                lambda done: progress.update(bar, completed=done),
            ),
        )


def _signature(recipe: Recipe, contestant: Contestant, data: Corpus) -> dict[str, object]:
    return {
        "policy": contestant.policy,
        "decoding": "greedy",
        "chunk": contestant.chunk,
        "layout": recipe.episode.layout,
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
    """Test each policy-optimized stage against the warm-up's own policy at the same chunk size."""
    warm = {one.chunk: one.name for one in listed if one.stage == "sft" and one.policy == "own"}
    for stage in (one for one in listed if one.name == one.stage != "sft" and one.chunk in warm):
        for metric in ("bleu", "chrf", "al"):
            yield paired_test(
                traces[stage.name],
                traces[warm[stage.chunk]],
                references,
                language=recipe.data.target_language,
                metric=metric,
                names=(stage.name, warm[stage.chunk]),
                resamples=recipe.evaluation.resamples,
            )


def _last_stage(listed: Sequence[Contestant]) -> str:
    return [one.name for one in listed if one.name == one.stage][-1]


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
