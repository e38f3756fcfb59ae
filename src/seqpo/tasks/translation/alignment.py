"""Word alignment of parallel text with eflomal, for supervised schedules of monotone segments."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path

from seqpo.tasks.translation.corpora import Link, Pair
from seqpo.tasks.translation.units import Unit, split

_NEIGHBOURS = ((-1, 0), (0, -1), (1, 0), (0, 1), (-1, -1), (-1, 1), (1, -1), (1, 1))


def align(pairs: Sequence[Pair], source_unit: Unit, target_unit: Unit) -> tuple[Pair, ...]:
    """Align every pair, in both directions, and symmetrize (grow-diag-final-and, Koehn et al. 2003).

    The aligner learns from these pairs alone: a thousand is little, ten thousand is good.

    Raises:
        ModuleNotFoundError: eflomal isn't installed.
    """
    try:
        import eflomal
    except ModuleNotFoundError as error:
        raise ModuleNotFoundError("word alignment needs eflomal: pip install 'seqpo[align]'", name="eflomal") from error
    with tempfile.TemporaryDirectory() as folder:
        forward, reverse = Path(folder, "forward"), Path(folder, "reverse")
        eflomal.Aligner().align(
            [" ".join(_words(pair.source, source_unit)) + "\n" for pair in pairs],
            [" ".join(_words(pair.target, target_unit)) + "\n" for pair in pairs],
            links_filename_fwd=str(forward),
            links_filename_rev=str(reverse),
        )
        both = zip(pairs, _links(forward), _links(reverse), strict=True)
        return tuple(replace(pair, alignment=symmetrize(there, back)) for pair, there, back in both)


def symmetrize(forward: set[Link], reverse: set[Link]) -> tuple[Link, ...]:
    """Join the alignments of both directions: their agreement, grown by neighbours and by words left alone.

    Args:
        forward: (source, target) links of one direction.
        reverse: (source, target) links of the other.
    """
    union, links = forward | reverse, forward & reverse
    grown = True
    while grown:
        grown = False
        for source, target in sorted(links):
            for step_source, step_target in _NEIGHBOURS:
                link = (source + step_source, target + step_target)
                if link in union and link not in links and _alone(link, links, either=True):
                    links.add(link)
                    grown = True
    for direction in (forward, reverse):
        for link in sorted(direction):
            if _alone(link, links, either=False):
                links.add(link)
    return tuple(sorted(links))


def _alone(link: Link, links: set[Link], *, either: bool) -> bool:
    """Whether one of the two words (`either`), or both of them, have no link yet."""
    free = (all(link[0] != source for source, _ in links), all(link[1] != target for _, target in links))
    return any(free) if either else all(free)


def _words(text: str, unit: Unit) -> list[str]:
    """Units as the aligner should see them: lower case, without the punctuation that clings to words."""
    return [word.lower().strip(".,;:!?\"'()„“”»«") or word for word in split(text, unit)]


def _links(file: Path) -> Iterator[set[Link]]:
    with file.open(encoding="ascii") as lines:
        for line in lines:
            yield {(int(a), int(b)) for a, b in (pair.split("-") for pair in line.split())}
