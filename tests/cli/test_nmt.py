"""`seqpo nmt` as a user types it: what it leaves, how it goes on, and what it refuses."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from tokenizers import Tokenizer
from tokenizers.models import BPE
from transformers import PreTrainedTokenizerFast

from seqpo.cli import build, main
from seqpo.cli.pretraining import bleu_probe, new_translator
from seqpo.cli.recipe import NmtConfig, Recipe, RecipeError, load_recipe
from seqpo.tasks.read_write.files import load_translator
from seqpo.tasks.read_write.translator.network import TranslatorConfig
from seqpo.tasks.read_write.translator.pairs import PairTask
from seqpo.tasks.read_write.translator.policy import TranslatorPolicy
from seqpo.tasks.translation.corpora import Pair
from seqpo.tasks.translation.renderer import plain_renderer
from seqpo.training import checkpoints
from seqpo.types import pack
from tests.support.commands import fails, seqpo
from tests.support.recipes import TINY, write_recipe
from tests.support.translation import renderer, rows, tokenizer, weights

TINY_NMT = (
    TINY
    + """
[nmt]
model = { embedding = 8, hidden = 12, attention = 10, dropout = 0.1 }
prefixes = 0.2
max_pieces = 60
[nmt.train]
steps = 6
batch = 4
log_every = 1
eval_every = 4
save_every = 2
optimizer = { lr = 3e-3, warmup = 2 }
"""
)


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("nmt")
    seqpo("nmt", write_recipe(folder, text=TINY_NMT))
    return folder / "run"


def last(run: Path) -> Path:
    found = checkpoints.latest(run / "nmt")
    assert found
    return found


def test_a_run_leaves_a_translator_its_tokenizer_and_its_learning_curve(run: Path):
    assert [row["step"] for row in rows(run / "nmt")] == [1, 2, 3, 4, 5, 6]
    assert ["dev/bleu" in row for row in rows(run / "nmt")] == [False, False, False, True, False, True]
    assert load_recipe(run / "nmt" / "recipe.toml").nmt.prefixes == 0.2
    translator, tokenizer = load_translator(last(run)), build.load_tokenizer(last(run))
    assert last(run).name == "checkpoint-00000006"
    assert translator.config.hidden == 12
    assert translator.vocabulary == len(tokenizer) == 320
    assert translator.stop == plain_renderer(tokenizer, "word", "word").stop


def test_it_says_what_it_trains_on(tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    recipe = write_recipe(tmp_path, text=TINY_NMT)
    seqpo("nmt", recipe, "--nmt.max-pieces", 45, "--nmt.train.steps", 1)
    said = capsys.readouterr()
    kept, dropped = (int(line.split()[0]) for line in said.err.splitlines()[:2])
    assert "sentence pairs from grammar:de-en:train" in said.err
    assert "left out, of more than 45 pieces" in said.err
    assert kept + dropped == 40
    assert kept * dropped > 0
    assert "M parameters, 320 tokens" in said.err
    assert said.out.strip() == str(tmp_path / "run" / "nmt")


def test_an_interrupted_run_goes_on_as_if_it_had_not_been(run: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    recipe = write_recipe(tmp_path, text=TINY_NMT)
    save = checkpoints.save

    def killed(stage: Path, step: int, *rest: object) -> None:
        save(stage, step, *rest)  # type: ignore[arg-type]
        if step == 4:
            raise KeyboardInterrupt

    with monkeypatch.context() as patched:
        patched.setattr(checkpoints, "save", killed)
        assert main(["nmt", recipe]) == 130
    assert last(tmp_path / "run").name == "checkpoint-00000004"
    seqpo("nmt", recipe, "--resume")
    assert torch.equal(weights(last(tmp_path / "run")), weights(last(run)))
    assert rows(tmp_path / "run" / "nmt") == rows(run / "nmt")


@pytest.mark.slow
def test_two_processes_train_what_one_does(tmp_path: Path):
    overrides = ("--nmt.model.dropout", "0", "--nmt.train.steps", "3")  # dropout depends on the share of the batch
    seqpo("nmt", write_recipe(tmp_path, out="alone", text=TINY_NMT), *overrides)
    shared = ("nmt", write_recipe(tmp_path, out="shared", text=TINY_NMT), *overrides, "--runtime.parallel", "fsdp2")
    command = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc_per_node", "2", "-m", "seqpo"]
    decoding = os.environ | {"OMP_NUM_THREADS": "1", "CUDA_VISIBLE_DEVICES": ""}
    done = subprocess.run([*command, *shared], env=decoding, capture_output=True, text=True, timeout=150, check=False)
    assert done.returncode == 0, done.stderr
    torch.testing.assert_close(weights(last(tmp_path / "shared")), weights(last(tmp_path / "alone")))


def test_other_seeds_begin_with_other_weights():
    first, again, other = (new_translator(Recipe(seed=seed), renderer()).embed.weight for seed in (0, 0, 1))
    assert torch.equal(first, again)
    assert not torch.equal(first, other)


def test_the_tokenizer_of_the_warm_up_is_shared(tmp_path: Path):
    recipe = write_recipe(tmp_path, text=TINY_NMT)
    seqpo("sft", recipe, "--sft.steps", 1)
    seqpo("nmt", recipe, "--vocabulary", 300, "--nmt.train.steps", 1)
    warm, own = (build.load_tokenizer(tmp_path / "run" / stage / "checkpoint-00000001") for stage in ("sft", "nmt"))
    assert own.get_vocab() == warm.get_vocab()


def test_a_tokenizer_without_our_marks_is_left_to_the_model_that_brought_it(tmp_path: Path):
    foreign = PreTrainedTokenizerFast(tokenizer_object=Tokenizer(BPE()))
    foreign.save_pretrained(tmp_path / "run" / "sft" / "checkpoint-00000001")
    seqpo("nmt", write_recipe(tmp_path, text=TINY_NMT), "--nmt.train.steps", 1)
    assert len(build.load_tokenizer(last(tmp_path / "run"))) == 320


def test_the_probe_measures_the_weights_it_is_given():
    frame, said = renderer(), "I know that he sleeps"
    pairs = [Pair("Ich weiß", said), Pair("Er", said)]
    recipe = Recipe(nmt=NmtConfig(TranslatorConfig(16, 24, 16)))
    probe = bleu_probe(recipe, new_translator(recipe, frame), frame, pairs)
    translator = new_translator(recipe, frame)
    silent = {name: torch.zeros_like(value) for name, value in translator.state_dict().items()}
    policy, task = TranslatorPolicy(translator, tokenizer()), PairTask(pairs, frame)
    optimizer = torch.optim.Adam(translator.parameters(), lr=3e-2)
    for step in range(60):
        optimizer.zero_grad()
        (-policy.logprobs(pack(task.demonstrations(2, step=step))).mean()).backward()
        optimizer.step()
    assert probe(translator.state_dict()) == {"dev/bleu": pytest.approx(100.0)}
    assert probe(silent)["dev/bleu"] < 1


@pytest.mark.parametrize(
    ("overrides", "said"),
    [
        (["--nmt.max-pieces", "1"], "needs sentences"),
        (["--data.source-language", "fr"], "no grammar is embedded for fr-en"),
    ],
)
def test_what_cannot_be_trained_is_said(
    overrides: list[str], said: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
):
    assert said in fails(capsys, "nmt", write_recipe(tmp_path, text=TINY_NMT), *overrides)


def test_a_folder_that_is_taken_is_left_alone(run: Path, capsys: pytest.CaptureFixture[str]):
    assert "is not empty: give another --out, --resume it" in fails(capsys, "nmt", run / "nmt" / "recipe.toml")


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ("prefixes = 2", r"nmt: prefixes must be in \[0, 1\], got 2"),
        ("max_pieces = 0", "nmt: max_pieces must be positive"),
        ("model = { hidden = 0 }", "nmt.model: embedding, hidden and attention must be positive"),
        ("width = 3", "nmt has the unknown key 'width'"),
    ],
)
def test_what_is_no_translator_is_named_by_file_and_key(line: str, said: str, tmp_path: Path):
    file = tmp_path / "mine.toml"
    file.write_text(f"[nmt]\n{line}\n", encoding="utf-8")
    with pytest.raises(RecipeError, match=rf"mine\.toml: .*{said}"):
        load_recipe(file)


def test_the_embedded_recipes_name_what_they_train():
    demo, real = load_recipe("read-write-demo"), load_recipe("read-write-de-en")
    assert demo.data.train.path == "grammar"
    assert (real.nmt.model.hidden, real.nmt.model.embedding, real.vocabulary) == (256, 256, 6000)
    assert real.nmt.max_pieces == 50
