"""The generated page of the docs says what the catalogs say."""

from __future__ import annotations

import importlib.util
import re
from dataclasses import replace
from pathlib import Path
from types import ModuleType

import pytest

from seqpo import advantages, objectives
from seqpo.catalogs import Entry

DOCS = Path(__file__).parents[1] / "docs"


@pytest.fixture(scope="module")
def build() -> ModuleType:
    spec = importlib.util.spec_from_file_location("docs_build", DOCS / "build.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_the_page_is_what_the_catalogs_say(build: ModuleType):
    assert build.main(["--check"]) == 0, "run python docs/build.py"


def test_every_public_name_is_on_the_page():
    page = (DOCS / "objectives.md").read_text(encoding="utf-8")
    entries = {f"### {name}\n" for catalog in (objectives, advantages) for name in catalog.names()}
    assert {entry for entry in entries if entry not in page} == set()
    builders = {entry.build.__name__ for catalog in (objectives, advantages) for entry in catalog.CATALOG.values()}
    parts = {name for module in (objectives, advantages) for name in module.__all__} - builders
    assert {name for name in parts if f"`{name}`" not in page} == set()


def test_a_name_without_anything_to_show_fails_the_build(build: ModuleType, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(objectives, "nameless", lambda: None, raising=False)
    monkeypatch.setattr(objectives, "__all__", [*objectives.__all__, "nameless"])
    with pytest.raises(ValueError, match=r"seqpo\.objectives\.nameless is public and has nothing to show"):
        build.page()


def test_an_entry_without_a_formula_fails_the_build(build: ModuleType, monkeypatch: pytest.MonkeyPatch):
    bare = Entry(objectives.grpo, "no paper", "")
    monkeypatch.setitem(objectives.CATALOG._entries, "grpo", bare)
    with pytest.raises(ValueError, match="grpo has no docstring, formula or paper"):
        build.page()


def test_an_entry_without_a_plain_loop_fails_the_build(build: ModuleType, monkeypatch: pytest.MonkeyPatch):
    entry = replace(objectives.CATALOG["dr-grpo"], reference=None)
    monkeypatch.setitem(objectives.CATALOG._entries, "dr-grpo", entry)
    with pytest.raises(ValueError, match=r"dr-grpo has no plain loop: write a function dr_grpo in reference\.py"):
        build.page()


def test_every_section_links_to_the_line_of_its_plain_loop():
    page = (DOCS / "objectives.md").read_text(encoding="utf-8")
    sections = re.findall(r"^### (\S+)\n(.*?)(?=^##|\Z)", page, re.MULTILINE | re.DOTALL)
    entries = [(name, entry) for catalog in (objectives, advantages) for name, entry in catalog.CATALOG.items()]
    for (title, text), (name, entry) in zip(sections, entries, strict=False):
        assert title == name
        found = re.search(r"as a plain loop: \[.*\]\((\S+)#L(\d+)\)", text)
        assert found, name
        lines = (DOCS / found[1]).read_text(encoding="utf-8").splitlines()
        assert lines[int(found[2]) - 1].startswith(f"def {entry.build.__name__}("), name


def test_a_page_that_is_behind_fails_the_check(
    build: ModuleType, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]
):
    monkeypatch.setattr(build, "PAGE", tmp_path / "objectives.md")
    (tmp_path / "objectives.md").write_text("old", encoding="utf-8")
    assert build.main(["--check"]) == 1
    assert "run python docs/build.py" in capsys.readouterr().err
