"""Things of a user's own, as `module:name` names them."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Scaled:
    """Callable, and has a level."""

    factor: float = 1.0
    level: str = "turn"

    def __call__(self, value: float) -> float:
        return self.factor * value


class Bare:
    """Callable, and has nothing else."""

    def __call__(self, value: float) -> float:
        return value


def scaled(factor: float) -> Scaled:
    return Scaled(factor)


def impossible() -> Scaled:
    raise ValueError("these options have no meaning together")


NUMBER = 3
