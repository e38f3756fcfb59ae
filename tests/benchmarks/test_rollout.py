import dataclasses
import json
from collections.abc import Callable

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor

from benchmarks import rollout
from benchmarks.timing import BenchError, Result, in_turns, ratio
from benchmarks.workload import STOP, TINY, Workload
from seqpo import sampling
from seqpo.sessions import Engine, engine


@pytest.fixture(scope="module")
def result() -> Result:
    return rollout.run(rollout.QUICK)


def test_the_json_holds_what_is_promised(result: Result) -> None:
    data = json.loads(json.dumps(result.to_json()))
    assert data["ratios"].keys() >= {"reprompt", "one-by-one", "floor"}
    assert all(value > 0 for value in data["ratios"].values())
    assert data["equal"]["reprompt"] is True
    assert data["equal"]["one-by-one"] is True
    assert 0 <= data["equal"]["bfloat16 agreement"] <= 1
    assert data["medians"].keys() >= {"floor", "engine bfloat16", "engine float32", "reprompt float32"}
    assert data["setup"]["workload"]["sentences"] == 4
    assert data["setup"].keys() >= {"threads", "dtype", "seqpo", "torch", "transformers", "cpu", "date"}


def test_the_curve_goes_over_the_number_of_turns(result: Result) -> None:
    assert list(result.curve) == ["1", "3"]  # sources of 3 and 9 words in chunks of 3
    assert all(value > 0 for value in result.curve.values())


def test_the_table_names_every_ratio(result: Result) -> None:
    table = result.table()
    labels = list(table.columns[0].cells)
    assert {f"ratio: {name}" for name in result.ratios} <= set(labels)


def test_an_engine_that_writes_another_token_is_caught(monkeypatch: pytest.MonkeyPatch) -> None:
    right = sampling.choose

    def wrong(logits: Tensor, uniforms: Tensor | None, temperature: float) -> tuple[Tensor, Tensor]:
        tokens, logprobs = right(logits, uniforms, temperature)
        return tokens % (logits.shape[1] - 1) + 1, logprobs

    monkeypatch.setattr(engine, "choose", wrong)
    with pytest.raises(BenchError, match=r"reprompt wrote .* in turn 0 of stream 0"):
        rollout.run(rollout.QUICK)


def test_an_engine_that_wastes_passes_is_caught(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(
        rollout, "_engine", lambda model, slots, dtype: Engine(model, stop=STOP, slots=slots, longest_read=1)
    )
    with pytest.raises(BenchError, match="forward passes"):
        rollout.run(rollout.QUICK)


def test_the_floor_encodes_every_token_once_but_the_last() -> None:
    streams = TINY.streams()
    seen: list[int] = []
    floor = rollout.Floor(TINY.new_model(), streams, torch.float32)
    encode: Callable[..., Tensor] = floor.model.encode
    floor.model.encode = lambda tokens, plan: (seen.append(len(tokens)), encode(tokens, plan))[1]  # type: ignore[method-assign,func-returns-value]
    floor()
    assert len(seen) == max(sum(stream.writes) for stream in streams)
    assert sum(seen) == sum(sum(map(len, stream.chunks)) + sum(stream.writes) - 1 for stream in streams)


@given(words=st.integers(1, 40), chunk=st.integers(1, 7), seed=st.integers(0, 99))
def test_streams_have_the_chunks_and_lengths_that_were_asked_for(words: int, chunk: int, seed: int) -> None:
    workload = Workload(sentences=3, words=(words, words), chunk=chunk, tokens_per_word=1, written=4, seed=seed)
    streams = workload.streams()
    assert streams == workload.streams()
    for stream in streams:
        assert [len(part) for part in stream.chunks[:-1]] == [chunk] * (len(stream.chunks) - 1)
        assert sum(map(len, stream.chunks)) == words
        assert all(1 <= count <= 7 for count in stream.writes)
        assert all(0 < token < workload.vocabulary for part in stream.chunks for token in part)


def test_ratios_are_taken_round_by_round() -> None:
    assert ratio({"a": [2.0, 9.0, 8.0], "b": [1.0, 3.0, 1.0]}, "a", "b") == 3.0


def test_contestants_run_in_turns_and_the_first_round_is_not_timed() -> None:
    ran: list[str] = []
    times = in_turns({"a": lambda: ran.append("a"), "b": lambda: ran.append("b")}, rounds=2)
    assert ran == ["a", "b"] * 3
    assert {name: len(rounds) for name, rounds in times.items()} == {"a": 2, "b": 2}


@pytest.mark.parametrize("wrong", [{"words": (5, 4)}, {"sentences": 0}, {"chunk": 0}, {"tokens_per_word": 2.5}])
def test_a_workload_without_work_is_refused(wrong: dict[str, object]) -> None:
    with pytest.raises(ValueError, match=r"needs|should"):
        dataclasses.replace(TINY, **wrong)  # type: ignore[arg-type]


def test_a_benchmark_without_rounds_is_refused() -> None:
    with pytest.raises(ValueError, match="a round"):
        rollout.RolloutBench(rounds=0)
