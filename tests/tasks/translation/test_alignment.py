"""Word alignment: symmetrization by hand, and a small corpus where eflomal is installed."""

from __future__ import annotations

import sys

import pytest
from hypothesis import given
from hypothesis import strategies as st

from seqpo.tasks.translation import grammar
from seqpo.tasks.translation.alignment import align, symmetrize
from seqpo.tasks.translation.corpora import Pair

links = st.sets(st.tuples(st.integers(0, 5), st.integers(0, 5)))


def test_symmetrization_by_hand():
    # agreed: 0-0. Grown: its neighbour 1-0 (source 1 is alone). Final: 3-3, of which neither word has a link;
    # 3-1 comes too late, for its source word has one by then.
    forward, reverse = {(0, 0), (1, 0), (3, 3)}, {(0, 0), (3, 1)}
    assert symmetrize(forward, reverse) == ((0, 0), (1, 0), (3, 3))
    assert symmetrize({(0, 0)}, {(1, 1)}) == ((0, 0), (1, 1))
    assert symmetrize(set(), set()) == ()


@given(links, links)
def test_symmetrization_lies_between_agreement_and_union(forward: set, reverse: set):
    found = set(symmetrize(set(forward), set(reverse)))
    assert forward & reverse <= found <= forward | reverse


@given(links)
def test_equal_directions_are_kept(both: set):
    assert symmetrize(set(both), set(both)) == tuple(sorted(both))


def test_a_small_corpus_is_aligned_much_as_its_grammar_says():
    pytest.importorskip("eflomal", reason="eflomal is an extra: pip install 'seqpo[align]'")
    pairs = grammar.sample("de-en", 600, 0, "train")
    aligned = align([Pair(pair.source, pair.target) for pair in pairs], "word", "word")
    assert [(pair.source, pair.target) for pair in aligned] == [(pair.source, pair.target) for pair in pairs]
    found = [(number, link) for number, pair in enumerate(aligned) for link in pair.alignment or ()]
    known = {(number, link) for number, pair in enumerate(pairs) for link in pair.alignment or ()}
    right = sum(link in known for link in found)
    assert right / len(found) > 0.7
    assert right / len(known) > 0.6


def test_without_eflomal_the_remedy_is_told(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setitem(sys.modules, "eflomal", None)
    with pytest.raises(ModuleNotFoundError, match=r"word alignment needs eflomal: pip install 'seqpo\[align\]'"):
        align([Pair("a", "b")], "word", "word")
