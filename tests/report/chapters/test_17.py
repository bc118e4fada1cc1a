"""What the chapter on both views says of recorded networks is so."""

import json

import numpy as np
import pytest
from recorded_runs import FOLDER

from lungcls.models import fusion
from lungcls.report.claims import rule, verdicts
from lungcls.report.results import networks
from lungcls.report.results.external import rows_of
from lungcls.runs.evaluation import paired

RECORD = json.loads((FOLDER.parent / "both_views" / "slices.json").read_text(encoding="utf-8"))


def rows(**wanted):
    wanted = {"task": "binary", "score": "AUC", "size": "all"} | wanted
    return rows_of(RECORD["rows"], "network", **wanted)


@pytest.fixture(scope="module")
def views():
    """Answers of EfficientNetB4, fine-tuned, on full slices and on zoomed nodules."""
    study = networks.study(networks.out_of_fold(FOLDER.parent / "study"))
    (full,) = verdicts.sources([study], {}, seed=0)
    return [full.results["binary", view, "FT"][0] for view in ("wide", "nodule")]


def test_the_record_is_what_the_predictions_say(views):
    joined = fusion.mean_of_logits(views, "binary")
    found = paired(joined, views[1], task="binary", seed=0).loc["AUC"]
    row = rows(method="mean of logits", against="nodule").loc["FT"]
    for name in ("first", "second", "difference", "low", "high"):
        assert row[name] == pytest.approx(found[name], abs=1e-5)
    shares = fusion.error_overlap(*views[::-1]).set_index("right")["value"]
    (one,) = (one for one in RECORD["overlaps"] if (one["task"], one["network"]) == ("binary", "FT"))
    assert {name: share["value"] for name, share in one["shares"].items()} == pytest.approx(shares, abs=1e-5)
    assert shares[:4].sum() == pytest.approx(1)


def test_every_verdict_is_that_of_the_rule():
    assert RECORD["margin"] == rule.MARGIN
    for row in RECORD["rows"]:
        low, high = min(row["low"], row["difference"]), max(row["high"], row["difference"])
        one = rule.Estimate(row["difference"], low, high, n=row["n"])
        assert row["verdict"] == rule.statement([one])[0]


def test_sizes_are_parts_of_all():
    of = {"network": "FT", "task": "binary", "score": "AUC", "method": "mean of logits", "against": "nodule"}
    by_size = rows_of(RECORD["rows"], "size", **of)
    assert by_size.loc["all", "n"] == by_size["n"].drop("all").sum() and len(by_size) == 4
