import csv
import gzip
import json
from collections.abc import Iterator, Sequence
from pathlib import Path
from statistics import fmean
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from seqpo.tasks.translation.latency import (
    LATENCY,
    average_lagging,
    average_proportion,
    consecutive_waits,
    differentiable_average_lagging,
    length_adaptive_average_lagging,
)
from seqpo.tasks.translation.traces import Trace

Row = dict[str, Any]
Reading = tuple[int, list[int]]
LONGFORM = "acl6060_de_longform/instances.resegmented.jsonl"


def measures(delays: Sequence[float], source_length: float, reference_length: int) -> dict[str, float]:
    return {
        "AL": average_lagging(delays, source_length, reference_length),
        "LAAL": length_adaptive_average_lagging(delays, source_length, reference_length),
        "AP": average_proportion(delays, source_length, reference_length),
        "DAL": differentiable_average_lagging(delays, source_length),
    }


def means(scores: list[dict[str, float]]) -> dict[str, float]:
    return {name: fmean(score[name] for score in scores) for name in scores[0]}


def rows(path: Path) -> Iterator[Row]:
    content = gzip.decompress(path.read_bytes()) if path.suffix == ".gz" else path.read_bytes()
    return (json.loads(line) for line in content.decode().split("\n") if line)


def table(path: Path) -> list[dict[str, str]]:
    with path.open(newline="") as file:
        return list(csv.DictReader(file, delimiter="\t"))


@pytest.mark.parametrize(("key", "kind"), [("delays", "CU"), ("elapsed", "CA")])
def test_published_scores_of_a_speech_translation_system(shared_data: Path, key: str, kind: str) -> None:
    folder = shared_data / "latency_oracle" / "shortform_2580"
    expected = {
        row["metric"]: float(row["value"]) for row in table(folder / "expected_scores.tsv") if " (" in row["metric"]
    }
    instances = list(rows(folder / "instances.jsonl.gz"))
    scores = means([measures(row[key], row["source_length"], row["reference_words"]) for row in instances])
    assert len(instances) == 2580
    for name, value in scores.items():
        assert value == pytest.approx(expected[f"{name} ({kind})"], abs=5e-5)


@pytest.mark.parametrize("run", ["de_step0.5", "de_step1.0", "de_step1.5", "de_step2.0", "cs_step0.75", "cs_step1.5"])
def test_simuleval_runs_instance_by_instance(shared_data: Path, run: str) -> None:
    folder = shared_data / "latency_oracle" / "simuleval_runs"
    scores = []
    for row in rows(folder / f"{run}.jsonl.gz"):
        score = measures(row["delays"], row["source_length"], row["reference_words"])
        scores.append(score)
        assert score == {name: pytest.approx(row["expected"][name], abs=6e-4, rel=2e-5) for name in score}
    language, step = run.split("_step")
    (corpus,) = (r for r in table(folder / "expected_corpus.tsv") if (r["lang"], r["step"]) == (language, step))
    assert means(scores) == {name: pytest.approx(float(corpus[name]), abs=6e-4) for name in scores[0]}


@pytest.mark.parametrize(("key", "kind"), [("emission_cu", "CU"), ("emission_ca", "CA")])
def test_published_scores_of_a_long_talk_cut_into_segments(shared_data: Path, key: str, kind: str) -> None:
    folder = shared_data / "latency_oracle"
    table_rows = table(folder / "acl6060_de_longform" / "expected_scores.tsv")
    expected = {row["metric"]: float(row["value"]) for row in table_rows}
    scores = means(
        [measures(r[key], r["source_length"], len(r["reference"].split(" "))) for r in rows(folder / LONGFORM)]
    )
    for name, value in scores.items():
        assert value == pytest.approx(expected[f"Long{name} ({kind})"], abs=5e-5)


@given(st.integers(1, 30), st.data())
def test_wait_k_lags_k_words_behind_and_waiting_for_all_lags_everything(n: int, data: st.DataObject) -> None:
    k = data.draw(st.integers(1, n))
    wait_k = measures([min(k + i, n) for i in range(n)], n, n)
    assert wait_k["AL"] == wait_k["LAAL"] == pytest.approx(k)
    assert wait_k["DAL"] == pytest.approx(k)
    assert measures([n] * n, n, n) == pytest.approx({"AL": n, "LAAL": n, "AP": 1, "DAL": n})
    assert average_proportion(range(1, n + 1), n, n) == pytest.approx((n + 1) / (2 * n))


def test_values_by_hand() -> None:
    # source of 4 units, reference of 2: the ideal system reads 2 units a word. AL stops at the second unit.
    assert measures([2, 4, 4], 4, 2) == pytest.approx(
        {
            "AL": ((2 - 0) + (4 - 2)) / 2,
            "LAAL": ((2 - 0) + (4 - 4 / 3)) / 2,
            "AP": (2 + 4 + 4) / (4 * 2),
            "DAL": ((2 - 0) + (4 - 4 / 3) + (16 / 3 - 8 / 3)) / 3,
        }
    )


def test_average_lagging_takes_all_units_if_the_source_was_never_read_to_its_end() -> None:
    assert average_lagging([1, 2], 4, 2) == pytest.approx(((1 - 0) + (2 - 2)) / 2)


def test_average_lagging_can_be_negative_but_length_adaptive_lagging_resists_long_outputs() -> None:
    delays = [1, *range(1, 5), *[4] * 3]
    assert average_lagging([1] * 8 + [4], 4, 2) < 0
    assert length_adaptive_average_lagging(delays, 4, 2) > average_lagging(delays, 4, 2)


def test_writing_nothing_counts_as_having_waited_for_everything() -> None:
    assert measures([], 6, 5) == {"AL": 6, "LAAL": 6, "AP": 1, "DAL": 6}


def test_consecutive_waits_are_mean_and_maximum_of_the_runs() -> None:
    assert consecutive_waits((2, 3, 1)) == (2.0, 3)
    assert consecutive_waits(()) == (0.0, 0)


lengths = st.integers(1, 20)
readings = lengths.flatmap(
    lambda n: st.tuples(st.just(n), st.lists(st.integers(0, n), min_size=1, max_size=25).map(sorted))
)


@given(readings, lengths)
def test_length_adaptive_lagging_is_at_least_lagging_and_at_most_the_source(reading: Reading, m: int) -> None:
    n, delays = reading
    lag, adaptive = average_lagging(delays, n, m), length_adaptive_average_lagging(delays, n, m)
    assert lag <= adaptive + 1e-9
    assert adaptive <= n + 1e-9
    if len(delays) <= m:
        assert lag == adaptive


@given(readings, lengths, st.data())
def test_later_units_never_lower_proportion_or_differentiable_lagging(
    reading: Reading, m: int, data: st.DataObject
) -> None:
    n, delays = reading
    later = sorted(data.draw(st.integers(delay, n)) for delay in delays)
    assert average_proportion(later, n, m) >= average_proportion(delays, n, m)
    assert differentiable_average_lagging(later, n) >= differentiable_average_lagging(delays, n) - 1e-9


@given(readings, lengths, st.floats(0.1, 1000))
def test_lag_scales_with_the_unit_of_the_source_and_proportion_does_not(reading: Reading, m: int, scale: float) -> None:
    n, delays = reading
    plain, scaled = measures(delays, n, m), measures([delay * scale for delay in delays], n * scale, m)
    assert scaled["AP"] == pytest.approx(plain["AP"])
    for name in ("AL", "LAAL", "DAL"):
        assert scaled[name] == pytest.approx(plain[name] * scale, abs=1e-6)


@pytest.mark.parametrize("lengths", [(0, 3), (3, 0)])
def test_empty_sources_and_references_are_refused(lengths: tuple[int, int]) -> None:
    for measure in (average_lagging, length_adaptive_average_lagging, average_proportion):
        with pytest.raises(ValueError, match="not empty"):
            measure([1.0], *lengths)


def test_the_table_measures_traces() -> None:
    trace = Trace(("a", "b", "c", "d"), ((2, "x"), (2, " y z")), "word")
    expected = measures([2, 4, 4], 4, 2)
    assert {name.upper(): measure(trace, 2) for name, measure in LATENCY.items()} == expected
