"""The ledger of what the report states, and the rule that turns evidence into verdicts.

`claims.json` says for each statement what is compared and what is expected, and holds no
result. :mod:`lungcls.report.claims.evidence` finds the estimates; here they become verdicts.
"""

from importlib.resources import files
import json
import math

import numpy as np
import pandas as pd
from scipy.stats import norm

from lungcls.errors import InputError
from lungcls.metrics.paired_tests import holm
from lungcls.report.printed import quoted
from lungcls.report.wording import count

VERDICTS = ("holds", "does not hold", "cannot be told at this n", "not testable here")
HOLDS, FAILS, OPEN, UNTESTED = VERDICTS
KINDS = ("data", "balancing", "model", "views", "explanation", "confidence", "conclusion")
DIRECTIONS = ("above 0", "below 0", "no gain")
REQUIRED = {"number", "section", "kind", "statement", "estimand", "tests", "evidence"}
OPTIONAL = {"quote", "expects", "lacks", "pretrained"}
ALPHA = 0.05  # an interval of 95 % leaves it out
REACH = norm.ppf(1 - ALPHA / 2)
JUST = np.nextafter(0, 1)  # an interval that touches 0 is not above it


# --- The ledger -------------------------------------------------------------------------


def load(path=None):
    """Read the ledger and check it: `margin`, `chapters` (titles) and `claims`, in order of their numbers."""
    source = files("lungcls") / "report" / "claims" / "claims.json" if path is None else path
    ledger = json.loads(source.read_text(encoding="utf-8"))
    if not ledger.get("margin", 0) > 0:
        raise InputError(f"claims: margin: found {ledger.get('margin')}, expected a number above 0")
    numbers = [claim.get("number") for claim in ledger["claims"]]
    if numbers != list(range(1, len(numbers) + 1)):
        raise InputError(f"claims: found the numbers {numbers}, expected 1, 2, 3, ...")
    ledger["claims"] = [_read(claim, ledger["chapters"]) for claim in ledger["claims"]]
    return ledger


def _read(claim, chapters):
    """Check a claim, and give its tests what they inherit."""
    place = f"claims: {claim['number']}"
    wrong = (REQUIRED - set(claim)) | (set(claim) - REQUIRED - OPTIONAL)
    if wrong:
        names = (", ".join(sorted(those)) for those in (wrong, REQUIRED, OPTIONAL))
        raise InputError("{}: {} missing or unknown, expected {}, perhaps {}".format(place, *names))
    if claim["kind"] not in KINDS:
        raise InputError(f"{place}: kind: found {claim['kind']!r}, expected one of {', '.join(KINDS)}")
    if bool(claim["tests"]) == ("lacks" in claim):
        raise InputError(f"{place}: found {len(claim['tests'])} tests, expected tests or what it lacks")
    for page, _ in claim["evidence"]:
        if page not in chapters:
            raise InputError(f"{place}: evidence: found {page!r}, expected one of {', '.join(chapters)}")
    if "quote" in claim:
        quoted.claim(claim["quote"])
    quoted.pages(claim["section"])
    stated = {name: count(value) for name, value in quoted.load()["data"].items()}
    stated |= quoted.load()["confidence"]
    tests = [_read_test(test, claim, place) for test in claim["tests"]]
    return claim | {"statement": claim["statement"].format(**stated), "tests": tests}


def _read_test(test, claim, place):
    if ("measure" in test) == ("first" in test):
        raise InputError(f"{place}: test: found {test}, expected a measure or a first run")
    expects = test.get("expects", claim.get("expects"))
    if expects not in DIRECTIONS and not (isinstance(expects, list) and len(expects) == 2):
        raise InputError(f"{place}: expects: found {expects!r}, expected {', '.join(DIRECTIONS)} or a range")
    score = {"score": test.get("score", "F1 (weighted)")} if "first" in test else {}
    return test | {"expects": expects} | score


def without_pretrained(ledger):
    """Leave out the tests of claims that need pretrained weights, for when there are none."""
    kept = ([test for test in claim["tests"] if not test.get("pretrained")] for claim in ledger["claims"])
    claims = [claim | {"tests": tests} for claim, tests in zip(ledger["claims"], kept, strict=True)]
    return ledger | {"claims": claims}


# --- From estimates to verdicts -----------------------------------------------------------


def estimate(value, low=None, high=None, *, n, patients=None, same=False):
    """Lay out an estimate; without an interval a certain count, `same` if two networks answer alike."""
    low, high = (value if end is None else end for end in (low, high))
    if not (np.isnan(value) or low <= value <= high):
        raise ValueError(f"value: found {value} outside [{low}, {high}], expected it inside")
    return {"value": value, "low": low, "high": high, "n": n, "patients": patients, "same": same}


def certain(one):
    """Say whether an estimate is a count of everything there is, with an interval of no width."""
    return one["low"] == one["high"] and not one["same"]


def outcome(found, expects, *, margin):
    """Return the verdict of one estimate on what is expected, and two-sided p for and against it."""
    if found["same"] or np.isnan([found["value"], found["low"], found["high"]]).any():
        return OPEN, 1.0, 1.0
    for_it, against_it = _ranges(expects, margin)
    ps = [min(_p_inside(found, *ends) for ends in ranges) for ranges in (for_it, against_it)]
    if any(_inside(found, *ends) for ends in for_it):
        return HOLDS, *ps
    return FAILS if any(_inside(found, *ends) for ends in against_it) else OPEN, *ps


def _ranges(expects, margin):
    """Where an interval has to lie for a statement, and where against it."""
    above, below, near = (JUST, math.inf), (-math.inf, -JUST), (-margin, margin)
    if expects == "no gain":
        return [near, below], [above]
    if expects in DIRECTIONS:
        side, other = (above, below) if expects == "above 0" else (below, above)
        return [side], [other, near]
    low, high = (end if end is not None else sign * math.inf for end, sign in zip(expects, (-1, 1)))
    before, after = np.nextafter(low, -math.inf), np.nextafter(high, math.inf)
    return [(low, high)], [(-math.inf, before), (after, math.inf)]


def _inside(found, low, high):
    return low <= found["low"] and found["high"] <= high


def _p_inside(found, low, high):
    """p value of lying in a range: the larger one of its two ends'."""
    value, below, above = (found[name] for name in ("value", "low", "high"))
    return max(_p_beyond(value - low, value - below), _p_beyond(high - value, above - value))


def _p_beyond(distance, half):
    if distance < 0:
        return 1.0
    if half == 0 or math.isinf(distance):
        return 0.0
    return float(min(1.0, 2 * norm.sf(REACH * distance / half)))


def decide(ledger, found):
    """Decide every claim from its estimates (or why there are none), also after Holm's adjustment."""
    numbered = {claim["number"]: claim for claim in ledger["claims"]}
    rows = {no: _decide(claim, found.get(no, []), ledger["margin"]) for no, claim in numbered.items()}
    table = pd.DataFrame.from_dict(rows, orient="index").rename_axis("number")
    table["p (Holm)"] = holm(table["p"])
    undone = (table["p (Holm)"] >= ALPHA) & table["verdict"].isin((HOLDS, FAILS))
    table["verdict (Holm)"] = table["verdict"].mask(undone, OPEN)
    return table


def _decide(claim, found, margin):
    row = {name: claim[name] for name in ("section", "kind", "statement", "estimand")}
    if "lacks" in claim or isinstance(found, str):
        why = claim.get("lacks") or found
        return row | {"verdict": UNTESTED, "p": np.nan, "tests": 0, "n": 0, "why": why}
    if (n := len(found)) != len(claim["tests"]):
        raise ValueError(f"claim {claim['number']}: found {n} estimates, expected {len(claim['tests'])}")
    margins = [margin if "first" in test else JUST for test in claim["tests"]]  # it is one of scores
    expected = [test["expects"] for test in claim["tests"]]
    outcomes = [outcome(one, of, margin=near) for one, of, near in zip(found, expected, margins, strict=True)]
    verdict, p = _together(outcomes)
    row |= {"verdict": verdict, "p": np.nan if all(map(certain, found)) else p, "tests": n}
    return row | {"n": min(one["n"] for one in found), "why": ""}


def _together(outcomes):
    """All tests have to hold: their largest p. One against is enough: the smallest, times their number."""
    verdicts, p_holds, p_fails = zip(*outcomes)
    all_hold, one_fails = max(p_holds), min(1.0, len(outcomes) * min(p_fails))
    if all(verdict == HOLDS for verdict in verdicts):
        return HOLDS, all_hold
    return (FAILS, one_fails) if FAILS in verdicts else (OPEN, min(all_hold, one_fails))


def cases_needed(found, effect):
    """Say how many test cases would show an effect with power 0.8, roughly; NaN without an interval."""
    if effect == 0:
        raise ValueError("effect: found 0, expected an effect: no number of cases shows none")
    half = (found["high"] - found["low"]) / 2
    return found["n"] * (half / effect) ** 2 * ((REACH + norm.ppf(0.8)) / REACH) ** 2 if half else np.nan
