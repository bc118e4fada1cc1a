"""The one rule that turns estimates into the verdict on a statement, in every chapter.

A *comparison* is one estimate with its 95 % interval and the place where the statement expects it. It
lies there, on the other side, within the margin of no difference, or nowhere for sure; one whose
interval lies within the margin is no gain and no loss, whatever its sign. A *statement* holds if all its
comparisons lie where it expects them, does not hold if one lies on the other side, and is *within the
margin* if one lies there; each after Holm's adjustment over them. Over statements it is made once more.
"""

from dataclasses import dataclass, replace
import math

import numpy as np
import pandas as pd
from scipy.stats import norm

from lungcls.metrics.paired_tests import holm

HOLDS, FAILS, EQUAL, OPEN = "holds", "does not hold", "within the margin", "undecided"
IDLE, UNTESTED = "nothing to decide", "not tested"
REPRODUCED, DIFFERENT = "reproduced", "not reproduced"
VERDICTS = (HOLDS, FAILS, EQUAL, REPRODUCED, DIFFERENT, OPEN, IDLE, UNTESTED)
DECIDED = VERDICTS[:5]
THEIRS = {HOLDS: REPRODUCED, FAILS: DIFFERENT, EQUAL: DIFFERENT}  # of what their networks put out
ABOVE, BELOW, NO_GAIN = "above 0", "below 0", "no gain"  # or a range, its ends perhaps infinite
MARGIN = 0.02  # what another training moves a score by; benchmarks/verdict_rule.py measures it
ALPHA = 0.05  # an interval of 95 % leaves it out
REACH = norm.ppf(1 - ALPHA / 2)


@dataclass(frozen=True)
class Estimate:
    """One comparison: its value and interval (none: a count of everything), or why it `lacks` them.

    `idle` names networks that are (nearly) constant, and `trainings` counts those behind each side.
    """

    value: float = math.nan
    low: float | None = None
    high: float | None = None
    n: int = 0
    patients: int | None = None
    trainings: tuple = ()
    idle: tuple = ()
    name: str = ""
    expects: str | tuple = ABOVE
    networks: tuple = ()
    source: str = ""
    full: bool = True  # whether it is about the views that the report names
    lacks: str = ""

    def __post_init__(self):
        low, high = self.ends
        if not (np.isnan([self.value, low, high]).any() or low <= self.value <= high):
            raise ValueError(f"value: found {self.value} outside [{low}, {high}], expected it inside")

    @property
    def ends(self):
        """The two ends of the interval; both the value where everything was counted."""
        return tuple(self.value if end is None else end for end in (self.low, self.high))

    @property
    def counted(self):
        """Whether it is a count of everything there is, so that no luck is in it."""
        return self.low is None and not self.lacks

    def wider(self, error):
        """The same with an interval that holds one more standard error, independent of the first."""
        below, above = (math.hypot(self.value - end, REACH * error) for end in self.ends)
        return replace(self, low=self.value - below, high=self.value + above)

    @property
    def silent(self):
        """Whether it can decide nothing."""
        return bool(self.lacks or self.idle) or bool(np.isnan([self.value, *self.ends]).any())


# --- One comparison -----------------------------------------------------------------------


def evidence_for(one, margin=MARGIN):
    """Two-sided p values that a comparison is where it is expected, against that, and within the margin."""
    if one.silent:
        return 1.0, 1.0, 1.0
    if not isinstance(one.expects, str):
        low, high = one.expects
        outside = min(_p_inside(one, -math.inf, low, True), _p_inside(one, high, math.inf, True))
        return _p_inside(one, low, high), outside, 1.0
    above, below = _p_inside(one, 0, math.inf, True), _p_inside(one, -math.inf, 0, True)
    near = 1.0 if one.counted else _p_inside(one, -margin, margin)
    if near < ALPHA:  # no gain and no loss, whatever its sign
        above = below = 1.0
    if one.expects == NO_GAIN:
        return min(near, below), above, 1.0
    return (above, below, near) if one.expects == ABOVE else (below, above, near)


def _p_inside(one, low, high, beyond=False):
    """p value of lying in a range: the larger one of its two ends'."""
    below, above = one.ends
    to_low, to_high = one.value - low, high - one.value
    return max(_p_beyond(to_low, one.value - below, beyond), _p_beyond(to_high, above - one.value, beyond))


def _p_beyond(distance, half, beyond):
    if distance < 0 or (beyond and distance == 0):
        return 1.0
    if half == 0 or math.isinf(distance):
        return 0.0
    return float(min(1.0, 2 * norm.sf(REACH * distance / half)))


# --- A statement --------------------------------------------------------------------------


def statement(estimates, *, margin=MARGIN):
    """Decide a statement from its comparisons: the verdict and its p value."""
    if all(one.lacks for one in estimates):
        return UNTESTED, np.nan
    if all(one.lacks or one.idle for one in estimates):
        return IDLE, np.nan
    holds, fails, near = map(holm, zip(*(evidence_for(one, margin) for one in estimates), strict=True))
    found = {HOLDS: holds.max(), FAILS: fails.min(), EQUAL: near.min()}  # it takes all, or one
    verdict = next((name for name, p in found.items() if p < ALPHA), OPEN)
    counted = all(one.counted for one in estimates)
    return verdict, np.nan if counted else float(found.get(verdict, min(found.values())))


def decide(claims, found):
    """Decide claims from their estimates by number, also after Holm's adjustment over the statements."""
    table = pd.DataFrame.from_dict(
        {claim.number: _row(claim, found.get(claim.number, [])) for claim in claims}, orient="index"
    ).rename_axis("number")
    table["p (Holm)"] = holm(table["p"])
    undone = (table["p (Holm)"] >= ALPHA) & table["before Holm"].isin(DECIDED)
    table["verdict"] = table["before Holm"].mask(undone, OPEN)
    return table


def _row(claim, estimates):
    verdict, p = statement(estimates) if estimates else (UNTESTED, np.nan)
    verdict = THEIRS.get(verdict, verdict) if claim.theirs else verdict
    known = [one for one in estimates if not one.lacks]
    why = claim.lacks or "; ".join(dict.fromkeys(one.lacks for one in estimates if one.lacks))
    row = {"before Holm": verdict, "p": p, "tests": len(known), "n": min((one.n for one in known), default=0)}
    return row | {"why": why, "idle": tuple(dict.fromkeys(name for one in known for name in one.idle))}
