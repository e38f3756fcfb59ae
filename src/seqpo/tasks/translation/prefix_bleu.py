"""BLEU of a text while it is being written: of every prefix, without counting its n-grams again."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Sequence
from typing import Literal, get_args

Smoothing = Literal["add-one", "method5"]
SMOOTHINGS: tuple[Smoothing, ...] = get_args(Smoothing)

_ORDER = 4


def prefix_bleu(
    pieces: Sequence[Sequence[str]], reference: Sequence[str], smoothing: Smoothing = "add-one"
) -> list[float]:
    """Score what had been written after each piece: the geometric mean of BLEU's precisions p₁ … p₄.

    There is no brevity penalty, and a text that shares no unit with the reference scores 0.

    Args:
        pieces: the units that each piece adds; a piece may be empty.
        reference: its units.
        smoothing: "add-one" adds 1 to matches and n-grams for n ≥ 2 (BLEU+1, Lin and Och 2004); "method5" replaces
            pₙ by the mean of the replaced pₙ₋₁, pₙ and pₙ₊₁, where p₀ is p₁ + 1 (Chen and Cherry 2014), so a good
            text may score more than 1.

    Returns:
        One number per piece, from 0 to 1 with "add-one".

    Raises:
        ValueError: an unknown smoothing.
    """
    if smoothing not in SMOOTHINGS:
        raise ValueError(f"unknown smoothing {smoothing!r}: choose one of {', '.join(SMOOTHINGS)}")
    orders = range(1, _ORDER + 2)  # method5 looks one order further
    left = Counter(tuple(reference[i : i + n]) for n in orders for i in range(len(reference) - n + 1))
    matches, counts = [0] * len(orders), [0] * len(orders)
    written: list[str] = []
    scores: list[float] = []
    for piece in pieces:
        for unit in piece:
            written.append(unit)
            for n in orders[: len(written)]:
                ngram = tuple(written[-n:])
                counts[n - 1] += 1
                if left[ngram] > 0:  # each n-gram of the reference matches once
                    left[ngram] -= 1
                    matches[n - 1] += 1
        scores.append(_geometric_mean(_SMOOTHED[smoothing](matches, counts)) if matches[0] else 0.0)
    return scores


def brevity_penalty(length: int, reference_length: int) -> float:
    """BLEU's factor for a text of `length` units: 1, or exp(1 − reference_length / length) where it is shorter."""
    if length >= reference_length:
        return 1.0
    return math.exp(1 - reference_length / length) if length else 0.0


def _add_one(matches: Sequence[int], counts: Sequence[int]) -> list[float]:
    first, *longer = zip(matches[:_ORDER], counts[:_ORDER], strict=True)
    return [first[0] / first[1], *((match + 1) / (count + 1) for match, count in longer)]


def _method5(matches: Sequence[int], counts: Sequence[int]) -> list[float]:
    plain = [match / max(count, 1) for match, count in zip(matches, counts, strict=True)]
    smoothed = [plain[0] + 1]
    for n in range(_ORDER):
        smoothed.append((smoothed[-1] + plain[n] + plain[n + 1]) / 3)
    return smoothed[1:]


def _geometric_mean(values: Sequence[float]) -> float:
    return math.exp(math.fsum(map(math.log, values)) / len(values))


_SMOOTHED = {"add-one": _add_one, "method5": _method5}
