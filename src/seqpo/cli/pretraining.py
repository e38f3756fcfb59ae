"""`seqpo nmt`: the recurrent translator that a READ/WRITE agent listens to."""

from __future__ import annotations

import copy
from collections.abc import Mapping, Sequence
from pathlib import Path

import torch
from torch import Tensor
from transformers import PreTrainedTokenizerBase

from seqpo.cli import build
from seqpo.cli.recipe import Recipe
from seqpo.cli.stages import join, say, stage_folder
from seqpo.tasks.read_write.files import load_translator
from seqpo.tasks.read_write.translator.network import RecurrentTranslator
from seqpo.tasks.read_write.translator.pairs import PairTask, fitting, whole_source
from seqpo.tasks.read_write.translator.policy import TranslatorPolicy, greedy
from seqpo.tasks.translation.corpora import Corpus, Pair
from seqpo.tasks.translation.quality import tokenizer_for
from seqpo.tasks.translation.renderer import SPECIAL_TOKENS, Renderer, plain_renderer
from seqpo.tasks.translation.vocabulary import train_tokenizer
from seqpo.training import checkpoints
from seqpo.training.supervised import DevEvaluation, train_supervised

STAGE = "nmt"
"""Folder of the translator in a run's."""


def nmt(recipe: Recipe, *, resume: bool = False) -> Path:
    """Train tokenizer and translator on sentence pairs; return the stage's folder."""
    with join(recipe) as world:
        train = build.corpus(recipe, "train")
        stage = stage_folder(recipe, STAGE, resume, world)
        tokenizer = _tokenizer(recipe, train)
        units = build.unit_of(recipe.data.source_language), build.unit_of(recipe.data.target_language)
        frame = plain_renderer(tokenizer, *units)
        pairs = fitting(train.pairs, frame, recipe.nmt.max_pieces)
        say(world, f"{len(pairs)} sentence pairs from {train.name}", train.skipped)
        say(world, f"{len(train.pairs) - len(pairs)} left out, of more than {recipe.nmt.max_pieces} pieces")
        translator = new_translator(recipe, frame)
        count = sum(p.numel() for p in translator.parameters())
        say(world, f"{count / 1e6:.2f} M parameters, {len(tokenizer)} tokens")
        probe = None
        if recipe.nmt.train.eval_every and world.leads:
            dev = build.corpus(recipe, "dev").pairs
            probe = bleu_probe(recipe, copy.deepcopy(translator).to(world.device), frame, dev)
        train_supervised(
            TranslatorPolicy(
                translator,
                tokenizer,
                autocast=None if recipe.runtime.precision == "float32" else torch.bfloat16,
            ),
            PairTask(pairs, frame, recipe.nmt.prefixes, recipe.seed),
            recipe.nmt.train,
            world=world,
            stage=stage,
            resume_weights=_weights if resume else None,
            probe=probe,
        )
    return stage


def new_translator(recipe: Recipe, frame: Renderer) -> RecurrentTranslator:
    """Make a translator with random weights, a function of the recipe's seed."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(recipe.seed)
        vocabulary = len(frame.tokenizer)
        return RecurrentTranslator(recipe.nmt.model, vocabulary, start=frame.opening[0], stop=frame.stop)


def bleu_probe(
    recipe: Recipe, translator: RecurrentTranslator, frame: Renderer, pairs: Sequence[Pair]
) -> DevEvaluation:
    """Return a function that measures weights by the BLEU of greedy translations of whole sentences.

    Args:
        recipe: tells the target language, the limit and how many sentences go at a time.
        translator: takes the weights, so it is not the one that is trained.
        frame: how sentences become tokens.
        pairs: what is translated.
    """
    from sacrebleu import BLEU

    sources = [whole_source(frame, pair.source) for pair in pairs]
    references = [pair.target for pair in pairs]
    metric = BLEU(tokenize=tokenizer_for(recipe.data.target_language))
    translator.eval()

    def probe(weights: Mapping[str, Tensor]) -> dict[str, float]:
        translator.load_state_dict(weights)
        written = greedy(translator, sources, recipe.nmt.max_pieces, slots=recipe.runtime.slots)
        texts = [frame.pieces([tokens])[0].strip() for tokens in written]
        return {"dev/bleu": float(metric.corpus_score(texts, [references]).score)}

    return probe


def _tokenizer(recipe: Recipe, train: Corpus) -> PreTrainedTokenizerBase:
    """Load the tokenizer of the run, from this stage or the warm-up, or train one where none has our marks."""
    for stage in (STAGE, "sft"):
        if found := checkpoints.latest(Path(recipe.out) / stage):
            tokenizer = build.load_tokenizer(found)
            if tokenizer.get_vocab().keys() >= set(SPECIAL_TOKENS):
                return tokenizer
    return train_tokenizer((text for pair in train.pairs for text in (pair.source, pair.target)), recipe.vocabulary)


def _weights(folder: Path) -> Mapping[str, Tensor]:
    return load_translator(folder).state_dict()
