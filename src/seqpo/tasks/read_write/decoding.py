"""Simultaneous greedy decoding (Gu et al. 2016, 1610.00388, Algorithm 1), all streams together.

The translator proposes the next token from what has been read, a decider accepts it (WRITE) or reads on (READ). One
word is read before the first decision. When all words and the mark of their end have been read, WRITE is forced; so
do Gu et al. when they test, while in their training a READ is then a step without effect.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, fields, replace
from functools import cached_property

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from seqpo.tasks.read_write.source import Source
from seqpo.tasks.read_write.source_reader import Reading, SourceReader
from seqpo.tasks.read_write.translator.network import Proposal, RecurrentTranslator


@dataclass(frozen=True)
class Decoding:
    """What a decider acts in.

    Attributes:
        translator: proposes; in evaluation mode.
        unit_starts: `[vocabulary]` number of target units that begin with each token.
        limit: most tokens of a translation, τ_max.
        slots: streams at a time; changes memory and speed, not results.

    Raises:
        ValueError: for a translator in training mode, units of another vocabulary, or a number below one.
    """

    translator: RecurrentTranslator
    unit_starts: Tensor
    limit: int = 100
    slots: int = 128

    def __post_init__(self) -> None:
        if self.translator.training:
            raise ValueError("the translator is in training mode, where dropout blurs what it says: call its eval()")
        if len(self.unit_starts) != self.translator.vocabulary:
            raise ValueError(
                f"unit_starts tells of {len(self.unit_starts)} tokens, the translator knows "
                f"{self.translator.vocabulary}: take it from the renderer that the translator was trained with"
            )
        if min(self.limit, self.slots) < 1:
            raise ValueError(f"limit and slots must be positive, got {self.limit} and {self.slots}")

    def placed(self) -> Decoding:
        """Return the same with `unit_starts` on the translator's device, so that no step has to copy them there."""
        return replace(self, unit_starts=self.unit_starts.to(self.translator.bias.device))


@dataclass(frozen=True, slots=True)
class Step:
    """One decision.

    Attributes:
        wrote: whether it was WRITE.
        token: what was written, or else rejected.
        attention: `[S]` share of each source token in it, where asked for; 0 for those not read.
    """

    wrote: bool
    token: int
    attention: NDArray[np.float32] | None = field(default=None, compare=False, repr=False)


Steps = tuple[Step, ...]


@dataclass(frozen=True)
class Written:
    """What rows have written.

    Attributes:
        state: `[B, H]` z_{τ−1}.
        token: `[B]` y_{τ−1}; the start token before the first.
        tokens: `[B]` number of tokens.
        units: `[B]` number of target units that they began.
    """

    state: Tensor
    token: Tensor
    tokens: Tensor
    units: Tensor

    def __getitem__(self, rows: Sequence[int] | Tensor) -> Written:
        return Written(*(getattr(self, item.name)[rows] for item in fields(self)))

    def after(self, write: Tensor, state: Tensor, token: Tensor, units: Tensor) -> Written:
        """Return what has been written when the rows where `write` `[B]` is true have written a token."""
        return Written(
            torch.where(write[:, None], state, self.state),
            torch.where(write, token, self.token),
            self.tokens + write,
            self.units + write * units,
        )

    def put(self, rows: Sequence[int], new: Written) -> None:
        """Replace rows in place."""
        for item in fields(self):
            getattr(self, item.name)[rows] = getattr(new, item.name)


@dataclass(frozen=True)
class View:
    """What a decider sees of the B rows under way, before each decision.

    Attributes:
        decoding: of the streams.
        reading: what has been read.
        written: what has been written.
        proposal: what the translator proposes.
        exhausted: `[B]` where all has been read: WRITE, whatever is decided.
    """

    decoding: Decoding
    reading: Reading
    written: Written
    proposal: Proposal
    exhausted: Tensor

    @property
    def candidate(self) -> Tensor:
        """`[B]` the token that WRITE would write."""
        return self.proposal.candidate

    @cached_property
    def observation(self) -> Tensor:
        """`[B, 2H+E]` context, state and embedded candidate: what Gu et al.'s agent observes."""
        embedded = self.decoding.translator.embed(self.candidate)
        return torch.cat((self.proposal.context, self.proposal.state, embedded), dim=-1)

    @property
    def streams(self) -> list[int]:
        """The number of each row's stream."""
        return self.reading.streams

    @property
    def slots(self) -> Tensor:
        """`[B]` for each row a number that its stream keeps, below the decoding's slots."""
        return self.reading.slots

    @property
    def words_read(self) -> Tensor:
        """`[B]` source words that have been read."""
        return self.reading.words_read

    @property
    def fresh(self) -> Tensor:
        """`[B]` whether this is the first decision of its stream."""
        return (self.reading.reads == 1) & (self.written.tokens == 0)

    @property
    def begins_unit(self) -> Tensor:
        """`[B]` whether the candidate begins a target unit, or ends the translation."""
        starts = self.decoding.unit_starts.to(self.candidate.device)[self.candidate]
        return (starts > 0) | (self.candidate == self.decoding.translator.stop) | (self.written.tokens == 0)

    def peek(self, reads: int) -> Proposal:
        """Propose as if so many READs more had been made, or as many as there are.

        Raises:
            ValueError: what would be read has not arrived.
        """
        states_read, state = self.reading.after(reads), self.written.state
        if (unwritten := (self.written.tokens == 0).nonzero().squeeze(1)).numel():
            state = state.index_copy(0, unwritten, self.reading.initial(unwritten, states_read))
        annotations, keys = self.reading.annotations, self.reading.keys
        return self.decoding.translator.propose(state, self.written.token, annotations, states_read, keys)


Decider = Callable[[View], Tensor]
"""Decides for all rows at once: `[B]`, true for WRITE."""


@dataclass(frozen=True)
class Decision:
    """What has been decided for B rows, and done.

    Attributes:
        proposal: what the translator proposed.
        write: `[B]` where its candidate has been written; elsewhere it was rejected, and is to be read on.
        written: what has been written by now.
        ended: `[B]` where nothing more will be written.
    """

    proposal: Proposal
    write: Tensor
    written: Written
    ended: Tensor


def decide(decoding: Decoding, reading: Reading, written: Written, decider: Decider) -> Decision:
    """Let a decider accept or reject the next token of each row, and write those that it accepts."""
    translator = decoding.translator
    proposal = translator.propose(written.state, written.token, reading.annotations, reading.states_read, reading.keys)
    view = View(decoding, reading, written, proposal, reading.exhausted)
    write = decider(view) | view.exhausted
    units = decoding.unit_starts.to(write.device)[view.candidate]
    written = written.after(write, proposal.state, view.candidate, units)
    ended = write & ((view.candidate == translator.stop) | (written.tokens == decoding.limit))
    return Decision(proposal, write, written, ended)


def nothing_written(decoding: Decoding, reading: Reading, rows: Sequence[int]) -> Written:
    """Return what rows that begin have written."""
    token = torch.full((len(rows),), decoding.translator.start, device=reading.slots.device)
    none = torch.zeros_like(token)
    return Written(reading.initial(rows, reading.states_read), token, none, none.clone())


@torch.no_grad()
def decode(decoding: Decoding, sources: Sequence[Source], decider: Decider, *, attention: bool = False) -> list[Steps]:
    """Translate sources simultaneously and greedily.

    A stream depends on its source and on what is decided for it, not on its neighbours. It ends with the stop token,
    or when `limit` tokens have been written.

    Args:
        decoding: translator and limits.
        sources: of each stream; equal ones are annotated once.
        decider: is asked before every step.
        attention: record it, for figures.

    Returns:
        The steps of each stream, in order of the sources.
    """
    steps: list[list[Step]] = [[] for _ in sources]
    if not sources:
        return []
    decoding = decoding.placed()
    reading = SourceReader(decoding.translator, sources, decoding.slots)
    written = nothing_written(decoding, reading, reading.begin(range(len(reading.streams))))
    while True:
        unwritten = written.tokens == 0
        decided = decide(decoding, reading, written, decider)
        written, write = decided.written, decided.write
        reading.read(~write)
        # all that the host needs to know, in one go
        told = write, decided.proposal.candidate, ~write & unwritten, decided.ended
        wrote, tokens, anew, over = torch.stack(told).tolist()
        shares = decided.proposal.attention.float().cpu().numpy() if attention else None
        for row, stream in enumerate(reading.streams):
            share = None if shares is None else shares[row, : len(sources[stream].tokens)]
            steps[stream].append(Step(bool(wrote[row]), tokens[row], share))
        if rows := [row for row, again in enumerate(anew) if again]:
            written.state[rows] = reading.initial(rows, reading.states_read)
        if rows := [row for row, ends in enumerate(over) if ends]:
            written = _replace(decoding, reading, written, rows)
            if not reading.streams:
                return [tuple(taken) for taken in steps]


def _replace(decoding: Decoding, reading: SourceReader, written: Written, ended: list[int]) -> Written:
    """Let new streams begin where streams have ended, and drop the rows that find none."""
    if begun := reading.begin(ended):
        written.put(begun, nothing_written(decoding, reading, begun))
    if gone := set(ended[len(begun) :]):
        kept = [row for row in range(len(reading.streams)) if row not in gone]
        reading.keep(kept)
        written = written[kept]
    return written


def turns(steps: Steps, words: int) -> tuple[tuple[int, tuple[int, ...]], ...]:
    """Rebuild who read and wrote what: words read, and the tokens written after them, stop token included.

    Args:
        steps: of a stream.
        words: of its source; the READ after them is of the end mark, and reads no word.
    """
    answers: list[list[int]] = [[]]
    for step in steps:
        if step.wrote:
            answers[-1].append(step.token)
        else:
            answers.append([])
    return tuple((int(number < words), tuple(answer)) for number, answer in enumerate(answers))
