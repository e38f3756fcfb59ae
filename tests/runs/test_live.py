"""Sources in as they arrive, a line each, and what is made of them out as it is decided."""

from __future__ import annotations

import io
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from threading import Timer
from typing import TextIO

import pytest
from hypothesis import given
from hypothesis import strategies as st

from seqpo.runs.live import interpret
from seqpo.runs.systems import Event
from seqpo.tasks.translation import build
from seqpo.tasks.translation.dialogue import SourceDialogue
from tests.support.commands import fails, seqpo
from tests.support.recipes import untrained_run
from tests.support.translation import renderer, sentences, translator


class Shouts:
    """Streams that write each word in capitals as soon as it has been read, and nothing after every third."""

    def arriving(self, text: TextIO) -> Iterator[str | None]:
        for line in text:
            yield from line.split()
            yield None

    def join(self, units: tuple[str, ...]) -> str:
        return "-".join(units)

    def open(self) -> Shout:
        self.under_way = Shout()
        return self.under_way

    def step(self) -> bool:
        return self.under_way.step()


class Shout:
    """A source that is shouted back."""

    def __init__(self) -> None:
        self.arrived, self.told = list[str](), list[Event]()
        self.reads, self.done, self.closed = 0, False, False

    def feed(self, units: list[str]) -> None:
        self.arrived += units

    def end(self) -> None:
        self.arrived.append("")

    def step(self) -> bool:
        if not self.arrived:
            return False
        word = self.arrived.pop(0)
        self.reads += bool(word)
        self.done = not word
        shouted = "!" if self.done else "" if self.reads % 3 == 0 else f" {word.upper()}"
        self.told.append(Event((word,) if word else (), shouted, self.reads))
        return True

    def events(self) -> list[Event]:
        told, self.told = self.told, []
        return told

    def close(self) -> None:
        self.closed = True


def shouted(typed: str, *, trace: bool = False) -> str:
    out = io.StringIO()
    interpret(Shouts(), io.StringIO(typed), out, trace=trace)
    return out.getvalue()


def test_a_line_is_written_for_a_line():
    assert shouted("ja nein\n\nund nun ja\n") == " JA NEIN!\n\n UND NUN!\n"
    assert shouted("") == ""


def test_a_trace_shows_reads_and_writes():
    assert shouted("und nun ja\n", trace=True).splitlines() == [
        *("READ  und", "WRITE UND  @1", "READ  nun", "WRITE NUN  @2", "READ  ja", "READ  (end)", "WRITE !  @3", "")
    ]


@given(st.lists(st.lists(st.sampled_from(["a", "bc"]), max_size=4), max_size=5))
def test_there_are_as_many_lines_as_there_were(lines: list[list[str]]):
    typed = "".join(f"{' '.join(words)}\n" for words in lines)
    assert shouted(typed).count("\n") == len(lines)
    assert shouted(typed, trace=True).count("READ") == sum(len(words) + 1 for words in lines if words)


def test_it_is_written_before_the_next_word_arrives():
    out = io.StringIO()

    class Watched(Shouts):
        seen: list[str]

        def arriving(self, text: TextIO) -> Iterator[str | None]:
            self.seen = []
            for unit in super().arriving(text):
                self.seen.append(out.getvalue())
                yield unit

    streams = Watched()
    interpret(streams, io.StringIO("ja nein\ndoch\n"), out)
    assert streams.seen == ["", " JA", " JA NEIN", " JA NEIN!\n", " JA NEIN!\n DOCH"]
    assert streams.under_way.closed


def test_lines_are_translated_as_an_evaluation_does(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
):
    run = untrained_run(tmp_path, chunk=2)
    source = [pair.source for pair in sentences()[:3]]
    monkeypatch.setattr(sys, "stdin", io.StringIO(f"{source[0]}\n\n{source[1]}\n{source[2]}"))
    seqpo("translate", run)
    told = capsys.readouterr().out.split("\n")
    engine = build.evaluation_engine(translator().model.float(), renderer(), slots=1)
    dialogues = [SourceDialogue(renderer(), tuple(text.split()), 2) for text in source]
    texts = [trace.text for trace in build.translate_all(engine, dialogues, 3)]
    assert all(texts)
    assert told == [texts[0], "", texts[1], texts[2], ""]


def test_a_trace_shows_who_read_and_wrote(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
):
    run = untrained_run(tmp_path, chunk=2)
    monkeypatch.setattr(sys, "stdin", io.StringIO("der alte Mann\n"))
    seqpo("translate", run, "--trace", "--stage", "sft")
    told = capsys.readouterr().out.splitlines()
    assert [line for line in told if line.startswith("READ")] == ["READ  der alte", "READ  Mann", "READ  (end)"]
    written = [line for line in told if line.startswith("WRITE")]
    assert written
    assert written[0].endswith("@2")
    assert all(line.endswith("@3") for line in written[1:])
    assert "nobody: no checkpoint there; run `seqpo train` first" in fails(
        capsys, "translate", run, "--stage", "nobody"
    )


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
