import pytest
from hypothesis import given
from hypothesis import strategies as st

from seqpo.tasks.translation.traces import Trace, format_trace, to_instance

SOURCE = ("Ich", "weiß,", "dass", "er", "heute", "kommt.")
EXAMPLE = Trace(SOURCE, ((2, "I know"), (2, ""), (1, " th"), (0, "at he"), (1, " comes. ")), "word")

turns = st.lists(st.tuples(st.integers(0, 3), st.text(alphabet="ab5 我。", max_size=6)), max_size=8)


@st.composite
def traces(draw: st.DrawFn) -> Trace:
    drawn = tuple(draw(turns))
    unread = draw(st.integers(0, 3))
    length = sum(count for count, _ in drawn) + unread
    return Trace(tuple(map(str, range(length))), drawn, draw(st.sampled_from(["word", "char"])))


def test_delays_count_the_source_read_at_the_last_character_of_each_unit() -> None:
    assert EXAMPLE.text == "I know that he comes."
    assert EXAMPLE.units == ("I", "know", "that", "he", "comes.")
    assert EXAMPLE.delays == (2, 2, 5, 5, 6)


def test_a_word_whose_pieces_span_two_turns_gets_the_later_delay() -> None:
    trace = Trace(("a", "b", "c"), ((1, "Wo"), (1, "rd"), (1, " next")), "word")
    assert trace.delays == (2, 3)


def test_chinese_is_counted_in_characters() -> None:
    trace = Trace(("I", "bought", "3.5", "kilos"), ((1, "我"), (2, "买了3."), (1, "5公斤")), "char")
    assert trace.units == ("我", "买", "了", "3.5", "公", "斤")
    assert trace.delays == (1, 3, 3, 4, 4, 4)


def test_waits_are_turns_without_text() -> None:
    assert EXAMPLE.waits == 1
    assert Trace(("a", "b"), ((1, " "), (1, "")), "word").waits == 2


def test_read_runs_lie_between_units_and_a_trailing_one_counts() -> None:
    assert EXAMPLE.read_runs == (2, 3, 1)
    assert Trace(("a", "b", "c", "d"), ((1, "x"), (1, ""), (1, " y"), (1, "")), "word").read_runs == (1, 2, 1)
    assert Trace(("a", "b"), ((1, ""), (1, "")), "word").read_runs == (2,)
    assert Trace(("a",), (), "word").read_runs == ()


@given(traces())
def test_every_unit_has_a_delay_and_every_read_is_in_a_run(trace: Trace) -> None:
    read = sum(count for count, _ in trace.turns)
    assert len(trace.delays) == len(trace.units)
    assert list(trace.delays) == sorted(trace.delays)
    assert all(0 <= delay <= read for delay in trace.delays)
    assert sum(trace.read_runs) == read


@given(traces(), st.data())
def test_cutting_a_turn_in_two_without_reading_changes_no_delay(trace: Trace, data: st.DataObject) -> None:
    cut: list[tuple[int, str]] = []
    for count, piece in trace.turns:
        at = data.draw(st.integers(0, len(piece)))
        cut += [(count, piece[:at]), (0, piece[at:])]
    again = Trace(trace.source, tuple(cut), trace.unit)
    assert (again.units, again.delays, again.read_runs) == (trace.units, trace.delays, trace.read_runs)


def test_impossible_reads_and_units_are_refused() -> None:
    with pytest.raises(ValueError, match="read 3 source units, but the source has 2"):
        Trace(("a", "b"), ((3, "x"),), "word")
    with pytest.raises(ValueError, match="negative"):
        Trace(("a", "b"), ((1, "x"), (-1, "y")), "word")
    with pytest.raises(ValueError, match="unknown unit 'token'"):
        Trace((), (), "token")  # type: ignore[arg-type]


def test_a_trace_is_shown_on_one_line() -> None:
    shown = "READ Ich weiß, │ WRITE I know @2 │ READ dass er │ (wait) │ READ heute │ WRITE that he @5"
    trace = Trace(SOURCE, ((2, "I know"), (2, ""), (1, " that he")), "word")
    assert format_trace(trace) == shown
    assert format_trace(Trace(("a",), ((0, "x"), (1, "")), "word")) == "WRITE x @0 │ READ a │ (wait)"


def test_an_instance_has_the_keys_that_simuleval_reads() -> None:
    assert to_instance(EXAMPLE, 7, "I know he is coming.") == {
        "index": 7,
        "prediction": "I know that he comes.",
        "delays": [2, 2, 5, 5, 6],
        "elapsed": [2, 2, 5, 5, 6],
        "prediction_length": 5,
        "reference": "I know he is coming.",
        "source": "Ich weiß, dass er heute kommt.",
        "source_length": 6,
    }
