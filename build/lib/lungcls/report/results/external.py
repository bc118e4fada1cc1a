"""Rows of what is recorded, by what they are about."""

import re

import pandas as pd

from lungcls.report.wording import COHORTS


def chosen(rows, wanted):
    """List the rows of a record that have some values."""
    return [row for row in rows if wanted.items() <= row.items()]


def rows_of(rows, index, **wanted):
    """Choose the rows of a record that have some values, by one of their names."""
    return pd.DataFrame(chosen(rows, wanted)).set_index(index)


def told_apart(found, first, second, *, patients="all"):
    """Take the recorded AUC of two groups of patients (`benchmarks/diagnoses.py`), by predictor."""
    rows = rows_of(found["auc"], "predictor", first=first, second=second, patients=patients)
    return rows.rename(lambda name: re.sub(rf", ({'|'.join(COHORTS)})$", "", name))
