"""Things by name: entries of a catalog, and objects of the user's own, by module:name."""

from __future__ import annotations

import inspect
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any, Literal

import pytest

from seqpo import advantages, catalogs, objectives
from seqpo.catalogs import Catalog, CatalogError
from tests.support import catalog_entries
from tests.support.catalog_entries import Scaled

OWN = catalog_entries.__name__
SCALES: Catalog[Scaled] = Catalog("scale", "Scaled", ("level",))


@SCALES.published("by", "a paper, Eq. 1", r"a \cdot x")
def by(
    factor: float = 2.0,
    level: Literal["turn", "token"] = "turn",
    limit: int | None = None,
    strict: bool = False,
    then: Callable[[float], float] | None = None,
) -> Scaled:
    """Multiplies.

    And more.
    """
    return Scaled(factor, level)


SCALES.published("plain", "another paper", "x")(Scaled)


def test_an_entry_is_built_from_its_options():
    assert SCALES.build("by") == Scaled(2.0)
    assert SCALES.build("by", factor=3, level="token", limit=None) == Scaled(3, "token")
    assert SCALES.build("plain", factor=0.5) == Scaled(0.5)
    assert SCALES["by"].summary == "Multiplies."
    assert list(SCALES) == ["by", "plain"]
    assert len(SCALES) == 2


@pytest.mark.parametrize(
    ("name", "options", "said"),
    [
        ("bye", {}, "unknown scale 'bye': choose one of by, plain, or your own module:name"),
        ("by", {"offset": 1}, "scale 'by' has no option offset; its options: factor, level, limit, strict, then"),
        ("by", {"factor": "2"}, "scale 'by': option factor can't be '2': it must be of type float"),
        ("by", {"factor": True}, "option factor can't be True: it must be of type float"),
        ("by", {"level": "word"}, "option level can't be 'word': choose one of turn, token"),
        ("by", {"limit": 1.5}, "option limit can't be 1.5: it must be of type int or None"),
        ("by", {"strict": 1}, "option strict can't be 1: it must be of type bool"),
        ("plain", {"factor": "x"}, "scale 'plain': option factor can't be 'x'"),
    ],
)
def test_names_and_options_that_do_not_fit_are_refused(name: str, options: dict[str, Any], said: str):
    for refuse in (SCALES.build, lambda name, **options: SCALES.check(name, options)):
        with pytest.raises(CatalogError) as error:
            refuse(name, **options)
        assert said in str(error.value)


def test_what_a_type_does_not_say_is_left_to_the_builder():
    assert SCALES.build("by", then=abs) == Scaled(2.0)


@pytest.mark.parametrize("catalog", [objectives.CATALOG, advantages.CATALOG])
def test_every_published_default_has_the_type_that_it_declares(catalog: Catalog[Any]):
    for name, entry in catalog.items():
        defaults = {option.name: option.default for option in inspect.signature(entry.build).parameters.values()}
        given = {option: value for option, value in defaults.items() if value is not inspect.Parameter.empty}
        assert type(catalog.build(name, **given)) is type(catalog.build(name))


@pytest.mark.parametrize("name", ["scaled", "Scaled"])
def test_ones_own_is_what_a_function_or_class_makes_of_the_options(name: str):
    made = SCALES.build(f"{OWN}:{name}", factor=3.0)
    assert made == Scaled(3.0)
    assert made(2.0) == 6.0


@pytest.mark.parametrize(
    ("name", "options", "said"),
    [
        ("NUMBER", {}, f"scale '{OWN}:NUMBER' is a int, not a function or class"),
        ("scaled", {}, f"scale '{OWN}:scaled' does not take the options {{}}: missing a required argument: 'factor'"),
        ("scaled", {"factor": 1, "offset": 2}, "got an unexpected keyword argument 'offset'"),
        ("Bare", {}, "gave a Bare: it must be callable and have level, as Scaled says"),
        ("nothing", {}, f"module '{OWN}' has no 'nothing'"),
    ],
)
def test_ones_own_of_another_form_is_refused(name: str, options: dict[str, Any], said: str):
    with pytest.raises(CatalogError) as error:
        SCALES.build(f"{OWN}:{name}", **options)
    assert said in str(error.value)


def test_what_ones_own_says_of_its_options_is_heard():
    with pytest.raises(ValueError, match="these options have no meaning together"):
        SCALES.build(f"{OWN}:impossible")


def test_a_check_imports_nothing_of_the_users(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    (tmp_path / "imported_by_a_check.py").write_text("raise AssertionError\n", encoding="utf-8")
    monkeypatch.chdir(tmp_path)
    SCALES.check("imported_by_a_check:thing", {"any": 1})
    assert "imported_by_a_check" not in sys.modules


def test_modules_of_the_current_folder_and_of_packages_are_found(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    (tmp_path / "only_here.py").write_text("answer = 42\n", encoding="utf-8")
    monkeypatch.chdir(tmp_path)
    assert catalogs.load("only_here:answer", "a number") == 42
    assert catalogs.load("pathlib:Path", "a class") is Path


@pytest.mark.parametrize(
    ("spec", "message"),
    [
        ("no_such_module:name", "reward 'no_such_module:name': cannot import 'no_such_module'"),
        ("pathlib:Nothing", "reward 'pathlib:Nothing': module 'pathlib' has no 'Nothing'"),
        ("pathlib:", "module 'pathlib' has no ''"),
        (":name", "module '' has no 'name'"),
    ],
)
def test_what_can_not_be_had_is_named(spec: str, message: str):
    with pytest.raises(CatalogError, match=message):
        catalogs.load(spec, "reward")


def test_an_error_inside_a_module_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    (tmp_path / "needs_more.py").write_text("import a_library_that_is_missing\n", encoding="utf-8")
    monkeypatch.chdir(tmp_path)
    with pytest.raises(CatalogError, match="No module named 'a_library_that_is_missing'"):
        catalogs.load("needs_more:thing", "objective")
