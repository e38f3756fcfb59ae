"""What holds for every kind of run: it trains, resumes bit by bit, is measured, and refuses politely."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Mapping
from itertools import count
from operator import attrgetter
from pathlib import Path
from typing import Any

import pytest

from seqpo.evaluation.report import Report
from seqpo.runs.evaluate import evaluate
from seqpo.runs.kinds import find_kind
from seqpo.runs.recipes import Recipe, RecipeError, load_recipe
from seqpo.runs.stages import plan, train
from seqpo.training import checkpoints
from seqpo.training.log import RunLog
from tests.support.commands import fails, seqpo
from tests.support.recipes import RUNS, STRANGER, recipe, write
from tests.support.translation import rows


@pytest.fixture(scope="module", params=RUNS)
def whole(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Recipe:
    """A run of each kind, all the way."""
    made = recipe(request.param, tmp_path_factory.mktemp("whole") / "run")
    train(made)
    return made


def sections(made: Recipe) -> dict[str, str]:
    """The section of each stage."""
    return {name: stage.section for name, stage in made.kind.stages.items()}


def steps(made: Recipe, stage: str) -> int:
    return made.stage(stage).config(made.run).steps


def checkpoint(made: Recipe, stage: str) -> Path:
    found = checkpoints.latest(made.folder(stage))
    assert found
    return found


def files(folder: Path) -> Mapping[Path, bytes]:
    """All that lies in a folder."""
    return {file.relative_to(folder): file.read_bytes() for file in folder.rglob("*") if file.is_file()}


def changed(made: Recipe, **changes: Any) -> Recipe:
    """The same run by another recipe."""
    return recipe(made.name, Path(made.run.out), **changes)


def copied(made: Recipe, folder: Path, *stages: str, **changes: Any) -> Recipe:
    """A run that has these stages of another one."""
    copy = recipe(made.name, folder / "run", **changes)
    for stage in stages:
        shutil.copytree(made.folder(stage), copy.folder(stage))
    return copy


def test_every_stage_takes_its_steps_and_keeps_its_recipe(whole: Recipe):
    for stage in whole.kind.stages:
        folder = whole.folder(stage)
        assert [row["step"] for row in rows(folder)] == list(range(1, steps(whole, stage) + 1))
        assert checkpoints.step_of(checkpoint(whole, stage)) == steps(whole, stage)
        assert load_recipe(folder / "recipe.toml") == whole


def test_finished_stages_are_skipped(whole: Recipe, capsys: pytest.CaptureFixture[str]):
    before = files(Path(whole.run.out))
    assert train(whole) == [whole.folder(stage) for stage in whole.kind.stages]
    assert files(Path(whole.run.out)) == before
    assert capsys.readouterr().err.count(": finished") == len(whole.kind.stages)


def test_a_run_that_is_interrupted_again_and_again_ends_as_if_it_had_not_been(
    whole: Recipe, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    """Interrupted after each odd step, it goes on from each checkpoint, which lie at the even ones."""
    write_row, interrupted = RunLog.write, set[tuple[str, int]]()

    def impatient(log: RunLog, step: int, values: Mapping[str, float], shown: str = "") -> None:
        write_row(log, step, values, shown)
        moment = (log._title, step)
        if step % 2 and moment not in interrupted:
            interrupted.add(moment)
            raise KeyboardInterrupt

    monkeypatch.setattr(RunLog, "write", impatient)
    again = copied(whole, tmp_path)
    for attempt in count():
        try:
            train(again, resume=True)
            break
        except KeyboardInterrupt:
            assert len(interrupted) == attempt + 1
    assert len(interrupted) == sum((steps(whole, stage) + 1) // 2 for stage in whole.kind.stages)
    for stage in whole.kind.stages:
        assert rows(again.folder(stage)) == rows(whole.folder(stage))
        left, wanted = (files(checkpoint(one, stage)) for one in (again, whole))
        loaded = Path("tokenizer_config.json")  # tells whether the tokenizer was loaded from a folder
        assert left | {loaded: b""} == wanted | {loaded: b""}


def test_a_report_tells_of_every_system_and_can_be_made_again(whole: Recipe, tmp_path: Path):
    listed = {system.name: system for system in whole.kind.systems(whole.run)}
    first, again = (evaluate(whole, out=tmp_path / name, command="seqpo evaluate") for name in ("one", "two"))
    report = Report.load(tmp_path / "one")
    assert report == first
    assert report.systems == again.systems
    assert report.comparisons == again.comparisons
    assert [system.name for system in report.systems] == list(listed)
    assert whole.run.stage in listed
    assert any(system.is_baseline for system in report.systems)
    data = whole.kind.test_set(whole.run)
    for system in report.systems:
        assert system.n == len(data.examples)
        assert {"seed:0", f"data:{data.name}"} <= set(system.signature.split("|"))
        assert whole.kind.metrics[0].name in system.scores
    tested = {(one.name, one.baseline) for one in listed.values() if one.baseline}
    compared = {metric.name for metric in whole.kind.metrics if metric.compared}
    assert tested
    assert compared
    assert {(one.names, one.metric) for one in report.comparisons} == {
        (both, name) for both in tested for name in compared
    }
    for system in report.systems:
        assert system.name in (tmp_path / "one" / "report.md").read_text(encoding="utf-8")


def test_the_commands_know_it(whole: Recipe, tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    seqpo("train", write(whole, tmp_path))
    assert capsys.readouterr().out.split() == [str(whole.folder(stage)) for stage in whole.kind.stages]
    seqpo("evaluate", whole.run.out, "--out", tmp_path, "--evaluation.resamples", 10)
    assert Report.load(tmp_path).command == (
        f"seqpo evaluate {whole.run.out} --out {tmp_path} --evaluation.resamples 10"
    )
    seqpo("plot", whole.folder("train") / "metrics.jsonl", "--out", tmp_path / "learning.png")
    assert (tmp_path / "learning.png").read_bytes().startswith(b"\x89PNG")
    capsys.readouterr()
    seqpo("train", write(whole, tmp_path), "--help")
    told = capsys.readouterr().out
    assert f"Stages of a {whole.name} run, in order: {', '.join(whole.kind.stages)}" in told
    assert all(f"--{key.replace('_', '-')} " in told for key in whole.run.ESSENTIAL)


def test_a_plan_makes_nothing(whole: Recipe, tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    planned = copied(whole, tmp_path)
    seqpo("train", write(planned, tmp_path), "--dry-run")
    told = capsys.readouterr().out
    assert not Path(planned.run.out).exists()
    assert [line for line in told.splitlines() if line.startswith("#")] == [
        f"# {stage}: begin, to step {steps(whole, stage)}, in {planned.folder(stage)}" for stage in whole.kind.stages
    ]
    (tmp_path / "again.toml").write_text(told, encoding="utf-8")
    assert load_recipe(tmp_path / "again.toml") == planned

    before = files(Path(whole.run.out))
    assert plan(whole) == [f"{stage}: finished, {whole.folder(stage)}" for stage in whole.kind.stages]
    longer = changed(whole, **{"train.steps": 9})
    assert plan(longer, only="train", resume=True) == [
        f"train: go on from {checkpoint(whole, 'train')}, to step 9, in {whole.folder('train')}"
    ]
    assert plan(changed(whole, **{"train.steps": 0}))[-1] == "train: left out, of no steps"
    assert files(Path(whole.run.out)) == before


def test_a_stage_without_steps_is_left_out(whole: Recipe, tmp_path: Path):
    *earlier, _ = whole.kind.stages
    short = copied(whole, tmp_path, *earlier, **{"train.steps": 0})
    assert train(short) == [short.folder(stage) for stage in earlier]
    assert not short.folder("train").exists()


def test_a_finished_stage_is_not_taken_for_that_of_another_recipe(whole: Recipe):
    for stage, section in sections(whole).items():
        key = f"{section}.optimizer.lr"
        said = f"{whole.folder(stage)} was made with {key} = {attrgetter(key)(whole.run)}, now 0.5: give another "
        with pytest.raises(RecipeError, match=said):
            train(changed(whole, **{key: 0.5}))
    with pytest.raises(RecipeError, match=r"was made with seed = 0, now 7: give another .*--out, or remove it"):
        plan(changed(whole, seed=7))
    for key in ("log_every", "save_every", "micro_tokens"):  # these change no result
        train(changed(whole, **{f"{section}.{key}": 99 for section in sections(whole).values()}))


def test_a_stage_is_not_gone_on_with_under_another_recipe(whole: Recipe):
    before = files(Path(whole.run.out))
    for stage, section in sections(whole).items():
        longer = {f"{section}.steps": steps(whole, stage) + 2}
        with pytest.raises(RecipeError, match=f"{whole.folder(stage)} was made with seed = 0, now 7"):
            train(changed(whole, seed=7, **longer), only=stage, resume=True)
    assert files(Path(whole.run.out)) == before


def test_nothing_is_trained_on_top_of_what_the_recipe_does_not_describe(whole: Recipe, tmp_path: Path):
    *earlier, _ = whole.kind.stages
    for stage in earlier:
        key = f"{sections(whole)[stage]}.optimizer.lr"
        other = copied(whole, tmp_path / stage, *earlier, **{key: 0.5})
        with pytest.raises(RecipeError, match=f"{other.folder(stage)} was made with {key}"):
            train(other)
        assert not other.folder("train").exists()


def test_a_folder_that_is_taken_is_left_alone(whole: Recipe):
    before = files(Path(whole.run.out))
    for stage in whole.kind.stages:
        said = f"{whole.folder(stage)} is not empty: give another --out, --resume it, or remove it"
        with pytest.raises(RecipeError, match=said):
            train(whole, only=stage)
    assert files(Path(whole.run.out)) == before


def test_a_stage_that_there_is_not_is_named(whole: Recipe, capsys: pytest.CaptureFixture[str], tmp_path: Path):
    there = ", ".join(whole.kind.stages)
    said = f"a {whole.name} run has the stages {there}, and no dance"
    for refused in (train, plan):
        with pytest.raises(RecipeError, match=said):
            refused(whole, only="dance")
    assert said in fails(capsys, "train", write(whole, tmp_path), "--only", "dance")
    for shorthand in {"sft", "nmt"} - set(whole.kind.stages):
        assert f"stages {there}, and no {shorthand}" in fails(capsys, shorthand, write(whole, tmp_path))


@pytest.mark.parametrize("spelled", ["streps", "train.streps"])
def test_a_key_that_it_does_not_have_is_named(
    whole: Recipe, spelled: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
):
    file = tmp_path / "mine.toml"
    file.write_text(f"kind = '{whole.name}'\n{spelled} = 1\n", encoding="utf-8")
    with pytest.raises(RecipeError, match=r"mine\.toml: (train|the recipe) has the unknown key 'streps'"):
        load_recipe(file)
    assert f"--{spelled}" in fails(capsys, "train", write(whole, tmp_path), f"--{spelled}", 1)


def tear(file: Path) -> None:
    file.write_bytes(b"torn")


@pytest.mark.parametrize(
    ("damage", "said"),
    [
        (lambda folder: tear(folder / "training" / "optimizer.safetensors"), "resume from an earlier checkpoint"),
        (lambda folder: tear(folder / "training" / "state.json"), "resume from an earlier checkpoint"),
        (lambda folder: shutil.rmtree(folder / "training"), "this checkpoint can't be resumed from"),
        (lambda folder: tear(folder / "model.safetensors"), "take an earlier checkpoint"),
        (lambda folder: (folder / "model.safetensors").unlink(), "model.safetensors"),
    ],
    ids=["torn-optimizer", "torn-state", "no-state", "torn-weights", "no-weights"],
)
def test_a_damaged_checkpoint_is_named(whole: Recipe, tmp_path: Path, damage: Callable[[Path], object], said: str):
    names = list(whole.kind.stages)
    for number, stage in enumerate(names):
        longer = {f"{sections(whole)[stage]}.steps": steps(whole, stage) + 2}
        damaged = copied(whole, tmp_path / stage, *names[: number + 1], **longer)
        damage(checkpoint(damaged, stage))
        with pytest.raises(ValueError, match=rf"{checkpoint(damaged, stage)}.*{said}"):
            train(damaged, only=stage, resume=True)


def test_nothing_begins_from_damaged_weights(whole: Recipe, tmp_path: Path):
    *earlier, _ = whole.kind.stages
    for stage in earlier:
        damaged = copied(whole, tmp_path / stage, *earlier)
        tear(checkpoint(damaged, stage) / "model.safetensors")
        with pytest.raises(ValueError, match=str(checkpoint(damaged, stage))):
            train(damaged)
        assert not damaged.folder("train").exists()


def test_other_seeds_begin_with_other_weights(whole: Recipe, tmp_path: Path):
    first, section = next(iter(sections(whole).items()))
    short = {f"{section}.steps": 1, f"{section}.optimizer.lr": 1e-9}
    made = [recipe(whole.name, tmp_path / str(number), seed=seed, **short) for number, seed in enumerate((0, 0, 1))]
    for one in made:
        train(one, only=first)
    one, same, other = (checkpoint(run, first).joinpath("model.safetensors").read_bytes() for run in made)
    assert one == same
    assert one != other


def test_what_a_kind_does_not_bring_is_said(tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    """The bandit can be trained and measured, and neither used live nor drawn."""
    made = recipe(STRANGER, tmp_path)
    made.save(made.folder("train") / "recipe.toml")
    assert f"a {STRANGER} run has nothing that could be used live" in fails(capsys, "translate", tmp_path)
    assert f"a {STRANGER} run has no figure 'staircase'; it has no figures" in fails(
        capsys, "plot", tmp_path, "--kind", "staircase"
    )
    assert f"a {STRANGER} run measures on nothing that a file could hold" in fails(
        capsys, "evaluate", tmp_path, "--data", "mine.tsv"
    )


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("chess", "unknown kind 'chess': choose one of translation, read-write, or your own module:name"),
        ("nowhere:KIND", "kind 'nowhere:KIND': cannot import 'nowhere'"),
        ("tests.support.bandit_kind:CHESS", "module 'tests.support.bandit_kind' has no 'CHESS'"),
        ("tests.support.bandit_kind:PAYOFFS", "has no config: it must have config, stages, metrics, test_set, systems"),
    ],
)
def test_what_is_no_kind_is_said(name: str, said: str):
    with pytest.raises(ValueError, match=said):
        find_kind(name)
