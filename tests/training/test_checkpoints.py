"""Checkpoints: whole or not there, loaded by Transformers, and refused where they are broken."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from transformers import AutoModelForCausalLM, AutoTokenizer

from seqpo.policies.causal_lm import CausalLMPolicy
from seqpo.training import checkpoints
from seqpo.training.checkpoints import CheckpointError
from seqpo.training.optimizer import OptimizerConfig, Updates
from seqpo.training.supervised import SupervisedConfig, train_supervised
from seqpo.training.world import World
from tests.support.translation import translation, translator


def updates_of(policy: CausalLMPolicy) -> Updates:
    return Updates(policy.module, OptimizerConfig(), World(), 10)


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, CausalLMPolicy]:
    stage, policy = tmp_path_factory.mktemp("stage"), translator(torch.float32)
    train_supervised(policy, translation(), SupervisedConfig(steps=5, batch=2, save_every=1), stage=stage)
    return stage, policy


def test_the_two_newest_are_kept(trained: tuple[Path, CausalLMPolicy]):
    stage, _ = trained
    kept = sorted(path.name for path in stage.glob("*-*"))
    assert kept == ["checkpoint-00000004", "checkpoint-00000005"]
    assert checkpoints.latest(stage) == stage / "checkpoint-00000005"


def test_transformers_loads_a_checkpoint(trained: tuple[Path, CausalLMPolicy]):
    stage, policy = trained
    folder = checkpoints.latest(stage)
    ids = AutoTokenizer.from_pretrained(folder)("der alte Mann", return_tensors="pt")["input_ids"]
    loaded = AutoModelForCausalLM.from_pretrained(folder)
    with torch.no_grad():
        torch.testing.assert_close(loaded(ids).logits, policy.model(ids).logits, rtol=0, atol=0)


def test_resuming_gives_weights_moments_and_counts_back(trained: tuple[Path, CausalLMPolicy]):
    stage, policy = trained
    folder = checkpoints.latest(stage)
    assert folder
    other = translator(torch.float32, talkative=1.0)
    updates = updates_of(other)
    assert checkpoints.resume(folder, updates, other.load(folder)) == 5
    assert updates.taken == 5
    for name, value in policy.module.state_dict().items():
        assert torch.equal(other.module.state_dict()[name], value), name
    embedding = updates.optimizer.state[other.model.get_input_embeddings().weight]
    assert embedding["step"] == 5
    assert embedding["exp_avg_sq"].sum() > 0


def test_what_an_advantage_has_learnt_is_given_back(tmp_path: Path):
    policy, learnt = translator(), {"value": torch.rand(3, dtype=torch.float64), "count": torch.tensor([1, 2])}
    checkpoints.save(tmp_path, 12, policy, updates_of(policy), advantage=learnt)
    folder = checkpoints.latest(tmp_path)
    assert folder
    assert checkpoints.step_of(folder) == 12
    found = checkpoints.read_advantage(folder)
    assert found.keys() == learnt.keys()
    assert all(torch.equal(found[name], value) for name, value in learnt.items())
    checkpoints.save(tmp_path, 13, policy, updates_of(policy))
    assert checkpoints.read_advantage(tmp_path / "checkpoint-00000013") == {}
    (folder / "training" / "advantage.safetensors").write_bytes(b"torn")
    with pytest.raises(CheckpointError, match=r"advantage\.safetensors: unreadable .*; resume from an earlier"):
        checkpoints.read_advantage(folder)


def test_a_partial_folder_is_no_checkpoint(tmp_path: Path):
    (tmp_path / "partial-00000009").mkdir()
    (tmp_path / "checkpoint-best").mkdir()
    assert checkpoints.latest(tmp_path) is None
    assert checkpoints.latest(tmp_path / "nowhere") is None


def test_nothing_is_left_under_the_name_when_writing_fails(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    policy = translator()
    checkpoints.save(tmp_path, 1, policy, updates_of(policy))

    def full_disk(*_: object) -> None:
        raise OSError("no space left on device")

    monkeypatch.setattr(checkpoints, "_write_training", full_disk)
    with pytest.raises(OSError, match="no space"):
        checkpoints.save(tmp_path, 2, policy, updates_of(policy))
    assert checkpoints.latest(tmp_path) == tmp_path / "checkpoint-00000001"


def test_weights_alone_can_not_be_resumed_from(tmp_path: Path):
    policy = translator()
    checkpoints.save(tmp_path, 3, policy, updates_of(policy))
    folder = tmp_path / "checkpoint-00000003"
    shutil.rmtree(folder / "training")
    with pytest.raises(CheckpointError, match=r"state\.json: no such file; this checkpoint can't be resumed from"):
        checkpoints.resume(folder, updates_of(policy), policy.load(folder))


def _poison(training: Path) -> None:
    from safetensors.torch import load_file, save_file

    tensors = load_file(training / "optimizer.safetensors")
    tensors[min(tensors)].fill_(torch.inf)
    save_file(tensors, training / "optimizer.safetensors")


def _forget(training: Path) -> None:
    state = json.loads((training / "state.json").read_text())
    del state["step"]
    (training / "state.json").write_text(json.dumps(state))


def _rename(training: Path) -> None:
    from safetensors.torch import load_file, save_file

    tensors = load_file(training / "optimizer.safetensors")
    save_file({f"other.{name}": value for name, value in tensors.items()}, training / "optimizer.safetensors")


@pytest.mark.parametrize(
    ("damage", "said"),
    [
        (lambda t: (t / "optimizer.safetensors").unlink(), r"optimizer\.safetensors: no such file"),
        (lambda t: (t / "optimizer.safetensors").write_bytes(b"torn"), "resume from an earlier checkpoint"),
        (lambda t: (t / "state.json").write_text('{"step": 1'), "resume from an earlier checkpoint"),
        (_forget, r"state\.json lacks step; resume from an earlier checkpoint"),
        (_poison, r"optimizer\.safetensors: .* is not finite"),
        (_rename, "it is of another model"),
    ],
)
def test_a_damaged_training_state_is_named(tmp_path: Path, damage: Callable[[Path], None], said: str):
    policy = translator()
    train_supervised(policy, translation(), SupervisedConfig(steps=1, batch=2), stage=tmp_path)
    folder = tmp_path / "checkpoint-00000001"
    damage(folder / "training")
    with pytest.raises(CheckpointError, match=said) as error:
        checkpoints.resume(folder, updates_of(policy), policy.load(folder))
    assert str(folder) in str(error.value)
