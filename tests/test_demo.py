"""The demo, shortened: what it promises must already show after a fraction of its steps."""

import pytest

from seqpo.cli import main
from seqpo.evaluation.curves import quality_at
from seqpo.evaluation.report import Report

SHORTER = "--sft.steps 700 --sft.eval-every 0 --train.steps 40 --train.eval-every 0 --data.test.count 200"


@pytest.mark.slow
def test_policy_optimization_finds_out_when_to_wait(tmp_path):
    out = tmp_path / "demo"
    assert main(["demo", "--out", str(out), "--runtime.threads", "1", *SHORTER.split()]) == 0
    report = Report.load(out)
    systems = {system.name: system for system in report.systems}
    sft, seqpo = systems["sft"], systems["seqpo"]
    assert {"wait-1", "wait-8", "offline"} < set(systems)

    # lower delay at no loss of quality, although so short a run leaves the warm-up half trained
    assert seqpo.scores["al"].value < sft.scores["al"].value / 2
    assert seqpo.scores["bleu"].value > sft.scores["bleu"].value

    # above wait-k with the same weights at equal delay, whichever weights those are
    for weights in ("", "@seqpo"):
        curve = [systems[f"wait-{k}{weights}"] for k in (1, 2, 3, 4, 6, 8)]
        fixed = quality_at(curve, seqpo.scores["al"].value, quality="bleu", cost="al")
        assert fixed is not None
        assert seqpo.scores["bleu"].value > fixed

    # adaptive: it waits for the verb, and hardly for anything else
    assert seqpo.scores["verb_wait"].value > seqpo.scores["other_wait"].value + 1

    for written in ("report.json", "report.md", "curve.png"):
        assert (out / written).stat().st_size > 0
