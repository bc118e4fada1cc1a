"""The run store: what a folder holds, killed runs, stale runs, folders that cannot be written."""

from contextlib import contextmanager
import errno
import json
import os
import resource
import shutil
import signal
import subprocess
import sys
import threading

from filelock import FileLock
import numpy as np
import pytest
from sklearn.metrics import f1_score, roc_auc_score

from lungcls.cohorts.cohort import load
from lungcls.errors import InputError
from lungcls.runs import planning, prediction, store as runs, study, training

WANTED = {"task": "binary", "view": "nodule", "model": "cnn", "stage": "scratch", "profile": "smoke"}
CROP = {"crop": 32}


def prepare(cohort, store, **options):
    return planning.plan_run(cohort, **{**WANTED, "settings": CROP, "store": store, **options})


def test_a_folder_holds_the_whole_run(trained):
    cohort, _, job, run = trained
    names = sorted(path.name for path in run.folder.iterdir())
    files = "config.json digests.json environment.json history.csv model.keras predictions.csv"
    assert names == files.split()
    columns = ["case_id", "split", "y_true", "p_benign", "p_malignant", "y_pred", "confidence"]
    assert list(run.predictions) == columns
    assert list(run.predictions["case_id"]) == list(load(cohort).cases["case_id"])
    assert np.array_equal(run.predictions["y_true"], load(cohort).labels("binary"))
    assert run.config == job.config and run.history["best"].sum() == 1
    assert run.environment["resumed_after"] == 0
    assert not job.work.exists()


def test_probabilities_are_those_of_the_saved_network(trained):
    cohort, _, _, run = trained
    found = prediction.predict(run, load(cohort))
    np.testing.assert_allclose(found["p_malignant"], run.predictions["p_malignant"], atol=1e-6)
    confidence = run.predictions[["p_benign", "p_malignant"]].max(axis=1)
    np.testing.assert_array_equal(run.predictions["confidence"], confidence)


def test_a_run_is_trained_once(trained, monkeypatch):
    _, _, job, run = trained
    monkeypatch.setattr(training, "_train", lambda *_: pytest.fail("trained again"))
    assert training.train_job(job) == run


def test_scores_name_their_average(trained):
    run = trained[-1]
    y_true, y_prob = run.part("validation")
    found = runs.scores(run, "validation")
    y_pred = (y_prob[:, 1] > 0.5).astype(int)
    assert found["F1 (macro)"] == pytest.approx(f1_score(y_true, y_pred, average="macro", zero_division=0))
    assert found["AUC"] == pytest.approx(roc_auc_score(y_true, y_prob[:, 1]))
    assert found["n"] == len(y_true)


# --- Killed, and taken up again ---------------------------------------------------------

KILLED = """
import os, signal
from lungcls.runs import planning, stages
calls, augment = [], stages.augment

def augment_or_die(*args, **options):
    calls.append(1)
    if len(calls) == {calls}:
        os.kill(os.getpid(), signal.SIGKILL)
    return augment(*args, **options)

stages.augment = augment_or_die
from lungcls.runs import training
training.train_job(planning.plan_run({cohort!r}, store={store!r}, **{wanted!r}))
"""


def test_a_killed_run_goes_on_and_ends_alike(trained, tmp_path):
    cohort = trained[0]
    options = {"settings": {**CROP, "epochs": 4, "patience": 3, "batch_size": 16}}
    store = str(tmp_path / "killed")
    code = KILLED.format(calls=12, cohort=str(cohort), store=store, wanted=WANTED | options)
    ran = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert ran.returncode == -signal.SIGKILL, ran.stderr
    job = prepare(cohort, tmp_path / "killed", **options)
    kept = study.epochs_kept(job)
    assert 1 <= kept < 4 and not job.folder.exists()
    assert list(study.states([job])["state"]) == ["left"]
    resumed = training.train_job(job)
    left_in_peace = training.train_job(prepare(cohort, tmp_path / "peace", **options))
    assert resumed.environment["resumed_after"] == kept
    assert left_in_peace.environment["resumed_after"] == 0
    for name in ("predictions.csv", "history.csv", "config.json"):
        assert (resumed.folder / name).read_bytes() == (left_in_peace.folder / name).read_bytes()


def test_a_save_that_was_killed_leaves_nothing(trained, tmp_path):
    job = prepare(trained[0], tmp_path)
    gone = subprocess.run(
        [sys.executable, "-c", "import os; print(os.getpid())"], capture_output=True, text=True
    )
    half = tmp_path / f".{job.id}-{int(gone.stdout)}-abc"  # as files.whole_folder names it
    half.mkdir()
    (half / "config.json").write_text("{")
    assert runs.list_runs(tmp_path) == []
    training.train_job(job)
    assert not half.exists() and [run.id for run in runs.list_runs(tmp_path)] == [job.id]


def test_a_second_process_waits_for_the_first(trained, tmp_path, monkeypatch):
    job = prepare(trained[0], tmp_path)
    shutil.copytree(trained[-1].folder, tmp_path / "made")
    monkeypatch.setattr(training, "_train", lambda *_: pytest.fail("trained a second time"))
    found = []
    job.work.mkdir(parents=True)
    with FileLock(job.lock):
        second = threading.Thread(target=lambda: found.append(training.train_job(job)), daemon=True)
        second.start()
        second.join(0.3)
        assert second.is_alive() and study.states([job])["state"].tolist() == ["running"]
        (tmp_path / "made").rename(job.folder)
    second.join(30)
    assert found and found[0].id == job.id


# --- Folders that cannot be written -------------------------------------------------------


def test_an_unwritable_store_is_one_line(trained, tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(InputError, match="cannot be written") as error:
        prepare(trained[0], tmp_path / "file" / "runs")
    assert "\n" not in str(error.value)


@contextmanager
def largest_file(size):
    """The system refuses to write larger files, as a full disk does."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


def test_saving_a_network_on_a_full_disk_is_an_os_error(trained, tmp_path):
    model = prediction.open_model(trained[-1])
    with largest_file(3000), pytest.raises(OSError):
        training.write_model(model, tmp_path / "model.keras")


def test_a_full_disk_for_images_is_one_line(trained, tmp_path):
    job = prepare(trained[0], tmp_path)
    with largest_file(20_000), pytest.raises(InputError, match="cannot be written"):
        training.train_job(job)
    assert not list(tmp_path.rglob("*.part")) and not list(tmp_path.rglob("*.npy"))


@pytest.mark.parametrize("writer", ["write_model", "write_json"])
def test_a_full_disk_for_the_run_is_one_line(trained, tmp_path, monkeypatch, writer):
    job = prepare(trained[0], tmp_path)
    real = getattr(training, writer)

    def full(*_):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(training, writer, full)
    with pytest.raises(InputError, match=r"cannot be written \(No space left on device\)"):
        training.train_job(job)
    assert not job.folder.exists() and not list(tmp_path.glob(f".{job.id}-*"))
    monkeypatch.setattr(training, writer, real)
    assert training.train_job(job).environment["resumed_after"] == 2  # nothing is trained twice


# --- Names, stale runs, removal -----------------------------------------------------------


@pytest.fixture
def store(trained, tmp_path):
    """A store with a copy of the trained run."""
    shutil.copytree(trained[-1].folder, tmp_path / "runs" / trained[-1].id)
    return tmp_path / "runs"


def test_a_run_is_found_by_a_beginning(store, trained):
    run = trained[-1]
    for name in (run.id, "binary-nodule", run.config["key"][:8], str(store / run.id)):
        assert runs.find(store, name).id == run.id
    for name in ("multiclass", "nothing there"):
        with pytest.raises(InputError, match="no such run"):
            runs.find(store, name)


def test_a_beginning_of_two_runs_is_refused(store, trained):
    shutil.copytree(store / trained[-1].id, store / "binary-nodule-other")
    with pytest.raises(InputError, match="expected the name of one run"):
        runs.find(store, "binary-nod")
    for short in ("", "b", "binary"):
        with pytest.raises(InputError, match="expected 8 signs of a name or key at least"):
            runs.find(store, short)
    assert runs.find(store, trained[-1].id).id == trained[-1].id


def test_a_stale_run_says_why(store):
    run = runs.list_runs(store)[0]
    assert runs.stale_because(run) == []
    path = run.folder / "config.json"
    config = json.loads(path.read_text())
    config["parts"]["code"]["training"] = "0"
    config["parts"]["keras"] = "3.0"
    path.write_text(json.dumps(config))
    code, keras = sorted(runs.stale_because(runs.load(run.folder)))
    assert code == "code of training" and keras.startswith("keras 3.0, now 3.")


def test_an_earlier_run_of_that_name_says_how_it_differs(store, trained):
    job = prepare(trained[0], store, settings=CROP | {"dropout": 0.5})
    assert runs.earlier(store, job.config) == {trained[-1].id: ["dropout 0.3, now 0.5"]}
    assert runs.earlier(store, trained[2].config) == {}


def test_a_removed_run_is_gone(store):
    runs.remove(runs.list_runs(store)[0])
    assert list(store.iterdir()) == []


@pytest.mark.parametrize("text", ["{", "[]", "{}"])
def test_a_broken_configuration_is_one_line(store, text):
    path = next(store.glob("*/config.json"))
    path.write_text(text)
    with pytest.raises(InputError, match="not the configuration of a run"):
        runs.load(path.parent)
    with pytest.warns(UserWarning, match="not the configuration of a run"):
        assert runs.list_runs(store) == []  # and blocks no other


def test_a_link_in_the_store_is_not_removed(trained, tmp_path):
    folder = trained[3].folder
    (tmp_path / folder.name).symlink_to(folder)
    [found] = runs.list_runs(tmp_path)
    with pytest.raises(InputError, match="a link, expected a run that lies in the store"):
        runs.remove(found)
    assert (folder / "config.json").exists() and len(runs.list_runs(tmp_path)) == 1


def test_a_run_is_found_from_within_its_folder(trained, monkeypatch):
    monkeypatch.chdir(trained[3].folder)
    assert runs.find("nowhere", ".").id == trained[3].id
