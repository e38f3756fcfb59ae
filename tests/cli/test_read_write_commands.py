"""The READ/WRITE agent as a user meets it: train, evaluate, plot, translate; and what is refused."""

from __future__ import annotations

import io
import sys
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file

from seqpo.cli import main, segmenting
from seqpo.cli.kinds import KINDS
from seqpo.cli.read_write import AgentInterpreter, TranslatorSetup, agent_of, new_agent, translator_setup
from seqpo.cli.recipe import ReadWriteConfig, Recipe, RecipeError, load_recipe
from seqpo.cli.segmenting import parts_of_speech
from seqpo.evaluation.report import Report
from seqpo.tasks.read_write.agent import Agent, AskAgent
from seqpo.tasks.read_write.deciders import WaitK
from seqpo.tasks.read_write.decoding import decode
from seqpo.tasks.read_write.files import load_agent
from seqpo.tasks.read_write.segmentation import classifier
from seqpo.tasks.read_write.task import spoken
from seqpo.tasks.translation.traces import Trace
from seqpo.training import checkpoints
from tests.support.commands import fails, seqpo
from tests.support.recipes import write_recipe
from tests.support.translation import rows, sentences, weights

TINY = """
policy = "read-write"
stage = "ap-0.5"
vocabulary = 320
[data]
train = { path = "grammar", count = 40 }
dev = { path = "grammar", count = 3 }
test = { path = "grammar", count = 4 }
[nmt]
model = { embedding = 16, hidden = 24, attention = 16 }
max_pieces = 60
[nmt.train]
steps = 200
batch = 8
optimizer = { lr = 1e-2 }
[agent]
hidden = 8
baseline_hidden = 6
[objective]
name = "reinforce"
[advantage]
name = "gu"
[reward]
latency = "ap"
fuse = { name = "gu", options = { alpha = 0.0, beta = -1.0, ap_target = 0.5 } }
[train]
steps = 4
starts = 2
group_size = 3
save_every = 1
eval_every = 2
entropy = 0.01
kl = { coefficient = 0.0 }
[evaluation]
stages = ["ap-0.9", "ap-0.5"]
wait_k = [1, 3]
beam = 2
wait_if = { first = [1, 2], peek = [1] }
segments = { mu = [4.0], sentences = 6, max_length = 4 }
resamples = 20
[runtime]
device = "cpu"
threads = 1
"""

WARM = (
    TINY.replace("hidden = 8\n", "hidden = 48\n")
    + """
[schedule]
wait_k = 1.0
full_sentence = 0.0
k = [3, 3]
[sft]
steps = 80
batch = 12
eval_every = 80
save_every = 3
optimizer = { lr = 1e-2, warmup = 2 }
"""
)


@pytest.fixture(scope="module")
def recipe(tmp_path_factory: pytest.TempPathFactory) -> str:
    """A recipe whose translator and agent have been trained."""
    written = write_recipe(tmp_path_factory.mktemp("read-write"), text=TINY)
    seqpo("nmt", written)
    seqpo("train", written)
    return written


@pytest.fixture(scope="module")
def run(recipe: str) -> Path:
    return Path(recipe).parent / "run"


def over_the_same(run: Path, folder: Path, text: str) -> str:
    """Write a recipe in a folder, whose run has the translator of another."""
    (folder / "run").mkdir()
    (folder / "run" / "nmt").symlink_to(run / "nmt")
    return write_recipe(folder, text=text)


def last(stage: Path) -> Path:
    found = checkpoints.latest(stage)
    assert found
    return found


def test_a_run_leaves_an_agent_and_its_learning_curve(run: Path, tmp_path: Path):
    stage = run / "ap-0.5"
    assert [row["step"] for row in rows(stage)] == [1, 2, 3, 4]
    curve = {"dev/bleu", "dev/ap", "dev/al", "dev/cw_mean", "dev/cw_max"}
    assert [curve <= set(row) for row in rows(stage)] == [False, True, False, True]
    assert {"rollout/quality", "rollout/latency", "rollout/wait", "critic/loss", "critic/explained"} <= set(
        rows(stage)[0]
    )
    agent = load_agent(last(stage))
    assert (agent.config.hidden, agent.observed) == (8, 2 * 24 + 16)
    begun, _ = new_agent(load_recipe(stage / "recipe.toml"), agent.observed)
    assert not torch.equal(agent.head.weight, begun.head.weight)
    seqpo("plot", stage / "metrics.jsonl", "--out", tmp_path / "learning.png")
    assert (tmp_path / "learning.png").read_bytes().startswith(b"\x89PNG")


def test_the_translator_stays_as_it_is(run: Path):
    recipe = load_recipe(run / "ap-0.5" / "recipe.toml")
    setup = translator_setup(recipe, torch.device("cpu"), slots=2)
    before = load_file(last(run / "nmt") / "model.safetensors")
    assert all(torch.equal(before[name], weight) for name, weight in setup.decoding.translator.state_dict().items())
    assert setup.decoding.limit == 60


def test_the_report_has_the_agents_and_all_they_are_compared_with(
    run: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
):
    monkeypatch.setattr(segmenting, "tag", lambda rows, language: [["X" for _ in row] for row in rows])
    seqpo("evaluate", run, "--out", tmp_path)
    report = Report.load(tmp_path)
    assert [system.name for system in report.systems] == [
        *("ap-0.5", "ap-0.5-beam", "wait-until-end", "wait-until-end-beam", "wait-one-step"),
        *("wait-if-worse-1.1", "wait-if-diff-1.1", "wait-if-worse-2.1", "wait-if-diff-2.1"),
        *("wait-1", "wait-3", "seg1-4", "seg2-4"),
    ]
    systems = {system.name: system for system in report.systems}
    assert {system.n for system in report.systems} == {4}
    assert systems["wait-until-end"].al == max(system.al for system in report.systems)
    assert systems["ap-0.5-beam"].settings["decoding"] == "beam 2"
    assert "decoding:beam 2" in systems["ap-0.5-beam"].signature
    assert "policy:wait-if-diff" in systems["wait-if-diff-2.1"].signature
    assert {comparison.names for comparison in report.comparisons} == {
        ("ap-0.5-beam", "ap-0.5"),
        ("wait-until-end-beam", "wait-until-end"),
    }
    assert len(report.examples) == 3
    markdown = (tmp_path / "report.md").read_text(encoding="utf-8")
    assert "CW mean" in markdown
    assert "AP" in markdown
    assert (tmp_path / "curve.png").exists()
    assert "wait-one-step" in capsys.readouterr().out


def test_a_translator_alone_is_measured_with_the_baselines(run: Path, tmp_path: Path):
    (tmp_path / "run").mkdir()
    (tmp_path / "run" / "nmt").symlink_to(run / "nmt")
    seqpo("evaluate", tmp_path / "run", "--evaluation.segments.mu", "--evaluation.wait-k", 1, "--evaluation.beam", 1)
    names = [system.name for system in Report.load(tmp_path / "run").systems]
    assert names[:2] == ["wait-until-end", "wait-one-step"]
    assert names[-1] == "wait-1"


def test_without_a_tagger_it_is_said_why_seg2_is_left_out(
    run: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
):
    monkeypatch.setitem(sys.modules, "HanTa.HanoverTagger", None)
    names = [one.name for one in KINDS["read-write"].contestants(load_recipe(run / "ap-0.5" / "recipe.toml"))]
    assert "seg1-4" in names
    assert "seg2-4" not in names
    assert (
        "SEG2 is left out, and SEG1 learns from words alone: part-of-speech tags need HanTa" in capsys.readouterr().err
    )


def test_tags_of_words_that_bring_their_punctuation(monkeypatch: pytest.MonkeyPatch):
    told: list[list[str]] = []

    def tag(rows: list[list[str]], language: str) -> list[list[str]]:
        told.extend(rows)
        return [[word[0].upper() for word in row] for row in rows]

    monkeypatch.setattr(segmenting, "tag", tag)
    assert parts_of_speech([("er", "sagt,", "–", "dass"), ("ja?!",)], "de") == [("E", "S,", "–", "D"), ("J?!",)]
    assert told == [["er", "sagt", "–", "dass"], ["ja"]]
    assert classifier.tag is not tag


def decided(setup: TranslatorSetup, agent: Agent, texts: list[str]) -> list[Trace]:
    """Translate whole sentences together, as an evaluation does."""
    units = [tuple(text.split()) for text in texts]
    found = decode(setup.decoding, [spoken(setup.renderer, words) for words in units], AskAgent(agent, 3))
    return [setup.trace(words, steps) for words, steps in zip(units, found, strict=True)]


def test_attention_is_a_share_of_what_has_been_read(run: Path):
    """Pieces add up to words; what was written before a word was read did not attend to it."""
    setup = translator_setup(load_recipe(run / "ap-0.5" / "recipe.toml"), torch.device("cpu"), 1)
    words = tuple(sentences()[0].source.split())
    heard = spoken(setup.renderer, words)
    [steps] = decode(setup.decoding, [heard], WaitK(2), attention=True)
    trace, attention = setup.trace(words, steps), setup.attention(heard, steps)
    assert attention.shape == (len(trace.units), len(words))
    assert attention.sum(axis=1).max() <= 1 + 1e-5
    assert attention.max() > 0
    early = next(number for number, delay in enumerate(trace.delays) if delay < len(words))
    assert attention[early, trace.delays[early] :].max() == 0


@pytest.mark.parametrize(
    ("kind", "systems"),
    [
        ("staircase", ()),
        ("staircase", ("wait-3",)),
        ("staircase", ("wait-until-end-beam",)),
        ("outputs", ("wait-1", "wait-3")),
    ],
)
def test_a_sentence_is_drawn(run: Path, tmp_path: Path, kind: str, systems: tuple[str, ...]):
    out = tmp_path / "figure.png"
    named = ("--systems", *systems) if systems else ()
    seqpo("plot", run, "--kind", kind, "--sentence", 2, *named, "--out", out)
    assert out.read_bytes().startswith(b"\x89PNG")


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("--sentence", "9"), "the test set has sentences 1 to 4, not 9"),
        (("--systems", "wait-7"), "this run has no system wait-7: choose from ap-0.5"),
        (("--systems", "wait-1", "wait-3"), "a staircase is one system's"),
        (("{run}",), "--kind staircase draws a sentence of one run"),
    ],
)
def test_what_can_not_be_drawn_is_said(
    run: Path, tmp_path: Path, arguments: tuple[str, ...], said: str, capsys: pytest.CaptureFixture[str]
):
    rest = [argument.format(run=run) for argument in arguments]
    assert said in fails(capsys, "plot", run, *rest, "--kind", "staircase", "--out", tmp_path / "no.png")
    assert not (tmp_path / "no.png").exists()


def test_live_and_evaluated_translations_are_the_same(run: Path):
    setup = translator_setup(load_recipe(run / "ap-0.5" / "recipe.toml"), torch.device("cpu"), 3)
    agent, _ = new_agent(Recipe(seed=3, agent=ReadWriteConfig(hidden=8)), setup.observed)
    with torch.no_grad():
        agent.head.weight.mul_(100)  # neither READ nor WRITE all the time
    traces = decided(setup, agent, [pair.source for pair in sentences()[:6]])
    assert len({delay for trace in traces for delay in trace.delays}) > 2
    for trace in traces:
        interpreter, expected = AgentInterpreter(setup, agent), [piece for _, piece in trace.turns]
        live = [interpreter.read([word]) for word in trace.source]
        live[-1] += interpreter.finish()
        for heard in range(1, len(live) + 1):
            assert "".join(live[:heard]).strip() == "".join(expected[:heard]).strip()


def test_live_translation_of_lines(run: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]):
    texts = [pair.source for pair in sentences()[:2]]
    monkeypatch.setattr(sys, "stdin", io.StringIO(f"{texts[0]}\n\n{texts[1]}"))
    seqpo("translate", run)
    [first, empty, second, end] = capsys.readouterr().out.split("\n")
    recipe, device = load_recipe(run / "ap-0.5" / "recipe.toml"), torch.device("cpu")
    traces = decided(translator_setup(recipe, device, 3), agent_of(recipe, "ap-0.5", device), texts)
    assert [first.strip(), second.strip()] == [trace.text for trace in traces]
    assert (empty, end) == ("", "")


def test_a_live_trace_names_every_word(run: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]):
    monkeypatch.setattr(sys, "stdin", io.StringIO("der alte Mann\n"))
    seqpo("translate", run, "--stage", "ap-0.5", "--trace")
    told = capsys.readouterr().out.splitlines()
    assert [line for line in told if line.startswith("READ")] == [
        f"READ  {w}" for w in ("der", "alte", "Mann", "(end)")
    ]
    assert any(line.startswith("WRITE") for line in told)


def test_an_interrupted_agent_goes_on_as_if_it_had_not_been(run: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    recipe = over_the_same(run, tmp_path, TINY)
    save = checkpoints.save

    def killed(stage: Path, step: int, *rest: object, **more: object) -> None:
        save(stage, step, *rest, **more)  # type: ignore[arg-type]
        if step == 2:
            raise KeyboardInterrupt

    with monkeypatch.context() as patched:
        patched.setattr(checkpoints, "save", killed)
        assert main(["train", recipe]) == 130
    assert last(tmp_path / "run" / "ap-0.5").name == "checkpoint-00000002"
    seqpo("train", recipe, "--resume")
    assert torch.equal(weights(last(tmp_path / "run" / "ap-0.5")), weights(last(run / "ap-0.5")))
    assert rows(tmp_path / "run" / "ap-0.5") == rows(run / "ap-0.5")


def test_an_advantage_without_values_trains_no_baseline(recipe: str, run: Path):
    seqpo("train", recipe, "--stage", "plain", "--advantage.name", "return-to-go", "--train.steps", 1)
    assert not any(name.startswith("critic/") for row in rows(run / "plain") for name in row)


@pytest.fixture(scope="module")
def warmed(run: Path, tmp_path_factory: pytest.TempPathFactory) -> str:
    """A recipe whose agent has been warmed up, over the same translator."""
    recipe = over_the_same(run, tmp_path_factory.mktemp("warmed"), WARM)
    seqpo("sft", recipe)
    return recipe


def test_a_warm_up_imitates_wait_k(warmed: str):
    stage = Path(warmed).parent / "run" / "sft-agent"
    assert rows(stage)[-1]["loss"] < 0.05  # nats per decision
    assert {"dev/bleu", "dev/ap", "dev/al", "dev/cw_mean"} <= set(rows(stage)[-1])
    setup = translator_setup(load_recipe(stage / "recipe.toml"), torch.device("cpu"), slots=4)
    texts = [pair.source for pair in sentences()[:6]]
    sources = [spoken(setup.renderer, tuple(text.split())) for text in texts]
    learnt = decode(setup.decoding, sources, AskAgent(load_agent(last(stage)), 4))
    assert [[step.wrote for step in steps[:3]] for steps in learnt] == [[False, False, True]] * len(texts)


def test_agents_begin_with_the_warm_up(warmed: str, capsys: pytest.CaptureFixture[str]):
    run = Path(warmed).parent / "run"
    seqpo("train", warmed, "--train.steps", 1, "--train.optimizer.lr", 1e-9, "--train.eval-every", 0)
    assert f"begins with {last(run / 'sft-agent')}" in capsys.readouterr().err
    torch.testing.assert_close(weights(last(run / "ap-0.5")), weights(last(run / "sft-agent")), rtol=0, atol=1e-7)
    told = fails(capsys, "train", warmed, "--stage", "wider", "--agent.hidden", 9)
    assert "an agent of width 48, the recipe's agent.hidden is 9: set it to the warm-up's, or run `seqpo sft`" in told


def test_an_interrupted_warm_up_goes_on(warmed: str, run: Path, tmp_path: Path):
    recipe = over_the_same(run, tmp_path, WARM)
    seqpo("sft", recipe, "--sft.steps", 3, "--sft.optimizer.decay", "constant")
    seqpo("sft", recipe, "--resume", "--sft.steps", 6, "--sft.optimizer.decay", "constant")
    (tmp_path / "run" / "sft-agent").rename(tmp_path / "halves")
    seqpo("sft", recipe, "--sft.steps", 6, "--sft.optimizer.decay", "constant")
    assert torch.equal(weights(last(tmp_path / "halves")), weights(last(tmp_path / "run" / "sft-agent")))


def test_seeds_make_agents():
    (first, one), (again, same), (other, _) = (new_agent(Recipe(seed=seed), 10) for seed in (0, 0, 1))
    assert torch.equal(first.head.weight, again.head.weight)
    assert torch.equal(one[0].weight, same[0].weight)
    assert not torch.equal(first.head.weight, other.head.weight)


def test_without_a_translator_the_command_is_named(tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    recipe = write_recipe(tmp_path, text=TINY)
    assert "run/nmt: no checkpoint there; run `seqpo nmt` first" in fails(capsys, "train", recipe)
    assert not (tmp_path / "run" / "ap-0.5").exists()


def test_without_an_agent_nothing_is_translated(
    run: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
):
    monkeypatch.setattr(sys, "stdin", io.StringIO("ja\n"))
    over_the_same(run, tmp_path, TINY)
    assert "ap-0.5: no checkpoint there; run `seqpo train` first" in fails(capsys, "translate", tmp_path / "run")
    assert "nobody: no checkpoint there" in fails(capsys, "translate", run, "--stage", "nobody")
    assert "run `seqpo sft` first" in fails(capsys, "translate", run, "--stage", "sft-agent")
    assert "not of a READ/WRITE agent" in fails(capsys, "translate", run, "--stage", "nmt")


@pytest.mark.parametrize(
    ("overrides", "said"),
    [
        (["--advantage.name", "gigpo"], "does not tell states apart"),
        (["--nmt.max-pieces", "1"], "needs sentences"),
    ],
)
def test_what_does_not_fit_together_is_said(
    recipe: str, overrides: list[str], said: str, capsys: pytest.CaptureFixture[str]
):
    told = fails(capsys, "train", recipe, "--stage", "other", *overrides)
    assert said in told


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("policy = 'oracle'", "policy should be one of 'causal-lm', 'read-write', but is 'oracle'"),
        ("[agent]\nhidden = 0", "agent: hidden and baseline_hidden must be positive"),
        ("[evaluation]\nbeam = 0", "evaluation: a beam has one hypothesis or more, got 0"),
        ("[evaluation.wait_if]\npeek = [0]", r"evaluation.wait_if: first and peek are one unit or more"),
        ("[evaluation.segments]\nmu = [0.5]", r"evaluation.segments: mu, a mean length of segments, is 1 or more"),
        ("[evaluation.segments]\nsentences = 0", r"evaluation.segments: sentences and max_length must be positive"),
        ("policy = 'read-write'", "train.kl.coefficient = 0"),
        (
            "policy = 'read-write'\ntrain = { kl = { coefficient = 0.0 } }\nschedule = { segments = 0.5 }",
            "schedule.segments = 0",
        ),
    ],
)
def test_what_is_no_recipe_is_named_by_file_and_key(text: str, said: str, tmp_path: Path):
    file = tmp_path / "mine.toml"
    file.write_text(text, encoding="utf-8")
    with pytest.raises(RecipeError, match=rf"mine\.toml: .*{said}"):
        load_recipe(file)


@pytest.mark.slow
def test_the_agent_learns_to_wait_for_the_verb(tmp_path: Path):
    shorter = ["--out", tmp_path, "--runtime.threads", 1, "--nmt.train.eval-every", 0, "--train.eval-every", 0]
    seqpo("nmt", "read-write-demo", *shorter, "--nmt.train.steps", 1400)
    seqpo("train", "read-write-demo", *shorter, "--train.steps", 200)
    alone = ["--evaluation.segments.mu", "--evaluation.beam", 1, "--data.test.count", 200]
    seqpo("evaluate", tmp_path, *alone)
    systems = {system.name: system for system in Report.load(tmp_path).systems}
    agent, whole = systems["ap-0.6"], systems["wait-until-end"]
    # the English verb is written when the German participle has been read; for other words it hardly waits
    assert agent.verb_wait is not None
    assert agent.other_wait is not None
    assert agent.verb_wait > agent.other_wait + 1.5
    # less than half the delay of whole sentences for little quality, and above all that needs no learning
    assert agent.al < whole.al / 2
    assert agent.bleu > whole.bleu - 15
    for rival in ("wait-one-step", "wait-1", "wait-2", "wait-3", "wait-4", "wait-if-worse-1.1", "wait-if-diff-1.1"):
        assert agent.bleu > systems[rival].bleu
