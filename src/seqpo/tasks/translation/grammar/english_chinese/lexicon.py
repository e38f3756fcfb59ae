"""The English and Chinese words, and what goes with what.

The words stand in the tables of ``words``. Nouns come in kinds and have the measure word that Chinese counts them with;
a verb names the kinds of its objects. Adjectives are given as they stand before a Chinese noun, with 的 where it is
needed.
"""

from dataclasses import dataclass
from pathlib import Path
from typing import cast, get_args

from seqpo.tasks.translation.grammar.english import Agreement
from seqpo.tasks.translation.grammar.tables import ASPECTS, YES_NO, Aspect, read, read_groups, read_pairs


@dataclass(frozen=True, slots=True)
class Noun:
    """A noun and its measure word: *a book*, 一本书; *a cup of tea*, 一杯茶.

    ``owned`` says whether it can be somebody's: *my teacher*, but not *my tourist*.
    """

    english: str
    chinese: str
    measure: str
    kind: str
    owned: bool = True


@dataclass(frozen=True, slots=True)
class Verb:
    """A verb and the kinds of its object; an ``event`` can't be going on or be wanted, a ``state`` has no time.

    ``preposition`` is the English one of the person for whom something is done; such a verb has for ``kinds`` the
    names of its objects.
    """

    english: str
    chinese: str
    kinds: tuple[str, ...] = ()
    aspect: Aspect = "action"
    preposition: str = ""


@dataclass(frozen=True, slots=True)
class Place:
    """Where one can be: *in the forest*, 在森林里, or on, under, behind what: *on the table*, 桌子上.

    ``eating`` says whether one eats there.
    """

    preposition: str
    english: str
    chinese: str
    side: str
    eating: bool


@dataclass(frozen=True, slots=True)
class Pronoun:
    """A personal pronoun: English subject, object and possessive, and Chinese."""

    subject: str
    object: str
    possessive: str
    chinese: str
    agreement: Agreement


WORDS = Path(__file__).parent / "words"


def _noun(kind: str, cells: list[str]) -> Noun:
    english, chinese, measure, owned = cells
    return Noun(english, chinese, measure, kind, owned == "yes")


def _place(cells: list[str]) -> Place:
    preposition, english, chinese, side, eating = cells
    return Place(preposition, english, chinese, side, eating == "yes")


def _verb(use: str, cells: list[str]) -> Verb:
    english, chinese, preposition, kinds = cells
    return Verb(english, chinese, tuple(kinds.split()), ASPECTS.get(use, "action"), preposition)


NOUNS = {
    kind: tuple(_noun(kind, cells) for cells in lines)
    for kind, lines in read_groups(WORDS / "nouns.tsv", "kind english chinese measure owned", owned=YES_NO).items()
}
NOUNS_BY_NAME = {noun.english: noun for group in NOUNS.values() for noun in group}
# sung for someone, but not bought, lost or translated as other texts are
NOUNS_BY_NAME["song"] = Noun("song", "歌", "首", "text")

PLACES_BY_USE = {
    use: tuple(_place(cells) for cells in lines)
    for use, lines in read_groups(
        WORDS / "places.tsv",
        "use preposition english chinese side eating",
        use=("place", "spot"),
        eating=YES_NO,
    ).items()
}
PLACES = PLACES_BY_USE["place"]
EATING_PLACES = tuple(place for place in PLACES if place.eating)
SPOTS = PLACES_BY_USE["spot"]

VERBS = {
    use: tuple(_verb(use, cells) for cells in lines)
    for use, lines in read_groups(
        WORDS / "verbs.tsv",
        "use english chinese preposition kinds",
        use=("action", "event", "state", "intransitive", "transfer", "placement", "saying", "report"),
        kinds=(*NOUNS, *NOUNS_BY_NAME, "-"),
    ).items()
}
INTRANSITIVES = VERBS["intransitive"]
TRANSFERS = VERBS["transfer"]
PLACEMENTS = VERBS["placement"]
SAYINGS = VERBS["saying"]
REPORTS = VERBS["report"]
VERBS_BY_OBJECT: dict[str, dict[Aspect, tuple[Verb, ...]]] = {
    kind: {aspect: tuple(verb for verb in VERBS[aspect] if kind in verb.kinds) for aspect in get_args(Aspect)}
    for kind in NOUNS
}

ADJECTIVES = read_pairs(WORDS / "adjectives.tsv", "kinds english chinese", kinds=NOUNS)
PHRASES = read_pairs(
    WORDS / "phrases.tsv",
    "use english chinese",
    use=("feeling", "manner", "frequency", "habit", "past", "plan", "number", "modal", "name"),
)
FEELINGS = PHRASES["feeling"]
MANNERS = PHRASES["manner"]
FREQUENCIES = PHRASES["frequency"]
HABITS = PHRASES["habit"]
PASTS = PHRASES["past"]
PLANS = PHRASES["plan"]
NUMBERS = PHRASES["number"]
NAMES = PHRASES["name"]
MODALS = PHRASES["modal"]
"""English and Chinese; all but *must* can be denied."""

PRONOUNS = tuple(
    Pronoun(subject, object_, possessive, chinese, cast("Agreement", agreement))
    for subject, object_, possessive, chinese, agreement in read(
        WORDS / "pronouns.tsv", "subject object possessive chinese agreement", agreement=get_args(Agreement)
    )
)
