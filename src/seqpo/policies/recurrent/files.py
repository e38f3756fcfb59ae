"""A translator as a folder: `config.json` and `model.safetensors`."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Literal

from safetensors import SafetensorError
from safetensors.torch import load_file, save_file
from torch import Tensor

from seqpo.policies.recurrent.translator import RecurrentTranslator, TranslatorConfig
from seqpo.records import RecordError, decode

_CONFIG, _WEIGHTS = "config.json", "model.safetensors"


class TranslatorError(ValueError):
    """A folder that holds no usable translator; the message names the file and a remedy."""


@dataclass(frozen=True)
class _Saved:
    """What `config.json` holds."""

    kind: Literal["recurrent-translator"]
    vocabulary: int
    start: int
    stop: int
    shape: TranslatorConfig


def save_translator(translator: RecurrentTranslator, folder: Path, weights: Mapping[str, Tensor]) -> None:
    """Write a translator's shape and these weights, by the names that its state has."""
    saved = _Saved("recurrent-translator", translator.vocabulary, translator.start, translator.stop, translator.config)
    (folder / _CONFIG).write_text(json.dumps(asdict(saved), indent=1), encoding="utf-8")
    save_file({name: value.contiguous() for name, value in weights.items()}, folder / _WEIGHTS)


def load_translator(folder: str | Path) -> RecurrentTranslator:
    """Load a translator in evaluation mode, in the precision that it was saved in.

    Raises:
        TranslatorError: nothing there, another kind of model, or a file that is torn.
    """
    config, weights = Path(folder, _CONFIG), Path(folder, _WEIGHTS)
    try:
        saved = decode(_Saved, json.loads(config.read_text(encoding="utf-8")), name="it")
        state = load_file(weights)
    except FileNotFoundError as error:
        lost = error.filename or weights  # safetensors tells no name
        raise TranslatorError(f"{lost}: no such file; give a checkpoint that `seqpo nmt` wrote") from None
    except RecordError as error:
        raise TranslatorError(
            f"{config}: not of a recurrent translator: {error}; give a checkpoint that `seqpo nmt` wrote"
        ) from None
    except (ValueError, OSError, SafetensorError) as error:
        raise TranslatorError(f"{folder}: unreadable ({error}); take an earlier checkpoint") from error
    translator = RecurrentTranslator(saved.shape, saved.vocabulary, start=saved.start, stop=saved.stop)
    try:
        translator.to(state["bias"].dtype).load_state_dict(state)
    except (KeyError, RuntimeError) as error:
        raise TranslatorError(f"{weights}: not the weights of what {config} describes ({error})") from error
    return translator.eval()
