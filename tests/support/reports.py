"""Reports of a task that evaluation has never heard of: programs that play chess."""

from __future__ import annotations

from seqpo.evaluation.statistics import Column, Result, Score

WON = Column("won", "won", "higher", 1, "%", "quality")
ELO = Column("elo", "Elo", "higher", 0, "", "quality")
MOVES = Column("moves", "moves", "lower", 2, "half-moves", "cost")
TIME = Column("time", "time per game", "lower", 2, "s", "cost")
DRAWN = Column("drawn", "games drawn", "", 0, "games")
COLUMNS = (WON, ELO, MOVES, TIME, DRAWN)


def result(
    name: str,
    family: str = "",
    *,
    is_baseline: bool = False,
    variant_of: str = "",
    n: int = 100,
    signature: str = "",
    **scores: float | tuple[float, float, float],
) -> Result:
    """Make the result of a system, in a family of its own where none is named; scores may be (value, low, high)."""
    made = {key: Score(*value) if isinstance(value, tuple) else Score(value) for key, value in scores.items()}
    return Result(name, family or name, is_baseline, made, n, signature, variant_of)
