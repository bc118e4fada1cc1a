"""Splits and folds: made once a cohort, stored as a table, the same for all views and models.

Both are stratified by malignancy score, so by both tasks at once. The default protocol
keeps all cases of a patient in one part; `protocol="report"` does not, as in the report,
and exists to measure what that costs.
"""

from pathlib import Path
import warnings

import numpy as np
import pandas as pd

from lungcls.cohorts.case_table import check_cases, refuse_rows, require_columns
from lungcls.cohorts.cohort import Cohort, require_classes
from lungcls.cohorts.csv_files import read_csv
from lungcls.errors import InputError
from lungcls.files import whole_text

COLUMNS = ("case_id", "split")
PARTS = ("train", "validation", "test")
SHARES = (0.70, 0.15, 0.15)  # the report's
PROTOCOLS = ("patient", "report")
NEAR = 0.005  # class shares this near to the whole's are near enough
UNEVEN = 0.05  # sizes of parts farther than that from their shares are worth a warning
STARTS = 20  # random starts at most; the nearest is taken


def split(cases, *, protocol="patient", seed, shares=SHARES, task="multiclass"):
    """Split cases into a training, a validation and a test part.

    Parameters
    ----------
    cases : DataFrame
        `case_id`, `patient_id` and `malignancy` (1..5), one row a case.
    protocol : {"patient", "report"}, default "patient"
        Whole patients, or single cases as in the report; both stratified by score.
    seed : int
        Same cases and same seed: same split, whatever the order of the rows.
    shares : (float, float, float), default (0.70, 0.15, 0.15)
        Shares of the three parts; they add up to 1. Without a test part, the last is 0.
    task : {"multiclass", "binary"}, default "multiclass"
        Whose classes each part needs. For "binary", cases that lack scores, or have too few patients of
        one, are stratified by benign and malignant.

    Returns
    -------
    DataFrame
        `case_id` and `split` ("train", "validation" or "test"), in the order of `cases`.
        Each part holds a case of every class.

    Raises
    ------
    InputError
        If a class has no case, or cannot have one in every part.
    ValueError
        If an option is wrong.

    Examples
    --------
    >>> cases = pd.DataFrame({"case_id": range(100), "malignancy": 20 * [1, 2, 3, 4, 5]})
    >>> cases["patient_id"] = cases["case_id"]
    >>> split(cases, seed=0)["split"].value_counts().to_dict()
    {'train': 70, 'validation': 15, 'test': 15}
    """
    shares = np.asarray(shares, dtype=float)
    whole = shares.shape == (3,) and (shares[:2] > 0).all() and shares[2] >= 0
    if not whole or not np.isclose(shares.sum(), 1):
        raise ValueError(f"shares: found {shares.tolist()}, expected three above 0 that add up to 1")
    parts = _assign(cases, protocol, seed, shares[shares > 0], task)
    names = np.array(PARTS, dtype=object)[parts]
    return pd.DataFrame({"case_id": cases["case_id"].to_numpy(), "split": names})


def folds(cases, *, k, protocol="patient", seed, task="multiclass"):
    """Divide cases into `k` parts of equal size, for cross-validation.

    Parameters
    ----------
    cases : DataFrame
        `case_id`, `patient_id` and `malignancy` (1..5), one row a case.
    k : int, at least 2
    protocol, seed, task
        As in :func:`split`.

    Returns
    -------
    DataFrame
        `case_id` and `fold` (0 to k - 1), in the order of `cases`.

    Raises
    ------
    InputError
        If a class has no case, or cannot have one in every fold.
    ValueError
        If an option is wrong.

    Examples
    --------
    >>> cases = pd.DataFrame({"case_id": range(20), "malignancy": 4 * [1, 2, 3, 4, 5]})
    >>> cases["patient_id"] = cases["case_id"]
    >>> folds(cases, k=4, seed=0)["fold"].value_counts().to_list()
    [5, 5, 5, 5]
    """
    if k < 2:
        raise ValueError(f"k: found {k}, expected 2 or more folds")
    parts = _assign(cases, protocol, seed, np.full(k, 1 / k), task)
    return pd.DataFrame({"case_id": cases["case_id"].to_numpy(), "fold": parts})


def _assign(cases, protocol, seed, shares, task):
    """Number the part of each case: random parts, mended until the class shares fit."""
    if protocol not in PROTOCOLS:
        raise ValueError(f"protocol: found {protocol!r}, expected one of {PROTOCOLS}")
    cases = check_cases(cases, "cases")
    unit = "patient_id" if protocol == "patient" else "case_id"
    groups, owner = np.unique(cases[unit], return_inverse=True)
    try:
        counts = _counted(cases, owner, "multiclass", len(shares), unit)
    except InputError:
        if task == "multiclass":
            raise
        counts = _counted(cases, owner, "binary", len(shares), unit)
    # Groups with the same class counts are of one kind, and stand for each other.
    kinds, kind, sizes = np.unique(counts, axis=0, return_inverse=True, return_counts=True)
    fits = _fits(kinds, counts.sum(), shares)
    rng = np.random.default_rng(seed)
    ways = [fits] if fits.all() else [fits, np.ones_like(fits)]
    starts = (
        _balance(kinds, _start(sizes, way, shares, rng), shares, way) for way in ways for _ in range(STARTS)
    )
    number = _nearest(kinds, starts, shares)
    _say_if_uneven(number.T @ kinds, shares, unit, counts.sum(axis=1).max())
    parts = np.empty(len(groups), dtype=int)
    order = np.lexsort((rng.random(len(groups)), kind))  # at random within a kind
    parts[order] = np.repeat(np.tile(np.arange(len(shares)), len(kinds)), number.ravel())
    return parts[owner]


def _counted(cases, owner, task, n_parts, unit):
    """Cases of each group (patient or case) and class of a task; each class needs a group a part."""
    require_classes(Cohort(cases, {}), task)
    labels, label = np.unique(Cohort(cases, {}).labels(task), return_inverse=True)
    counts = np.zeros((owner.max() + 1, len(labels)), dtype=int)
    np.add.at(counts, (owner, label), 1)
    enough = (counts > 0).sum(axis=0) >= n_parts
    if not enough.all():
        few = int(np.argmin(enough))
        found = f"class {labels[few]} has cases of {(counts[:, few] > 0).sum()} {unit.removesuffix('_id')}s"
        raise InputError(f"cases: {found}, expected at least {n_parts}, one for each part")
    return counts


def _fits(kinds, total, shares):
    """Whether a group of each kind fits into each part, bool (kinds, parts); if into none, the largest."""
    fits = kinds.sum(axis=1)[:, None] <= shares * total
    fits[~fits.any(axis=1)] = shares == shares.max()
    return fits


def _start(sizes, fits, shares, rng):
    """Draw how many groups of each kind begin in each part, (kinds, parts)."""
    number = rng.multinomial(sizes, shares)
    for kind in np.flatnonzero(~fits.all(axis=1)):
        allowed = shares * fits[kind]
        number[kind] = rng.multinomial(sizes[kind], allowed / allowed.sum())
    return number


def _say_if_uneven(held, shares, unit, largest):
    """Warn of parts (parts, classes) whose sizes are far from their shares."""
    sizes = held.sum(axis=1)
    if np.abs(sizes / sizes.sum() - shares).max() > UNEVEN:
        wanted = "/".join(f"{share * sizes.sum():.0f}" for share in shares)
        found = f"parts of {'/'.join(map(str, sizes))} cases where {wanted} were asked for"
        why = f"the largest {unit.removesuffix('_id')} has {largest} cases"
        why = why if largest > 1 else "so few cannot be divided nearer with each class in each part"
        warnings.warn(f"split: {found}; {why}", stacklevel=4)


def _balance(kinds, number, shares, fits):
    """Move one group at a time, always the one that helps most, until none helps."""
    # What is made small is the sum of squares of all deviations, those of a part's class shares from
    # the whole's and of its size from its share; a class missing from a part outweighs all of them.
    number, parts = number.copy(), np.arange(len(shares))  # (kinds, parts); `kinds` is (kinds, scores)
    total = (number.T @ kinds).sum(axis=0)

    def misfit(held):
        size = held.sum(axis=-1)
        off = held / np.maximum(size, 1)[..., None] - total / total.sum()
        size_off = size / total.sum() - shares
        return (off**2).sum(axis=-1) + len(total) * size_off**2 + 1e3 * (held == 0).sum(axis=-1)

    while True:
        held = number.T @ kinds  # cases of each part and score
        now = misfit(held)
        left = np.where(number > 0, misfit(held - kinds[:, None]) - now, np.inf)
        joined = misfit(held + kinds[:, None]) - now
        change = left[:, :, None] + joined[:, None, :]
        change[:, parts, parts] = 0
        change = np.where(fits[:, None, :], change, np.inf)
        kind, old, new = np.unravel_index(np.argmin(change), change.shape)
        if change[kind, old, new] > -1e-12:  # rounding may not start a circle
            return number
        number[kind, [old, new]] += [-1, 1]


def _nearest(kinds, starts, shares):
    """Take the first of the assignments that is near enough, else the nearest."""
    best, nearest = None, np.inf
    for number in starts:
        held = number.T @ kinds
        if not held.all():
            continue
        size, total = held.sum(axis=1), held.sum()
        off = np.abs(held / size[:, None] - held.sum(axis=0) / total).max()
        off = max(off, np.abs(size / total - shares).max())
        if off < nearest:
            best, nearest = number, off
        if off <= NEAR:
            break
    if best is None:
        found = f"no way found to give each of {len(shares)} parts a case of every class"
        raise InputError(f"cases: {found}, expected more patients with a case of a rare class")
    return best


# --- The split on disk ----------------------------------------------------------------


def save_split(table, path):
    """Write a split as `case_id,split`, whole or not at all; one that is there is replaced."""
    check_split(table, path)
    whole_text(Path(path), split_text(table))
    return Path(path)


def split_text(table):
    """A split as the text of its file."""
    return table[[*COLUMNS]].to_csv(index=False, lineterminator="\n")


def load_split(path, cases, *, repeats=False):
    """Read a split, or with `repeats` a table of examples, and check that it is one of these cases."""
    table = read_csv(path, COLUMNS, dtype=str)
    check_split(table, path, repeats=repeats)
    unknown = ~table["case_id"].isin(cases["case_id"])
    refuse_rows(table, path, unknown, "case_id", "a case of the cohort")
    absent = cases.loc[~cases["case_id"].isin(table["case_id"]), "case_id"]
    if len(absent):
        first = absent.iloc[0]
        raise InputError(f"{path}: {len(absent)} cases have no row, the first {first!r}, expected all")
    if repeats:
        return table[[*COLUMNS]].reset_index(drop=True)
    return table.set_index("case_id").loc[cases["case_id"], ["split"]].reset_index()


def check_split(table, source, *, repeats=False):
    """Refuse a table that is no split; with `repeats` a case may stand in several rows."""
    require_columns(table, source, COLUMNS)
    if not repeats:
        refuse_rows(table, source, table["case_id"].duplicated(), "case_id", "each case once")
    refuse_rows(table, source, ~table["split"].isin(PARTS), "split", f"one of {', '.join(PARTS)}")


def shared_patients(cases, table):
    """Cases outside training whose patient is in it: `cases`, `shared`, `share` by part of a split."""
    parts = cases[["case_id", "patient_id"]].merge(table, on="case_id", validate="one_to_one")
    trained = parts.loc[parts["split"] == "train", "patient_id"]
    seen = parts["patient_id"].isin(trained).groupby(parts["split"]).agg(["size", "sum", "mean"])
    return seen.set_axis(["cases", "shared", "share"], axis=1).reindex(list(PARTS[1:]), fill_value=0)
