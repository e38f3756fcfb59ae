"""Translation as a task: which sentences come when, how they are shown, and how they are judged."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from seqpo.episodes import Episode, Turn, pack
from seqpo.tasks.translation.corpora import Pair
from seqpo.tasks.translation.rewards import FusedReward
from seqpo.tasks.translation.schedules import ScheduleMixture
from seqpo.tasks.translation.task import TranslationTask
from tiny_runs import framing, sentences, translation

PAIRS = (Pair("eins zwei drei", "one two three"), Pair("vier fünf", "four five"), Pair("sechs", "six"))


def count_words(sources: Any, hypotheses: Any, references: Any) -> list[float]:
    return [float(len(text.split())) for text in hypotheses]


TASK = TranslationTask(PAIRS, framing(), quality=count_words)


def spoken(task: TranslationTask, start: int, pair: Pair, *answers: str) -> Episode:
    """The episode in which these words were written after each chunk, and at the end."""
    script, said, turns = task.script(pair, task.chunks[0]), [], []
    for answer in answers:
        shown = script.observe(said)
        said.append((*task.framing.target(answer.split()), task.framing.stop))
        turns.append(Turn(shown, said[-1], (-0.5,) * len(said[-1])))
    assert script.observe(said) is None
    return Episode(start, tuple(turns))


@given(st.integers(1, 5), st.integers(1, 6), st.integers(0, 3))
def test_every_epoch_has_every_sentence_once(count: int, epochs: int, seed: int):
    task = replace(TASK, seed=seed)
    places = [start.pair for step in range(-(-epochs * 3 // count)) for start in task.starts(count, step=step)]
    for epoch in range(epochs):
        assert set(places[3 * epoch : 3 * epoch + 3]) == set(PAIRS)


def test_epochs_and_seeds_are_shuffled_differently():
    task = translation()
    orders = [
        tuple(start.pair for start in replace(task, seed=seed).starts(50, step=step))
        for seed, step in ((0, 0), (0, 1), (1, 0))
    ]
    assert len(set(orders)) == 3
    assert orders[0] == tuple(start.pair for start in task.starts(50, step=0))


def test_judgement_by_hand():
    """AL of [1, 2, 3] for 3 source words is 1; when all is written at the end, it is 3."""
    task = replace(TASK, reward=FusedReward(quality_weight=2.0, latency_weight=1.0, floor=-5.0))
    starts = [replace(start, pair=PAIRS[0], script=task.script(PAIRS[0], 1)) for start in task.starts(1, step=0)]
    prompt = spoken(task, 4, PAIRS[0], "one", "two", "three", "")
    late = spoken(task, 4, PAIRS[0], "", "", "", "one two three")
    short = spoken(task, 4, PAIRS[0], "one", "", "", "")
    batch = pack([prompt, late, short])
    rewards = task.judge(starts, batch)
    assert rewards.parts["quality"].tolist() == [3, 3, 1]
    assert rewards.parts["waits"].tolist() == [0, 2, 2]
    assert rewards.parts["latency"].tolist() == pytest.approx([1, 3, 1])
    # z-scores: quality ½, ½, −1 and latency −½, 1, −½, each over √½; twice the former minus the latter
    root = 0.5**0.5
    expected = [3 / 2 / root, 0.0, -3 / 2 / root]
    assert rewards.values.tolist() == pytest.approx([0, 0, 0, expected[0], 0, 0, 0, expected[1], 0, 0, 0, expected[2]])


def test_groups_are_judged_by_their_own_references():
    starts = TASK.starts(3, step=0)
    episodes = [
        spoken(TASK, 10 + i, s.pair, *s.pair.target.split(), "") for i, s in enumerate(starts) for _ in range(2)
    ]
    told: list[Any] = []

    def watch(sources: Any, hypotheses: Any, references: Any) -> list[float]:
        told.extend(zip(sources, hypotheses, references, strict=True))
        return [0.0] * len(sources)

    replace(TASK, quality=watch).judge(starts, pack(episodes))
    assert told == [(s.pair.source, s.pair.target, s.pair.target) for s in starts for _ in range(2)]


def test_demonstrations_write_the_reference_by_a_drawn_schedule():
    task = replace(translation(), chunks=(1, 2), schedule=ScheduleMixture(wait_k=0.5, segments=0.3, full_sentence=0.2))
    episodes = task.demonstrations(40, step=0)
    starts = task.starts(40, step=0)
    lengths = set()
    for episode, start in zip(episodes, starts, strict=True):
        words = len(start.pair.source.split())
        chunk = 1 if len(episode.turns) == words + 1 else 2
        assert len(episode.turns) == -(-words // chunk) + 1
        trace = task.script(start.pair, chunk).trace([turn.action for turn in episode.turns])
        assert trace.text == start.pair.target
        lengths.add(chunk)
    assert lengths == {1, 2}
    assert episodes == task.demonstrations(40, step=0)
    assert episodes != task.demonstrations(40, step=1)


def test_segment_schedules_want_alignments():
    bare = tuple(Pair(pair.source, pair.target) for pair in sentences()[:5])
    task = replace(translation(), pairs=bare, schedule=ScheduleMixture(wait_k=0.0, segments=1.0, full_sentence=0.0))
    with pytest.raises(ValueError, match=r"segment schedules need word alignments: .*data.align = true"):
        task.demonstrations(1, step=0)


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        ({"pairs": ()}, "needs sentences"),
        ({"chunks": ()}, "a chunk holds one source unit or more"),
        ({"chunks": (1, 0)}, r"one source unit or more, got \(1, 0\)"),
        ({"latency": "speed"}, "unknown latency 'speed': choose one of"),
    ],
)
def test_tasks_without_meaning_are_refused(wrong: dict, said: str):
    with pytest.raises(ValueError, match=said):
        replace(TASK, **wrong)
