"""How chunks and answers become tokens, with special tokens and with a chat template, and how they are read back."""

from __future__ import annotations

import random
from dataclasses import replace
from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers
from transformers import PreTrainedTokenizerFast

from seqpo.tasks.translation.dialogue import SourceDialogue
from seqpo.tasks.translation.renderer import Detokenizer, Renderer, chat_renderer, plain_renderer
from seqpo.tasks.translation.units import Unit
from seqpo.tasks.translation.vocabulary import train_tokenizer

CHATML = (
    "{% for m in messages %}<|im_start|>{{ m.role }}\n{{ m.content }}<|im_end|>\n{% endfor %}"
    "{% if add_generation_prompt %}<|im_start|>assistant\n{% endif %}"
)
TEXTS = ["Ich weiß, dass er kommt.", "I know that he comes.", "我知道他来。"] * 3


def chat_tokenizer(template: str = CHATML) -> PreTrainedTokenizerFast:
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    alphabet = sorted(pre_tokenizers.ByteLevel.alphabet())
    tokenizer.train_from_iterator(
        TEXTS, trainers.BpeTrainer(vocab_size=300, initial_alphabet=alphabet, show_progress=False)
    )
    fast = PreTrainedTokenizerFast(tokenizer_object=tokenizer, eos_token="<|im_end|>", pad_token="<|im_end|>")
    fast.add_special_tokens({"additional_special_tokens": ["<|im_start|>"]})
    fast.chat_template = template
    return fast


def plain(source: Unit = "word", target: Unit = "word") -> Renderer:
    return plain_renderer(train_tokenizer(TEXTS, 300), source, target)


def test_a_plain_framing_uses_the_special_tokens():
    renderer = plain()
    ids = renderer.tokenizer.convert_tokens_to_ids(["<|start|>", "<|write|>", "<|source-end|>", "<|stop|>"])
    parts = (*renderer.opening, *renderer.closing, *renderer.source_end, renderer.stop)
    assert list(parts) == ids
    assert renderer.between == ()


def test_a_plain_framing_needs_its_tokens():
    with pytest.raises(ValueError, match=r"the tokenizer lacks <\|start\|>, <\|write\|>"):
        plain_renderer(chat_tokenizer(), "word", "word")


def test_an_interleaved_chat_is_what_the_template_makes_of_it():
    tokenizer = chat_tokenizer()
    renderer = chat_renderer(tokenizer, "word", "word", "Translate.")
    script = SourceDialogue(renderer, ("Ich", "weiß,", "dass"), chunk=2)
    episode = script.demonstrate(["I", "know", "that"], [1, 2, 2, 3])
    tokens = [t for turn in episode.turns for t in (*turn.observation.tokens, *turn.action)]
    messages = [
        {"role": "system", "content": "Translate."},
        {"role": "user", "content": " Ich weiß,"},
        {"role": "assistant", "content": " I know"},
        {"role": "user", "content": " dass"},
        {"role": "assistant", "content": ""},
        {"role": "user", "content": " [end]"},
        {"role": "assistant", "content": " that"},
    ]
    text = tokenizer.apply_chat_template(messages, tokenize=False)
    # the last answer ends with its stop token; the template adds a line break
    assert tokenizer.decode(tokens) == text.removesuffix("\n")
    assert tokens == tokenizer.encode(text.removesuffix("\n"), add_special_tokens=False)
    assert tokenizer.convert_ids_to_tokens(renderer.stop) == "<|im_end|>"


def test_a_template_without_system_messages_does_without_the_instruction():
    refusing = "{% if messages[0].role == 'system' %}{{ raise_exception('no system') }}{% endif %}" + CHATML
    renderer = chat_renderer(chat_tokenizer(refusing), "word", "word", "Translate.")
    assert renderer.tokenizer.decode(renderer.opening) == "<|im_start|>user\n"


@pytest.mark.parametrize(
    ("template", "message"),
    [
        (CHATML.replace("m.content", "m.content | replace('2', 'two')"), "does not show the messages as they are"),
        (CHATML.replace("assistant\n{% endif", "assistant\nHm. {% endif"), "frames the last answer unlike"),
        (CHATML.replace("<|im_end|>", "."), "ends an answer without a special token"),
    ],
)
def test_a_template_that_cannot_stream_is_refused(template: str, message: str):
    with pytest.raises(ValueError, match=message):
        chat_renderer(chat_tokenizer(template), "word", "word", "Translate.")


def test_a_character_spread_over_answers_appears_with_its_last_byte():
    tokenizer = train_tokenizer(["a"], 260)  # no merges: a token per byte
    renderer = plain_renderer(tokenizer, "word", "char")
    sad, happy = (tokenizer.encode(text, add_special_tokens=False) for text in ("a哀", "乐b"))
    assert len(sad) == len(happy) == 4
    assert renderer.pieces([sad[:2], sad[2:3], sad[3:], [], happy]) == ["a", "", "哀", "", "乐b"]
    # one that is never finished does not appear
    assert renderer.pieces([sad[:3]]) == ["a"]


texts = st.text(st.characters(codec="utf-8", exclude_characters="\ufffd") | st.sampled_from("Größe 知道🎉"))


@settings(deadline=None)
@given(texts, st.integers(1, 6), st.randoms(use_true_random=False))
def test_the_pieces_of_a_text_make_it_up_however_it_is_cut(text: str, parts: int, rng: random.Random):
    renderer = _BYTES
    tokens = renderer.tokenizer.encode(text, add_special_tokens=False, split_special_tokens=True)
    edges = [0, *sorted(rng.randint(0, len(tokens)) for _ in range(parts - 1)), len(tokens)]
    answers = [tokens[a:b] for a, b in pairwise(edges)]
    pieces = renderer.pieces(answers)
    assert len(pieces) == parts
    assert "".join(pieces) == text


@settings(deadline=None)
@given(st.lists(st.lists(st.integers(4, 259), max_size=4), max_size=6))
def test_whatever_is_written_nothing_is_said_twice(answers: list[list[int]]):
    whole = _BYTES.tokenizer.decode([token for answer in answers for token in answer])
    assert "".join(_BYTES.pieces(answers)) == whole.rstrip("\ufffd")


class Spaced:
    """Words by number; their text drops the space before the first, as SentencePiece does."""

    def decode(self, tokens: list[int], **_: object) -> str:
        return "".join(["", " ", " der", " alte", "r", "!"][token] for token in tokens).removeprefix(" ")


@settings(deadline=None)
@given(st.randoms(use_true_random=False), st.integers(0, 400), st.booleans())
def test_a_long_text_is_decoded_piece_by_piece_as_if_it_were_whole(rng: random.Random, count: int, spaced: bool):
    renderer = replace(_BYTES, tokenizer=Spaced()) if spaced else _BYTES  # type: ignore[arg-type]
    highest = 5 if spaced else 259
    detokenizer, written, shown = Detokenizer(renderer), list[int](), ""
    while len(written) < count:
        some = [rng.randint(0 if spaced else 4, highest) for _ in range(rng.randint(0, 5))]
        written += some
        shown += detokenizer.add(some)
        assert shown == renderer.tokenizer.decode(written).rstrip("\ufffd")


def test_a_long_text_costs_no_more_per_token():
    decoded: list[int] = []

    class Counting(Spaced):
        def decode(self, tokens: list[int], **_: object) -> str:
            decoded.append(len(tokens))
            return super().decode(tokens)

    detokenizer = Detokenizer(replace(_BYTES, tokenizer=Counting()))  # type: ignore[arg-type]
    assert "".join(detokenizer.add([2, 3, 4]) for _ in range(500)) == ("der alter " * 500)[:-1]
    assert max(decoded) < 70


_BYTES = plain_renderer(train_tokenizer(["a"], 260), "word", "word")


def test_words_that_begin_are_counted_by_their_space():
    renderer = plain()
    words = ["comes", "unknowable", "über-all"]
    for word in words:
        tokens = renderer.target([word])
        assert renderer.unit_starts[list(tokens)].tolist() == [1] + [0] * (len(tokens) - 1)


def test_characters_that_begin_are_counted_by_their_first_byte():
    for renderer in (plain("word", "char"), plain_renderer(_BYTES.tokenizer, "word", "char")):
        starts = renderer.unit_starts
        every_last_byte = map(chr, range(0x4E00, 0x4E40))
        for character in ("知", "魑", "é", "🎉", "，", *every_last_byte):
            tokens = renderer.target([character])
            assert starts[list(tokens)].tolist() == [1] + [0] * (len(tokens) - 1)
        assert starts[[renderer.stop, *renderer.opening, *renderer.closing]].tolist() == [0, 0, 0]


def test_special_tokens_inside_a_text_are_text():
    renderer = plain()
    ids = renderer.source(["<|stop|>", "a<|write|>b"])
    assert renderer.stop not in ids
    assert renderer.closing[0] not in ids
    assert renderer.pieces([ids]) == [" <|stop|> a<|write|>b"]
