"""Quality of single sentences, as a reward: BLEU, chrF, a function of one's own, or an HTTP service."""

import json
import math
import urllib.error
import urllib.request
from collections.abc import Callable, Sequence
from functools import lru_cache
from http.client import HTTPException
from numbers import Real
from typing import TYPE_CHECKING

from seqpo import catalogs

if TYPE_CHECKING:
    from sacrebleu.metrics.base import Metric

QualityMetric = Callable[[Sequence[str], Sequence[str], Sequence[str]], list[float]]
"""(sources, hypotheses, references) -> one score for each, higher is better."""

_TOKENIZERS = {"zh": "zh", "ja": "ja-mecab", "ko": "ko-mecab"}
_TIMEOUT = 120.0  # seconds; a neural metric on a CPU takes its time for a batch


class QualityError(ValueError):
    """A quality metric that cannot be had, or that does not give one finite number for each sentence."""


def tokenizer_for(language: str) -> str:
    """Name sacrebleu's tokenizer for a target language: `zh`, `ja-mecab`, `ko-mecab`, and `13a` for all others.

    `language` is a code such as `de`, or `zh-CN`; only its first part counts.
    """
    return _TOKENIZERS.get(language.lower().replace("_", "-").split("-")[0], "13a")


def get(spec: str, *, language: str) -> QualityMetric:
    """Give the quality metric that a word names.

    - `bleu`: sacrebleu's sentence BLEU, exponential smoothing, effective order, tokenized for the target language
    - `chrf`: sacrebleu's chrF2
    - `module:name`: a function of (sources, hypotheses, references) that returns a list of scores
    - `http://…`, `https://…`: a service that answers POST {"sources", "hypotheses", "references"} with {"scores"}

    The metric raises QualityError where lengths differ, and where the scores are not one finite number each.

    Raises:
        QualityError: for an unknown name, a function that cannot be imported, or a tokenizer that isn't installed.
    """
    if spec == "bleu":
        score = _sentence_bleu(tokenizer_for(language))
    elif spec == "chrf":
        score = _sentence_chrf()
    elif spec.startswith(("http://", "https://")):
        return _checked(spec, lambda *texts: _post(spec, *texts))
    elif ":" in spec:
        return _checked(spec, _imported(spec))
    else:
        raise QualityError(f"unknown quality metric {spec!r}: choose bleu, chrf, module:name or an http(s) address")
    return _checked(spec, lambda _, hypotheses, references: list(map(score, hypotheses, references)))


def _sentence_bleu(tokenizer: str) -> Callable[[str, str], float]:
    from sacrebleu.metrics.bleu import BLEU

    try:
        BLEU(tokenize=tokenizer)
    except RuntimeError as error:
        raise QualityError(f"BLEU needs the tokenizer {tokenizer}: {error}") from error
    return _against(lambda ref: BLEU(tokenize=tokenizer, effective_order=True, references=[[ref]]))


def _sentence_chrf() -> Callable[[str, str], float]:
    from sacrebleu.metrics.chrf import CHRF

    return _against(lambda ref: CHRF(references=[[ref]]))


def _against(metric: Callable[[str], "Metric"]) -> Callable[[str, str], float]:
    """Score (hypothesis, reference), given how to make sacrebleu's metric for one reference.

    The n-grams of a reference are counted once for a whole group of hypotheses, and a hypothesis that comes
    again, as in groups they do, is not scored again.
    """
    cached_metric = lru_cache(maxsize=4096)(metric)

    @lru_cache(maxsize=65536)
    def score(hypothesis: str, reference: str) -> float:
        return float(cached_metric(reference).corpus_score([hypothesis], None).score)

    return score


def _imported(spec: str) -> Callable[..., object]:
    try:
        function = catalogs.load(spec, "quality metric")
    except catalogs.CatalogError as error:
        raise QualityError(str(error)) from error
    if not callable(function):
        name = spec.partition(":")[2]
        raise QualityError(f"quality metric {spec!r}: {name!r} is a {type(function).__name__}, not a function")
    return function


def _post(url: str, sources: Sequence[str], hypotheses: Sequence[str], references: Sequence[str]) -> object:
    texts = {"sources": list(sources), "hypotheses": list(hypotheses), "references": list(references)}
    request = urllib.request.Request(
        url, json.dumps(texts).encode(), {"Content-Type": "application/json"}, method="POST"
    )
    try:
        body = json.loads(_fetch(request))
    except urllib.error.HTTPError as error:
        raise QualityError(f"{url}: the service answered {error.code} {error.reason}") from error
    except (OSError, HTTPException) as error:
        raise QualityError(f"{url}: no answer within two tries ({error}); is the service running?") from error
    except ValueError as error:
        raise QualityError(f"{url}: the answer is not JSON ({error})") from error
    if not isinstance(body, dict) or "scores" not in body:
        raise QualityError(f'{url}: the answer must be an object {{"scores": [...]}}')
    return body["scores"]


def _fetch(request: urllib.request.Request) -> bytes:
    """Ask, and once more if the first try fails for a reason that may pass."""
    try:
        return _read(request)
    except urllib.error.HTTPError as error:
        if error.code < 500:
            raise
        error.close()
    except (OSError, HTTPException):
        pass
    return _read(request)


def _read(request: urllib.request.Request) -> bytes:
    with urllib.request.urlopen(request, timeout=_TIMEOUT) as answer:
        content: bytes = answer.read()
    return content


def _checked(spec: str, metric: Callable[..., object]) -> QualityMetric:
    def checked(sources: Sequence[str], hypotheses: Sequence[str], references: Sequence[str]) -> list[float]:
        counts = {len(sources), len(hypotheses), len(references)}
        if len(counts) > 1:
            raise QualityError(
                f"quality metric {spec!r}: {len(sources)} sources, {len(hypotheses)} hypotheses and "
                f"{len(references)} references; give as many of each"
            )
        if not hypotheses:
            return []
        return _numbers(spec, metric(sources, hypotheses, references), len(hypotheses))

    return checked


def _numbers(spec: str, scores: object, count: int) -> list[float]:
    values = scores.tolist() if hasattr(scores, "tolist") else scores
    if not isinstance(values, list | tuple):
        raise QualityError(f"quality metric {spec!r} returned a {type(scores).__name__}, not a list of scores")
    if len(values) != count:
        raise QualityError(f"quality metric {spec!r} returned {len(values)} scores for {count} sentences")
    for i, value in enumerate(values):
        if not isinstance(value, Real) or isinstance(value, bool) or not math.isfinite(value):
            raise QualityError(f"quality metric {spec!r} returned {value!r} for sentence {i}, not a finite number")
    return [float(value) for value in values]
