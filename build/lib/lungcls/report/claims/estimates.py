"""How estimates and verdicts are written in tables of statements."""

from itertools import groupby

import pandas as pd

from lungcls.report.claims import rule
from lungcls.report.results import tables
from lungcls.report.wording import MINUS, count

# --- One estimate, and several ------------------------------------------------------------


def written(one, *, percent=False):
    """Write an estimate: +0.08 [+0.01, +0.15], or a count."""
    if one.lacks:
        return "–"
    if one.counted:
        return f"{one.value:.3g}".replace("-", MINUS) + " (counted)"
    low, high = one.ends
    row = {"value": one.value, "low": low, "high": high}
    idle = f" (nearly constant: {'; '.join(one.idle)})" if one.idle else ""
    return tables.with_interval(row, sign=len(one.networks) == 2, percent=percent) + idle


def written_together(given):
    """Write the comparisons of a statement: two of a kind as they are, of more the least and the greatest."""
    known = [one for one in given if not one.lacks]
    kinds = groupby(known, key=lambda one: (one.expects, len(one.networks)))
    return "; ".join(_of_kind(list(those), pair) for (_, pair), those in kinds) or "–"


def _of_kind(given, pair):
    if len(given) <= 2 or all(one.counted for one in given):
        return "; ".join(map(written, given))
    least, most = (choose(one.value for one in given) for choose in (min, max))
    form = "+.2f" if pair == 2 else ".2f"
    idle = dict.fromkeys(name for one in given for name in one.idle)
    found = f"{least:{form}} to {most:{form}} ({len(given)} comparisons)".replace("-", MINUS)
    return found + (f" (nearly constant: {'; '.join(idle)})" if idle else "")


# --- Tables -------------------------------------------------------------------------------


def comparisons(found):
    """List every comparison that could be made, of estimates by number: expected, found, said by itself."""
    pairs = [(number, one) for number, given in found.items() for one in given if not one.lacks]
    rows = [
        {"no.": number, "comparison": one.name, "expected": _expected(one.expects), "value": one.value}
        | {"low": one.ends[0], "high": one.ends[1], "n": one.n}
        | {"trainings": " and ".join(map(str, one.trainings)), "by itself": rule.statement([one])[0]}
        for number, one in pairs
    ]
    return pd.DataFrame(rows).set_index("no.")


def _expected(expects):
    written = expects if isinstance(expects, str) else "{:g} to {:g}".format(*expects)
    return written.replace(" to inf", " or more").replace("-inf to", "at most").replace("-", MINUS)


def ledger(claims, found, decided, *, here):
    """Lay out claims with their tests, estimates and verdicts; `here` is decided in the last column."""
    rows = {one.number: _row(one, found.get(one.number, []), decided.loc[one.number]) for one in claims}
    table = pd.DataFrame.from_dict(rows, orient="index").rename_axis("no.")
    return table.assign(**{"this build": here["verdict"]})


def _row(claim, given, row):
    why = f". Not tested{' in part' if row['tests'] else ''}: {row['why']}" if row["why"] else ""
    on = next((f" ({one.source})" for one in given if one.source and not one.lacks), "")
    return {
        "the report states": f"{claim.statement} (§ {claim.section})",
        "chapter": ", ".join(sorted({str(int(page[:2])) for page, _ in claim.evidence}, key=int)),
        "tested by": claim.tested + (f". By proxy: {claim.proxy}" if claim.proxy else "") + why,
        "estimate": written_together(given) + (f"; n = {count(row['n'])}{on}" if row["n"] else ""),
        "verdict": row["verdict"] + (" (by proxy)" if claim.proxy and row["verdict"] in rule.DECIDED else ""),
    }
