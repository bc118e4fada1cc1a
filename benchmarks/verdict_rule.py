"""How often the rule of verdicts errs, and what its margin rests on.

    python benchmarks/verdict_rule.py

*Errors*: differences of two networks are drawn around a true one, with an interval as wide as those of the
recorded runs or narrower, and a statement of one to eight comparisons ("better in each") is decided by the
rule and by the one that the book used before: all intervals above 0 for "holds", one below 0 or within the
margin for "does not hold", neither adjusted. *Margin*: how far the weighted F1 and the AUC of a recorded
network move with another training, and how far the difference of two networks moves with other readers for
the labels.
Both go to `book/results/verdict_rule.json`. Takes some minutes on one core, and no image.
"""

from collections import Counter
from itertools import combinations
import json
from pathlib import Path

import numpy as np

from lungcls.files import whole_text
from lungcls.metrics import ratings
from lungcls.report.claims import rule, scores, verdicts
from lungcls.report.claims.rule import Estimate
from lungcls.sources import annotations

RESULTS = Path(__file__).resolve().parents[1] / "book" / "results"
DRAWS, SEED, CORRELATION = 2000, 0, 0.5
ERRORS = {"as recorded": 0.024, "narrow": 0.008}  # standard errors of a difference in weighted F1
TRUTHS = {"no difference": 0.0, "a gain of .05": 0.05, "a gain of .1": 0.1, "a loss of .05": -0.05}
READER_DRAWS = 200


def before(estimates):
    """The earlier rule: one unadjusted failure of several is enough."""
    ends = [one.ends for one in estimates]
    if all(low > 0 for low, _ in ends):
        return rule.HOLDS
    near = any(-rule.MARGIN <= low and high <= rule.MARGIN for low, high in ends)
    return rule.FAILS if near or any(high < 0 for _, high in ends) else rule.OPEN


def now(estimates):
    """The rule of the book."""
    return rule.statement(estimates)[0]


def drawn(truth, error, k, rng, correlation):
    """One statement's estimates: k differences that share a part of their error."""
    noise = np.sqrt(correlation) * rng.normal() + np.sqrt(1 - correlation) * rng.normal(size=k)
    values = truth + error * noise
    return [Estimate(value, value - rule.REACH * error, value + rule.REACH * error, n=1) for value in values]


def error_rates():
    """Share of each verdict by truth, width, correlation, number of comparisons and rule."""
    rows = []
    for truth, width, correlation, k in (
        (truth, width, correlation, k)
        for truth in TRUTHS
        for width in ERRORS
        for correlation in (0.0, CORRELATION)
        for k in range(1, 9)
    ):
        rng, options = np.random.default_rng(SEED), (TRUTHS[truth], ERRORS[width], k)
        given = [drawn(*options, rng, correlation) for _ in range(DRAWS)]
        for name, decide in (("before", before), ("now", now)):
            found = Counter(map(decide, given))
            rates = {verdict: found[verdict] / DRAWS for verdict in (*rule.VERDICTS[:3], rule.OPEN)}
            rows.append(
                {"truth": truth, "width": width, "correlation": correlation} | {"k": k, "rule": name} | rates
            )
    return rows


def margin():
    """What another training, and other readers, do to the weighted F1 of recorded networks."""
    sources = verdicts.recorded(RESULTS, seed=SEED)
    between = {task: sources[0].spread(scores.f1, task) for task in ("binary", "multiclass")}
    pooled = float(np.sqrt(np.mean(np.square(list(between.values())))))
    of_auc = sources[0].spread(scores.auc, "binary")
    between |= {"pooled": pooled, "AUC": of_auc}
    return {"margin": rule.MARGIN, "trainings": between, "readers": readers(sources)}


def readers(sources):
    """Spread of the difference of two networks if the readers of each nodule are drawn anew."""
    cases = annotations.report_cases().set_index("case_id")
    rng, found = np.random.default_rng(SEED), {"binary": [], "multiclass": []}
    for source in sources:
        for task in found:
            kept = {
                name: side[0]
                for name, side in source.results.items()
                if name[0] == task and name[1] != "both"
            }
            some = [name for name in kept if name[2] in ("CNN", "TL", "FT")]
            if len(some) > 1:
                found[task] += _moved({name: kept[name] for name in some}, cases, task, rng)
    each = {task: float(np.sqrt(np.mean(values))) for task, values in found.items() if values}
    return each | {"pooled": float(np.sqrt(np.mean(np.square(list(each.values())))))}


def _moved(results, cases, task, rng):
    """Variance of each difference over draws of the readers."""
    first = next(iter(results.values()))["case_id"]
    common = sorted(set(first).intersection(*(set(one["case_id"]) for one in results.values())))
    panels = ratings.parse_ratings(cases.loc[common, "ratings"])
    parts = {name: one.set_index("case_id").loc[common] for name, one in results.items()}
    once, values = np.ones((1, len(common))), {name: [] for name in parts}
    for _ in range(READER_DRAWS):
        labels = np.array([np.ceil(rng.choice(panel, len(panel)).mean()) for panel in panels]).astype(int)
        labels = (labels > 3).astype(int) if task == "binary" else labels
        for name, part in parts.items():
            values[name].append(scores.f1(part.assign(y_true=labels), once)[0])
    return [np.var(np.subtract(values[a], values[b]), ddof=1) for a, b in combinations(values, 2)]


if __name__ == "__main__":
    found = {"draws": DRAWS, "errors": ERRORS, "margin": margin(), "rates": error_rates()}
    lines = ",\n  ".join(json.dumps(row) for row in found.pop("rates"))
    text = json.dumps(found, indent=1, default=float)[:-2] + f',\n "rates": [\n  {lines}\n ]\n}}\n'
    whole_text(RESULTS / "verdict_rule.json", text)
    print(json.dumps(found["margin"], indent=1))
    print("\n".join(line for line in lines.splitlines() if '"k": 8' in line or '"k": 1,' in line))
