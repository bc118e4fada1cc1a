"""Score a run with intervals, beside a baseline or another run: what a run knows is not asked for again."""

from lungcls.cohorts.predictions import CLASS_COLUMNS
from lungcls.errors import InputError
from lungcls.metrics import bootstrap
from lungcls.models import baselines, fusion
from lungcls.runs.store import Run

SCORES = {
    "binary": ("accuracy", "F1 (weighted)", "AUC", "recall (malignant)", "F1 (malignant)"),
    "multiclass": ("accuracy", "F1 (weighted)", "F1 (macro)", "quadratic weighted kappa", "share within one"),
}
AVERAGES = ("weighted", "macro", "per_class")


def score(run, *, against="diameter", covariates=(), data=None, part="test", seed=0):
    """Score a run, each score with its 95 % interval over patients, and beside a baseline on the same cases.

    Parameters
    ----------
    run : Run
    against : str or Run or None, default "diameter"
        A baseline of :data:`lungcls.models.baselines.NAMES` or `ASKED`, fitted on the training part of
        the run's split; another run of the same cases; or nothing.
    covariates : sequence of str, optional
        Columns of the case table that the baseline "covariates" goes by.
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
    task = run.config["task"]
    first = result_of(run.predictions, _data(run, data), part)
    table = intervals_of(first, task=task, seed=seed).set_index("score")
    table = table[["value", "low", "high", "n", "patients"]]
    if against is not None:
        table = table.join(_difference(run, first, against, covariates, data, part, seed))
    return table.loc[list(SCORES[task])]


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
    task, data = run.config["task"], _data(run, data)
    first, second = (result_of(one.predictions, data, part) for one in (run, other))
    names = ["first", "second", "difference", "low", "high", "p", "n", "patients"]
    return paired(first, second, task=task, seed=seed).loc[list(SCORES[task]), names]


def with_covariates(run, covariates, *, data=None, seed=0):
    """Join a run's answers and those of covariates, by a regression on both fitted on the validation part.

    Parameters
    ----------
    run : Run
    covariates : sequence of str
        Columns of the case table; their own regression is fitted on the training part.
    data, seed
        As for :func:`score`.

    Returns
    -------
    dict of str to DataFrame
        The test part of "run", "covariates" and "both", each weighed anew by a regression on the
        validation part, so that they can be compared.

    Examples
    --------
    >>> from lungcls import runs, sources
    >>> data = sources.open_cohort("phantom", profile="smoke")
    >>> small = {"view": "nodule", "model": "cnn", "profile": "smoke", "progress": False}
    >>> found = with_covariates(runs.train(data, task="binary", **small), ["slice_thickness_mm"])
    >>> list(found)
    ['run', 'covariates', 'both']
    """
    task, data = run.config["task"], _data(run, data)
    options = {"task": task, "seed": seed, "covariates": covariates}
    split = run.predictions[["case_id", "split"]]
    said = {
        "run": [run.predictions],
        "covariates": [baselines.predict_baseline("covariates", data, split, **options)],
    }
    said["both"] = [*said["run"], *said["covariates"]]
    return {name: result_of(fusion.weighed(tables, task), data) for name, tables in said.items()}


def _difference(run, first, against, covariates, data, part, seed):
    """The other's values and the paired differences, as columns beside the run's own."""
    task, data = run.config["task"], _data(run, data)
    if isinstance(against, Run):
        found, name = against.predictions, against.id
    else:
        split, name = run.predictions[["case_id", "split"]], against
        try:
            options = {"task": task, "seed": seed, "covariates": covariates}
            found = baselines.predict_baseline(against, data, split, **options)
        except ValueError as error:
            raise InputError(f"against: {error}") from error
    second = result_of(found, data, part)
    first = first[first["case_id"].isin(second["case_id"])]
    names = {"second": name, "low": "difference_low", "high": "difference_high"}
    table = paired(first, second, task=task, seed=seed).rename(columns=names)
    return table[[name, "difference", "difference_low", "difference_high", "p"]]


def _data(run, data):
    found = run.data if data is None else data
    if found is None:
        raise InputError(f"{run.id}: found no cohort, expected it as data=...")
    return found


# --- Results: a part of predictions, of a run or of a baseline --------------------------


def result_of(predictions, cohort, part="test"):
    """One part of predictions without `split`, and the `patient_id` of each case."""
    chosen = predictions[predictions["split"] == part].drop(columns="split")
    if chosen.empty:
        raise InputError(f"part: found no {part!r} case, expected train, validation or test")
    patients = cohort.cases[["case_id", "patient_id"]]
    if unknown := set(chosen["case_id"]) - set(patients["case_id"]):
        raise InputError(f"data: found a cohort without {min(unknown)!r}, expected that of the predictions")
    return chosen.merge(patients, on="case_id", validate="one_to_one")


def intervals_of(result, *, task, seed):
    """Scores of a result, each with its 95 % interval over patients; see `bootstrap.score_intervals`."""
    options = {"patients": result["patient_id"], "task": task, "average": AVERAGES, "seed": seed}
    return bootstrap.score_intervals(result["y_true"], *_answers(result, task), **options)


def paired(first, second, *, task, seed, ranked=True):
    """Paired differences of two results by score; if not `ranked`, those that need no probabilities."""
    first, second = (result.set_index("case_id").sort_index() for result in (first, second))
    if not first["y_true"].equals(second["y_true"]):
        raise InputError("results: found other cases or labels, expected the same test cases")
    answers = [_answers(result, task, ranked) for result in (first, second)]
    options = {"patients": second["patient_id"], "task": task, "average": AVERAGES, "seed": seed}
    return bootstrap.score_differences(second["y_true"], *answers, **options).set_index("score")


def _answers(result, task, ranked=True):
    """Decisions, and the probabilities where a score of `SCORES` ranks by them, which costs most."""
    ranked = ranked and "AUC" in SCORES[task]
    return result["y_pred"], result[list(CLASS_COLUMNS[task])].to_numpy() if ranked else None
