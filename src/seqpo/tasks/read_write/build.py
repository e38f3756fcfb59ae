"""From the recipe of a READ/WRITE run to the objects it describes."""

from __future__ import annotations

import copy
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from transformers import PreTrainedTokenizerBase

from seqpo.runs import build
from seqpo.segments import Level
from seqpo.tasks.read_write.agent import Agent, AskAgent, BaselineNetwork
from seqpo.tasks.read_write.config import ReadWriteRun
from seqpo.tasks.read_write.decoding import Decoding, Steps, decode, turns
from seqpo.tasks.read_write.files import load_agent, load_translator
from seqpo.tasks.read_write.policy import observations
from seqpo.tasks.read_write.source import Source
from seqpo.tasks.read_write.task import ReadWriteTask, encode_source, record
from seqpo.tasks.read_write.translator.network import RecurrentTranslator
from seqpo.tasks.read_write.translator.pairs import fitting, whole_source
from seqpo.tasks.read_write.translator.policy import greedy
from seqpo.tasks.translation import build as translation
from seqpo.tasks.translation.corpora import Corpus, Pair
from seqpo.tasks.translation.quality import tokenizer_for
from seqpo.tasks.translation.renderer import Renderer, plain_renderer
from seqpo.tasks.translation.traces import Trace
from seqpo.tasks.translation.units import split
from seqpo.tasks.translation.vocabulary import train_tokenizer
from seqpo.training import checkpoints
from seqpo.training.world import World
from seqpo.types import Batch, DevEvaluation

PRETRAINING, WARM_UP = "nmt", "sft"
"""Folders of the translator and of the agent's warm-up in a run's."""


@dataclass
class BaselineCritic:
    """b(o_t): values each decision by what is observed before it (Gu et al. 2016, 1610.00388, §4.3)."""

    module: nn.Module
    level: Level = "turn"

    def predict(self, batch: Batch) -> Tensor:
        """Value the decisions of a batch: `[turns]`, differentiable."""
        values: Tensor = self.module(observations(batch))
        return values.squeeze(1)


@dataclass(frozen=True)
class TranslatorSetup:
    """What the agents of a run live in.

    Attributes:
        decoding: the translator and its limits.
        renderer: of its tokens.
    """

    decoding: Decoding
    renderer: Renderer

    @property
    def observed(self) -> int:
        """Width of what an agent observes."""
        shape = self.decoding.translator.config
        return 2 * shape.hidden + shape.embedding

    def sources(self, pairs: Sequence[Pair]) -> list[tuple[str, ...]]:
        """Split the sources of sentences into their units."""
        return [tuple(split(pair.source, self.renderer.source_unit)) for pair in pairs]

    def trace(self, units: Sequence[str], steps: Steps) -> Trace:
        """Record what was decided over a source."""
        return record(self.renderer, units, turns(steps, len(units)))

    def attention(self, source: Source, steps: Steps) -> NDArray[np.float32]:
        """Share of each source unit in each target unit, given steps with attention: `[target units, source units]`.

        The pieces of a source unit add up, those of a target unit are averaged; the end mark is left out, and so is
        space that no unit followed.
        """
        kept = [(step.token, step.attention) for step in steps if step.wrote and step.token != self.renderer.stop]
        tokens = np.array([token for token, _ in kept], dtype=np.int64)
        starts = self.decoding.unit_starts.cpu().numpy()[tokens].astype(np.int64)
        starts[:1] = 1  # a text may begin without the space before a word
        unit = starts.cumsum() - 1
        first = np.cumsum([0, *map(len, source.words)])
        shares = [np.add.reduceat(share, first)[:-1] for _, share in kept if share is not None]
        rows = np.array(shares, dtype=np.float32).reshape(-1, len(source.words))
        numbers = np.unique(unit)
        pieces = self.renderer.pieces([tokens[unit == number].tolist() for number in numbers])
        written = [number for number, piece in zip(numbers, pieces, strict=True) if piece.strip()]
        return np.array([rows[unit == number].mean(axis=0) for number in written]).reshape(-1, len(source.words))


def setup(run: ReadWriteRun, device: torch.device, slots: int) -> TranslatorSetup:
    """Load the run's translator.

    Raises:
        ValueError: there is none.
    """
    folder = build.checkpoint(run, PRETRAINING)
    rendering = plain_renderer(translation.load_tokenizer(folder), *translation.units(run.data))
    translator = load_translator(folder).to(device)
    decoding = Decoding(translator, rendering.unit_starts, run.translator.max_pieces, slots)
    return TranslatorSetup(decoding, rendering)


def tokenizer(run: ReadWriteRun, train: Corpus) -> PreTrainedTokenizerBase:
    """Load the tokenizer of the run's translator, or train one where there is none yet."""
    if found := checkpoints.latest(Path(run.out) / PRETRAINING):
        return translation.load_tokenizer(found)
    return train_tokenizer((text for pair in train.pairs for text in (pair.source, pair.target)), run.vocabulary)


def new_translator(run: ReadWriteRun, rendering: Renderer) -> RecurrentTranslator:
    """Make a translator with random weights, a function of the run's seed."""
    vocabulary, marks = len(rendering.tokenizer), {"start": rendering.opening[0], "stop": rendering.stop}
    with _seeded(run):
        return RecurrentTranslator(run.translator.model, vocabulary, **marks)


def new_agent(run: ReadWriteRun, observed: int) -> Agent:
    """Make an agent with random weights, a function of the run's seed."""
    with _seeded(run):
        return Agent(observed, run.agent)


def new_baseline(run: ReadWriteRun, observed: int) -> BaselineNetwork:
    """Make a baseline with random weights, drawn after those of the run's agent."""
    with _seeded(run):
        Agent(observed, run.agent)
        return BaselineNetwork(observed, run.critic.hidden)


@contextmanager
def _seeded(run: ReadWriteRun) -> Iterator[None]:
    """Draw by the run's seed, and leave torch's generator as it was."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(run.seed)
        yield


def agent_of(run: ReadWriteRun, stage: str, device: torch.device) -> Agent:
    """Load the agent of a stage.

    Raises:
        ValueError: there is none.
    """
    return load_agent(build.checkpoint(run, stage)).requires_grad_(False).to(device)


def begin_with(agent: Agent, warm: Path) -> None:
    """Take the weights of a warm-up.

    Raises:
        ValueError: an agent of another shape.
    """
    found = load_agent(warm)
    if (found.observed, found.config.hidden) != (agent.observed, agent.config.hidden):
        raise ValueError(
            f"{warm}: an agent of width {found.config.hidden}, the recipe's agent.hidden is {agent.config.hidden}: "
            "set it to the warm-up's, or train the warm-up again"
        )
    agent.load_state_dict(found.state_dict())


def training_task(run: ReadWriteRun, over: TranslatorSetup, world: World, **scoring: Any) -> ReadWriteTask:
    """Make the task of the training sentences that the translator can take, and say how many there are.

    Args:
        run: tells the sentences.
        over: the translator.
        world: whose leading process speaks.
        scoring: what the task is told about rewards; nothing for demonstrations.
    """
    read = translation.corpus(run.data, "train", run.seed)
    pairs = fitting(read.pairs, over.renderer, run.translator.max_pieces)
    build.say(world, translation.described(read, len(pairs), "sentences"))
    return ReadWriteTask(pairs, over.renderer, seed=run.seed, **scoring)


def translator_evaluation(run: ReadWriteRun, translator: RecurrentTranslator, rendering: Renderer) -> DevEvaluation:
    """Return a function that measures weights by the BLEU of greedy translations of whole development sentences.

    Args:
        run: tells the data, the limit and how many sentences go at a time.
        translator: is copied, for it is the one that is trained.
        rendering: how sentences become tokens.
    """
    from sacrebleu import BLEU

    pairs = translation.corpus(run.data, "dev").pairs
    sources = [whole_source(rendering, pair.source) for pair in pairs]
    references = [pair.target for pair in pairs]
    metric = BLEU(tokenize=tokenizer_for(run.data.target_language))
    copied = copy.deepcopy(translator).eval()

    def evaluate(weights: Mapping[str, Tensor]) -> dict[str, float]:
        copied.load_state_dict(weights)
        written = greedy(copied, sources, run.translator.max_pieces, slots=run.translator.slots)
        texts = [rendering.pieces([tokens])[0].strip() for tokens in written]
        return {"dev/bleu": float(metric.corpus_score(texts, [references]).score)}

    return evaluate


def agent_evaluation(run: ReadWriteRun, over: TranslatorSetup) -> DevEvaluation:
    """Return a function that measures an agent's weights by greedy translations: BLEU, AP, AL and CW."""
    pairs = translation.corpus(run.data, "dev").pairs
    agent = new_agent(run, over.observed)
    agent.requires_grad_(False).to(over.decoding.translator.bias.device)
    sources = over.sources(pairs)
    encoded = [encode_source(over.renderer, units) for units in sources]

    def evaluate(weights: Mapping[str, Tensor]) -> dict[str, float]:
        agent.load_state_dict(weights)
        found = decode(over.decoding, encoded, AskAgent(agent, over.decoding.slots))
        traces = [over.trace(units, steps) for units, steps in zip(sources, found, strict=True)]
        return translation.dev_scores(traces, pairs, run.data, ("bleu", "ap", "al", "cw_mean", "cw_max"))

    return evaluate
