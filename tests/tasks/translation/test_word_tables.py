"""The words of the embedded corpus, and the reader of the tables they stand in."""

from pathlib import Path

import pytest

from seqpo.tasks.translation.grammar import DIRECTIONS, sample
from seqpo.tasks.translation.grammar.english_chinese import lexicon as english_chinese
from seqpo.tasks.translation.grammar.german_english import lexicon as german_english
from seqpo.tasks.translation.grammar.tables import read, read_groups, read_pairs


def lemmas(direction: str) -> list[tuple[str, str]]:
    """The nouns, names, verbs, adjectives and adverbs of source and target."""
    lexicon = german_english if direction == "de-en" else english_chinese
    described = (*lexicon.ADJECTIVES.values(), lexicon.FEELINGS, lexicon.MANNERS, lexicon.FREQUENCIES, lexicon.NAMES)
    found = [entry for group in described for entry in group]
    if direction == "de-en":
        nouns = [noun for group in german_english.NOUNS.values() for noun in group]
        nouns += [place.noun for place in german_english.PLACES]
        found += [(noun.singular, noun.english) for noun in nouns]
        verbs = [verb for group in german_english.VERBS.values() for verb in group]
        return found + [(verb.prefix + verb.infinitive, verb.english) for verb in verbs]
    found += [(noun.english, noun.chinese) for noun in english_chinese.NOUNS_BY_NAME.values()]
    found += [(place.english, place.chinese) for place in (*english_chinese.PLACES, *english_chinese.SPOTS)]
    return found + [(verb.english, verb.chinese) for group in english_chinese.VERBS.values() for verb in group]


@pytest.mark.parametrize("direction", DIRECTIONS)
def test_each_language_has_hundreds_of_content_words(direction: str) -> None:
    for words in zip(*lemmas(direction), strict=True):
        assert 300 <= len(set(words)) <= 500


def test_an_object_does_not_give_its_verb_away() -> None:
    for verbs in german_english.TRANSITIVES_BY_OBJECT.values():
        assert len({verb.english for verb in verbs}) >= 8
    for verbs_by_aspect in english_chinese.VERBS_BY_OBJECT.values():
        assert len(verbs_by_aspect["action"]) >= 8


@pytest.mark.parametrize("direction", DIRECTIONS)
def test_most_of_the_words_are_used(direction: str) -> None:
    targets = {target for _, target in lemmas(direction)}
    text = " ".join(item.target for item in sample(direction, 3000, seed=3))
    assert sum(target.split()[0] in text for target in targets) > 0.85 * len(targets)


def table(folder: Path, text: str) -> Path:
    path = folder / "nouns.tsv"
    path.write_bytes(text.encode())
    return path


def test_a_table_is_read_in_its_order(tmp_path: Path) -> None:
    path = table(tmp_path, "kinds\tgerman\tenglish\nthing text\talt\told\r\ntext\tgeheim\t-\n")
    assert read(path, "kinds german english") == [["thing text", "alt", "old"], ["text", "geheim", ""]]
    assert read_groups(path, "kinds german english") == {
        "thing": [["alt", "old"]],
        "text": [["alt", "old"], ["geheim", ""]],
    }
    assert read_pairs(path, "kinds german english")["text"] == (("alt", "old"), ("geheim", ""))


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("kind\tenglish\n", r"nouns.tsv:1: the columns are \['kind', 'english'\], they should be \['kind', 'noun'\]"),
        ("", r"nouns.tsv:1: the columns are \[''\], they should be"),
        ("kind\tnoun\nfood\tegg\nfood egg\n", "nouns.tsv:3: 1 cells, but the header names 2 columns"),
        ("kind\tnoun\nfood\tegg\teggs\n", "nouns.tsv:2: 3 cells, but the header names 2 columns"),
        ("kind\tnoun\n\nfood\tegg\n", "nouns.tsv:2: 1 cells"),
        ("kind\tnoun\nfood\t\n", "nouns.tsv:2: noun is ''; write - for nothing"),
        ("kind\tnoun\nfood\tegg \n", "nouns.tsv:2: noun is 'egg '; .* no space around a cell"),
        ("kind\tnoun\nfood\tegg\nfod\tpear\n", "nouns.tsv:3: kind can't be fod; choose from food, drink"),
        ("kind\tnoun\n-\tegg\n", "nouns.tsv:2: kind can't be -; choose from food, drink"),
    ],
)
def test_a_malformed_table_is_refused_with_file_and_line(tmp_path: Path, text: str, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        read(table(tmp_path, text), "kind noun", kind=("food", "drink"))


def test_another_encoding_is_refused_with_file_and_line(tmp_path: Path) -> None:
    path = tmp_path / "nouns.tsv"
    path.write_bytes("kind\tnoun\nfood\tKäse\n".encode("latin-1"))
    with pytest.raises(ValueError, match=r"nouns.tsv:2: not UTF-8"):
        read(path, "kind noun")
