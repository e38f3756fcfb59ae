import io
import json
import re

import pytest
from hypothesis import given
from hypothesis import strategies as st
from rich.console import Console

from seqpo.evaluation.report import Report, ReportError, console_table, markdown, replacing
from seqpo.evaluation.scores import Comparison, System

NUMBERS = st.floats(-1e6, 1e6)
SYSTEMS = st.builds(
    System,
    **dict.fromkeys(["bleu", "chrf", "al", "laal", "ap", "dal", "cw_mean", "cw_max", "al_std", "waits"], NUMBERS),
    interval=st.dictionaries(st.sampled_from(["bleu", "al"]), st.tuples(NUMBERS, NUMBERS)),
    verb_wait=st.none() | NUMBERS,
    other_wait=st.none() | NUMBERS,
    settings=st.dictionaries(st.text(), st.none() | st.booleans() | st.integers() | st.text() | NUMBERS),
)
COMPARISONS = st.builds(
    Comparison, a=NUMBERS, b=NUMBERS, difference=NUMBERS, p_value=NUMBERS, interval=st.tuples(NUMBERS, NUMBERS)
)


def system(name: str = "seqpo", **changes: object) -> System:
    scores = {"bleu": 27.25, "chrf": 51.0, "al": 3.5, "laal": 3.75, "ap": 0.6, "dal": 4.25, "al_std": 1.5}
    others = {"cw_mean": 1.4, "cw_max": 2.5, "waits": 2.0, "empty": 1, "n": 100, "signature": "BLEU|tok:13a"}
    interval = {"bleu": (26.0, 28.0), "al": (3.25, 3.75)}
    return System(**{"name": name, "interval": interval} | scores | others | changes)


REPORT = Report(
    systems=(system(), system("wait-3", bleu=24.0, verb_wait=2.5, other_wait=0.75)),
    comparisons=(Comparison("bleu", ("seqpo", "wait-3"), 27.25, 24.0, 3.25, 0.004, (1.5, 5.0)),),
    data={"file": "test.tsv", "pairs": 100},
    command="seqpo evaluate --data test.tsv",
    created="2030-01-02T03:04:05+00:00",
    examples=("READ Ich │ WRITE I @1",),
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


@given(st.builds(Report, systems=st.tuples(SYSTEMS), comparisons=st.lists(COMPARISONS, max_size=2).map(tuple)))
def test_json_keeps_every_field(report):
    assert Report.from_json(json.loads(json.dumps(report.to_json()))) == report


def test_other_tools_find_the_scores_in_the_json(tmp_path):
    REPORT.save(tmp_path)
    first = json.loads((tmp_path / "report.json").read_text())["systems"][0]
    assert first["name"] == "seqpo"
    assert first["interval"]["bleu"] == [26.0, 28.0]
    assert {"chrf", "al", "laal", "ap", "dal", "cw_mean", "cw_max", "n", "signature"} <= set(first)


def test_whole_numbers_are_scores_too():
    data = REPORT.to_json() | {"systems": [system(bleu=27).__dict__]}
    (found,) = Report.from_json(data).systems
    assert isinstance(found.bleu, float)
    assert found.bleu == 27


def test_a_second_report_replaces_the_first(tmp_path):
    REPORT.save(tmp_path)
    Report(systems=(system("later"),)).save(tmp_path)
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
        Report(systems=(system(bleu=float("nan")),)).save(tmp_path)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda data: data.pop("systems"), "the report lacks the key 'systems'"),
        (lambda data: data["systems"][1].pop("bleu"), r"systems\[1\] lacks the key 'bleu'"),
        (lambda data: data["systems"][0].update(bleu="27"), r"systems\[0\].bleu should be a number, but is '27'"),
        (lambda data: data["systems"][0].update(n=True), r"systems\[0\].n should be a whole number, but is True"),
        (lambda data: data["systems"][0].update(verb_wait=[]), "verb_wait should be a number or null"),
        (
            lambda data: data["systems"][0]["interval"].update(al=[1]),
            r"interval.al should be a list of 2, .* \[1\]",
        ),
        (lambda data: data["systems"][0].update(interval=[]), "interval should be a table of keys"),
        (lambda data: data["systems"].append(3), r"systems\[2\] should be a table of keys, but is 3"),
        (lambda data: data.update(systems={}), "systems should be a list, but is {}"),
        (lambda data: data.update(colour="red"), "the report has the unknown key 'colour'"),
    ],
)
def test_a_malformed_report_names_file_and_key(tmp_path, change, message):
    data = json.loads(json.dumps(REPORT.to_json()))
    change(data)
    path = tmp_path / "report.json"
    path.write_text(json.dumps(data))
    with pytest.raises(ReportError, match=f"report.json: .*{message}.*; run the evaluation again"):
        Report.load(path)


@pytest.mark.parametrize("content", [b'{"systems": ', b"\xff\xfe"])
def test_what_is_not_json_is_refused(tmp_path, content):
    (tmp_path / "report.json").write_bytes(content)
    with pytest.raises(ReportError, match=r"report.json: not JSON"):
        Report.load(tmp_path)


def test_a_missing_or_alien_file_is_refused(tmp_path):
    with pytest.raises(ReportError, match=r"report.json: no such file; run the evaluation first"):
        Report.load(tmp_path)
    with pytest.raises(ReportError, match="the report should be a table of keys"):
        Report.from_json([])


def test_markdown_has_scores_comparisons_examples_and_signatures():
    text = markdown(REPORT)
    header, _, first, second, *_ = rows(text)
    assert dict(zip(header, first, strict=True)) == {
        "system": "seqpo",
        "BLEU ↑": "27.2 ± 1.0",
        "chrF ↑": "51.0",
        "AL ↓": "3.50 ± 0.25",
        "AL std": "1.50",
        "LAAL ↓": "3.75",
        "AP ↓": "0.60",
        "DAL ↓": "4.25",
        "CW mean ↓": "1.40",
        "CW max ↓": "2.50",
        "waits": "2.0",
        "wait before verbs": "–",
        "before others": "–",
        "empty": "1",
        "n": "100",
    }
    assert dict(zip(header, second, strict=True))["wait before verbs"] == "2.50"
    assert ["seqpo − wait-3", "BLEU", "27.2", "24.0", "+3.25 [+1.50, +5.00]", "0.004 **"] in rows(text)
    for part in ("- file: test.tsv", "seqpo evaluate --data", "READ Ich │ WRITE I @1", "- wait-3: `BLEU|tok:13a`"):
        assert part in text


def test_markdown_leaves_out_what_there_is_not():
    text = markdown(Report(systems=(system("a|b"),)))
    assert "verbs" not in text
    assert "Examples" not in text
    assert "Paired" not in text
    assert rows(text)[2][0] == r"a\|b"
    assert all(len(row) == len(rows(text)[0]) for row in rows(text))


@pytest.mark.parametrize(("p_value", "stars"), [(0.05, ""), (0.049, " *"), (0.0099, " **"), (0.00099, " ***")])
def test_stars_mark_significance(p_value, stars):
    test = Comparison("al", ("a", "b"), 3, 4, -1, p_value, (-2, 0))
    text = markdown(Report(systems=(system(),), comparisons=(test,)))
    assert rows(text)[-1] == ["a − b", "AL", "3.00", "4.00", "-1.00 [-2.00, +0.00]", f"{p_value:.3f}{stars}"]


def test_the_terminal_shows_one_line_per_system():
    console = Console(width=100, file=io.StringIO())
    with console.capture() as capture:
        console.print(console_table(REPORT))
    lines = capture.get().splitlines()
    assert any(re.search(r"seqpo\s+27\.2 ± 1\.0\s+51\.0\s+3\.50 ± 0\.25\s+3\.75", line) for line in lines)
    assert any("wait-3" in line for line in lines)
