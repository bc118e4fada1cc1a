"""What chapter 10 says of the ceiling and of those who stand below it."""

from pathlib import Path

import numpy as np
import pytest

from lungcls.metrics import classification, latent_classes, noise_ceiling, ratings
from lungcls.report.claims.printed import printed_size
from lungcls.report.results import measurements, networks, tables
from lungcls.sources import annotations

RESULTS = Path(__file__).parents[3] / "book" / "results"
FULL, ZOOMED = "full_slice", "nodule"
KAPPA = "quadratic weighted kappa"
SHOWN = [("binary", "accuracy"), ("binary", "AUC"), ("multiclass", "accuracy"), ("multiclass", KAPPA)]


def ceiling(cases):
    counts = ratings.score_counts(ratings.parse_ratings(cases["ratings"]))
    fits = [latent_classes.fit(counts, classes=number, seed=0, starts=10) for number in (4, 5, 6)]
    near = [mixture for found in fits for mixture in latent_classes.nearly_best(found)]
    modelled = noise_ceiling.ceiling_scores(near, counts.sum(axis=1))
    return noise_ceiling.ceiling_range(modelled), noise_ceiling.ceiling_range(modelled, "second panel")


@pytest.fixture(scope="module")
def cases():
    return annotations.report_cases()


@pytest.fixture(scope="module")
def of_list(cases):
    return ceiling(cases)


def test_four_readers_are_rarely_of_one_mind(cases):
    four = ratings.by_number_of_readers(ratings.parse_ratings(cases["ratings"])).loc[4]
    assert four["equal"] < 0.2 and four["both sides"] > 0.5


def test_our_model_is_inside_the_range_and_a_little_below_it_in_kappa():
    best = measurements.read(RESULTS, "best_model.json")
    for task, score in SHOWN:
        value = best["scores"][task]["recipe"][score]["value"]
        where = noise_ceiling.position(value, **best["ceiling"][task][score])
        assert where == ("below the range" if score == KAPPA else "inside the range")
        assert best["scores"][task]["recipe"][score]["high"] > best["ceiling"][task][score]["low"]
    ends = best["ceiling"]["multiclass"]["accuracy"]
    assert ends["low"] < 0.6 < ends["high"]  # the self-check


def test_the_printed_accuracies_are_below_a_second_panel(of_list):
    band, second = of_list
    printed = {"binary": 0.8228, "multiclass": 0.4473}
    for task, value in printed.items():
        low = second.loc[(task, "accuracy"), "low"]
        assert noise_ceiling.position(value, second=low, **band.loc[(task, "accuracy")]) == (
            "below the second panel"
        )
    n = printed_size()
    reach = {task: value + 1.96 * np.sqrt(value * (1 - value) / n) for task, value in printed.items()}
    assert reach["binary"] > band.loc[("binary", "accuracy"), "low"]
    assert reach["multiclass"] < band.loc[("multiclass", "accuracy"), "low"]


def test_other_nodules_have_another_ceiling(of_list):
    every = annotations.nodules(scans_per_patient=None, least_readers=1, aggregation="ceil_mean")
    several = every["ratings"].str.split().str.len() >= 3
    there, _ = ceiling(every[several])
    assert there.loc[("multiclass", KAPPA), "low"] > of_list[0].loc[("multiclass", KAPPA), "high"]
    assert there.loc[("binary", "accuracy"), "high"] < of_list[0].loc[("binary", "accuracy"), "low"]
    assert every["diameter_mm"][~several].median() < every["diameter_mm"][several].median()
    assert (every["malignancy"][~several] > 3).mean() < (every["malignancy"][several] > 3).mean()


def test_the_rebuilt_network_is_below_the_range_and_what_readers_measured_is_not(cases):
    study = networks.study(networks.out_of_fold(RESULTS / "study"))
    here, _ = ceiling(cases[cases["case_id"].isin(study.test["case_id"])])
    for task in ("binary", "multiclass"):
        found = {
            run.config["view"]: tables.result_of(run.predictions, study.cohort)
            for run in study.of_task(task)
            if "efficientnetb4-fine_tuning" in run.id
        }
        measured = tables.required_results(study.cohort, study.parts, task=task, seed=0)
        found["diameter"] = measured["diameter alone"]
        found["radiomics"] = tables.result_of(study.measured[task]["radiomic measures"], study.cohort)
        for name, part in found.items():
            y_prob = part[[column for column in part if column.startswith("p_")]].to_numpy()
            options = {"task": task, "average": "weighted"}
            value = classification.scores(part["y_true"], part["y_pred"], y_prob, **options)
            where = {
                score: noise_ceiling.position(value[score], **here.loc[key])
                for key in SHOWN
                if key[0] == task
                for score in key[1:]
            }
            if name in (FULL, ZOOMED):
                assert set(where.values()) == {"below the range"}
            elif task == "binary":
                assert where == {"accuracy": "above the range", "AUC": "inside the range"}
