"""Leakage audit of a cohort and a split: what a test part would know from training.

Each check is of two parts, or of one, and ends in a verdict: "found", "clean", or "cannot
tell" where the files do not say. A clean audit is no proof. Copies that were shifted or
turned by a few degrees are not seen, nor is anything that is not in the files, such as
settings chosen on the test part.
"""

from dataclasses import replace
from itertools import combinations

import numpy as np
import pandas as pd

from lungcls.cohorts import covariates as covariates_, near_duplicates
from lungcls.cohorts.case_table import SCORES, doubtful_names, refuse_rows
from lungcls.cohorts.cohort import check_pixels
from lungcls.cohorts.splits import PARTS, check_split
from lungcls.preprocessing.images import release

CHECKS = (
    "shared patients",
    "patients under two names",
    "shared cases",
    "balancing before splitting",
    "identical images",
    "near-identical images",
    "class drift",
    "preprocessing outside training",
    "covariates that tell the label",
)
COLUMNS = ["check", "view", "parts", "count", "of", "examples", "verdict"]
DRIFT = 0.05  # difference of a class's shares that counts, if chance is no likely reason
CHANCE = 0.01  # p value of the chi-square test below which chance is none
EXAMPLES = 3  # that a finding names
CHUNK = 256  # cases compared with a whole part at a time
EXACT = 1e-6  # to which limits of a float32 image are exact
ROUNDED = 1e-3  # to which mean and standard deviation of standardised images are 0 and 1


def audit(cohort, table, *, covariates=()):
    """Check a split of a cohort for leakage.

    Parameters
    ----------
    cohort : Cohort
        May be without views; then only what the table says is checked.
    table : DataFrame
        `case_id` and `split` ("train", "validation" or "test"). A case may stand in several
        rows: then the table lists examples, as they are after balancing.
    covariates : sequence of str, optional
        Columns of the case table that a model is to be given.

    Returns
    -------
    DataFrame
        One row a check, view and pair of parts: `check`, `view` ("" for all or none; a covariate),
        `parts`, `count` (cases of the last-named part that are concerned; scores that
        drift), `of` (how many there are), `examples`, `verdict` ("found", "clean" or
        "cannot tell").

        - *shared patients, shared cases*: cases whose patient, or which themselves, are in
          the other part too. "Cannot tell" where there is one part only.
        - *patients under two names*: ids that differ in case, zeros, blanks or dashes only, or
          mean "missing".
        - *balancing before splitting*: copies of a case on both sides, or a case several
          times in a held-out part. A copy is the same case in the table, or another one
          that is similar in every view, also flipped or turned.
        - *identical, near-identical images* of another case, view by view: all pixels
          equal; or similar as in :func:`lungcls.cohorts.near_duplicates.similar`.
        - *class drift*: scores whose share differs from that in the training part by more
          than 5 points, where p of the chi-square test is below 0.01.
        - *preprocessing outside training*: see ``scaling``.
        - *covariates that tell the label*: one that tells malignant from benign, or one score from the
          others, with an AUC of 0.95 or more, or lists a value for each reader who gave the label.

    Raises
    ------
    InputError
        If a case is unknown, a part has another name, or an image is not finite or has a
        single grey level.

    Examples
    --------
    >>> from lungcls.cohorts.cohort import Cohort
    >>> cases = pd.DataFrame({"case_id": ["a", "b"], "patient_id": ["p", "p"], "malignancy": [2, 2]})
    >>> split = pd.DataFrame({"case_id": ["a", "b"], "split": ["train", "test"]})
    >>> findings = audit(Cohort(cases, {}), split)
    >>> findings.loc[findings["verdict"] == "found", "check"].to_list()
    ['shared patients']
    """
    rows = _rows(cohort.cases, table)
    if cohort.views:
        check_pixels(replace(cohort, masks={}))
    parts = {part: np.unique(rows[(table["split"] == part).to_numpy()]) for part in PARTS}
    parts = {part: members for part, members in parts.items() if len(members)}
    known = {view: near_duplicates.fingerprints(images) for view, images in cohort.views.items()}
    found = []
    for first, second in combinations(parts, 2):
        between = _between(cohort.cases, known, parts[first], parts[second])
        found += [_row(*finding, f"{first}/{second}", of=parts[second]) for finding in between]
    if len(parts) == 1:
        alone = f"every case is in {', '.join(parts)}: nothing was compared"
        found.append(_row("shared patients", "", alone, 0, "all", of=rows, verdict="cannot tell"))
    found += (
        _doubtful(cohort.cases)
        + _repeated(cohort.cases, table, parts)
        + _drift(cohort, parts)
        + _scalings(cohort, parts)
        + _covariates(cohort, covariates)
    )
    found.sort(key=lambda row: CHECKS.index(row["check"]))
    return pd.DataFrame(found, columns=COLUMNS)


def _rows(cases, table):
    """Row of the cohort for each row of the table."""
    check_split(table, "split", repeats=True)
    rows = pd.Index(cases["case_id"]).get_indexer(table["case_id"])
    refuse_rows(table, "split", rows < 0, "case_id", "a case of the cohort")
    return rows


def _row(check, view, examples, count, parts, *, of, verdict=None):
    """One finding, by column; the verdict follows from the count where none is given."""
    verdict = verdict or ("found" if count else "clean")
    return dict(zip(COLUMNS, (check, view, parts, int(count), len(of), examples, verdict), strict=True))


# --- Between two parts ------------------------------------------------------------------


def _between(cases, fingerprints, first, second):
    """Compare the cases of two parts: (check, view, examples, count) of each check."""
    ids, patients = cases["case_id"].to_numpy(), cases["patient_id"].to_numpy()
    shared = second[pd.Series(patients[second]).isin(patients[first])]  # by hash: np.isin compares every pair
    again = np.intersect1d(first, second)
    pairs = {("balancing before splitting", ""): [(row, row) for row in again]}
    among = {view: near_duplicates.index(known, first) for view, known in fingerprints.items()}
    for view in fingerprints:
        pairs |= {(f"{kind} images", view): [] for kind in ("identical", "near-identical")}
    for start in range(0, len(second), CHUNK):
        some, copied = second[start : start + CHUNK], None
        for view, known in fingerprints.items():
            same = _numbered(*near_duplicates.identical(known, some, first), len(cases))
            near = _numbered(*near_duplicates.similar(known, some, among[view]), len(cases))
            both = np.union1d(same, near)
            copied = both if copied is None else np.intersect1d(copied, both)
            pairs["identical images", view] += _firsts(same, len(cases))
            pairs["near-identical images", view] += _firsts(np.setdiff1d(near, same), len(cases))
        pairs["balancing before splitting", ""] += [] if copied is None else _firsts(copied, len(cases))
    people = ("shared patients", "", _named(np.unique(patients[shared])), len(shared))
    found = [people, ("shared cases", "", _named(ids[again]), len(again))]
    for (check, view), rows in pairs.items():
        names = [ids[a] if a == b else f"{ids[a]} = {ids[b]}" for a, b in rows[:EXAMPLES]]
        count = len({a for a, _ in rows})
        found.append((check, view, _named(names, count), count))
    return found


def _numbered(a, b, n):
    """One number for each pair of different rows of n, sorted."""
    return np.sort((a * n + b)[a != b])


def _firsts(numbers, n):
    """The pair of least second row of each first row, as rows of the cohort."""
    a, b = np.divmod(numbers, n)
    rows, place = np.unique(a, return_index=True)
    return list(zip(rows, b[place], strict=True))


def _named(names, count=None):
    count = len(names) if count is None else count
    return ", ".join(map(str, names[:EXAMPLES])) + (", .." if count > EXAMPLES else "")


# --- Within a part ----------------------------------------------------------------------


def _repeated(cases, table, parts):
    """Cases that a held-out part lists more than once."""
    found = []
    for part in _held_out(parts):
        listed = table.loc[table["split"] == part, "case_id"]
        twice = listed[listed.duplicated()].unique()
        row = ("balancing before splitting", "", _named(twice), len(twice), part)
        found.append(_row(*row, of=parts[part]))
    return found


def _doubtful(cases):
    """Patients whose names may be one, or none."""
    doubtful = doubtful_names(cases["patient_id"])
    names = _named([" = ".join(map(repr, one)) for one in doubtful])
    options = {"of": cases["patient_id"].unique(), "verdict": "cannot tell" if doubtful else "clean"}
    return [_row("patients under two names", "", names, len(doubtful), "all", **options)]


def _held_out(parts):
    return [part for part in parts if part != "train"]


def _drift(cohort, parts):
    """Compare the class shares of each held-out part with those of the training part."""
    from scipy.stats import chi2_contingency

    found, scores = [], cohort.labels("multiclass")
    for part in _held_out(parts) if "train" in parts else ():
        counts = np.array([np.bincount(scores[parts[name]], minlength=6)[1:] for name in ("train", part)])
        shares = counts / counts.sum(axis=1, keepdims=True)
        apart, there = np.abs(shares[1] - shares[0]), counts.any(axis=0)
        p = chi2_contingency(counts[:, there], correction=False).pvalue if there.sum() > 1 else 1.0
        most = int(apart.argmax())
        before, after = (f"{100 * share:.1f} %" for share in shares[:, most])
        text = f"score {SCORES[most]}: {after} against {before}, p {p:.2g}"
        count = (apart > DRIFT).sum() if p < CHANCE else 0
        found.append(_row("class drift", "", text, count, f"train/{part}", of=there.nonzero()[0]))
    return found


# --- Preprocessing ----------------------------------------------------------------------


def _scalings(cohort, parts):
    train, stated = parts.get("train", np.array([], dtype=int)), cohort.info.get("fitted_on")
    found = []
    for view, images in cohort.views.items():
        verdict, why = scaling(_moments(images), train, stated=stated)
        row = ("preprocessing outside training", view, why, verdict == "found", "all")
        found.append(_row(*row, of=[view], verdict=verdict))
    return found


def _covariates(cohort, names):
    """Say which covariates tell the label, or come from the readers who gave it."""
    known = covariates_.telling(cohort, names) if names else {}
    check, of = "covariates that tell the label", range(len(cohort))
    return [_row(check, name, why, tells, "all", of=of[:1]) for name, (why, tells) in known.items()]


def _moments(images):
    """Mean, mean square, least and greatest grey level of each image: shape (n, 4), float64."""
    step, found = max(1, near_duplicates.BATCH_PIXELS // (images.shape[1] * images.shape[2])), []
    for _, batch in images.batches(step):
        flat = batch.reshape(len(batch), -1).astype(float)
        found.append(np.stack([flat.mean(1), (flat**2).mean(1), flat.min(1), flat.max(1)], axis=1))
        release(images)
    return np.concatenate(found)


def scaling(moments, train, *, stated=None):
    """Say, by moments (n, 4), whether images were scaled by numbers that held-out cases helped to make."""
    # Where a scaling leaves its mark in the grey levels: images standardised by a common mean and standard
    # deviation have 0 and 1 over just those cases that these were taken from, and common limits are reached
    # by them. Integers that were rounded, a PCA or a choice of settings leave none. `stated`, what
    # `cohort.json` says under `fitted_on` ("image", "train" or "all"), is believed unless pixels speak
    # against it. Returns a verdict and why.
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
