"""Records of statements: complete, without results, and each with a function or a reason."""

from pathlib import Path

import pytest

from lungcls.report.claims import rule, statements
from lungcls.report.claims.evidence import Answers
from lungcls.report.claims.statements import CLAIMS
from lungcls.report.printed import quoted

ROOT = Path(__file__).parents[3]
WORDS = ROOT / "lungcls" / "report" / "claims" / "statements.json"


def test_all_statements_are_there_and_no_verdict():
    assert [claim.number for claim in CLAIMS] == list(range(1, 37))
    assert {claim.kind for claim in CLAIMS} == set(statements.KINDS)
    assert all((claim.estimate is None) == bool(claim.lacks) for claim in CLAIMS)
    text = WORDS.read_text(encoding="utf-8").lower()
    words = set(rule.VERDICTS) - {rule.EQUAL, rule.UNTESTED} | {"not hold", "cannot be told"}
    assert not [word for word in words if word in text]
    with pytest.raises(AttributeError):
        CLAIMS[0].statement = "another"


def test_records_say_what_is_a_proxy_whose_outputs_and_when_the_test_was_written():
    proxies, late, theirs = (
        {claim.number for claim in CLAIMS if choose(claim)}
        for choose in (lambda c: c.proxy, lambda c: c.written != statements.AT_FIRST, lambda c: c.theirs)
    )
    assert {2, 3, 5, 6, 7, 12, 13, 24, 27, 29} <= proxies
    assert late == {1, 7, 25, 26, 27, 28, 29, 35, 36} and theirs == {23, 30, 32}


def test_the_evidence_is_where_the_records_say():
    for page, label in (link for claim in CLAIMS for link in claim.evidence):
        source = (ROOT / "notebooks" / f"{page}.py").read_text(encoding="utf-8")
        assert f'name="{label}"' in source, f"{page}: no {label}"
    for claim in CLAIMS:
        assert claim.section in quoted.load()["contents"]
        assert not claim.quote or quoted.claim(claim.quote)


def test_numbers_of_the_report_come_from_its_own_file():
    said = {claim.number: claim.statement for claim in CLAIMS}
    assert "2,400" in said[2] and "1,793" in said[3] and "0.64" in said[30]
    raw = WORDS.read_text(encoding="utf-8")
    assert not [number for number in ("2400", "2,400", "1793", "1,793", "570", "0.64") if number in raw]


def test_functions_ask_for_networks_by_name_and_say_what_is_not_there():
    nothing = {claim.number: claim.estimate(Answers({})) for claim in CLAIMS if claim.estimate}
    assert all(one.lacks for given in nothing.values() for one in given)
    numbers = {number: len(nothing[number]) for number in (15, 23, 26, 28, 29, 33, 34, 35)}
    assert numbers == {15: 4, 23: 4, 26: 8, 28: 8, 29: 6, 33: 6, 34: 6, 35: 6}
    assert nothing[19][0].lacks == (
        "no run of binary, zoomed nodule, fine-tuned; nor of binary, zoomed nodule, CNN here"
    )
    assert nothing[14][1].networks == (("binary", "nodule", "TL"), ("binary", "nodule", "ResNet50 TL"))
    expects = {number: [one.expects for one in given] for number, given in nothing.items()}
    assert expects[13] == [rule.NO_GAIN] and expects[18] == [rule.BELOW, rule.ABOVE]


def test_a_statement_takes_the_source_with_most_of_it_then_the_reports_views_then_most_cases():
    def source(name, n, full, *names):
        known = {"n": n, "full": full, "source": name}
        given = {one: rule.Estimate(0.1, 0.0, 0.2, **known) for one in names}
        return type(
            "Source",
            (),
            {
                "compare": lambda self, score, *pair, needs=(): given.get(pair, rule.Estimate(lacks="no")),
                "measure": lambda self, name, score: rule.Estimate(lacks="no"),
            },
        )()

    views = [
        tuple((task, view, net) for view in ("nodule", "wide"))
        for task, net in (("binary", "CNN"), ("binary", "TL"))
    ]
    best = {
        "more": [source("more", 10, False, *views), source("less", 99, True, views[0])],
        "full": [source("wide", 99, False, *views), source("full", 10, True, *views)],
        "large": [source("large", 99, True, *views), source("small", 10, True, *views)],
    }
    for name, sources in best.items():
        assert statements.estimates(*sources)[21][0].source == name
