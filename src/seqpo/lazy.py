"""Packages whose public names are imported when they are used, so that nobody pays for what they don't need."""

from __future__ import annotations

import importlib
import sys
from collections.abc import Callable, Mapping


def lazily(package: str, homes: Mapping[str, tuple[str, ...]]) -> tuple[Callable[[str], object], list[str]]:
    """Make the `__getattr__` and the `__all__` of a package.

    Args:
        package: its name.
        homes: public names by the module that each lives in; a module without names is public itself.
    """
    places = {name: module for module, names in homes.items() for name in names}
    modules = {module.rpartition(".")[2]: module for module, names in homes.items() if not names}

    def find(name: str) -> object:
        if name in modules:
            return importlib.import_module(modules[name])
        if name not in places:
            raise AttributeError(f"module {package!r} has no attribute {name!r}")
        found: object = getattr(importlib.import_module(places[name]), name)
        setattr(sys.modules[package], name, found)
        return found

    return find, sorted((*places, *modules))
