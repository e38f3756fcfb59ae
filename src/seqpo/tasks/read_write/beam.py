"""Simultaneous beam search (Gu et al. 2016, 1610.00388, §5).

A beam lives within a run of WRITEs. The decider sees the best hypothesis under way; when it says READ, what that one
has written is committed and the others are dropped, those that had come to an end too. With a decider that waits for
the end it is ordinary beam search. Each step costs as much as a step of so many greedy streams as there are
hypotheses.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import torch
from torch import Tensor

from seqpo.tasks.read_write.decoding import Decider, Decoding, Step, Steps, View, Written, nothing_written
from seqpo.tasks.read_write.source import Source
from seqpo.tasks.read_write.source_reader import SourceReader
from seqpo.tasks.read_write.translator.network import Proposal

_Tokens = tuple[int, ...]


@dataclass
class _Search:
    """A sentence's beam.

    Attributes:
        size: of the beam.
        steps: that are committed.
        length: tokens of every hypothesis under way, the committed ones included.
        runs: what each of them has written since the last READ.
        finished: score per token and run of those that have ended.
    """

    size: int
    steps: list[Step] = field(default_factory=list)
    length: int = 0
    runs: list[_Tokens] = field(default_factory=list)
    finished: list[tuple[float, _Tokens]] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.runs = [()] * self.size

    @property
    def room(self) -> int:
        """Number of hypotheses that may go on."""
        return self.size - len(self.finished)

    def read(self, best: int, rejected: int) -> None:
        """Commit a hypothesis, drop the others, and read on."""
        self._commit(self.runs[best])
        self.steps.append(Step(wrote=False, token=rejected))
        self.runs, self.finished = [()] * self.size, []

    def write(self, parents: list[int], tokens: list[int], scores: list[float], stop: int, limit: int) -> bool:
        """Take the hypotheses that go on and those that end; return whether the search is over, and committed."""
        extended = [(*self.runs[parent], token) for parent, token in zip(parents, tokens, strict=True)]
        self.length += 1
        going: list[tuple[float, _Tokens]] = []
        for score, run in zip(scores, extended, strict=True):
            if score > -torch.inf:
                (self.finished if run[-1] == stop else going).append((score / self.length, run))
        if going and self.length < limit:
            self.runs = extended
            return False
        self._commit(max(self.finished + going, key=lambda scored: scored[0])[1])
        return True

    def _commit(self, run: _Tokens) -> None:
        self.steps += [Step(wrote=True, token=token) for token in run]


class _Beams:
    """The hypotheses of B sentences, k each: those of sentence b are the rows from b·k of what has been written.

    Args:
        decoding: translator and limits.
        sources: of each stream, at least one.
        size: k.

    Attributes:
        reading: a row per sentence.
        written: a row per hypothesis.
        scores: `[B, k]` log-prob of the whole of each hypothesis, −inf where there is none.
        searches: of each sentence.
    """

    def __init__(self, decoding: Decoding, sources: Sequence[Source], size: int) -> None:
        self.decoding, self.size = decoding, size
        self.reading = SourceReader(decoding.translator, sources, decoding.slots)
        rows = self.reading.begin(range(len(self.reading.streams)))
        self.written = self._first(rows)
        wide = torch.promote_types(self.written.state.dtype, torch.float32)
        self.scores = self.written.state.new_full((len(rows), size), -torch.inf, dtype=wide)
        self.scores[:, 0] = 0.0
        self.searches = [_Search(size) for _ in rows]
        self._spread()

    def propose(self) -> Proposal:
        """Propose for every hypothesis: `[B·k]`."""
        states_read = self.reading.states_read.repeat_interleave(self.size)
        return self.decoding.translator.propose(
            self.written.state, self.written.token, self._annotations, states_read, self._keys
        )

    def view(self, proposal: Proposal, best: Tensor) -> View:
        """Show the hypotheses of these rows `[B]`."""
        shown = Proposal(proposal.logits[best], proposal.state[best], proposal.context[best], proposal.attention[best])
        return View(self.decoding, self.reading, self.written[best], shown, self.reading.exhausted)

    def extend(self, proposal: Proposal, room: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Find the best continuations, as many as there is room `[B]` for: rows, tokens and scores `[B, k]`."""
        logits = proposal.logits.to(self.scores.dtype)
        denominators = self.scores.flatten()[:, None] + logits.log_softmax(dim=-1)
        scores, index = denominators.view(len(self.scores), -1).topk(self.size, dim=1)
        scores = scores.masked_fill(torch.arange(self.size, device=room.device) >= room[:, None], -torch.inf)
        first = torch.arange(len(scores), device=room.device)[:, None] * self.size
        return first + index // logits.shape[1], index % logits.shape[1], scores

    def replace(self, ended: list[int]) -> None:
        """Let new sentences begin where searches are over, and drop the rows that find none."""
        if begun := self.reading.begin(ended):
            self.written.put(self._rows(begun), self._first(begun))
            self.scores[begun] = -torch.inf
            self.scores[begun, 0] = 0.0
            for row in begun:
                self.searches[row] = _Search(self.size)
        if gone := set(ended[len(begun) :]):
            kept = [row for row in range(len(self.searches)) if row not in gone]
            self.reading.keep(kept)
            self.written, self.scores = self.written[self._rows(kept)], self.scores[kept]
            self.searches = [self.searches[row] for row in kept]
        self._spread()

    def restart(self, rows: list[int]) -> None:
        """Begin anew with what has been read, where nothing has been written."""
        self.written.put(self._rows(rows), self._first(rows))

    def _first(self, rows: list[int]) -> Written:
        begun = nothing_written(self.decoding, self.reading, rows)
        return begun[[number for number in range(len(rows)) for _ in range(self.size)]]

    def _rows(self, sentences: list[int]) -> list[int]:
        return [sentence * self.size + number for sentence in sentences for number in range(self.size)]

    def _spread(self) -> None:
        self._annotations = self.reading.annotations.repeat_interleave(self.size, dim=0)
        self._keys = self.reading.keys.repeat_interleave(self.size, dim=0)


@torch.no_grad()
def beam_search(decoding: Decoding, sources: Sequence[Source], decider: Decider, size: int) -> list[Steps]:
    """Translate sources simultaneously, by the beam that lives while the decider keeps writing.

    A search is over when all its hypotheses have ended, or have `limit` tokens. Then the best log-prob per token
    wins; both count the whole translation, not only what has been written since the last READ. A beam of one is
    greedy decoding.

    Args:
        decoding: translator and limits.
        sources: of each stream; equal ones are annotated once.
        decider: sees the best hypothesis under way.
        size: hypotheses k.

    Returns:
        The steps of each stream, in order of the sources; READs rejected the best hypothesis' candidate.

    Raises:
        ValueError: for a beam of no hypothesis, or of more than there are tokens.
    """
    if not 1 <= size <= decoding.translator.vocabulary:
        raise ValueError(f"a beam has one hypothesis or more, and not more than tokens, got {size}")
    if not sources:
        return []
    done: list[Steps] = [()] * len(sources)
    beams = _Beams(decoding, sources, size)
    while beams.searches:
        ended = _step(beams, decider)
        for row in ended:
            done[beams.reading.streams[row]] = tuple(beams.searches[row].steps)
        if ended:
            beams.replace(ended)
    return done


def _step(beams: _Beams, decider: Decider) -> list[int]:
    """Take a step of all searches; return the rows of those that are over."""
    translator, searches = beams.decoding.translator, beams.searches
    proposal = beams.propose()
    place = beams.scores.argmax(dim=1)
    best = torch.arange(len(place), device=place.device) * beams.size + place
    view = beams.view(proposal, best)
    write = (decider(view) | view.exhausted)[:, None]
    room = torch.tensor([search.room for search in searches], device=place.device)
    rows, tokens, scores = beams.extend(proposal, room)

    committed = torch.full_like(scores, -torch.inf)
    committed[:, 0] = beams.scores.amax(dim=1)
    told = torch.where(write, scores, committed)
    beams.scores = told.masked_fill(write & (tokens == translator.stop), -torch.inf)
    parents, wrote = torch.where(write, rows, best[:, None]).flatten(), write.expand_as(rows).flatten()
    new, unit_starts = tokens.flatten(), beams.decoding.unit_starts.to(tokens.device)
    beams.written = beams.written[parents].after(wrote, proposal.state[parents], new, unit_starts[new])
    beams.reading.read(~write.squeeze(1))

    # all that the host needs to know, in two goes
    known = torch.cat((write, place[:, None], view.candidate[:, None], rows % beams.size, tokens), dim=1).tolist()
    ended, unwritten = [], []
    for row, (search, numbers, values) in enumerate(zip(searches, known, told.tolist(), strict=True)):
        decided, chosen, candidate, *rest = numbers
        if not decided:
            search.read(chosen, candidate)
            if not search.length:
                unwritten.append(row)
        elif search.write(rest[: beams.size], rest[beams.size :], values, translator.stop, beams.decoding.limit):
            ended.append(row)
    if unwritten:
        beams.restart(unwritten)
    return ended
