"""The warm-up: it learns, its parts do not matter, and a killed run goes on as if it had not been."""

from __future__ import annotations

import math
from dataclasses import replace
from itertools import count
from pathlib import Path

import pytest
import torch
from torch import Tensor

from seqpo.policies.causal_lm import CausalLMPolicy
from seqpo.training import checkpoints
from seqpo.training.optimizer import DivergenceError, OptimizerConfig
from seqpo.training.supervised import SupervisedConfig, train_supervised
from seqpo.training.world import World
from seqpo.types import Episode, pack
from tests.support.translation import InterruptedRunError, rows, translation, translator, weights

CONFIG = SupervisedConfig(
    steps=6, batch=4, log_every=1, save_every=2, optimizer=OptimizerConfig(lr=1e-3, warmup=2, decay="linear")
)


def run(stage: Path, config: SupervisedConfig = CONFIG, policy: CausalLMPolicy | None = None) -> None:
    train_supervised(policy or translator(), translation(), config, stage=stage, resume=True)


LAST = "checkpoint-00000006"


class Stops:
    """The task, until a step is asked for."""

    def __init__(self, at: int) -> None:
        self.at = at

    def demonstrations(self, count: int, *, step: int) -> list[Episode]:
        if step == self.at:
            raise InterruptedRunError
        return translation().demonstrations(count, step=step)


def test_the_loss_is_the_mean_negative_log_prob_of_the_action_tokens(tmp_path: Path):
    run(tmp_path, replace(CONFIG, steps=1))
    batch = pack(translation().demonstrations(4, step=0))
    expected = -translator().logprobs(batch).mean().item()
    assert rows(tmp_path)[0]["loss"] == pytest.approx(expected, rel=1e-6)


def test_what_is_imitated_becomes_likelier(tmp_path: Path):
    policy = translator(talkative=1.0)
    batch = pack(translation().demonstrations(4, step=0))
    before = policy.logprobs(batch).mean().item()
    run(tmp_path, replace(CONFIG, steps=30, optimizer=OptimizerConfig(lr=1e-2, warmup=0)), policy)
    assert policy.logprobs(batch).mean().item() > before + 1


def test_the_split_into_micro_batches_changes_nothing(tmp_path: Path):
    run(tmp_path / "whole", replace(CONFIG, micro_tokens=10**6))
    run(tmp_path / "single", replace(CONFIG, micro_tokens=1))
    torch.testing.assert_close(
        weights(tmp_path / "whole" / LAST), weights(tmp_path / "single" / LAST), rtol=0, atol=1e-10
    )


@pytest.mark.parametrize("dropout", [0.0, 0.3])
@pytest.mark.parametrize("step", [1, 3, 5])
def test_a_run_goes_on_as_if_it_had_not_stopped(tmp_path: Path, step: int, dropout: float):
    """Stopped before its first checkpoint (and so begun again), right after one, or between two."""
    whole, stopped = tmp_path / "whole", tmp_path / "stopped"
    run(whole, policy=translator(dropout=dropout))
    with pytest.raises(InterruptedRunError):
        train_supervised(translator(dropout=dropout), Stops(step), CONFIG, stage=stopped)
    run(stopped, policy=translator(dropout=dropout))
    assert torch.equal(weights(whole / LAST), weights(stopped / LAST))
    assert rows(whole) == rows(stopped)
    assert [row["step"] for row in rows(stopped)] == [1, 2, 3, 4, 5, 6]


def test_a_finished_run_has_nothing_left_to_do(tmp_path: Path):
    run(tmp_path)
    before = rows(tmp_path), weights(tmp_path / LAST)
    run(tmp_path)
    assert rows(tmp_path) == before[0]
    assert torch.equal(weights(tmp_path / LAST), before[1])


def test_the_evaluation_sees_the_weights_of_its_step(tmp_path: Path):
    policy, seen = translator(), []

    def evaluate(state: dict[str, Tensor]) -> dict[str, float]:
        seen.append(state["model.model.norm.weight"].sum().item())
        return {"dev/measure": seen[-1]}

    config = replace(CONFIG, steps=5, eval_every=2, log_every=100)
    train_supervised(policy, translation(), config, stage=tmp_path, evaluate=evaluate)
    assert [(row["step"], row["dev/measure"]) for row in rows(tmp_path)] == list(zip((2, 4, 5), seen, strict=True))
    assert seen[-1] == policy.model.model.norm.weight.sum().item()


def test_a_diverging_run_stops_with_its_last_checkpoint_intact(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    run(tmp_path / "good")
    policy = translator()
    score, calls = policy.logprobs, count(1)
    monkeypatch.setattr(policy, "logprobs", lambda batch: score(batch) * (math.nan if next(calls) > 5 else 1.0))
    with pytest.raises(DivergenceError, match=r"optimizer step 6 has loss nan .* the last checkpoint is intact"):
        run(tmp_path / "bad", policy=policy)
    assert all(torch.isfinite(parameter).all() for parameter in policy.module.parameters())
    kept = "checkpoint-00000004"
    assert checkpoints.latest(tmp_path / "bad") == tmp_path / "bad" / kept
    assert torch.equal(weights(tmp_path / "bad" / kept), weights(tmp_path / "good" / kept))
    run(tmp_path / "bad")  # with what was wrong put right, it goes on from there
    assert torch.equal(weights(tmp_path / "bad" / LAST), weights(tmp_path / "good" / LAST))


def test_demonstrations_that_can_not_be_shared_are_refused(tmp_path: Path):
    class OfThree(World):
        def wrap(self, module):
            return module

    with pytest.raises(ValueError, match="4 demonstrations can't be shared by 3 processes"):
        train_supervised(translator(), translation(), CONFIG, world=OfThree(size=3), stage=tmp_path)
