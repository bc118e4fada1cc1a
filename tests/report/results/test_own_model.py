"""What is read and measured of our own model's recorded predictions."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from recorded_runs import CNN, FOLDER, record
from sklearn.metrics import f1_score, roc_auc_score

from lungcls.metrics.ratings import parse_ratings
from lungcls.report.results import networks, own_model
from lungcls.sources import annotations

RESULTS = Path(__file__).parents[3] / "book" / "results"


@pytest.fixture(scope="module")
def models():
    return own_model.predictions(RESULTS)


def test_all_models_answered_the_same_cases(models):
    first, *others = models.values()
    assert list(models) == list(own_model.MODELS.values()) and len(first) == 2340
    for part in others:
        same = ["case_id", "patient_id", "fold", "y_true", "y_true_binary", "readers"]
        pd.testing.assert_frame_equal(part[same], first[same])
        assert not part.isna().any(axis=None)
    scans = annotations.scans().set_index("patient_id")["contrast_used"]
    once = ~annotations.scans().duplicated("patient_id", keep=False).to_numpy()
    known = first[first["patient_id"].isin(annotations.scans()["patient_id"][once])]
    assert (known["contrast_used"].to_numpy() == scans[known["patient_id"]].to_numpy()).all()


def test_groups_divide_the_cases_in_each_respect(models):
    found = own_model.groups_of(models["our recipe"])
    names = list(found)
    for start, stop in ((1, 4), (4, 7), (7, 9), (9, 13)):
        assert (sum(found[name].astype(int) for name in names[start:stop]) == 1).all()
    assert found["all"].all() and len(names) == 13
    edge = pd.DataFrame({"diameter_mm": [8.0], "slice_thickness_mm": [1.25], "readers": [7]})
    found = own_model.groups_of(edge.assign(contrast_used=False))
    assert found["8 to 15 mm"][0] and found["slices up to 1.25 mm"][0] and found["four readers or more"][0]


def few(models, n=300):
    return {title: part.head(n) for title, part in models.items()}


def test_the_auc_of_a_group_is_that_of_scikit_learn_within_folds(models):
    parts = {title: part[part["fold"] == 2] for title, part in models.items()}
    found = own_model.auc_by_group(parts, seed=0)
    for title, part in parts.items():
        thick = part[part["slice_thickness_mm"] >= 2.5]
        row = found[title].filter(like="2.5 mm and more", axis=0).iloc[0]
        column = "diameter_mm" if title == own_model.DIAMETER else "p_malignant"
        assert row["value"] == pytest.approx(roc_auc_score(thick["y_true_binary"], thick[column]))
        assert row.name.endswith(f"({thick['y_true_binary'].sum()} of {len(thick)})")


def test_a_drawn_reader_is_held_against_the_others(models):
    parts = own_model.second_reader(few(models), seed=0)
    reader, ours = parts["one reader"], parts["our recipe"]
    assert (reader["readers"] >= 2).all() and reader["case_id"].equals(ours["case_id"])
    panels = [panel > 3 for panel in parse_ratings(reader["ratings"])]
    agreed = np.array([panel.all() or not panel.any() for panel in panels])
    sure = np.array([panel[0] for panel in panels])
    assert (ours["y_true_binary"] == sure)[agreed].all() and 0 < agreed.mean() < 1
    assert (reader["y_true"] == ours["y_true_binary"]).all()


def test_net_benefit_is_counted_beside_following_up_all_and_none(models):
    parts = few(models)
    found = own_model.net_benefits(parts, thresholds=[0.2, 0.5])
    part = parts["our recipe"]
    called, sick = part["p_malignant"] >= 0.2, part["y_true_binary"] == 1
    expected = ((called & sick).sum() - (called & ~sick).sum() / 4) / len(part)
    assert found["our recipe"][0] == pytest.approx(expected)
    assert found[own_model.ALL][1] == pytest.approx(2 * sick.mean() - 1)
    assert (found[own_model.NONE] == 0).all()
    gains = own_model.benefit_gains(parts, thresholds=(0.2, 0.5), seed=0)
    assert list(gains.columns)[1:] == [
        f"less {name}" for name in ("diameter alone", "radiomic measures", own_model.ALL)
    ]
    less = 100 * (found["our recipe"] - found[own_model.ALL])
    written = [float(text.split()[0].replace("−", "-")) for text in gains[f"less {own_model.ALL}"]]
    assert written == pytest.approx(less, abs=0.06)


def test_spread_over_seeds_is_that_of_the_scores(tmp_path):
    other = CNN.predictions.assign(y_pred=1 - CNN.predictions["y_pred"])
    record(tmp_path, CNN, name="a", seed=0)
    record(tmp_path, CNN, name="b", seed=1, predictions=other)
    found = own_model.spreads(networks.recorded(tmp_path), task="binary", seed=0)
    test = CNN.predictions[CNN.predictions["split"] == "test"]
    scores = [
        f1_score(test["y_true"], answer, average="weighted")
        for answer in (test["y_pred"], 1 - test["y_pred"])
    ]
    row = found.iloc[0]
    assert len(found) == 1 and (row["seeds"], row["n"]) == (2, len(test))
    assert row["over seeds"] == pytest.approx(np.std(scores, ddof=1))
    assert row["mean"] == pytest.approx(np.mean(scores)) and row["over patients"] > 0
    record(tmp_path / "one", CNN, name="a")
    assert own_model.spreads(networks.recorded(tmp_path / "one"), task="binary", seed=0).empty


def test_networks_of_the_book_have_several_seeds():
    found = own_model.spreads(networks.recorded(FOLDER), task="binary", seed=0)
    assert (found["seeds"] > 1).all() and found[["over seeds", "over patients"]].min(axis=None) > 0


def test_the_page_shows_curves_of_which_the_model_lies_higher_at_like_sizes(models, monkeypatch):
    drawn = {}
    monkeypatch.setattr(own_model.distributions, "curves", lambda x, ys, **more: drawn.update(x=x, ys=ys))
    monkeypatch.setattr(own_model, "figure_text", lambda figure, **words: words)
    assert "n = 2,340" in own_model.roc_figure(models)["badge"]
    areas = [{title: np.trapezoid(y, drawn["x"]) for title, y in panel.items()} for panel in drawn["ys"]]
    groups = list(own_model.groups_of(models["our recipe"]).values())
    for inside, area in zip(groups, areas):
        for title, value in area.items():
            part = models[title][inside]
            assert value == pytest.approx(roc_auc_score(part["y_true_binary"], part["score"]), abs=0.005)
    assert len(areas) == 4 and all(area["our recipe"] > area["diameter alone"] + 0.02 for area in areas)
