"""CSV files that people write, read as they mean them or refused in one line.

Fields may stand between commas, semicolons or tabs. Blank lines, empty columns at the right and spaces around
the names of columns do no harm.
"""

import csv
from io import StringIO
from pathlib import Path

import pandas as pd

from lungcls.errors import InputError

CURE = 'expected a CSV table in UTF-8 (in Excel: save as "CSV UTF-8")'
NOT_CSV = {b"PK\x03\x04": "an Excel workbook", b"\xd0\xcf\x11\xe0": "an old Excel workbook"}
NOT_CSV |= {b"\xff\xfe": "a table in UTF-16", b"\xfe\xff": "a table in UTF-16"}


def read_csv(path, columns, **options):
    """Read a CSV table as :func:`pandas.read_csv` does; one that is missing or not readable is refused.

    Where blank rows were left out, the index `row` numbers the rows as the file does, from 1.
    """
    require_file(path, columns)
    header, rows = _records(path, _text(path), columns)
    tidy = StringIO()
    csv.writer(tidy).writerows([header, *rows.values()])
    tidy.seek(0)
    table = pd.read_csv(tidy, keep_default_na=False, **options)
    if list(rows) != list(range(1, len(rows) + 1)):
        table.index = pd.Index(list(rows), name="row")
    return table


def require_file(path, columns):
    """Refuse the path of a table that is not there."""
    if not Path(path).is_file():
        raise InputError(f"{path}: no such file, expected a table with {', '.join(columns)}")


def _text(path):
    """The text of a file, without the mark that Excel puts before it."""
    try:
        raw = Path(path).read_bytes()
    except OSError as error:
        raise InputError(f"{path}: not a readable CSV table ({error.strerror})") from error
    for start, kind in NOT_CSV.items():
        if raw.startswith(start):
            raise InputError(f"{path}: found {kind}, {CURE}")
    try:
        return raw.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = raw.count(b"\n", 0, error.start) + 1
        raise InputError(f"{path}: line {line}: not UTF-8, perhaps Latin-1, {CURE}") from error


def _records(path, text, columns):
    """The header and, by their numbers, the rows that hold something, each as long as the header."""
    text = text.lstrip("\r\n")
    separator = max(",;\t", key=text.partition("\n")[0].count)
    try:
        header, *rows = csv.reader(StringIO(text, newline=""), delimiter=separator, strict=True)
    except ValueError as error:
        raise InputError(
            f"{path}: not a readable CSV table (no row), expected {', '.join(columns)}"
        ) from error
    except csv.Error as error:
        raise InputError(f"{path}: not a readable CSV table ({error})") from error
    while len(header) > 1 and not header[-1].strip():
        header.pop()  # empty columns, as spreadsheets leave them
    header = [name.strip() for name in header]
    for name in header:
        if header.count(name) > 1:
            raise InputError(f"{path}: column {name!r} twice, expected each column once")
    kept, width = {n: row for n, row in enumerate(rows, start=1) if "".join(row).strip()}, len(header)
    for number, row in kept.items():
        if row[width:]:
            if any(row[width:]):
                raise InputError(f"{path}: row {number}: more fields than the header, expected {width}")
            kept[number] = row[:width]
    return header, kept
