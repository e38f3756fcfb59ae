"""English inflection: plurals, verb forms and the indefinite article."""

from functools import cache
from typing import Literal

Agreement = Literal["1s", "3s", "p"]
"""The subject a verb agrees with: *I*, *he*, or *we* and *they*."""

VOWELS = frozenset("aeiou")


def _table(text: str) -> dict[str, str]:
    return dict(entry.split(":") for entry in text.split())


IRREGULAR_PLURALS = _table("""
    man:men woman:women child:children mouse:mice sheep:sheep fish:fish knife:knives scarf:scarves
    policeman:policemen salesman:salesmen businessman:businessmen goose:geese wife:wives loaf:loaves
""")

IRREGULAR_PASTS = _table("""
    be:was become:became begin:began break:broke bring:brought build:built buy:bought catch:caught
    choose:chose come:came cut:cut do:did draw:drew drink:drank drive:drove eat:ate fall:fell feed:fed feel:felt
    find:found fly:flew forget:forgot get:got give:gave go:went hang:hung have:had hear:heard
    hide:hid keep:kept know:knew leave:left lend:lent lose:lost make:made mean:meant meet:met
    pay:paid put:put read:read ride:rode run:ran say:said see:saw sell:sold send:sent set:set
    sew:sewed show:showed sing:sang sit:sat sleep:slept spend:spent stand:stood steal:stole
    sweep:swept swim:swam take:took teach:taught tear:tore tell:told think:thought throw:threw
    understand:understood wake:woke wear:wore win:won write:wrote
""")

IRREGULAR_PARTICIPLES = _table("""
    be:been begin:begun break:broken choose:chosen come:come do:done draw:drawn drink:drunk
    drive:driven eat:eaten fall:fallen forget:forgotten give:given go:gone hide:hidden know:known
    ride:ridden run:run see:seen show:shown sing:sung steal:stolen swim:swum take:taken tear:torn
    throw:thrown wake:woken wear:worn write:written
""")

DOUBLING = frozenset(
    ("begin", "chat", "cut", "forget", "get", "hug", "plan", "put", "run", "set", "sit", "stop", "swim", "win")
)
"""Verbs that double their last consonant before *-ed* and *-ing*."""

VOICED_H = ("hour", "honest")
CONSONANT_U = ("uni", "use", "eu", "one")


def indefinite_article(following: str) -> str:
    """*a* or *an*, by the sound the following word begins with."""
    if following.startswith(VOICED_H):
        return "an"
    return "an" if following[0] in VOWELS and not following.startswith(CONSONANT_U) else "a"


@cache
def plural(noun: str) -> str:
    """The plural of a noun; of *cup of tea*, that of its first word."""
    first, *rest = noun.split(" of ")
    if rest:
        return " of ".join((plural(first), *rest))
    *before, last = noun.split()
    return " ".join((*before, IRREGULAR_PLURALS.get(last) or _with_s(last)))


@cache
def present(verb: str, agreement: Agreement) -> str:
    """The present form of a verb; of a phrase like *pick up*, that of its first word."""
    if agreement != "3s":
        return verb
    head, tail = _head(verb)
    return {"have": "has"}.get(head, _with_s(head)) + tail


@cache
def past(verb: str) -> str:
    """The past form of a verb (other than *be*); of a phrase, that of its first word."""
    head, tail = _head(verb)
    return (IRREGULAR_PASTS.get(head) or _with_ed(head)) + tail


@cache
def participle(verb: str) -> str:
    """The past participle of a verb; of a phrase, that of its first word."""
    head, tail = _head(verb)
    return (IRREGULAR_PARTICIPLES.get(head) or past(head)) + tail


@cache
def gerund(verb: str) -> str:
    """The *-ing* form of a verb; of a phrase, that of its first word."""
    head, tail = _head(verb)
    if head in DOUBLING:
        return head + head[-1] + "ing" + tail
    if head.endswith("e") and not head.endswith("ee"):
        return head[:-1] + "ing" + tail
    return head + "ing" + tail


def be(agreement: Agreement, *, past: bool) -> str:
    """*am*, *is*, *are*, *was* or *were*."""
    if past:
        return "were" if agreement == "p" else "was"
    return {"1s": "am", "3s": "is", "p": "are"}[agreement]


def _head(verb: str) -> tuple[str, str]:
    head, space, tail = verb.partition(" ")
    return head, space + tail


def _with_s(word: str) -> str:
    if word.endswith(("s", "x", "z", "ch", "sh")) or word in ("go", "do", "potato", "tomato"):
        return word + "es"
    if word.endswith("y") and word[-2] not in VOWELS:
        return word[:-1] + "ies"
    return word + "s"


def _with_ed(verb: str) -> str:
    if verb.endswith("e"):
        return verb + "d"
    if verb.endswith("y") and verb[-2] not in VOWELS:
        return verb[:-1] + "ied"
    return verb + (verb[-1] if verb in DOUBLING else "") + "ed"
