"""Playing environments: what a stream says depends on its number and its seed, on nothing else."""

from __future__ import annotations

import pytest
import torch

from seqpo.policies.causal_lm import CausalLMPolicy
from seqpo.sessions import Engine, play
from seqpo.sessions.engine import Answer
from seqpo.types import pack
from tests.support.models import STOP, Chunks, ragged_envs, tiny


def _answers(envs: list[Chunks], *, slots: int = 64, first: int = 0, seed: int | None = 3) -> list[list[Answer]]:
    played = play(Engine(tiny(), stop=STOP, slots=slots), envs, limit=6, seed=seed, first_stream=first)
    return [[answer for _, answer in turns] for turns in played]


def _same(found: list[list[Answer]], expected: list[list[Answer]]) -> None:
    for mine, theirs in zip(found, expected, strict=True):
        assert [answer.tokens for answer in mine] == [answer.tokens for answer in theirs]
        for a, b in zip(mine, theirs, strict=True):
            assert a.logprobs == pytest.approx(b.logprobs, abs=1e-10)


@pytest.mark.parametrize("reset_context", [False, True])
def test_samples_do_not_depend_on_the_number_of_slots(reset_context: bool):
    envs = ragged_envs(12, reset_context=reset_context)
    expected = _answers(envs)
    for slots in (1, 3):
        _same(_answers(envs, slots=slots), expected)


def test_a_stream_says_the_same_alone_as_among_others():
    envs = ragged_envs(6)
    expected = _answers(envs)
    for number, env in enumerate(envs):
        _same(_answers([env], first=number), [expected[number]])


def test_streams_and_seeds_differ():
    env = Chunks(((1, 2, 3), (4, 5)))
    said = _answers([env] * 8)
    assert len({tuple(answer.tokens for answer in turns) for turns in said}) > 4
    assert _answers([env] * 8, seed=4) != said
    assert len(set(map(tuple, _answers([env] * 8, seed=None)))) == 1


def test_progress_counts_every_finished_env():
    envs = [*ragged_envs(5), Chunks(())]
    counted: list[int] = []
    play(Engine(tiny(), stop=STOP, slots=2), envs, limit=4, progress=counted.append)
    assert counted == [1, 2, 3, 4, 5, 6]


def test_nothing_to_play():
    engine = Engine(tiny(), stop=STOP)
    assert play(engine, [], limit=4) == []
    assert play(engine, [Chunks(())], limit=4) == [[]]
    assert engine.free == engine.slots


def test_all_slots_are_free_afterwards():
    engine = Engine(tiny(), stop=STOP, slots=3)
    play(engine, ragged_envs(7), limit=4, seed=0)
    assert engine.free == 3


@pytest.mark.parametrize(("dtype", "tolerance"), [(torch.float32, 1e-5), (torch.float64, 1e-10)])
@pytest.mark.parametrize("family", ["qwen2", "llama"])
@pytest.mark.parametrize("reset_context", [False, True])
def test_recorded_log_probs_are_those_of_the_training_pass(family, reset_context: bool, dtype, tolerance: float):
    policy = CausalLMPolicy(tiny(family, dtype=dtype), None, stop=STOP, limit=6, slots=4, temperature=0.8)  # type: ignore[arg-type]
    episodes = policy.rollout(ragged_envs(5, reset_context=reset_context), group_size=2, seed=0)
    batch = pack(episodes, dtype=dtype)
    torch.testing.assert_close(policy.logprobs(batch), batch.behaviour, rtol=0, atol=tolerance)
