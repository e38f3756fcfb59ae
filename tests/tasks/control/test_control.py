"""Control tasks: a bandit worked out by hand, and an environment of Gymnasium."""

from __future__ import annotations

import sys

import numpy as np
import pytest
import torch

from seqpo.policies.network import NetworkPolicy, mlp
from seqpo.tasks.control.bandit import Bandit, paid
from seqpo.tasks.control.gym import GymTask
from seqpo.types import Episode, Outcome, Turn, pack

BANDIT = Bandit(((0.0, 1.0), (0.5, 0.2), (0.3, 0.3)))


def test_contexts_take_turns_over_all_steps():
    seen = [pull.context for step in range(3) for pull in BANDIT.starts(2, step=step)]
    assert seen == [0, 1, 2, 0, 1, 2]


def test_a_pull_by_hand():
    pull = BANDIT.starts(2, step=0)[1]
    assert pull.begin().features.tolist() == [0.0, 1.0, 0.0]
    assert pull.begin().act(0) == Outcome(0.5, terminated=True, truncated=False)
    assert pull.begin().act(1) == Outcome(0.2, terminated=True, truncated=False)


def test_turns_are_rewarded_by_what_the_environment_paid():
    episodes = [
        Episode(0, (Turn(None, (1,), (0.0,), 1.5), Turn(None, (0,), (0.0,), -0.5))),
        Episode(0, (Turn(None, (1,), (0.0,), 2.0),)),
    ]
    rewards = paid(pack(episodes))
    assert rewards.values.tolist() == [1.5, -0.5, 2.0]
    assert rewards.parts["return"].tolist() == [1.0, 2.0]
    assert rewards.parts["length"].tolist() == [2.0, 1.0]


def test_the_episodes_of_a_group_begin_in_the_same_state():
    pytest.importorskip("gymnasium")
    task = GymTask("CartPole-v1", seed=7)
    torch.manual_seed(0)
    episodes = NetworkPolicy(mlp(4, 2, 8)).rollout(task.starts(2, step=3), 3, seed=0)
    firsts = np.stack([episode.turns[0].observation for episode in episodes])
    assert (firsts[:3] == firsts[0]).all()
    assert (firsts[3:] == firsts[3]).all()
    assert (firsts[0] != firsts[3]).any()
    assert len({len(episode.turns) for episode in episodes}) > 1
    rewards = task.score(task.starts(2, step=3), pack(episodes))
    # CartPole pays one for every step that the pole stays up
    assert rewards.parts["return"].tolist() == [len(episode.turns) for episode in episodes]


def test_a_time_limit_cuts_off_and_a_fall_ends():
    gymnasium = pytest.importorskip("gymnasium")
    gymnasium.register("ShortCartPole-v0", "gymnasium.envs.classic_control:CartPoleEnv", max_episode_steps=12)
    torch.manual_seed(0)
    policy = NetworkPolicy(mlp(4, 2, 8))
    try:
        episodes = policy.rollout(GymTask("ShortCartPole-v0").starts(8, step=0), 1, seed=0)
    finally:
        del gymnasium.registry["ShortCartPole-v0"]
    assert {episode.truncated for episode in episodes} == {True, False}
    for episode in episodes:
        if episode.truncated:
            assert len(episode.turns) == 12
            assert episode.final.shape == (4,)
            assert abs(episode.final[2]) < 0.2095  # radians at which the pole has fallen
            assert (episode.final != episode.turns[-1].observation).any()
        else:
            assert episode.final is None


def test_every_step_begins_in_new_states():
    task = GymTask("CartPole-v1", seed=7)
    seeds = [place.seed for step in range(3) for place in task.starts(4, step=step)]
    assert seeds == list(range(7, 19))


def test_without_gymnasium_the_remedy_is_told(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setitem(sys.modules, "gymnasium", None)
    with pytest.raises(ModuleNotFoundError, match=r"control tasks need gymnasium: pip install 'seqpo\[control\]'"):
        GymTask("CartPole-v1").starts(1, step=0)[0].begin()
