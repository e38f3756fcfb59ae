"""The translator of a READ/WRITE run, the stage `nmt`: what it leaves, how it is measured, and what it refuses."""

from __future__ import annotations

import os
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest
import torch

from seqpo.runs.recipes import Recipe, load_recipe
from seqpo.runs.stages import train
from seqpo.tasks.read_write.build import new_translator, translator_evaluation
from seqpo.tasks.read_write.build import tokenizer as new_or_kept
from seqpo.tasks.read_write.config import PretrainingConfig, ReadWriteRun
from seqpo.tasks.read_write.files import load_translator
from seqpo.tasks.read_write.translator.network import TranslatorConfig
from seqpo.tasks.read_write.translator.pairs import PairTask
from seqpo.tasks.read_write.translator.policy import TranslatorPolicy
from seqpo.tasks.translation.build import corpus, load_tokenizer
from seqpo.tasks.translation.config import CorpusConfig, DataConfig
from seqpo.tasks.translation.corpora import Pair
from seqpo.tasks.translation.renderer import plain_renderer
from seqpo.training import checkpoints
from seqpo.types import pack
from tests.support.commands import fails, seqpo
from tests.support.recipes import recipe, write
from tests.support.translation import renderer, rows, tokenizer, weights


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Recipe:
    made = recipe("read-write", tmp_path_factory.mktemp("nmt") / "run")
    train(made, only="nmt")
    return made


def last(folder: Path) -> Path:
    found = checkpoints.latest(folder / "nmt")
    assert found
    return found


def test_a_run_leaves_a_translator_its_tokenizer_and_its_learning_curve(run: Recipe):
    out = Path(run.run.out)
    assert ["dev/bleu" in row for row in rows(out / "nmt")] == [False, False, False, True, False, True]
    assert load_recipe(out / "nmt" / "recipe.toml").run.translator.prefixes == 0.2
    translator, tokenizer = load_translator(last(out)), load_tokenizer(last(out))
    assert last(out).name == "checkpoint-00000006"
    assert translator.config.hidden == 24
    assert translator.vocabulary == len(tokenizer) == 320
    assert translator.stop == plain_renderer(tokenizer, "word", "word").stop


def test_it_says_what_it_trains_on(tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    made = recipe("read-write", tmp_path / "run", **{"translator.max_pieces": 45, "translator.train.steps": 1})
    seqpo("nmt", write(made, tmp_path))
    said = capsys.readouterr()
    kept, dropped = (int(line.split()[0]) for line in said.err.splitlines()[:2])
    assert "sentence pairs from grammar:de-en:train" in said.err
    assert "left out, of more than 45 pieces" in said.err
    assert kept + dropped == 40
    assert kept * dropped > 0
    assert "M parameters, 320 tokens" in said.err
    assert said.out.strip() == str(tmp_path / "run" / "nmt")


def test_a_translator_that_goes_on_keeps_its_tokenizer(tmp_path: Path):
    made = recipe("read-write", tmp_path / "run").run
    train_set = corpus(made.data, "train", made.seed)
    assert len(new_or_kept(made, train_set)) == 320
    tokenizer().save_pretrained(tmp_path / "run" / "nmt" / "checkpoint-00000001")
    assert new_or_kept(made, train_set).get_vocab() == tokenizer().get_vocab()
    assert len(tokenizer()) != 320


@pytest.mark.slow
def test_two_processes_train_what_one_does(tmp_path: Path):
    shorter = {
        "translator.model.dropout": 0.0,
        "translator.train.steps": 3,
    }  # dropout depends on the share of the batch
    alone, shared = (recipe("read-write", tmp_path / name, **shorter) for name in ("alone", "shared"))
    train(alone, only="nmt")
    command = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc_per_node", "2", "-m", "seqpo"]
    arguments = ["nmt", str(write(shared, tmp_path)), "--runtime.parallel", "fsdp2"]
    env = os.environ | {"OMP_NUM_THREADS": "1", "CUDA_VISIBLE_DEVICES": ""}
    done = subprocess.run([*command, *arguments], env=env, capture_output=True, text=True, timeout=150, check=False)
    assert done.returncode == 0, done.stderr
    torch.testing.assert_close(weights(last(tmp_path / "shared")), weights(last(tmp_path / "alone")))


def test_other_seeds_begin_with_other_weights():
    first, again, other = (new_translator(ReadWriteRun(seed=seed), renderer()).embed.weight for seed in (0, 0, 1))
    assert torch.equal(first, again)
    assert not torch.equal(first, other)


def test_learning_curves_measure_the_weights_they_are_given(tmp_path: Path):
    frame, said = renderer(), "I know that he sleeps"
    pairs = [Pair("Ich weiß", said), Pair("Er", said)]
    dev = tmp_path / "dev.tsv"
    dev.write_text("source\ttarget\n" + "".join(f"{pair.source}\t{pair.target}\n" for pair in pairs), encoding="utf-8")
    data = replace(DataConfig(), dev=CorpusConfig(str(dev)))
    run = ReadWriteRun(translator=PretrainingConfig(TranslatorConfig(16, 24, 16)), data=data)
    evaluate = translator_evaluation(run, new_translator(run, frame), frame)
    translator = new_translator(run, frame)
    silent = {name: torch.zeros_like(value) for name, value in translator.state_dict().items()}
    policy, task = TranslatorPolicy(translator, tokenizer()), PairTask(pairs, frame)
    optimizer = torch.optim.Adam(translator.parameters(), lr=3e-2)
    for step in range(60):
        optimizer.zero_grad()
        (-policy.logprobs(pack(task.demonstrations(2, step=step))).mean()).backward()
        optimizer.step()
    assert evaluate(translator.state_dict()) == {"dev/bleu": pytest.approx(100.0)}
    assert evaluate(silent)["dev/bleu"] < 1


@pytest.mark.parametrize(
    ("overrides", "said"),
    [
        (["--translator.max-pieces", "1"], "needs sentences"),
        (["--data.source-language", "fr"], "no grammar is embedded for fr-en"),
    ],
)
def test_what_cannot_be_trained_is_said(
    overrides: list[str], said: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
):
    made = recipe("read-write", tmp_path / "run")
    assert said in fails(capsys, "nmt", write(made, tmp_path), *overrides)
    assert not (tmp_path / "run").exists()


def test_the_embedded_recipes_name_what_they_train():
    demo, real = (load_recipe(name).run for name in ("read-write-demo", "read-write-de-en"))
    assert demo.data.train.path == "grammar"
    shape = real.translator.model
    assert (shape.hidden, shape.embedding, real.vocabulary, real.translator.max_pieces) == (256, 256, 6000, 50)
