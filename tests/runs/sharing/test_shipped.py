"""Models that ship with the package: their cards, answers, and what is refused."""

from dataclasses import replace
import json
import shutil

import jsonschema
import numpy as np
import pandas as pd
import pytest

from lungcls import runs, sources
from lungcls.cohorts import cohort as cohorts
from lungcls.errors import InputError
from lungcls.models import pretrained_features
from lungcls.runs import calibration, store
from lungcls.runs.sharing import shipped

OFFLINE = [name for name in shipped.NAMES if not name.endswith("-imagenet")]
HEADS = [name for name in shipped.NAMES if name.endswith("-imagenet")]
PHANTOMS = [0.0549, 0.9771, 0.0363, 0.0550]  # of four phantoms, by the models as they were made
SCHEMA = json.loads((shipped.DATA / "card.schema.json").read_text(encoding="utf-8"))


@pytest.fixture(scope="module")
def phantom():
    found = sources.open_cohort("phantom", profile="smoke").select([0, 5, 20, 40])
    return replace(found, cases=found.cases.assign(case_id=list("abcd")))  # the phantom has ids of LIDC


@pytest.fixture(scope="module")
def said(phantom):
    return {name: runs.predict(runs.pretrained(name), phantom) for name in OFFLINE}


def test_four_models_ship():
    assert shipped.NAMES == (
        "best-binary", "best-binary-imagenet", "best-multiclass", "best-multiclass-imagenet"
    )  # fmt: skip


@pytest.mark.parametrize("name", shipped.NAMES)
def test_card_follows_the_schema_and_the_files_beside_it(name):
    run = shipped.released(name)
    jsonschema.validate(run.card, SCHEMA)
    assert run.card["name"] == name and run.card["task"] == run.config["task"]
    assert run.card["training"]["key"] == run.config["key"]
    assert len(run.predictions) == run.card["training"]["cases"] == run.card["scores"]["inside"]["n"]
    assert run.card["input"]["crop_mm"] == run.config["settings"]["crop_mm"]
    assert run.card["input"]["pixels"] == run.config["settings"]["image_size"]
    assert run.card["output"]["thresholds"] == store.load_thresholds(run.folder)
    assert run.card["calibration"]["temperature"] == calibration.of_run(run)["temperature"]
    assert run.config["settings"]["test_share"] == 0 and not len(run.part("test")[0])


def test_schema_refuses_what_a_card_must_not_lack():
    card = shipped.released("best-binary").card
    for name in SCHEMA["required"]:
        with pytest.raises(jsonschema.ValidationError):
            jsonschema.validate({key: value for key, value in card.items() if key != name}, SCHEMA)


@pytest.mark.parametrize("name", shipped.NAMES)
def test_files_are_small_and_hold_no_weights_of_others(name):
    folder = shipped.DATA / name
    assert sum(path.stat().st_size for path in folder.iterdir()) < 4e6
    assert (folder / "model.keras").exists() == (name in OFFLINE)
    assert (folder / shipped.HEAD).exists() == (name in HEADS)


@pytest.mark.parametrize("name", OFFLINE)
def test_answers_are_those_of_the_card(name):
    assert shipped.difference(runs.pretrained(name)) < shipped.TOLERANCE


def test_answers_to_phantoms_are_those_recorded(said):
    np.testing.assert_allclose(said["best-binary"]["p_malignant"], PHANTOMS, atol=2e-3)
    both = said["best-multiclass"][["p_4", "p_5"]].sum(axis=1)
    np.testing.assert_allclose(both, said["best-binary"]["p_malignant"], atol=1e-4)


def test_images_alone_give_what_a_cohort_gives_on_any_linear_scale(phantom, said):
    images = phantom.views["context"][np.arange(len(phantom))].astype(float)
    alone = runs.pretrained("best-binary").predict(
        np.concatenate([images, 3 * images + 100]), np.tile(phantom.spacing(), 2)
    )
    np.testing.assert_allclose(
        alone["p_malignant"], np.tile(said["best-binary"]["p_malignant"], 2), atol=1e-4
    )


@pytest.mark.parametrize("shape", [(0, 8, 8), (8, 8), (2, 8, 8, 1)])
def test_images_of_another_shape_are_refused(shape):
    with pytest.raises(InputError, match=r"images: found shape .* expected \(n, H, W\)"):
        runs.pretrained("best-binary").predict(np.zeros(shape), 0.7)


def test_sets_and_calibrated_answers_need_no_test_case(said):
    run = shipped.released("best-binary")
    found = runs.calibrate(run, said["best-binary"], calibrated=True, level=0.9)
    temperature, p = calibration.of_run(run)["temperature"], said["best-binary"]["p_malignant"].to_numpy()
    odds = np.log(p / (1 - p))
    np.testing.assert_allclose(found["p_malignant"], 1 / (1 + np.exp(-odds / temperature)), atol=1e-4)
    assert found["set"].isin(["0", "1", "0 1", ""]).all()


@pytest.mark.parametrize("spacing", [[0.7, 0.7, 0.7], -1, [0.7, np.nan]])
def test_spacings_that_fit_no_images_are_refused(spacing):
    with pytest.raises(InputError, match="spacing"):
        runs.pretrained("best-binary").predict(np.random.default_rng(0).random((2, 64, 64)), spacing)


def test_unknown_names_and_weights_that_mean_nothing_are_refused(tmp_path):
    with pytest.raises(InputError, match="found 'best', expected one of best-binary"):
        runs.pretrained("best")
    with pytest.raises(InputError, match="found none for best-binary, expected none: it has its own"):
        runs.pretrained("best-binary", weights="none")
    with pytest.raises(InputError, match="no such run"):
        shipped.find("best-other", tmp_path)


@pytest.mark.parametrize("name", HEADS)
def test_models_on_features_need_their_weights(name, tmp_path):
    with pytest.raises(InputError, match=f"{name}: found no weights .* best-[a-z]+ needs none"):
        runs.pretrained(name, weights=tmp_path)


def test_other_weights_are_refused(monkeypatch):
    import keras

    run = shipped.released("best-binary-imagenet")
    features = len(np.load(run.folder / shipped.HEAD)["fingerprint"])
    image = keras.Input((80, 80, 1))
    other = keras.Model(image, keras.layers.Dense(features)(keras.layers.Flatten()(image)))
    monkeypatch.setattr(pretrained_features, "extractor", lambda *_, **__: other)
    with pytest.raises(InputError, match="w.h5: gives other features than .* best-binary-imagenet"):
        shipped.join(run, "w.h5")


def test_a_changed_file_is_refused(monkeypatch, tmp_path):
    shutil.copytree(shipped.DATA / "best-binary", tmp_path / "best-binary")
    monkeypatch.setattr(shipped, "DATA", tmp_path)
    (tmp_path / "best-binary" / "thresholds.json").write_text('{"cuts": [0.9]}')
    with pytest.raises(InputError, match=r"thresholds.json: not what training wrote"):
        runs.pretrained("best-binary")


def test_what_lies_outside_the_training_range_is_said():
    run = shipped.released("best-binary")
    (low, high) = run.card["input"]["range"]["pixel_spacing_mm"]
    cases = pd.DataFrame({"pixel_spacing_mm": [low, 2 * high, high], "slice_thickness_mm": [2.5, 2.5, 50]})
    inside, wide, thick = run.outside(cases)
    assert inside == []
    assert wide == [f"outside the training range: pixel spacing {2 * high:g} mm, {low:g} to {high:g} there"]
    assert thick[0].startswith("outside the training range: slice thickness 50 mm")
    assert run.outside(cases.drop(columns="slice_thickness_mm"))[2] == []


def test_training_cases_are_known_by_their_ids(phantom):
    run = runs.pretrained("best-binary")
    ids = [*run.predictions["case_id"].head(3), "another"]
    known = cohorts.Cohort(phantom.cases.assign(case_id=ids), phantom.views)
    with pytest.warns(UserWarning, match="3 of 4 cases have the ids of training cases of best-binary"):
        runs.predict(run, known)
