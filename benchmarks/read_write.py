"""`python -m benchmarks read-write`: all episodes of READ/WRITE agents together, against one sentence at a time.

Both sample with the same weights at the same random numbers, so every READ and WRITE must be the same. The plain
algorithm (Gu et al. 2016, 1610.00388) wastes nothing: a word is annotated when it is read, and never again. The
floor is the time of the products with weights that all these decisions need, and of nothing else.
"""

from __future__ import annotations

import math
import random
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from functools import partial

import torch
from torch.nn.functional import linear

from benchmarks.timing import BenchError, Result, in_turns, machine, medians, ratio, threads
from seqpo.sampling import Uniforms, choose
from seqpo.tasks.read_write.agent import WRITE, Agent, AgentConfig
from seqpo.tasks.read_write.decoding import Decoding, Step, Steps
from seqpo.tasks.read_write.policy import ReadWritePolicy, steps
from seqpo.tasks.read_write.source import Source
from seqpo.tasks.read_write.translator.network import RecurrentTranslator, TranslatorConfig
from seqpo.types import Episode

START, STOP, END = 0, 1, 2
SEED = 1
"""Of the samples."""


@dataclass(frozen=True)
class ReadWriteBench:
    """Settings of the benchmark.

    Attributes:
        sentences: that episodes start from, in a rollout.
        group_size: episodes of each.
        words: of a sentence, from the first to the second number.
        limit: most tokens of a translation.
        slots: streams at a time.
        vocabulary: tokens.
        translator: its shape.
        agent: its shape.
        rounds: that are timed.
        threads: of torch.
        seed: of weights and sentences.
    """

    sentences: int = 128
    group_size: int = 5
    words: tuple[int, int] = (4, 20)
    limit: int = 30
    slots: int = 128
    vocabulary: int = 2500
    translator: TranslatorConfig = field(default_factory=lambda: TranslatorConfig(128, 128, 128))
    agent: AgentConfig = field(default_factory=lambda: AgentConfig(128))
    rounds: int = 3
    threads: int = 2
    seed: int = 0

    def __post_init__(self) -> None:
        if min(self.sentences, self.group_size, self.words[0], self.rounds, self.threads) < 1:
            raise ValueError("a benchmark needs a sentence of a word, an episode, a round and a thread at least")
        if self.words[1] < self.words[0]:
            raise ValueError(f"words go from the smaller number to the larger, got {self.words}")
        if self.vocabulary <= END + 1:
            raise ValueError(f"a vocabulary has more than its {END + 1} marks, got {self.vocabulary}")

    def sources(self) -> list[Source]:
        """Draw sentences: words of one token or two."""
        rng = random.Random(self.seed)
        counts = [rng.randint(*self.words) for _ in range(self.sentences)]
        return [Source(tuple(self._word(rng) for _ in range(count)), (END,)) for count in counts]

    def policy(self) -> ReadWritePolicy:
        """Make translator and agent with random weights; the translator stops where it happens to."""
        with torch.random.fork_rng(devices=[]), torch.no_grad():
            torch.manual_seed(self.seed)
            translator = RecurrentTranslator(self.translator, self.vocabulary, start=START, stop=STOP)
            translator.bias.normal_(std=0.5)[STOP] = translator.bias.max()
            agent = Agent(2 * self.translator.hidden + self.translator.embedding, self.agent)
        unit_starts = torch.ones(self.vocabulary, dtype=torch.long)
        return ReadWritePolicy(Decoding(translator.eval(), unit_starts, self.limit, self.slots), agent)

    def _word(self, rng: random.Random) -> tuple[int, ...]:
        return tuple(rng.randrange(END + 1, self.vocabulary) for _ in range(rng.randint(1, 2)))


QUICK = ReadWriteBench(
    sentences=4,
    group_size=2,
    words=(1, 5),
    limit=6,
    vocabulary=40,
    translator=TranslatorConfig(8, 8, 8),
    agent=AgentConfig(8),
    rounds=1,
    threads=1,
)
"""Settings that only show that everything works."""


@dataclass(frozen=True)
class _Start:
    source: Source


def run(settings: ReadWriteBench) -> Result:
    """Check that both ways decide the same, then time them.

    Raises:
        BenchError: another READ or WRITE, or another token.
    """
    with threads(settings.threads):
        policy, sources = settings.policy(), settings.sources()
        starts = [_Start(source) for source in sources]
        together = partial(policy.rollout, starts, settings.group_size, seed=SEED)
        alone = partial(one_by_one, policy, sources, settings.group_size)
        episodes = together()
        check(episodes, alone())
        decisions = sum(len(episode.turns) for episode in episodes)
        floor = partial(products, policy, decisions)
        times = in_turns({"together": together, "one-by-one": alone, "products": floor}, settings.rounds)
    middle = medians(times)
    return Result(
        name="read-write",
        ratios={
            "one-by-one": ratio(times, "one-by-one", "together"),
            "floor": ratio(times, "together", "products"),
        },
        equal={"decisions": True},
        medians=middle,
        setup={
            **asdict(settings),
            "decisions": decisions,
            "episodes per second": {name: len(episodes) / middle[name] for name in ("together", "one-by-one")},
            **machine(),
        },
    )


def check(episodes: Sequence[Episode], plain: Sequence[Steps]) -> None:
    """Compare decisions and tokens, episode by episode.

    Raises:
        BenchError: naming the first difference.
    """
    for number, (episode, expected) in enumerate(zip(episodes, plain, strict=True)):
        if steps(episode) != expected:
            raise BenchError(
                f"episode {number} is {_shown(steps(episode))} together and {_shown(expected)} alone: their times "
                f"cannot be compared"
            )


@torch.no_grad()
def one_by_one(policy: ReadWritePolicy, sources: Sequence[Source], group_size: int) -> list[Steps]:
    """Play one episode after the other by the plain algorithm."""
    numbered = enumerate(source for source in sources for _ in range(group_size))
    agent = policy.module
    assert isinstance(agent, Agent)
    return [_algorithm_1(policy.decoding, agent, source, Uniforms(SEED, number)) for number, source in numbered]


@torch.no_grad()
def products(policy: ReadWritePolicy, decisions: int) -> None:
    """Multiply by the weights of translator and agent as often as so many decisions need, with all slots full."""
    translator, agent, rows = policy.decoding.translator, policy.module, policy.decoding.slots
    decoder = translator.decoder
    layers = decoder.word_gates, decoder.state_gates, decoder.halfway, decoder.context_gates, translator.readout
    weights = [layer.weight for layer in layers] + [translator.embed.weight]
    weights += [weight for weight in agent.parameters() if weight.ndim > 1]
    factors = [(weight, torch.ones(rows, weight.shape[1])) for weight in weights]
    for _ in range(math.ceil(decisions / rows)):
        for weight, inputs in factors:
            linear(inputs, weight)


def _algorithm_1(decoding: Decoding, agent: Agent, source: Source, uniforms: Uniforms) -> Steps:
    translator = decoding.translator
    pieces = iter((*source.words, source.end))
    annotations = translator.encode(torch.tensor([next(pieces)]))
    keys = translator.keys(annotations)
    memory, previous, unread = None, torch.tensor([translator.start]), len(source.words)
    state = translator.initial(annotations, torch.tensor([annotations.shape[1]]))
    taken: list[Step] = []
    written = 0
    while written < decoding.limit:
        proposal = translator.propose(state, previous, annotations, torch.tensor([annotations.shape[1]]), keys)
        candidate = proposal.candidate
        observed = torch.cat((proposal.context, proposal.state, translator.embed(candidate)), dim=-1)
        logits, memory = agent(observed[:, None], memory)
        action, _ = choose(logits[:, 0], torch.tensor([uniforms.next()], dtype=torch.float64))
        if unread and action != WRITE:
            taken.append(Step(wrote=False, token=int(candidate)))
            new = translator.encode(torch.tensor([next(pieces)]), annotations[:, -1])
            annotations, keys = torch.cat((annotations, new), 1), torch.cat((keys, translator.keys(new)), 1)
            unread -= 1
            if not written:
                state = translator.initial(annotations, torch.tensor([annotations.shape[1]]))
            continue
        taken.append(Step(wrote=True, token=int(candidate)))
        state, previous = proposal.state, candidate
        written += 1
        if int(candidate) == translator.stop:
            break
    return tuple(taken)


def _shown(decided: Steps) -> str:
    return " ".join(f"{'WRITE' if step.wrote else 'READ'}({step.token})" for step in decided)
