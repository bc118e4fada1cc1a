"""What looks wrong in a cohort that can be opened.

Values that no nodule has, labels against their readers, doubtful names, empty masks, and padding that sets an
image's scale.
"""

import numpy as np
import pandas as pd

from lungcls.cohorts import padded_scale
from lungcls.cohorts.case_table import RANGES, doubtful_names, row_numbers
from lungcls.errors import InputError
from lungcls.metrics.ratings import parse_ratings

COLUMNS = ["verdict", "what", "count", "examples"]
FOUND, UNSURE, NOTE = "found", "cannot tell", "note"
EXAMPLES = 5  # that a finding names


def look_over(cohort):
    """List what looks wrong in a cohort, as a table.

    Parameters
    ----------
    cohort : Cohort

    Returns
    -------
    DataFrame
        `verdict` ("found", "cannot tell" where only its maker knows, or "note"), `what`, `count` (cases or
        names that are concerned) and `examples`; no row where nothing looks wrong.

    Examples
    --------
    >>> import numpy as np, pandas as pd
    >>> from lungcls.cohorts.cohort import Cohort
    >>> cases = pd.DataFrame({"case_id": ["a", "b"], "patient_id": ["p-1", "p01"], "diameter_mm": [8, -1]})
    >>> look_over(Cohort(cases, {}))["what"].to_list()
    ['diameter_mm outside 0.5 to 200 mm', 'patient_id: names that may be one, or none']
    """
    found = [*_impossible(cohort.cases), *_ratings(cohort.cases), *_masks(cohort), *_names(cohort.cases)]
    for view, count in padded_scale.count_cases(cohort).items():
        what = f"{view.replace('_', ' ')}: scale set by padding"
        found.append((NOTE, what, count, "--set window=-1000:400 keeps it fixed"))
    return pd.DataFrame([row for row in found if row[2]], columns=COLUMNS)


def _listed(cases, wrong):
    """Count and name the cases where `wrong` (n,) holds."""
    rows, names = np.flatnonzero(wrong), cases["case_id"].to_numpy()
    first = [f"row {row_numbers(cases)[row]} ({names[row]})" for row in rows[:EXAMPLES]]
    return len(rows), ", ".join(first) + (", .." if len(rows) > EXAMPLES else "")


def _impossible(cases):
    for column, (low, high) in RANGES.items():
        values = pd.to_numeric(cases.get(column, pd.Series(np.nan, cases.index)), errors="coerce")
        wrong = values.notna() & ~values.between(low, high)
        yield FOUND, f"{column} outside {low:g} to {high:g} mm", *_listed(cases, wrong)


def _ratings(cases):
    """Ratings that are no scores, and labels that no rule could make of their ratings."""
    wrong, against = np.zeros((2, len(cases)), dtype=bool)
    for row, text in enumerate(cases.get("ratings", ())):
        try:
            (scores,) = parse_ratings([text])
        except InputError:
            wrong[row] = True
        else:
            label = cases["malignancy"].iloc[row] if "malignancy" in cases and len(scores) else np.nan
            against[row] = label < min(scores, default=1) or label > max(scores, default=5)
    yield FOUND, "ratings that are not scores 1 to 5", *_listed(cases, wrong)
    yield FOUND, "malignancy below all ratings or above them", *_listed(cases, against)


def _masks(cohort):
    for view, images in cohort.masks.items():
        covered = np.concatenate(
            [batch.reshape(len(batch), -1).mean(axis=1) for _, batch in images.batches()]
        )
        for what, wrong in (("empty", covered == 0), ("full", covered == 1)):
            yield FOUND, f"{view}_mask.npy: {what} masks", *_listed(cohort.cases, wrong)


def _names(cases):
    for column in ("patient_id", "case_id"):
        doubtful = doubtful_names(cases[column])
        examples = "; ".join(" = ".join(map(repr, names[:EXAMPLES])) for names in doubtful[:EXAMPLES])
        yield UNSURE, f"{column}: names that may be one, or none", len(doubtful), examples
