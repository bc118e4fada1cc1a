"""Estimates for the ledger: counts that are known, intervals with an oracle, and what is missing."""

from conftest import seen_cohort, tiny_cohort
import numpy as np
import pandas as pd
import pytest
from sklearn.metrics import recall_score

from lungcls.cohorts import cohort as cohorts
from lungcls.cohorts.cohort import Cohort
from lungcls.errors import InputError
from lungcls.explain import retrieval
from lungcls.report.claims import evidence, ledger, unusual

LEDGER = ledger.load()
COHORT = seen_cohort()


@pytest.fixture(scope="module")
def lidc_measures():
    return evidence.of_lidc(seed=0)


def result(y_pred, *, task="binary", confidence=0.7, n=40):
    """A result on n cases of n / 2 patients: every second one malignant, or scores 1..5 in turn."""
    columns = ["p_benign", "p_malignant"] if task == "binary" else [f"p_{i}" for i in range(1, 6)]
    y_true = np.arange(n) % 2 if task == "binary" else 1 + np.arange(n) % 5
    y_pred = np.broadcast_to(y_pred, n)
    y_prob = np.full((n, len(columns)), (1 - confidence) / (len(columns) - 1))
    y_prob[np.arange(n), y_pred - (task == "multiclass")] = confidence
    table = pd.DataFrame(y_prob, columns=columns)
    return table.assign(
        case_id=[f"pat{i}" for i in range(n)],
        y_true=y_true,
        y_pred=y_pred,
        confidence=confidence,
        patient_id=[f"p{i // 2}" for i in range(n)],
    )


TRUTH = np.arange(40) % 2
RESULTS = {
    "binary nodule CNN": result(TRUTH),
    "binary nodule no balancing": result(0),
    "binary wide CNN": result(0),
    "multiclass nodule CNN": result(3, task="multiclass"),
    "multiclass nodule FT": result(1 + np.arange(40) % 5, task="multiclass"),
}


def test_the_rebuilt_list_has_the_counts_of_the_report_and_fewer_patients(lidc_measures):
    value = {name: found["value"] for name, found in lidc_measures.items()}
    assert value["benign cases, less those stated"] == value["malignant cases, less those stated"] == 0
    assert value["patients, against those stated"] == pytest.approx(787 / 2400 - 1)
    assert value["score 3, less twice the next class"] == 1092 - 2 * 457
    assert value["rebuilt cases without a score"] == 0
    same = lidc_measures["readers with the same score"]
    assert same["low"] < same["value"] < same["high"] and 0.36 < same["value"] < 0.40  # 38 % in FACTS
    assert value["readers on the same side"] > value["readers with the same score"]
    assert value["clue of copies, plain, binary"] > value["clue of copies, plus, binary"] > 0


def test_every_measure_of_the_ledger_is_there(lidc_measures):
    wanted = {test["measure"] for claim in LEDGER["claims"] for test in claim["tests"] if "measure" in test}
    measures = evidence.of_cohort(tiny_cohort(), crop=8, gain=10, seed=0) | unusual.of_cohort(
        tiny_cohort(), seed=0
    )
    measures |= evidence.of_retrieval("no run", tiny_cohort(), seed=0)
    assert wanted == set(lidc_measures) | set(measures)


def test_bands_and_contrast_are_measured_where_the_cohort_has_them():
    noise = tiny_cohort(40, size=24)  # without any band
    found = evidence.of_cohort(noise, crop=20, gain=10, seed=0)
    assert (
        found["images without padding"]["value"] == 1 and found["cases at hand without a score"]["value"] == 0
    )
    banded = noise.views["nodule"][:]
    banded[:, :, -6:] = banded[:, -1:, -1:]
    left = type(noise)(noise.cases, {"nodule": banded}, {}, noise.info)
    found = evidence.of_cohort(left, crop=20, gain=10, seed=0)
    assert (
        found["images without padding"]["value"] == 0
        and "no outlines" in found["pixels nearly black or white"]
    )
    bare = type(noise)(noise.cases, {"context": noise.views["context"]}, {}, noise.info)
    assert "no zoomed nodule" in evidence.of_cohort(bare, crop=20, gain=10, seed=0)["images without padding"]


def test_retrieved_cases_are_compared_with_random_ones(trained, monkeypatch):
    """Planted: the embedding is the readers' texture, which says nothing of their margin."""
    folder, _, _, run = trained
    cohort = cohorts.load(folder)
    rng, n = np.random.default_rng(0), len(cohort)
    drawn = {
        name: rng.integers(1, 6, n).astype(str) for name in ("texture", "margin", "spiculation", "sphericity")
    }
    told = Cohort(cohort.cases.assign(**drawn), cohort.views, {}, cohort.info)

    def embed(_, some):
        angle = some.cases["texture"].astype(float).to_numpy()
        return np.stack([np.cos(angle / 4), np.sin(angle / 4)], axis=1)

    monkeypatch.setattr(retrieval, "embed_run", embed)
    found = evidence.of_retrieval(run, told, seed=0)
    for among in evidence.AMONG:
        assert found[f"likeness in texture, {among}"]["low"] > 0.1
        assert found[f"likeness in shape, {among}"]["low"] < 0.05
        assert "no mask of the view" in found[f"likeness in intensity, {among}"]
    assert found["likeness in texture, all cases"]["n"] == (run.predictions["split"] == "test").sum()
    assert set(evidence.of_retrieval("none", told, seed=0).values()) == {"none"}


def test_a_difference_of_two_runs_is_that_of_their_scores():
    found = evidence.of_runs(
        RESULTS, "binary nodule CNN", "binary nodule no balancing", score="recall (malignant)", seed=0
    )
    oracle = recall_score(TRUTH, TRUTH) - recall_score(TRUTH, 0 * TRUTH)
    assert found["value"] == pytest.approx(oracle) == 1 and found["n"] == 40 and found["patients"] == 20
    across = evidence.of_runs(RESULTS, "binary nodule CNN", "multiclass nodule CNN", score="accuracy", seed=0)
    assert across["value"] == pytest.approx(1 - 0.2) and across["low"] < 0.8 < across["high"]
    same = evidence.of_runs(
        RESULTS, "binary nodule no balancing", "binary wide CNN", score="F1 (weighted)", seed=0
    )
    assert same["same"] and not found["same"]
    with pytest.raises(InputError, match="no run of binary wide TL here"):
        evidence.of_runs(RESULTS, "binary wide TL", "binary nodule CNN", score="F1 (weighted)", seed=0)


def test_two_views_are_averaged_case_by_case():
    first, second = result(TRUTH, confidence=0.6), result(1 - TRUTH, confidence=0.9)
    both = evidence.together(first, second.sample(frac=1, random_state=0), task="binary")
    assert both["case_id"].tolist() == first["case_id"].tolist()
    assert both["y_pred"].tolist() == (1 - TRUTH).tolist()  # the surer one decides
    assert both["confidence"].to_numpy() == pytest.approx(0.65)
    alone = evidence.together(first, first, task="binary")
    assert alone[["p_benign", "p_malignant", "y_pred"]].equals(first[["p_benign", "p_malignant", "y_pred"]])
    scores = evidence.together(*2 * [RESULTS["multiclass nodule FT"]], task="multiclass")
    assert (scores["y_pred"] == scores["y_true"]).all()
    with pytest.raises(ValueError, match="cases: found 40 and 39, expected the same ones"):
        evidence.together(first, first.iloc[1:], task="binary")


def test_the_average_of_both_views_is_tested_against_the_zoomed_one():
    (claim,) = [claim for claim in LEDGER["claims"] if claim["number"] == 35]
    both = {
        f"{task} both {network}": result(TRUTH if task == "binary" else 3, task=task)
        for task in ("binary", "multiclass")
        for network in evidence.PRINTED
    }
    alone = {
        name.replace("both", "nodule"): result(0 if "binary" in name else 3, task=name.split()[0])
        for name in both
    }
    found = evidence.collect({"claims": [claim]}, measures={}, results=both | alone, seed=0)[35]
    assert (
        len(found) == 6
        and all(one["value"] > 0.3 for one in found[:3])
        and all(one["same"] for one in found[3:])
    )
    assert evidence.printed(claim) == ([], [])  # the report prints no such value


def test_confidence_is_compared_with_what_the_report_states():
    name = "multiclass nodule FT"
    mean = evidence.of_runs(RESULTS, name, score="confidence, less that stated", seed=0)
    assert mean["value"] == pytest.approx(0.7 - 0.64)
    assert (
        evidence.of_runs(RESULTS, name, score="share in the stated range, less half", seed=0)["value"] == 0.5
    )
    assert evidence.of_runs(RESULTS, name, score="share below the stated range", seed=0)["value"] == 0


def test_gaps_of_classes_are_those_of_the_reports_figure():
    found = evidence.of_runs(RESULTS, "multiclass nodule FT", score="gap of class 1", seed=0)
    assert found["value"] == pytest.approx(0)  # always right: both are the same mean
    undefined = evidence.of_runs(RESULTS, "multiclass nodule CNN", score="gap of class 1", seed=0)
    assert np.isnan(undefined["value"])  # class 1 is never predicted


def test_the_whole_ledger_is_decided_and_what_is_missing_is_said(lidc_measures):
    measures = lidc_measures | evidence.of_cohort(tiny_cohort(), crop=8, gain=10, seed=0)
    measures |= unusual.of_cohort(tiny_cohort(), seed=0)
    measures |= evidence.of_retrieval("no run", tiny_cohort(), seed=0)
    found = evidence.collect(LEDGER, measures=measures, results=RESULTS, seed=0, random_init="random init")
    table = ledger.decide(LEDGER, found)
    assert len(table) == 36 and set(table["verdict"]) <= set(ledger.VERDICTS)
    assert table.loc[19, "verdict"] == ledger.UNTESTED and table.loc[19, "why"] == "random init"
    assert "no run of binary nodule weighted loss" in table.loc[11, "why"]
    assert table.loc[2, "verdict"] == ledger.FAILS and table.loc[3, "verdict"] == ledger.HOLDS
    assert table.loc[4, "verdict"] == ledger.HOLDS  # planted: a perfect network against "always benign"
    assert "no maps of binary wide CNN" in table.loc[25, "why"]
    assert table.loc[[29, 35, 36], "verdict"].eq(ledger.UNTESTED).all()
    with pytest.raises(ValueError, match="measure: found"):
        evidence.collect(LEDGER, measures={}, results=RESULTS, seed=0)


def test_the_size_of_the_reports_test_part():
    assert evidence.printed_size() == 237


def test_printed_scores_are_compared_with_every_pairing():
    found = {
        pairing: evidence.printed_difference(0.8, 0.7, n=200, pairing=pairing)
        for pairing in evidence.PAIRINGS
    }
    half = {pairing: row["high"] - row["value"] for pairing, row in found.items()}
    assert half["narrowest"] < half["unpaired"] < half["widest"]
    assert half["unpaired"] == pytest.approx(1.959964 * np.sqrt((0.8 * 0.2 + 0.7 * 0.3) / 200))
    rng = np.random.default_rng(0)  # oracle: both right on 140 of 200 cases, the first alone on 20
    first, second = np.repeat([1, 0], [160, 40]), np.repeat([1, 0], [140, 60])
    drawn = rng.integers(200, size=(4000, 200))
    spread = (first[drawn].mean(axis=1) - second[drawn].mean(axis=1)).std()
    assert half["narrowest"] / 1.96 == pytest.approx(spread, rel=0.05)
    worst = first - second[::-1]  # agreeing as rarely as the shares allow
    spread = worst[drawn].mean(axis=1).std()
    assert half["widest"] / 1.96 == pytest.approx(spread, rel=0.05)
    with pytest.raises(ValueError, match="scores, pairing: found 1.2"):
        evidence.printed_difference(1.2, 0.7, n=200, pairing="unpaired")


def test_only_what_is_printed_is_compared():
    by_number = {claim["number"]: claim for claim in LEDGER["claims"]}
    assert [len(evidence.printed(by_number[number])[1]) for number in (11, 19, 33, 34)] == [0, 1, 6, 2]
    (row,) = evidence.printed(by_number[19])[1]
    assert row["value"] == pytest.approx(0.8121 - 0.6557) and row["n"] == 237


def test_scores_of_maps_are_means_over_the_cases_that_have_one():
    values = np.where(np.arange(40) % 4 == 0, np.nan, 0.25 + 0.5 * (np.arange(40) % 2))
    part = result(TRUTH).assign(map_concentration=values, y_pred=1)
    results = {"binary wide CNN": part, "binary nodule CNN": part.assign(map_concentration=values + 0.1)}
    mean = evidence.of_runs(results, "binary wide CNN", score="map on the nodule", seed=0)
    assert mean["value"] == pytest.approx(np.nanmean(values)) and mean["n"] == 30
    split = evidence.of_runs(results, "binary wide CNN", score="map on the nodule, right less wrong", seed=0)
    assert split["value"] == pytest.approx(0.5)  # right where malignant, and there the map has 0.75
    pair = evidence.of_runs(results, *reversed(results), score="map on the nodule", seed=0)
    assert pair["value"] == pytest.approx(0.1)
    with pytest.raises(InputError, match="no maps of binary wide CNN here"):
        evidence.of_runs(
            {"binary wide CNN": result(TRUTH)}, "binary wide CNN", score="LIME on the nodule", seed=0
        )
