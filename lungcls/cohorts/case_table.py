"""The case table: one row a case, read and checked."""

from contextlib import contextmanager
from pathlib import Path

import numpy as np
import pandas as pd

from lungcls.errors import InputError

SCORES = (1, 2, 3, 4, 5)


def read_cases(path, *, labels=True):
    """Read and check a case table.

    Parameters
    ----------
    path : path
        A CSV file with `case_id`, `patient_id` and, unless `labels` is False,
        `malignancy`.
    labels : bool, default True

    Returns
    -------
    DataFrame

    Raises
    ------
    InputError
        Naming the file, the first wrong row (counted from 1, header not counted) and
        what was expected.
    """
    path = Path(path)
    if not path.is_file():
        raise InputError(f"{path}: no such file, expected a table with case_id, patient_id, malignancy")
    try:
        text = dict.fromkeys(("case_id", "patient_id", "malignancy", "ratings"), str)
        cases = pd.read_csv(path, dtype=text, keep_default_na=False, na_values=[""])
    except (pd.errors.ParserError, pd.errors.EmptyDataError, UnicodeDecodeError, OSError) as error:
        raise InputError(f"{path}: not a readable CSV table ({_one_line(error)})") from error
    if not isinstance(cases.index, pd.RangeIndex):  # pandas takes surplus fields for row names
        raise InputError(f"{path}: row 1: more fields than the header, expected {len(cases.columns)}")
    return check_cases(cases, path, labels=labels)


def _one_line(error):
    return " ".join(str(error).split())


def check_cases(cases, source, *, labels=True):
    """Check a case table and give its columns their types.

    Parameters
    ----------
    cases : DataFrame
        As read; missing values as NaN or as empty text.
    source : path or str
        What the messages name.
    labels : bool, default True
        Whether `malignancy` is required.

    Returns
    -------
    DataFrame
        Ids as text, `malignancy` as int; other columns numeric where all their values
        are, else text. A missing number is NaN, missing text is empty.

    Raises
    ------
    InputError
        Naming `source`, the first wrong row and what was expected.
    """
    required = ["case_id", "patient_id"] + (["malignancy"] if labels else [])
    for column in required:
        if column not in cases.columns:
            found = ", ".join(map(str, cases.columns))
            needed = ", ".join(required)
            raise InputError(f"{source}: no column {column!r} (found {found}), expected {needed}")
    if not len(cases):
        raise InputError(f"{source}: no case, expected at least one row")
    cases = cases.copy()
    for column in ("case_id", "patient_id"):
        cases[column] = cases[column].fillna("").astype(str).str.strip()
        refuse_rows(cases, source, cases[column] == "", column, "a name that is not empty")
    refuse_rows(cases, source, cases["case_id"].duplicated(), "case_id", "each case once")
    if "malignancy" in cases.columns:
        unchecked = pd.to_numeric(cases["malignancy"], errors="coerce")
        cases["malignancy"] = read_scores(cases, source) if labels else unchecked
    for column in cases.columns.difference(["case_id", "patient_id", "malignancy", "ratings"]):
        if not pd.api.types.is_numeric_dtype(cases[column]):
            text = cases[column].fillna("").astype(str)
            numbers = pd.to_numeric(text, errors="coerce")
            cases[column] = text if (numbers.isna() & (text != "")).any() else numbers
    if "ratings" in cases.columns:
        cases["ratings"] = cases["ratings"].fillna("").astype(str)
    return cases


def read_scores(table, source, *, column="malignancy"):
    """Read a column of malignancy scores.

    Parameters
    ----------
    table : DataFrame
    source : path or str
        What the message names.
    column : str, default "malignancy"

    Returns
    -------
    Series of int, 1..5

    Raises
    ------
    InputError
        If a score is missing, not whole or outside 1..5.
    """
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
    """Raise an InputError for the first row where `wrong`, a boolean Series, holds.

    Rows are counted from 1, the header not counted.
    """
    if wrong.any():
        row = int(np.argmax(wrong.to_numpy()))
        found = table[column].iloc[row]
        found = "" if pd.isna(found) else found
        raise InputError(f"{source}: row {row + 1}: {column} is {str(found)!r}, expected {expected}")


def table_text(cases):
    """Write a case table as the text of `cases.csv`."""
    return cases.to_csv(index=False, lineterminator="\n")
