"""Parallel text: sentence pairs, and the files and data sets they are read from."""

import gzip
import hashlib
import json
import zlib
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TypeVar

Link = tuple[int, int]
Line = tuple[int, bytes]
Record = Mapping[str, object]
T = TypeVar("T")


class DataError(ValueError):
    """Parallel text that cannot be used; the message names the file, the line and a remedy."""


@dataclass(frozen=True, slots=True)
class Pair:
    """A sentence and its translation.

    `alignment` links source and target units, 0-based, as (source index, target index); None if unknown.
    `verbs` links the source word of a verb that ends its clause to the target unit that translates it.
    """

    source: str
    target: str
    alignment: tuple[Link, ...] | None = None
    verbs: tuple[Link, ...] = ()


@dataclass(frozen=True, slots=True)
class Corpus:
    """Pairs and where they come from.

    `sha256` is the hash of the bytes of the file, compressed as they are (of two files, one after the other),
    or of the text read from a data set. `skipped` counts the bad records that were left out.
    """

    pairs: tuple[Pair, ...]
    name: str
    sha256: str
    skipped: int = 0


def read_pairs(
    path: str | Path,
    *,
    source: str = "source",
    target: str = "target",
    target_path: str | Path | None = None,
    skip_bad: bool = False,
) -> Corpus:
    r"""Read parallel text; the form follows from the suffix, `.gz` after it means compressed.

    - `.tsv`: a header line that names the columns, then one pair a line; `source` and `target` are columns.
      A column `alignment` is read in Pharaoh's form, `0-0 1-2`.
    - `.jsonl`: one object a line; `source` and `target` are keys, and `alignment` a list of [source, target].
    - with `target_path`: two text files, line by line.

    Lines end with `\n` or `\r\n` only: Unicode's other separators are text. `skip_bad` leaves out and counts
    single bad records: a wrong number of cells, bad JSON, invalid UTF-8, an empty side, a wrong alignment.

    Raises:
        DataError: if the text cannot be read, or a record is bad and `skip_bad` is false.
    """
    path = Path(path)
    raw = _read_bytes(path)
    lines = _lines(path, raw)
    if target_path is not None:
        other = Path(target_path)
        raw_other = _read_bytes(other)
        both = _aligned(path, lines, other, _lines(other, raw_other))
        found = _collect(both, partial(_two_lines, path, other), path.name, skip_bad)
        return _corpus(found, path.name, raw + raw_other)
    form = Path(path.stem).suffix if path.suffix == ".gz" else path.suffix
    if form == ".tsv":
        columns = _decode(path, lines[0]).split("\t")
        _require(f"{path}:1", columns, source, target)
        found = _collect(lines[1:], partial(_tsv_line, path, columns, source, target), path.name, skip_bad)
    elif form == ".jsonl":
        found = _collect(lines, partial(_json_line, path, source, target), path.name, skip_bad)
    else:
        raise DataError(
            f"{path}: cannot tell the form of this file; "
            f"use .tsv or .jsonl (each with or without .gz), or give target_path for two text files"
        )
    return _corpus(found, path.name, raw)


def from_datasets(name: str, *, config: str | None = None, split: str = "train", source: str, target: str) -> Corpus:
    """Read a data set that `datasets.load_dataset` knows: of the Hugging Face hub, or a folder.

    `source` and `target` are columns, or languages inside the usual column `translation`.

    Raises:
        ImportError: if the package `datasets` is not installed.
        DataError: if a column is not there or a side is empty.
    """
    try:
        import datasets
    except ImportError as error:
        raise ImportError("reading data sets needs: pip install seqpo[datasets]") from error
    rows = datasets.load_dataset(name, config, split=split)
    title = ":".join(part for part in (name, config, split) if part)
    found = _collect(enumerate(rows), partial(_row, title, source, target), title, skip_bad=False)
    text = "".join(f"{pair.source}\t{pair.target}\n" for pair in found[0])
    return _corpus(found, title, text.encode())


def _collect(
    records: Iterable[T], parse: Callable[[T], Pair], name: str, skip_bad: bool
) -> tuple[tuple[Pair, ...], int]:
    """Parse all records; give the pairs and the number of bad records left out."""
    pairs: list[Pair] = []
    errors: list[DataError] = []
    for record in records:
        try:
            pairs.append(parse(record))
        except DataError as error:
            if not skip_bad:
                raise
            errors.append(error)
    if not pairs:
        reason = f"all {len(errors)} records are bad, the first is {errors[0]}" if errors else "no records"
        raise DataError(f"{name}: {reason}")
    return tuple(pairs), len(errors)


def _corpus(found: tuple[tuple[Pair, ...], int], name: str, content: bytes) -> Corpus:
    pairs, skipped = found
    return Corpus(pairs, name, hashlib.sha256(content).hexdigest(), skipped)


def _read_bytes(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except FileNotFoundError as error:
        raise DataError(f"{path}: no such file in {path.resolve().parent}; check the path") from error
    except OSError as error:
        raise DataError(f"{path}: cannot be read ({error.strerror}); give a file one may read") from error


def _lines(path: Path, raw: bytes) -> list[Line]:
    """Give the lines of a file with their numbers, from 1."""
    if path.suffix == ".gz":
        try:
            raw = gzip.decompress(raw)
        except (OSError, EOFError, zlib.error) as error:
            raise DataError(f"{path}: not a whole gzip file ({error}); fetch or compress it again") from error
    text = raw.removeprefix(b"\xef\xbb\xbf").removesuffix(b"\n")
    if not text:
        raise DataError(f"{path}: the file is empty; give one with a sentence a line")
    return [(number, line.removesuffix(b"\r")) for number, line in enumerate(text.split(b"\n"), start=1)]


def _decode(path: Path, line: Line) -> str:
    number, raw = line
    try:
        return raw.decode()
    except UnicodeDecodeError as error:
        raise DataError(
            f"{path}:{number}: invalid UTF-8 (byte 0x{raw[error.start]:02x} at byte {error.start + 1} of the "
            f"line); convert the file to UTF-8, for example with iconv"
        ) from error


def _aligned(path: Path, lines: Sequence[Line], other: Path, other_lines: Sequence[Line]) -> list[tuple[Line, Line]]:
    if len(lines) != len(other_lines):
        raise DataError(
            f"{path} has {len(lines)} lines, but {other} has {len(other_lines)}: "
            f"give files of one sentence a line in which line n translates line n"
        )
    return list(zip(lines, other_lines, strict=True))


def _two_lines(path: Path, other: Path, lines: tuple[Line, Line]) -> Pair:
    record = {str(path): _decode(path, lines[0]), str(other): _decode(other, lines[1])}
    return _pair(f"{path}:{lines[0][0]}", record, str(path), str(other))


def _tsv_line(path: Path, columns: Sequence[str], source: str, target: str, line: Line) -> Pair:
    where = f"{path}:{line[0]}"
    cells = _decode(path, line).split("\t")
    if len(cells) != len(columns):
        raise DataError(
            f"{where}: {len(cells)} cells, but the header names {len(columns)} columns; "
            f"write a tab inside a text as a space"
        )
    return _pair(where, dict(zip(columns, cells, strict=True)), source, target)


def _json_line(path: Path, source: str, target: str, line: Line) -> Pair:
    where = f"{path}:{line[0]}"
    try:
        record = json.loads(_decode(path, line))
    except json.JSONDecodeError as error:
        raise DataError(f"{where}: bad JSON ({error.msg} at column {error.colno}); write one object a line") from error
    if not isinstance(record, dict):
        raise DataError(f"{where}: a JSON {type(record).__name__}; write one object with keys a line")
    return _pair(where, record, source, target)


def _row(title: str, source: str, target: str, row: tuple[int, Record]) -> Pair:
    number, record = row
    nested = record.get("translation")
    return _pair(f"{title}, row {number}", nested if isinstance(nested, Mapping) else record, source, target)


def _require(where: str, columns: Sequence[str], *names: str) -> None:
    missing = [name for name in names if name not in columns]
    if missing:
        raise DataError(
            f"{where}: no column {' and '.join(map(repr, missing))}; "
            f"choose source and target from: {', '.join(columns)}"
        )


def _pair(where: str, record: Record, source: str, target: str) -> Pair:
    _require(where, list(record), source, target)
    return Pair(
        _side(where, source, record[source]),
        _side(where, target, record[target]),
        _alignment(where, record.get("alignment")),
    )


def _side(where: str, name: str, text: object) -> str:
    if not isinstance(text, str):
        raise DataError(f"{where}: {name!r} is {text!r}; write a text")
    if not text.strip():
        raise DataError(f"{where}: {name!r} is empty; remove the pair, or leave out bad records with skip_bad")
    return text.strip()


def _alignment(where: str, value: object) -> tuple[Link, ...] | None:
    if value is None:
        return None
    links: object = [link.split("-") for link in value.split()] if isinstance(value, str) else value
    if not isinstance(links, list):
        raise DataError(f"{where}: 'alignment' is {value!r}; write '0-0 1-2' or [[0, 0], [1, 2]]")
    return tuple(_link(where, link) for link in links)


def _link(where: str, link: object) -> Link:
    match link:
        case [int() | str() as i, int() | str() as j] if str(i).isdecimal() and str(j).isdecimal():
            return int(i), int(j)
    raise DataError(f"{where}: {link!r} is no alignment link; write indices from 0, as 0-0 or [0, 0]")
