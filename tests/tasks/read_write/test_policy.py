"""The READ/WRITE agent as a policy: what it records, what it learns from, and how it is kept."""

from __future__ import annotations

import json
import math
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from safetensors.torch import save_file
from torch import Tensor

from seqpo.tasks.read_write.agent import (
    READ,
    WRITE,
    Agent,
    AgentConfig,
    AskAgent,
    BaselineNetwork,
)
from seqpo.tasks.read_write.beam import beam_search
from seqpo.tasks.read_write.deciders import WaitK, WaitUntilEnd
from seqpo.tasks.read_write.decoding import Decoding, decode
from seqpo.tasks.read_write.files import FolderError, load_agent
from seqpo.tasks.read_write.policy import ReadWritePolicy, observations, steps
from seqpo.tasks.read_write.source import Source
from seqpo.training.world import full_weights
from seqpo.types import Episode, pack
from tests.support.translators import UNIT_STARTS, Look, algorithm_1, shown, source, sources, tiny_translator

OBSERVED = 6 + 6 + 4


@dataclass
class Sentence:
    source: Source


STARTS = [Sentence(source(3, 4, 5)), Sentence(source(6)), Sentence(Source(((5, 7), (3,), (4,), (6,)), (1,)))]


def policy(dtype: torch.dtype = torch.float64, *, slots: int = 4, limit: int = 5) -> ReadWritePolicy:
    decoding = Decoding(tiny_translator(dtype=dtype), UNIT_STARTS, limit, slots)
    torch.manual_seed(1)
    agent = Agent(OBSERVED, AgentConfig(hidden=7)).to(dtype)
    with torch.no_grad():
        for weight in agent.parameters():
            weight.mul_(2)
    return ReadWritePolicy(decoding, agent)


POLICY = policy()


def decided(episodes: list[Episode]) -> list[str]:
    return [shown(steps(episode)) for episode in episodes]


def test_episodes_come_in_groups_with_a_turn_per_decision():
    episodes = POLICY.rollout(STARTS, 3, seed=0, first=4)
    assert [episode.start for episode in episodes] == [4, 4, 4, 5, 5, 5, 6, 6, 6]
    assert POLICY.num_tokens(episodes) == [len(episode.turns) for episode in episodes]
    for episode in episodes:
        for turn in episode.turns:
            glimpse = turn.observation
            assert turn.action in ((READ,), (WRITE,))
            assert glimpse.features.dtype == np.float32
            assert glimpse.features.shape == (OBSERVED,)
            if glimpse.forced:
                assert turn.action == (WRITE,)
                assert turn.logprobs == (0.0,)
            else:
                assert turn.logprobs[0] < 0


def test_what_it_sees_is_context_state_and_candidate():
    episode = POLICY.rollout(STARTS[:1], 1, seed=3)[0]
    model = POLICY.decoding.translator
    seen: list[np.ndarray] = []

    def decide(look: Look) -> bool:
        embedded = model.embed(torch.tensor([look.candidate]))
        seen.append(torch.cat((look.proposal.context, look.proposal.state, embedded), 1)[0].detach().float().numpy())
        return episode.turns[look.number].action == (WRITE,)

    assert algorithm_1(POLICY.decoding, STARTS[0].source, decide) == steps(episode)
    for turn, features in zip(episode.turns, seen, strict=False):
        np.testing.assert_allclose(turn.observation.features, features, rtol=1e-5, atol=1e-6)


def plainly(agent: Agent, episode: Episode) -> Tensor:
    """Log-probs of an episode's decisions, one after the other; 0 where forced."""
    memory, logprobs = torch.zeros(1, agent.config.hidden).double(), []
    for turn in episode.turns:
        logits, memory = agent(torch.from_numpy(turn.observation.features).double()[None, None], memory)
        scored = logits[0, 0].log_softmax(-1)[turn.action[0]]
        logprobs.append(torch.zeros_like(scored) if turn.observation.forced else scored)
    return torch.stack(logprobs)


@settings(deadline=None, max_examples=30)
@given(st.lists(sources, min_size=1, max_size=4), st.integers(1, 3), st.integers(0, 5), st.integers(1, 4))
def test_scores_are_the_behaviour_log_probs(many: list[Source], group_size: int, seed: int, slots: int):
    """As recorded, and as a plain loop over the decisions has them."""
    some = policy(slots=slots)
    episodes = some.rollout([Sentence(one) for one in many], group_size, seed=seed)
    batch = pack(episodes, dtype=torch.float64)
    scored = some.logprobs(batch)
    torch.testing.assert_close(scored, batch.behaviour, rtol=1e-6, atol=1e-9)
    torch.testing.assert_close(scored, torch.cat([plainly(some.module, episode) for episode in episodes]))


def test_scores_are_the_behaviour_log_probs_in_float32():
    some = policy(torch.float32)
    batch = pack(some.rollout(STARTS, 5, seed=0))
    torch.testing.assert_close(some.logprobs(batch), batch.behaviour, rtol=0, atol=1e-5)


@settings(deadline=None, max_examples=30)
@given(st.integers(0, 9), st.integers(1, 3), st.integers(1, 9))
def test_an_episode_depends_on_seed_start_and_place_alone(seed: int, group_size: int, slots: int):
    together = POLICY.rollout(STARTS, group_size, seed=seed)
    apart = [
        episode
        for number, start in enumerate(STARTS)
        for episode in policy(slots=slots).rollout([start], group_size, seed=seed, first=number)
    ]
    assert decided(apart) == decided(together)
    for one, other in zip(apart, together, strict=True):
        assert one.start == other.start
        for turn, alike in zip(one.turns, other.turns, strict=True):
            assert turn.logprobs == pytest.approx(alike.logprobs, abs=1e-9)
            np.testing.assert_allclose(turn.observation.features, alike.observation.features, rtol=1e-5, atol=1e-6)


def test_actions_come_as_often_as_the_agent_says():
    episodes = POLICY.rollout([STARTS[1]], 1000, seed=0)
    chance = math.exp(POLICY.logprobs(pack(episodes))[0].item())
    first = episodes[0].turns[0].action
    assert sum(episode.turns[0].action == first for episode in episodes) / 1000 == pytest.approx(chance, abs=0.05)


def test_without_a_seed_the_likelier_action_is_taken():
    episodes = POLICY.rollout(STARTS, 1, seed=None)
    for turn in (turn for episode in episodes for turn in episode.turns if not turn.observation.forced):
        assert turn.logprobs[0] >= math.log(0.5) - 1e-9
    asked = AskAgent(POLICY.module, slots=4)
    many = [start.source for start in STARTS]
    for _ in range(2):  # what it remembered of the first time is forgotten
        assert decided(episodes) == [shown(one) for one in decode(POLICY.decoding, many, asked)]
    assert decided(episodes) == [shown(one) for one in beam_search(POLICY.decoding, many, asked, 1)]


def test_demonstrations_are_what_another_decides():
    for decider in (WaitK(2), WaitUntilEnd()):
        shown_by = [shown(one) for one in decode(POLICY.decoding, [start.source for start in STARTS], decider)]
        episodes = POLICY.demonstrate(STARTS, decider)
        assert decided(episodes) == shown_by
        assert [episode.start for episode in episodes] == [0, 1, 2]
        for episode in episodes:
            forced = [turn.observation.forced for turn in episode.turns]
            assert forced == sorted(forced)
            assert all(turn.action == (WRITE,) for turn in episode.turns if turn.observation.forced)


def test_it_imitates_what_is_demonstrated():
    some = policy(torch.float32)
    optimizer = torch.optim.Adam(some.module.parameters(), lr=0.02)
    batch = pack(some.demonstrate(STARTS, WaitK(2)))
    for _ in range(60):
        optimizer.zero_grad()
        (-some.logprobs(batch).mean()).backward()
        optimizer.step()
    some.update_weights(full_weights(some.module))
    assert decided(some.rollout(STARTS, 1, seed=None)) == decided(some.demonstrate(STARTS, WaitK(2)))


def test_only_free_decisions_of_the_agent_get_a_gradient():
    some = policy()
    batch = pack(some.rollout(STARTS, 4, seed=1), dtype=torch.float64)
    forced = torch.tensor([turn.observation.forced for episode in batch.episodes for turn in episode.turns])
    assert forced.any()
    some.logprobs(batch)[forced].sum().backward()
    assert all(weight.grad is None or not weight.grad.any() for weight in some.module.parameters())
    some.logprobs(batch)[~forced].sum().backward()
    assert all(weight.grad is not None and weight.grad.any() for weight in some.module.parameters())
    assert all(not w.requires_grad and w.grad is None for w in some.decoding.translator.parameters())


def test_the_gradient_is_that_of_finite_differences():
    some = policy()
    batch = pack(some.rollout(STARTS, 2, seed=1), dtype=torch.float64)
    some.logprobs(batch).sum().backward()
    for name, weight in some.module.named_parameters():
        place, ends = int(weight.grad.abs().argmax()), []
        for change in (1e-6, -2e-6):
            with torch.no_grad():
                weight.view(-1)[place] += change
                ends.append(some.logprobs(batch).sum().item())
        with torch.no_grad():
            weight.view(-1)[place] += 1e-6
        assert (ends[0] - ends[1]) / 2e-6 == pytest.approx(weight.grad.view(-1)[place].item(), rel=1e-5), name


def test_it_learns_to_wait():
    """REINFORCE on the number of words read before the first token."""
    some = policy(torch.float32)
    optimizer = torch.optim.Adam(some.module.parameters(), lr=0.02)
    waits = []
    for step in range(25):
        batch = pack(some.rollout(STARTS, 8, seed=step))
        waited = torch.tensor(
            [[turn.action for turn in episode.turns].index((WRITE,)) for episode in batch.episodes]
        ).float()
        waits.append(waited.mean().item())
        optimizer.zero_grad()
        logprobs = torch.zeros(len(waited)).index_add(
            0, batch.segments.episode[batch.segments.turn], some.logprobs(batch)
        )
        (-(waited - waited.mean()) * logprobs).mean().backward()
        optimizer.step()
        some.update_weights(full_weights(some.module))
    assert waits[0] < 1.5
    assert waits[-1] > 2.5  # of (3 + 1 + 4) / 3
    assert some.rollout(STARTS[:1], 1, seed=0)[0].version == 25


def test_it_acts_by_new_weights_only_when_refreshed():
    some = policy()
    before = decided(some.rollout(STARTS, 3, seed=2))
    with torch.no_grad():
        some.module.head.bias.copy_(torch.tensor([99.0, -99.0]))
    assert decided(some.rollout(STARTS, 3, seed=2)) == before
    some.update_weights(full_weights(some.module))
    for text in decided(some.rollout(STARTS, 3, seed=2)):
        assert " r" not in text[text.index("w") :]


def test_observations_and_their_values_stand_at_turns():
    episodes = POLICY.rollout(STARTS, 2, seed=0)
    batch = pack(episodes)
    seen = observations(batch)
    assert seen.shape == (batch.segments.turns, OBSERVED)
    assert torch.equal(seen[len(episodes[0].turns)], torch.from_numpy(episodes[1].turns[0].observation.features))
    baseline = BaselineNetwork(OBSERVED)
    values = baseline(seen)
    assert values.shape == (batch.segments.turns, 1)
    assert sum(weight.numel() for weight in baseline.parameters()) == OBSERVED * 128 + 128 + 128 + 1


def test_an_agent_is_kept_exactly(tmp_path: Path):
    POLICY.save(tmp_path, full_weights(POLICY.module))
    loaded = load_agent(tmp_path)
    assert (loaded.observed, loaded.config) == (OBSERVED, AgentConfig(7))
    for name, value in POLICY.module.state_dict().items():
        assert torch.equal(loaded.state_dict()[name], value)
    again = ReadWritePolicy(POLICY.decoding, loaded)
    assert decided(again.rollout(STARTS, 2, seed=0)) == decided(POLICY.rollout(STARTS, 2, seed=0))


def test_what_holds_no_agent_is_named(tmp_path: Path):
    with pytest.raises(FolderError, match=r"config\.json: no such file; give a checkpoint of a READ/WRITE agent"):
        load_agent(tmp_path)
    (tmp_path / "config.json").write_text('{"kind": "recurrent-translator"}', encoding="utf-8")
    with pytest.raises(FolderError, match=r"config\.json: not of a READ/WRITE agent"):
        load_agent(tmp_path)
    (tmp_path / "config.json").write_text("{", encoding="utf-8")
    with pytest.raises(FolderError, match=r"unreadable .*take an earlier checkpoint"):
        load_agent(tmp_path)


def test_weights_that_are_torn_lost_or_of_another_shape_are_named(tmp_path: Path):
    POLICY.save(tmp_path, full_weights(POLICY.module))
    config, weights = tmp_path / "config.json", tmp_path / "model.safetensors"
    whole = weights.read_bytes()
    weights.write_bytes(whole[:-5])
    with pytest.raises(FolderError, match=r"unreadable .*take an earlier checkpoint"):
        load_agent(tmp_path)
    weights.unlink()
    with pytest.raises(FolderError, match=r"model\.safetensors: no such file"):
        load_agent(tmp_path)
    save_file({"other": torch.zeros(1)}, weights)
    with pytest.raises(FolderError, match=r"not the weights of what .*config\.json describes"):
        load_agent(tmp_path)
    weights.write_bytes(whole)
    record = json.loads(config.read_text(encoding="utf-8"))
    config.write_text(json.dumps(record | {"observed": 3}), encoding="utf-8")
    with pytest.raises(FolderError, match=r"not the weights of what .*config\.json describes"):
        load_agent(tmp_path)


def test_an_agent_without_memory_is_refused():
    with pytest.raises(ValueError, match="hidden must be positive, got 0"):
        AgentConfig(0)
