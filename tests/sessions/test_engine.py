"""Sessions against Transformers itself: the same tokens, the same log-probs, whatever the neighbours do."""

from __future__ import annotations

from collections.abc import Sequence

import pytest
import torch
from transformers import (
    AutoModelForCausalLM,
    GPT2Config,
    MistralConfig,
    PreTrainedConfig,
    PreTrainedModel,
    Qwen2Config,
)

from seqpo.policies.models import Family
from seqpo.sessions import Engine, Session, play
from seqpo.sessions.engine import Answer
from tests.support.models import FAMILIES, STOP, VOCABULARY, Chunks, markov, ragged_envs, tiny

LIMIT = 7


def generated(model: PreTrainedModel, context: Sequence[int], limit: int = LIMIT) -> tuple[int, ...]:
    """What Transformers generates greedily after a context."""
    ids = torch.tensor([context])
    out = model.generate(
        ids,
        attention_mask=torch.ones_like(ids),
        max_new_tokens=limit,
        do_sample=False,
        eos_token_id=STOP,
        pad_token_id=STOP,
    )
    return tuple(out[0, len(context) :].tolist())


def answered(session: Session, tokens: Sequence[int], limit: int = LIMIT) -> Answer:
    """Let a session answer a chunk."""
    session.read(tokens)
    session.write(limit)
    finish(session)
    return session.answer()


def finish(*sessions: Session) -> None:
    """Step the engine until none of the sessions is writing."""
    while any(session.writing for session in sessions):
        assert sessions[0].engine.step(), "a session is writing, and nothing is left to do"


@pytest.mark.parametrize("slots", [1, 3, 64])
@pytest.mark.parametrize("family", FAMILIES)
def test_greedy_answers_are_those_of_generate(family: Family, slots: int):
    model = tiny(family)
    envs = ragged_envs(8)
    played = play(Engine(model, stop=STOP, slots=slots), envs, limit=LIMIT)
    said = set()
    for env, turns in zip(envs, played, strict=True):
        context: list[int] = []
        for chunk, (observed, answer) in zip(env.chunks, turns, strict=True):
            assert observed.tokens == chunk
            context += chunk
            assert answer.tokens == generated(model, context)
            context += answer.tokens
            said.update(answer.tokens)
    assert STOP in said  # turns of several lengths,
    assert len(said) > 5  # and not the same word over and over


def test_an_observation_that_resets_the_context_is_answered_like_a_new_context():
    model = tiny()
    envs = ragged_envs(6, reset_context=True)
    for turns in play(Engine(model, stop=STOP, slots=3), envs, limit=LIMIT):
        for observed, answer in turns:
            assert answer.tokens == generated(model, observed.tokens)


@pytest.mark.parametrize("longest_read", [1, 4])
def test_long_reads_in_several_passes_give_the_same(longest_read: int):
    envs = ragged_envs(8)
    whole, parts = Engine(tiny(), stop=STOP), Engine(tiny(), stop=STOP, longest_read=longest_read)
    expected = play(whole, envs, limit=LIMIT, seed=5)
    found = play(parts, envs, limit=LIMIT, seed=5)
    assert [[a.tokens for _, a in turns] for turns in found] == [[a.tokens for _, a in turns] for turns in expected]
    assert parts.passes > whole.passes


def test_log_probs_of_a_known_model_by_hand():
    # after 1: token 2 or 3, three to one; after 2 or 3: the end, always
    model = markov({1: {2: 3, 3: 1}, 2: {0: 1}, 3: {0: 1}}, vocabulary=8)
    session = Engine(model, stop=STOP).open()
    answer = answered(session, [5, 1])
    assert answer.tokens == (2, 0)
    assert [2.718281828**p for p in answer.logprobs] == pytest.approx([0.75, 1.0], rel=1e-5)
    # at temperature ½ chances are squared: nine to one
    cold = Engine(model, stop=STOP, temperature=0.5).open()
    assert 2.718281828 ** answered(cold, [1]).logprobs[0] == pytest.approx(0.9, rel=1e-5)


def test_sampling_has_the_frequencies_of_the_model():
    model = markov({1: {2: 3, 3: 1}, 2: {0: 1}, 3: {0: 1}}, vocabulary=8)
    played = play(Engine(model, stop=STOP), [Chunks(((1,),))] * 1000, limit=4, seed=0)
    twos = sum(turns[0][1].tokens == (2, 0) for turns in played)
    assert twos == pytest.approx(750, abs=45)  # more than three deviations


def test_greedy_and_sampling_sessions_share_a_step():
    model = markov({1: {2: 1, 3: 3}, 2: {0: 1}, 3: {0: 1}}, vocabulary=8)
    engine = Engine(model, stop=STOP, slots=2)
    greedy, sampling = engine.open(), engine.open(seed=0)
    for session in (greedy, sampling):
        session.read([1])
        session.write(4)
    finish(greedy, sampling)
    assert greedy.answer().tokens == (3, 0)


def test_a_fork_goes_on_like_its_parent():
    engine = Engine(tiny(), stop=STOP)
    parent = engine.open(seed=1)
    answered(parent, [3, 1, 4])
    parent.read([1, 5])
    twin = engine.fork(parent, seed=2, stream=7)
    other = engine.open(seed=9)
    said = answered(twin, [9])
    # the same told to a session of its own, with the same numbers
    replay = Engine(tiny(), stop=STOP).open(seed=2, stream=7)
    context = [3, 1, 4, *parent.answer().tokens, 1, 5, 9]
    expected = answered(replay, context)
    assert said.tokens == expected.tokens
    assert said.logprobs == pytest.approx(expected.logprobs, abs=1e-10)
    # and neither the twin nor a stranger has changed the parent
    greedy = engine.fork(parent)
    twin.close()
    other.close()
    assert answered(greedy, [2]).tokens == generated(tiny(), [*context[:-1], 2])


def test_closing_moves_the_last_session_and_nothing_else():
    model = tiny()
    engine = Engine(model, stop=STOP, slots=4)
    sessions = [engine.open() for _ in range(4)]
    contexts = [[1, 2, 3], [4], [5, 6], [7, 8, 9, 10]]
    for session, context in zip(sessions, contexts, strict=True):
        context.extend(answered(session, context).tokens)
    sessions[0].close()
    sessions[2].close()
    assert engine.free == 2
    for i in (1, 3):
        assert answered(sessions[i], [11]).tokens == generated(model, [*contexts[i], 11])
    assert answered(engine.open(), [12, 3]).tokens == generated(model, [12, 3])


def test_a_rewound_session_has_forgotten_everything():
    model = tiny()
    session = Engine(model, stop=STOP).open()
    answered(session, [1, 2, 3])
    session.read([4])
    session.rewind()
    assert answered(session, [5, 6]).tokens == generated(model, [5, 6])


def test_new_weights_end_all_sessions():
    engine = Engine(tiny(), stop=STOP, slots=2)
    old = engine.open()
    answered(old, [1, 2])
    engine.update_weights(tiny(seed=4).state_dict())
    for act in (lambda: old.read([1]), lambda: old.write(3), old.close, lambda: engine.fork(old)):
        with pytest.raises(RuntimeError, match="belongs to policy version 0, the engine is at 1"):
            act()
    assert engine.free == 2
    assert answered(engine.open(), [1, 2]).tokens == generated(tiny(seed=4), [1, 2])


def test_training_the_model_leaves_the_engine_alone():
    model = tiny()
    engine = Engine(model, stop=STOP)
    before = answered(engine.open(), [1, 2])
    with torch.no_grad():
        for weight in model.parameters():
            weight.zero_()
    assert answered(engine.open(), [1, 2]) == before


def test_a_step_without_writers_does_nothing():
    engine = Engine(tiny(), stop=STOP)
    session = engine.open()
    session.read([1])
    assert not engine.step()
    assert engine.passes == 0


def test_a_quota_is_written_whatever_the_policy_thinks_of_stopping():
    # 2 begins a unit and 3 continues it; the policy would rather stop, and may when all units have been begun
    model = markov({1: {0: 9, 2: 1}, 2: {3: 1}, 3: {0: 9, 2: 1}}, vocabulary=8)
    starts = torch.tensor([0, 0, 1, 0, 0, 0, 0, 0])
    engine = Engine(model, stop=STOP, unit_starts=starts)
    for quota, written in ((0, ()), (1, (2, 3, STOP)), (3, (2, 3, 2, 3, 2, 3, STOP))):
        session = engine.open()
        session.read([1])
        session.write(20, quota)
        finish(session)
        assert session.answer().tokens == written


def test_misuse_has_clear_errors():
    engine = Engine(tiny(), stop=STOP, slots=1)
    session = engine.open()
    with pytest.raises(RuntimeError, match="all 1 slots are taken: close a session"):
        engine.open()
    with pytest.raises(RuntimeError, match="nothing was read before this turn"):
        session.write(3)
    session.read([1])
    with pytest.raises(ValueError, match="room for one token at least, got a limit of 0"):
        session.write(0)
    session.write(3)
    with pytest.raises(RuntimeError, match="still writing: step the engine"):
        session.read([2])
    with pytest.raises(RuntimeError, match="still writing: fork it before or after"):
        engine.fork(session)
    session.close()
    with pytest.raises(RuntimeError, match="this session is closed"):
        session.read([1])
    with pytest.raises(ValueError, match="needs a slot at least, got 0"):
        Engine(tiny(), stop=STOP, slots=0)


def test_a_stream_past_the_last_position_raises_and_harms_no_other():
    model = tiny(positions=12)
    engine = Engine(model, stop=STOP, slots=2)
    long, short = engine.open(), engine.open()
    long.read(range(1, 13))
    long.write(5)
    short.read([1, 2])
    short.write(5)
    with pytest.raises(RuntimeError, match="past the model's 12 positions"):
        finish(long)
    long.close()
    finish(short)
    assert short.answer().tokens == generated(model, [1, 2], 5)


_SMALL = {
    "vocab_size": VOCABULARY,
    "hidden_size": 16,
    "num_hidden_layers": 2,
    "num_attention_heads": 2,
    "num_key_value_heads": 2,
    "intermediate_size": 16,
}


@pytest.mark.parametrize(
    "config",
    [
        Qwen2Config(**_SMALL, use_sliding_window=True, sliding_window=4, max_window_layers=1),
        MistralConfig(**_SMALL, sliding_window=4),
    ],
    ids=["qwen2", "mistral"],
)
def test_a_model_that_forgets_is_refused(config: PreTrainedConfig):
    with pytest.raises(ValueError, match="sessions need all of the past"):
        Engine(AutoModelForCausalLM.from_config(config), stop=STOP)


def test_a_model_without_rotary_positions_works_as_long_as_it_uses_the_registry():
    config = GPT2Config(vocab_size=VOCABULARY, n_embd=16, n_layer=2, n_head=2, bos_token_id=None, eos_token_id=None)
    torch.manual_seed(0)
    model = AutoModelForCausalLM.from_config(config).double().eval()
    assert answered(Engine(model, stop=STOP).open(), [1, 2, 3]).tokens == generated(model, [1, 2, 3])
