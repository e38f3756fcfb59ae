"""Objects of the user's own, by `module:name`."""

from __future__ import annotations

import importlib
import sys
from pathlib import Path


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
