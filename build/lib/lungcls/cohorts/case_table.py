"""The case table: one row a case, read and checked.

A message names the file, the first wrong row (counted from 1, header not counted) and what was expected.
"""

from contextlib import contextmanager
import re
from unicodedata import normalize

import numpy as np
import pandas as pd

from lungcls.errors import InputError

SCORES = (1, 2, 3, 4, 5)
REQUIRED = ("case_id", "patient_id", "malignancy")
# Columns that the package reads, with the values that a nodule and a scanner can have, mm.
RANGES = {"diameter_mm": (0.5, 200.0), "pixel_spacing_mm": (0.1, 5.0), "slice_thickness_mm": (0.1, 20.0)}
UNSAFE = re.compile(r"^[=+@-]|[/\\]|^\.\.?$", re.MULTILINE)
SAFE = "a name without line break, / or \\, that does not begin with = + - or @"
NO_NAME = {"nan", "none", "null", "na", "n/a", "unknown", "missing", "anonymous", "?"}


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
        refuse_rows(cases, source, _unsafe(cases[column]), column, SAFE)
    refuse_rows(cases, source, cases["case_id"].duplicated(), "case_id", "each case once")
    if "malignancy" in cases.columns:
        unchecked = pd.to_numeric(cases["malignancy"], errors="coerce")
        cases["malignancy"] = read_scores(cases, source) if labels else unchecked
    for column in cases.columns.difference([*REQUIRED, "ratings"]):
        if not pd.api.types.is_numeric_dtype(cases[column]):
            text = cases[column].fillna("").astype(str)
            numbers = pd.to_numeric(text, errors="coerce")
            wrong = numbers.isna() & (text != "") & (column in RANGES)
            refuse_rows(cases, source, wrong, column, "a number such as 5.25, or nothing")
            cases[column] = text if (numbers.isna() & (text != "")).any() else numbers
    if "ratings" in cases.columns:
        cases["ratings"] = cases["ratings"].fillna("").astype(str)
    return cases


def _unsafe(names):
    """Which names may not stand in messages, file names and spreadsheets: bool, (n,)."""
    names = names.tolist()
    if "".join(names).isprintable() and not UNSAFE.search("\n".join(names)):  # all at once
        return np.zeros(len(names), dtype=bool)
    return np.array([not name.isprintable() or bool(UNSAFE.search(name)) for name in names])


def measured(cases, column, source):
    """A column of `RANGES` as float (n,), where every case needs it; a gap or another value is refused."""
    if column not in cases:
        raise InputError(f"{source}: found no column {column}, expected one, in mm")
    (low, high), values = RANGES[column], pd.to_numeric(cases[column], errors="coerce")
    refuse_rows(cases, source, ~values.between(low, high), column, f"{low:g} to {high:g} mm")
    return values.to_numpy(dtype=float)


def doubtful_names(names):
    """Names that may be one, or none: lists of those that differ in case, zeros, blanks or dashes only."""
    alike = {}
    for name in dict.fromkeys(names):
        parts = re.sub(r"\.0$|[\s_-]", "", normalize("NFKC", name).casefold())
        alike.setdefault(re.sub(r"(?<!\d)0+(?=\d)", "", parts), []).append(name)
    return [found for key, found in alike.items() if len(found) > 1 or found[0].casefold() in NO_NAME]


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
        place = int(np.argmax(wrong))
        found = table[column].iloc[place]
        found = "" if pd.isna(found) else found
        raise InputError(
            f"{source}: row {row_numbers(table)[place]}: {column} is {str(found)!r}, expected {expected}"
        )


def row_numbers(table):
    """The numbers of a table's rows in its file, from 1."""
    return list(table.index) if table.index.name == "row" else list(range(1, len(table) + 1))


def table_text(cases):
    """A case table as the text of `cases.csv`."""
    return cases.to_csv(index=False, lineterminator="\n")
