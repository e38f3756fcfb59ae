"""What docs/extending.md shows works as it stands there."""

from __future__ import annotations

import re
import shutil
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from seqpo.evaluation.report import Report
from tests.support.commands import seqpo

PAGE = (Path(__file__).parents[1] / "docs" / "extending.md").read_text(encoding="utf-8")
FILES = dict(re.findall(r"```(?:python|toml)\n# ([\w.]+)\n(.*?)```", PAGE, flags=re.S))
COMMANDS = [line.split()[1:] for line in re.findall(r"^    seqpo .*$", PAGE, flags=re.M)]

QUICK = """
kind = "translation"
out = "runs/demo"
vocabulary = 320
model = { width = 16, layers = 1, heads = 2, kv_heads = 2, ffn = 16 }
sft = { steps = 1, batch = 2 }
train = { steps = 2, groups_per_step = 2, group_size = 3 }
dialogue = { limit = 3 }
evaluation = { wait_k = [1], resamples = 2 }
runtime = { device = "cpu", threads = 1 }
[data]
train = { path = "grammar", count = 30 }
dev = { path = "grammar", count = 2 }
test = { path = "grammar", count = 2 }
"""


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The files of the page, and a small run in place of the demo's."""
    folder = tmp_path_factory.mktemp("extending")
    for name, body in FILES.items():
        (folder / name).write_text(body, encoding="utf-8")
    (folder / "demo").write_text(QUICK, encoding="utf-8")
    return folder


@pytest.fixture
def here(folder: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    monkeypatch.chdir(folder)
    shutil.rmtree(folder / "runs", ignore_errors=True)
    yield folder
    for name in FILES:
        sys.modules.pop(name.removesuffix(".py"), None)
    sys.path[:] = [place for place in sys.path if place != str(folder)]


def test_each_is_under_25_lines():
    for name, body in FILES.items():
        lines = [line for line in body.splitlines() if line.strip()]
        assert len(lines) < 25, name
    assert {"cauchy.py", "median.py", "first_word.py", "counting.py", "table_policy.py", "bandit_kind.py"} <= set(FILES)


@pytest.mark.parametrize("command", [one for one in COMMANDS if one[0] == "train" and one[1] == "demo"], ids=" ".join)
def test_ones_own_part_trains(command: list[str], here: Path):
    seqpo(*command)
    assert list((here / "runs" / "demo" / "policy").glob("checkpoint-*"))
    if "counting:counting" in command:
        assert sys.modules["counting"].steps > 0


def test_ones_own_metric_is_in_the_report(here: Path):
    seqpo("train", "demo")
    (command,) = [one for one in COMMANDS if one[1] == "runs/demo"]
    seqpo(*command)
    report = Report.load(here / "runs" / "demo")
    assert [column.name for column in report.columns][-1] == "first"
    offline = next(system for system in report.systems if system.name == "offline")
    assert offline.scores["first"].value == pytest.approx(offline.scores["al"].value, abs=3)


def test_ones_own_kind_goes_the_whole_way(here: Path):
    for command in (one for one in COMMANDS if "bandit" in one[1]):
        seqpo(*command)
    (system,) = Report.load(here / "runs" / "bandit").systems
    assert system.scores["payoff"].value > 0.8  # nearly always the best arm
    seqpo("train", "bandit.toml")  # finished: nothing to do
