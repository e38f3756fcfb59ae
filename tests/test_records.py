"""Dataclasses from plain data, strictly."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass, field
from typing import Literal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from seqpo.records import RecordError, decode, refuse_changed


@dataclass(frozen=True)
class Inner:
    level: Literal["low", "high"] = "low"
    share: float = 0.5

    def __post_init__(self) -> None:
        if self.share < 0:
            raise ValueError(f"a share must not be negative, got {self.share}")


@dataclass(frozen=True)
class Outer:
    name: str
    count: int = 0
    ready: bool = False
    limit: float | None = None
    pair: tuple[int, str] = (0, "")
    many: tuple[Inner, ...] = ()
    table: dict[str, tuple[float, float]] = field(default_factory=dict)
    options: dict[str, bool | int | float | str] = field(default_factory=dict)
    inner: Inner = field(default_factory=Inner)


def test_a_record_by_hand():
    data = {
        "name": "a",
        "limit": 2,
        "pair": [1, "b"],
        "many": [{}, {"level": "high"}],
        "table": {"x": [1, 2.5]},
        "options": {"gate": "erf", "tau": 1, "on": True},
        "inner": {"share": 0.1},
    }
    assert decode(Outer, data, name="it") == Outer(
        "a",
        limit=2.0,
        pair=(1, "b"),
        many=(Inner(), Inner("high")),
        table={"x": (1.0, 2.5)},
        options={"gate": "erf", "tau": 1, "on": True},
        inner=Inner(share=0.1),
    )


@pytest.mark.parametrize(
    ("data", "said"),
    [
        ([], r"^it should be a table of keys, but is \[\]"),
        ({}, "^it lacks the key 'name'"),
        ({"name": "a", "cuont": 1}, r"^it has the unknown key 'cuont'; did you mean 'count'\?"),
        ({"name": "a", "qqq": 1}, "^it has the unknown key 'qqq'; it knows name, count"),
        ({"name": 1}, "^name should be a string, but is 1"),
        ({"name": "a", "count": 1.5}, "^count should be a whole number, but is 1.5"),
        ({"name": "a", "count": True}, "^count should be a whole number, but is True"),
        ({"name": "a", "ready": 1}, "^ready should be a truth value, but is 1"),
        ({"name": "a", "limit": "x"}, "^limit should be a number or null, but is 'x'"),
        ({"name": "a", "pair": [1]}, r"^pair should be a list of 2, but is \[1\]"),
        ({"name": "a", "pair": [1, 2]}, r"^pair\[1\] should be a string, but is 2"),
        ({"name": "a", "many": {}}, r"^many should be a list, but is \{\}"),
        ({"name": "a", "many": [{}, {"level": "mid"}]}, r"^many\[1\].level should be one of 'low', 'high'"),
        ({"name": "a", "table": {"x": [1, "y"]}}, r"^table.x\[1\] should be a number, but is 'y'"),
        ({"name": "a", "options": {"x": []}}, "^options.x should be a truth value or a whole number or a number"),
        ({"name": "a", "inner": {"share": -1}}, "^inner: a share must not be negative, got -1.0"),
    ],
)
def test_what_does_not_fit_is_named_by_its_key(data: object, said: str):
    with pytest.raises(RecordError, match=said):
        decode(Outer, data, name="it")


inners = st.builds(Inner, st.sampled_from(["low", "high"]), st.floats(0, 1e9))
outers = st.builds(
    Outer,
    st.text(),
    st.integers(),
    st.booleans(),
    st.none() | st.floats(allow_nan=False),
    st.tuples(st.integers(), st.text()),
    st.lists(inners).map(tuple),
    st.dictionaries(st.text(), st.tuples(st.floats(allow_nan=False), st.floats(allow_nan=False))),
    st.dictionaries(st.text(), st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text()),
    inners,
)


@given(outers)
def test_a_record_survives_json(record: Outer):
    assert decode(Outer, json.loads(json.dumps(asdict(record))), name="it") == record


def test_options_without_effect_are_refused_by_the_beginning_of_their_names():
    refuse_changed(Outer("a", table={"x": (1.0, 2.0)}), ("count", "in"), "it is so")
    with pytest.raises(ValueError, match=r"^count = 2 would have no effect: it is so; leave it at 0$"):
        refuse_changed(Outer("a", count=2), ("co",), "it is so")
    with pytest.raises(ValueError, match=r"^table = \{'x': \(1.0, 2.0\)\} would have no effect.* leave it at \{\}$"):
        refuse_changed(Outer("a", table={"x": (1.0, 2.0)}), ("table",), "it is so")
