"""Scores of a stored run's maps: whole, kept, read again, and laid out for the claims."""

from dataclasses import replace

from conftest import load_benchmark
import pytest

from lungcls.errors import InputError
from lungcls.explain import map_scores
from lungcls.runs import prediction


def test_scores_are_whole(outlined):
    cohort, run, _ = outlined
    found = map_scores.score_maps(run, cohort, seed=0, lime_cases=3)
    counts = found.groupby(["place", "map"]).size()
    assert list(found) == [*map_scores.COLUMNS, "layer", "cells"]
    assert counts["as it is", "Grad-CAM"] == counts["off centre", "centre blob"] == 40
    assert counts["as it is", "LIME"] == 3
    best = found[found["map"] == map_scores.BEST]
    assert best["concentration"].dropna().to_numpy() == pytest.approx(1)
    assert (found["concentration"].dropna() <= 1 + 1e-9).all()
    blob = found[found["map"] == "centre blob"].groupby("place")["concentration"].mean()
    assert blob["off centre"] < blob["as it is"]
    explained = found.query("map == 'Grad-CAM' and place == 'as it is'").set_index("case_id")
    known = prediction.predict(run, cohort).set_index("case_id")["y_pred"].reindex(explained.index)
    assert (explained["predicted"] == known).all()


def test_what_the_claims_ask_of_each_case(outlined):
    cohort, run, _ = outlined
    table = map_scores.score_maps(run, cohort, seed=0, lime_cases=3)
    cases = load_benchmark("explanations").per_case(table)
    assert len(cases) == 40 and cases["lime_concentration"].notna().sum() <= 3
    moved = table[table["place"] == "off centre"].pivot(
        index="case_id", columns="map", values="concentration"
    )
    expected = (moved["Grad-CAM"] - moved["centre blob"]).reindex(cases.index)
    assert cases["map_over_blob"].to_numpy() == pytest.approx(expected.to_numpy(), nan_ok=True)


def test_without_outlines_there_are_no_scores(outlined):
    cohort, run, _ = outlined
    with pytest.raises(InputError, match="no outlines of the view 'nodule', expected nodule_mask.npy"):
        map_scores.score_maps(run, replace(cohort, masks={}), seed=0)
