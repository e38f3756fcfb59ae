"""seqpo inside TRL's trainer: the same gradients as its own loop, whatever the micro-batches."""

from __future__ import annotations

import builtins
import importlib
import os
import re
import runpy
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import torch

pytest.importorskip("trl", reason="needs TRL: `make test-adapters` runs this in an environment of its own")

from seqpo import advantages, objectives
from seqpo.adapters import trl as adapter
from seqpo.adapters.trl import SeqPOTrainer, action_mask, as_completions, compare, scored_by
from seqpo.objectives import Padded
from seqpo.policies.causal_lm import rows_of
from seqpo.tasks.translation.task import TranslationStart
from seqpo.types import Batch, Episode, Observation, Rewards, Turn, pack
from tests.support.translation import sampled, tokenizer, translation, translator
from tests.support.trl_runs import GROUP, ROWS, STARTS, close, generation, gradients, rollout, trainer

EXAMPLES = Path(__file__).resolve().parents[2] / "examples"

pytestmark = pytest.mark.filterwarnings("ignore:.*deprecated:FutureWarning")  # of TRL's calls of Transformers


def episodes_of(made: SeqPOTrainer) -> tuple[dict[str, Any], Batch, list[TranslationStart]]:
    """A generation, the episodes that it was made of, and the starts of their groups."""
    seen: dict[str, Any] = {}
    (original,) = made.reward_funcs

    def watched(prompts: list[str], episode: list[Episode], **more: Any) -> list[float]:
        seen.update(prompts=prompts, episodes=episode)
        return original(prompts=prompts, episode=episode, **more)

    made.reward_funcs[0] = watched
    whole = generation(made)
    made.reward_funcs[0] = original
    batch = pack(seen["episodes"], dtype=torch.float64)
    return whole, batch, [STARTS[prompt] for prompt in dict.fromkeys(seen["prompts"])]


@pytest.mark.parametrize(("objective", "advantage"), [("sspo", "rloo"), ("dapo", "grpo"), ("luspo", "opo")])
def test_the_gradient_is_that_of_the_loop(objective: str, advantage: str, tmp_path: Path):
    made = trainer(tmp_path, objective=objective, advantage=advantage)
    whole, batch, starts = episodes_of(made)
    assert batch.segments.episodes == ROWS
    policy = translator()
    compared = advantages.get(advantage)(translation().score(starts, batch).values, batch.segments)
    own = objectives.get(objective)(policy.logprobs(batch), batch.behaviour, compared, batch.segments)
    own.value.backward()
    expected = {name: p.grad for name, p in policy.model.named_parameters() if p.grad is not None}
    assert close(expected, gradients(made, whole))


@pytest.mark.parametrize("objective", ["sspo", "dapo", "grpo", "reinforce", "dr-grpo", "vespo"])
def test_micro_batches_do_not_change_the_gradient(objective: str, tmp_path: Path):
    made = trainer(tmp_path, objective=objective)
    whole = generation(made)
    whole["tool_mask"][4] = 0  # a row without action tokens
    whole["tool_mask"][:3] = 0  # a micro-batch without any
    expected = gradients(made, whole)
    for rows in (1, 3, 6):
        split = trainer(
            tmp_path, objective=objective, per_device_train_batch_size=rows, gradient_accumulation_steps=ROWS // rows
        )
        assert close(expected, gradients(split, whole))


def test_an_optimizer_step_counts_its_own_window_of_a_longer_generation(tmp_path: Path):
    made = trainer(
        tmp_path,
        objective="dapo",
        per_device_train_batch_size=3,
        gradient_accumulation_steps=2,
        steps_per_generation=4,
    )
    whole = generation(made)
    assert "old_per_token_logps" in whole  # the second step is taken by a policy that has moved
    first = gradients(made, whole)
    second = gradients(made, whole)
    half = trainer(tmp_path, objective="dapo", per_device_train_batch_size=6)
    for found, rows in ((first, slice(0, 6)), (second, slice(6, 12))):
        part = {name: value[rows] if value.ndim else value for name, value in whole.items()}
        assert close(found, gradients(half, part))


def test_observations_get_no_gradient(tmp_path: Path):
    made = trainer(tmp_path)
    whole = generation(made)
    mask = action_mask(whole).bool()
    assert Padded.of(mask).segments.turns > 2 * ROWS  # interleaved with observations
    assert whole["completion_mask"].sum() > mask.sum()
    expected = gradients(made, whole)
    whole["advantages"] = whole["advantages"].where(mask, 1e6)
    whole["sampling_per_token_logps"] = whole["sampling_per_token_logps"].where(mask, torch.nan)
    assert close(expected, gradients(made, whole))


def test_behaviour_is_trls_then_the_samplers_then_the_current(tmp_path: Path):
    made = trainer(tmp_path)
    whole = generation(made)
    sampled = whole["sampling_per_token_logps"]
    unknown = torch.full_like(sampled, torch.nan)
    for more, shift in (
        ({"old_per_token_logps": sampled - 0.2, "sampling_per_token_logps": sampled - 0.1}, 0.2),
        ({"sampling_per_token_logps": sampled - 0.1}, 0.1),
        ({"sampling_per_token_logps": unknown}, 0.0),
    ):
        gradients(made, whole | more)
        moved = torch.tensor(shift).expm1().item()
        assert made._metrics["train"]["ratio_deviation"][-1] == pytest.approx(moved, abs=1e-4)


def test_an_episode_without_a_reward_takes_no_part(tmp_path: Path):
    def reward(prompts: list[str], **_: Any) -> list[float | None]:
        return [None, 1.0, 3.0] * (len(prompts) // GROUP)

    made = trainer(tmp_path, advantage="dr-grpo", reward=reward)
    whole = generation(made)
    assert whole["advantages"].amin(dim=1).tolist() == [0, -1, 0] * (ROWS // GROUP)
    assert whole["advantages"].amax(dim=1).tolist() == [0, 0, 1] * (ROWS // GROUP)


@pytest.mark.parametrize("objective", objectives.names())
def test_weights_move_only_where_episodes_differ(objective: str, tmp_path: Path):
    def equal(prompts: list[str], **_: Any) -> list[float]:
        return [0.3] * len(prompts)

    def different(completion_ids: list[list[int]], **_: Any) -> list[float]:
        return [float(sum(ids) % 7) for ids in completion_ids]

    for reward, moves in ((equal, False), (different, True)):
        made = trainer(tmp_path, objective=objective, reward=reward)
        before = [p.detach().clone() for p in made.model.parameters()]
        made.train()
        after = list(made.model.parameters())
        assert any(not torch.equal(a, b) for a, b in zip(before, after, strict=True)) == moves


def test_the_diagnostics_of_a_step_are_logged_once(tmp_path: Path):
    made = trainer(tmp_path, per_device_train_batch_size=3, gradient_accumulation_steps=4, max_steps=2)
    made.train()
    for row in made.state.log_history[:2]:
        assert row["ratio_deviation"] < 1e-4
        assert row["kl_behaviour"] < 1e-6
        assert row["effective_sample_size"] == pytest.approx(1, abs=1e-4)
        assert 0 < row["entropy"] <= torch.tensor(float(len(tokenizer()))).log()
        assert {"quality", "latency", "waits", "reward"} <= row.keys()


def test_evaluation_computes_a_loss_and_changes_nothing(tmp_path: Path):
    made = trainer(tmp_path)
    before = [p.detach().clone() for p in made.model.parameters()]
    found = made.evaluate()
    assert torch.tensor(found["eval_loss"]).isfinite()
    assert found["eval_ratio_deviation"] < 1e-4
    assert all(torch.equal(a, b) for a, b in zip(before, made.model.parameters(), strict=True))


def test_the_reference_holds_the_policy(tmp_path: Path):
    base = translator(torch.float32).model
    base.save_pretrained(tmp_path / "base")
    moved = translator(torch.float32, talkative=5.0).model
    moved.config._name_or_path = str(tmp_path / "base")  # TRL loads the reference from there
    held = trainer(tmp_path, model=moved, beta=0.5)
    whole = generation(held)
    whole["advantages"] = torch.zeros_like(whole["advantages"])
    held.model.zero_grad()
    found = gradients(held, whole)
    layout = Padded.of(action_mask(whole))
    current, _ = held._score(held.model, whole)
    reference = layout.flat(whole["ref_per_token_logps"])
    held.model.zero_grad()
    penalty = objectives.kl_penalty(layout.flat(current), reference, "k3+").mean()
    (0.5 * penalty).backward()
    assert close(found, {name: p.grad for name, p in held.model.named_parameters() if p.grad is not None})
    assert held._metrics["train"]["kl"][-1] == pytest.approx(penalty.item())


def test_the_corrections_of_a_sampler_weigh_the_advantages(tmp_path: Path):
    made = trainer(tmp_path, objective="dapo")
    whole = generation(made)
    expected = gradients(made, {**whole, "advantages": 0.5 * whole["advantages"]})
    assert close(expected, gradients(made, {**whole, "importance_sampling_ratio": torch.full((ROWS, 1), 0.5)}))


@pytest.mark.parametrize(
    "changed",
    [
        {"loss_type": "grpo"},
        {"epsilon": 0.1},
        {"epsilon_high": 0.3},
        {"delta": 3.0},
        {"importance_sampling_level": "sequence"},
        {"sapo_temperature_pos": 2.0},
        {"vespo_k_pos": 1.0},
        {"scale_rewards": "none"},
        {"multi_objective_aggregation": "normalize_then_sum"},
        {"off_policy_mask_threshold": 0.5},
        {"top_entropy_quantile": 0.2},
        {"entropy_coef": 0.1},
    ],
)
def test_options_that_would_have_no_effect_are_refused(changed: dict[str, Any], tmp_path: Path):
    (name,) = changed
    with pytest.raises(ValueError, match=f"{name} = .* would have no effect"):
        trainer(tmp_path, **changed)


def test_windows_across_generations_are_refused(tmp_path: Path):
    with pytest.raises(ValueError, match="must divide steps_per_generation"):
        trainer(tmp_path, per_device_train_batch_size=6, gradient_accumulation_steps=2, steps_per_generation=1)


@pytest.mark.parametrize(
    ("options", "reason"),
    [
        ({"advantage": "remax"}, "needs greedy"),
        ({"advantage": "gae"}, "needs values"),
        ({"advantage": "gigpo"}, "needs states"),
        ({"advantage": "spo"}, "needs starts"),
        ({"advantage": advantages.RunningScale(advantages.get("reinforce"))}, "learns from batch to batch"),
        ({"advantage": "return-to-go"}, "advantages differ by turn"),
        ({"objective": "nothing"}, "unknown objective 'nothing'"),
    ],
)
def test_advantages_and_objectives_that_cannot_be_had_are_refused(options: dict[str, Any], reason: str, tmp_path: Path):
    with pytest.raises(ValueError, match=reason):
        trainer(tmp_path, **options)


def test_comparing_by_hand():
    mask = torch.tensor([[1, 0, 1], [1, 1, 0], [1, 1, 1], [0, 0, 0]])
    rewards = torch.tensor([1.0, 3.0, torch.nan, 5.0])
    found = compare(advantages.get("dr-grpo"), rewards, mask, 2)
    assert found.tolist() == [[-1, 0, -1], [1, 1, 0], [0, 0, 0], [0, 0, 0]]
    assert compare(advantages.get("dr-grpo"), rewards, torch.zeros_like(mask), 2).eq(0).all()


def test_the_advantages_are_those_of_the_rewards(tmp_path: Path):
    made = trainer(tmp_path, advantage="grpo")
    whole, batch, starts = episodes_of(made)
    layout = Padded.of(action_mask(whole))
    expected = advantages.get("grpo")(translation().score(starts, batch).values, batch.segments)
    torch.testing.assert_close(layout.flat(whole["advantages"]), expected, check_dtype=False)
    assert torch.equal(layout.segments.turn, batch.segments.turn)
    assert torch.equal(layout.segments.episode, batch.segments.episode)
    shown = [float(row[0]) for row in layout.pad(expected).unbind()]
    assert list(made._logs["advantages"]) == pytest.approx(shown, abs=1e-6)


def test_episodes_survive_the_way_to_completions_and_back():
    episodes = sampled(translator(), translation())
    columns = as_completions(episodes)
    for number, episode in enumerate(episodes):
        (row,) = rows_of(episode)
        prompt, completion, mask = (columns[name][number] for name in ("prompt_ids", "completion_ids", "env_mask"))
        assert prompt + completion == row.tokens
        assert [len(prompt) + place for place, one in enumerate(mask) if one] == row.chosen
        recorded = [p for turn in episode.turns for p in turn.logprobs]
        assert [p for p, one in zip(columns["logprobs"][number], mask, strict=True) if one] == recorded
        assert columns["episode"][number] is episode


def test_turns_that_reset_the_context_are_refused():
    turns = tuple(Turn(Observation((1, 2), reset_context=True), (3,), (-0.5,)) for _ in range(2))
    with pytest.raises(ValueError, match="can't reset the context"):
        as_completions([Episode(0, turns)])


def test_the_engine_samples_with_the_trainers_present_weights(tmp_path: Path):
    made = trainer(tmp_path)
    generation(made)
    with torch.no_grad():
        for weight in made.model.parameters():
            weight.mul_(0.5)
    whole = generation(made)
    mask = action_mask(whole).bool()
    scored, _ = made._score(made.model, whole)
    torch.testing.assert_close(
        whole["sampling_per_token_logps"][mask], scored[mask].float(), atol=1e-4, rtol=1e-4, check_dtype=False
    )


def test_the_temperature_of_the_trainer_is_that_of_the_engine(tmp_path: Path):
    made = trainer(tmp_path, temperature=2.0)
    whole = generation(made)
    mask = action_mask(whole).bool()
    scored, _ = made._score(made.model, whole)
    torch.testing.assert_close(
        whole["sampling_per_token_logps"][mask], scored[mask].float(), atol=1e-4, rtol=1e-4, check_dtype=False
    )


def test_a_group_on_two_processes_is_refused(tmp_path: Path):
    made = trainer(tmp_path)
    with pytest.raises(ValueError, match="not whole groups of 3"):
        rollout()(list(STARTS)[:4], made)


def test_sampling_options_that_the_engine_does_not_know_are_refused(tmp_path: Path):
    made = trainer(tmp_path, top_p=0.9)
    with pytest.raises(ValueError, match=r"top_p = 0\.9 would have no effect"):
        generation(made)


def test_the_score_of_a_task_becomes_a_reward_function():
    logged: dict[str, float] = {}

    def score(starts: Any, batch: Any) -> Rewards:
        assert starts == ["a", "b"]
        return Rewards(torch.arange(1.0, 6.0), {"quality": torch.tensor([1.0, 3.0])})

    turns = [Turn(Observation((1,)), (2,), (0.0,))] * 3
    found = scored_by(score, str.lower)(
        prompts=["A", "B"],
        episode=[Episode(0, tuple(turns)), Episode(1, tuple(turns[:2]))],
        log_metric=logged.__setitem__,
    )
    assert found == [6, 9]
    assert logged == {"quality": 2}


def test_without_trl_the_import_says_what_to_install(monkeypatch: pytest.MonkeyPatch):
    real = builtins.__import__

    def without(name: str, *more: Any) -> Any:
        if name == "trl":
            raise ImportError(name)
        return real(name, *more)

    monkeypatch.setattr(builtins, "__import__", without)
    monkeypatch.delitem(sys.modules, adapter.__name__)
    with pytest.raises(ImportError, match=r"tested with version 1\.16\.0: pip install 'seqpo\[trl\]'"):
        importlib.import_module(adapter.__name__)


@pytest.mark.slow
def test_two_processes_have_the_gradient_and_the_advantages_of_one(tmp_path: Path):
    made = trainer(tmp_path, objective="dapo", advantage="lite-ppo")
    whole = generation(made)
    torch.save({"whole": whole, "rewards": made._rewards}, tmp_path / "whole.pt")
    command = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc_per_node", "2"]
    worker = Path(__file__).parents[1] / "support" / "trl_worker.py"
    environment = os.environ | {"OMP_NUM_THREADS": "1", "CUDA_VISIBLE_DEVICES": ""}
    done = subprocess.run(
        [*command, str(worker), str(tmp_path)],
        env=environment,
        capture_output=True,
        text=True,
        timeout=150,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    found = torch.load(tmp_path / "found.pt")
    torch.testing.assert_close(found["advantages"], whole["advantages"])
    assert close(gradients(made, whole), found["gradients"])
    for name, value in found["diagnostics"].items():
        assert value == pytest.approx(made._metrics["train"][name][-1], abs=1e-5)


@pytest.mark.slow
def test_the_example_runs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]):
    monkeypatch.setattr(sys, "argv", ["trl_translation.py", "20", "1", str(tmp_path)])
    runpy.run_path(str(EXAMPLES / "trl_translation.py"), run_name="__main__")
    assert re.search(r"before \{'quality': .*\nafter  \{'quality': ", capsys.readouterr().out)
