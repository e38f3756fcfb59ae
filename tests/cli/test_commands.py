"""The commands as a user types them: the whole way, interruptions, and what is said about bad input."""

from __future__ import annotations

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
from transformers import AutoModelForCausalLM

from seqpo import __version__
from seqpo.cli import main
from seqpo.cli.recipe import load_recipe
from seqpo.evaluation.report import Report
from seqpo.policies.models import ModelConfig, new_model
from seqpo.training import checkpoints
from tests.support.commands import fails, seqpo
from tests.support.recipes import TINY, write_recipe
from tests.support.translation import rows, sentences, weights


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of a tiny run, all the way."""
    folder = tmp_path_factory.mktemp("whole")
    recipe = write_recipe(folder)
    for command in ("sft", "train"):
        seqpo(command, recipe)
    seqpo("evaluate", folder / "run")
    return folder / "run"


def test_a_run_leaves_what_is_promised(run: Path):
    for stage, steps in (("sft", 6), ("seqpo", 4)):
        assert [row["step"] for row in rows(run / stage)] == list(range(1, steps + 1))
        folder = checkpoints.latest(run / stage)
        assert folder
        assert folder.name == f"checkpoint-{steps:08d}"
        assert AutoModelForCausalLM.from_pretrained(folder).config.hidden_size == 32
        assert load_recipe(run / stage / "recipe.toml").train.steps == 4
    assert {"dev/bleu", "dev/al"} <= set(rows(run / "sft")[3])
    assert {"rollout/quality", "rollout/latency", "kl_reference", "loss"} & set(rows(run / "seqpo")[0])
    assert not torch.equal(*(weights(checkpoints.latest(run / stage)) for stage in ("sft", "seqpo")))


def test_the_report_has_every_system_and_its_signature(run: Path):
    report = Report.load(run)
    names = [system.name for system in report.systems]
    assert sorted(names) == ["offline", "seqpo", "sft", "wait-1", "wait-3"]
    assert {system.n for system in report.systems} == {4}
    assert report.data["sentences"] == 4
    assert report.command == f"seqpo evaluate {run}"
    assert {comparison.names for comparison in report.comparisons} == {("seqpo", "sft")}
    offline = next(system for system in report.systems if system.name == "offline")
    assert "sft" in str(offline.settings["policy"])
    assert all(system.al <= offline.al for system in report.systems)
    assert all("greedy" in system.signature for system in report.systems)
    assert len(report.examples) == 3
    assert "READ" in report.examples[0]
    assert (run / "report.md").read_text(encoding="utf-8").count("wait-") >= 2
    assert (run / "curve.png").read_bytes().startswith(b"\x89PNG")


def test_figures_of_reports_and_of_learning(run: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    seqpo("plot", run, run / "report.json", "--out", tmp_path / "two.png", "--quality", "chrf", "--latency", "laal")
    seqpo("plot", run / "seqpo" / "metrics.jsonl", "--out", tmp_path / "learning.png")
    for name in ("two.png", "learning.png"):
        assert (tmp_path / name).read_bytes().startswith(b"\x89PNG")
        assert name in capsys.readouterr().out or name == "learning.png"
    assert "not a mixture" in fails(capsys, "plot", run, run / "seqpo" / "metrics.jsonl", "--out", tmp_path / "x.png")


def write_tsv(file: Path, *, first: int = 0, count: int = 40) -> Path:
    lines = [f"{pair.source}\t{pair.target}" for pair in sentences()[first : first + count]]
    file.write_text("\n".join(["de\ten", *lines]) + "\n", encoding="utf-8")
    return file


COLUMNS = ("source", "de"), ("target", "en")


def on_files(train: Path, test: Path) -> list[str]:
    """Overrides that make a run use two TSV files."""
    paths = {"train": train, "dev": test, "test": test}
    given = [(f"--data.{split}.path", str(path)) for split, path in paths.items()]
    given += [(f"--data.{split}.{side}", name) for split in paths for side, name in COLUMNS]
    return [part for pair in given for part in pair]


def test_the_whole_way_on_files(tmp_path: Path):
    recipe = write_recipe(tmp_path)
    files = on_files(write_tsv(tmp_path / "train.tsv"), write_tsv(tmp_path / "test.tsv", first=40, count=3))
    for command in ("sft", "train"):
        seqpo(command, recipe, *files, "--train.steps", "1", "--episode.layout", "cumulative", "--sft.steps", "2")
    seqpo("evaluate", tmp_path / "run", "--evaluation.wait-k", "2")
    report = Report.load(tmp_path / "run")
    assert report.data["name"] == "test.tsv"
    assert report.data["sentences"] == 3
    assert len(str(report.data["sha256"])) == 64
    assert [system.settings["layout"] for system in report.systems] == ["cumulative"] * 4
    other = write_tsv(tmp_path / "other.tsv", first=20, count=2)
    columns = ("--source", "de", "--target", "en", "--evaluation.wait-k", "2")
    seqpo("evaluate", tmp_path / "run", "--data", other, *columns, "--out", tmp_path / "elsewhere")
    assert Report.load(tmp_path / "elsewhere").data["name"] == "other.tsv"
    assert Report.load(tmp_path / "run").data["name"] == "test.tsv"


@pytest.mark.slow
def test_two_text_files_and_chinese(tmp_path: Path):
    from seqpo.tasks.translation import grammar

    pairs = grammar.sample("en-zh", 30, 0, "train")
    for name, lines in (("train.en.gz", [p.source for p in pairs]), ("train.zh.gz", [p.target for p in pairs])):
        (tmp_path / name).write_bytes(gzip.compress("".join(f"{line}\n" for line in lines).encode()))
    recipe = write_recipe(tmp_path)
    languages = ("--data.source-language", "en", "--data.target-language", "zh")
    files = ("--data.train.path", tmp_path / "train.en.gz", "--data.train.target-path", tmp_path / "train.zh.gz")
    seqpo("sft", recipe, *languages, *files, "--sft.steps", "2")
    seqpo("train", recipe, *languages, *files, "--train.steps", "1")
    seqpo("evaluate", tmp_path / "run", "--evaluation.wait-k", "2")
    report = Report.load(tmp_path / "run")
    assert all("zh" in system.signature for system in report.systems)
    # the languages the other way round: a source of characters
    backwards = ("--data.source-language", "zh", "--data.target-language", "en", "--out", tmp_path / "back")
    (tmp_path / "t.zh").write_text("".join(f"{pair.target}\n" for pair in pairs), encoding="utf-8")
    (tmp_path / "t.en").write_text("".join(f"{pair.source}\n" for pair in pairs), encoding="utf-8")
    paths = [
        part
        for split in ("train", "dev")
        for part in (f"--data.{split}.path", tmp_path / "t.zh", f"--data.{split}.target-path", tmp_path / "t.en")
    ]
    seqpo("sft", recipe, *backwards, *paths, "--sft.steps", "1")
    typed = subprocess.run(
        [sys.executable, "-m", "seqpo", "translate", str(tmp_path / "back"), "--trace"],
        input="我买3.5斤。\n",
        capture_output=True,
        text=True,
        encoding="utf-8",
        env=os.environ | {"PYTHONIOENCODING": "utf-8"},
        check=True,
    )
    read = [line for line in typed.stdout.splitlines() if line.startswith("READ")]
    assert read == ["READ  我买", "READ  3.5斤", "READ  。", "READ  (end)"]


def test_a_model_folder_with_a_chat_template(tmp_path: Path):
    import copy

    from tests.support.translation import tokenizer

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
    recipe = write_recipe(tmp_path)
    seqpo("sft", recipe, "--model.path", folder, "--sft.steps", "2")
    seqpo("train", recipe, "--model.path", folder, "--train.steps", "1")
    seqpo("evaluate", tmp_path / "run", "--evaluation.wait-k", "2")
    saved = checkpoints.latest(tmp_path / "run" / "seqpo")
    assert saved
    assert (saved / "chat_template.jinja").exists()
    # and without a warm-up, from the model itself
    seqpo("train", recipe, "--model.path", folder, "--train.steps", "1", "--out", tmp_path / "direct")


def test_a_reward_of_ones_own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    (tmp_path / "my_metrics.py").write_text(
        "def brevity(sources, hypotheses, references):\n    return [-float(len(text)) for text in hypotheses]\n"
    )
    monkeypatch.syspath_prepend(str(tmp_path))
    recipe = write_recipe(tmp_path)
    seqpo("sft", recipe, "--sft.steps", "1")
    own = "--reward.quality", "my_metrics:brevity", "--objective.name", "sspo", "--objective.options", "gate", "erf"
    seqpo("train", recipe, *own, "--train.steps", "1")
    assert load_recipe(tmp_path / "run" / "seqpo" / "recipe.toml").objective.options == {"gate": "erf"}
    assert rows(tmp_path / "run" / "seqpo")[0]["rollout/quality"] <= 0


MINE = """
from dataclasses import dataclass

from seqpo.advantages import Comparison
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


nothing = 0
def nobody():
    return "no objective"
"""


def test_an_objective_and_an_advantage_of_ones_own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    (tmp_path / "mine.py").write_text(MINE, encoding="utf-8")
    monkeypatch.chdir(tmp_path)
    recipe = write_recipe(tmp_path)
    seqpo("sft", recipe, "--sft.steps", "1")
    own = "--objective.name", "mine:cauchy", "--objective.options", "scale", "3.0", "--advantage.name", "mine:halved"
    seqpo("train", recipe, *own, "--train.steps", "2")
    row = rows(tmp_path / "run" / "seqpo")[-1]
    assert row["grad_norm"] > 0
    assert 0 < row["effective_sample_size"] <= 1


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
        (["--advantage.name", "sppo"], "needs the values of a critic"),
        (["--advantage.name", "gigpo", "--objective.name", "sspo"], "which would average them away"),
    ],
)
def test_what_can_not_be_trained_with_is_named_and_leaves_nothing(
    run: Path, arguments: list[str], said: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
):  # fmt: skip
    (tmp_path / "mine.py").write_text(MINE, encoding="utf-8")
    monkeypatch.chdir(tmp_path)
    monkeypatch.delitem(sys.modules, "mine", raising=False)
    shutil.copytree(run / "sft", tmp_path / "run" / "sft")
    told = fails(capsys, "train", write_recipe(tmp_path), *arguments).replace("│", "").replace("\n", "")
    assert said in told
    assert not (tmp_path / "run" / "seqpo").exists()


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["sft", "nope"], ["nope: no such recipe; give a TOML file, or one of demo"]),
        (["sft", "{recipe}", "--data.train.path", "{folder}/none.tsv"], ["none.tsv"]),
        (
            ["sft", "{recipe}", "--data.train.path", "{folder}/a.de", "--data.train.target-path", "{folder}/a.en"],
            ["a.de", "a.en", "2", "1"],
        ),
        (["sft", "{recipe}", "--data.target-language", "fr"], ["no grammar is embedded for de-fr", "give files"]),
        (["sft", "{recipe}", "--data.train.count", "0"], ["data.train.count"]),
        (["sft", "{recipe}", "--model.path", "{folder}/no-model"], ["no-model: no causal language model"]),
        (["sft", "{recipe}", "--sft.stepz", "1"], ["--sft.stepz"]),
        (["sft", "{recipe}", "--vocabulary", "9"], ["260 entries at least, got 9"]),
        (["train", "{recipe}"], ["no checkpoint there; run `seqpo sft` first"]),
        (["train", "{recipe}", "--objective.name", "ppo2"], ["unknown objective 'ppo2': choose one of"]),
        (["train", "{recipe}", "--objective.options", "zeta", "1"], ["objective 'grpo' has no option zeta"]),
        (["train", "{recipe}", "--advantage.name", "gea"], ["unknown advantage 'gea': choose one of"]),
        (["evaluate", "{folder}/nothing"], ["nothing", "seqpo sft"]),
        (["translate", "{folder}/nothing"], ["nothing", "seqpo sft"]),
        (["plot", "{folder}/nothing"], ["nothing: no such file; run the evaluation first"]),
        (["dance"], ["unknown command 'dance'", "usage: seqpo COMMAND"]),
    ],
)
def test_bad_input_is_named_with_a_remedy(
    arguments: list[str], said: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
):
    recipe = write_recipe(tmp_path)
    (tmp_path / "a.de").write_text("eins\nzwei\n")
    (tmp_path / "a.en").write_text("one\n")
    told = fails(capsys, *(part.format(recipe=recipe, folder=tmp_path) for part in arguments))
    unwrapped = told.replace("│", "").replace("\n", "")
    assert all(part in told or part in unwrapped for part in said), told


def test_a_run_is_not_overwritten(run: Path, capsys: pytest.CaptureFixture[str]):
    told = fails(capsys, "sft", run.parent / "tiny.toml")
    assert f"{run / 'sft'} is not empty: give another --out, --resume it, or remove it" in told


@pytest.mark.parametrize(
    ("damage", "said"),
    [
        (lambda folder: (folder / "training" / "optimizer.safetensors").write_bytes(b"torn"), "resume from an earlier"),
        (lambda folder: shutil.rmtree(folder / "training"), "can't be resumed from"),
        (lambda folder: (folder / "model.safetensors").write_bytes(b"torn"), "no causal language model"),
    ],
)
def test_a_damaged_checkpoint_is_named(
    run: Path, tmp_path: Path, damage: Callable[[Path], object], said: str, capsys: pytest.CaptureFixture[str]
):
    shutil.copytree(run / "sft", tmp_path / "run" / "sft")
    damage(tmp_path / "run" / "sft" / "checkpoint-00000006")
    told = fails(capsys, "sft", write_recipe(tmp_path), "--resume", "--sft.steps", "8")
    assert said in told
    assert "checkpoint-00000006" in told


def test_help_and_version(capsys: pytest.CaptureFixture[str]):
    seqpo()
    overview = capsys.readouterr().out
    assert all(f"  {name} " in overview for name in ("demo", "sft", "train", "evaluate", "translate", "plot"))
    seqpo("--version")
    assert capsys.readouterr().out.strip() == __version__
    with pytest.raises(SystemExit) as left:
        main(["sft", "--help"])
    assert left.value.code in (0, None)
    assert "--train.optimizer.lr" in capsys.readouterr().out.replace("_", "-")


LONGER = TINY.replace("steps = 6", "steps = 40").replace("steps = 4\n", "steps = 30\n").replace("eval_every = 4\n", "")


def started(*arguments: str) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-m", "seqpo", *arguments],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        env=os.environ | {"OMP_NUM_THREADS": "1"},
        text=True,
    )


def wait_for(found: Callable[[], object], process: subprocess.Popen[str]) -> None:
    deadline = time.monotonic() + 90
    while not found():
        assert process.poll() is None, process.communicate()[1][-2000:]
        assert time.monotonic() < deadline
        time.sleep(0.005)


@pytest.fixture(scope="module")
def longer(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run of more steps, not interrupted."""
    folder = tmp_path_factory.mktemp("longer")
    recipe = write_recipe(folder, text=LONGER)
    for command in ("sft", "train"):
        seqpo(command, recipe)
    return folder


@pytest.mark.slow
@pytest.mark.parametrize(("command", "stage"), [("sft", "sft"), ("train", "seqpo")])
def test_a_killed_run_resumes_as_if_it_had_not_been(longer: Path, tmp_path: Path, command: str, stage: str):
    recipe = write_recipe(tmp_path, text=LONGER)
    if command == "train":
        shutil.copytree(longer / "run" / "sft", tmp_path / "run" / "sft")
    process = started(command, recipe)
    wait_for(lambda: checkpoints.latest(tmp_path / "run" / stage), process)
    time.sleep(random.uniform(0, 0.3))
    process.send_signal(signal.SIGKILL)
    process.communicate()
    assert process.returncode == -signal.SIGKILL, "it had finished before it could be killed"
    seqpo(command, recipe, "--resume")
    whole, resumed = longer / "run" / stage, tmp_path / "run" / stage
    assert rows(resumed) == rows(whole)
    last = checkpoints.latest(whole)
    assert last
    assert torch.equal(weights(resumed / last.name), weights(last))
    assert not list(resumed.glob("partial-*"))


@pytest.mark.slow
def test_resuming_before_the_first_checkpoint_begins_afresh_after_ctrl_c(longer: Path, tmp_path: Path):
    recipe = write_recipe(tmp_path, text=LONGER.replace("save_every = 2", "save_every = 999"))
    process = started("sft", recipe)
    wait_for(lambda: rows(tmp_path / "run" / "sft"), process)
    process.send_signal(signal.SIGINT)
    _, errors = process.communicate(timeout=30)
    assert process.returncode == 130
    assert "Traceback" not in errors
    assert "interrupted; sft, train, nmt and demo go on with --resume" in errors
    seqpo("sft", recipe, "--resume")
    assert rows(tmp_path / "run" / "sft") == rows(longer / "run" / "sft")


@pytest.mark.slow
def test_the_same_command_under_torchrun(run: Path, tmp_path: Path):
    recipe = write_recipe(tmp_path, text=TINY.replace("dropout = 0.1\n", ""))
    torchrun = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc_per_node", "2", "-m", "seqpo"]
    for command, out, launcher in (
        ("sft", "shared", torchrun),
        ("sft", "alone", [sys.executable, "-m", "seqpo"]),
    ):
        subprocess.run(
            [*launcher, command, recipe, "--out", str(tmp_path / out), "--runtime.parallel", "fsdp2"],
            env=os.environ | {"OMP_NUM_THREADS": "1"},
            check=True,
            capture_output=True,
            timeout=120,
        )
    alone, shared = (checkpoints.latest(tmp_path / out / "sft") for out in ("alone", "shared"))
    assert alone
    assert shared
    torch.testing.assert_close(weights(shared), weights(alone), rtol=0, atol=2e-3)
    for one, other in zip(rows(alone.parent), rows(shared.parent), strict=True):
        assert one["loss"] == pytest.approx(other["loss"], rel=1e-3)
    # one process goes on from what two have written
    seqpo("sft", recipe, "--out", tmp_path / "shared", "--resume", "--sft.steps", "8")
    assert [row["step"] for row in rows(tmp_path / "shared" / "sft")] == list(range(1, 9))
    assert json.loads((tmp_path / "shared" / "sft" / "checkpoint-00000008" / "config.json").read_text())
