"""Runs of two views: one network with an input each, trained, resumed, predicted with and explained."""

from dataclasses import replace

from click.testing import CliRunner
from conftest import seen_cohort
import numpy as np
import pytest

from lungcls.cli.__main__ import main
from lungcls.cohorts.cohort import Cohort, load, save
from lungcls.errors import InputError
from lungcls.explain import explain_run, map_scores
from lungcls.preprocessing.images import as_images
from lungcls.runs import grid, inputs, planning, prediction, store, training

WANTED = {"task": "binary", "view": "context+nodule", "model": "cnn", "profile": "smoke"}
CROP = {"crop": 32}


def plan(cohort, folder, **changes):
    options = WANTED | changes
    return planning.plan_run(cohort, store=folder, settings=CROP | options.pop("settings", {}), **options)


@pytest.fixture(scope="module")
def joined(trained, tmp_path_factory):
    """A folder of a cohort, a store, and the run of a small network on both of its views."""
    folder = tmp_path_factory.mktemp("joined")
    return trained[0], folder, training.train_job(plan(trained[0], folder))


def test_each_view_is_prepared_as_it_is_alone(joined):
    cohort, folder, run = joined
    images = prediction.images_of(run, load(cohort))
    assert images.shape == (40, 32, 32, 2) and run.config["view"] == "context+nodule"
    rows = np.array([3, 0])
    for channel, view in enumerate(("context", "nodule")):
        alone = inputs.images_of(load(cohort), plan(cohort, folder, view=view).config)
        np.testing.assert_array_equal(images[rows][..., channel], alone[rows][..., 0])


def test_it_predicts_what_training_said(joined):
    cohort, _, run = joined
    found = prediction.predict(run, load(cohort))
    np.testing.assert_allclose(found["p_malignant"], run.predictions["p_malignant"], atol=1e-6)


def test_a_stopped_run_goes_on_and_ends_alike(joined, tmp_path, monkeypatch):
    cohort, _, run = joined
    job = plan(cohort, tmp_path)
    with monkeypatch.context() as stopped:
        stopped.setattr(training, "write_model", lambda *_: 1 / 0)  # both epochs are kept by then
        with pytest.raises(ZeroDivisionError):
            training.train_job(job)
    again = training.train_job(job)
    assert again.environment["resumed_after"] == 2
    for name in ("predictions.csv", "history.csv", "config.json"):
        assert (again.folder / name).read_bytes() == (run.folder / name).read_bytes()


def test_a_fine_tuned_pair_starts_from_its_frozen_one(joined, tmp_path):
    cohort = joined[0]
    run = training.train_job(plan(cohort, tmp_path, model="mobilenet", stage="fine_tuning", weights="none"))
    parent = store.load(tmp_path / run.config["parent"])
    assert "context+nodule-mobilenet-transfer_learning" in parent.id
    for one in (parent, run):
        found = prediction.predict(one, load(cohort))
        np.testing.assert_allclose(found["p_malignant"], one.predictions["p_malignant"], atol=1e-5)
    networks = [prediction.open_model(one) for one in (parent, run)]
    for view in ("context", "nodule"):
        low, high = (
            [network.get_layer(f"{view}.{name}").get_weights()[0] for network in networks]
            for name in ("conv_pw_12", "conv_pw_13")
        )
        assert np.array_equal(*low) and not np.array_equal(*high)


def test_either_view_counts(joined):
    """With a view of one grey level in its place, the answers change."""
    cohort, _, run = joined
    model, images = prediction.open_model(run), prediction.images_of(run, load(cohort))[np.arange(40)]
    whole = np.asarray(model(images))
    for channel in range(2):
        blank = images.copy()
        blank[..., channel] = 0
        assert np.abs(np.asarray(model(blank)) - whole).max() > 1e-4


@pytest.mark.parametrize("view", ["context", "nodule"])
def test_grad_cam_on_either_input(joined, view):
    cohort, _, run = joined
    maps = explain_run(run, load(cohort), cases=[0, 1], view=view)
    assert maps.values.shape == (2, 16, 16) and maps.layer == f"{view}.block2_relu"
    image = inputs.images_of(load(cohort), inputs.of_view(run.config, view))[np.array([1])]
    np.testing.assert_array_equal(maps.pictures()[1][0], image[0, ..., 0])


def test_maps_of_one_input_are_exported(joined, tmp_path):
    cohort, folder, run = joined
    words = ["explain", run.id, cohort, "--runs", folder, "--out", tmp_path / "maps.npz"]
    ran = CliRunner().invoke(main, [*map(str, words), "--view", "nodule"])
    assert ran.exit_code == 0 and "40 maps of nodule.block2_relu" in ran.output
    with np.load(tmp_path / "maps.npz") as stored:
        assert stored["view"] == "nodule" and stored["maps"].shape == (40, 16, 16)
    with pytest.raises(InputError, match="view: found None for .*, expected one of context, nodule"):
        explain_run(run, load(cohort))


@pytest.mark.parametrize("view", ["context", "nodule"])
def test_maps_on_either_input_are_scored(joined, view):
    cohort, _, run = joined
    data, mask = load(cohort), np.zeros((40, 40, 40), np.uint8)
    mask[:, 12:26, 12:26] = 1
    data = replace(data, masks={view: as_images(mask)}).select(range(6))
    found = map_scores.score_maps(run, data, seed=0, lime_cases=2, view=view)
    maps = found[(found["map"] == "Grad-CAM") & (found["place"] == "as it is")].set_index("case_id")
    assert set(found["layer"]) == {f"{view}.block2_relu"} and (found["map"] == "LIME").sum() == 2
    expected = prediction.predict(run, data).set_index("case_id")["y_pred"]
    assert (maps["predicted"] == expected.reindex(maps.index)).all()
    with pytest.raises(InputError, match="view: found None for .*, expected one of context, nodule"):
        map_scores.score_maps(run, data, seed=0)


def test_the_padding_is_that_of_the_nodule(joined, tmp_path):
    config = plan(joined[0], tmp_path, settings={"padding": "only"}).config
    assert [inputs.form_of(one) for one in inputs.by_view(config)] == ["kept", "only"]


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"view": "full_slice+nodule"}, "has no 'full_slice', expected one of context, nodule"),
        ({"view": "nodule+nodule"}, "found 'nodule\\+nodule' for cnn, expected different views"),
        ({"model": "ensemble", "stage": "scratch", "settings": {}}, "a model other than ensemble"),
    ],
)
def test_what_cannot_be_joined_is_refused_in_one_line(joined, tmp_path, changes, words):
    with pytest.raises(InputError, match=words) as refused:
        planning.plan_run(joined[0], store=tmp_path, **WANTED | changes)
    assert "\n" not in str(refused.value)


def test_a_case_without_one_of_the_views_is_refused_in_one_line(joined, tmp_path):
    known = seen_cohort()
    views = {view: np.array(images[:]) for view, images in known.views.items()}
    views["context"][4] = 0
    folder = save(Cohort(known.cases, views, {}, known.info), tmp_path / "lacking")
    with pytest.raises(InputError, match=r"context.npy: row 5 \(case 'pat5'\)") as refused:
        prediction.predict(joined[2], load(folder))
    assert "\n" not in str(refused.value)
    (folder / "context.npy").unlink()
    with pytest.raises(InputError, match="view: .* has no 'context', expected one of"):
        prediction.predict(joined[2], load(folder))


def test_the_grid_takes_two_views_in_place_of_the_cohorts():
    cells = grid.grid_of(["full_slice+nodule"])
    assert {cell.view for cell in cells} == {"full_slice+nodule"}
    assert len([cell for cell in cells if cell.group == "table 1"]) == 6
    with pytest.raises(InputError, match="view: found slice, expected"):
        grid.grid_of(["slice"])
