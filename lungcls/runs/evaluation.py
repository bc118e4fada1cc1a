"""Score a run with intervals, beside a baseline or another run: what a run knows is not asked for again."""

import pandas as pd

from lungcls.cohorts.predictions import CLASS_COLUMNS
from lungcls.errors import InputError
from lungcls.metrics import bootstrap
from lungcls.models import baselines
from lungcls.runs.store import Run

SCORES = {
    "binary": ("accuracy", "F1 (weighted)", "AUC", "recall (malignant)", "F1 (malignant)"),
    "multiclass": ("accuracy", "F1 (weighted)", "F1 (macro)", "quadratic weighted kappa", "share within one"),
}
AVERAGES = ("weighted", "macro", "per_class")


def score(run, *, against="diameter", data=None, part="test", seed=0):
    """Score a run, each score with its 95 % interval over patients, and beside a baseline on the same cases.

    Parameters
    ----------
    run : Run
    against : str or Run or None, default "diameter"
        A baseline of :data:`lungcls.models.baselines.NAMES`, fitted on the training part of
        the run's split; another run of the same cases; or nothing.
    data : Cohort, optional
        The run's cohort; by default the one that it was trained on in this session.
    part : {"test", "validation", "train"}, default "test"
    seed : int, default 0
        Of the resamples and of the baseline.

    Returns
    -------
    DataFrame, indexed by score
        `value`, `low`, `high`, `n` cases, `patients`; then the other's value, under its name,
        and the paired `difference`, its interval `difference_low` to `difference_high` and `p`.

    Raises
    ------
    InputError
        If the cohort is not at hand, or lacks what the baseline needs.

    Examples
    --------
    >>> from lungcls import runs, sources
    >>> data = sources.open_cohort("phantom", profile="smoke")
    >>> small = {"view": "nodule", "model": "cnn", "profile": "smoke", "progress": False}
    >>> table = runs.score(runs.train(data, task="binary", **small), against="diameter")
    >>> list(table)[:7]
    ['value', 'low', 'high', 'n', 'patients', 'diameter', 'difference']
    """
    first = _part(run, run.predictions, data, part)
    options = {"patients": first["patient_id"], "task": run.config["task"], "average": AVERAGES, "seed": seed}
    y_prob = first[list(CLASS_COLUMNS[run.config["task"]])].to_numpy()
    table = bootstrap.score_intervals(first["y_true"], first["y_pred"], y_prob, **options)
    table = table.set_index("score")[["value", "low", "high", "n", "patients"]]
    if against is not None:
        table = table.join(_difference(run, first, against, data, part, seed))
    return table.loc[list(SCORES[run.config["task"]])]


def compare(run, other, *, data=None, part="test", seed=0):
    """Compare two runs on the same cases: paired differences, the first less the second.

    Parameters
    ----------
    run, other : Run
        Of one task and split.
    data, part, seed
        As for :func:`score`.

    Returns
    -------
    DataFrame, indexed by score
        The two values, the `difference`, its interval `low` to `high` over patients, `p`, `n`
        and `patients`.

    Raises
    ------
    InputError
        If the runs were not tested on the same cases.

    Examples
    --------
    >>> from lungcls import runs, sources
    >>> data = sources.open_cohort("phantom", profile="smoke")
    >>> small = {"view": "nodule", "model": "cnn", "profile": "smoke", "progress": False}
    >>> first, other = (runs.train(data, task="binary", **small, dropout=rate) for rate in (0.3, 0.5))
    >>> runs.compare(other, first).index.tolist()
    ['accuracy', 'F1 (weighted)', 'AUC', 'recall (malignant)', 'F1 (malignant)']
    """
    first = _part(run, run.predictions, data, part)
    second = _part(other, other.predictions, data or run.data, part)
    table = _paired(first, second, run.config["task"], seed)
    names = ["first", "second", "difference", "low", "high", "p", "n", "patients"]
    return table.loc[list(SCORES[run.config["task"]]), names]


def _difference(run, first, against, data, part, seed):
    """The other's values and the paired differences, as columns beside the run's own."""
    if isinstance(against, Run):
        second, name = _part(against, against.predictions, data or run.data, part), against.id
    else:
        split, task = run.predictions[["case_id", "split"]], run.config["task"]
        try:
            found = baselines.predict_baseline(against, _data(run, data), split, task=task, seed=seed)
        except ValueError as error:
            raise InputError(f"against: {error}") from error
        second, name = _part(run, found, data, part), against
        first = first[first["case_id"].isin(second["case_id"])]
    table = _paired(first, second, run.config["task"], seed)
    names = {"second": name, "low": "difference_low", "high": "difference_high"}
    return table.rename(columns=names)[[name, "difference", "difference_low", "difference_high", "p"]]


def _paired(first, second, task, seed):
    """Paired differences of two parts, indexed by score."""
    first, second = (part.set_index("case_id").sort_index() for part in (first, second))
    if not first["y_true"].equals(second["y_true"]):
        raise InputError("compare: found other cases or labels, expected two predictions of the same cases")
    columns = list(CLASS_COLUMNS[task])
    answers = [(part["y_pred"], part[columns].to_numpy()) for part in (first, second)]
    options = {"patients": first["patient_id"], "task": task, "average": AVERAGES, "seed": seed}
    return bootstrap.score_differences(first["y_true"], *answers, **options).set_index("score")


def _part(run, predictions, data, part):
    """One part of predictions, with the patient of each case."""
    chosen = predictions[predictions["split"] == part]
    if chosen.empty:
        raise InputError(f"part: found no {part!r} case in {run.id}, expected train, validation or test")
    patients = _data(run, data).cases[["case_id", "patient_id"]]
    table = pd.merge(chosen, patients, on="case_id", how="left", validate="one_to_one")
    if table["patient_id"].isna().any():
        raise InputError(
            f"data: found a cohort without {table['case_id'][table['patient_id'].isna()].iloc[0]!r}, "
            f"expected that of {run.id}"
        )
    return table


def _data(run, data):
    found = run.data if data is None else data
    if found is None:
        raise InputError(f"{run.id}: found no cohort, expected it as data=...")
    return found
