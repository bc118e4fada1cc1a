"""What chapter 1 says of the readers and of unusual images."""

import pandas as pd

from lungcls.cohorts.cohort import to_binary
from lungcls.metrics import ratings
from lungcls.report.results import explanations
from lungcls.sources import annotations


def test_unusual_images_differ_in_the_zoomed_view_and_full_slices_leave_it_open():
    found = explanations.unusual(explanations.read(), "malignant")
    zoomed = found[found.index.get_level_values(1).str.startswith("zoomed nodule")]
    whole = found[found.index.get_level_values(1).str.startswith("full slice")]
    assert len(zoomed) == len(whole) == 6
    assert (zoomed["low"] > 0).all() and ((whole["low"] < 0) & (0 < whole["high"])).all()
    assert (whole[["low", "high"]].abs().max(axis=1) > 0.1).all()
    assert ((found["chance"] < found["overlap"]) & (found["overlap"] < 1)).all()
    larger = explanations.unusual(explanations.read(), "diameter (mm)").loc[zoomed.index]
    assert (larger["low"] > 0).all()


def test_the_more_readers_the_rarer_agreement_and_the_more_suspicion():
    cases = annotations.report_cases()
    given = ratings.parse_ratings(cases["ratings"])
    table = ratings.by_number_of_readers(given).loc[1:4]
    assert table["equal"].dropna().is_monotonic_decreasing
    assert table["nodules"].sum() > 0.99 * len(cases)  # "nearly every nodule"
    malignant = pd.Series(to_binary(cases["malignancy"])).groupby([len(panel) for panel in given]).mean()
    assert malignant.loc[1:4].is_monotonic_increasing and malignant.loc[1] < 0.1
    assert cases.groupby("malignancy")["diameter_mm"].median().is_monotonic_increasing


def test_the_box_gives_the_recorded_numbers(collected):
    first = explanations.unusual(explanations.read(), "malignant").loc["autoencoder"]
    for view, name in (("nodule", "zoomed nodule"), ("full_slice", "full slice")):
        value = collected[f"unusual_{view}"].split()[0].replace("−", "-")
        assert float(value) == round(100 * first.loc[f"{name}, start 1", "value"], 1)
    assert float(collected["statement_24"].split()[0]) < 0.5
