"""The commands about runs: what they print, their exit codes, and bad input."""

import shutil

from click.testing import CliRunner
from conftest import write_weights
import pandas as pd
import pytest

from lungcls.cli.__main__ import main
from lungcls.cohorts import cohort as cohorts
from lungcls.runs import evaluation, grid, store, training


def call(*arguments):
    return CliRunner().invoke(main, [str(argument) for argument in arguments])


def train(cohort, store, *more, **changed):
    options = {"task": "binary", "view": "nodule", "model": "cnn", "stage": "scratch", "profile": "smoke"}
    named = [text for name, value in (options | changed).items() for text in (f"--{name}", value)]
    return call("train", "--cohort", cohort, "--runs", store, *named, *more)


def test_train_finds_a_run_that_is_there(trained):
    cohort, store, _, run = trained
    answer = train(cohort, store, "--set", "crop=32")
    assert answer.exit_code == 0, answer.output
    assert answer.output.startswith(f"already trained\n{run.id}\n")
    assert "random init" in answer.output and "F1 (macro)" in answer.output


def test_train_says_how_another_run_differs(trained, tmp_path):
    cohort, _, _, run = trained
    shutil.copytree(run.folder, tmp_path / run.id)
    answer = train(cohort, tmp_path, "--set", "crop=30")
    assert answer.exit_code == 0, answer.output
    assert f"{run.id} is another run: crop 32, now 30" in answer.output


def test_shards_have_every_run_of_the_grid_once(trained, tmp_path, monkeypatch):
    asked = []
    monkeypatch.setattr("lungcls.runs.study.train_all", lambda found, **_: asked.append(found) or {})
    common = ("study", "--cohort", trained[0], "--profile", "smoke", "--runs", tmp_path, "--set", "crop=32")
    for part in ((), ("--shard", "1/3"), ("--shard", "2/3"), ("--shard", "3/3")):
        assert call(*common, "--weights", "none", *part).exit_code == 0
    whole, *shards = [[job.id for job in jobs] for jobs in asked]
    assert sorted(sum(shards, [])) == sorted(whole) and max(map(len, shards)) - min(map(len, shards)) <= 1


@pytest.mark.parametrize("part", ["0/3", "4/3", "1", "a/b", "1/"])
def test_a_shard_that_is_none_is_one_line(trained, part):
    answer = call("study", "--cohort", trained[0], "--shard", part)
    assert answer.exit_code == 2
    assert f"--shard: found {part!r}, expected I/N with I from 1 to N, such as 2/8" in answer.stderr


def test_a_cluster_has_its_own_number_of_workers(trained):
    answer = call("study", "--cohort", trained[0], "--cluster", "local:2", "--jobs", "2")
    assert answer.exit_code == 2 and "--jobs: found with --cluster, whose workers count" in answer.stderr


def test_study_trains_the_grid(trained, tmp_path, monkeypatch):
    cells = [
        grid.Cell("table 1", "CNN", "binary", "nodule", "cnn", "scratch"),
        grid.Cell("ablations", "no block", "binary", "nodule", "cnn", "scratch", {"unfreeze_from": "x"}),
    ]
    monkeypatch.setattr(grid, "grid_of", lambda *_, **__: cells)
    answer = call(
        "study",
        "--cohort",
        trained[0],
        "--runs",
        tmp_path,
        "--profile",
        "smoke",
        "--jobs",
        1,
        "--set",
        "crop=32",
    )
    assert answer.exit_code == 1
    done, failed = answer.stdout.splitlines()
    assert done.startswith("CNN ") and done.endswith("random init")
    assert failed.startswith("no block") and "unfreeze_from: found 'x'" in failed


def test_runs_lists_and_shows(trained):
    _, store, _, run = trained
    listed = call("runs", "list", "--runs", store)
    assert run.id in listed.output and "up to date" in listed.output and "1 runs in" in listed.output
    shown = call("runs", "show", run.id[:8], "--runs", store)
    assert shown.exit_code == 0 and "learning rate" in shown.output and "packages" in shown.output


def test_show_scores_a_run_beside_a_baseline(trained):
    cohort, store, _, run = trained
    answer = call("runs", "show", run.id, "--runs", store, "--cohort", cohort)
    assert answer.exit_code == 0, answer.output
    (area,) = (line for line in answer.output.split(" less diameter\n")[1].splitlines() if "AUC" in line)
    said = evaluation.score(run, against="diameter", data=cohorts.load(cohort)).loc["AUC"]
    assert f"{said['value']:.3f} less {said['diameter']:.3f}: {said['difference']:+.3f} [" in area
    flash = call("runs", "show", run.id, "--runs", store, "--cohort", cohort, "--radiomics", "flash")
    assert flash.exit_code == 2 and "expected the mask of a view" in flash.stderr


def test_show_scores_a_run_with_and_without_covariates(trained):
    cohort, store, _, run = trained
    given = "diameter_mm"
    answer = call("runs", "show", run.id, "--runs", store, "--cohort", cohort, "--covariates", given)
    assert answer.exit_code == 0, answer.output
    assert "with diameter_mm less without\n" in answer.output
    wrong = call("runs", "show", run.id, "--runs", store, "--cohort", cohort, "--covariates", "age")
    assert wrong.exit_code == 2 and "covariates: found 'age', expected some of" in wrong.stderr
    none = call("runs", "show", run.id, "--runs", store, "--covariates", "age")
    assert none.exit_code == 2 and "cohort: found none, expected that of the run" in none.stderr


@pytest.mark.parametrize("part", ["validation", "test"])
def test_a_run_without_cases_of_a_part_is_shown_and_blocks_nothing(trained, tmp_path, part):
    cohort, _, _, run = trained
    shutil.copytree(run.folder, tmp_path / run.id)
    table = run.predictions
    table[table["split"] != part].to_csv(tmp_path / run.id / "predictions.csv", index=False)
    store.seal(tmp_path / run.id)
    listed = call("runs", "list", "--runs", tmp_path)
    assert listed.exit_code == 0 and "1 runs in" in listed.output
    assert ("no test case" in listed.output) == (part == "test")
    shown = call("runs", "show", run.id, "--runs", tmp_path)
    assert shown.exit_code == 0 and f"  {part:<16} n 0\n" in shown.output
    out = tmp_path / "out.csv"
    answer = call("predict", run.id, cohort, "--out", out, "--runs", tmp_path, "--calibrated")
    assert answer.exit_code == (2 if part == "test" else 0) and out.exists() == (part != "test")
    assert part != "test" or "found no test case, expected some to fit a calibration on" in answer.output


def test_an_empty_store_lists_nothing_and_one_that_is_not_there_is_an_error(tmp_path):
    assert call("runs", "list", "--runs", tmp_path).output == f"0 runs in {tmp_path}\n"
    answer = call("runs", "list", "--runs", tmp_path / "typo")
    assert answer.exit_code == 2 and "typo: no such folder, expected a run store" in answer.stderr


def test_runs_removes_what_is_stale(trained, tmp_path):
    run = trained[-1]
    shutil.copytree(run.folder, tmp_path / run.id)
    shutil.copytree(run.folder, tmp_path / "old")
    config = tmp_path / "old" / "config.json"
    config.write_text(config.read_text().replace('"keras": "3', '"keras": "2'))
    assert call("runs", "remove", "--stale", "--dry-run", "--runs", tmp_path).output == "would remove: old\n"
    assert "Aborted" in call("runs", "remove", "--stale", "--runs", tmp_path).output  # nobody says yes
    for chosen in ("--stale", run.id):
        assert "removed" in call("runs", "remove", chosen, "--yes", "--runs", tmp_path).output
    assert list(tmp_path.iterdir()) == []
    assert call("runs", "remove", "--runs", tmp_path).exit_code == 2


def test_predict_writes_the_table(trained, tmp_path):
    cohort, store, _, run = trained
    answer = call("predict", run.id, cohort, "--out", tmp_path / "predictions.csv", "--runs", store)
    assert answer.exit_code == 0, answer.output
    assert answer.output == f"{run.id} (random init): 40 cases in {tmp_path / 'predictions.csv'}\n"
    assert len(pd.read_csv(tmp_path / "predictions.csv")) == 40


def test_predict_calibrates_and_says_which_cases_it_knows(trained, tmp_path):
    cohort, _, _, run = trained
    shutil.copytree(run.folder, tmp_path / run.id)
    answer = call(
        "predict",
        run.id,
        cohort,
        "--out",
        tmp_path / "out.csv",
        "--runs",
        tmp_path,
        "--calibrated",
        "--sets",
        "0.9",
    )
    assert answer.exit_code == 0, answer.output
    assert "set" in pd.read_csv(tmp_path / "out.csv")
    assert answer.stderr.startswith("lungcls: warning: ") and "must not be scored" in answer.stderr
    assert (
        call(
            "predict", run.id, cohort, "--out", tmp_path / "out.csv", "--runs", tmp_path, "--sets", "0.5"
        ).exit_code
        == 2
    )


def test_predict_refuses_an_unknown_run(trained, tmp_path):
    answer = call("predict", "none of them", trained[0], "--out", tmp_path / "out.csv", "--runs", trained[1])
    assert answer.exit_code == 2 and "none of them: no such run" in answer.stderr


def test_weights_check_says_what_can_be_had(tmp_path, monkeypatch):
    monkeypatch.setenv("KERAS_HOME", str(tmp_path))
    path = write_weights(tmp_path / "models" / "mobilenet_1_0_224_tf_no_top.h5")
    answer = call("weights", "check", "mobilenet")
    assert answer.exit_code == 0 and "in Keras's cache" in answer.output
    path.write_bytes(path.read_bytes()[:1000])
    answer = call("weights", "check", "mobilenet")
    assert answer.exit_code == 1 and f"{path}: not a whole weight file" in answer.output
    assert call("weights", "check", "vgg").exit_code == 2


def test_a_broken_library_call_is_no_input_error(trained, tmp_path, monkeypatch):
    """A defect of the package keeps its traceback."""
    monkeypatch.setattr(training, "_train", lambda *_: 1 / 0)
    answer = train(trained[0], tmp_path, "--set", "crop=32")
    assert isinstance(answer.exception, ZeroDivisionError)
