import dataclasses
import json

import pytest
import torch

from benchmarks import read_write
from benchmarks.timing import BenchError, Result
from seqpo.tasks.read_write.decoding import Step
from seqpo.tasks.read_write.policy import steps
from seqpo.tasks.read_write.source import Source


@pytest.fixture(scope="module")
def result() -> Result:
    return read_write.run(read_write.QUICK)


def test_the_json_holds_what_is_promised(result: Result) -> None:
    data = json.loads(json.dumps(result.to_json()))
    assert data["ratios"]["one-by-one"] > 0
    assert data["equal"] == {"decisions": True}
    assert data["ratios"]["floor"] > 0
    assert data["medians"].keys() == {"together", "one-by-one", "products"}
    per_second = data["setup"]["episodes per second"]
    assert per_second["together"] == pytest.approx(8 / data["medians"]["together"])
    assert data["setup"]["decisions"] >= 8
    assert data["setup"].keys() >= {"sentences", "translator", "threads", "torch", "cpu", "date"}


def test_the_episodes_read_write_and_stop_at_different_places() -> None:
    settings = dataclasses.replace(read_write.ReadWriteBench(), sentences=8, vocabulary=60)
    policy, sources = settings.policy(), settings.sources()
    played = read_write.one_by_one(policy, sources, 2)
    assert {len(source.words) for source in sources} != {settings.words[0]}
    assert len({len(taken) for taken in played}) > 4
    assert all({step.wrote for step in taken} == {True, False} for taken in played)


def test_a_wrong_decision_is_caught(monkeypatch: pytest.MonkeyPatch) -> None:
    right = read_write._algorithm_1
    monkeypatch.setattr(read_write, "_algorithm_1", lambda *given: (*right(*given)[:-1], Step(True, 39)))
    with pytest.raises(BenchError, match=r"episode 0 is .*WRITE\(\d+\) together and .*WRITE\(39\) alone"):
        read_write.run(read_write.QUICK)


@pytest.mark.parametrize("words", [1, 2, 7])
def test_a_source_of_any_length_is_decided_alike(words: int) -> None:
    policy = dataclasses.replace(read_write.QUICK, slots=3).policy()
    sources = [Source(tuple((3 + place,) for place in range(words)), (read_write.END,)), Source(((9, 9),), (2,))]
    starts = [read_write._Start(source) for source in sources]
    episodes = policy.rollout(starts, 4, seed=read_write.SEED)
    assert [steps(episode) for episode in episodes] == read_write.one_by_one(policy, sources, 4)


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        ({"sentences": 0}, "a sentence of a word"),
        ({"words": (5, 3)}, "from the smaller number"),
        ({"vocabulary": 3}, "more than its 3 marks"),
    ],
)
def test_settings_without_meaning_are_refused(wrong: dict[str, object], said: str) -> None:
    with pytest.raises(ValueError, match=said):
        dataclasses.replace(read_write.QUICK, **wrong)  # type: ignore[arg-type]


def test_the_threads_are_given_back() -> None:
    before = torch.get_num_threads()
    read_write.run(dataclasses.replace(read_write.QUICK, threads=before + 1))
    assert torch.get_num_threads() == before
