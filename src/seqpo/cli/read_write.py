"""`seqpo train` with `policy = "read-write"`, and its agents at work: each decides over the run's translator."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import accumulate
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from seqpo.cli import build
from seqpo.cli.causal_lm import last_piece
from seqpo.cli.contest import Booth
from seqpo.cli.pretraining import STAGE
from seqpo.cli.probing import readings
from seqpo.cli.recipe import Recipe, RecipeError
from seqpo.cli.stages import join, say, stage_folder
from seqpo.segments import Level
from seqpo.tasks.read_write.agent import Agent, AgentConfig, AskAgent, BaselineNetwork
from seqpo.tasks.read_write.decoding import Decoding, Steps, decode, turns
from seqpo.tasks.read_write.files import load_agent, load_translator
from seqpo.tasks.read_write.policy import ReadWritePolicy, observations
from seqpo.tasks.read_write.task import ReadWriteTask, record, spoken
from seqpo.tasks.read_write.translator.pairs import fitting
from seqpo.tasks.translation.corpora import Pair
from seqpo.tasks.translation.renderer import Renderer, plain_renderer
from seqpo.tasks.translation.traces import Trace
from seqpo.tasks.translation.units import split
from seqpo.training import checkpoints
from seqpo.training.loop import optimize
from seqpo.training.requirements import check_credit, check_requirements
from seqpo.training.supervised import DevEvaluation
from seqpo.training.world import World
from seqpo.types import Batch, Source

WARM_UP = "sft-agent"
"""Folder of an agent's warm-up in a run's, with which agents begin if there is one; `sft` is a language model's."""


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

        The pieces of a source unit add up, those of a target unit are averaged; the end mark is left out.
        """
        kept = [(step.token, step.attention) for step in steps if step.wrote and step.token != self.renderer.stop]
        starts = self.decoding.unit_starts[[token for token, _ in kept]].cpu().numpy()
        unit = np.maximum(starts.cumsum() - 1, 0)
        first = np.cumsum([0, *map(len, source.words)])
        rows = np.stack([np.add.reduceat(share, first)[:-1] for _, share in kept if share is not None])
        return np.stack([rows[unit == number].mean(axis=0) for number in np.unique(unit)])


def translator_setup(recipe: Recipe, device: torch.device, slots: int) -> TranslatorSetup:
    """Load the run's translator.

    Raises:
        RecipeError: there is none.
    """
    folder = build.stage_checkpoint(recipe, STAGE)
    units = build.unit_of(recipe.data.source_language), build.unit_of(recipe.data.target_language)
    frame = plain_renderer(build.load_tokenizer(folder), *units)
    translator = load_translator(folder).to(device)
    return TranslatorSetup(Decoding(translator, frame.unit_starts, recipe.nmt.max_pieces, slots), frame)


def train(recipe: Recipe, *, resume: bool = False) -> Path:
    """Train a READ/WRITE agent and its baseline over the frozen translator; return the stage's folder."""
    objective, advantage = build.objective(recipe.objective), build.advantage(recipe.advantage)
    with join(recipe) as world:
        setup = translator_setup(recipe, world.device, recipe.runtime.slots)
        task = training_task(recipe, setup, world)
        agent, baseline = new_agent(recipe, setup.observed)
        if warm := checkpoints.latest(Path(recipe.out) / WARM_UP):
            _begin_with(agent, warm)
            say(world, f"begins with {warm}")
        critic = BaselineCritic(baseline) if "values" in advantage.needs else None
        check_requirements(advantage, task, critic)
        check_credit(objective, advantage)
        stage = stage_folder(recipe, recipe.stage, resume, world)
        probe = None
        if recipe.train.eval_every and world.leads:
            probe = agent_probe(recipe, setup, build.corpus(recipe, "dev").pairs)
        optimize(
            ReadWritePolicy(setup.decoding, agent),
            task,
            objective,
            advantage,
            replace(recipe.train, seed=recipe.seed),
            world=world,
            stage=stage,
            critic=critic,
            resume_weights=agent_weights if resume else None,
            probe=probe,
        )
    return stage


def training_task(recipe: Recipe, setup: TranslatorSetup, world: World) -> ReadWriteTask:
    """Make the task of the training sentences that the translator can take, and say how many there are."""
    data = build.corpus(recipe, "train")
    pairs = fitting(data.pairs, setup.renderer, recipe.nmt.max_pieces)
    say(world, f"{len(pairs)} sentences from {data.name}", data.skipped)
    return build.read_write_task(recipe, pairs, setup.renderer)


def agent_weights(folder: Path) -> Mapping[str, Tensor]:
    """Read an agent's weights from a checkpoint."""
    return load_agent(folder).state_dict()


def new_agent(recipe: Recipe, observed: int) -> tuple[Agent, BaselineNetwork]:
    """Make an agent and its baseline with random weights, a function of the recipe's seed."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(recipe.seed)
        agent = Agent(observed, AgentConfig(recipe.agent.hidden))
        return agent, BaselineNetwork(observed, recipe.agent.baseline_hidden)


def _begin_with(agent: Agent, warm: Path) -> None:
    """Take the weights of a warm-up."""
    found = load_agent(warm)
    if (found.observed, found.config) != (agent.observed, agent.config):
        raise RecipeError(
            f"{warm}: an agent of width {found.config.hidden}, the recipe's agent.hidden is {agent.config.hidden}: "
            "set it to the warm-up's, or run `seqpo sft` again"
        )
    agent.load_state_dict(found.state_dict())


def agent_probe(recipe: Recipe, setup: TranslatorSetup, pairs: Sequence[Pair]) -> DevEvaluation:
    """Return a function that measures an agent's weights by greedy translations: BLEU, AP, AL and CW."""
    agent, _ = new_agent(recipe, setup.observed)
    agent.requires_grad_(False).to(setup.decoding.translator.bias.device)
    sources = setup.sources(pairs)
    heard = [spoken(setup.renderer, units) for units in sources]

    def probe(weights: Mapping[str, Tensor]) -> dict[str, float]:
        agent.load_state_dict(weights)
        found = decode(setup.decoding, heard, AskAgent(agent, setup.decoding.slots))
        traces = [setup.trace(units, steps) for units, steps in zip(sources, found, strict=True)]
        return readings(traces, pairs, recipe.data.target_language, ("bleu", "ap", "al", "cw_mean", "cw_max"))

    return probe


class AgentInterpreter:
    """Translates one sentence, word by word: the agent decides over what has been heard.

    What the agent does before it asks for an unheard word doesn't depend on that word. So each time a word comes, the
    sentence is decoded as if it ended there, and all that comes before the next word is asked for is what is done.

    Args:
        setup: of the agent.
        agent: decides.
    """

    def __init__(self, setup: TranslatorSetup, agent: Agent) -> None:
        self._home, self._agent = setup, agent
        self._source: list[str] = []
        self._answers: list[tuple[int, ...]] = []

    def read(self, chunk: list[str]) -> str:
        """Read units and return what the agent lets be written after them."""
        self._source += chunk
        return self._written(reads=len(self._source) - 1)

    def finish(self) -> str:
        """Tell that the sentence is over, and return the rest of its translation."""
        return self._written(reads=len(self._source))

    def _written(self, reads: int) -> str:
        """Write on, until a READ more than these is asked for."""
        decoding = self._home.decoding
        decider = AskAgent(self._agent, decoding.slots)
        [steps] = decode(decoding, [spoken(self._home.renderer, self._source)], decider)
        asked = accumulate(not step.wrote for step in steps)
        written = [step.token for step, number in zip(steps, asked, strict=True) if step.wrote and number <= reads]
        self._answers.append(tuple(written[sum(map(len, self._answers)) :]))
        return last_piece(self._home.renderer, self._answers)


def agent_of(recipe: Recipe, stage: str, device: torch.device) -> Agent:
    """Load the agent of a stage.

    Raises:
        RecipeError: there is none.
    """
    return load_agent(build.stage_checkpoint(recipe, stage)).requires_grad_(False).to(device)


def trained(recipe: Recipe) -> list[str]:
    """List the stages whose agents have been trained, in the order of the recipe."""
    named = dict.fromkeys((*recipe.evaluation.stages, recipe.stage))
    return [stage for stage in named if stage not in ("sft", STAGE) and checkpoints.latest(Path(recipe.out) / stage)]


def booth(recipe: Recipe, stage: str) -> Booth:
    """Make a place to interpret in; see `Kind`."""
    device = torch.device("cpu")
    setup = translator_setup(recipe, device, slots=1)
    agent = agent_of(recipe, stage or (trained(recipe) or [recipe.stage])[-1], device)
    return Booth(setup.renderer.source_unit, 1, lambda: AgentInterpreter(setup, agent))
