"""Simultaneous translation: a language model that translates while it reads.

from seqpo.tasks import translation

pairs = translation.grammar.sample("de-en", 1000, 0, "train")
"""

from typing import TYPE_CHECKING

from seqpo.lazy import lazily

if TYPE_CHECKING:
    from seqpo.tasks.translation import grammar as grammar
    from seqpo.tasks.translation import quality as quality
    from seqpo.tasks.translation.corpora import Pair as Pair
    from seqpo.tasks.translation.corpora import read_pairs as read_pairs
    from seqpo.tasks.translation.metrics import METRICS as METRICS
    from seqpo.tasks.translation.renderer import chat_renderer as chat_renderer
    from seqpo.tasks.translation.renderer import plain_renderer as plain_renderer
    from seqpo.tasks.translation.rewards import FUSIONS as FUSIONS
    from seqpo.tasks.translation.schedules import ScheduleMixture as ScheduleMixture
    from seqpo.tasks.translation.task import TranslationTask as TranslationTask
    from seqpo.tasks.translation.traces import Trace as Trace
    from seqpo.tasks.translation.traces import format_trace as format_trace
    from seqpo.tasks.translation.vocabulary import train_tokenizer as train_tokenizer

__getattr__, __all__ = lazily(
    __name__,
    {
        "seqpo.tasks.translation.grammar": (),
        "seqpo.tasks.translation.quality": (),
        "seqpo.tasks.translation.corpora": ("Pair", "read_pairs"),
        "seqpo.tasks.translation.metrics": ("METRICS",),
        "seqpo.tasks.translation.renderer": ("chat_renderer", "plain_renderer"),
        "seqpo.tasks.translation.rewards": ("FUSIONS",),
        "seqpo.tasks.translation.schedules": ("ScheduleMixture",),
        "seqpo.tasks.translation.task": ("TranslationTask",),
        "seqpo.tasks.translation.traces": ("Trace", "format_trace"),
        "seqpo.tasks.translation.vocabulary": ("train_tokenizer",),
    },
)
