"""What chapters 5 and 6 open with, as texts for their prose; the chapters show all of it."""

import numpy as np

from lungcls.report.claims import estimates, scores, verdicts
from lungcls.report.wording import MINUS
from lungcls.runs import grid


def comparisons(groups, *, seed=0):
    """Compare changes of the CNN, and networks on the two views, from groups of recorded runs."""
    *_, windows = known = verdicts.sources(groups, {}, seed=seed)
    full, base = next(one for one in known if one.full), ("binary", "nodule", "CNN")
    moves = [windows.compare(scores.f1, (*base[:2], name), base) for name in grid.ABLATIONS]
    values = [100 * one.value for one in moves]
    pairs = [(("binary", "nodule", name), (task, view, name)) for task, view, name in full.results]
    gains = [full.compare(scores.auc, *pair) for pair in pairs if pair[1][:2] == ("binary", "wide")]
    least, most = (choose(gains, key=lambda one: one.value) for choose in (min, max))
    return {
        "attempts_moves": f"{min(values):+.1f} to {max(values):+.1f}".replace("-", MINUS),
        "attempts_reach": f"{100 * np.mean([np.diff(one.ends) / 2 for one in moves]):.0f}",
        "views_gain_least": estimates.written(least),
        "views_gain_most": estimates.written(most),
    }
