"""Leakage audit of a cohort and a split: what a test part would know from training.

Each check is of two parts, or of one, and ends in a verdict: "found", "clean", or "cannot
tell" where the files do not say. A clean audit is no proof. Copies that were shifted or
turned by a few degrees are not seen, nor is anything that is not in the files, such as
settings chosen on the test part.
"""

from itertools import combinations

import numpy as np
import pandas as pd

from lungcls.cohorts import near_duplicates
from lungcls.cohorts.cohort import SCORE_NAMES, Cohort, check_pixels
from lungcls.cohorts.splits import PARTS
from lungcls.errors import InputError

CHECKS = (
    "shared patients",
    "shared cases",
    "balancing before splitting",
    "identical images",
    "near-identical images",
    "class drift",
    "preprocessing outside training",
)
COLUMNS = ["check", "view", "parts", "count", "of", "examples", "verdict"]
DRIFT = 0.05  # difference of a class's shares that counts, if chance is no likely reason
CHANCE = 0.01  # p value of the chi-square test below which chance is none
EXAMPLES = 3  # that a finding names
CHUNK = 256  # cases compared with a whole part at a time
EXACT = 1e-6  # to which limits of a float32 image are exact
ROUNDED = 1e-3  # to which mean and standard deviation of standardised images are 0 and 1


def audit(cohort, table):
    """Check a split of a cohort for leakage.

    Parameters
    ----------
    cohort : Cohort
        May be without views; then only what the table says is checked.
    table : DataFrame
        `case_id` and `split` ("train", "validation" or "test"). A case may stand in several
        rows: then the table lists examples, as they are after balancing.

    Returns
    -------
    DataFrame
        One row a check, view and pair of parts: `check`, `view` ("" for all or none),
        `parts`, `count` (cases of the last-named part that are concerned; scores that
        drift), `of` (how many there are), `examples`, `verdict` ("found", "clean" or
        "cannot tell").

        - *shared patients, shared cases*: cases whose patient, or which themselves, are in
          the other part too.
        - *balancing before splitting*: copies of a case on both sides, or a case several
          times in a held-out part. A copy is the same case in the table, or another one
          that looks alike in every view, also flipped or turned.
        - *identical, near-identical images* of another case, view by view: all pixels
          equal; or alike as in :func:`lungcls.cohorts.near_duplicates.alike`.
        - *class drift*: scores whose share differs from that in the training part by more
          than 5 points, where p of the chi-square test is below 0.01.
        - *preprocessing outside training*: see :func:`scaling`.

    Raises
    ------
    InputError
        If a case is unknown, a part has another name, or an image is not finite or has a
        single grey level.
    """
    rows = _rows(cohort.cases, table)
    if cohort.views:
        check_pixels(Cohort(cohort.cases, cohort.views, {}, cohort.info, cohort.folder))
    parts = {part: np.unique(rows[(table["split"] == part).to_numpy()]) for part in PARTS}
    parts = {part: members for part, members in parts.items() if len(members)}
    prints = {view: near_duplicates.take_prints(images) for view, images in cohort.views.items()}
    found = []
    for first, second in combinations(parts, 2):
        between = _between(cohort.cases, prints, parts[first], parts[second])
        found += [_row(*finding, f"{first}/{second}", of=parts[second]) for finding in between]
    found += _repeated(cohort.cases, table, parts) + _drift(cohort, parts) + _scalings(cohort, parts)
    order = {check: place for place, check in enumerate(CHECKS)}
    findings = pd.DataFrame(found, columns=COLUMNS)
    return findings.sort_values("check", key=lambda names: names.map(order), kind="stable", ignore_index=True)


def _rows(cases, table):
    """Row of the cohort for each row of the table."""
    for column in ("case_id", "split"):
        if column not in table.columns:
            raise InputError(f"split: no column {column!r}, expected case_id, split")
    if wrong := sorted(set(table["split"]) - set(PARTS), key=str):
        raise InputError(f"split: found the part {wrong[0]!r}, expected one of {', '.join(PARTS)}")
    rows = pd.Index(cases["case_id"]).get_indexer(table["case_id"])
    if (rows < 0).any():
        unknown = table["case_id"].iloc[int(np.argmax(rows < 0))]
        raise InputError(f"split: case_id is {unknown!r}, expected a case of the cohort")
    return rows


def _row(check, view, examples, count, parts, *, of, verdict=None):
    verdict = verdict or ("found" if count else "clean")
    return dict(zip(COLUMNS, (check, view, parts, int(count), len(of), examples, verdict)))


# --- Between two parts ------------------------------------------------------------------


def _between(cases, prints, first, second):
    """Compare the cases of two parts: (check, view, examples, count) of each check."""
    ids, patients = cases["case_id"].to_numpy(), cases["patient_id"].to_numpy()
    shared = second[np.isin(patients[second], patients[first])]
    again = np.intersect1d(first, second)
    pairs = {("balancing before splitting", ""): [(row, row) for row in again]}
    for view in prints:
        pairs |= {(f"{kind} images", view): [] for kind in ("identical", "near-identical")}
    for start in range(0, len(second), CHUNK):
        some = second[start : start + CHUNK]
        other = some[:, None] != first
        copied = other if prints else np.zeros_like(other)
        for view, known in prints.items():
            same = near_duplicates.same(known, some, first) & other
            alike = (near_duplicates.alike(known, some, first) & other) | same
            copied = copied & alike
            pairs["identical images", view] += _pairs(same, some, first)
            pairs["near-identical images", view] += _pairs(alike & ~same, some, first)
        pairs["balancing before splitting", ""] += _pairs(copied, some, first)
    found = [
        ("shared patients", "", _named(np.unique(patients[shared])), len(shared)),
        ("shared cases", "", _named(ids[again]), len(again)),
    ]
    for (check, view), rows in pairs.items():
        names = [ids[a] if a == b else f"{ids[a]} = {ids[b]}" for a, b in rows[:EXAMPLES]]
        count = len({a for a, _ in rows})
        found.append((check, view, _named(names, count), count))
    return found


def _pairs(matrix, some, first):
    """The first match of each row that has one, as rows of the cohort."""
    hit = np.flatnonzero(matrix.any(axis=1))
    return list(zip(some[hit], first[matrix[hit].argmax(axis=1)]))


def _named(names, count=None):
    count = len(names) if count is None else count
    return ", ".join(map(str, names[:EXAMPLES])) + (", .." if count > EXAMPLES else "")


# --- Within a part ----------------------------------------------------------------------


def _repeated(cases, table, parts):
    """Cases that a held-out part lists more than once."""
    found = []
    for part in PARTS[1:]:
        if part in parts:
            listed = table.loc[table["split"] == part, "case_id"]
            twice = listed[listed.duplicated()].unique()
            found.append(
                _row("balancing before splitting", "", _named(twice), len(twice), part, of=parts[part])
            )
    return found


def _drift(cohort, parts):
    """Compare the class shares of each held-out part with those of the training part."""
    from scipy.stats import chi2_contingency

    found, scores = [], cohort.labels("multiclass")
    for part in PARTS[1:]:
        if part not in parts or "train" not in parts:
            continue
        counts = np.array([np.bincount(scores[parts[name]], minlength=6)[1:] for name in ("train", part)])
        shares = counts / counts.sum(axis=1, keepdims=True)
        apart, there = np.abs(shares[1] - shares[0]), counts.any(axis=0)
        p = chi2_contingency(counts[:, there], correction=False).pvalue if there.sum() > 1 else 1.0
        most = int(apart.argmax())
        text = (
            f"score {list(SCORE_NAMES)[most]}: {100 * shares[1, most]:.1f} % "
            f"against {100 * shares[0, most]:.1f} %, p {p:.2g}"
        )
        count = (apart > DRIFT).sum() if p < CHANCE else 0
        found.append(_row("class drift", "", text, count, f"train/{part}", of=there.nonzero()[0]))
    return found


# --- Preprocessing ----------------------------------------------------------------------


def _scalings(cohort, parts):
    found = []
    for view, images in cohort.views.items():
        train, stated = parts.get("train", np.array([], dtype=int)), cohort.info.get("fitted_on")
        verdict, why = scaling(_moments(images), train, stated=stated)
        found.append(
            _row(
                "preprocessing outside training",
                view,
                why,
                verdict == "found",
                "all",
                of=[view],
                verdict=verdict,
            )
        )
    return found


def _moments(images):
    """Mean, mean square, least and greatest grey level of each image: shape (n, 4), float64."""
    step, found = max(1, near_duplicates.BATCH_PIXELS // (images.shape[1] * images.shape[2])), []
    for _, batch in images.batches(step):
        flat = batch.reshape(len(batch), -1).astype(float)
        found.append(np.stack([flat.mean(1), (flat**2).mean(1), flat.min(1), flat.max(1)], axis=1))
    return np.concatenate(found)


def scaling(moments, train, *, stated=None):
    """Say whether stored images were scaled by numbers that held-out cases helped to make.

    This shows where a scaling leaves its mark in the grey levels: images standardised by a
    common mean and standard deviation have 0 and 1 over just those cases that these were
    taken from, and common limits are reached by them. Integers that were rounded, a PCA or
    a choice of settings leave no such mark.

    Parameters
    ----------
    moments : ndarray of shape (n, 4), float
        Mean, mean square, least and greatest grey level of each image.
    train : ndarray of int
        Rows of the training part.
    stated : str, optional
        What `cohort.json` says under `fitted_on`: "image" (each by itself, or nothing),
        "train" or "all". It is believed where pixels do not speak against it.

    Returns
    -------
    verdict : {"found", "clean", "cannot tell"}
    why : str
    """
    mean, square, low, high = moments.T
    spread = np.sqrt(np.maximum(square - mean**2, 0))
    if np.ptp(low) == 0 and np.ptp(high) == 0:
        return "clean", f"every image has the range {low[0]:g} to {high[0]:g}"
    if max(np.abs(mean).max(), np.abs(spread - 1).max()) < ROUNDED:
        return "clean", "each image has mean 0 and standard deviation 1"
    own = []  # how far the training part is from what a common scaling would have made of it
    if len(train):
        standard = [_off_standard(mean[rows], square[rows]) for rows in (slice(None), train)]
        limits = [abs(low[rows].min()) + abs(high[rows].max() - 1) for rows in (slice(None), train)]
        if min(standard) < ROUNDED and standard[0] < standard[1]:
            return "found", "mean 0 and standard deviation 1 over all cases, not over the training part"
        if limits[0] < EXACT < limits[1]:
            return "found", "limits 0 and 1 over all cases, not over the training part"
        own = [standard[1], limits[1]]
    if stated == "all":
        return "found", "cohort.json: fitted on all cases"
    if stated in ("image", "train"):
        return "clean", f"cohort.json: fitted on {stated}"
    if own and min(own) < EXACT:
        return "clean", "scaled by numbers of the training part"
    return "cannot tell", "grey levels without a mark of how they were scaled"


def _off_standard(mean, square):
    centre = mean.mean()
    return max(abs(centre), abs(np.sqrt(max(square.mean() - centre**2, 0)) - 1))
