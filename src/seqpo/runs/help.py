"""Help with a recipe: the keys that matter most, each with what it means and its value."""

from __future__ import annotations

from operator import attrgetter
from typing import Any

import docstring_parser

from seqpo.runs.recipes import Recipe

_USAGE = """usage: {command} [--KEY VALUE …]

Stages of a {kind} run, in order: {stages}. The keys that matter most, with their values in this recipe:

{keys}

--help-all tells all keys. `seqpo train --help` tells the options of the command itself."""


def essentials(recipe: Recipe, command: str) -> str:
    """Tell the keys that matter most."""
    keys = [_line(recipe.run, key) for key in recipe.run.ESSENTIAL]
    return _USAGE.format(command=command, kind=recipe.name, stages=", ".join(recipe.kind.stages), keys="\n".join(keys))


def _line(run: Any, key: str) -> str:
    section, _, name = key.rpartition(".")
    holder = attrgetter(section)(run) if section else run
    about = _attributes(type(holder)).get(name, "")
    return f"  --{key.replace('_', '-')} {getattr(holder, name)!r}\n      {about}"


def _attributes(kind: type) -> dict[str, str]:
    """What the docstrings of a dataclass and its bases say of each field."""
    found: dict[str, str] = {}
    for base in reversed(kind.__mro__):
        if base.__doc__ and base is not object:
            params = docstring_parser.parse(base.__doc__, docstring_parser.DocstringStyle.GOOGLE).params
            found |= {param.arg_name: " ".join((param.description or "").split()) for param in params}
    return found
