"""Translation as a task: which sentences come when, how they are shown, and how they are judged."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from seqpo.tasks.translation.corpora import Pair
from seqpo.tasks.translation.rewards import GuReward, SeqPOReward
from seqpo.tasks.translation.schedules import ScheduleMixture
from seqpo.tasks.translation.task import TranslationTask
from seqpo.types import Episode, Turn, pack
from tests.support.translation import renderer, sentences, translation

PAIRS = (Pair("eins zwei drei", "one two three"), Pair("vier fünf", "four five"), Pair("sechs", "six"))


def count_words(sources: Any, hypotheses: Any, references: Any) -> list[float]:
    return [float(len(text.split())) for text in hypotheses]


TASK = TranslationTask(PAIRS, renderer(), quality=count_words)


def encode_source(task: TranslationTask, start: int, pair: Pair, *answers: str) -> Episode:
    """The episode in which these words were written after each chunk, and at the end."""
    dialogue, said, turns = task.dialogue(pair, task.chunks[0]), [], []
    for answer in answers:
        shown = dialogue.observe(said)
        said.append((*task.renderer.target(answer.split()), task.renderer.stop))
        turns.append(Turn(shown, said[-1], (-0.5,) * len(said[-1])))
    assert dialogue.observe(said) is None
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
    task = replace(TASK, reward=SeqPOReward(quality_weight=2.0, latency_weight=1.0, floor=-5.0))
    starts = [replace(start, pair=PAIRS[0], dialogue=task.dialogue(PAIRS[0], 1)) for start in task.starts(1, step=0)]
    prompt = encode_source(task, 4, PAIRS[0], "one", "two", "three", "")
    late = encode_source(task, 4, PAIRS[0], "", "", "", "one two three")
    short = encode_source(task, 4, PAIRS[0], "one", "", "", "")
    batch = pack([prompt, late, short])
    rewards = task.score(starts, batch)
    assert rewards.parts["quality"].tolist() == [3, 3, 1]
    assert rewards.parts["waits"].tolist() == [0, 2, 2]
    assert rewards.parts["latency"].tolist() == pytest.approx([1, 3, 1])
    # z-scores: quality ½, ½, −1 and latency −½, 1, −½, each over √½; twice the former minus the latter
    root = 0.5**0.5
    expected = [3 / 2 / root, 0.0, -3 / 2 / root]
    assert rewards.values.tolist() == pytest.approx([0, 0, 0, expected[0], 0, 0, 0, expected[1], 0, 0, 0, expected[2]])


def test_waits_are_those_of_a_listener():
    """What is written at the end is written after the last chunk, so no wait precedes it."""
    [start] = replace(TASK, pairs=PAIRS[1:2]).starts(1, step=0)
    answers = [(first, last, end) for first in ("four", "") for last in ("four", "") for end in ("five", "")]
    episodes = [encode_source(TASK, 0, start.pair, *answer) for answer in answers]
    rewards = TASK.score([start], pack(episodes))
    expected = [start.trace(episode).merged().waits for episode in episodes]
    assert rewards.parts["waits"].tolist() == expected
    assert set(expected) == {0, 1, 2}


def test_turns_are_rewarded_where_they_stand():
    """A fusion that judges turn by turn sees the end of the source as a turn of its own."""
    [start] = replace(TASK, pairs=PAIRS[1:2]).starts(1, step=0)
    prompt, late = (encode_source(TASK, 0, start.pair, *said) for said in (("four", "five", ""), ("", "", "four five")))
    rewards = replace(TASK, reward=GuReward(alpha=-0.5, beta=0.0)).score([start], pack([prompt, late]))
    # one word after the other is a BLEU of 1 from the first on, and the last turn is paid for the whole;
    # who waits pays α for a run of two
    assert rewards.values.tolist() == pytest.approx([1, 0, 1, 0, -0.5, 1])


def test_states_are_shared_by_what_was_read_and_written():
    starts = replace(TASK, pairs=PAIRS[1:2]).starts(2, step=0)  # the same sentence twice
    said = [("four", "five", ""), ("four", "", "five"), ("", "four", "five"), ("", "four five", "")]
    episodes = [encode_source(TASK, 7, starts[0].pair, *answers) for answers in said]
    other = encode_source(TASK, 8, starts[1].pair, *said[0])
    states = TASK.states(starts, pack([*episodes, other])).reshape(5, 3).tolist()
    # all begin alike; then after "four" or after nothing; then after "four five", or after "four" by either way
    begin, four, nothing = states[0][0], states[0][1], states[2][1]
    assert [row[0] for row in states[:4]] == [begin] * 4
    assert [row[1] for row in states[:4]] == [four, four, nothing, nothing]
    assert [row[2] for row in states[:4]] == [states[0][2], states[1][2], states[1][2], states[0][2]]
    # the end of the source is news, even where nothing was written since; another group is another world
    assert len({begin, four, nothing, states[0][2], states[1][2], *states[4]}) == 5 + 3


turn_texts = st.lists(st.sampled_from(["", "one", "two", "one two"]), min_size=4, max_size=4)


@given(st.lists(st.tuples(st.integers(0, 1), turn_texts), min_size=1, max_size=6))
def test_states_are_equal_if_and_only_if_all_before_is(episodes: list[tuple[int, list[str]]]):
    starts = replace(TASK, pairs=PAIRS[:1]).starts(2, step=0)
    batch = pack(encode_source(TASK, group, PAIRS[0], *answers) for group, answers in episodes)
    before = [
        (group, place, " ".join(answer for answer in answers[:place] if answer))
        for group, answers in episodes
        for place in range(4)
    ]
    states = TASK.states(starts, batch).tolist()
    assert len(states) == len(before)
    assert len(set(zip(states, before, strict=True))) == len(set(states)) == len(set(before))


def test_a_sentence_keeps_its_number():
    assert TASK.num_starts == 3
    for step in range(4):
        starts = TASK.starts(2, step=step)
        assert [PAIRS[number] for number in TASK.start_ids(starts).tolist()] == [start.pair for start in starts]
    twins = replace(TASK, pairs=PAIRS[:1] * 2)  # equal sentences at two places of a corpus are two
    assert sorted(twins.start_ids(twins.starts(2, step=0)).tolist()) == [0, 1]


def test_groups_are_judged_by_their_own_references():
    starts = TASK.starts(3, step=0)
    episodes = [
        encode_source(TASK, 10 + i, s.pair, *s.pair.target.split(), "") for i, s in enumerate(starts) for _ in range(2)
    ]
    told: list[Any] = []

    def watch(sources: Any, hypotheses: Any, references: Any) -> list[float]:
        told.extend(zip(sources, hypotheses, references, strict=True))
        return [0.0] * len(sources)

    replace(TASK, quality=watch).score(starts, pack(episodes))
    assert told == [(s.pair.source, s.pair.target, s.pair.target) for s in starts for _ in range(2)]


def test_demonstrations_write_the_reference_by_a_drawn_schedule():
    task = replace(translation(), chunks=(1, 2), schedule=ScheduleMixture(wait_k=0.5, aligned=0.3, full_sentence=0.2))
    episodes = task.demonstrations(40, step=0)
    starts = task.starts(40, step=0)
    lengths = set()
    for episode, start in zip(episodes, starts, strict=True):
        words = len(start.pair.source.split())
        chunk = 1 if len(episode.turns) == words + 1 else 2
        assert len(episode.turns) == -(-words // chunk) + 1
        trace = task.dialogue(start.pair, chunk).trace([turn.action for turn in episode.turns])
        assert trace.text == start.pair.target
        lengths.add(chunk)
    assert lengths == {1, 2}
    assert episodes == task.demonstrations(40, step=0)
    assert episodes != task.demonstrations(40, step=1)


def test_aligned_schedules_want_alignments():
    bare = tuple(Pair(pair.source, pair.target) for pair in sentences()[:5])
    task = replace(translation(), pairs=bare, schedule=ScheduleMixture(wait_k=0.0, aligned=1.0, full_sentence=0.0))
    with pytest.raises(ValueError, match=r"aligned schedules need word alignments: .*schedule\.align = true"):
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
