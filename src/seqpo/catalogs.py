"""Things by name: catalogs of what was published, with paper and formula; and the user's own, by `module:name`."""

from __future__ import annotations

import importlib
import inspect
import sys
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType
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
        reference: the same as a plain loop over numbers, given the same options.
    """

    build: Callable[..., T]
    paper: str
    formula: str
    reference: Callable[..., Any] | None = None

    @property
    def summary(self) -> str:
        """What it is, in one line."""
        return (inspect.getdoc(self.build) or "").partition("\n")[0]


class Catalog(Mapping[str, Entry[T]]):
    """Entries by name.

    Args:
        kind: what the entries are, for errors.
        reference: module of plain loops, each named like the function that is entered.
    """

    def __init__(self, kind: str, reference: ModuleType | None = None) -> None:
        self.kind = kind
        self._reference = reference
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
            self._entries[name] = Entry(build, paper, formula, getattr(self._reference, build.__name__, None))
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


class PluginError(ValueError):
    """Something named `module:name` that cannot be had."""


def load(spec: str, what: str) -> object:
    """Import what `module:name` names; modules of the current folder are found too.

    Args:
        spec: the module's dotted name, a colon, and a name in it.
        what: what it is needed as, for the error.

    Raises:
        PluginError: there is no such module, or no such name in it.
    """
    module, _, name = spec.partition(":")
    here = str(Path.cwd())
    if here not in sys.path:
        sys.path.append(here)
    try:
        found: object = getattr(importlib.import_module(module), name)
    except ImportError as error:
        raise PluginError(
            f"{what} {spec!r}: cannot import {module!r} ({error}); is its folder on PYTHONPATH?"
        ) from error
    except (AttributeError, ValueError) as error:
        raise PluginError(f"{what} {spec!r}: module {module!r} has no {name!r}") from error
    return found
