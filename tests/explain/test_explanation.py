"""A stored run explained on a cohort: places, scores, what is kept and what is exported."""

from dataclasses import replace

from click.testing import CliRunner
from conftest import seen_cohort
import numpy as np
import pandas as pd
import pytest

from lungcls import cli
from lungcls.cohorts.cohort import Cohort, save
from lungcls.errors import InputError
from lungcls.explain import explanation, heat_maps
from lungcls.runs import prediction
from lungcls.runs.store import Run


@pytest.fixture(scope="module")
def outlined(trained, tmp_path_factory):
    """The cohort of the trained run, with the bright square as its outline."""
    noise = seen_cohort()
    masks = {view: np.zeros((40, 40, 40), np.uint8) for view in noise.views}
    for mask in masks.values():
        mask[:, 12:26, 12:26] = 1
    views = {view: np.array(images[:]) for view, images in noise.views.items()}
    folder = tmp_path_factory.mktemp("outlined")
    cases = noise.cases.assign(pixel_spacing_mm=0.5)
    views["nodule"][:] = views["context"]  # so that the zoomed picture lies in the wider one
    save(Cohort(cases, views, masks, noise.info), folder / "cohort")
    from lungcls.cohorts.cohort import load

    return load(folder / "cohort"), trained[3], folder


def test_the_field_is_the_crop_and_the_mask_lies_in_it(outlined):
    cohort, run, _ = outlined
    field = explanation.field_of(run, cohort)
    assert field.view == "nodule" and field.corners[0].tolist() == [4, 4, 36, 36]
    assert (
        field.masks.shape == (40, 32, 32) and field.masks[0, 8:22, 8:22].all() and field.masks[0].sum() == 196
    )


def test_a_square_of_fixed_size_lies_in_the_wider_view(outlined):
    cohort, run, _ = outlined
    settings = run.config["settings"] | {"bands": "fixed", "field_mm": 10.0}
    fixed = Run(run.folder, run.config | {"settings": settings})
    field = explanation.field_of(fixed, cohort)
    assert field.view == "context" and field.corners[0].tolist() == [10, 10, 30, 30]
    assert (
        field.masks.shape == (40, 32, 32) and 0.45 < field.masks[0].mean() < 0.53
    )  # 14 of 20 pixels, squared


def test_scores_are_whole_and_read_again(outlined):
    cohort, run, folder = outlined
    found = explanation.explained(run, cohort, seed=0, lime_cases=3, store=folder)
    counts = found.table.groupby(["place", "map"]).size()
    assert counts["as it is", "Grad-CAM"] == counts["off centre", "centre blob"] == 40
    assert counts["as it is", "LIME"] == len(found.lime) == 3
    best = found.table[found.table["map"] == explanation.BEST]
    assert best["concentration"].dropna().to_numpy() == pytest.approx(1)
    assert (found.table["concentration"].dropna() <= 1 + 1e-9).all()
    blob = found.table[found.table["map"] == "centre blob"].groupby("place")["concentration"].mean()
    assert blob["off centre"] < blob["as it is"]
    said = found.table.query("map == 'Grad-CAM' and place == 'as it is'").set_index("case_id")["said"]
    known = prediction.predict(run, cohort).set_index("case_id")["y_pred"]
    assert said.equals(known.reindex(said.index).rename("said")) or (said == known.reindex(said.index)).all()
    again = explanation.explained(run, cohort, seed=0, lime_cases=3, store=folder)
    pd.testing.assert_frame_equal(again.table, found.table, check_dtype=False)
    assert again.layer == found.layer and again.grid == found.grid and again.why == found.why
    for case, pieces in found.lime.items():
        assert np.array_equal(again.lime[case].weights, pieces.weights)
        assert np.array_equal(again.lime[case].segments, pieces.segments)
    assert len(list((folder / ".cache" / "explanations").iterdir())) == 1


def test_what_the_ledger_asks_of_each_case(outlined):
    cohort, run, folder = outlined
    table = explanation.explained(run, cohort, seed=0, lime_cases=3, store=folder).table
    cases = explanation.per_case(table)
    assert len(cases) == 40 and cases["lime_concentration"].notna().sum() <= 3
    moved = table[table["place"] == "off centre"].pivot(
        index="case_id", columns="map", values="concentration"
    )
    expected = (moved["Grad-CAM"] - moved["centre blob"]).reindex(cases.index)
    assert cases["map_over_blob"].to_numpy() == pytest.approx(expected.to_numpy(), nan_ok=True)


def test_without_outlines_there_are_no_scores(trained, outlined):
    cohort, run, _ = outlined
    bare = replace(cohort, masks={})
    with pytest.raises(InputError, match="no outlines of the view 'nodule', expected nodule_mask.npy"):
        explanation.explained(run, bare, seed=0)
    assert explanation.field_of(run, bare).masks is None
    assert len(explanation.explain_run(run, bare).values) == 40
    with pytest.raises(InputError, match="layer: found 'head'"):
        explanation.explain_run(run, bare, layer="head")


def test_maps_are_exported_with_their_coordinates(trained, outlined, tmp_path):
    _, run, folder = outlined
    out = tmp_path / "maps.npz"
    ran = CliRunner().invoke(
        cli.main, ["explain", run.id, str(folder / "cohort"), "--out", str(out), "--runs", str(trained[1])]
    )
    assert ran.exit_code == 0 and "40 maps of block2_relu" in ran.output
    with np.load(out) as stored:
        assert stored["maps"].shape == (40, 16, 16) and stored["view"] == "nodule" and stored["run"] == run.id
        assert stored["rows"][0, :2].tolist() == [4.5, 6.5]  # cells of two pixels, from row 4 on
        assert stored["case_id"][0] == "pat1" and set(stored["said"]) <= {0, 1}
    assert not list(tmp_path.glob(".*"))
    with pytest.raises(InputError, match="cannot be written"):
        explanation.export(run, folder / "cohort", tmp_path / "nowhere" / "maps.npz")


def test_shifted_masks_follow_shifted_images():
    mask = np.zeros((1, 32, 32), bool)
    mask[0, 10:20, 10:20] = True
    by = heat_maps.offsets(1, 16, seed=0)
    seen = heat_maps.shift(mask, 2 * by, mirror=False)
    assert seen.sum() == 100 and np.argwhere(seen[0]).mean(axis=0).tolist() == (14.5 + 2 * by[0]).tolist()
