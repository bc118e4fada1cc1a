"""What the benchmark of explanations pools and averages, on a tiny cohort, against another hand's numbers."""

import json
import shutil

from conftest import load_benchmark, seen_cohort
import numpy as np
import pandas as pd
import pytest
from scipy.stats import rankdata

from lungcls.cohorts.cohort import Cohort, load, save
from lungcls.errors import InputError
from lungcls.metrics import retrieval as scoring
from lungcls.profiles import get_profile
from lungcls.report.results import explanations as reader
from lungcls.runs import planning, store as run_store, training

FOLDS = (0, 1)


@pytest.fixture(scope="module")
def bench():
    return load_benchmark("explanations")


@pytest.fixture(scope="module")
def stored(tmp_path_factory):
    """A cohort with outlines and readers' words, and a store with two folds of a tiny network."""
    folder, noise = tmp_path_factory.mktemp("explained"), seen_cohort()
    masks = {view: np.zeros((40, 40, 40), np.uint8) for view in noise.views}
    for mask in masks.values():
        mask[:, 12:26, 12:26] = 1
    rng = np.random.default_rng(0)
    panels = {name: rng.integers(1, 6, (40, 2)).astype(str) for name in ("texture", "margin")}
    words = {name: [" ".join(panel) for panel in panels[name]] for name in panels}
    words |= {"spiculation": words["margin"], "sphericity": words["texture"], "pixel_spacing_mm": 0.5}
    save(Cohort(noise.cases.assign(**words), noise.views, masks, noise.info), folder / "cohort")
    settings = {"task": "binary", "view": "nodule", "model": "cnn", "stage": "scratch", "profile": "smoke"}
    for fold in FOLDS:
        job = planning.plan_run(
            folder / "cohort", fold=fold, settings={"crop": 32}, store=folder / "runs", **settings
        )
        training.train_job(job)
    return folder


@pytest.fixture(scope="module")
def recorded(bench, stored):
    """The record of that store."""
    patch = pytest.MonkeyPatch()
    patch.setattr(bench, "get_profile", lambda _: get_profile("smoke"))
    words = [str(stored / "cohort"), "--runs", str(stored / "runs"), "--work", str(stored / "work")]
    patch.setattr(
        "sys.argv", ["explanations.py", *words, "--lime", "2", "--out", str(stored / bench.OUT.name)]
    )
    bench.main()
    patch.undo()
    return json.loads((stored / bench.OUT.name).read_text(encoding="utf-8"))


def by_patient(table, column, patients, draws=4000):
    """A mean and the ends of its interval, patient by patient and draw by draw."""
    groups = [part[column].dropna().to_numpy() for _, part in table.groupby(patients)]
    groups, rng = [group for group in groups if len(group)], np.random.default_rng(7)
    rows = rng.integers(len(groups), size=(draws, len(groups)))
    means = [np.concatenate([groups[i] for i in row]).mean() for row in rows]
    return np.concatenate(groups).mean(), *np.quantile(means, [0.025, 0.975])


def test_folds_are_pooled_and_averaged_over_patients(bench, stored, recorded):
    (row,) = recorded["networks"]
    runs = run_store.list_runs(stored / "runs")
    maps = pd.concat([pd.read_csv(stored / "work" / run.id / "maps-2.csv") for run in runs])
    cohort = load(stored / "cohort")
    patients = cohort.cases.set_index("case_id")["patient_id"]
    tested = sum((run.predictions["split"] == "test").sum() for run in runs)
    assert row["folds"] == [0, 1] and row["cases"] == tested == maps["case_id"].nunique()
    part = maps.query("map == 'Grad-CAM' and place == 'off centre'").reset_index(drop=True)
    mine = next(
        one
        for one in row["maps"]
        if (one["map"], one["place"], one["score"]) == ("Grad-CAM", "off centre", "concentration")
    )
    value, low, high = by_patient(part, "concentration", part["case_id"].map(patients))
    assert mine["value"] == pytest.approx(value, abs=1e-5)
    assert (mine["low"], mine["high"]) == pytest.approx((low, high), abs=0.03)
    assert mine["n"] == part["concentration"].notna().sum() and mine["n"] + mine["left_out"] == tested
    assert sum(one["score"] == "fit" and one["n"] == 4 for one in row["lime"]) == 1  # two cases a fold


def test_right_less_wrong_is_a_difference_of_means(stored, recorded):
    (row,) = recorded["networks"]
    runs = run_store.list_runs(stored / "runs")
    answers = pd.concat([run.predictions.query("split == 'test'") for run in runs]).set_index("case_id")
    maps = pd.concat([pd.read_csv(stored / "work" / run.id / "maps-2.csv") for run in runs])
    cam = maps.query("map == 'Grad-CAM' and place == 'as it is'").set_index("case_id")["concentration"]
    right = answers["y_pred"] == answers["y_true"]
    assert (row["right"], row["wrong"]) == (right.sum(), (~right).sum())
    expected = cam[right[right].index].mean() - cam[right[~right].index].mean()
    assert row["right_less_wrong"]["value"] == pytest.approx(expected, abs=1e-5, nan_ok=True) or not (
        right.any() and (~right).any()
    )


def test_retrieval_is_the_mean_over_test_cases_of_other_patients(stored, recorded):
    (row,) = recorded["networks"]
    known = {one["score"]: one for one in row["retrieval"]}
    less = known["network: precision at 5"]["value"] - known["diameter alone: precision at 5"]["value"]
    assert known["network less diameter: precision at 5"]["value"] == pytest.approx(less, abs=1e-5)
    cohort, parts = load(stored / "cohort"), []
    labels = cohort.labels("binary")
    for run in run_store.list_runs(stored / "runs"):
        split = run.predictions.set_index("case_id")["split"].loc[cohort.cases["case_id"]].to_numpy()
        parts += [(labels[split == "train"] == label).mean() for label in labels[split == "test"]]
    assert known["random order: precision at 5"]["value"] == pytest.approx(np.mean(parts), abs=1e-5)
    assert scoring.STEPS == 4 and "likeness in texture, cases of other scores" in known


def test_starts_are_compared_and_unusual_images_held_against_the_others(bench, stored, recorded):
    rows = [row for row in recorded["unusual"] if row["view"] == "nodule"]
    assert [row["space"] for row in rows] == list(bench.SPACES) and rows[0]["unusual"] == 2
    scores = [pd.read_csv(stored / "work" / "tiny" / f"unusual-nodule-{i}.csv") for i in range(bench.STARTS)]
    cohort = load(stored / "cohort")
    for row in rows:
        ranks = [rankdata(-one[row["space"]], method="ordinal") <= 2 for one in scores]
        shares = [(a & b).sum() / 2 for i, a in enumerate(ranks) for b in ranks[i + 1 :]]
        assert row["agreement"]["overlap"] == pytest.approx(np.mean(shares), abs=1e-5)
        malignant = cohort.labels("binary")
        for chosen, one in zip(ranks, row["differences"], strict=True):
            expected = malignant[chosen].mean() - malignant[~chosen].mean()
            assert one["malignant"]["value"] == pytest.approx(expected, abs=1e-5)


def test_a_second_run_reads_what_was_kept(bench, stored, recorded, monkeypatch):
    monkeypatch.setattr(bench.map_scores, "score_maps", lambda *_, **_options: pytest.fail("computed again"))
    monkeypatch.setattr(bench, "started", lambda *_: pytest.fail("computed again"))
    out = stored / "again.json"
    words = [str(stored / "cohort"), "--runs", str(stored / "runs"), "--work", str(stored / "work")]
    monkeypatch.setattr("sys.argv", ["explanations.py", *words, "--lime", "2", "--out", str(out)])
    bench.main()
    assert json.loads(out.read_text(encoding="utf-8")) == recorded


def changed(store, run, name, **config):
    """A copy of a run with another configuration; as young as `name` says."""
    shutil.copytree(run.folder, store / name)
    settings = run.config["settings"] | config.pop("settings", {})
    text = json.dumps(run.config | config | {"settings": settings})
    (store / name / "config.json").write_text(text, encoding="utf-8")


def test_plain_folds_of_the_last_stage_are_taken(bench, stored, tmp_path, capsys):
    (first, second) = run_store.list_runs(stored / "runs")
    changed(tmp_path, first, "frozen", model="mobilenet", stage="transfer_learning")
    changed(tmp_path, first, "tuned", model="mobilenet", stage="fine_tuning")
    changed(tmp_path, second, "cnn-1")
    changed(tmp_path, first, "no-fold", fold=None)
    changed(tmp_path, first, "seed", seed=1)
    changed(tmp_path, first, "crop", settings={"padding": "fixed"})
    changed(tmp_path, first, "window", settings={"window": [-1000, 400]})
    found = bench.networks(tmp_path, {"tiny": None})
    taken = {place[3]: [run.id for run in folds.values()] for place, folds in found.items()}
    assert taken == {"cnn": ["cnn-1"], "mobilenet": ["tuned"]}
    assert bench.networks(tmp_path, {"another": None}) == {}
    lines = list(bench.missing(found, {"tiny": load(stored / "cohort")}))
    assert "tiny binary nodule cnn: scratch, without fold 0 2 3 4" in lines
    assert "tiny multiclass context efficientnetb4: no run, without fold 0 1 2 3 4" in lines
    changed(tmp_path, first, "cnn-0", settings={"dropout": 0.1})
    with pytest.raises(InputError, match="found 2 settings, expected one for all folds"):
        bench.networks(tmp_path, {"tiny": None})


def test_a_network_with_one_answer_decides_nothing(bench, recorded):
    assert bench.one_answer({"answers": pd.DataFrame({"y_pred": [1] * 99 + [0]})})
    assert not bench.one_answer({"answers": pd.DataFrame({"y_pred": [1, 0] * 50})})
    (row,) = recorded["statements"]
    assert row["model"] == "cnn" and set(row["estimates"]) == {str(one) for one in bench.STATEMENTS}
    assert all(one["lacks"] and one["value"] is None for one in row["estimates"]["25"])
    assert any("binary" in one["lacks"] and "CNN" in one["lacks"] for one in row["estimates"]["25"])


def test_the_tables_read_the_record(bench, stored, recorded):
    found = reader.read(stored)
    assert found == recorded
    table = reader.means(found, "maps", by="map", place="as it is", score="concentration")["Grad-CAM"]
    assert table["n"].tolist() == [16] and table.index[0].startswith("zoomed nodule, binary")
    rows = reader.unusual(found, "malignant")
    assert len(rows) == 4 * bench.STARTS and set(rows.index.levels[0]) == set(reader.SPACES.values())
    assert "network: precision at 5" in reader.means(found, "retrieval", by="score")


def test_the_mean_over_patients_leaves_out_what_is_not_known(bench):
    patients = np.repeat(["a", "b", "c", "d"], 2)
    values = np.array([1, 1, 0, 0, 1, 1, np.nan, 0])
    found = bench.mean_interval(values, patients, seed=0)
    assert found["value"] == pytest.approx(4 / 7) and found["left_out"] == 1 and found["n"] == 7
    assert found["low"] < found["value"] < found["high"]
    apart = bench.mean_interval(values, patients, seed=0, groups=values == 1)
    assert apart["value"] == 1
    one_sided = bench.mean_interval(values, patients, seed=0, groups=np.ones(8, bool))
    assert np.isnan(one_sided["value"])
    with pytest.raises(ValueError, match="values: found shape"):
        bench.mean_interval(values[:3], patients, seed=0)
