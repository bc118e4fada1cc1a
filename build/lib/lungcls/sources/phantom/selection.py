"""Which cases a phantom cohort has: the report's class shares, whole patients, replicas."""

from collections import Counter
from functools import cache
from zlib import crc32

import numpy as np
import pandas as pd

from lungcls.errors import InputError
from lungcls.sources import annotations


@cache
def report_cases():
    """The report's case list, read once."""
    return annotations.report_cases()


def choose(count, *, seed):
    """Choose rows of the report's case list in its class shares, whole patients as far as these allow.

    In its order, with a column `replica` (1, 2, ...); replicas' case ids end in ``-r2``, ``-r3``, ...
    """
    if count < 1:
        raise InputError(f"cases: found {count}, expected at least 1")
    every = report_cases()
    whole, rest = divmod(count, len(every))
    sizes = every["malignancy"].value_counts().sort_index()
    quotas = shares(count, sizes) - whole * sizes
    parts = [replicate(every, 1 + i) for i in range(whole)]
    if rest:
        rng = np.random.default_rng([seed, crc32(b"choose"), whole])
        parts.append(replicate(every.loc[_fill(every, quotas.to_dict(), rng)], 1 + whole))
    return pd.concat(parts, ignore_index=True)


def shares(count, sizes):
    """Split `count` in proportion to a Series of sizes by largest remainder; the parts add up to it."""
    parts = count * sizes // sizes.sum()
    left = (count * sizes % sizes.sum()).sort_values(ascending=False, kind="stable")
    parts[left.index[: count - parts.sum()]] += 1
    return parts


def _fill(every, quotas, rng):
    """Rows of whole patients in random order while they fit, then of single nodules."""
    scores, patients = every["malignancy"].to_numpy(), every["patient_id"].to_numpy()
    groups = np.split(np.arange(len(every)), np.flatnonzero(patients[1:] != patients[:-1]) + 1)
    taken, left = [], []
    for i in rng.permutation(len(groups)):
        need = Counter(scores[groups[i]].tolist())
        if all(quotas[score] >= n for score, n in need.items()):
            taken.extend(groups[i].tolist())
            for score, n in need.items():
                quotas[score] -= n
        else:
            left.extend(groups[i].tolist())
    for row in left:
        if quotas[scores[row]] > 0:
            taken.append(row)
            quotas[scores[row]] -= 1
    return sorted(taken)


def named(case_ids):
    """Look up cases by id, such as ``pat12`` or ``pat12-r2`` for its second phantom: as :func:`choose`."""
    every = report_cases().set_index("case_id", drop=False)
    parts = []
    for case_id in case_ids:
        base, _, replica = str(case_id).partition("-r")
        if base not in every.index or (replica and not (replica.isdecimal() and int(replica) > 1)):
            raise InputError(
                f"cases: no case {case_id!r}, expected ids of the report's case list such as 'pat1'"
            )
        parts.append(replicate(every.loc[[base]], int(replica or 1)))
    if not parts:
        raise InputError("cases: no case id, expected at least one")
    found = pd.concat(parts, ignore_index=True)
    if found["case_id"].duplicated().any():
        twice = found["case_id"][found["case_id"].duplicated()].iloc[0]
        raise InputError(f"cases: {twice!r} twice, expected each case once")
    return found


def replicate(cases, replica):
    """Name cases as the `replica`-th phantom of their nodules (1 keeps their ids)."""
    cases = cases.assign(replica=replica)
    if replica > 1:
        cases["case_id"] = cases["case_id"] + f"-r{replica}"
    return cases
