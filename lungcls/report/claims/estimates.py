"""How estimates are written in a ledger of statements."""

from lungcls.report.claims.ledger import certain
from lungcls.report.results import tables
from lungcls.report.wording import MINUS


def written(one, *, sign=True, percent=False):
    """Write an estimate: +0.08 [+0.01, +0.15], or a count."""
    if certain(one):
        return f"{one['value']:.3g}".replace("-", MINUS) + " (counted)"
    same = " (same answer to all)" if one["same"] else ""
    return tables.with_interval(one, sign=sign, percent=percent) + same


def written_together(given, tests):
    """Write the estimates of a claim: two as they are, of more of one score the least and the greatest."""
    texts = [written(one, sign="second" in test) for one, test in zip(given, tests, strict=True)]
    if len(given) > 2 and len({test.get("score") for test in tests}) > 1:
        names = (test.get("score", test.get("measure")) for test in tests)
        return "; ".join(f"{name}: {text}" for name, text in zip(names, texts, strict=True))
    if len(given) <= 2 or all(map(certain, given)):
        return "; ".join(texts)
    least, most = (choose(one["value"] for one in given) for choose in (min, max))
    form = "+.2f" if all("second" in test for test in tests) else ".2f"
    return f"{least:{form}} to {most:{form}} ({len(given)} comparisons)".replace("-", MINUS)
