"""Units out of a text that arrives character by character: at once, and what a corpus would hold."""

from __future__ import annotations

import io

import pytest
from hypothesis import given
from hypothesis import strategies as st

from seqpo.tasks.translation.arriving import arriving
from seqpo.tasks.translation.units import Unit, split


@pytest.mark.parametrize(
    ("typed", "unit", "units"),
    [
        ("Der  Hund bellt.\n", "word", ["Der", "Hund", "bellt.", None]),
        ("ein Satz\r\n\nnoch einer", "word", ["ein", "Satz", None, None, "noch", "einer", None]),
        ("ohne Ende ", "word", ["ohne", "Ende", None]),
        ("我买3.5斤T-shirt，50%。\n", "char", ["我", "买", "3.5", "斤", "T-shirt", "，", "50%", "。", None]),
        ("猫 狗", "char", ["猫", "狗", None]),
        ("", "word", []),
    ],
)
def test_units_arrive_by_hand(typed: str, unit: Unit, units: list[str | None]):
    assert list(arriving(io.StringIO(typed), unit)) == units


@given(st.text(alphabet="ab0 3.,-%'é我是。猫×\t", max_size=20), st.sampled_from(["word", "char"]))
def test_what_arrives_is_what_a_corpus_would_hold(line: str, unit: Unit):
    units = split(line, unit)
    assert list(arriving(io.StringIO(line + "\n"), unit)) == [*units, None]
    assert list(arriving(io.StringIO(line), unit)) == ([*units, None] if units else [])


class Dripping(io.StringIO):
    """A stream that tells how much of it has been read."""

    def read(self, size: int | None = -1) -> str:
        self.taken = getattr(self, "taken", 0) + 1
        return super().read(size)


@pytest.mark.parametrize(("typed", "unit", "taken"), [("ja nein", "word", 3), ("我是", "char", 1), ("5个", "char", 2)])
def test_a_unit_is_not_held_back(typed: str, unit: Unit, taken: int):
    stream = Dripping(typed)
    next(arriving(stream, unit))
    assert stream.taken == taken
