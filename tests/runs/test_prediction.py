"""Predictions of a stored run on any cohort."""

import shutil

import numpy as np
import pandas as pd
import pytest

from lungcls.cohorts.cohort import Cohort, load
from lungcls.errors import InputError
from lungcls.preprocessing import augmentation, pixel_contract
from lungcls.runs import inputs, prediction, store


@pytest.fixture
def unlabelled(trained, tmp_path):
    """The same cohort without its labels."""
    folder = shutil.copytree(trained[0], tmp_path / "unlabelled")
    table = pd.read_csv(folder / "cases.csv").drop(columns=["malignancy", "ratings"])
    table.to_csv(folder / "cases.csv", index=False)
    return folder


def test_a_cohort_without_labels_gives_the_table(trained, unlabelled, tmp_path):
    run = trained[-1]
    table = prediction.write_predictions(run, unlabelled, tmp_path / "out" / "predictions.csv")
    written = pd.read_csv(tmp_path / "out" / "predictions.csv")
    assert list(written) == ["case_id", "p_benign", "p_malignant", "y_pred", "confidence"]
    np.testing.assert_allclose(written["p_malignant"], run.predictions["p_malignant"], atol=1e-6)
    assert written["y_pred"].tolist() == table["y_pred"].tolist() == run.predictions["y_pred"].tolist()


def test_images_are_made_as_in_the_run(trained):
    cohort, _, job, run = trained
    images = prediction.images_of(run, load(cohort))
    kept, _ = inputs.prepared(job, load(cohort))
    rows = np.array([3, 0, 39])
    np.testing.assert_array_equal(images[rows], kept[rows])
    pixel_contract.check_pixel_contract(images[rows])
    assert images.shape == kept.shape


def test_mean_of_five_transforms(trained):
    cohort, _, _, run = trained
    found = augmentation.combine(prediction.versions(run, load(cohort)), "mean")
    images = np.asarray(prediction.images_of(run, load(cohort))[np.arange(40)])
    model = prediction.open_model(run)
    versions = [np.asarray(model(version))[:, 0] for version in augmentation.test_time(images)]
    np.testing.assert_allclose(found[:, 1], np.mean(versions, axis=0), atol=1e-5)


def test_the_five_versions_and_their_vote(trained):
    cohort, _, _, run = trained
    versions = prediction.versions(run, load(cohort))
    assert versions.shape == (5, 40, 2)
    np.testing.assert_allclose(versions[0, :, 1], run.predictions["p_malignant"], atol=1e-6)
    voted = augmentation.combine(versions, "mode").argmax(axis=1)
    malignant = (versions[..., 1] > versions[..., 0]).sum(axis=0)
    assert voted.tolist() == (malignant >= 3).astype(int).tolist()


def test_masks_lie_on_the_images(trained):
    run, data = trained[-1], load(trained[0])
    assert run.config["settings"]["crop"] == 32 and run.config["settings"]["image_size"] == 32
    masks = np.zeros((40, 40, 40), dtype=np.uint8)
    masks[:, 10:18, 6:10] = 2
    found = inputs.masks_of(Cohort(data.cases, data.views, {"nodule": masks}, data.info), run.config)
    assert found.shape == prediction.images_of(run, data).shape and found.dtype == bool
    expected = np.zeros((32, 32), dtype=bool)
    expected[6:14, 2:6] = True  # the crop takes 4 pixels off each side
    assert (found[..., 0] == expected).all()
    with pytest.raises(
        InputError, match="no mask of the view 'nodule'.*expected a cohort with nodule_mask.npy"
    ):
        inputs.masks_of(data, run.config)


def spoil(name):
    def missing_view(folder):
        (folder / "nodule.npy").unlink()

    def constant(folder):
        images = np.load(folder / "nodule.npy")
        images[4] = 7
        np.save(folder / "nodule.npy", images)

    def small(folder):
        np.save(folder / "nodule.npy", np.load(folder / "nodule.npy")[:, :20, :20])

    return locals()[name]


@pytest.mark.parametrize(
    "name, expected",
    [
        ("missing_view", "has no 'nodule', expected one of"),
        ("constant", r"nodule.npy: row 5 \(case 'pat5'\)"),
        ("small", "crop: found 32 x 32 pixels with images of 20 x 20"),
    ],
)
def test_bad_input_writes_nothing(trained, unlabelled, tmp_path, name, expected):
    spoil(name)(unlabelled)
    with pytest.raises(InputError, match=expected):
        prediction.write_predictions(trained[-1], unlabelled, tmp_path / "predictions.csv")
    assert not (tmp_path / "predictions.csv").exists()


def test_a_folder_is_no_file(trained, unlabelled, tmp_path):
    with pytest.raises(InputError, match="a folder or a device, expected a file"):
        prediction.write_predictions(trained[-1], unlabelled, tmp_path)


def test_a_broken_network_is_one_line(trained, tmp_path):
    folder = shutil.copytree(trained[-1].folder, tmp_path / "run")
    (folder / "model.keras").write_bytes(b"no")
    run = type(trained[-1])(folder, trained[-1].config)
    with pytest.raises(InputError, match="model.keras: not what training wrote"):
        prediction.open_model(run)
    store.seal(folder)
    with pytest.raises(InputError, match="model.keras: not a saved network"):
        prediction.open_model(run)
