"""The German and English words, and what goes with what.

The words stand in the tables of ``words``. Nouns come in kinds (person, food, text …); a verb and an adjective name
the kinds they go with. Every kind of object has many verbs, so that a sentence whose verb is still to come can go on
in many ways.
"""

from dataclasses import dataclass
from pathlib import Path
from typing import cast, get_args

from seqpo.tasks.translation.grammar.english import Agreement
from seqpo.tasks.translation.grammar.german_english.german import Gender
from seqpo.tasks.translation.grammar.tables import ASPECTS, YES_NO, Aspect, read, read_groups, read_pairs


@dataclass(frozen=True, slots=True)
class Noun:
    """A noun; ``plural`` is None if it has none (*Milch*).

    ``weak`` nouns take -n or -en outside the nominative (*den Studenten*).
    ``owned`` says whether it can be somebody's: *mein Bruder*, but not *mein Tourist*.
    """

    singular: str
    plural: str | None
    gender: Gender
    weak: bool
    english: str
    kind: str
    owned: bool


@dataclass(frozen=True, slots=True)
class Place:
    """A noun with the prepositions that mean being there (*auf dem Markt*, *at the market*), and how far it is."""

    noun: Noun
    german: str
    english: str
    distance: str


@dataclass(frozen=True, slots=True)
class Verb:
    """A verb; ``prefix`` is its separable part, ``finite`` its *er* form without it.

    ``kinds`` are the kinds of its object, or of its subject if it has no object (of a motion, how far it goes).
    Only an ``action`` can be wanted and be done carefully; a ``state`` has no time. ``to`` is the English
    preposition of the person who gets or loses something.
    """

    infinitive: str
    prefix: str
    finite: str
    auxiliary: str
    participle: str
    english: str
    kinds: tuple[str, ...] = ()
    aspect: Aspect = "action"
    to: str = ""


@dataclass(frozen=True, slots=True)
class Modal:
    """A modal verb: its forms for *ich* and *er* and for *wir*, the same in the past, and its English words."""

    singular: str
    plural: str
    past_singular: str
    past_plural: str
    english: str


@dataclass(frozen=True, slots=True)
class Pronoun:
    """A personal pronoun: German nominative and dative, English subject and object."""

    nominative: str
    dative: str
    subject: str
    object: str
    agreement: Agreement


WORDS = Path(__file__).parent / "words"
GENDERS: dict[str, Gender] = {"der": "m", "die": "f", "das": "n"}
DISTANCES = ("near", "far")


def _noun(kind: str, cells: list[str]) -> Noun:
    article, singular, plural, weak, owned, english = cells
    return Noun(singular, plural or None, GENDERS[article], weak == "yes", english, kind, owned == "yes")


def _place(cells: list[str]) -> Place:
    article, singular, german, distance, english, meaning = cells
    noun = Noun(singular, None, GENDERS[article], weak=False, english=meaning, kind="place", owned=True)
    return Place(noun, german, english, distance)


def _verb(use: str, cells: list[str]) -> Verb:
    infinitive, present, auxiliary, participle, meaning, to, kinds = cells
    finite, _, prefix = present.partition(" ")
    base, aspect = infinitive.removeprefix(prefix), ASPECTS.get(use, "action")
    return Verb(base, prefix, finite, auxiliary, participle, meaning, tuple(kinds.split()), aspect, to)


def _by_kind(verbs: tuple[Verb, ...]) -> dict[str, tuple[Verb, ...]]:
    """The verbs that go with each kind of noun, for the kinds that have any."""
    found = {kind: tuple(verb for verb in verbs if kind in verb.kinds) for kind in NOUNS}
    return {kind: some for kind, some in found.items() if some}


NOUNS = {
    kind: tuple(_noun(kind, cells) for cells in lines)
    for kind, lines in read_groups(
        WORDS / "nouns.tsv",
        "kind article singular plural weak owned english",
        article=GENDERS,
        weak=YES_NO,
        owned=YES_NO,
    ).items()
}
PLACES = tuple(
    _place(cells)
    for cells in read(
        WORDS / "places.tsv",
        "article singular preposition distance english_preposition english",
        article=GENDERS,
        distance=DISTANCES,
    )
)

VERBS = {
    use: tuple(_verb(use, cells) for cells in lines)
    for use, lines in read_groups(
        WORDS / "verbs.tsv",
        "use infinitive present auxiliary participle english preposition kinds",
        use=("action", "event", "state", "intransitive", "motion", "transfer", "that", "try"),
        auxiliary=("hat", "ist"),
        kinds=(*NOUNS, *DISTANCES, "-"),
    ).items()
}
ACTIONS = VERBS["action"]
EVENTS = VERBS["event"]
STATES = VERBS["state"]
INTRANSITIVES = VERBS["intransitive"]
MOTIONS = VERBS["motion"]
TRANSFERS = VERBS["transfer"]
THAT_VERBS = VERBS["that"]
TRY_VERBS = VERBS["try"]
# the verbs that a rule of the grammar names
SEIN = Verb("sein", "", "ist", "ist", "gewesen", "be", aspect="state")
ASK = Verb("fragen", "", "fragt", "hat", "gefragt", "ask")

SEPARABLE_ACTIONS = tuple(verb for verb in ACTIONS if verb.prefix)
TRANSITIVES_BY_OBJECT = _by_kind((*ACTIONS, *EVENTS, *STATES))
INTRANSITIVES_BY_SUBJECT = _by_kind(INTRANSITIVES)
TRANSFERS_BY_OBJECT = _by_kind(TRANSFERS)

ADJECTIVES = read_pairs(WORDS / "adjectives.tsv", "kinds german english", kinds=NOUNS)
PHRASES = read_pairs(
    WORDS / "phrases.tsv",
    "use german english",
    use=("feeling", "manner", "frequency", "habit", "past", "plan", "number", "possessive", "name"),
)
FEELINGS = PHRASES["feeling"]
MANNERS = PHRASES["manner"]
FREQUENCIES = PHRASES["frequency"]
HABITS = PHRASES["habit"]
PASTS = PHRASES["past"]
PLANS = PHRASES["plan"]
NUMBERS = PHRASES["number"]
POSSESSIVES = PHRASES["possessive"]
NAMES = PHRASES["name"]

PRONOUNS = tuple(
    Pronoun(nominative, dative, subject, object_, cast("Agreement", agreement))
    for nominative, dative, subject, object_, agreement in read(
        WORDS / "pronouns.tsv", "nominative dative subject object agreement", agreement=get_args(Agreement)
    )
)
MODALS = tuple(
    Modal(*cells) for cells in read(WORDS / "modals.tsv", "singular plural past_singular past_plural english")
)
