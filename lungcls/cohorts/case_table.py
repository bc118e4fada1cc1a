"""Tables that people write: the case table, one row a case, read and checked.

A message names the file, the first wrong row (counted from 1, header not counted) and what was expected.
"""

from contextlib import contextmanager
from pathlib import Path

import numpy as np
import pandas as pd

from lungcls.errors import InputError

SCORES = (1, 2, 3, 4, 5)
REQUIRED = ("case_id", "patient_id", "malignancy")


def read_cases(path, *, labels=True):
    """Read and check a case table, a CSV file; `malignancy` may be missing where `labels` is False."""
    text = dict.fromkeys((*REQUIRED, "ratings"), str)
    cases = read_csv(path, REQUIRED, dtype=text, na_values=[""])
    return check_cases(cases, path, labels=labels)


def read_csv(path, columns, **options):
    """Read a CSV table; one that is missing, not readable or has surplus fields is refused."""
    require_file(path, columns)
    try:
        table = pd.read_csv(path, keep_default_na=False, **options)
    except (pd.errors.ParserError, pd.errors.EmptyDataError, UnicodeDecodeError, OSError) as error:
        raise InputError(f"{path}: not a readable CSV table ({' '.join(str(error).split())})") from error
    if not isinstance(table.index, pd.RangeIndex):  # pandas takes surplus fields for row names
        raise InputError(f"{path}: row 1: more fields than the header, expected {len(table.columns)}")
    return table


def require_file(path, columns):
    """Refuse the path of a table that is not there."""
    if not Path(path).is_file():
        raise InputError(f"{path}: no such file, expected a table with {', '.join(columns)}")


def require_columns(table, source, columns):
    """Refuse a table that lacks a column."""
    for column in columns:
        if column not in table.columns:
            found, needed = ", ".join(map(str, table.columns)), ", ".join(columns)
            raise InputError(f"{source}: no column {column!r} (found {found}), expected {needed}")


def require_cases(table, source):
    """Refuse a table without a row."""
    if not len(table):
        raise InputError(f"{source}: no case, expected at least one row")


def check_cases(cases, source, *, labels=True):
    """Check a case table and type its columns: ids text, `malignancy` int, others numeric if they can."""
    # A missing number is NaN, missing text is empty; `source` is what the messages name.
    require_columns(cases, source, REQUIRED if labels else REQUIRED[:2])
    require_cases(cases, source)
    cases = cases.copy()
    for column in ("case_id", "patient_id"):
        cases[column] = cases[column].fillna("").astype(str).str.strip()
        refuse_rows(cases, source, cases[column] == "", column, "a name that is not empty")
    refuse_rows(cases, source, cases["case_id"].duplicated(), "case_id", "each case once")
    if "malignancy" in cases.columns:
        unchecked = pd.to_numeric(cases["malignancy"], errors="coerce")
        cases["malignancy"] = read_scores(cases, source) if labels else unchecked
    for column in cases.columns.difference([*REQUIRED, "ratings"]):
        if not pd.api.types.is_numeric_dtype(cases[column]):
            text = cases[column].fillna("").astype(str)
            numbers = pd.to_numeric(text, errors="coerce")
            cases[column] = text if (numbers.isna() & (text != "")).any() else numbers
    if "ratings" in cases.columns:
        cases["ratings"] = cases["ratings"].fillna("").astype(str)
    return cases


def read_scores(table, source, *, column="malignancy"):
    """A column of malignancy scores as int, 1..5; any other value is refused."""
    numbers = pd.to_numeric(table[column], errors="coerce")
    refuse_rows(table, source, ~numbers.isin(SCORES), column, "a whole number from 1 to 5")
    return numbers.astype(int)


@contextmanager
def at_row(source, row):
    """Put the row of a table, counted from 1, before an InputError raised in the block."""
    try:
        yield
    except InputError as error:
        raise InputError(f"{source}: row {row}: {error}") from error


def refuse_rows(table, source, wrong, column, expected):
    """Raise an InputError for the first row, counted from 1, where `wrong`, a boolean array, holds."""
    if wrong.any():
        row = int(np.argmax(wrong))
        found = table[column].iloc[row]
        found = "" if pd.isna(found) else found
        raise InputError(f"{source}: row {row + 1}: {column} is {str(found)!r}, expected {expected}")


def table_text(cases):
    """A case table as the text of `cases.csv`."""
    return cases.to_csv(index=False, lineterminator="\n")
