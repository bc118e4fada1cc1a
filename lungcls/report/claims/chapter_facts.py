"""What chapters 5 and 6 open with, as texts for their prose; the chapters show all of it."""

import numpy as np

from lungcls.report.claims import estimates, scores, verdicts
from lungcls.report.wording import MINUS, count
from lungcls.runs import grid

CNN = ("binary", "nodule", "CNN")


def comparisons(groups, *, seed=0):
    """Compare changes of the CNN, two backbones, and the two views, from groups of recorded runs."""
    *_, windows = known = verdicts.sources(groups, {}, seed=seed)
    full = next(one for one in known if one.full)
    moves = [windows.compare(scores.f1, (*CNN[:2], name), CNN) for name in grid.ABLATIONS]
    values = [100 * one.value for one in moves]
    names = [name for task, view, name in full.results if (task, view) == ("binary", "wide")]
    pairs = [(("binary", "nodule", name), ("binary", "wide", name)) for name in names]
    gains = sorted((full.compare(scores.auc, *pair) for pair in pairs), key=lambda one: one.value)
    tuned = ("binary", "nodule", "FT")
    other = full.compare(scores.f1, ("binary", "nodule", "TL"), ("binary", "nodule", "MobileNet TL"))
    return {
        "attempts_moves": f"{min(values):+.1f} to {max(values):+.1f}".replace("-", MINUS),
        "attempts_reach": f"{100 * np.mean([np.diff(one.ends) / 2 for one in moves]):.0f}",
        "attempts_candidate": estimates.written(other, percent=True),
        "views_networks": count(len(names)),
        "views_gain_least": estimates.written(gains[0]),
        "views_gain_most": estimates.written(gains[-1]),
        "views_together": estimates.written(full.compare(scores.auc, ("binary", "both", "FT"), tuned)),
    }
