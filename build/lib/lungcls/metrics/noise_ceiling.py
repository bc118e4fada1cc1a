"""The noise ceiling: how well labels made of readings can be predicted at all.

A label, the readers' mean score rounded up, depends on who happened to read; no image can tell that.
Two references follow from a mixture (:mod:`lungcls.metrics.latent_classes`): a second panel of readers,
and the range that a predictor reaches which knows the latent class of each nodule. No bounds, either.
"""

from itertools import combinations_with_replacement

import numpy as np
import pandas as pd

from lungcls.metrics.agreement import TASK_SCORES, both_tasks, table_scores, to_binary
from lungcls.metrics.classification import divide

N_SCORES = 5


def label_table(mixture, sizes):
    """Share of nodules by number of readers, class and label under a mixture: (largest number, K, 5)."""
    # The probability of a label follows exactly, from that of every sum of independent readings.
    shares = np.bincount(sizes) / len(sizes)
    table, sums = [], np.ones((len(mixture.scores), 1))
    for size in range(1, len(shares)):
        sums = _one_reader_more(sums, mixture.scores)
        label = -(-np.arange(sums.shape[1]) // size)  # the mean, rounded up
        by_label = np.stack([sums[:, label == score].sum(axis=1) for score in range(1, N_SCORES + 1)], axis=1)
        group = min(size, len(mixture.weights)) - 1
        table.append(shares[size] * mixture.weights[group][:, None] * by_label)
    return np.array(table)


def _one_reader_more(sums, scores):
    """Distribution of the sum of readings (0, 1, 2, ...) of each class with one reading more."""
    longer = np.zeros((len(sums), sums.shape[1] + N_SCORES))
    for score in range(1, N_SCORES + 1):
        longer[:, score : score + sums.shape[1]] += sums * scores[:, [score - 1]]
    return longer


def second_panel(table):
    """Score a second panel of as many readers as predictor of the first one's label, by (task, score)."""
    given = divide(table, table.sum(axis=2, keepdims=True), empty=0.0)
    return both_tasks(np.einsum("mki,mkj->ij", table, given))


def known_class(table, *, decide):
    """Score a predictor that knows each nodule's class and nothing of its readers, by (task, score)."""
    # It takes the decision that makes the reported "score" largest, or the most probable "label".
    if decide not in ("score", "label"):
        raise ValueError(f"decide: found {decide!r}, expected 'score' or 'label'")
    joint = table.sum(axis=0)
    found = {}
    for task, mine in (("binary", to_binary(joint, -1)), ("multiclass", joint)):
        for score in TASK_SCORES[task]:
            if score == "AUC":
                found[task, score] = _auc(mine)
            elif decide == "label" or score == "accuracy":
                found[task, score] = float(table_scores(_decided(mine, mine.argmax(axis=1)))[score])
            else:
                found[task, score] = best_decision(mine, score)[1]
    return found


def best_decision(joint, score):
    """Find the decision (K,) of the classes that makes a score of `joint` (K, L) largest, and that score."""
    # Every decision that grows with the suspicion of the class is tried, then single classes are changed
    # as long as that helps.
    n_classes, n_labels = joint.shape
    rank = np.argsort(np.argsort(joint @ np.arange(n_labels) / np.maximum(joint.sum(axis=1), 1e-300)))
    edges = np.array(list(combinations_with_replacement(range(n_classes + 1), n_labels - 1)))
    rising = (edges[:, None, :] <= rank[None, :, None]).sum(axis=2)
    starts = [rising[np.nanargmax(table_scores(_decided(joint, rising))[score])], joint.argmax(axis=1)]
    climbed = [_climb(joint, start, score) for start in starts]
    return max(climbed, key=lambda found: found[1])


def _climb(joint, decision, score):
    """Change one class's decision at a time, always the best change, until none helps."""
    n_classes, n_labels = joint.shape
    value = float(table_scores(_decided(joint, decision))[score])
    while True:
        changed = np.tile(decision, (n_classes, n_labels, 1))
        changed[np.arange(n_classes), :, np.arange(n_classes)] = np.arange(n_labels)
        values = table_scores(_decided(joint, changed))[score]
        best = np.unravel_index(np.nanargmax(values), values.shape)
        if values[best] <= value + 1e-12:
            return decision, value
        decision, value = changed[best], float(values[best])


def _decided(joint, decision):
    """Table of label and decision; `decision` has shape (..., K)."""
    return np.einsum("kl,...kd->...ld", joint, np.eye(joint.shape[1])[decision])


def _auc(joint):
    """Probability that a malignant nodule is ranked above a benign one, by class; ties count half."""
    benign, malignant = joint[np.argsort(joint[:, 1] / np.maximum(joint.sum(axis=1), 1e-300))].T
    below = benign.cumsum() - benign / 2
    return float((malignant * below).sum() / (benign.sum() * malignant.sum()))


def ceiling_scores(mixtures, sizes):
    """Score the second panel and the predictor that knows the class, for several fits.

    Parameters
    ----------
    mixtures : list of lungcls.metrics.latent_classes.Mixture
        Numbers of classes and starts that explain the ratings about equally well.
    sizes : sequence of int
        How many readers each real nodule has.

    Returns
    -------
    DataFrame, one row a mixture, indexed by its number of classes
        Columns (who, task, score), where who is "second panel", "known class" (decision
        made for the score) or "most probable label". See ``ceiling_range``.

    Examples
    --------
    >>> from lungcls.metrics.latent_classes import fit
    >>> from lungcls.metrics.ratings import parse_ratings, score_counts
    >>> counts = score_counts(parse_ratings(["5 4 5", "1 1 2", "1 2 1", "4 5 4"] * 5))
    >>> table = ceiling_scores(fit(counts, classes=2, seed=0, starts=1), counts.sum(axis=1))
    >>> table.xs(("multiclass", "accuracy"), axis=1, level=["task", "score"]).loc[2].round(2).to_dict()
    {'second panel': 0.66, 'known class': 0.77, 'most probable label': 0.77}
    """
    rows = []
    for mixture in mixtures:
        table = label_table(mixture, sizes)
        who = {
            "second panel": second_panel(table),
            "known class": known_class(table, decide="score"),
            "most probable label": known_class(table, decide="label"),
        }
        rows.append({(name, *key): value for name, found in who.items() for key, value in found.items()})
    columns = pd.MultiIndex.from_tuples(rows[0], names=["who", "task", "score"])
    classes = pd.Index([len(mixture.scores) for mixture in mixtures], name="classes")
    return pd.DataFrame([list(row.values()) for row in rows], index=classes, columns=columns, dtype=float)


def ceiling_range(table, who="known class"):
    """Least and greatest value, `low` and `high`, of each (task, score) over several fits."""
    mine = table[who]
    return pd.DataFrame({"low": mine.min(), "high": mine.max()})


def position(value, *, low, high, second=None):
    """Name the position of a value in the range of the noise ceiling, and against a second panel."""
    # Whoever stands above the range should look for a leak first; a leak can also hide below.
    given = [value, low, high] if second is None else [value, low, high, second]
    if not (np.isfinite(given).all() and low <= high):
        raise ValueError(f"position: found {', '.join(map(str, given))}, expected numbers with low <= high")
    if value >= low:
        return "above the range" if value > high else "inside the range"
    if second is None:
        return "below the range"
    return "below the second panel" if value < second else "between second panel and range"
