"""The tokenizer that is trained for streaming: what is cut apart is encoded as if it were whole."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from transformers import PreTrainedTokenizerFast

from seqpo.tasks.translation.renderer import SPECIAL_TOKENS
from seqpo.tasks.translation.vocabulary import train_tokenizer

SENTENCES = [
    "Ich weiß, dass er morgen früh nach Köln fährt.",
    "I know that he is going to Cologne tomorrow morning.",
    "我知道他明天早上去科隆。",
    "Zwölf Boxkämpfer jagen Viktor quer über den großen Sylter Deich!",
]


@pytest.fixture(scope="module")
def tokenizer() -> PreTrainedTokenizerFast:
    return train_tokenizer(SENTENCES * 5, 400)


def _ids(tokenizer: PreTrainedTokenizerFast, text: str) -> list[int]:
    return tokenizer.encode(text, add_special_tokens=False, split_special_tokens=True)


@pytest.mark.parametrize("text", [*SENTENCES, "Unseen: naïve café, 50% 🎉 — 你好，世界！", "a  b"])
def test_text_comes_back(tokenizer: PreTrainedTokenizerFast, text: str):
    assert tokenizer.decode(_ids(tokenizer, text)) == text


words = st.text(st.characters(codec="utf-8", exclude_categories=["Z", "C"]), min_size=1, max_size=6)
known = st.sampled_from([word for sentence in SENTENCES for word in sentence.split()])


@settings(deadline=None)
@given(st.lists(words | known, min_size=1, max_size=8))
def test_the_words_of_a_sentence_are_encoded_as_the_whole(tokenizer: PreTrainedTokenizerFast, sentence: list[str]):
    pieces = [token for word in sentence for token in _ids(tokenizer, " " + word)]
    assert pieces == _ids(tokenizer, " " + " ".join(sentence))


chinese = st.text(st.characters(min_codepoint=0x4E00, max_codepoint=0x9FFF) | st.sampled_from("，。！？《》、：々のカ"))


@settings(deadline=None)
@given(chinese)
def test_chinese_characters_are_encoded_as_the_whole(tokenizer: PreTrainedTokenizerFast, text: str):
    assert [token for character in text for token in _ids(tokenizer, character)] == _ids(tokenizer, text)


def test_frequent_words_and_characters_are_single_tokens(tokenizer: PreTrainedTokenizerFast):
    assert len(_ids(tokenizer, " Ich")) == 1
    assert len(_ids(tokenizer, "知")) == 1
    assert len(_ids(tokenizer, "知道")) == 2


def test_special_tokens_have_ids_of_their_own(tokenizer: PreTrainedTokenizerFast):
    assert tokenizer.convert_tokens_to_ids(list(SPECIAL_TOKENS)) == [0, 1, 2, 3]
    assert all(len(_ids(tokenizer, token)) > 1 for token in SPECIAL_TOKENS)  # not where a text only spells them
    assert tokenizer.eos_token == tokenizer.pad_token == "<|stop|>"
    assert len(tokenizer) <= 400


def test_training_is_reproducible(tokenizer: PreTrainedTokenizerFast):
    assert train_tokenizer(SENTENCES * 5, 400).get_vocab() == tokenizer.get_vocab()


def test_a_vocabulary_without_room_for_the_bytes_raises():
    with pytest.raises(ValueError, match="needs 260 entries at least, got 259"):
        train_tokenizer(SENTENCES, 259)
    assert len(train_tokenizer(SENTENCES, 260)) == 260
