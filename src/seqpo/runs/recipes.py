"""Recipes: a TOML file of a kind, dotted overrides, and nothing that the kind does not honour."""

from __future__ import annotations

import tomllib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, fields, is_dataclass, replace
from operator import attrgetter
from pathlib import Path
from typing import Any

import tomli_w
import tyro

from seqpo.records import RecordError, decode
from seqpo.runs.config import RunConfig
from seqpo.runs.kinds import KINDS, Stage, TaskKind, find_kind

EMBEDDED = Path(__file__).parent.parent / "recipes"
"""The recipes that come with the package; `seqpo train demo` finds `demo.toml` there."""

FILE = "recipe.toml"
"""The resolved recipe, in the folder of each stage."""

_BEFORE = ("policy", "nmt", "episode", "temperature")  # keys of recipes that had no kind


class RecipeError(ValueError):
    """A recipe that can't be used; the message names the file and the key."""


@dataclass(frozen=True)
class Recipe:
    """A run of a kind.

    Attributes:
        name: of the kind, as the file has it.
        kind: what it brings.
        run: the configuration, of the kind's own class.
    """

    name: str
    kind: TaskKind[Any]
    run: Any

    def stage(self, name: str) -> Stage[Any]:
        """Return a stage.

        Raises:
            RecipeError: the kind has none of this name.
        """
        if name not in self.kind.stages:
            raise RecipeError(f"a {self.name} run has the stages {', '.join(self.kind.stages)}, and no {name}")
        return self.kind.stages[name]

    def folder(self, stage: str) -> Path:
        """Return the folder of a stage."""
        return Path(self.run.out) / (self.run.stage if stage == "train" else stage)

    def save(self, path: Path) -> None:
        """Write the resolved recipe, its kind first and all defaults included."""
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(self.text(), encoding="utf-8")

    def text(self) -> str:
        """Return it as TOML."""
        return tomli_w.dumps({"kind": self.name, **asdict(self.run)})

    def with_test(self, given: Mapping[str, str]) -> Recipe:
        """Measure on something else: a new section of what the kind's recipes say about test data.

        Raises:
            RecipeError: the kind has no such section, or it has no such keys.
        """
        section, _, name = self.run.TEST.rpartition(".")
        if not name:
            raise RecipeError(f"a {self.name} run measures on nothing that a file could hold")
        holder = attrgetter(section)(self.run)
        try:
            test = decode(type(getattr(holder, name)), given, name=self.run.TEST)
        except RecordError as error:
            raise RecipeError(f"command line: {error}") from None
        return replace(self, run=replace(self.run, **{section: replace(holder, **{name: test})}))

    def override(self, arguments: Sequence[str], *, prog: str, description: str) -> Recipe:
        """Apply dotted overrides such as `--train.optimizer.lr 1e-4`; print the help of all keys for `--help`.

        Raises:
            RecipeError: values that do not fit together.
            SystemExit: an unknown key or an unreadable value (after saying so), or help.
        """
        try:
            run = tyro.cli(type(self.run), args=arguments, default=self.run, prog=prog, description=description)
        except ValueError as error:
            raise RecipeError(f"command line: {error}") from None
        return replace(self, run=run)


def load_recipe(path: str | Path) -> Recipe:
    """Read a recipe: a TOML file, or the name of one that comes with the package.

    Raises:
        RecipeError: no such file, not TOML, an unknown kind, or a key or value that is none of the kind's.
    """
    file = _file(path)
    data = _read(file)
    name = data.pop("kind", None)
    if not isinstance(name, str):
        raise RecipeError(f"{file}: {_without_kind(data)}")
    try:
        kind = find_kind(name)
        if stray := sorted(set(data) - {item.name for item in fields(kind.config)}):
            raise RecordError(_stray(stray[0], name, kind))
        return Recipe(name, kind, decode(kind.config, data, name="the recipe"))
    except ValueError as error:
        raise RecipeError(f"{file}: {error}") from None


def recipe_of(run: Path) -> Recipe:
    """Read the recipe that a run was made by: that of the stage which was begun last.

    Raises:
        RecipeError: there is none, or one of an earlier version.
    """
    files = sorted(run.glob(f"*/{FILE}"), key=lambda file: file.stat().st_mtime)
    if not files:
        raise RecipeError(f"{run}: no {FILE} in a folder there; give the folder that `seqpo train` wrote")
    recipe = load_recipe(files[-1])
    return replace(recipe, run=replace(recipe.run, out=str(run)))


def leaves(config: Any, prefix: str = "") -> Iterator[tuple[str, Any]]:
    """Yield each key that holds a value, dotted, with the value."""
    for item in fields(config):
        value = getattr(config, item.name)
        if is_dataclass(value):
            yield from leaves(value, f"{prefix}{item.name}.")
        else:
            yield prefix + item.name, value


def changed(before: RunConfig, now: RunConfig, keys: Sequence[str], besides: Sequence[str] = ()) -> list[str]:
    """Tell which of these keys and sections differ, and how; those whose last part is one of `besides` may."""
    differs = []
    for (name, old), (_, new) in zip(leaves(before), leaves(now), strict=True):
        asked = any(f"{name}.".startswith(f"{key}.") for key in keys)
        if asked and old != new and name.rpartition(".")[2] not in besides:
            differs.append(f"{name} = {old!r}, now {new!r}")
    return differs


def _file(path: str | Path, beside: Path | None = None) -> Path:
    """Find a recipe: a file (looked for beside another one first), or an embedded one."""
    candidates = [*([beside.parent / path] if beside else []), Path(path), EMBEDDED / f"{path}.toml"]
    found = [file for file in candidates if file.is_file()]
    if not found:
        known = ", ".join(sorted(recipe.stem for recipe in EMBEDDED.glob("*.toml")))
        raise RecipeError(f"{path}: no such recipe; give a TOML file, or one of {known}")
    return found[0]


def _read(file: Path, inside: tuple[Path, ...] = ()) -> dict[str, Any]:
    """Read a file, after the recipes that it extends."""
    if file.resolve() in inside:
        raise RecipeError(f"{file}: it extends itself, by way of {', '.join(map(str, inside))}")
    try:
        data = tomllib.loads(file.read_text(encoding="utf-8"))
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise RecipeError(f"{file}: not TOML: {error}") from None
    base = data.pop("extends", None)
    if base is None:
        return data
    if not isinstance(base, str):
        raise RecipeError(f"{file}: extends should be the name or file of a recipe, but is {base!r}")
    before = _read(_file(base, file), (*inside, file.resolve()))
    if data.get("kind", before.get("kind")) != before.get("kind"):
        raise RecipeError(f"{file}: it extends {base}, which is of kind {before.get('kind')!r}, not {data['kind']!r}")
    return _merged(before, data)


def _merged(base: Mapping[str, Any], more: Mapping[str, Any]) -> dict[str, Any]:
    """Put one table over another; a choice of another name brings its own options."""
    if "name" in more and base.get("name", more["name"]) != more["name"]:
        return dict(more)
    merged = dict(base)
    for key, value in more.items():
        tables = isinstance(value, dict) and isinstance(base.get(key), dict)
        merged[key] = _merged(base[key], value) if tables else value
    return merged


def _without_kind(data: Mapping[str, Any]) -> str:
    if old := [key for key in _BEFORE if key in data]:
        return (
            f"written for an earlier version of seqpo, which had the key {old[0]!r} and no kind. Train the run again "
            "by a recipe of this version (docs/guide.md has its keys), or use the version that made it"
        )
    return f"it has no kind; say kind = one of {', '.join(map(repr, KINDS))}, or your own 'module:name'"


def _stray(key: str, name: str, kind: TaskKind[Any]) -> str:
    """Say of an unknown key which other kind has it."""
    others = [other for other in KINDS if other != name and hasattr(find_kind(other).config(), key)]
    if others:
        return f"{key} means nothing to a {name} run, only to kind = {others[0]!r}"
    try:
        decode(kind.config, {key: None}, name="the recipe")
    except RecordError as error:
        return str(error)
    raise AssertionError(key)
