"""Search for settings by nested cross-validation: inner folds choose, outer folds score.

::

    runs/search/1a2b3c4d.journal                               what Optuna was told
    runs/search/binary-nodule-cnn-scratch-s0-f0-i2-1a2b3c4d/   one fit: a run without its network

For each outer fold, settings are drawn, and fitted once an inner fold, on patients outside its test part.
The best are then trained as an ordinary run of that fold, which scores them. Optuna only chooses: a fit is
kept under a key like a run's, so a search that was killed goes on, and nothing is fitted twice. Each outer
fold tries one trial after the other, so that the result does not depend on the number of jobs.
"""

from contextlib import contextmanager
from dataclasses import replace
from functools import partial
from pathlib import Path
import time
import warnings

from filelock import FileLock, Timeout
import numpy as np
import pandas as pd
from tqdm import tqdm

from lungcls.cohorts import cohort as cohorts, splits
from lungcls.errors import InputError
from lungcls.files import sha, whole_text
from lungcls.runs import study, training
from lungcls.runs.planning import plan_run
from lungcls.runs.searching import results, space as spaces

SAMPLERS = ("tpe", "random", "grid")
RANDOM = 5  # trials before the sampler learns and the pruner compares
HELD_OUT = "held out"  # the part of the outer test cases in an inner split: no fit sees them


def search(
    data,
    *,
    space,
    trials=20,
    minutes=None,
    inner=5,
    sampler="tpe",
    jobs=1,
    settings=None,
    progress=True,
    **request,
):
    """Search for better settings, and say what the search is worth on patients that it did not see.

    Parameters
    ----------
    data : Cohort or path
        A cohort on disk.
    space : path or mapping
        A TOML file, or lists of values by setting: two numbers are a range, else a choice.
    trials : int, default 20
        Settings to try in each outer fold; of a grid no more than it has.
    minutes : float, optional
        Begin no trial after that time; the same call goes on later.
    inner : int, at least 3, default 5
        Inner folds.
    sampler : {"tpe", "random", "grid"}, default "tpe"
        "tpe" learns from trials before and gives up those below their median; the others do neither.
    jobs : int, default 1
        Fits side by side.
    settings : mapping, optional
        Settings of all trials, and of the default.
    progress : bool, default True
    **request
        `task`, `view`, `model`, `stage`, `weights`, `profile`, `seed` and `store`, as for
        :func:`lungcls.runs.train`.

    Returns
    -------
    Search

    Raises
    ------
    InputError
        As :func:`lungcls.runs.train`, if the space is wrong, or if no trial of a fold could be finished.

    Notes
    -----
    Nested cross-validation is that of [1]_, the sampler TPE [2]_, the search Optuna's [3]_.

    References
    ----------
    .. [1] varma2006
    .. [2] bergstra2011
    .. [3] akiba2019

    Examples
    --------
    >>> from lungcls import runs, sources
    >>> data = sources.open_cohort("phantom", profile="smoke")
    >>> runs.search(data, space={"depth": [1, 9]}, task="binary", view="nodule", model="cnn")
    Traceback (most recent call last):
    lungcls.errors.InputError: space: setting: found 'depth', expected one of augmentation, ...
    """
    if sampler not in SAMPLERS:
        raise InputError(f"sampler: found {sampler!r}, expected one of {', '.join(SAMPLERS)}")
    if inner < 3 or trials < 1 or jobs < 1:
        raise InputError(f"inner, trials, jobs: found {inner}, {trials}, {jobs}, expected 3, 1 and 1 or more")
    if minutes is not None and not minutes >= 0:
        raise InputError(f"minutes: found {minutes}, expected a number from 0 on")
    space = spaces.read(space, request.get("model"))  # before anything is written
    plan = partial(plan_run, data, **request)
    first = _check(plan(settings=settings, fold=0))
    points = spaces.points(space) if sampler == "grid" else None
    trials = trials if points is None else min(trials, len(points))
    draw = partial(_draw, sampler, spaces.distributions(space), points, first.config["seed"])
    until = np.inf if minutes is None else time.monotonic() + 60 * minutes
    defaults = [plan(settings=settings, fold=fold) for fold in range(first.settings["folds"])]
    name = sha([[job.config["key"] for job in defaults], space, sampler, inner])[:8]
    with _alone(first.store / "search" / f"{name}.journal") as storage:
        outer = [_Outer(job, plan, settings or {}, inner, storage, sampler, draw) for job in defaults]
        done = sum(min(trials, len(one.trials())) for one in outer)
        bar = {"total": trials * len(outer), "initial": done, "desc": "trials", "disable": not progress}
        with tqdm(**bar) as bar:
            study.drive([one.steps(trials, until, bar) for one in outer], _fit, jobs=jobs)
        chosen = [one.chosen() for one in outer]
        failed = study.train_all([*chosen, *defaults], jobs=jobs, progress=progress)
        if failed:
            raise InputError("; ".join(f"{job}: {why}" for job, why in failed.items()))
        return results.found(outer, chosen, space)


def _check(job):
    """Refuse a run whose fits would start from, or be made of, what has seen the inner test cases."""
    if job.parent is not None or job.config["model"] == "ensemble":
        found = f"{job.config['model']}, {job.config['stage']}"
        raise InputError(f"search: found {found}, expected one network, from scratch or transfer_learning")
    return job


@contextmanager
def _alone(path):
    """Optuna's storage in the run store, for one process at a time: a journal, which outlives a kill."""
    import optuna
    from optuna.storages.journal import JournalFileBackend

    optuna.logging.set_verbosity(optuna.logging.WARNING)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with FileLock(path.with_suffix(".lock"), timeout=0):
            Path(f"{path}.lock").unlink(missing_ok=True)  # Optuna's own, left by a kill: it would wait
            yield optuna.storages.JournalStorage(JournalFileBackend(str(path)))
    except Timeout as error:
        raise InputError(f"{path}: another process does this search, expected one at a time") from error


# --- One outer fold ---------------------------------------------------------------------


class _Outer:
    """The search in one outer fold: its study, and the inner splits that leave its test part out."""

    def __init__(self, job, plan, settings, inner, storage, sampler, draw):
        import optuna

        self.default, self.settings, self.draw = job, settings, draw
        self.plan = partial(plan, fold=job.config["fold"])
        self.inner = inner_splits(job, inner)
        median = optuna.pruners.MedianPruner(n_startup_trials=RANDOM, n_warmup_steps=2)
        pruner = median if sampler == "tpe" else optuna.pruners.NopPruner()
        options = {"storage": storage, "direction": "maximize", "load_if_exists": True, "pruner": pruner}
        self.study = optuna.create_study(study_name=f"fold {job.config['fold']}", **options)
        for trial in self.study.get_trials(states=[optuna.trial.TrialState.RUNNING]):
            self.study.tell(trial.number, state=optuna.trial.TrialState.FAIL)  # of a search that was killed

    def trials(self, *states):
        """The trials that ended, pruned ones among them, or those of one state."""
        from optuna.trial import TrialState

        return self.study.get_trials(states=[TrialState[name] for name in states or ("COMPLETE", "PRUNED")])

    def job(self, params):
        """The run of some settings on this outer fold."""
        return self.plan(settings=self.settings | params)

    def fits(self, job):
        """The inner fits of a run, as jobs whose keys also hold the inner split."""
        for number, (name, digest) in enumerate(self.inner):
            parts = job.config["parts"] | {"split": digest, "inner": number}
            key = sha(parts)
            names = {"id": f"{job.id[:-8]}i{number}-{key[:8]}", "key": key, "split": name}
            yield replace(job, config=job.config | names | {"inner": number, "parts": parts})

    def steps(self, trials, until, bar):
        """Hand out fits one by one, those of the default settings first; is sent the score of each."""
        yield from self.fits(self.default)
        while (number := len(self.trials())) < trials and time.monotonic() < until:
            trial = self.draw(self.study, number, self.default.config["fold"])
            yield from self._tried(trial)
            bar.update()

    def _tried(self, trial):
        """The fits of a trial, until they end, are worse than the median, or cannot be made."""
        from optuna.trial import TrialState

        scores, state = [], TrialState.COMPLETE
        try:
            for fit in self.fits(self.job(trial.params)):
                scores.append((yield fit))
                trial.report(np.mean(scores), len(scores))
                if len(scores) < len(self.inner) and trial.should_prune():
                    state = TrialState.PRUNED
                    break
        except InputError as error:  # settings that do not go together, or do not learn
            trial.set_user_attr("why", str(error))
            state = TrialState.PRUNED
        trial.set_user_attr("fits", len(scores))
        value = float(np.mean(scores)) if state == TrialState.COMPLETE else None
        self.study.tell(trial, value, state=state)

    def chosen(self):
        """The run of the best trial; an InputError where none was finished."""
        if self.trials("COMPLETE"):
            return self.job(self.study.best_params)
        why = [f": {one.user_attrs['why']}" for one in self.trials() if "why" in one.user_attrs]
        found = f"no finished trial in outer fold {self.default.config['fold']}{''.join(why[:1])}"
        raise InputError(f"search: found {found}, expected one; the same call goes on")


def inner_splits(job, inner):
    """Split what a run does not test on into inner folds; names and digests of the tables, in the store.

    Each fold is the test part once, the next one the validation part; the run's test part is held out.
    """
    table = pd.read_csv(job.split, dtype=str, keep_default_na=False)
    cases = cohorts.load(job.cohort).select(table["case_id"].to_numpy()).cases
    inside = (table["split"] != "test").to_numpy()
    options = {"protocol": job.settings["protocol"], "seed": job.settings["split_seed"]}
    number = splits.folds(cases[inside], k=inner, task=job.config["task"], **options)["fold"].to_numpy()
    found = []
    for fold in range(inner):
        parts = np.full(len(table), HELD_OUT, dtype=object)
        parts[inside] = np.select(
            [number == fold, number == (fold + 1) % inner], splits.PARTS[:0:-1], "train"
        )
        text = splits.split_text(table.assign(split=parts))
        name = f"{job.config['split']}-i{fold}-{sha(text)[:8]}"
        path = replace(job, config={"split": name}).split
        if not path.exists():
            whole_text(path, text)
        found.append((name, sha(text)))
    return found


def _draw(sampler, distributions, points, seed, to, number, fold):
    """Draw the settings of a trial; what is drawn follows from the trials before and the seed alone."""
    from optuna import exceptions, samplers

    state = np.random.SeedSequence([seed, fold, number] if points is None else [seed, fold])
    drawn = int(state.generate_state(1)[0])
    to.sampler = samplers.RandomSampler(seed=drawn)
    if sampler == "tpe":
        to.sampler = samplers.TPESampler(seed=drawn, n_startup_trials=RANDOM)
    if points is not None:
        point = points[np.random.default_rng(drawn).permutation(len(points))[number]]
        with warnings.catch_warnings(action="ignore", category=exceptions.ExperimentalWarning):
            to.sampler = samplers.PartialFixedSampler(point, to.sampler)
    return to.ask(distributions)


def _fit(job):
    """Score one inner fit, trained if it is not in the store."""
    return results.value_of(training.train_job(job).predictions, job.config["task"])
