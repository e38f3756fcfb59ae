"""Objects of the user's own, by module:name."""

from __future__ import annotations

from pathlib import Path

import pytest

from seqpo import catalogs


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
    with pytest.raises(catalogs.PluginError, match=message):
        catalogs.load(spec, "reward")


def test_an_error_inside_a_module_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    (tmp_path / "needs_more.py").write_text("import a_library_that_is_missing\n", encoding="utf-8")
    monkeypatch.chdir(tmp_path)
    with pytest.raises(catalogs.PluginError, match="No module named 'a_library_that_is_missing'"):
        catalogs.load("needs_more:thing", "objective")
