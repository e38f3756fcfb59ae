"""The commands as a user types them: the whole way on files, interruptions, one's own parts, and bad input."""

from __future__ import annotations

import copy
import gzip
import json
import os
import random
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest
import torch

from seqpo import __version__
from seqpo.cli import main
from seqpo.evaluation.report import Report
from seqpo.policies.models import ModelConfig, new_model
from seqpo.runs.recipes import load_recipe
from seqpo.tasks.translation import grammar
from seqpo.training import checkpoints
from tests.support.commands import fails, seqpo
from tests.support.recipes import recipe, write
from tests.support.translation import rows, sentences, tokenizer, weights

ALONE = os.environ | {"OMP_NUM_THREADS": "1", "CUDA_VISIBLE_DEVICES": "", "PYTHONIOENCODING": "utf-8"}
PROGRAM = [sys.executable, "-m", "seqpo"]


def tiny(folder: Path, **changes: object) -> Path:
    """Write the recipe of a translation run in the same folder."""
    return write(recipe("translation", folder / "run", **changes), folder)


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of a tiny run, all the way."""
    folder = tmp_path_factory.mktemp("whole")
    seqpo("train", tiny(folder))
    seqpo("evaluate", folder / "run")
    return folder / "run"


def test_figures_of_reports_and_of_learning(run: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    capsys.readouterr()
    seqpo("plot", run, run / "report.json", "--out", tmp_path / "two.png", "--quality", "chrf", "--latency", "laal")
    seqpo("plot", run / "policy" / "metrics.jsonl", "--out", tmp_path / "learning.png")
    assert capsys.readouterr().out.split() == [str(tmp_path / "two.png"), str(tmp_path / "learning.png")]
    for file in (run / "curve.png", tmp_path / "two.png", tmp_path / "learning.png"):
        assert file.read_bytes().startswith(b"\x89PNG")
    mixed = fails(capsys, "plot", run, run / "policy" / "metrics.jsonl", "--out", tmp_path / "x.png")
    assert "not a mixture" in mixed
    assert not (tmp_path / "x.png").exists()


def test_the_demo_trains_and_evaluates(tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    smaller = {"vocabulary": 320, "data.train.count": 40, "data.dev.count": 2, "data.test.count": 3, "model.layers": 1}
    shorter = {"sft.steps": 2, "train.steps": 1, "train.groups-per-step": 2, "dialogue.limit": 4}
    options = [part for key, value in (smaller | shorter).items() for part in (f"--{key}", value)]
    options += ["--evaluation.resamples", 10, "--evaluation.wait-k", 1, 8]
    seqpo("demo", "--out", tmp_path, *options)
    names = {system.name for system in Report.load(tmp_path).systems}
    assert {"sft", "seqpo", "wait-1", "wait-8", "offline", "wait-1@seqpo"} <= names
    told = capsys.readouterr().out
    assert told.split()[:2] == [str(tmp_path / "sft"), str(tmp_path / "seqpo")]
    assert "wait-8" in told
    assert "READ" in told
    finished = (tmp_path / "seqpo" / "metrics.jsonl").read_bytes()
    seqpo("demo", "--out", tmp_path, *options, "--evaluation.wait-k", 2)  # measures anew, and trains nothing
    assert (tmp_path / "seqpo" / "metrics.jsonl").read_bytes() == finished
    assert "wait-2" in {system.name for system in Report.load(tmp_path).systems}


def write_tsv(file: Path, *, first: int = 0, count: int = 40) -> Path:
    lines = [f"{pair.source}\t{pair.target}" for pair in sentences()[first : first + count]]
    file.write_text("\n".join(["de\ten", *lines]) + "\n", encoding="utf-8")
    return file


def on_files(train: Path, test: Path) -> list[str]:
    """Overrides that make a run use two TSV files."""
    paths = {"train": train, "dev": test, "test": test}
    given = [(f"--data.{split}.path", str(path)) for split, path in paths.items()]
    given += [
        (f"--data.{split}.{side}", name) for split in paths for side, name in (("source", "de"), ("target", "en"))
    ]
    return [part for pair in given for part in pair]


def test_the_whole_way_on_files(tmp_path: Path):
    files = on_files(write_tsv(tmp_path / "train.tsv"), write_tsv(tmp_path / "test.tsv", first=40, count=3))
    shorter = ("--train.steps", 1, "--sft.steps", 2, "--dialogue.layout", "cumulative")
    seqpo("train", tiny(tmp_path), *files, *shorter)
    seqpo("evaluate", tmp_path / "run", "--evaluation.wait-k", 2)
    report = Report.load(tmp_path / "run")
    assert report.data["name"] == "test.tsv"
    assert report.data["examples"] == 3
    assert len(str(report.data["sha256"])) == 64
    assert [system.settings["layout"] for system in report.systems] == ["cumulative"] * 4
    other = write_tsv(tmp_path / "other.tsv", first=20, count=2)
    columns = ("--source", "de", "--target", "en", "--evaluation.wait-k", 2)
    seqpo("evaluate", tmp_path / "run", "--data", other, *columns, "--out", tmp_path / "elsewhere")
    elsewhere = Report.load(tmp_path / "elsewhere")
    assert (elsewhere.data["name"], elsewhere.data["examples"]) == ("other.tsv", 2)
    assert Report.load(tmp_path / "run").data["name"] == "test.tsv"


def test_bad_records_are_skipped_where_that_is_asked_for(tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    train = write_tsv(tmp_path / "train.tsv")
    train.write_text(train.read_text(encoding="utf-8") + "nur eine Spalte\n", encoding="utf-8")
    files = on_files(train, write_tsv(tmp_path / "test.tsv", first=40, count=3))
    assert "train.tsv:42" in fails(capsys, "sft", tiny(tmp_path), *files)
    seqpo("sft", tiny(tmp_path), *files, "--data.skip-bad", "--sft.steps", 1)
    assert "40 sentence pairs from train.tsv (1 bad records skipped)" in capsys.readouterr().err


@pytest.mark.slow
def test_two_text_files_and_chinese(tmp_path: Path):
    pairs = grammar.sample("en-zh", 30, 0, "train")
    for name, lines in (("train.en.gz", [p.source for p in pairs]), ("train.zh.gz", [p.target for p in pairs])):
        (tmp_path / name).write_bytes(gzip.compress("".join(f"{line}\n" for line in lines).encode()))
    languages = ("--data.source-language", "en", "--data.target-language", "zh")
    files = ("--data.train.path", tmp_path / "train.en.gz", "--data.train.target-path", tmp_path / "train.zh.gz")
    seqpo("train", tiny(tmp_path), *languages, *files, "--sft.steps", 2, "--train.steps", 1)
    seqpo("evaluate", tmp_path / "run", "--evaluation.wait-k", 2)
    assert all("zh" in system.signature for system in Report.load(tmp_path / "run").systems)
    # the languages the other way round: a source of characters
    backwards = ("--data.source-language", "zh", "--data.target-language", "en", "--out", tmp_path / "back")
    (tmp_path / "t.zh").write_text("".join(f"{pair.target}\n" for pair in pairs), encoding="utf-8")
    (tmp_path / "t.en").write_text("".join(f"{pair.source}\n" for pair in pairs), encoding="utf-8")
    paths = [
        part
        for split in ("train", "dev")
        for part in (f"--data.{split}.path", tmp_path / "t.zh", f"--data.{split}.target-path", tmp_path / "t.en")
    ]
    seqpo("sft", tiny(tmp_path), *backwards, *paths, "--sft.steps", 1)
    typed = subprocess.run(
        [*PROGRAM, "translate", str(tmp_path / "back"), "--trace"],
        input="我买3.5斤。\n",
        capture_output=True,
        text=True,
        encoding="utf-8",
        env=ALONE,
        check=True,
    )
    read = [line for line in typed.stdout.splitlines() if line.startswith("READ")]
    assert read == ["READ  我买", "READ  3.5斤", "READ  。", "READ  (end)"]


def test_a_model_folder_with_a_chat_template(tmp_path: Path):
    talker = copy.deepcopy(tokenizer())
    talker.add_special_tokens({"additional_special_tokens": ["<|im_start|>", "<|im_end|>"]})
    talker.chat_template = (
        "{% for m in messages %}<|im_start|>{{ m.role }}\n{{ m.content }}<|im_end|>\n{% endfor %}"
        "{% if add_generation_prompt %}<|im_start|>assistant\n{% endif %}"
    )
    folder = tmp_path / "chat-model"
    shape = ModelConfig(width=32, layers=1, heads=2, kv_heads=2, ffn=48)
    new_model(shape, len(talker), talker.convert_tokens_to_ids("<|im_end|>"), 0).save_pretrained(folder)
    talker.save_pretrained(folder)
    (tmp_path / "mine.toml").write_text(
        f"kind = 'translation'\nout = '{tmp_path / 'run'}'\n"
        f"data = {{ train = {{ count = 40 }}, dev = {{ count = 3 }}, test = {{ count = 4 }} }}\n"
        f"model.path = '{folder}'\ndialogue = {{ chunk = 2, limit = 4 }}\nruntime = {{ device = 'cpu', threads = 1 }}\n"
        "sft = { steps = 2, batch = 4 }\ntrain = { steps = 1, groups_per_step = 2, group_size = 3 }\n"
        "evaluation = { wait_k = [2], resamples = 20 }\n"
    )
    seqpo("train", tmp_path / "mine.toml")
    seqpo("evaluate", tmp_path / "run")
    saved = checkpoints.latest(tmp_path / "run" / "policy")
    assert saved
    assert (saved / "chat_template.jinja").exists()
    # and without a warm-up, from the model itself
    direct = tmp_path / "direct"
    seqpo("train", tmp_path / "mine.toml", "--sft.steps", 0, "--out", direct)
    assert rows(direct / "policy")
    assert not (direct / "sft").exists()
    seqpo("evaluate", direct)
    assert {"policy", "wait-2", "offline"} == {system.name for system in Report.load(direct).systems}


MINE = """
from dataclasses import dataclass

from seqpo.advantages import Comparison
from seqpo.evaluation.statistics import Metric, per_example
from seqpo.objectives import Clip, Gate, Objective


@dataclass(frozen=True)
class Cauchy(Gate):
    scale: float

    def __call__(self, log_ratio, side):
        return log_ratio / (1 + (log_ratio / self.scale) ** 2)


def cauchy(scale=1.0):
    return Objective("turn", Cauchy(scale), Clip(0.2, 0.28), "token-mean")


def halved():
    return Comparison("group-mean", "none", "return-to-go", 0.5)


def brevity(sources, hypotheses, references):
    return [-float(len(text)) for text in hypotheses]


LENGTH = Metric("words", "words", "", 1, measure=per_example(lambda trace, pair: len(trace.units)))

nothing = 0
def nobody():
    return "no objective"
"""


@pytest.fixture
def mine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A module of the user's own in the current folder."""
    (tmp_path / "mine.py").write_text(MINE, encoding="utf-8")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", [*sys.path])
    monkeypatch.delitem(sys.modules, "mine", raising=False)


@pytest.mark.usefixtures("mine")
def test_a_reward_an_objective_and_an_advantage_of_ones_own(run: Path, tmp_path: Path):
    shutil.copytree(run / "sft", tmp_path / "run" / "sft")
    own = "--objective.name", "mine:cauchy", "--objective.options", "scale", "3.0", "--advantage.name", "mine:halved"
    seqpo("train", tiny(tmp_path), *own, "--reward.quality", "mine:brevity", "--train.steps", 2)
    row = rows(tmp_path / "run" / "policy")[-1]
    assert row["grad_norm"] > 0
    assert 0 < row["effective_sample_size"] <= 1
    assert row["rollout/quality"] <= 0
    made = load_recipe(tmp_path / "run" / "policy" / "recipe.toml").run
    assert (made.objective.name, made.objective.options) == ("mine:cauchy", {"scale": 3.0})


@pytest.mark.usefixtures("mine")
def test_a_metric_of_ones_own(run: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    seqpo("evaluate", run, "--out", tmp_path, "--evaluation.metrics", "mine:LENGTH")
    report = Report.load(tmp_path)
    assert [column.title for column in report.columns][-1] == "words"
    assert all(system.scores["words"].value >= 0 for system in report.systems)
    assert report.systems[2].scores["words"].low is not None
    for spec, said in {
        "mine:nothing": "metric 'mine:nothing' is a int",
        "mine:gone": "metric 'mine:gone': module 'mine' has no 'gone'",
    }.items():
        assert said in fails(capsys, "evaluate", run, "--out", tmp_path / "none", "--evaluation.metrics", spec)
    assert not (tmp_path / "none").exists()


@pytest.mark.usefixtures("mine")
@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--objective.name", "mine:gone"], "objective 'mine:gone': module 'mine' has no 'gone'"),
        (["--objective.name", "mine:nothing"], "objective 'mine:nothing' is a int, not a function or class"),
        (
            ["--objective.name", "mine:nobody"],
            "objective 'mine:nobody' gave a str: it must be callable and have credit_level",
        ),
        (["--advantage.name", "mine:nobody"], "advantage 'mine:nobody' gave a str: it must be callable and have"),
        (["--objective.name", "mine:cauchy", "--objective.options", "size", "1"], "does not take the options"),
        (["--reward.quality", "mine:gone"], "module 'mine' has no 'gone'"),
        (["--sampler.engine", "mine:gone"], "module 'mine' has no 'gone'"),
        (["--advantage.name", "sppo"], "needs the values of a critic"),
        (["--advantage.name", "gigpo", "--objective.name", "sspo"], "which would average them away"),
    ],
)
def test_what_can_not_be_trained_with_is_named_and_leaves_nothing(
    run: Path, arguments: list[str], said: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
):
    shutil.copytree(run / "sft", tmp_path / "run" / "sft")
    told = fails(capsys, "train", tiny(tmp_path), *arguments).replace("│", "").replace("\n", "")
    assert said in told
    assert not (tmp_path / "run" / "policy").exists()


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["sft", "nope"], ["nope: no such recipe; give a TOML file, or one of demo"]),
        (["train", "nope", "--help"], ["nope: no such recipe; give a TOML file, or one of demo"]),
        (["sft", "{recipe}", "--data.train.path", "{folder}/none.tsv"], ["none.tsv"]),
        (
            ["sft", "{recipe}", "--data.train.path", "{folder}/a.de", "--data.train.target-path", "{folder}/a.en"],
            ["a.de", "a.en", "2", "1"],
        ),
        (["sft", "{recipe}", "--data.target-language", "fr"], ["no grammar is embedded for de-fr", "give files"]),
        (["sft", "{recipe}", "--data.train.count", "0"], ["data.train.count"]),
        (
            ["sft", "demo", "--model.path", "{folder}/none"],
            ["width = 96 would have no effect: the model comes from path"],
        ),
        (["sft", "{recipe}", "--sft.stepz", "1"], ["--sft.stepz", "--sft.steps"]),
        (["sft", "{recipe}", "--agent.hidden", "1"], ["--agent.hidden"]),
        (["sft", "{recipe}", "--vocabulary", "9"], ["260 entries at least, got 9"]),
        (["nmt", "{recipe}"], ["a translation run has the stages sft, train, and no nmt"]),
        (["train", "{recipe}", "--only", "train"], ["run/sft: no checkpoint there; run `seqpo train` first"]),
        (["train", "{recipe}", "--objective.name", "ppo2"], ["unknown objective 'ppo2': choose one of"]),
        (["train", "{recipe}", "--objective.options", "zeta", "1"], ["objective 'grpo' has no option zeta"]),
        (["train", "{recipe}", "--advantage.name", "gea"], ["unknown advantage 'gea': choose one of"]),
        (["evaluate", "{folder}/nothing"], ["nothing", "seqpo train"]),
        (["translate", "{folder}/nothing"], ["nothing", "seqpo train"]),
        (["translate", "{folder}/nothing", "--chunk", "3"], ["unrecognised options: --chunk 3"]),
        (["plot", "{folder}/nothing"], ["nothing: no such file; run `seqpo evaluate` first"]),
        (["plot", "{folder}", "--chunk", "3"], ["unrecognised options: --chunk 3"]),
        (["train"], ["a TOML file, or the name of a recipe"]),
        (["dance"], ["demo, train, sft, nmt, evaluate, translate, plot"]),
    ],
)
def test_bad_input_is_named_with_a_remedy(
    arguments: list[str], said: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
):
    file = tiny(tmp_path)
    (tmp_path / "a.de").write_text("eins\nzwei\n")
    (tmp_path / "a.en").write_text("one\n")
    told = fails(capsys, *(part.format(recipe=file, folder=tmp_path) for part in arguments))
    unwrapped = " ".join(told.replace("│", "").split())
    assert all(part in told or part in unwrapped for part in said), told
    assert not (tmp_path / "run").exists()


def test_a_model_that_is_none_is_named(tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    model = tmp_path / "no-model"
    (tmp_path / "mine.toml").write_text(f"kind = 'translation'\nmodel.path = '{model}'\ndata.train.count = 9\n")
    told = fails(capsys, "sft", tmp_path / "mine.toml", "--out", tmp_path / "run")
    assert f"{model}: no causal language model" in told
    assert not (tmp_path / "run").exists()


def test_a_run_that_was_not_trained_can_not_be_measured(tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    recipe("translation", tmp_path).save(tmp_path / "sft" / "recipe.toml")
    assert f"{tmp_path}: no stage has been trained there; run `seqpo train` first" in fails(
        capsys, "evaluate", tmp_path
    )
    assert not (tmp_path / "report.json").exists()


def test_a_stage_of_another_recipe_is_refused_with_its_key(
    run: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
):
    shutil.copytree(run / "sft", tmp_path / "run" / "sft")
    file = tiny(tmp_path)
    for arguments, said in (
        (("--vocabulary", 310), "run/sft was made with vocabulary = 320, now 310: give another --out, or remove it"),
        (("--dialogue.limit", 5, "--dry-run"), "run/sft was made with dialogue.limit = 4, now 5"),
        (("--schedule.wait-k", 1.0), "run/sft was made with schedule.wait_k = 0.7, now 1.0"),
    ):
        assert said in fails(capsys, "train", file, *arguments)
    assert not (tmp_path / "run" / "policy").exists()
    # what comes after the warm-up is another matter: several policies can grow from it
    for stage, weight in (("hasty", 2.0), ("patient", 0.1)):
        changes = ("--reward.fuse.options", "latency_weight", weight, "--train.steps", 1)
        seqpo("train", file, "--stage", stage, *changes)
    assert {folder.name for folder in (tmp_path / "run").iterdir()} == {"sft", "hasty", "patient"}
    told = fails(capsys, "train", file, "--stage", "hasty", "--train.steps", 1)
    assert "run/hasty was made with reward.fuse.options = {'latency_weight': 2.0}, now {}" in told
    assert "give another --stage or --out" in told


def test_errors_are_told_apart_by_their_status(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch):
    assert main(["train", "nope"]) == 1
    assert "seqpo train: nope: no such recipe" in capsys.readouterr().err
    with pytest.raises(SystemExit) as left:
        main(["train", "demo", "--step", "3"])
    assert left.value.code == 2
    monkeypatch.setenv("SEQPO_DEBUG", "1")
    with pytest.raises(ValueError, match="nope: no such recipe"):
        main(["train", "nope"])


def helped(capsys: pytest.CaptureFixture[str], *arguments: str) -> str:
    """What a command tells when it is asked for help."""
    capsys.readouterr()
    try:
        status: object = main(list(arguments))
    except SystemExit as left:
        status = left.code
    assert status in (0, None)
    return capsys.readouterr().out


def test_help_and_version(capsys: pytest.CaptureFixture[str]):
    for overview in (helped(capsys), helped(capsys, "--help")):
        assert all(
            f"• {name} " in overview for name in ("demo", "sft", "train", "evaluate", "translate", "plot", "nmt")
        )
    assert helped(capsys, "--version").strip() == __version__
    assert "--dry-run" in helped(capsys, "train", "--help")
    assert "--target-data" in helped(capsys, "evaluate", "-h")


@pytest.mark.parametrize(
    "arguments",
    [("train", "read-write-demo", "--help"), ("train", "--resume", "read-write-demo", "-h"), ("demo", "--help")],
)
def test_help_with_a_recipe_begins_with_ten_keys(arguments: tuple[str, ...], capsys: pytest.CaptureFixture[str]):
    told = helped(capsys, *arguments)
    demo = "demo" in arguments
    assert len([line for line in told.splitlines() if line.startswith("  --")]) == 10
    assert f"  --train.steps {220 if demo else 200}\n      rollouts.\n" in told
    assert "  --out 'runs/demo'\n" in told if demo else "  --translator.train.steps 1800\n" in told
    assert "--help-all" in told


def test_help_with_all_keys_has_those_of_the_kind_alone(capsys: pytest.CaptureFixture[str]):
    translation, agent = (helped(capsys, "train", name, "--help-all") for name in ("demo", "read-write-demo"))
    assert "--train.optimizer.lr" in translation
    assert "--train.optimizer.lr" in agent
    for key, here, there in (
        ("--sampler.temperature", translation, agent),
        ("--kl.coefficient", translation, agent),
        ("--translator.prefixes", agent, translation),
        ("--critic.hidden", agent, translation),
    ):
        assert key in here
        assert key not in there


LONGER = {"sft.steps": 40, "sft.eval_every": 0, "train.steps": 30, "train.save_every": 1}


@pytest.fixture(scope="module")
def longer(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of a run of more steps, not interrupted."""
    folder = tmp_path_factory.mktemp("longer")
    seqpo("train", tiny(folder, **LONGER))
    return folder / "run"


def started(*arguments: object) -> subprocess.Popen[str]:
    command = [*PROGRAM, *map(str, arguments)]
    return subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, env=ALONE, text=True)


def wait_for(found: Callable[[], object], process: subprocess.Popen[str]) -> None:
    deadline = time.monotonic() + 90
    while not found():
        assert process.poll() is None, process.communicate()[1][-2000:]
        assert time.monotonic() < deadline
        time.sleep(0.005)


@pytest.mark.slow
def test_a_killed_run_resumes_as_if_it_had_not_been(longer: Path, tmp_path: Path):
    file = tiny(tmp_path, **LONGER)
    for stage in ("sft", "policy"):  # killed in each of them
        process = started("train", file, "--resume")
        wait_for(lambda stage=stage: checkpoints.latest(tmp_path / "run" / stage), process)
        time.sleep(random.uniform(0, 0.3))
        process.send_signal(signal.SIGKILL)
        process.communicate()
        assert process.returncode == -signal.SIGKILL, "it had finished before it could be killed"
    seqpo("train", file, "--resume")
    for stage in ("sft", "policy"):
        whole, resumed = longer / stage, tmp_path / "run" / stage
        assert rows(resumed) == rows(whole)
        last = checkpoints.latest(whole)
        assert last
        assert torch.equal(weights(resumed / last.name), weights(last))
        assert not list(resumed.glob("partial-*"))


@pytest.mark.slow
def test_resuming_before_the_first_checkpoint_begins_afresh_after_ctrl_c(longer: Path, tmp_path: Path):
    file = tiny(tmp_path, **LONGER, **{"sft.save_every": 999})
    process = started("sft", file)
    wait_for(lambda: rows(tmp_path / "run" / "sft"), process)
    process.send_signal(signal.SIGINT)
    _, errors = process.communicate(timeout=30)
    assert process.returncode == 130
    assert "Traceback" not in errors
    assert "interrupted; train, sft, nmt and demo go on with --resume" in errors
    seqpo("sft", file, "--resume")
    assert rows(tmp_path / "run" / "sft") == rows(longer / "sft")


@pytest.mark.slow
def test_the_same_command_under_torchrun(tmp_path: Path):
    file = tiny(tmp_path, **{"model.dropout": 0.0})  # which depends on the share of the batch
    torchrun = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc_per_node", "2", "-m", "seqpo"]
    for out, launcher in (("shared", torchrun), ("alone", PROGRAM)):
        subprocess.run(
            [*launcher, "train", str(file), "--out", str(tmp_path / out), "--runtime.parallel", "fsdp2"],
            env=ALONE,
            check=True,
            capture_output=True,
            timeout=120,
        )
    for stage in ("sft", "policy"):
        alone, shared = (checkpoints.latest(tmp_path / out / stage) for out in ("alone", "shared"))
        assert alone
        assert shared
        torch.testing.assert_close(weights(shared), weights(alone), rtol=0, atol=2e-3)
        for one, other in zip(rows(alone.parent), rows(shared.parent), strict=True):
            assert one["loss"] == pytest.approx(other["loss"], rel=1e-3, abs=1e-4)
    # one process goes on from what two have written
    seqpo("sft", file, "--out", tmp_path / "shared", "--resume", "--sft.steps", 8)
    assert [row["step"] for row in rows(tmp_path / "shared" / "sft")] == list(range(1, 9))
    assert json.loads((tmp_path / "shared" / "sft" / "checkpoint-00000008" / "config.json").read_text())
