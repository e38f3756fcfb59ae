"""Translators to decide over: a tiny one, and one that says what a table has; and Algorithm 1 in plain Python."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import torch
from hypothesis import strategies as st
from torch import Tensor

from seqpo.tasks.read_write.decoding import Decoding, Step, Steps, View
from seqpo.tasks.read_write.source import Source
from seqpo.tasks.read_write.translator.network import Proposal, RecurrentTranslator, TranslatorConfig

VOCABULARY, START, END, STOP = 8, 0, 1, 2
UNIT_STARTS = torch.tensor([0, 0, 0, 1, 1, 1, 0, 0])
"""Tokens 3 to 5 begin a word, 6 and 7 go on with one."""

Says = Callable[[tuple[int, ...], tuple[int, ...]], Tensor]


class Table(RecurrentTranslator):
    """Says what a function of (source tokens heard, tokens written) returns.

    A state holds the number of tokens that z_0 was made from, and the tokens written as digits of a number.
    """

    def __init__(self, says: Says) -> None:
        super().__init__(TranslatorConfig(2, 2, 1), VOCABULARY, start=START, stop=STOP)
        self.says = says
        self.double().eval()

    def encode(self, source: Tensor, after: Tensor | None = None) -> Tensor:
        return source[..., None].double()

    def keys(self, annotations: Tensor) -> Tensor:
        return -annotations

    def initial(self, annotations: Tensor, read: Tensor) -> Tensor:
        return torch.stack((read.double(), torch.ones(len(read)).double()), dim=1)

    def propose(
        self, state: Tensor, previous: Tensor, annotations: Tensor, read: Tensor, keys: Tensor | None = None
    ) -> Proposal:
        assert keys is None or torch.equal(keys, -annotations)
        code = torch.where(previous == START, state[:, 1], state[:, 1] * VOCABULARY + previous)
        logits = []
        for heard, count, number, begun in zip(annotations, read, code, state[:, 0], strict=True):
            written = digits(int(number))
            assert written or begun == count, "z_0 is of what has been read"
            logits.append(self.says(tuple(heard[: int(count), 0].long().tolist()), written))
        attention = (torch.arange(annotations.shape[1]) == read[:, None] - 1).double()
        context = (attention[..., None] * annotations).sum(1)
        return Proposal(torch.stack(logits), torch.stack((state[:, 0], code), 1), context, attention)


def digits(number: int) -> tuple[int, ...]:
    """The digits after a leading one."""
    return () if number <= 1 else (*digits(number // VOCABULARY), number % VOCABULARY)


def wins(chances: dict[int, float]) -> Tensor:
    """Logits of tokens with these chances, the others next to none."""
    return torch.tensor([chances.get(token, 1e-9) for token in range(VOCABULARY)]).double().log()


def random_table(seed: int) -> Table:
    """Something else for each place."""

    def says(heard: tuple[int, ...], written: tuple[int, ...]) -> Tensor:
        generator = torch.Generator().manual_seed(hash((seed, heard, written)) % 2**63)
        logits = torch.randn(VOCABULARY, generator=generator, dtype=torch.float64) * 2
        logits[START] = -20.0  # it is never written
        return logits

    return Table(says)


def tiny_translator(seed: int = 0, dtype: torch.dtype = torch.float64) -> RecurrentTranslator:
    """A real one, with weights that make it have preferences."""
    torch.manual_seed(seed)
    made = RecurrentTranslator(TranslatorConfig(4, 6, 5), VOCABULARY, start=START, stop=STOP).to(dtype).eval()
    with torch.no_grad():
        for weight in made.parameters():
            weight.mul_(4)
        made.bias.normal_()
    return made


def source(*words: int) -> Source:
    """A source whose words have one token each."""
    return Source(tuple((word,) for word in words), (END,))


words = st.lists(st.integers(3, 7), min_size=1, max_size=3).map(tuple)
sources = st.lists(words, min_size=1, max_size=5).map(lambda some: Source(tuple(some), (END,)))


@dataclass
class Look:
    """What there is to decide on, in the plain form of the algorithm: one stream."""

    number: int
    words_read: int
    written: tuple[int, ...]
    candidate: int
    proposal: Proposal
    peek: Callable[[int], Proposal]


@torch.no_grad()
def algorithm_1(decoding: Decoding, source: Source, decide: Callable[[Look], bool]) -> Steps:
    """Gu et al.'s Algorithm 1, line by line; the encoder is given nothing but what has been read."""
    model = decoding.translator

    def heard(count: int) -> tuple[Tensor, Tensor]:
        pieces = [*source.words, source.end][:count]
        tokens = [token for piece in pieces for token in piece]
        return model.encode(torch.tensor([tokens])), torch.tensor([len(tokens)])

    def propose(count: int) -> Proposal:
        annotations, read = heard(count)
        before = state if written else model.initial(annotations, read)
        return model.propose(before, torch.tensor([written[-1] if written else START]), annotations, read)

    eta, everything, written, steps = 1, len(source.words) + 1, [], []
    state = model.initial(*heard(1))
    while len(written) < decoding.limit:
        proposal = propose(eta)
        candidate = int(proposal.logits.argmax())
        look = Look(
            len(steps),
            min(eta, len(source.words)),
            tuple(written),
            candidate,
            proposal,
            lambda more, eta=eta: propose(min(eta + more, everything)),
        )
        if eta < everything and not decide(look):
            eta += 1
            steps.append(Step(False, candidate))
            continue
        steps.append(Step(True, candidate))
        state = proposal.state
        written.append(candidate)
        if candidate == STOP:
            break
    return tuple(steps)


class Scripted:
    """Decides by lists of truth values, WRITE when they are at an end."""

    def __init__(self, scripts: Sequence[Sequence[bool]]) -> None:
        self._scripts: list[Iterator[bool]] = [iter(script) for script in scripts]

    def __call__(self, view: View) -> Tensor:
        return torch.tensor([next(self._scripts[stream], True) for stream in view.streams])


def following(script: Sequence[bool]) -> Callable[[Look], bool]:
    """The same for the plain algorithm."""
    return lambda look: script[look.number] if look.number < len(script) else True


def shown(steps: Steps) -> str:
    """`r5 w3`: a READ that rejected 5, a WRITE of 3."""
    return " ".join(f"{'w' if step.wrote else 'r'}{step.token}" for step in steps)


models = st.one_of(st.integers(0, 5).map(tiny_translator), st.integers(0, 5).map(random_table))
"""A tiny translator with random weights, or a random table."""
