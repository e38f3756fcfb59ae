import json
import sys
import threading
import types
from collections.abc import Callable, Iterator, Sequence
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import sacrebleu
import torch

from seqpo.tasks.translation import quality
from seqpo.tasks.translation.corpora import read_pairs
from seqpo.tasks.translation.quality import QualityError, tokenizer_for

TWO = (["eins", "zwei"], ["one", "too"], ["one", "two"])


@pytest.mark.parametrize(
    ("language", "tokenizer"),
    [
        ("zh", "zh"),
        ("zh-CN", "zh"),
        ("ZH_Hant", "zh"),
        ("ja", "ja-mecab"),
        ("ko", "ko-mecab"),
        ("de", "13a"),
        ("en", "13a"),
    ],
)
def test_tokenizers_follow_the_target_language(language: str, tokenizer: str) -> None:
    assert tokenizer_for(language) == tokenizer


@pytest.fixture(scope="module", params=["en-zh", "zh-en"])
def outputs(request: pytest.FixtureRequest, shared_data: Path) -> tuple[str, list[str], list[str]]:
    """Target language, real system outputs (two systems one after the other) and their references."""
    direction: str = request.param
    columns = {"en-zh": ("en", "zh_A"), "zh-en": ("zh", "en_A")}[direction]
    path = shared_data / "wmt" / f"generaltest2022.{direction}.tsv.gz"
    corpus = read_pairs(path, source=columns[0], target=columns[1])
    references = [pair.target for pair in corpus.pairs[:300]]
    hypotheses: list[str] = []
    for system in ("Lan-Bridge", "Online-A"):
        path = shared_data / "metric_oracle" / f"generaltest2022.{direction}.{system}.txt"
        hypotheses += path.read_text(encoding="utf-8").split("\n")[: len(references)]
    return direction[-2:], hypotheses, references * 2


def test_bleu_equals_sacrebleu_sentence_by_sentence(outputs: tuple[str, list[str], list[str]]) -> None:
    language, hypotheses, references = outputs
    expected = [
        sacrebleu.sentence_bleu(hypothesis, [reference], tokenize=tokenizer_for(language)).score
        for hypothesis, reference in zip(hypotheses, references, strict=True)
    ]
    assert quality.get("bleu", language=language)(references, hypotheses, references) == expected
    assert max(expected) > 60


def test_chrf_equals_sacrebleu_sentence_by_sentence(outputs: tuple[str, list[str], list[str]]) -> None:
    language, hypotheses, references = outputs
    expected = [
        sacrebleu.sentence_chrf(hypothesis, [reference]).score
        for hypothesis, reference in zip(hypotheses, references, strict=True)
    ]
    assert quality.get("chrf", language=language)(references, hypotheses, references) == expected


@pytest.mark.parametrize("name", ["bleu", "chrf"])
def test_extremes(name: str) -> None:
    metric = quality.get(name, language="en")
    text = "the old man gives the child an apple."
    assert metric(["", "", ""], [text, "", "xyz"], [text] * 3) == pytest.approx([100, 0, 0])
    assert metric([], [], []) == []


def test_a_tokenizer_that_is_not_installed_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sacrebleu.tokenizers.tokenizer_ja_mecab.MeCab", None)
    with pytest.raises(QualityError, match=r"(?s)ja-mecab.*pip install sacrebleu\[ja\]"):
        quality.get("bleu", language="ja")


Offer = Callable[[Any], str]


@pytest.fixture
def offer(monkeypatch: pytest.MonkeyPatch) -> Offer:
    """Put an object where `my_metrics:score` finds it."""

    def install(score: Any) -> str:
        module = types.ModuleType("my_metrics")
        module.score = score  # type: ignore[attr-defined]
        monkeypatch.setitem(sys.modules, "my_metrics", module)
        return "my_metrics:score"

    return install


def exact(sources: Sequence[str], hypotheses: Sequence[str], references: Sequence[str]) -> list[float]:
    return [float(hypothesis == reference) for hypothesis, reference in zip(hypotheses, references, strict=True)]


@pytest.mark.parametrize(
    "function", [exact, lambda *texts: np.array(exact(*texts)), lambda *texts: torch.tensor(exact(*texts))]
)
def test_a_function_of_ones_own_scores(offer: Offer, function: Any) -> None:
    assert quality.get(offer(function), language="en")(*TWO) == [1.0, 0.0]


@pytest.mark.parametrize(
    ("result", "message"),
    [
        ([1.0], "returned 1 scores for 2 sentences"),
        ([1.0, float("nan")], "returned nan for sentence 1"),
        ([float("inf"), 0.0], "returned inf for sentence 0"),
        (["0.5", 1.0], "returned '0.5' for sentence 0, not a finite number"),
        ([True, False], "returned True for sentence 0"),
        (0.5, "returned a float, not a list"),
        (None, "returned a NoneType, not a list"),
    ],
)
def test_scores_that_are_not_one_finite_number_each_are_refused(offer: Offer, result: Any, message: str) -> None:
    metric = quality.get(offer(lambda *texts: result), language="en")
    with pytest.raises(QualityError, match=f"'my_metrics:score' {message}"):
        metric(*TWO)


@pytest.mark.parametrize(
    ("spec", "message"),
    [
        ("comet", "unknown quality metric 'comet': choose bleu, chrf, module:name or an http"),
        ("no_such_module:score", r"cannot import 'no_such_module' .*PYTHONPATH"),
        ("my_metrics:other", "module 'my_metrics' has no 'other'"),
        ("my_metrics:score", "'score' is a int, not a function"),
    ],
)
def test_metrics_that_cannot_be_had_are_explained(offer: Offer, spec: str, message: str) -> None:
    offer(3)
    with pytest.raises(QualityError, match=message):
        quality.get(spec, language="en")


def test_unequal_numbers_of_texts_are_refused() -> None:
    with pytest.raises(QualityError, match="2 sources, 1 hypotheses and 2 references"):
        quality.get("bleu", language="en")(["a", "b"], ["a"], ["a", "b"])


class Service(ThreadingHTTPServer):
    """Answers with the given (status, body)s, one after the other, and keeps what it was asked."""

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.answers: list[tuple[int, bytes]] = []
        self.asked: list[Any] = []

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_port}/score"


class Handler(BaseHTTPRequestHandler):
    server: Service

    def do_POST(self) -> None:
        self.server.asked.append(json.loads(self.rfile.read(int(self.headers["Content-Length"]))))
        status, body = self.server.answers.pop(0)
        self.send_response(status)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: Any) -> None:
        pass


@pytest.fixture
def service() -> Iterator[Service]:
    with Service() as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        yield server
        server.shutdown()
        thread.join()


def test_a_service_scores_over_http(service: Service) -> None:
    service.answers = [(200, b'{"scores": [0.9, 1]}')]
    assert quality.get(service.url, language="en")(*TWO) == [0.9, 1.0]
    assert service.asked == [{"sources": TWO[0], "hypotheses": TWO[1], "references": TWO[2]}]


def test_a_service_that_stumbles_is_asked_once_more(service: Service) -> None:
    service.answers = [(503, b""), (200, b'{"scores": [0.9, 1]}')]
    assert quality.get(service.url, language="en")(*TWO) == [0.9, 1.0]
    service.answers = [(503, b""), (503, b"")]
    with pytest.raises(QualityError, match="answered 503 Service Unavailable"):
        quality.get(service.url, language="en")(*TWO)
    assert len(service.asked) == 4


@pytest.mark.parametrize(
    ("answer", "message"),
    [
        ((404, b""), "answered 404 Not Found"),
        ((200, b"<html>"), "the answer is not JSON"),
        ((200, b"[1, 2]"), r'must be an object \{"scores"'),
        ((200, b'{"scores": [1]}'), "returned 1 scores for 2 sentences"),
        ((200, b'{"scores": [1, NaN]}'), "returned nan for sentence 1"),
    ],
)
def test_a_service_that_answers_wrongly_is_not_asked_again(
    service: Service, answer: tuple[int, bytes], message: str
) -> None:
    service.answers = [answer]
    with pytest.raises(QualityError, match=message):
        quality.get(service.url, language="en")(*TWO)
    assert len(service.asked) == 1


def test_a_service_that_is_not_there_is_named() -> None:
    with Service() as closed:
        url = closed.url
    with pytest.raises(QualityError, match=rf"{url}: no answer within two tries.*is the service running"):
        quality.get(url, language="en")(*TWO)
