"""How estimates are written in a table of statements."""

from itertools import groupby

from lungcls.report.results import tables
from lungcls.report.wording import MINUS


def written(one, *, percent=False):
    """Write an estimate: +0.08 [+0.01, +0.15], or a count."""
    if one.lacks:
        return "–"
    if one.counted:
        return f"{one.value:.3g}".replace("-", MINUS) + " (counted)"
    low, high = one.ends
    row = {"value": one.value, "low": low, "high": high}
    idle = f" (nearly constant: {', '.join(one.idle)})" if one.idle else ""
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
    return found + (f" (nearly constant: {', '.join(idle)})" if idle else "")
