"""German inflection: determiners, adjective endings, nouns and verb forms."""

from functools import cache
from typing import Literal

from seqpo.tasks.translation.grammar.english import Agreement

Case = Literal["nominative", "accusative", "dative"]
Gender = Literal["m", "f", "n", "p"]
"""Masculine, feminine, neuter; in the plural, where German has no genders, ``p``."""

CASES: tuple[Case, ...] = ("nominative", "accusative", "dative")


def _forms(table: str) -> dict[tuple[Gender, Case], str]:
    """Endings in the order m, f, n, p, each in the three cases; ``-`` is no ending."""
    genders: tuple[Gender, ...] = ("m", "f", "n", "p")
    cells = [(gender, case) for gender in genders for case in CASES]
    return {cell: form.strip("-") for cell, form in zip(cells, table.split(), strict=True)}


DEFINITE = _forms("der den dem  die die der  das das dem  die die den")
THIS = _forms("er en em  e e er  es es em  e e en")
EIN = _forms("- en em  e e er  - - em  e e en")

WEAK = _forms("e en en  e e en  e e en  en en en")
MIXED = _forms("er en en  e e en  es es en  en en en")
STRONG = _forms("er en em  e e er  es es em  e e en")

CONTRACTIONS = {
    ("in", "dem"): "im",
    ("in", "das"): "ins",
    ("an", "dem"): "am",
    ("zu", "dem"): "zum",
    ("zu", "der"): "zur",
}

HIGH = {"hoch": "hoh"}


def determiner(stem: str, gender: Gender, case: Case) -> str:
    """The form of *der*, of *dies-* and *jed-*, or of *ein*, *kein* and the possessives."""
    if stem == "der":
        return DEFINITE[gender, case]
    return stem + (THIS if stem in ("dies", "jed") else EIN)[gender, case]


@cache
def adjective(stem: str, after: str, gender: Gender, case: Case) -> str:
    """An adjective before a noun, inflected for the determiner it stands after (``""``: none, or a number)."""
    endings = STRONG if not after else WEAK if after in ("der", "dies", "jed") else MIXED
    if stem.endswith("e"):
        stem = stem[:-1]
    elif stem.endswith(("auer", "euer", "el")):
        stem = stem[:-2] + stem[-1]
    return HIGH.get(stem, stem) + endings[gender, case]


def relative_pronoun(gender: Gender, case: Case) -> str:
    """*der*, *die*, *das* as a relative pronoun."""
    return "denen" if (gender, case) == ("p", "dative") else DEFINITE[gender, case]


def dative_plural(plural: str) -> str:
    """The dative of a plural: *den Kindern*, but *den Frauen*, *den Autos*."""
    return plural if plural.endswith(("n", "s")) else plural + "n"


@cache
def present(infinitive: str, third_person: str, agreement: Agreement) -> str:
    """The present form of a verb, from its infinitive without separable prefix and its *er* form."""
    if agreement == "3s":
        return third_person
    if agreement == "p":
        return infinitive
    if infinitive == "wissen":
        return third_person
    if infinitive.endswith("eln"):
        return infinitive[:-3] + "le"
    return infinitive[:-1] + ("e" if infinitive.endswith("ern") else "")


def auxiliary(perfect: str, agreement: Agreement) -> str:
    """The form of *haben* or *sein* in a perfect whose third person has ``perfect`` (*hat* or *ist*)."""
    forms: dict[str, dict[Agreement, str]] = {
        "hat": {"1s": "habe", "3s": "hat", "p": "haben"},
        "ist": {"1s": "bin", "3s": "ist", "p": "sind"},
    }
    return forms[perfect][agreement]
