"""Nested search: nothing is fitted twice, no test patient is seen, and the scores are scikit-learn's."""

from concurrent.futures import ThreadPoolExecutor
from functools import partial

from click.testing import CliRunner
from conftest import tiny_cohort
from filelock import FileLock
import numpy as np
import pandas as pd
import pytest
from scipy.special import expit
from sklearn.metrics import cohen_kappa_score, roc_auc_score

from lungcls.cli.__main__ import main
from lungcls.cohorts import cohort as cohorts, leakage
from lungcls.errors import InputError
from lungcls.metrics import bootstrap
from lungcls.runs import networks, store, study
from lungcls.runs.searching import nested, results

RATE = 1e-2  # with it the made-up network is right most often
SPACE = {"learning_rate": [1e-5, 3.0], "dropout": [0.0, 0.6]}
WHAT = {"task": "binary", "view": "nodule", "model": "cnn", "profile": "smoke", "progress": False}


class Network:
    """Stands for what training gives."""

    def save(self, path):
        path.write_text("a network", encoding="utf-8")

    def count_params(self):
        return 1


class Fits:
    """Stands for training: the nearer the learning rate to `RATE`, the better; it counts and can break."""

    def __init__(self):
        self.done, self.parts, self.breaks_at = [], {}, None

    def __call__(self, job, cohort, split, progress):
        if len(self.done) == self.breaks_at:
            raise KeyboardInterrupt
        self.done.append(job.id)
        self.parts[job.id] = split
        if job.settings["learning_rate"] > 5:
            raise InputError("training: the loss is not finite")
        task = job.config["task"]
        labels = cohort.labels(task)
        sharp = 3 * np.exp(-(np.log10(job.settings["learning_rate"] / RATE) ** 2))
        noise = np.random.default_rng(0).normal(size=(len(labels), 5))
        if task == "multiclass":
            y_prob = expit(noise + sharp * (labels[:, None] == np.arange(1, 6)))
        else:
            right = expit(noise[:, 0] + sharp * (labels - 0.5))
            y_prob = np.stack([1 - right, right], axis=1)
        row = {"epoch": 1, "loss": 1.0, "val_loss": 1.0, "val_accuracy": 0.5, "learning_rate": 1.0}
        history = pd.DataFrame([row | {"best": True}])
        return Network(), y_prob / y_prob.sum(axis=1, keepdims=True), history, 0, None


@pytest.fixture
def fits(monkeypatch):
    fake = Fits()
    monkeypatch.setattr(networks, "fit", fake)
    return fake


@pytest.fixture
def search(tmp_path, monkeypatch):
    few = partial(bootstrap.intervals, resamples=100)  # what is promised needs no exact interval
    monkeypatch.setattr(bootstrap, "intervals", few)
    cohorts.save(tiny_cohort(120, size=96), tmp_path / "cohort")
    fixed = {"settings": {"folds": 3}, "inner": 3, "store": tmp_path / "runs", "space": SPACE, "trials": 2}
    return lambda **options: nested.search(tmp_path / "cohort", **WHAT | fixed | options)


def test_a_planted_best_setting_is_found(fits, search):
    found = search(trials=12)
    assert (np.abs(np.log10(found.best["learning_rate"] / RATE)) < 0.5).all()
    assert found.importance.index[0] == "learning_rate" and found.importance.sum() == pytest.approx(1)
    scores = found.scores["value"]
    assert scores["best less default"] > 0 and scores["outer, constant"] == 0.5
    assert set(found.trials["state"]) == {"COMPLETE", "PRUNED"}  # TPE gives up what is below the median
    given_up = found.trials[found.trials["state"] == "PRUNED"]
    assert given_up["fits"].max() < 3 and (found.trials["fits"].sum() < 3 * 36)


def test_the_scores_are_those_of_scikit_learn(fits, search):
    found = search()
    best = [run.predictions[run.predictions["split"] == "test"] for run in found.runs]
    outer = [roc_auc_score(table["y_true"], table["p_malignant"]) for table in best]
    assert found.best["outer"].tolist() == pytest.approx(outer)
    assert found.scores.loc["outer, best", "value"] == pytest.approx(np.mean(outer))
    plain = [run.predictions[run.predictions["split"] == "test"] for run in found.defaults]
    default = np.mean([roc_auc_score(table["y_true"], table["p_malignant"]) for table in plain])
    assert found.scores.loc["best less default", "value"] == pytest.approx(np.mean(outer) - default)
    inner = found.trials[found.trials["state"] == "COMPLETE"].groupby("fold")["inner"].max()
    assert found.best["inner"].tolist() == pytest.approx(inner.tolist())
    assert found.scores.loc["inner, best", "value"] == pytest.approx(inner.mean())
    gap = found.scores.loc["gap, best", ["value", "low", "high"]].tolist()
    assert gap[0] == pytest.approx(inner.mean() - np.mean(outer)) and gap[1] <= gap[0] <= gap[2]


def test_five_scores_are_ranked_by_weighted_kappa(fits, search):
    found = search(task="multiclass", trials=2)
    tested = [run.predictions[run.predictions["split"] == "test"] for run in found.runs]
    kappa = [cohen_kappa_score(one["y_true"], one["y_pred"], weights="quadratic") for one in tested]
    assert found.best["outer"].tolist() == pytest.approx(kappa)


@pytest.mark.parametrize("kills", [[4], [13, 5]])
def test_a_search_that_was_killed_goes_on_and_fits_nothing_twice(fits, search, tmp_path, kills):
    whole = search(store=tmp_path / "elsewhere")
    alone, fits.done = list(fits.done), []
    for more in kills:
        fits.breaks_at = len(fits.done) + more
        with pytest.raises(KeyboardInterrupt):
            search()
    fits.breaks_at = None
    found = search()
    assert sorted(fits.done) == sorted(alone)  # the same fits, each once
    pd.testing.assert_frame_equal(found.scores, whole.scores)
    assert found.best.drop(columns="trial").equals(whole.best.drop(columns="trial"))
    search()
    assert len(fits.done) == len(alone)


def test_more_trials_go_on_from_fewer(fits, search):
    search(trials=1)
    before = len(fits.done)
    found = search(trials=2)
    assert found.trials.groupby("fold").size().tolist() == [2, 2, 2]
    assert before + 9 <= len(fits.done) <= before + 9 + 3  # and where the second is the best, its run


def test_no_patient_of_an_outer_test_part_is_seen(fits, search, tmp_path):
    search(trials=1)
    cohort = cohorts.load(tmp_path / "cohort")
    ids, seen = cohort.cases["case_id"], 0
    for job, parts in fits.parts.items():
        if "-i" not in job:
            continue
        seen += 1
        outside = pd.DataFrame({"case_id": ids, "split": np.where(parts == "held out", "test", "train")})
        inside = pd.DataFrame({"case_id": ids, "split": parts})[parts != "held out"]
        for table in (outside, inside):
            findings = leakage.audit(cohorts.Cohort(cohort.cases, {}), table)
            assert not (findings["verdict"] == "found").any()
    assert seen == 3 * 3 * 2  # outer folds, inner folds, the trial and the default


def test_each_case_is_tested_once_inside_and_held_out_once(fits, search, tmp_path):
    search(trials=1, settings={"folds": 3, "dropout": 0.5})
    parts = pd.DataFrame({job: split for job, split in fits.parts.items() if "-i" in job})
    assert ((parts == "held out").sum(axis=1) == 2 * 3).all()  # with each of its 3 inner folds, twice
    assert ((parts == "test").sum(axis=1) == 2 * 2).all() and ((parts == "validation").sum(axis=1) == 4).all()


def test_the_grid_is_tried_once_each(fits, search):
    space = {"learning_rate": [1e-4, 1e-2, 1.0], "optimizer": ["adamw", "sgd"]}
    found = search(space=space, sampler="grid", trials=100)
    assert found.trials.groupby("fold").size().tolist() == [6, 6, 6]
    assert not found.trials.duplicated(["fold", "learning_rate", "optimizer"]).any()
    assert (found.best["learning_rate"] == RATE).all() and (found.trials["fits"] == 3).all()


def test_random_trials_differ_and_are_never_given_up(fits, search):
    found = search(sampler="random", trials=3)
    assert (found.trials["state"] == "COMPLETE").all() and found.trials["learning_rate"].is_unique


def test_settings_that_cannot_be_trained_are_tried_and_passed_over(fits, search):
    found = search(space={"learning_rate": [1e-2, 7.0, 8.0]}, sampler="grid", trials=3)
    assert (found.best["learning_rate"] == RATE).all()
    failed = found.trials[found.trials["learning_rate"] > 5]
    assert (failed["state"] == "PRUNED").all() and failed["why"].str.contains("not finite").all()
    with pytest.raises(InputError, match="no finished trial in outer fold 0: training: the loss is not"):
        search(space={"learning_rate": [7.0, 8.0, 9.0]}, sampler="grid", trials=3)


def test_a_search_out_of_time_says_so(fits, search):
    with pytest.raises(InputError, match="no finished trial in outer fold 0, expected one; the same call"):
        search(minutes=0)
    assert len(search(minutes=60, trials=1).best) == 3


@pytest.mark.parametrize(
    "options, expected",
    [
        ({"sampler": "luck"}, "sampler: found 'luck', expected one of tpe, random, grid"),
        ({"inner": 2}, "expected 3, 1 and 1 or more"),
        ({"trials": 0}, "expected 3, 1 and 1 or more"),
        ({"minutes": -1}, "minutes: found -1, expected a number from 0 on"),
        ({"minutes": float("nan")}, "minutes: found nan, expected"),
        ({"model": "mobilenet", "stage": "fine_tuning", "weights": "none"}, "expected one network"),
        ({"model": "vgg"}, "model: found 'vgg'"),
        ({"space": {"seed": [1, 2]}}, "setting: found 'seed'"),
    ],
)
def test_wrong_searches_end_in_one_line(fits, search, options, expected):
    with pytest.raises(InputError, match=expected):
        search(**options)
    assert not fits.done


def test_one_process_at_a_time(fits, search, tmp_path):
    search(trials=1)
    (journal,) = (tmp_path / "runs" / "search").glob("*.journal")
    with FileLock(journal.with_suffix(".lock")), ThreadPoolExecutor(1) as other:
        with pytest.raises(InputError, match="another process does this search"):
            other.submit(search, trials=1).result()


def test_what_is_kept_of_a_fit_is_no_run_and_has_no_network(fits, search, tmp_path):
    search(trials=1)
    (folder, *others) = (tmp_path / "runs" / "search").glob("*-i0-*")
    assert len(others) == 5
    assert {path.name for path in folder.iterdir()} >= {"config.json", "predictions.csv"}
    assert not (folder / "model.keras").exists()
    assert set(pd.read_csv(folder / "predictions.csv")["split"]) == {"test"}
    runs = store.list_runs(tmp_path / "runs")
    assert len(runs) == 6 and all((run.folder / "model.keras").exists() for run in runs)


def test_the_luck_of_the_pick_is_none_for_one_trial_and_grows():
    """Trials that differ by noise alone: the best of more looks better where it was chosen, not elsewhere."""
    cases = pd.DataFrame({"case_id": [f"c{i}" for i in range(300)], "patient_id": np.arange(300) // 2})
    rng = np.random.default_rng(0)
    folds = []
    for _ in range(4):
        y_true = rng.integers(2, size=300)
        trials = [rng.normal(y_true, 1.5) for _ in range(20)]
        tables = [cases[["case_id"]].assign(y_true=y_true, p_malignant=expit(z)) for z in trials]
        folds.append([[t.assign(p_benign=1 - t["p_malignant"], y_pred=1)] for t in tables])
    luck = results.luck(folds, cases, "binary")
    assert abs(luck.loc[1, "gap"]) < 0.01 and luck.loc[20, "gap"] > 0.03
    assert luck["chosen"].is_monotonic_increasing and np.ptp(luck["again"]) < 0.02
    few = [[[table.head(8) for table in tables] for tables in trials] for trials in folds]
    assert results.luck(few, cases.head(8), "binary").notna().all(axis=None)  # half may lack a class


def test_the_command_searches_and_prints(fits, search, tmp_path):
    search(trials=1)
    (tmp_path / "space.toml").write_text("learning_rate = [1e-4, 1e-1]", encoding="utf-8")
    words = ["search", "--cohort", tmp_path / "cohort", "--runs", tmp_path / "runs", "--trials", 2]
    words += ["--space", tmp_path / "space.toml", "--inner", 3, "--set", "folds=3", "--profile", "smoke"]
    words += ["--task", "binary", "--view", "nodule", "--model"]
    answer = CliRunner().invoke(main, [str(word) for word in [*words, "cnn"]])
    assert answer.exit_code == 0, answer.output
    assert "best less default" in answer.output and "fold 2: inner" in answer.output
    answer = CliRunner().invoke(main, [str(word) for word in [*words, "ensemble"]])
    assert answer.exit_code == 2 and answer.stderr.startswith("lungcls: error: ")


def test_an_error_goes_to_the_steps_that_asked():
    heard = []

    def steps(name):
        try:
            heard.append((name, (yield name)))
        except InputError as error:
            heard.append((name, str(error)))

    def work(name):
        if name == "b":
            raise InputError("no")
        return name.upper()

    study.drive([steps("a"), steps("b"), steps("c")], work, jobs=1)
    assert sorted(heard) == [("a", "A"), ("b", "no"), ("c", "C")]
