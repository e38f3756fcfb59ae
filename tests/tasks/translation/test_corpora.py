import gzip
import hashlib
import json
import sys
import types
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from seqpo.tasks.translation.corpora import Corpus, DataError, Pair, from_datasets, read_pairs

TSV = "source\ttarget\nIch weiß.\tI know.\nEr kommt.\tHe comes.\n"


def write(path: Path, content: str | bytes) -> Path:
    raw = content.encode() if isinstance(content, str) else content
    path.write_bytes(gzip.compress(raw) if path.suffix == ".gz" else raw)
    return path


@pytest.mark.parametrize("name", ["a.tsv", "a.tsv.gz", "a.v1.tsv.gz"])
def test_tsv_is_read_with_its_hash(tmp_path: Path, name: str) -> None:
    path = write(tmp_path / name, TSV)
    corpus = read_pairs(path)
    assert corpus.pairs == (Pair("Ich weiß.", "I know."), Pair("Er kommt.", "He comes."))
    assert corpus == Corpus(corpus.pairs, name, hashlib.sha256(path.read_bytes()).hexdigest(), skipped=0)


def test_columns_are_chosen_by_name_and_lines_may_end_in_windows_style(tmp_path: Path) -> None:
    path = write(tmp_path / "a.tsv", "\ufeffen\tid\tde\r\nI know.\t1\tIch weiß.\r\n")
    assert read_pairs(path, source="de", target="en").pairs == (Pair("Ich weiß.", "I know."),)


def test_alignments_are_read_from_both_forms(tmp_path: Path) -> None:
    expected = (Pair("a b", "x y", alignment=((0, 0), (1, 0), (1, 1))),)
    tsv = write(tmp_path / "a.tsv", "source\ttarget\talignment\na b\tx y\t0-0 1-0 1-1\n")
    record = {"source": "a b", "target": "x y", "alignment": [[0, 0], [1, 0], [1, 1]]}
    jsonl = write(tmp_path / "a.jsonl.gz", json.dumps(record) + "\n")
    assert read_pairs(tsv).pairs == read_pairs(jsonl).pairs == expected


def test_two_text_files_are_read_line_by_line_and_hashed_together(tmp_path: Path) -> None:
    de, en = write(tmp_path / "a.de.gz", "eins\nzwei\n"), write(tmp_path / "a.en", "one\ntwo")
    corpus = read_pairs(de, target_path=en)
    assert corpus.pairs == (Pair("eins", "one"), Pair("zwei", "two"))
    assert corpus.sha256 == hashlib.sha256(de.read_bytes() + en.read_bytes()).hexdigest()


@given(st.lists(st.tuples(*[st.text(alphabet="ab \u2028\u0085\x0b\x1e我", min_size=1)] * 2), min_size=1, max_size=5))
def test_only_newlines_end_lines(tmp_path_factory: pytest.TempPathFactory, texts: list[tuple[str, str]]) -> None:
    texts = [(f"<{left}>", f"<{right}>") for left, right in texts]
    path = tmp_path_factory.mktemp("lines") / "a.tsv"
    write(path, "source\ttarget\n" + "".join(f"{left}\t{right}\n" for left, right in texts))
    assert read_pairs(path).pairs == tuple(Pair(left, right) for left, right in texts)


def test_real_corpora_have_the_sizes_they_are_known_for(shared_data: Path) -> None:
    multi30k = read_pairs(shared_data / "multi30k" / "val.de.gz", target_path=shared_data / "multi30k" / "val.en.gz")
    news = read_pairs(shared_data / "wmt" / "newstest2021.en-zh.tsv.gz", source="en", target="zh_A")
    assert len(multi30k.pairs) == 1014
    assert len(news.pairs) == 1002
    assert multi30k.pairs[0].source.startswith("Eine Gruppe von Männern")


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("a.tsv", "de\ten\na\tb\n", r"a.tsv:1: no column 'source' and 'target'; .* from: de, en"),
        ("a.tsv", "source\ttarget\na\tb\nc\n", r"a.tsv:3: 1 cells, .* 2 columns"),
        ("a.tsv", "source\ttarget\na\t \n", r"a.tsv:2: 'target' is empty"),
        ("a.tsv", b"source\ttarget\na\tb\nc\td\xff\n", r"a.tsv:3: invalid UTF-8 \(byte 0xff at byte 4 .*iconv"),
        ("a.tsv", "source\ttarget\talignment\na\tb\t0:0\n", r"a.tsv:2: \['0:0'\] is no alignment link"),
        ("a.tsv", "source\ttarget\talignment\na\tb\t0-\n", r"a.tsv:2: \['0', ''\] is no alignment link"),
        ("a.tsv", "source\ttarget\n", "a.tsv: no records"),
        ("a.tsv", "", "a.tsv: the file is empty"),
        ("a.jsonl", '{"source": "a"}\n', r"a.jsonl:1: no column 'target'; .* from: source"),
        ("a.jsonl", '{"source": "a", "target": "b"}\n{"source"\n', r"a.jsonl:2: bad JSON"),
        ("a.jsonl", "[1]\n", r"a.jsonl:1: a JSON list"),
        ("a.jsonl", '{"source": "a", "target": null}', r"a.jsonl:1: 'target' is None"),
        (
            "a.jsonl",
            '{"source": "a", "target": "b", "alignment": [[-1, 0]]}',
            r"a.jsonl:1: \[-1, 0\] is no alignment",
        ),
        ("a.jsonl", '{"source": "a", "target": "b", "alignment": 3}', r"a.jsonl:1: 'alignment' is 3"),
        ("a.csv", "source,target\n", r"a.csv: cannot tell the form .* \.tsv or \.jsonl"),
    ],
)
def test_errors_name_file_line_and_remedy(tmp_path: Path, name: str, content: str | bytes, message: str) -> None:
    with pytest.raises(DataError, match=message):
        read_pairs(write(tmp_path / name, content))


def test_missing_and_broken_files_are_named(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"b.tsv: no such file in"):
        read_pairs(tmp_path / "b.tsv")
    (tmp_path / "c.tsv.gz").write_bytes(gzip.compress(TSV.encode())[:-9])
    with pytest.raises(DataError, match="not a whole gzip file"):
        read_pairs(tmp_path / "c.tsv.gz")


def test_unequal_line_counts_are_refused_even_when_bad_records_are_left_out(tmp_path: Path) -> None:
    de, en = write(tmp_path / "a.de", "eins\nzwei\n"), write(tmp_path / "a.en", "one\n")
    with pytest.raises(DataError, match=r"a.de has 2 lines, but .*a.en has 1"):
        read_pairs(de, target_path=en, skip_bad=True)


def test_an_empty_side_is_not_taken_for_the_end_of_the_file(tmp_path: Path) -> None:
    de, en = write(tmp_path / "a.de", "eins\nzwei\n"), write(tmp_path / "a.en", "one\n\n")
    with pytest.raises(DataError, match=r"a.de:2: .*a.en' is empty"):
        read_pairs(de, target_path=en)


def test_bad_records_are_left_out_and_counted(tmp_path: Path) -> None:
    path = write(tmp_path / "a.tsv", b"source\ttarget\na\tb\nc\nd\t\n\xff\tx\ne\tf\n")
    corpus = read_pairs(path, skip_bad=True)
    assert corpus.pairs == (Pair("a", "b"), Pair("e", "f"))
    assert corpus.skipped == 3


@pytest.mark.parametrize(
    ("name", "content"), [("a.tsv", "de\ten\na\tb\n"), ("a.jsonl", '{"de": "a", "en": "b"}\n' * 2)]
)
def test_a_wrong_column_is_an_error_even_when_bad_records_are_left_out(tmp_path: Path, name: str, content: str) -> None:
    with pytest.raises(DataError, match=r"no column 'source' and 'target'"):
        read_pairs(write(tmp_path / name, content), skip_bad=True)


def offer_data_set(monkeypatch: pytest.MonkeyPatch, rows: list[dict[str, Any]]) -> list[tuple[Any, ...]]:
    asked: list[tuple[Any, ...]] = []
    module = types.ModuleType("datasets")

    def load_dataset(name: str, config: str | None, *, split: str) -> list[dict[str, Any]]:
        asked.append((name, config, split))
        return rows

    module.load_dataset = load_dataset  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "datasets", module)
    return asked


@pytest.mark.parametrize("row", [{"de": "eins", "en": "one"}, {"translation": {"de": "eins", "en": "one"}}])
def test_data_sets_give_pairs_from_columns_or_translations(
    monkeypatch: pytest.MonkeyPatch, row: dict[str, Any]
) -> None:
    asked = offer_data_set(monkeypatch, [row])
    corpus = from_datasets("wmt", config="de-en", split="test", source="de", target="en")
    assert asked == [("wmt", "de-en", "test")]
    assert corpus == Corpus((Pair("eins", "one"),), "wmt:de-en:test", hashlib.sha256(b"eins\tone\n").hexdigest())


def test_data_set_errors_name_the_row_and_the_columns(monkeypatch: pytest.MonkeyPatch) -> None:
    offer_data_set(monkeypatch, [{"de": "eins", "en": "one"}, {"de": "zwei", "en": ""}])
    with pytest.raises(DataError, match=r"wmt:train, row 0: no column 'zh'.* from: de, en"):
        from_datasets("wmt", source="de", target="zh")
    with pytest.raises(DataError, match="wmt:train, row 1: 'en' is empty"):
        from_datasets("wmt", source="de", target="en")


def test_the_missing_package_is_named_with_its_remedy(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "datasets", None)
    with pytest.raises(ImportError, match=r"pip install seqpo\[datasets\]"):
        from_datasets("wmt", source="de", target="en")
