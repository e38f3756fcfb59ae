"""Translators and agents as folders: `config.json` and `model.safetensors`."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Literal, TypeVar

from safetensors import SafetensorError
from safetensors.torch import load_file, save_file
from torch import Tensor, nn

from seqpo.records import RecordError, decode
from seqpo.tasks.read_write.agent import Agent, AgentConfig
from seqpo.tasks.read_write.translator.network import RecurrentTranslator, TranslatorConfig

_CONFIG, _WEIGHTS = "config.json", "model.safetensors"
S = TypeVar("S")


class FolderError(ValueError):
    """A folder that holds no usable translator or agent; the message names the file and a remedy."""


@dataclass(frozen=True)
class _SavedTranslator:
    kind: Literal["recurrent-translator"]
    vocabulary: int
    start: int
    stop: int
    shape: TranslatorConfig


@dataclass(frozen=True)
class _SavedAgent:
    kind: Literal["read-write-agent"]
    observed: int
    shape: AgentConfig


def save_translator(translator: RecurrentTranslator, folder: Path, weights: Mapping[str, Tensor]) -> None:
    """Write a translator's shape and these weights, by the names that its state has."""
    marks = translator.vocabulary, translator.start, translator.stop
    _write(folder, _SavedTranslator("recurrent-translator", *marks, translator.config), weights)


def load_translator(folder: str | Path) -> RecurrentTranslator:
    """Load a translator in evaluation mode, in the precision that it was saved in.

    Raises:
        FolderError: nothing there, another kind of model, or a file that is torn.
    """
    saved, state = _read(folder, _SavedTranslator, "a recurrent translator", "a checkpoint that `seqpo nmt` wrote")
    translator = RecurrentTranslator(saved.shape, saved.vocabulary, start=saved.start, stop=saved.stop)
    return _filled(translator, state, folder).eval()


def save_agent(agent: Agent, folder: Path, weights: Mapping[str, Tensor]) -> None:
    """Write an agent's shape and these weights, by the names that its state has."""
    _write(folder, _SavedAgent("read-write-agent", agent.observed, agent.config), weights)


def load_agent(folder: str | Path) -> Agent:
    """Load an agent, in the precision that it was saved in.

    Raises:
        FolderError: nothing there, another kind of model, or a file that is torn.
    """
    saved, state = _read(folder, _SavedAgent, "a READ/WRITE agent", "a checkpoint of a READ/WRITE agent")
    return _filled(Agent(saved.observed, saved.shape), state, folder)


def _write(folder: Path, saved: Any, weights: Mapping[str, Tensor]) -> None:
    (folder / _CONFIG).write_text(json.dumps(asdict(saved), indent=1), encoding="utf-8")
    save_file({name: value.contiguous() for name, value in weights.items()}, folder / _WEIGHTS)


def _read(folder: str | Path, kind: type[S], what: str, wanted: str) -> tuple[S, dict[str, Tensor]]:
    """Read shape and weights."""
    config, weights = Path(folder, _CONFIG), Path(folder, _WEIGHTS)
    try:
        saved = decode(kind, json.loads(config.read_text(encoding="utf-8")), name="it")
        return saved, load_file(weights)
    except FileNotFoundError as error:
        lost = error.filename or weights  # safetensors tells no name
        raise FolderError(f"{lost}: no such file; give {wanted}") from None
    except RecordError as error:
        raise FolderError(f"{config}: not of {what}: {error}; give {wanted}") from None
    except (ValueError, OSError, SafetensorError) as error:
        raise FolderError(f"{folder}: unreadable ({error}); take an earlier checkpoint") from error


M = TypeVar("M", bound=nn.Module)


def _filled(module: M, state: dict[str, Tensor], folder: str | Path) -> M:
    """Put weights into a module, in their precision."""
    try:
        module.to(next(iter(state.values())).dtype).load_state_dict(state)
    except (StopIteration, RuntimeError) as error:
        weights, config = Path(folder, _WEIGHTS), Path(folder, _CONFIG)
        raise FolderError(f"{weights}: not the weights of what {config} describes ({error})") from error
    return module
