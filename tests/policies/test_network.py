"""A small network as a policy: sampled, scored, saved."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest
import torch

from seqpo.policies.network import NetworkCritic, NetworkPolicy, mlp
from seqpo.training.world import full_weights
from seqpo.types import Outcome, pack


@dataclass
class Countdown:
    """Ends after so many actions; sees how many are left, and is paid the action's number. May be cut off before."""

    left: int
    patience: int = 100

    def begin(self) -> Countdown:
        return Countdown(self.left, self.patience)

    @property
    def features(self) -> np.ndarray:
        return np.array([self.left, 1.0], dtype=np.float32)

    def act(self, action: int) -> Outcome:
        self.left -= 1
        self.patience -= 1
        return Outcome(float(action), self.left == 0, self.patience == 0)


@pytest.fixture
def policy() -> NetworkPolicy:
    torch.manual_seed(0)
    return NetworkPolicy(mlp(2, 3, 8))


def test_episodes_are_as_long_as_their_starts_say(policy: NetworkPolicy):
    episodes = policy.rollout([Countdown(3), Countdown(1)], 2, seed=0, first=5)
    assert [episode.start for episode in episodes] == [5, 5, 6, 6]
    assert [len(episode.turns) for episode in episodes] == [3, 3, 1, 1]
    assert [turn.observation.tolist() for turn in episodes[0].turns] == [[3, 1], [2, 1], [1, 1]]
    assert all(turn.reward == turn.action[0] for episode in episodes for turn in episode.turns)
    assert policy.num_tokens(episodes) == [3, 3, 1, 1]


def test_an_episode_that_is_cut_off_keeps_what_was_seen_last(policy: NetworkPolicy):
    cut, ended, both = policy.rollout([Countdown(5, 2), Countdown(2), Countdown(2, 2)], 1, seed=0)
    assert [turn.observation.tolist() for turn in cut.turns] == [[5, 1], [4, 1]]
    assert cut.truncated
    assert cut.final.tolist() == [3, 1]
    assert (ended.truncated, ended.final) == (False, None)
    assert not both.truncated  # it came to its own end just in time


def test_what_is_seen_last_is_a_copy(policy: NetworkPolicy):
    class Reused(Countdown):
        seen = np.zeros(2, dtype=np.float32)

        def begin(self) -> Reused:
            return Reused(self.left, self.patience)

        @property
        def features(self) -> np.ndarray:
            self.seen[:] = self.left, 1
            return self.seen

    first, second = policy.rollout([Reused(5, 2), Reused(9, 3)], 1, seed=0)
    assert (first.final.tolist(), second.final.tolist()) == ([3, 1], [6, 1])


def test_a_critic_values_what_followed_a_cut(policy: NetworkPolicy):
    torch.manual_seed(1)
    network = mlp(2, 1, 8)
    batch = pack(policy.rollout([Countdown(5, 2), Countdown(2), Countdown(7, 1)], 1, seed=0))
    found = NetworkCritic(network).predict_final(batch)
    assert found.shape == (3,)
    expected = network(torch.tensor([[3.0, 1.0], [6.0, 1.0]])).squeeze(1)
    torch.testing.assert_close(found[[0, 2]], expected)


def test_scores_are_the_behaviour_log_probs(policy: NetworkPolicy):
    batch = pack(policy.rollout([Countdown(4), Countdown(2)], 5, seed=0))
    torch.testing.assert_close(policy.logprobs(batch), batch.behaviour, rtol=0, atol=1e-6)


def test_actions_come_as_often_as_the_network_says(policy: NetworkPolicy):
    with torch.no_grad():
        chances = torch.softmax(policy.module(torch.tensor([[1.0, 1.0]])), -1)[0].tolist()
    drawn = Counter(episode.turns[0].action[0] for episode in policy.rollout([Countdown(1)], 4000, seed=0))
    for action, chance in enumerate(chances):
        assert drawn[action] / 4000 == pytest.approx(chance, abs=0.03)


def test_an_episode_depends_on_its_start_and_place_not_on_the_batch(policy: NetworkPolicy):
    together = policy.rollout([Countdown(3), Countdown(5)], 2, seed=4)
    apart = [*policy.rollout([Countdown(3)], 2, seed=4), *policy.rollout([Countdown(5)], 2, seed=4, first=1)]
    assert [[t.action for t in e.turns] for e in apart] == [[t.action for t in e.turns] for e in together]


def test_it_acts_by_new_weights_only_when_they_are_given(policy: NetworkPolicy):
    with torch.no_grad():
        policy.module[-1].bias.copy_(torch.tensor([-99.0, 99.0, -99.0]))
    before = policy.rollout([Countdown(9)], 9, seed=1)
    assert {t.action for e in before for t in e.turns} != {(1,)}
    policy.update_weights(full_weights(policy.module))
    after = policy.rollout([Countdown(9)], 9, seed=1)
    assert {t.action for e in after for t in e.turns} == {(1,)}
    assert (before[0].version, after[0].version) == (0, 1)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_it_loads_the_weights_that_it_saved(policy: NetworkPolicy, tmp_path: Path, dtype: torch.dtype):
    policy.module.to(dtype)
    policy.save(tmp_path, full_weights(policy.module))
    other = NetworkPolicy(mlp(2, 3, 8).to(dtype))
    other.module.load_state_dict(other.load(tmp_path))
    seen = torch.rand(4, 2, dtype=dtype)
    assert torch.equal(other.module(seen), policy.module(seen))
    assert {value.dtype for value in other.load(tmp_path).values()} == {dtype}


def test_weights_that_can_not_be_loaded_are_named(policy: NetworkPolicy, tmp_path: Path):
    with pytest.raises(ValueError, match=r"its weights can't be read .*; take an earlier checkpoint"):
        policy.load(tmp_path)
    policy.save(tmp_path, full_weights(policy.module))
    file = tmp_path / "model.safetensors"
    file.write_bytes(file.read_bytes()[:-3])
    with pytest.raises(ValueError, match=r"its weights can't be read .*; take an earlier checkpoint") as error:
        policy.load(tmp_path)
    assert str(tmp_path) in str(error.value)
