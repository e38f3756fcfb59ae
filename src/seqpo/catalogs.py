"""Catalogs of published things: a name, what builds it from its options, its paper and its formula."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Generic, TypeVar

T = TypeVar("T")
F = TypeVar("F", bound=Callable[..., Any])


@dataclass(frozen=True)
class Entry(Generic[T]):
    """Something published.

    Attributes:
        build: makes it from its options.
        paper: where it was published, and the equation.
        formula: what it computes, in LaTeX.
    """

    build: Callable[..., T]
    paper: str
    formula: str

    @property
    def summary(self) -> str:
        """What it is, in one line."""
        return (inspect.getdoc(self.build) or "").partition("\n")[0]


class Catalog(Mapping[str, Entry[T]]):
    """Entries by name.

    Args:
        kind: what the entries are, for errors.
    """

    def __init__(self, kind: str) -> None:
        self.kind = kind
        self._entries: dict[str, Entry[T]] = {}

    def __getitem__(self, name: str) -> Entry[T]:
        return self._entries[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self._entries)

    def __len__(self) -> int:
        return len(self._entries)

    def published(self, name: str, paper: str, formula: str) -> Callable[[F], F]:
        """Enter a function that builds something from its options."""

        def enter(build: F) -> F:
            self._entries[name] = Entry(build, paper, formula)
            return build

        return enter

    def build(self, name: str, /, **options: Any) -> T:
        """Build an entry, with its defaults where no option says otherwise.

        Raises:
            ValueError: an unknown name or option, or options without meaning together.
        """
        if name not in self._entries:
            raise ValueError(f"unknown {self.kind} {name!r}: choose one of {', '.join(self)}")
        build = self._entries[name].build
        known = inspect.signature(build).parameters
        if unknown := sorted(set(options) - set(known)):
            allowed = ", ".join(known) or "none"
            raise ValueError(f"{self.kind} {name!r} has no option {', '.join(unknown)}; its options: {allowed}")
        return build(**options)
