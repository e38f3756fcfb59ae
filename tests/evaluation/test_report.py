"""Reports that are written, read again, and shown."""

from __future__ import annotations

import io
import json
import re

import pytest
from hypothesis import given
from hypothesis import strategies as st
from rich.console import Console

from seqpo.evaluation.report import Report, ReportError, console_table, markdown, replacing
from seqpo.evaluation.statistics import Comparison, Result, Score
from tests.support.reports import COLUMNS, result

NUMBERS = st.floats(-1e6, 1e6)
NAMES = st.sampled_from([column.name for column in COLUMNS])
RESULTS = st.builds(
    Result,
    scores=st.dictionaries(NAMES, st.builds(Score, NUMBERS, st.none() | NUMBERS, st.none() | NUMBERS)),
    settings=st.dictionaries(st.text(), st.none() | st.booleans() | st.integers() | st.text() | NUMBERS),
)
COMPARISONS = st.builds(
    Comparison,
    metric=NAMES,
    a=NUMBERS,
    b=NUMBERS,
    difference=NUMBERS,
    p_value=NUMBERS,
    interval=st.tuples(NUMBERS, NUMBERS),
)

OWN = result("own", won=(27.25, 26, 28), elo=1500, moves=(3.5, 3.25, 3.75), time=0.6, signature="games|of:100")
REPORT = Report(
    systems=(OWN, result("depth-3", "fixed", is_baseline=True, won=24, moves=2.5, drawn=3, signature="games|of:50")),
    columns=COLUMNS,
    comparisons=(Comparison("won", ("own", "depth-3"), 27.25, 24.0, 3.25, 0.004, (1.5, 5.0)),),
    data={"file": "openings.pgn", "games": 100},
    command="seqpo evaluate runs/chess",
    created="2030-01-02T03:04:05+00:00",
    examples=("1. e4 e5 2. Ke2",),
)


def rows(text: str) -> list[list[str]]:
    """The cells of every Markdown table row."""
    return [
        [cell.strip() for cell in re.split(r"(?<!\\)\|", line)[1:-1]]
        for line in text.splitlines()
        if line.startswith("|")
    ]


def test_a_saved_report_is_loaded_as_it_was(tmp_path):
    REPORT.save(tmp_path / "new" / "folder")
    assert Report.load(tmp_path / "new" / "folder") == REPORT
    assert Report.load(tmp_path / "new" / "folder" / "report.json") == REPORT
    assert sorted(path.name for path in (tmp_path / "new" / "folder").iterdir()) == ["report.json", "report.md"]


@given(
    st.builds(
        Report,
        systems=st.tuples(RESULTS),
        columns=st.just(COLUMNS),
        comparisons=st.lists(COMPARISONS, max_size=2).map(tuple),
    )
)
def test_json_keeps_every_field(report):
    assert Report.from_json(json.loads(json.dumps(report.to_json()))) == report


def test_other_tools_find_the_scores_in_the_json(tmp_path):
    REPORT.save(tmp_path)
    text = (tmp_path / "report.json").read_text()
    assert text.startswith('{\n  "version": 2,\n')
    first = json.loads(text)["systems"][0]
    assert (first["name"], first["family"], first["is_baseline"], first["n"]) == ("own", "own", False, 100)
    assert first["scores"]["won"] == {"value": 27.25, "low": 26, "high": 28}
    assert first["scores"]["elo"] == {"value": 1500, "low": None, "high": None}
    assert json.loads(text)["columns"][2] == {
        "name": "moves",
        "title": "moves",
        "better": "lower",
        "decimals": 2,
        "unit": "half-moves",
        "axis": "cost",
    }


def test_whole_numbers_are_scores_too():
    data = json.loads(json.dumps(REPORT.to_json()).replace("27.25", "27"))
    found = Report.from_json(data).systems[0].scores["won"].value
    assert isinstance(found, float)
    assert found == 27


def test_a_second_report_replaces_the_first(tmp_path):
    REPORT.save(tmp_path)
    Report((result("later", won=1),), COLUMNS).save(tmp_path)
    assert [found.name for found in Report.load(tmp_path).systems] == ["later"]


def test_a_failed_write_leaves_the_old_file(tmp_path):
    path = tmp_path / "report.json"
    path.write_text("old")

    def fail() -> None:
        with replacing(path) as draft:
            draft.write_text("half of the n")
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        fail()
    assert path.read_text() == "old"
    assert list(tmp_path.iterdir()) == [path]


def test_a_score_that_is_no_number_is_not_written(tmp_path):
    with pytest.raises(ValueError, match="JSON compliant"):
        Report((result("own", won=float("nan")),), COLUMNS).save(tmp_path)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda data: data.pop("systems"), "the report lacks the key 'systems'"),
        (lambda data: data["systems"][1].pop("family"), r"systems\[1\] lacks the key 'family'"),
        (
            lambda data: data["systems"][0]["scores"]["won"].update(value="27"),
            r"systems\[0\].scores.won.value should be a number, but is '27'",
        ),
        (lambda data: data["systems"][0]["scores"]["won"].update(low=[]), "won.low should be a number or null"),
        (lambda data: data["systems"][0]["scores"].update(won=3), "scores.won should be a table of keys, but is 3"),
        (lambda data: data["systems"][0].update(n=True), r"systems\[0\].n should be a whole number, but is True"),
        (lambda data: data["systems"][0].update(scores=[]), "scores should be a table of keys"),
        (lambda data: data["systems"].append(3), r"systems\[2\] should be a table of keys, but is 3"),
        (lambda data: data.update(systems={}), "systems should be a list, but is {}"),
        (lambda data: data["comparisons"][0].update(interval=[1]), "interval should be a list of 2"),
        (lambda data: data["columns"][0].update(better="more"), "better should be one of 'higher', 'lower', ''"),
        (lambda data: data["columns"].pop(0), "the report: no column tells what the score 'won' is"),
        (lambda data: data.update(colour="red"), "the report has the unknown key 'colour'"),
    ],
)
def test_a_malformed_report_names_file_and_key(tmp_path, change, message):
    data = json.loads(json.dumps(REPORT.to_json()))
    change(data)
    path = tmp_path / "report.json"
    path.write_text(json.dumps(data))
    with pytest.raises(ReportError, match=f"report.json: .*{message}.*; run `seqpo evaluate` again"):
        Report.load(path)


@pytest.mark.parametrize("version", [None, 1, 3])
def test_a_report_of_another_version_says_so(tmp_path, version):
    data = REPORT.to_json() | {"version": version}
    if version is None:
        del data["version"]
    (tmp_path / "report.json").write_text(json.dumps(data))
    message = r"report.json: written by another version of seqpo; run `seqpo evaluate` again"
    with pytest.raises(ReportError, match=message):
        Report.load(tmp_path)


@pytest.mark.parametrize("content", [b'{"systems": ', b"\xff\xfe"])
def test_what_is_not_json_is_refused(tmp_path, content):
    (tmp_path / "report.json").write_bytes(content)
    with pytest.raises(ReportError, match=r"report.json: not JSON"):
        Report.load(tmp_path)


def test_a_missing_or_alien_file_is_refused(tmp_path):
    with pytest.raises(ReportError, match=r"report.json: no such file; run `seqpo evaluate` first"):
        Report.load(tmp_path)
    with pytest.raises(ReportError, match="the report should be a table of keys"):
        Report.from_json([])


def test_markdown_has_scores_comparisons_examples_and_signatures():
    text = markdown(REPORT)
    header, _, first, second, *_ = rows(text)
    assert dict(zip(header, first, strict=True)) == {
        "system": "own",
        "won ↑": "27.2 ± 1.0",
        "Elo ↑": "1500",
        "moves ↓": "3.50 ± 0.25",
        "time per game ↓": "0.60",
        "games drawn": "–",
        "n": "100",
    }
    assert dict(zip(header, second, strict=True))["games drawn"] == "3"
    assert ["own − depth-3", "won", "27.2", "24.0", "+3.25 [+1.50, +5.00]", "0.004 **"] in rows(text)
    units = "won: %; moves: half-moves; time per game: s; games drawn: games."
    for part in (units, "- file: openings.pgn", "seqpo evaluate runs/chess", "1. e4 e5 2. Ke2"):
        assert part in text
    assert "- depth-3: `games|of:50`" in text


def test_markdown_leaves_out_what_there_is_not():
    text = markdown(Report((result("a|b", elo=7),), COLUMNS))
    assert rows(text) == [["system", "Elo ↑", "n"], ["---", "---:", "---:"], [r"a\|b", "7", "100"]]
    assert "Examples" not in text
    assert "Paired" not in text
    assert "%" not in text.replace("95 %", "")


@pytest.mark.parametrize(("p_value", "stars"), [(0.05, ""), (0.049, " *"), (0.0099, " **"), (0.00099, " ***")])
def test_stars_mark_significance(p_value, stars):
    test = Comparison("moves", ("a", "b"), 3, 4, -1, p_value, (-2, 0))
    text = markdown(Report((OWN,), COLUMNS, (test,)))
    assert rows(text)[-1] == ["a − b", "moves", "3.00", "4.00", "-1.00 [-2.00, +0.00]", f"{p_value:.3f}{stars}"]


def shown(report: Report, width: int) -> list[str]:
    """The lines of a terminal of this width."""
    console = Console(width=width, file=io.StringIO())
    with console.capture() as capture:
        console.print(console_table(report, width))
    return capture.get().splitlines()


def test_the_terminal_shows_one_line_per_system():
    lines = shown(REPORT, 100)
    # the first quality and the first cost have their intervals
    assert any(re.fullmatch(r"own\s+27\.2±1\.0\s+1500\s+3\.50±0\.25\s+0\.60\s+–\s*", line) for line in lines)
    assert any(re.fullmatch(r"depth-3\s+24\.0\s+–\s+2\.50\s+–\s+3\s*", line) for line in lines)
    caption = " ".join(" ".join(lines).split())
    assert "report.md" not in caption
    assert "won: %; moves: half-moves" in caption


def test_a_narrow_terminal_shows_the_most_important_columns():
    #                own     27.2±1.0  1500  3.50±0.25
    needed = len("depth-3  27.2±1.0  1500  3.50±0.25")
    for width, columns in ((needed + 5, 3), (needed, 3), (needed - 1, 2)):
        lines = shown(REPORT, width)
        assert max(map(len, lines)) <= width
        (own,) = [line for line in lines if line.startswith("own")]
        assert len(own.split()) == 1 + columns
        text = " ".join(" ".join(lines).split())
        assert f"The whole table, with {5 - columns} more columns, is in report.md." in text


def test_a_title_breaks_at_its_spaces():
    lines = shown(Report((result("own", time=1.5),), COLUMNS), 20)
    assert [line.split() for line in lines[:3]] == [["time"], ["per"], ["system", "game"]]


@given(st.integers(1, 60))
def test_names_of_systems_are_never_cut(width):
    name = "a-[bold]-system-with-a-long-name"
    lines = shown(Report((result(name, won=1, moves=2),), COLUMNS), max(width, len(name) + 10))
    assert any(line.startswith(f"{name} ") and "1.0" in line for line in lines)
    table = console_table(Report((result(name, won=1, moves=2),), COLUMNS), width)
    assert [str(column.header) for column in table.columns][:2] == ["system", "won"]
