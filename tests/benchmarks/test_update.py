import dataclasses
import json

import pytest
import torch

from benchmarks import update
from benchmarks.timing import BenchError, Result, assert_close
from seqpo.types import Episode, Observation, Turn

EPISODE = Episode(5, (Turn(Observation((1, 2)), (3,), (0.0,)), Turn(Observation((4,)), (5, 6), (0.0, 0.0))))


@pytest.fixture(scope="module")
def result() -> Result:
    return update.run(update.QUICK)


def test_the_json_holds_what_is_promised(result: Result) -> None:
    data = json.loads(json.dumps(result.to_json()))
    assert data["ratios"].keys() >= {"per-turn", "memory"}
    assert all(value > 0 for value in data["ratios"].values())
    assert data["equal"]["gradients"] is True
    assert data["equal"]["log-probs"] is True
    assert data["medians"].keys() >= {"packed", "per-turn", "log-probs chunked", "log-probs plain"}
    assert data["setup"].keys() >= {"scoring", "threads", "peak bytes plain", "torch", "cpu", "date"}
    assert "curve" not in data


def test_chunks_of_tokens_need_less_memory_than_all_at_once(result: Result) -> None:
    # 2048 tokens over 5000 entries: 41 MB for each copy of all the logits, and 10 MB for one of a chunk's
    assert result.ratios["memory"] > 1.5
    assert result.setup["peak bytes plain"] > 2048 * 5000 * 4


def test_a_turn_from_scratch_shows_the_whole_history() -> None:
    second = update.from_scratch(EPISODE, [1])
    assert second == Episode(5, (Turn(Observation((1, 2, 3, 4), reset_context=True), (5, 6), (0.0, 0.0)),))
    assert [turn.action for turn in update.from_scratch(EPISODE, range(2)).turns] == [(3,), (5, 6)]


def test_a_way_that_forgets_history_is_caught(monkeypatch: pytest.MonkeyPatch) -> None:
    def forgetful(episode: Episode, chosen: range) -> Episode:
        turns = [
            dataclasses.replace(t, observation=Observation(t.observation.tokens, reset_context=True))
            for t in episode.turns
        ]
        return dataclasses.replace(episode, turns=tuple(turns[i] for i in chosen))

    monkeypatch.setattr(update, "from_scratch", forgetful)
    with pytest.raises(BenchError, match="the gradient of per-turn is off by"):
        update.run(update.QUICK)


def test_relative_errors_by_hand() -> None:
    assert assert_close("it", torch.tensor([3.0, 4.0]), torch.tensor([3.0, 4.5]), 0.2) == pytest.approx(0.1)
    with pytest.raises(BenchError, match="it is off by"):
        assert_close("it", torch.ones(2), torch.tensor([1.0, float("nan")]), 0.1)
