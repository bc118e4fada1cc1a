"""The ledger says what is tested and never what came out; verdicts come from evidence alone."""

import json
from pathlib import Path

import numpy as np
import pytest
from scipy.stats import norm

from lungcls.errors import InputError
from lungcls.report.claims import ledger as claims

ROOT = Path(__file__).parents[3]
FILE = ROOT / "lungcls" / "report" / "claims" / "claims.json"
LEDGER = claims.load()
MARGIN = LEDGER["margin"]


def one(*tests, **more):
    """A ledger of one claim."""
    claim = {"number": 1, "section": "1", "kind": "model", "statement": "", "estimand": "", "evidence": []}
    return {"margin": MARGIN, "claims": [claim | {"tests": list(tests)} | more]}


def runs(expects):
    return {"first": "a", "second": "b", "score": "F1 (weighted)", "expects": expects}


def estimate(value, half, n=100):
    return claims.estimate(value, value - half, value + half, n=n)


def test_the_ledger_has_all_statements_and_no_verdict():
    assert [claim["number"] for claim in LEDGER["claims"]] == list(range(1, 37)) and MARGIN == 0.02
    text = FILE.read_text(encoding="utf-8").lower()
    assert not [
        word
        for word in (*claims.VERDICTS, "holds", "not hold", "cannot be told", "not testable")
        if word in text
    ]
    assert {claim["kind"] for claim in LEDGER["claims"]} == set(claims.KINDS)


def test_the_evidence_is_where_the_ledger_says():
    titles = LEDGER["chapters"]
    for page, label in (link for claim in LEDGER["claims"] for link in claim["evidence"]):
        source = (ROOT / "notebooks" / f"{page}.py").read_text(encoding="utf-8")
        assert f'name="{label}"' in source, f"{page}: no {label}"
        assert f"# # {titles[page]}\n" in source


def test_numbers_of_the_report_come_from_its_own_file():
    statements = {claim["number"]: claim["statement"] for claim in LEDGER["claims"]}
    assert "2,400" in statements[2] and "1,793" in statements[3] and "0.64" in statements[30]
    raw = FILE.read_text(encoding="utf-8")
    assert not [number for number in ("2400", "2,400", "1793", "1,793", "570", "0.64") if number in raw]


@pytest.mark.parametrize(
    "expects, value, half, verdict",
    [
        ("above 0", 0.10, 0.05, claims.HOLDS),
        ("above 0", 0.05, 0.05, claims.OPEN),  # it touches 0
        ("above 0", -0.10, 0.05, claims.FAILS),
        ("above 0", 0.00, 0.01, claims.FAILS),  # no difference that matters
        ("above 0", 0.01, 0.005, claims.HOLDS),
        ("below 0", -0.10, 0.05, claims.HOLDS),
        ("below 0", 0.10, 0.05, claims.FAILS),
        ("no gain", 0.00, 0.019, claims.HOLDS),
        ("no gain", 0.00, 0.03, claims.OPEN),  # "no significant difference" is not "no difference"
        ("no gain", -0.10, 0.11, claims.OPEN),
        ("no gain", -0.10, 0.05, claims.HOLDS),
        ("no gain", 0.10, 0.05, claims.FAILS),
        ([0.95, 1], 0.97, 0.01, claims.HOLDS),
        ([0.95, 1], 0.80, 0.05, claims.FAILS),
        ([0.95, 1], 0.94, 0.03, claims.OPEN),
        ([None, 0.5], 0.38, 0.02, claims.HOLDS),
    ],
)
def test_one_interval_against_what_is_expected(expects, value, half, verdict):
    assert claims.outcome(estimate(value, half), expects, margin=MARGIN)[0] == verdict


def test_p_is_below_5_percent_exactly_where_the_interval_decides():
    rng = np.random.default_rng(0)
    for _ in range(500):
        found = claims.estimate(*(ends := np.sort(rng.normal(0, 0.03, 3)))[[1, 0, 2]], n=50)
        for expects in (*claims.DIRECTIONS, [-0.02, 0.02], [None, 0.01]):
            verdict, p_holds, p_fails = claims.outcome(found, expects, margin=MARGIN)
            assert (verdict == claims.HOLDS) == (p_holds < 0.05), (ends, expects)
            assert (verdict == claims.FAILS) == (p_fails < 0.05 <= p_holds), (ends, expects)
    found = estimate(0.1, 0.08)
    oracle = 2 * norm.sf(0.1 / (0.08 / norm.ppf(0.975)))
    assert claims.outcome(found, "above 0", margin=MARGIN)[1] == pytest.approx(oracle)


def test_planted_evidence_gives_each_of_the_four_verdicts():
    ledger = one(runs("above 0"))
    for planted, verdict in (
        (estimate(0.1, 0.05), claims.HOLDS),
        (estimate(-0.1, 0.05), claims.FAILS),
        (estimate(0.1, 0.2), claims.OPEN),
    ):
        row = claims.decide(ledger, {1: [planted]}).loc[1]
        assert row["verdict"] == verdict and row["n"] == 100 and row["why"] == ""
    row = claims.decide(ledger, {1: "no such run"}).loc[1]
    assert row["verdict"] == claims.UNTESTED and row["why"] == "no such run" and np.isnan(row["p"])
    assert claims.decide(one(lacks="a part"), {}).loc[1, "verdict"] == claims.UNTESTED
    assert len({claims.HOLDS, claims.FAILS, claims.OPEN, claims.UNTESTED}) == len(claims.VERDICTS)


def test_every_test_has_to_hold_and_one_against_is_enough():
    ledger = one(runs("above 0"), runs("above 0"))
    good, bad, wide = estimate(0.1, 0.05), estimate(-0.1, 0.05), estimate(0.1, 0.2)
    verdicts = [
        claims.decide(ledger, {1: pair}).loc[1, "verdict"]
        for pair in ([good, good], [good, bad], [good, wide], [bad, wide])
    ]
    assert verdicts == [claims.HOLDS, claims.FAILS, claims.OPEN, claims.FAILS]
    alone = claims.outcome(bad, "above 0", margin=MARGIN)[2]
    assert claims.decide(ledger, {1: [good, bad]}).loc[1, "p"] == pytest.approx(2 * alone)
    with pytest.raises(ValueError, match="claim 1: found 1 estimates, expected 2"):
        claims.decide(ledger, {1: [good]})


def test_two_constant_answers_show_nothing():
    same = claims.estimate(0.0, 0.0, 0.0, n=90, same=True)
    assert claims.decide(one(runs("no gain")), {1: [same]}).loc[1, "verdict"] == claims.OPEN
    undefined = claims.estimate(np.nan, np.nan, np.nan, n=90)
    assert claims.decide(one(runs("above 0")), {1: [undefined]}).loc[1, "verdict"] == claims.OPEN


def test_holm_takes_a_verdict_back_and_leaves_counts_alone():
    ledger = one(runs("above 0"))
    ledger["claims"] = [ledger["claims"][0] | {"number": number} for number in (1, 2, 3)]
    ledger["claims"].append(one({"measure": "count", "expects": [0, 0]})["claims"][0] | {"number": 4})
    strong, weak = estimate(0.1, 0.04), estimate(0.1, 0.09)
    found = {1: [strong], 2: [weak], 3: [estimate(0, 0.2)], 4: [claims.estimate(0, n=5)]}
    table = claims.decide(ledger, found)
    assert table["verdict"].tolist() == [claims.HOLDS, claims.HOLDS, claims.OPEN, claims.HOLDS]
    assert table["verdict (Holm)"].tolist() == [claims.HOLDS, claims.OPEN, claims.OPEN, claims.HOLDS]
    assert table.loc[2, "p (Holm)"] == pytest.approx(2 * table.loc[2, "p"]) and np.isnan(table.loc[4, "p"])
    assert claims.decide(ledger, found | {4: [claims.estimate(3, n=5)]}).loc[4, "verdict"] == claims.FAILS


def test_cases_needed_follow_the_square_of_the_interval():
    found = estimate(0.0, 0.1, n=100)
    assert claims.cases_needed(found, 0.1) == pytest.approx(100 * ((1.96 + 0.8416) / 1.96) ** 2, rel=1e-3)
    assert claims.cases_needed(found, 0.05) == pytest.approx(4 * claims.cases_needed(found, 0.1))
    assert np.isnan(claims.cases_needed(claims.estimate(0.0, n=9), 0.1))
    with pytest.raises(ValueError, match="effect: found 0"):
        claims.cases_needed(found, 0)


@pytest.mark.parametrize(
    "change, message",
    [
        ({"kind": "taste"}, "1: kind: found 'taste', expected one of data"),
        ({"colour": "red"}, "1: colour missing or unknown"),
        ({"tests": []}, "1: found 0 tests, expected tests or what it lacks"),
        ({"expects": "better"}, "1: expects: found 'better', expected above 0"),
        ({"tests": [{"first": "a", "measure": "b"}]}, "expected a measure or a first run"),
        ({"evidence": [["99_nowhere", "tab-x"]]}, "evidence: found '99_nowhere'"),
        ({"number": 2}, r"found the numbers \[2\], expected 1, 2, 3"),
    ],
)
def test_a_wrong_ledger_is_refused(tmp_path, change, message):
    claim = one(expects="above 0")["claims"][0] | {"tests": [{"first": "a", "second": "b"}]} | change
    path = tmp_path / "claims.json"
    path.write_text(json.dumps({"margin": 0.02, "chapters": {}, "claims": [claim]}), encoding="utf-8")
    with pytest.raises(InputError, match=message):
        claims.load(path)


def test_an_estimate_lies_in_its_interval():
    with pytest.raises(ValueError, match=r"value: found 3 outside \[1, 2\]"):
        claims.estimate(3, 1, 2, n=10)


def test_tests_of_pretrained_networks_are_left_out_where_there_are_none():
    ledger = claims.load()
    left = claims.without_pretrained(ledger)
    names = [
        test["first"]
        for claim in left["claims"]
        if claim["number"] in (25, 26, 27, 28)
        for test in claim["tests"]
    ]
    assert names and all(name.endswith("CNN") for name in names)
    kept = {claim["number"]: claim["tests"] for claim in ledger["claims"] if claim["number"] < 25}
    assert all(claim["tests"] == kept[claim["number"]] for claim in left["claims"] if claim["number"] < 25)
