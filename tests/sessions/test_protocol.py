"""Another engine in the place of ours: whoever plays uses what the protocol says, and nothing else."""

from __future__ import annotations

import random

import pytest
import torch
from transformers import PreTrainedModel

from seqpo.catalogs import CatalogError
from seqpo.policies.causal_lm import CausalLMPolicy
from seqpo.sessions import ENGINES, Engine, SessionEngine, play
from seqpo.types import Episode, Observation, pack
from tests.support.engines import TableEngine
from tests.support.models import STOP, VOCABULARY, Chunks, markov, ragged_envs
from tests.support.translation import renderer, tokenizer, translation

NAME = "tests.support.engines:table_engine"


def table_model(seed: int = 0, vocabulary: int = VOCABULARY) -> PreTrainedModel:
    """After each token its half is likeliest, and 0 is the end; the rest is as it happens."""
    rng = random.Random(seed)
    rows = {last: {token: rng.uniform(0.01, 1) ** 3 for token in range(vocabulary)} for last in range(vocabulary)}
    for last, row in rows.items():
        row[last // 2] += 1
    return markov(rows, vocabulary)


def said(episodes: list[Episode]) -> list[list[tuple[int, ...]]]:
    return [[turn.action for turn in episode.turns] for episode in episodes]


@pytest.mark.parametrize("seed", [None, 3])
@pytest.mark.parametrize("reset_context", [False, True])
@pytest.mark.parametrize("slots", [1, 3, 64])
def test_a_play_is_the_same_on_both(slots: int, reset_context: bool, seed: int | None):
    envs = [*ragged_envs(12, reset_context=reset_context), Chunks(())]
    model = table_model()
    engines: list[SessionEngine] = [make(model, stop=STOP, slots=slots) for make in (Engine, TableEngine)]
    ours, other = (play(engine, envs, limit=4, seed=seed, first_stream=5) for engine in engines)
    for turns, twins in zip(ours, other, strict=True):
        assert [shown for shown, _ in turns] == [shown for shown, _ in twins]
        assert [answer.tokens for _, answer in turns] == [answer.tokens for _, answer in twins]
        for (_, answer), (_, twin) in zip(turns, twins, strict=True):
            assert answer.logprobs == pytest.approx(twin.logprobs, abs=1e-4)
    lengths = {len(answer.tokens) for turns in ours for _, answer in turns}
    assert len(lengths) > 2  # or it would show little
    assert [engine.free for engine in engines] == [slots, slots]


@pytest.mark.parametrize("seed", [None, 3])
def test_a_policy_has_the_same_episodes_on_both(seed: int | None):
    model, starts = table_model(), ragged_envs(5)
    ours, other = (
        CausalLMPolicy(model, tokenizer(), stop=STOP, limit=5, slots=4, temperature=0.8, engine=engine)
        for engine in (Engine, TableEngine)
    )
    episodes = ours.rollout(starts, 3, seed=seed, first=2)
    assert said(episodes) == said(other.rollout(starts, 3, seed=seed, first=2))
    batch = pack(other.rollout(starts, 3, seed=seed))
    if seed is not None:
        torch.testing.assert_close(other.logprobs(batch), batch.behaviour, rtol=0, atol=1e-4)


def test_a_policy_on_another_engine_samples_with_the_weights_that_it_is_given():
    model, starts = table_model(), ragged_envs(5)
    policy = CausalLMPolicy(model, tokenizer(), stop=STOP, limit=5, engine=TableEngine)
    before = policy.rollout(starts, 2, seed=0)
    with torch.no_grad():
        model.lm_head.weight.copy_(table_model(seed=1).lm_head.weight)
    assert said(policy.rollout(starts, 2, seed=0)) == said(before)
    policy.update_weights(policy.module.state_dict())
    after = policy.rollout(starts, 2, seed=0)
    assert said(after) != said(before)
    assert (before[0].version, after[0].version) == (0, 1)
    batch = pack(after)
    torch.testing.assert_close(policy.logprobs(batch), batch.behaviour, rtol=0, atol=1e-4)


def test_a_task_is_played_on_another_engine():
    model, task = table_model(vocabulary=len(tokenizer())), translation()
    policy = CausalLMPolicy(model, tokenizer(), stop=renderer().stop, limit=3, engine=TableEngine)
    starts = task.starts(3, step=0)
    rewards = task.score(starts, pack(policy.rollout(starts, 4, seed=0)))
    assert torch.isfinite(rewards.values).all()
    assert rewards.parts["quality"].unique().numel() > 1


class Quota:
    """One turn, in which two units are asked for."""

    def observe(self, answers: object) -> Observation | None:
        return None if answers else Observation((1, 2), quota=2)


def test_a_quota_is_refused_by_an_engine_that_can_not():
    model = table_model()
    ((turn,),) = play(Engine(model, stop=STOP), [Quota()], limit=6)
    assert len(turn[1].tokens) == 2
    with pytest.raises(ValueError, match="TableEngine can't follow the quotas of a fixed schedule"):
        play(TableEngine(model, stop=STOP), [Quota()], limit=6)


def test_engines_have_names_and_ones_own_have_too():
    assert ENGINES.build("ragged") is Engine
    assert ENGINES.build(NAME) is TableEngine
    assert Engine(table_model(), stop=STOP).can == {"quota", "fork"}
    with pytest.raises(CatalogError, match="unknown engine 'vllm': choose one of ragged, or your own module:name"):
        ENGINES.build("vllm")
