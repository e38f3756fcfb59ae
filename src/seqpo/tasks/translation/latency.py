"""How late a translation comes: exact latency measures.

`delays[i]` is the amount of source read when target unit i was written: source units, or milliseconds if
`source_length` is in milliseconds too. A translation that wrote nothing has waited for all of the source: its
lag is `source_length` and its average proportion 1, as if everything had been read before the first word.

In the formulas X is the source, Y the translation, Y* the reference and d_i the delay of unit i = 1, 2, …
"""

from collections.abc import Callable, Mapping, Sequence
from types import MappingProxyType

from seqpo.tasks.translation.traces import Trace


def average_lagging(delays: Sequence[float], source_length: float, reference_length: int) -> float:
    """AL, how far a system is behind an ideal one of constant speed (Ma et al. 2019, arXiv 1810.08398).

        1/τ Σ_{i≤τ} ( d_i − (i−1)·|X|/|Y*| ),   τ = first i with d_i ≥ |X|, else the last

    It may be negative, and writing too much lowers it; see `length_adaptive_average_lagging`.

    Raises:
        ValueError: if a length is not positive.
    """
    _check(source_length, reference_length)
    return _lagging(delays, source_length, source_length / reference_length)


def length_adaptive_average_lagging(delays: Sequence[float], source_length: float, reference_length: int) -> float:
    """LAAL, AL with max(|Y|, |Y*|) for |Y*|: fair to long outputs (Papi et al. 2022, arXiv 2206.05807).

    Raises:
        ValueError: if a length is not positive.
    """
    _check(source_length, reference_length)
    return _lagging(delays, source_length, source_length / max(len(delays), reference_length))


def average_proportion(delays: Sequence[float], source_length: float, reference_length: int) -> float:
    """AP, the mean share of the source read (Cho and Esipova 2016, arXiv 1606.02012): Σ d_i / (|X|·|Y*|).

    Raises:
        ValueError: if a length is not positive.
    """
    _check(source_length, reference_length)
    return sum(delays) / (source_length * reference_length) if delays else 1.0


def differentiable_average_lagging(delays: Sequence[float], source_length: float) -> float:
    """DAL, lagging of units no faster than the ideal pace (Arivazhagan et al. 2019, arXiv 1906.05218).

        1/|Y| Σ_i ( d'_i − (i−1)·|X|/|Y| ),   d'_1 = d_1,   d'_i = max(d_i, d'_{i−1} + |X|/|Y|)

    Raises:
        ValueError: if the source length is not positive.
    """
    _check(source_length, 1)
    if not delays:
        return float(source_length)
    step = source_length / len(delays)
    total, earliest = 0.0, float(delays[0])
    for i, delay in enumerate(delays):
        paced = max(delay, earliest)
        total += paced - i * step
        earliest = paced + step
    return total / len(delays)


def consecutive_waits(read_runs: Sequence[int]) -> tuple[float, int]:
    """CW, mean and maximum of a trace's READ runs (Gu et al. 2017, arXiv 1610.00388); (0, 0) if none."""
    return (sum(read_runs) / len(read_runs), max(read_runs)) if read_runs else (0.0, 0)


def _lagging(delays: Sequence[float], source_length: float, step: float) -> float:
    if not delays:
        return float(source_length)
    last = next((i for i, delay in enumerate(delays) if delay >= source_length), len(delays) - 1)
    return sum(delay - i * step for i, delay in enumerate(delays[: last + 1])) / (last + 1)


def _check(source_length: float, reference_length: int) -> None:
    if source_length <= 0 or reference_length <= 0:
        raise ValueError(
            f"latency needs a source and a reference that are not empty, "
            f"got lengths {source_length} and {reference_length}"
        )


LATENCY: Mapping[str, Callable[[Trace, int], float]] = MappingProxyType(
    {
        "al": lambda trace, length: average_lagging(trace.delays, len(trace.source), length),
        "laal": lambda trace, length: length_adaptive_average_lagging(trace.delays, len(trace.source), length),
        "ap": lambda trace, length: average_proportion(trace.delays, len(trace.source), length),
        "dal": lambda trace, _: differentiable_average_lagging(trace.delays, len(trace.source)),
    }
)
"""Latency of a trace by name: (trace, reference length in target units) -> source units (ap: a share)."""
