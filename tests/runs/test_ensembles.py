"""Ensembles, by their recipes: from a cohort's folder to a run that decides by its own thresholds."""

import json
import shutil

from click.testing import CliRunner
from conftest import seen_cohort
import numpy as np
import pandas as pd
import pytest

from lungcls.cli.__main__ import main
from lungcls.cohorts import predictions
from lungcls.cohorts.cohort import Cohort, load, save
from lungcls.errors import InputError
from lungcls.metrics import thresholds
from lungcls.runs import ensembles, planning, prediction, recorded, store, training

SMALL = {"image_size": 20, "crop_mm": 32, "batch_size": 16}


def prepared(folder, name="best-binary", **options):
    settings = SMALL | options.pop("settings", {})
    options = {"weights": "none", "profile": "smoke", "store": folder / "runs"} | options
    return planning.plan_run(folder / "cohort", recipe=name, settings=settings, **options)


@pytest.fixture(scope="module")
def place(tmp_path_factory):
    """A folder with a cohort that has the size of a pixel."""
    folder, seen = tmp_path_factory.mktemp("best"), seen_cohort()
    rows, columns = np.indices(seen.views["context"].shape[1:])
    disc = np.hypot(rows - rows.mean(), columns - columns.mean()) < 5
    masks = {"context": np.repeat(disc[None], len(seen), axis=0).astype(np.uint8)}
    save(Cohort(seen.cases.assign(pixel_spacing_mm=1.0), seen.views, masks, seen.info), folder / "cohort")
    return folder


@pytest.fixture(scope="module")
def run(place):
    return training.train_job(prepared(place))


def test_the_run_is_whole_and_decides_by_its_rule(place, run):
    assert sorted(path.name for path in run.folder.iterdir()) == sorted(
        [*recorded.FILES, *recorded.SOME, "digests.json", "model.keras"]
    )
    assert run.config["recipe"] == "best-binary" and run.config["view"] == "context"
    table, cuts = run.predictions, store.load_thresholds(run.folder)
    y_prob = table[list(predictions.CLASS_COLUMNS["binary"])].to_numpy()
    assert table["y_pred"].tolist() == thresholds.decide(y_prob, cuts, "binary").tolist()
    known = table["split"] != "test"
    again = thresholds.fit(table["y_true"][known].to_numpy(), y_prob[known], "binary")
    assert cuts == pytest.approx(again, abs=1e-6)  # the table is text
    assert len(run.history) == 2 and run.environment["resumed_after"] == 0
    assert store.stale_because(run) == [] and not list((place / "runs" / ".work").glob("*/*.npz"))


def test_no_fit_sees_a_test_case_and_each_other_case_is_left_out_once(place):
    job = prepared(place)
    split = pd.read_csv(job.split, dtype=str)["split"].to_numpy()
    cases = load(place / "cohort").cases
    groups = ensembles.left_out(cases, split, job.settings, 0)
    assert ((groups == -1) == (split == "test")).all() and set(groups) == {-1, 0, 1}
    assert pd.Series(groups).groupby(cases["patient_id"]).nunique().max() == 1


def test_predict_gives_what_the_run_says_of_test_cases(place, run, tmp_path):
    folder = shutil.copytree(place / "cohort", tmp_path / "unlabelled")
    table = pd.read_csv(folder / "cases.csv").drop(columns=["malignancy", "ratings", "diameter_mm"])
    table.to_csv(folder / "cases.csv", index=False)
    found = prediction.write_predictions(run, folder, tmp_path / "out.csv").set_index("case_id")
    said = run.predictions[run.predictions["split"] == "test"].set_index("case_id")
    np.testing.assert_allclose(found.loc[said.index, "p_malignant"], said["p_malignant"], atol=1e-5)
    assert found.loc[said.index, "y_pred"].tolist() == said["y_pred"].tolist()


def test_same_seed_same_run_also_after_a_stop(place, run, monkeypatch):
    from lungcls.models import ensemble

    shutil.rmtree(run.folder)
    with monkeypatch.context() as stopped:
        stopped.setattr(ensemble, "kernel_ridge", lambda *_, **__: 1 / 0)  # outlines are learnt by then
        with pytest.raises(ZeroDivisionError):
            training.train_job(prepared(place))
    again = training.train_job(prepared(place))
    assert again.environment["resumed_after"] == 2
    pd.testing.assert_frame_equal(again.predictions, run.predictions)
    pd.testing.assert_frame_equal(again.history, run.history)


def test_the_other_recipe_gives_scores_of_the_same_networks(place, run):
    other = training.train_job(prepared(place, "best-multiclass"))
    scores = other.predictions[list(predictions.CLASS_COLUMNS["multiclass"])]
    np.testing.assert_allclose(scores[["p_4", "p_5"]].sum(axis=1), run.predictions["p_malignant"], atol=1e-5)
    assert (
        set(other.predictions["y_pred"]) <= {1, 2, 3, 4, 5} and len(store.load_thresholds(other.folder)) == 4
    )


def test_frozen_features_are_weighed_in_where_there_are_weights(place, run):
    import h5py
    import keras
    from keras.src.legacy.saving import legacy_h5_format

    path = place / "mobilenet.h5"
    network = keras.applications.MobileNet(include_top=False, weights=None, input_shape=(32, 32, 3))
    with h5py.File(path, "w") as file:  # as Keras's own files are
        legacy_h5_format.save_weights_to_hdf5_group(file, network)
    weighed = training.train_job(prepared(place, weights=path))
    assert weighed.weights == "mobilenet.h5" and weighed.config["parent"].startswith("multiclass-")
    table = prediction.predict(weighed, load(place / "cohort")).set_index("case_id")
    said = weighed.predictions[weighed.predictions["split"] == "test"].set_index("case_id")
    np.testing.assert_allclose(table.loc[said.index, "p_malignant"], said["p_malignant"], atol=1e-5)
    own = run.predictions.set_index("case_id").loc[said.index, "p_malignant"]
    assert np.abs(own - said["p_malignant"]).max() > 1e-3
    assert store.stale_because(weighed) == []


def test_without_outlines_a_disc_stands_for_them(place, run, tmp_path):
    seen = load(place / "cohort")
    save(Cohort(seen.cases.drop(columns="ratings"), dict(seen.views), {}, seen.info), tmp_path / "cohort")
    options = {"recipe": "best-binary", "profile": "smoke", "weights": "none"} | SMALL
    plain = training.train(tmp_path / "cohort", store=tmp_path / "runs", progress=False, **options)
    assert len(plain.history) == 1 and plain.environment["parameters"] < run.environment["parameters"]
    assert np.isfinite(plain.predictions["p_malignant"]).all()


def test_the_outlining_network_sees_outlines_of_known_cases_only(place, monkeypatch):
    seen = {}

    def watched(head, train, validation, **options):
        seen["rows"] = train.rows
        raise ZeroDivisionError

    monkeypatch.setattr(ensembles, "fit_network", watched)
    job = prepared(place, seed=5)
    with pytest.raises(ZeroDivisionError):
        training.train_job(job)
    split = pd.read_csv(job.split, dtype=str)["split"].to_numpy()
    assert sorted(seen["rows"]) == np.flatnonzero(split != "test").tolist()


def test_what_shapes_the_run_is_in_its_key(place):
    key = prepared(place).config["key"]
    assert prepared(place).config["key"] == key
    for changed in ({"seed": 1}, {"fold": 0}, {"settings": {"ratings_share": "0.2"}}):
        assert prepared(place, **changed).config["key"] != key


def test_a_record_keeps_the_rule(run, tmp_path):
    kept = recorded.record(run, tmp_path)
    assert json.loads((kept / store.THRESHOLDS).read_text())["cuts"] == store.load_thresholds(run.folder)


def test_an_ensemble_takes_no_further_turns(place, run):
    with pytest.raises(InputError, match="turns images itself"):
        prediction.versions(run, load(place / "cohort"))


def call(place, *arguments):
    words = ["train", "--cohort", place / "cohort", "--runs", place / "runs", "--profile", "smoke"]
    words += ["--weights", "none", *arguments]
    return CliRunner().invoke(main, [str(word) for word in words])


def test_the_command_finds_the_run(place, run):
    pairs = [word for key, value in SMALL.items() for word in ("--set", f"{key}={value}")]
    answer = call(place, "--recipe", "best-binary", *pairs)
    assert answer.exit_code == 0 and answer.output.startswith(f"already trained\n{run.id}\n"), answer.output


@pytest.mark.parametrize(
    "words, expected",
    [
        (("--recipe", "better"), "recipe: found 'better', expected one of best-binary, best-multiclass"),
        (
            ("--recipe", "best-binary", "--model", "cnn"),
            "train: found model with a recipe, expected one of the two",
        ),
        (("--task", "binary"), "train: found no view, expected it, or a recipe"),
        (
            ("--recipe", "best-binary", "--set", "member=2"),
            "setting: found 'member', expected one of backbone",
        ),
        (("--recipe", "best-binary", "--set", "crop=2"), "setting: found 'crop', expected one of backbone"),
        (("--recipe", "best-binary", "--set", "epochs=two"), "epochs: found 'two', expected a whole number"),
        (
            ("--recipe", "best-binary", "--set", "groups=1"),
            "groups: found '1', expected a whole number from 2",
        ),
        (("--recipe", "best-binary", "--set", "groups"), "--set: found 'groups', expected key=value"),
        (("--recipe", "best-binary", "--set", "image_size=17"), "image_size: found 15 pixels inside"),
        (
            ("--recipe", "best-binary", "--set", "backbone=vgg"),
            "backbone: found 'vgg', expected one of mobilenet, eff",
        ),
        (
            ("--recipe", "best-binary", "--set", "backbone=resnet50"),
            "backbone: found 'resnet50', expected one of",
        ),
        (("--recipe", "best-binary", "--fold", "7"), "fold: found 7, expected 0 to 4"),
    ],
)
def test_bad_requests_end_in_one_line(place, words, expected):
    answer = call(place, *words)
    assert answer.exit_code == 2 and answer.stderr.count("\n") == 1, answer.output
    assert expected in answer.stderr
