"""The maps of a stored run on a cohort: of all cases or some, ready to draw, and exported."""

from dataclasses import replace

from click.testing import CliRunner
import numpy as np
import pytest

from lungcls import explain
from lungcls.cli.__main__ import main
from lungcls.errors import InputError
from lungcls.explain import explanation
from lungcls.runs import inputs, prediction


def test_a_run_is_explained_without_outlines(outlined):
    cohort, run, _ = outlined
    bare = replace(cohort, masks={})
    assert len(explain.explain_run(run, bare).values) == 40
    with pytest.raises(InputError, match="layer: found 'head'"):
        explain.explain_run(run, bare, layer="head")


def test_some_cases_are_explained_as_among_all_and_ready_to_draw(outlined):
    from lungcls.report.plots import heat_maps as plots

    cohort, run, _ = outlined
    whole, some = explain.explain_run(run, cohort), explain.explain_run(run, cohort, cases=["pat3", "pat1"])
    assert some.values == pytest.approx(whole.values[[2, 0]], abs=1e-6)
    masks = inputs.masks_of(cohort, run.config)[[2, 0], ..., 0]
    pictures = some.pictures(masks)
    assert [[one.shape for one in row] for row in pictures] == [[(32, 32)] * 3] * 2
    assert np.array_equal(pictures[1][0], prediction.images_of(run, cohort)[np.array([0])][0, ..., 0])
    assert np.array_equal(pictures[0][2], masks[0]) and some.pictures()[0][2] is None
    figure = plots.overlays([pictures], titles=[["pat3", "pat1"]], row_labels=["Grad-CAM"])
    assert len(figure.axes) == 3 and figure.axes[-1].get_ylim() == (0, 1)  # two images and the scale
    with pytest.raises(InputError, match="nobody"):
        explain.explain_run(run, cohort, cases=["nobody"])


def test_a_predictor_gives_the_stored_probabilities_whatever_the_number(outlined):
    cohort, run, _ = outlined
    images = prediction.images_of(run, cohort)[np.arange(40)]
    predict = explanation.predictor(prediction.open_model(run))
    known = prediction.predict(run, cohort)[["p_benign", "p_malignant"]].to_numpy()
    assert predict(images) == pytest.approx(known, abs=1e-6)
    assert predict(images[:3]) == pytest.approx(known[:3], abs=1e-6)


def test_maps_are_exported_with_their_coordinates(trained, outlined, tmp_path):
    _, run, folder = outlined
    out = tmp_path / "maps.npz"
    ran = CliRunner().invoke(
        main, ["explain", run.id, str(folder / "cohort"), "--out", str(out), "--runs", str(trained[1])]
    )
    assert ran.exit_code == 0 and "40 maps of block2_relu" in ran.output
    with np.load(out) as stored:
        assert stored["maps"].shape == (40, 16, 16) and stored["view"] == "nodule" and stored["run"] == run.id
        assert stored["rows"][0, :2].tolist() == [4.5, 6.5]  # cells of two pixels, from row 4 on
        assert stored["case_id"][0] == "pat1" and set(stored["predicted"]) <= {0, 1}
        assert stored["corners"][0].tolist() == [4, 4, 36, 36] and stored["columns"].shape == (40, 16)
    assert not list(tmp_path.glob(".*"))
    explanation.export(run, folder / "cohort", tmp_path / "new" / "maps.npz")  # the folder is made
    assert (tmp_path / "new" / "maps.npz").exists()
