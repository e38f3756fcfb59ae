"""Words in as they arrive, translation out as it is decided: the same as the evaluation sees."""

from __future__ import annotations

import io
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from threading import Timer

import pytest
from hypothesis import given
from hypothesis import strategies as st

from seqpo.cli import main
from seqpo.cli.causal_lm import ModelInterpreter
from seqpo.cli.live import arriving
from seqpo.cli.probing import make_engine, own, translate_all
from seqpo.tasks.translation.dialogue import LAYOUTS, Layout, SourceDialogue
from seqpo.tasks.translation.traces import Trace
from seqpo.tasks.translation.units import Unit, split
from tests.support.recipes import untrained_run
from tests.support.translation import sentences, translation, translator


@pytest.mark.parametrize(
    ("typed", "unit", "units"),
    [
        ("Der  Hund bellt.\n", "word", ["Der", "Hund", "bellt.", None]),
        ("ein Satz\r\n\nnoch einer", "word", ["ein", "Satz", None, None, "noch", "einer", None]),
        ("ohne Ende ", "word", ["ohne", "Ende", None]),
        ("我买3.5斤T-shirt，50%。\n", "char", ["我", "买", "3.5", "斤", "T-shirt", "，", "50%", "。", None]),
        ("猫 狗", "char", ["猫", "狗", None]),
        ("", "word", []),
    ],
)
def test_units_arrive_by_hand(typed: str, unit: Unit, units: list[str | None]):
    assert list(arriving(io.StringIO(typed), unit)) == units


@given(st.text(alphabet="ab0 3.,-%'é我是。猫×\t", max_size=20), st.sampled_from(["word", "char"]))
def test_what_arrives_is_what_a_corpus_would_hold(line: str, unit: Unit):
    units = split(line, unit)
    assert list(arriving(io.StringIO(line + "\n"), unit)) == [*units, None]
    assert list(arriving(io.StringIO(line), unit)) == ([*units, None] if units else [])


class Dripping(io.StringIO):
    """A stream that tells how much of it has been read."""

    def read(self, size: int | None = -1) -> str:
        self.taken = getattr(self, "taken", 0) + 1
        return super().read(size)


@pytest.mark.parametrize(("typed", "unit", "taken"), [("ja nein", "word", 3), ("我是", "char", 1), ("5个", "char", 2)])
def test_a_unit_is_not_held_back(typed: str, unit: Unit, taken: int):
    stream = Dripping(typed)
    next(arriving(stream, unit))
    assert stream.taken == taken


@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize("chunk", [1, 2, 5])
def test_live_and_evaluated_translations_are_the_same(layout: Layout, chunk: int):
    renderer, policy = translation().renderer, translator()
    engine = make_engine(policy.model, renderer, slots=4)
    scripts = [SourceDialogue(renderer, tuple(pair.source.split()), chunk, layout) for pair in sentences()[:6]]
    evaluated = translate_all(engine, scripts, own, limit=3)
    assert sum(bool(piece.strip()) for trace in evaluated for _, piece in trace.turns) > 6
    for script, trace in zip(scripts, evaluated, strict=True):
        interpreter = ModelInterpreter(engine, renderer, layout, limit=3)
        chunks = [list(script.source[i : i + chunk]) for i in range(0, len(script.source), chunk)]
        *earlier, last = [(len(words), interpreter.read(words)) for words in chunks]
        live = Trace(script.source, (*earlier, (last[0], last[1] + interpreter.finish())), "word")
        assert (live.text, live.delays, live.waits) == (trace.text, trace.delays, trace.waits)
    assert engine.free == 4


def translated(run: Path, typed: str, monkeypatch: pytest.MonkeyPatch, *options: str) -> int:
    monkeypatch.setattr(sys, "stdin", io.StringIO(typed))
    return main(["translate", str(run), *options])


def test_a_line_for_a_line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]):
    run = untrained_run(tmp_path, chunk=2)
    source = [pair.source for pair in sentences()[:3]]
    assert translated(run, f"{source[0]}\n\n{source[1]}\n{source[2]}", monkeypatch) == 0
    told = capsys.readouterr().out.split("\n")
    renderer = translation().renderer
    engine = make_engine(translator().model.float(), renderer, slots=1)
    scripts = [SourceDialogue(renderer, tuple(text.split()), 2) for text in source]
    texts = [trace.text for trace in translate_all(engine, scripts, own, limit=3)]
    assert all(texts)
    assert told == [texts[0], "", texts[1], texts[2], ""]


def test_a_trace_shows_who_read_and_wrote(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
):
    run = untrained_run(tmp_path, chunk=2)
    assert translated(run, "der alte Mann\n", monkeypatch, "--trace") == 0
    told = capsys.readouterr().out.splitlines()
    assert [line for line in told if line.startswith("READ")] == ["READ  der alte", "READ  Mann", "READ  (end)"]
    written = [line for line in told if line.startswith("WRITE")]
    assert written
    assert written[0].endswith("@2")
    assert all(line.endswith("@3") for line in written[1:])


@pytest.fixture
def waiting(tmp_path: Path) -> Iterator[subprocess.Popen[str]]:
    """A live translator behind a pipe."""
    process = subprocess.Popen(
        [sys.executable, "-m", "seqpo", "translate", str(untrained_run(tmp_path)), "--trace"],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        env=os.environ | {"OMP_NUM_THREADS": "1", "PYTHONIOENCODING": "utf-8"},
        text=True,
    )
    deadline = Timer(60, process.kill)  # a translator that holds its words back would be waited for forever
    deadline.start()
    yield process
    deadline.cancel()
    process.kill()
    process.communicate()


@pytest.mark.slow
def test_it_writes_before_the_sentence_is_over_and_leaves_cleanly(waiting: subprocess.Popen[str]):
    assert waiting.stdin
    assert waiting.stdout
    told = []
    for word in sentences()[0].source.split():
        waiting.stdin.write(f"{word} ")
        waiting.stdin.flush()
        while not told or told[-1] != f"READ  {word}\n":
            told.append(waiting.stdout.readline())
            assert told[-1], "it stopped before it had read the word"
    assert any(line.startswith("WRITE") for line in told)
    waiting.send_signal(signal.SIGINT)
    _, errors = waiting.communicate(timeout=30)
    assert waiting.returncode == 130
    assert "Traceback" not in errors
    assert "interrupted" in errors
