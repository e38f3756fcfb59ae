"""Which sentences come when: an endless sequence of shuffled epochs, cut into steps."""

from __future__ import annotations

import random
from functools import lru_cache


def sentences_of(step: int, count: int, size: int, seed: int) -> list[int]:
    """Return the sentences of a step, a function of its arguments alone.

    Args:
        step: from 0.
        count: sentences per step.
        size: sentences in all; every epoch has each once.
        seed: of the order.

    Returns:
        Their numbers among all.
    """
    chosen = []
    for place in range(step * count, (step + 1) * count):
        epoch, index = divmod(place, size)
        chosen.append(_permutation(seed, epoch, size)[index])
    return chosen


@lru_cache(maxsize=4)
def _permutation(seed: int, epoch: int, size: int) -> list[int]:
    order = list(range(size))
    random.Random(f"{seed} epoch {epoch}").shuffle(order)
    return order
