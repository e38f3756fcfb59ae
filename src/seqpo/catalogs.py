"""Things by name: catalogs of what was published, with paper and formula; and the user's own, by `module:name`."""

from __future__ import annotations

import inspect
import pkgutil
import sys
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType
from typing import Any, Generic, Literal, TypeVar, cast, get_args, get_origin, get_type_hints

T = TypeVar("T")
F = TypeVar("F", bound=Callable[..., Any])


class CatalogError(ValueError):
    """A name or option that there is not, or something of the user's own that cannot be used."""


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
    """Entries by name, and what a function or class of the user's own returns for `module:name`.

    Args:
        kind: what the entries are, for errors.
        form: the protocol that each has, for errors.
        members: what the form wants beside being callable; checked of the user's own.
        reference: module of plain loops, each named like the function that is entered.
    """

    def __init__(
        self, kind: str, form: str = "", members: tuple[str, ...] = (), reference: ModuleType | None = None
    ) -> None:
        self.kind = kind
        self._form = form
        self._members = members
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
        """Build an entry, or the user's own, with its defaults where no option says otherwise.

        Raises:
            CatalogError: an unknown name or option, or something of the user's own of another form.
            ValueError: options without meaning together.
        """
        if ":" in name:
            return self._own(name, options)
        if name not in self._entries:
            raise CatalogError(
                f"unknown {self.kind} {name!r}: choose one of {', '.join(self)}, or your own module:name"
            )
        build = self._entries[name].build
        known = inspect.signature(build).parameters
        if unknown := sorted(set(options) - set(known)):
            allowed = ", ".join(known) or "none"
            raise CatalogError(f"{self.kind} {name!r} has no option {', '.join(unknown)}; its options: {allowed}")
        hints = get_type_hints(build.__init__ if inspect.isclass(build) else build)
        for option, value in options.items():
            if not _fits(value, hint := hints.get(option, Any)):
                raise CatalogError(f"{self.kind} {name!r}: option {option} can't be {value!r}: {_wanted(hint)}")
        return build(**options)

    def check(self, name: str, options: Mapping[str, Any]) -> None:
        """Refuse what `build` would refuse, without importing anything of the user's own.

        Raises:
            ValueError: as `build` does.
        """
        if ":" not in name:
            self.build(name, **options)

    def _own(self, name: str, options: Mapping[str, Any]) -> T:
        """Call what a user's own name stands for with the options, and check the form of what it returns."""
        make = load(name, self.kind)
        if not callable(make):
            raise CatalogError(f"{self.kind} {name!r} is a {type(make).__name__}, not a function or class")
        try:
            inspect.signature(make).bind(**options)
        except TypeError as error:
            raise CatalogError(f"{self.kind} {name!r} does not take the options {dict(options)}: {error}") from error
        made: object = make(**options)
        if not (callable(made) and all(hasattr(made, member) for member in self._members)):
            wanted = " and have " + ", ".join(self._members) if self._members else ""
            raise CatalogError(
                f"{self.kind} {name!r} gave a {type(made).__name__}: it must be callable{wanted}, as {self._form} says"
            )
        return cast(T, made)


def _fits(value: object, hint: Any) -> bool:
    """Whether an option has the kind that is declared: numbers, truth values, strings, or one of some literals."""
    if get_origin(hint) is Literal:
        return value in get_args(hint)
    kinds = get_args(hint) or (hint,)
    scalars = [kind for kind in kinds if kind in (int, float, str, bool, type(None))]
    if len(scalars) < len(kinds):
        return True  # something else: whoever is built says what it wants
    return type(value) in scalars or (type(value) is int and float in scalars)


def _wanted(hint: Any) -> str:
    """Say what an option of a declared kind can be."""
    if get_origin(hint) is Literal:
        return "choose one of " + ", ".join(map(str, get_args(hint)))
    kinds = get_args(hint) or (hint,)
    return "it must be of type " + " or ".join("None" if kind is type(None) else kind.__name__ for kind in kinds)


def load(spec: str, what: str) -> object:
    """Import what `module:name` names; modules of the current folder are found too.

    Args:
        spec: the module's dotted name, a colon, and a name in it.
        what: what it is needed as, for the error.

    Raises:
        CatalogError: there is no such module, or no such name in it.
    """
    module, _, name = spec.partition(":")
    if not (module and name):
        raise CatalogError(f"{what} {spec!r}: module {module!r} has no {name!r}")
    here = str(Path.cwd())
    if here not in sys.path:
        sys.path.append(here)
    try:
        found: object = pkgutil.resolve_name(spec)
    except ImportError as error:
        raise CatalogError(
            f"{what} {spec!r}: cannot import {module!r} ({error}); is its folder on PYTHONPATH?"
        ) from error
    except (AttributeError, ValueError) as error:
        raise CatalogError(f"{what} {spec!r}: module {module!r} has no {name!r}") from error
    return found
