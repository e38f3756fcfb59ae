"""SEG1 and SEG2 over a run's translator: segmenters that learn from training sentences, as systems of a report."""

from __future__ import annotations

import re
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cache, cached_property, partial
from itertools import pairwise

from seqpo.runs.systems import Progress, System
from seqpo.tasks.read_write.build import PRETRAINING, TranslatorSetup
from seqpo.tasks.read_write.config import ReadWriteRun, SegmentationConfig
from seqpo.tasks.read_write.deciders import WaitUntilEnd, translate_segments
from seqpo.tasks.read_write.decoding import decode
from seqpo.tasks.read_write.segmentation.boundaries import (
    Segment,
    SegmentOracle,
    greedy_boundaries,
    learn_pos_boundaries,
)
from seqpo.tasks.read_write.segmentation.classifier import Segmenter, tag, train_classifier
from seqpo.tasks.read_write.task import encode_source
from seqpo.tasks.read_write.translator.pairs import fitting
from seqpo.tasks.translation.build import corpus
from seqpo.tasks.translation.corpora import Pair
from seqpo.tasks.translation.traces import Trace
from seqpo.tasks.translation.units import split


def segmentation_systems(run: ReadWriteRun, over: TranslatorSetup) -> list[System]:
    """List SEG1 and, where parts of speech can be had, SEG2, at each mean length of segments that is asked for."""
    asked = run.evaluation.segmentation
    if not asked.mu:
        return []
    train = corpus(run.data, "train", run.seed).pairs
    pairs = fitting(train, over.renderer, run.translator.max_pieces)[: asked.sentences]
    training = SegmenterTraining(over, pairs, run.data.source_language, asked)
    ways = {"seg1": training.seg1} | ({"seg2": training.seg2} if training.tags is not None else {})
    return [
        System(
            f"{name}-{mu:g}",
            PRETRAINING,
            partial(training.translate, cache(partial(learn, mu))),
            family=name,
            is_baseline=True,
            settings={"policy": f"{name}, mu {mu:g}, learned from {len(pairs)} sentences", "decoding": "greedy"},
        )
        for name, learn in ways.items()
        for mu in asked.mu
    ]


@dataclass(frozen=True)
class SegmenterTraining:
    """What segmenters learn from.

    Attributes:
        over: the translator.
        pairs: training sentences.
        language: of the source.
        asked: how they learn.
    """

    over: TranslatorSetup
    pairs: Sequence[Pair]
    language: str
    asked: SegmentationConfig

    @cached_property
    def tags(self) -> list[tuple[str, ...]] | None:
        """The parts of speech of the sentences; None, after saying why, where they can't be had."""
        try:
            return parts_of_speech(self.over.sources(self.pairs), self.language)
        except (ModuleNotFoundError, ValueError) as error:
            print(f"SEG2 is left out, and SEG1 learns from words alone: {error}", file=sys.stderr)
            return None

    @cached_property
    def oracle(self) -> SegmentOracle:
        """Knows the translations of all segments."""
        references = [split(pair.target, self.over.renderer.target_unit) for pair in self.pairs]
        return SegmentOracle(self.over.sources(self.pairs), references, self._translations, self.asked.max_length)

    def seg1(self, mu: float) -> Segmenter:
        """Teach a classifier the places that were chosen greedily."""
        return train_classifier(self.oracle.sentences, self.tags, greedy_boundaries(self.oracle, mu))

    def seg2(self, mu: float) -> Segmenter:
        """Choose pairs of tags."""
        assert self.tags is not None
        return learn_pos_boundaries(self.oracle, self.tags, mu=mu, alpha=self.asked.alpha)

    def translate(self, segmenter: Callable[[], Segmenter], pairs: Sequence[Pair], progress: Progress) -> list[Trace]:
        """Translate sentences segment by segment."""
        over, learned = self.over, segmenter()
        sources = over.sources(pairs)
        tags = [None] * len(sources) if self.tags is None else parts_of_speech(sources, self.language)
        segmented = [
            [encode_source(over.renderer, segment) for segment in _cut(units, learned.boundaries(units, own))]
            for units, own in zip(sources, tags, strict=True)
        ]
        found = translate_segments(over.decoding, segmented)
        progress(len(found))
        return [over.trace(units, steps) for units, steps in zip(sources, found, strict=True)]

    def _translations(self, segments: Sequence[Segment]) -> list[tuple[str, ...]]:
        encoded = [encode_source(self.over.renderer, segment) for segment in segments]
        found = decode(self.over.decoding, encoded, WaitUntilEnd())
        return [self.over.trace(segment, steps).units for segment, steps in zip(segments, found, strict=True)]


def parts_of_speech(sources: Sequence[Sequence[str]], language: str) -> list[tuple[str, ...]]:
    """Tag units that bring their punctuation: the tag of the word, and after it the marks that end the unit.

    Raises:
        ModuleNotFoundError: HanTa isn't installed.
        ValueError: it has no model of the language.
    """
    ends = [[_end_of(unit) for unit in units] for units in sources]
    rows = zip(sources, ends, strict=True)
    tags = tag([[unit.removesuffix(end) for unit, end in zip(*row, strict=True)] for row in rows], language)
    return [tuple(map(str.__add__, *row)) for row in zip(tags, ends, strict=True)]


def _end_of(unit: str) -> str:
    """The punctuation marks at the end of a unit; none of a unit that is nothing else."""
    found = re.search(r"(?<=\w)[^\w]+$", unit)
    return found[0] if found else ""


def _cut(units: tuple[str, ...], boundaries: Sequence[int]) -> list[tuple[str, ...]]:
    """Cut a sentence after these positions."""
    return [units[begin:end] for begin, end in pairwise((0, *(place + 1 for place in boundaries)))]
