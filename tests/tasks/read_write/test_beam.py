"""Simultaneous beam search: by hand, greedy with one hypothesis, and ordinary beam search with a decider that waits."""

from __future__ import annotations

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from seqpo.tasks.read_write.beam import beam_search
from seqpo.tasks.read_write.deciders import WaitIfDiff, WaitK, WaitOneStep, WaitUntilEnd
from seqpo.tasks.read_write.decoding import Decider, Decoding, Steps, View, decode
from seqpo.tasks.read_write.translator.network import RecurrentTranslator
from tests.support.translators import (
    START,
    STOP,
    UNIT_STARTS,
    VOCABULARY,
    Scripted,
    Table,
    models,
    random_table,
    shown,
    source,
    sources,
    tiny_translator,
    wins,
)

deciders = st.sampled_from([WaitUntilEnd(), WaitOneStep(), WaitK(1), WaitK(2), WaitIfDiff()])


def always(view: View) -> torch.Tensor:
    return torch.ones_like(view.exhausted)


def found(model: Table, decider: Decider, size: int, *words: int, limit: int = 9) -> str:
    return shown(beam_search(Decoding(model, UNIT_STARTS, limit), [source(*words)], decider, size)[0])


@settings(deadline=None, max_examples=60)
@given(models, st.lists(st.tuples(sources, st.lists(st.booleans(), max_size=9)), max_size=6), st.integers(1, 3))
def test_one_hypothesis_is_greedy(model, streams, slots):
    decoding = Decoding(model, UNIT_STARTS, limit=5, slots=slots)
    many, scripts = [one for one, _ in streams], [script for _, script in streams]
    assert beam_search(decoding, many, Scripted(scripts), 1) == decode(decoding, many, Scripted(scripts))


@settings(deadline=None, max_examples=60)
@given(models, st.lists(sources, min_size=1, max_size=5), deciders, st.integers(1, 4), st.integers(1, 3))
def test_searches_together_are_searches_one_by_one(model, many, decider, size, slots):
    decoding = Decoding(model, UNIT_STARTS, limit=4, slots=slots)
    together = beam_search(decoding, many, decider, size)
    for one, steps in zip(many, together, strict=True):
        assert shown(steps) == shown(beam_search(decoding, [one], decider, size)[0])
        written = [step.token for step in steps if step.wrote]
        assert sum(not step.wrote for step in steps) <= len(one.words)
        assert STOP not in written[:-1]
        assert written[-1] == STOP or len(written) == 4


def garden_path(heard: tuple[int, ...], written: tuple[int, ...]) -> torch.Tensor:
    """3 looks best, but nothing certain follows; 4 is nearly as good, and then all is clear."""
    match written:
        case ():
            return wins({3: 0.55, 4: 0.44})
        case (3,):
            return wins({5: 0.32, 6: 0.3, 7: 0.28, 4: 0.1})
        case (4,):
            return wins({5: 0.99})
        case _:
            return wins({STOP: 0.99})


def test_a_beam_leaves_the_garden_path():
    """p(4 5) = .44 · .99, p(3 5) = .55 · .32."""
    assert found(Table(garden_path), WaitUntilEnd(), 1, 5) == "r3 w3 w5 w2"
    assert found(Table(garden_path), WaitUntilEnd(), 2, 5) == "r3 w4 w5 w2"
    assert found(Table(garden_path), always, 2, 5, 5) == "w4 w5 w2"


def test_a_read_commits_the_best_and_drops_the_others():
    """After one token 3 is the best; a READ there commits it, and the better way by 4 is lost."""
    assert found(Table(garden_path), Scripted([[True, False]]), 2, 7, 7, 7) == "w3 r5 w5 w2"
    # after two tokens the best is 4 5, which the decider sees: its candidate is STOP, and that is rejected
    assert found(Table(garden_path), Scripted([[True, True, False]]), 2, 7, 7, 7) == "w4 w5 r2 w2"


def test_a_read_drops_what_had_ended():
    """STOP at once has the best score of all, but the decider reads on after that token."""

    def says(heard: tuple[int, ...], written: tuple[int, ...]) -> torch.Tensor:
        match len(written):
            case 0:
                return wins({STOP: 0.6, 3: 0.4})
            case 1:
                return wins({4: 0.3, 5: 0.25, 6: 0.25, 7: 0.2})
            case _:
                return wins({STOP: 1.0})

    assert found(Table(says), always, 2, 7, 7) == "w2"
    assert found(Table(says), Scripted([[True, False]]), 2, 7, 7) == "w3 r4 w4 w2"


def test_z_0_is_of_all_that_was_read_before_the_first_token():
    """The table's own check; and a rejected beam begins anew."""
    assert found(Table(garden_path), Scripted([[False, False, True]]), 3, 7, 7, 7).startswith("r3 r3 w")


def test_the_score_is_per_token():
    """STOP at once has p = .5; 3 STOP has .49 · .9 = .44, that is .66 per token."""

    def says(heard: tuple[int, ...], written: tuple[int, ...]) -> torch.Tensor:
        return wins({STOP: 0.9}) if written else wins({STOP: 0.5, 3: 0.49})

    assert found(Table(says), always, 2, 7) == "w3 w2"


def test_a_hypothesis_that_has_ended_keeps_its_place():
    """Beside STOP one other goes on, by 4, which leads nowhere; with a place for 5 it would have ended well."""

    def says(heard: tuple[int, ...], written: tuple[int, ...]) -> torch.Tensor:
        match written:
            case ():
                return wins({STOP: 0.5, 3: 0.4, 6: 0.1})
            case (3,):
                return wins({4: 0.4, 5: 0.35, 6: 0.25})
            case (3, 4):
                return wins({6: 0.3, 7: 0.25, 3: 0.24, 5: 0.21})
            case _:
                return wins({STOP: 1.0})

    assert found(Table(says), always, 2, 7) == "w2"
    assert found(Table(says), always, 3, 7) == "w3 w5 w2"


def test_a_search_begins_with_one_hypothesis_where_another_was_over():
    """The first one ends at its limit with two good hypotheses; a second root would leave no place for 4."""

    def says(heard: tuple[int, ...], written: tuple[int, ...]) -> torch.Tensor:
        if heard[0] == 6:
            return wins({7: 1.0} if written else {3: 0.5, 4: 0.49})
        return garden_path(heard, written) if written else wins({3: 0.69, 4: 0.3})

    decoding = Decoding(Table(says), UNIT_STARTS, limit=3, slots=1)
    searched = beam_search(decoding, [source(6), source(5)], always, 2)
    assert [shown(steps) for steps in searched] == ["w3 w7 w7", "w4 w5 w2"]


def test_the_decider_sees_the_best_hypothesis():
    seen: list[list[int]] = []

    def noting(view: View) -> torch.Tensor:
        seen.append(
            [*view.candidate.tolist(), *view.written.token.tolist(), *view.written.tokens.tolist(), len(view.streams)]
        )
        assert view.peek(0).logits.equal(view.proposal.logits)
        return always(view)

    found(Table(garden_path), noting, 2, 7)
    assert seen == [[3, START, 0, 1], [5, 3, 1, 1], [STOP, 5, 2, 1]]


def ordinary(model: RecurrentTranslator, tokens: tuple[int, ...], size: int, limit: int) -> tuple[int, ...]:
    """Beam search over a whole source, one hypothesis after the other."""
    annotations, read = model.encode(torch.tensor([tokens])), torch.tensor([len(tokens)])
    live = [(0.0, (), model.initial(annotations, read))]
    ended: list[tuple[float, tuple[int, ...]]] = []
    while live and len(live[0][1]) < limit:
        longer = []
        for score, written, state in live:
            previous = torch.tensor([written[-1] if written else START])
            proposal = model.propose(state, previous, annotations, read)
            for token, logprob in enumerate(proposal.logits.log_softmax(-1)[0].tolist()):
                longer.append((score + logprob, (*written, token), proposal.state))
        longer.sort(key=lambda one: -one[0])
        longer = longer[: size - len(ended)]
        ended += [(score / len(written), written) for score, written, _ in longer if written[-1] == STOP]
        live = [one for one in longer if one[1][-1] != STOP]
    return max(ended + [(score / len(written), written) for score, written, _ in live])[1]


@settings(deadline=None, max_examples=40)
@given(models, sources, st.integers(1, VOCABULARY), st.integers(1, 5))
def test_with_a_decider_that_waits_it_is_ordinary_beam_search(model, one, size, limit):
    steps = beam_search(Decoding(model, UNIT_STARTS, limit), [one], WaitUntilEnd(), size)[0]
    with torch.no_grad():
        assert tuple(step.token for step in steps if step.wrote) == ordinary(model, one.tokens, size, limit)


def likelihood(model: Table, steps: Steps, heard: tuple[int, ...]) -> float:
    written = tuple(step.token for step in steps if step.wrote)
    logprobs = [model.says(heard, written[:n]).log_softmax(-1)[token] for n, token in enumerate(written)]
    return float(sum(logprobs)) / len(written)


def test_beams_find_likelier_translations_on_average():
    gained = []
    for seed in range(40):
        model, one = random_table(seed), source(3, 4)
        decoding = Decoding(model, UNIT_STARTS, limit=6)
        greedy = decode(decoding, [one], WaitUntilEnd())[0]
        searched = beam_search(decoding, [one], WaitUntilEnd(), 4)[0]
        gained.append(likelihood(model, searched, one.tokens) - likelihood(model, greedy, one.tokens))
    assert sum(gained) / 40 > 0.02


def test_beams_without_a_hypothesis_are_refused():
    with pytest.raises(ValueError, match="a beam has one hypothesis or more"):
        beam_search(Decoding(tiny_translator(), UNIT_STARTS), [source(3)], always, 0)
