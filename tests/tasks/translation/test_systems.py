"""A translation run and its report: what stages leave, who is measured, how it is drawn."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from transformers import AutoModelForCausalLM

from seqpo.evaluation.report import Report
from seqpo.runs.recipes import Recipe, load_recipe
from seqpo.runs.stages import train
from seqpo.tasks.translation.systems import systems
from seqpo.training import checkpoints
from tests.support.commands import fails, seqpo
from tests.support.recipes import recipe
from tests.support.translation import rows, weights


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Recipe:
    """A run all the way, with a second policy that reads in larger chunks, grown from the same warm-up."""
    folder = tmp_path_factory.mktemp("translation") / "run"
    made = recipe("translation", folder, stage="seqpo")
    train(made, only="sft")
    other = {"dialogue.chunk": 3, "dialogue.warmup_chunks": (), "train.steps": 1}
    train(recipe("translation", folder, stage="seqpo-3", **other), only="train")
    train(made)
    return made


def last(made: Recipe, stage: str) -> Path:
    found = checkpoints.latest(Path(made.run.out) / stage)
    assert found
    return found


def test_a_run_leaves_what_is_promised(run: Recipe):
    for stage, steps in (("sft", 6), ("seqpo", 4)):
        assert last(run, stage).name == f"checkpoint-{steps:08d}"
        assert AutoModelForCausalLM.from_pretrained(last(run, stage)).config.hidden_size == 32
        assert load_recipe(Path(run.run.out) / stage / "recipe.toml") == run
    sft, seqpo_rows = (rows(Path(run.run.out) / stage) for stage in ("sft", "seqpo"))
    assert [{"dev/bleu", "dev/chrf", "dev/al"} <= set(row) for row in sft] == [False, False, False, True, False, True]
    assert {"rollout/quality", "rollout/latency", "rollout/waits", "loss", "grad_norm"} <= set(seqpo_rows[0])
    assert not torch.equal(weights(last(run, "sft")), weights(last(run, "seqpo")))


def test_the_report_has_every_system_and_its_signature(run: Recipe, tmp_path: Path):
    seqpo("evaluate", run.run.out, "--out", tmp_path)
    report = Report.load(tmp_path)
    found = {system.name: system for system in report.systems}
    assert list(found) == ["sft", "seqpo", "wait-1", "wait-3", "offline"]
    assert {system.n for system in report.systems} == {4} == {report.data["examples"]}
    assert {comparison.names for comparison in report.comparisons} == {("seqpo", "sft")}
    assert {comparison.metric for comparison in report.comparisons} == {"bleu", "chrf", "al"}
    offline = found["offline"]
    assert "with the weights of sft" in str(offline.settings["policy"])
    assert all(system.scores["al"].value <= offline.scores["al"].value for system in report.systems)
    assert all("decoding:greedy" in system.signature for system in report.systems)
    assert [system.is_baseline for system in report.systems] == [False, False, True, True, True]
    assert {system.family for system in report.systems} == {"sft", "seqpo", "wait-k", "offline"}
    assert len(report.examples) == 3
    assert "READ" in report.examples[0]
    assert (tmp_path / "report.md").read_text(encoding="utf-8").count("wait-") >= 2
    assert (tmp_path / "curve.png").read_bytes().startswith(b"\x89PNG")


def test_fixed_schedules_borrow_weights_and_the_warm_up_is_measured_at_more_chunks(run: Recipe):
    out = Path(run.run.out)
    more = {"evaluation.fixed": ("sft", "seqpo"), "evaluation.chunks": (2, 3), "evaluation.stages": ("seqpo-3", "gone")}
    listed = {one.name: one for one in systems(recipe("translation", out, stage="seqpo", **more).run)}
    assert list(listed) == [
        *("sft", "seqpo-3", "seqpo", "sft-m3"),
        *("wait-1", "wait-3", "offline", "wait-1@seqpo", "wait-3@seqpo", "offline@seqpo"),
    ]
    assert (listed["wait-3@seqpo"].stage, listed["wait-3@seqpo"].variant_of) == ("seqpo", "wait-k")
    # a policy is measured at the chunks that it was optimized for, against the warm-up at the same ones
    assert (listed["seqpo-3"].settings["chunk"], listed["seqpo-3"].baseline) == (3, "sft-m3")
    assert (listed["seqpo"].settings["chunk"], listed["seqpo"].baseline) == (2, "sft")
    assert (listed["seqpo"].family, listed["seqpo-3"].family) == ("seqpo", "seqpo")


def test_chunks_and_schedules_are_kept_to(run: Recipe):
    more = {"evaluation.chunks": (3,)}
    listed = {one.name: one for one in systems(recipe("translation", Path(run.run.out), stage="seqpo", **more).run)}
    pairs = run.kind.test_set(run.run).examples
    for name, chunk in (("seqpo", 2), ("sft-m3", 3)):
        told: list[int] = []
        traces = listed[name].play(pairs, told.append)
        assert told[-1] == len(pairs)
        for trace in traces:
            assert sum(count for count, _ in trace.turns) == len(trace.source)
            assert {count for count, _ in trace.turns[:-1]} == {chunk}
    for trace in listed["offline"].play(pairs, lambda _: None):
        assert set(trace.delays) <= {len(trace.source)}
    assert any(set(trace.delays) & {2} for trace in listed["wait-1"].play(pairs, lambda _: None))


@pytest.mark.parametrize("options", [("--systems", "wait-3"), ("--kind", "outputs", "--systems", "sft", "wait-1")])
def test_a_sentence_is_drawn(run: Recipe, tmp_path: Path, options: tuple[str, ...]):
    seqpo("plot", run.run.out, "--kind", "staircase", "--sentence", 2, *options, "--out", tmp_path / "figure.png")
    assert (tmp_path / "figure.png").read_bytes().startswith(b"\x89PNG")


def test_what_cannot_be_drawn_is_said(run: Recipe, tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    out = ("--out", tmp_path / "no.png")
    for options, said in (
        (("--kind", "pie"), "a translation run has no figure 'pie'; it has staircase, outputs"),
        (("--kind", "staircase", "--systems", "sft", "wait-1"), "a staircase is one system's"),
        (("--kind", "staircase"), "nothing was written, so there is no staircase to draw"),  # by the last policy
        (("--kind", "outputs", "--sentence", 0), "the test set has examples 1 to 4, not 0"),
    ):
        assert said in fails(capsys, "plot", run.run.out, *options, *out)
    assert not (tmp_path / "no.png").exists()
