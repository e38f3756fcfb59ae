"""The READ/WRITE agent as a user meets it: trained over its translator, measured, drawn, used live; what is refused."""

from __future__ import annotations

import io
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from safetensors.torch import load_file

from seqpo.evaluation.report import Report
from seqpo.runs.recipes import Recipe
from seqpo.runs.stages import train
from seqpo.tasks.read_write.agent import AgentConfig, AskAgent
from seqpo.tasks.read_write.build import TranslatorSetup, agent_of, new_agent, new_baseline, setup
from seqpo.tasks.read_write.config import ReadWriteRun
from seqpo.tasks.read_write.deciders import WaitK
from seqpo.tasks.read_write.decoding import Decider, Step, decode
from seqpo.tasks.read_write.files import load_agent
from seqpo.tasks.read_write.segmentation import systems as segmentation
from seqpo.tasks.read_write.segmentation.systems import parts_of_speech
from seqpo.tasks.read_write.streams import AgentStreams
from seqpo.tasks.read_write.systems import systems
from seqpo.tasks.read_write.task import encode_source
from seqpo.tasks.translation.traces import Trace
from seqpo.training import checkpoints
from tests.support.commands import fails, seqpo
from tests.support.recipes import recipe, write
from tests.support.streams import drain, live_trace
from tests.support.translation import rows, sentences, weights

CPU = torch.device("cpu")
TALKS = {"translator.train.steps": 200, "translator.train.eval_every": 0, "sft.steps": 0, "stage": "ap-0.5"}
WARM = TALKS | {"agent.hidden": 48, "sft.steps": 80, "sft.batch": 12, "sft.eval_every": 80, "sft.save_every": 3}


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Recipe:
    """A translator that has learned to say something, and an agent that began as chance does."""
    made = recipe("read-write", tmp_path_factory.mktemp("read-write") / "run", **TALKS)
    train(made)
    return made


def over_the_same(run: Recipe, folder: Path, **changes: Any) -> Recipe:
    """Another run, over the translator of a run."""
    made = recipe("read-write", folder / "run", **(TALKS | changes))
    made.folder("nmt").parent.mkdir(parents=True)
    made.folder("nmt").symlink_to(run.folder("nmt"))
    return made


@pytest.fixture(scope="module")
def warmed(run: Recipe, tmp_path_factory: pytest.TempPathFactory) -> Recipe:
    """A run whose agent has been warmed up."""
    made = over_the_same(run, tmp_path_factory.mktemp("warmed"), **WARM)
    train(made, only="sft")
    return made


def last(stage: Path) -> Path:
    found = checkpoints.latest(stage)
    assert found
    return found


def decided(over: TranslatorSetup, decider: Decider, texts: list[str]) -> list[Trace]:
    """Translate whole sentences together, as an evaluation does."""
    units = [tuple(text.split()) for text in texts]
    found = decode(over.decoding, [encode_source(over.renderer, words) for words in units], decider)
    return [over.trace(words, steps) for words, steps in zip(units, found, strict=True)]


def test_a_run_leaves_an_agent_and_its_learning_curve(run: Recipe):
    stage = run.folder("train")
    curve = {"dev/bleu", "dev/ap", "dev/al", "dev/cw_mean", "dev/cw_max"}
    assert [curve <= set(row) for row in rows(stage)] == [False, True, False, True]
    told = {"rollout/quality", "rollout/latency", "rollout/wait", "critic/loss", "critic/explained"}
    assert told <= set(rows(stage)[0])
    agent = load_agent(last(stage))
    assert (agent.config.hidden, agent.observed) == (8, 2 * 24 + 16)
    assert not torch.equal(agent.head.weight, new_agent(run.run, agent.observed).head.weight)


def test_the_translator_stays_as_it_is(run: Recipe):
    over = setup(run.run, CPU, slots=2)
    before = load_file(last(run.folder("nmt")) / "model.safetensors")
    assert all(torch.equal(before[name], weight) for name, weight in over.decoding.translator.state_dict().items())
    assert last(run.folder("nmt")).name == "checkpoint-00000200"
    assert over.decoding.limit == 60


def test_the_report_has_the_agents_and_all_they_are_compared_with(
    run: Recipe, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
):
    monkeypatch.setattr(segmentation, "tag", lambda rows, language: [["X" for _ in row] for row in rows])
    seqpo("evaluate", run.run.out, "--out", tmp_path)
    report = Report.load(tmp_path)
    assert [system.name for system in report.systems] == [
        *("ap-0.5", "ap-0.5-beam", "wait-until-end", "wait-until-end-beam", "wait-one-step"),
        *("wait-if-worse-1.1", "wait-if-diff-1.1", "wait-if-worse-2.1", "wait-if-diff-2.1"),
        *("wait-1", "wait-3", "seg1-4", "seg2-4"),
    ]
    found = {system.name: system for system in report.systems}
    assert {system.n for system in report.systems} == {4}
    assert found["wait-until-end"].scores["al"].value == max(s.scores["al"].value for s in report.systems)
    assert found["ap-0.5-beam"].settings["decoding"] == "beam 2"
    assert "decoding:beam 2" in found["ap-0.5-beam"].signature
    assert "policy:wait-if-diff" in found["wait-if-diff-2.1"].signature
    assert [name for name, system in found.items() if not system.is_baseline] == ["ap-0.5", "ap-0.5-beam"]
    assert found["ap-0.5-beam"].variant_of == "ap"
    assert {comparison.names for comparison in report.comparisons} == {
        ("ap-0.5-beam", "ap-0.5"),
        ("wait-until-end-beam", "wait-until-end"),
    }
    assert len(report.examples) == 3
    markdown = (tmp_path / "report.md").read_text(encoding="utf-8")
    assert "CW mean" in markdown
    assert "AP" in markdown
    assert (tmp_path / "curve.png").read_bytes().startswith(b"\x89PNG")
    assert "wait-one-step" in capsys.readouterr().out


def test_a_translator_alone_is_measured_with_the_baselines(run: Recipe, tmp_path: Path):
    over_the_same(run, tmp_path)
    fewer = ("--evaluation.segmentation.mu", "--evaluation.wait-k", 1, "--evaluation.beam", 1)
    seqpo("evaluate", tmp_path / "run", *fewer)
    names = [system.name for system in Report.load(tmp_path / "run").systems]
    assert names[:2] == ["wait-until-end", "wait-one-step"]
    assert names[-1] == "wait-1"


def test_without_a_tagger_it_is_said_why_seg2_is_left_out(
    run: Recipe, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
):
    monkeypatch.setitem(sys.modules, "HanTa.HanoverTagger", None)
    names = [one.name for one in systems(run.run)]
    assert "seg1-4" in names
    assert "seg2-4" not in names
    said = "SEG2 is left out, and SEG1 learns from words alone: part-of-speech tags need HanTa"
    assert said in capsys.readouterr().err


def test_tags_of_words_that_bring_their_punctuation(monkeypatch: pytest.MonkeyPatch):
    told: list[list[str]] = []

    def tag(rows: list[list[str]], language: str) -> list[list[str]]:
        told.extend(rows)
        return [[word[0].upper() for word in row] for row in rows]

    monkeypatch.setattr(segmentation, "tag", tag)
    assert parts_of_speech([("er", "sagt,", "–", "dass"), ("ja?!",)], "de") == [("E", "S,", "–", "D"), ("J?!",)]
    assert told == [["er", "sagt", "–", "dass"], ["ja"]]


def test_attention_is_a_share_of_what_has_been_read(run: Recipe):
    """Pieces add up to words; what was written before a word was read did not attend to it."""
    over = setup(run.run, CPU, 1)
    words = tuple(sentences()[0].source.split())
    heard = encode_source(over.renderer, words)
    [steps] = decode(over.decoding, [heard], WaitK(2), attention=True)
    trace, attention = over.trace(words, steps), over.attention(heard, steps)
    assert attention.shape == (len(trace.units), len(words))
    assert attention.sum(axis=1).max() <= 1 + 1e-5
    assert attention.max() > 0
    early = next(number for number, delay in enumerate(trace.delays) if delay < len(words))
    assert attention[early, trace.delays[early] :].max() == 0


def test_attention_of_a_lone_space_and_of_nothing(run: Recipe):
    """What is left at the limit may be the space before a word: it is no unit, and its attention is nobody's."""
    over = setup(run.run, CPU, 1)
    source = encode_source(over.renderer, ("ja", "nein"))
    [space], [bare] = (over.renderer.tokenizer.encode(text, add_special_tokens=False) for text in (" ", "I"))
    said = [(bare, 0.1), *((token, 0.2) for token in over.renderer.target(["did"])), (space, 0.3)]
    length = sum(map(len, source.words)) + len(source.end)
    steps = tuple(Step(True, token, np.full(length, share, dtype=np.float32)) for token, share in said)
    assert over.trace(("ja", "nein"), steps).units == ("I", "did")
    pieces = [len(word) for word in source.words]
    wanted = [[share * count for count in pieces] for share in (0.1, 0.2)]
    np.testing.assert_allclose(over.attention(source, steps), wanted, rtol=1e-6)
    assert over.attention(source, ()).shape == (0, 2)


@pytest.mark.parametrize(
    ("kind", "named"),
    [
        ("staircase", ()),
        ("staircase", ("wait-3",)),
        ("staircase", ("wait-until-end-beam",)),
        ("outputs", ("wait-1", "wait-3")),
    ],
)
def test_a_sentence_is_drawn(run: Recipe, tmp_path: Path, kind: str, named: tuple[str, ...]):
    out, options = tmp_path / "figure.png", ("--systems", *named) if named else ()
    seqpo("plot", run.run.out, "--kind", kind, "--sentence", 2, *options, "--out", out)
    assert out.read_bytes().startswith(b"\x89PNG")


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("--sentence", "9"), "the test set has examples 1 to 4, not 9"),
        (("--systems", "wait-7"), "this run has no system wait-7: choose from ap-0.5"),
        (("--systems", "wait-1", "wait-3"), "a staircase is one system's"),
        (("{run}",), "--kind staircase draws an example of one run"),
    ],
)
def test_what_can_not_be_drawn_is_said(
    run: Recipe, tmp_path: Path, arguments: tuple[str, ...], said: str, capsys: pytest.CaptureFixture[str]
):
    rest = [argument.format(run=run.run.out) for argument in arguments]
    assert said in fails(capsys, "plot", run.run.out, *rest, "--kind", "staircase", "--out", tmp_path / "no.png")
    assert not (tmp_path / "no.png").exists()


def test_live_and_evaluated_translations_are_the_same(run: Recipe):
    """Over a translator that was trained, whose sentences end by themselves."""
    over = setup(run.run, CPU, 3)
    agent = new_agent(replace(run.run, seed=3), over.observed).requires_grad_(False)
    agent.head.weight.mul_(100)  # neither READ nor WRITE all the time
    texts = [pair.source for pair in sentences()[:6]]
    traces = decided(over, AskAgent(agent, 3), texts)
    assert len({delay for trace in traces for delay in trace.delays}) > 2
    streams = AgentStreams(over.decoding, over.renderer, AskAgent(agent, 3))
    for trace in traces:
        stream, events = streams.open(), []
        for word in trace.source:
            stream.feed([word])
            events += drain(streams, stream)
        stream.end()
        events += drain(streams, stream)
        live = live_trace(trace.source, events)
        assert (live.text, live.delays) == (trace.text, trace.delays)


def test_live_translation_of_lines(run: Recipe, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]):
    texts = [pair.source for pair in sentences()[:2]]
    monkeypatch.setattr(sys, "stdin", io.StringIO(f"{texts[0]}\n\n{texts[1]}"))
    seqpo("translate", run.run.out)
    [first, empty, second, end] = capsys.readouterr().out.split("\n")
    traces = decided(setup(run.run, CPU, 3), AskAgent(agent_of(run.run, "ap-0.5", CPU), 3), texts)
    assert [first, second] == [trace.text for trace in traces]
    assert (empty, end) == ("", "")


def test_a_live_trace_names_every_word(
    run: Recipe, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
):
    monkeypatch.setattr(sys, "stdin", io.StringIO("der alte Mann\n"))
    seqpo("translate", run.run.out, "--stage", "ap-0.5", "--trace")
    told = capsys.readouterr().out.splitlines()
    read = [f"READ  {word}" for word in ("der", "alte", "Mann", "(end)")]
    assert [line for line in told if line.startswith("READ")] == read
    assert any(line.startswith("WRITE") for line in told)


def test_an_advantage_without_values_trains_no_baseline(run: Recipe, tmp_path: Path):
    plain = {"advantage": {"name": "return-to-go"}, "critic.hidden": 128, "train.steps": 1}
    made = over_the_same(run, tmp_path, **plain)
    train(made)
    assert not any(name.startswith("critic/") for row in rows(made.folder("train")) for name in row)
    assert not (last(made.folder("train")) / "critic").exists()


def test_a_warm_up_imitates_wait_k(warmed: Recipe):
    stage = warmed.folder("sft")
    assert rows(stage)[-1]["loss"] < 0.05  # nats per decision
    assert {"dev/bleu", "dev/ap", "dev/al", "dev/cw_mean"} <= set(rows(stage)[-1])
    over = setup(warmed.run, CPU, slots=4)
    sources = [encode_source(over.renderer, tuple(pair.source.split())) for pair in sentences()[:6]]
    learnt = decode(over.decoding, sources, AskAgent(load_agent(last(stage)), 4))
    assert [[step.wrote for step in steps[:3]] for steps in learnt] == [[False, False, True]] * 6


def test_agents_begin_with_the_warm_up(warmed: Recipe, capsys: pytest.CaptureFixture[str]):
    out = Path(warmed.run.out)
    still = recipe(
        "read-write",
        out,
        **(WARM | {"stage": "still", "train.steps": 1, "train.optimizer.lr": 1e-9, "train.eval_every": 0}),
    )
    train(still)
    assert f"begins with {last(out / 'sft')}" in capsys.readouterr().err
    torch.testing.assert_close(weights(last(out / "still")), weights(last(out / "sft")), rtol=0, atol=1e-7)
    wider = recipe("read-write", out, **(WARM | {"stage": "wider", "agent.hidden": 9}))
    said = "an agent of width 48, the recipe's agent.hidden is 9: set it to the warm-up's, or train the warm-up again"
    with pytest.raises(ValueError, match=said):
        train(wider, only="train")
    with pytest.raises(ValueError, match=r"sft was made with agent\.hidden = 48, now 9"):
        train(wider)
    assert not (out / "wider").exists()


def test_a_longer_warm_up_is_gone_on_with(run: Recipe, tmp_path: Path):
    short = WARM | {"sft.optimizer.decay": "constant", "sft.eval_every": 0}
    halves, whole = (over_the_same(run, tmp_path / name, **(short | {"sft.steps": 6})) for name in ("halves", "whole"))
    train(recipe("read-write", Path(halves.run.out), **(short | {"sft.steps": 3})), only="sft")
    train(halves, only="sft", resume=True)
    train(whole, only="sft")
    assert torch.equal(weights(last(halves.folder("sft"))), weights(last(whole.folder("sft"))))


def test_seeds_make_agents():
    def made(seed: int) -> tuple[torch.Tensor, torch.Tensor]:
        run = ReadWriteRun(seed=seed, agent=AgentConfig(4))
        return new_agent(run, 10).head.weight, new_baseline(run, 10)[0].weight

    first, again, other = (made(seed) for seed in (0, 0, 1))
    for one, same, another in zip(first, again, other, strict=True):
        assert torch.equal(one, same)
        assert not torch.equal(one, another)


def test_without_a_translator_the_command_is_named(tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    made = recipe("read-write", tmp_path / "run", **TALKS)
    told = fails(capsys, "train", write(made, tmp_path), "--only", "train")
    assert "run/nmt: no checkpoint there; run `seqpo train` first" in told
    assert not Path(made.run.out).exists()


def test_without_an_agent_nothing_is_translated(
    run: Recipe, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
):
    monkeypatch.setattr(sys, "stdin", io.StringIO("ja\n"))
    over_the_same(run, tmp_path)
    told = fails(capsys, "translate", tmp_path / "run")
    assert "ap-0.5: no checkpoint there; run `seqpo train` first" in told
    assert "nobody: no checkpoint there" in fails(capsys, "translate", run.run.out, "--stage", "nobody")
    assert "run `seqpo train` first" in fails(capsys, "translate", run.run.out, "--stage", "sft")
    assert "not of a READ/WRITE agent" in fails(capsys, "translate", run.run.out, "--stage", "nmt")


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"advantage": {"name": "gigpo"}, "critic.hidden": 128}, "does not tell states apart"),
        ({"data.source_language": "fr"}, "no grammar is embedded for fr-en"),
        ({"reward.latency": "speed"}, "unknown latency 'speed'"),
    ],
)
def test_what_does_not_fit_together_is_said(run: Recipe, changes: dict[str, Any], said: str, tmp_path: Path):
    made = over_the_same(run, tmp_path)
    with pytest.raises(ValueError, match=said):
        train(recipe("read-write", Path(made.run.out), **(TALKS | changes)), only="train")
    assert not made.folder("train").exists()


@pytest.mark.slow
def test_the_agent_learns_to_wait_for_the_verb(tmp_path: Path):
    # as in the paper, without a warm-up
    shorter = ["--translator.train.steps", 1400, "--translator.train.eval-every", 0, "--sft.steps", 0]
    alone = ["--evaluation.segmentation.mu", "--evaluation.beam", 1, "--data.test.count", 200]
    options = ["--out", tmp_path, "--runtime.threads", 1, "--train.steps", 200, "--train.eval-every", 0]
    seqpo("train", "read-write-demo", *options, *shorter)
    seqpo("evaluate", tmp_path, *alone)
    found = {system.name: system.scores for system in Report.load(tmp_path).systems}
    agent, whole = ({name: score.value for name, score in found[one].items()} for one in ("ap-0.6", "wait-until-end"))
    # the English verb is written when the German participle has been read; for other words it hardly waits
    assert agent["verb_wait"] > agent["other_wait"] + 1.5
    # less than half the delay of whole sentences for little quality, and above all that needs no learning
    assert agent["al"] < whole["al"] / 2
    assert agent["bleu"] > whole["bleu"] - 15
    for rule in ("wait-one-step", "wait-1", "wait-2", "wait-3", "wait-4", "wait-if-worse-1.1", "wait-if-diff-1.1"):
        assert agent["bleu"] > found[rule]["bleu"].value
