"""What is recorded of models at another hospital, and what the chapter says of it."""

from functools import partial
import json
import os
from pathlib import Path
import re

from conftest import load_benchmark
import numpy as np
import pandas as pd
import pytest
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import cohen_kappa_score, roc_auc_score

from lungcls.cohorts.cohort import Cohort, load
from lungcls.cohorts.predictions import CLASS_COLUMNS, prediction_table
from lungcls.errors import InputError
from lungcls.metrics import bootstrap
from lungcls.report.results import external, measurements
from lungcls.runs import prediction, store

hospital = load_benchmark("another_hospital")
OURS, CNN = hospital.OURS, "CNN (from scratch)"
RESULTS = Path(__file__).parents[2] / "book" / "results"
RECORD = json.loads((RESULTS / "another_hospital.json").read_text(encoding="utf-8"))
AGREED, PLAIN = "mean <= 2 against >= 4", hospital.PLAIN


def patients(n, sign, rng):
    """Cases of n patients, two each, with sizes that go with their scores."""
    scores = np.r_[1:6, rng.integers(1, 6, 2 * n - 5)]
    names = [f"{sign}{number:04d}" for number in range(n) for _ in range(2)]
    cases = pd.DataFrame({"case_id": [f"{sign}{row}" for row in range(2 * n)], "patient_id": names})
    size = np.exp(rng.normal(1.4 + 0.2 * scores, 0.4))
    return cases.assign(malignancy=scores, pixel_spacing_mm=0.6375, diameter_mm=size.round(2))


@pytest.fixture(scope="module")
def made_up():
    """Two collections: one with outlines and ratings, one with means and numbers of readers; predictions."""
    rng = np.random.default_rng(0)
    lidc, lndb = patients(100, "lidc", rng), patients(80, "lndb", rng)
    ratings = [
        " ".join([str(score)] * count) for score, count in zip(lidc["malignancy"], rng.integers(1, 4, 200))
    ]
    masks, images = (
        np.zeros((200, 128, 128), np.uint8),
        rng.integers(5, 250, (200, 128, 128)).astype(np.uint8),
    )
    for mask, size in zip(masks, lidc["diameter_mm"]):
        mask[np.hypot(*np.mgrid[-64:64, -64:64]) < size / 2 / 0.6375] = 1
    first = Cohort(lidc.assign(ratings=ratings), {"context": images}, {"context": masks}, {"name": "lidc"})
    more = {
        "malignancy_mean": lndb["malignancy"] - 0.25 * (lndb["malignancy"] == 3),
        "readers": rng.integers(1, 3, 160),
    }
    second = Cohort(lndb.assign(**more), {"context": images[:160, :80, :80]}, {}, {"name": "lndb"})
    said = lidc[["case_id"]].assign(fold=np.arange(200) // 2 % 5, p_malignant=rng.uniform(size=200))
    return second, first, said.assign(y_pred=rng.integers(1, 6, 200)).set_index("case_id")


def answer(cases, task, seed):
    """Probabilities of a task for some cases, as another network would give them for another seed."""
    rng = np.random.default_rng(seed)
    y_prob = rng.dirichlet(np.ones(len(CLASS_COLUMNS[task])), len(cases))
    return prediction_table(cases["case_id"], y_prob, task)


def write(folder, cases, *, model="cnn", task="binary", fold=None, stage="scratch", **changes):
    """A run of a model with its predictions, and no network."""
    place = folder / f"{task}-{model}-{stage}-{fold}-{len(changes)}"
    place.mkdir(parents=True)
    settings = {"test_share": 0.0 if fold is None else 0.15, "padding": "fixed"} | changes
    config = {
        "id": place.name,
        "key": "k",
        "parts": {"k": 1},
        "cohort": "lidc",
        "split": "s",
        "parent": None,
        "task": task,
        "view": "context",
        "model": model,
    }
    config |= {
        "stage": stage,
        "fold": fold,
        "settings": settings,
        "weights": {"label": "none", "digest": None},
    }
    (place / "config.json").write_text(json.dumps(config), encoding="utf-8")
    number = np.arange(len(cases)) // 2 % 5
    split = (
        np.where(number == 4, "validation", "train")
        if fold is None
        else np.where(number == fold, "test", "validation")
    )
    table = answer(cases, task, len(place.name)).assign(split=split)
    labels = cases["malignancy"] if task == "multiclass" else (cases["malignancy"] > 3).astype(int)
    table.assign(y_true=labels.to_numpy()).to_csv(place / "predictions.csv", index=False)


@pytest.fixture(scope="module")
def runs(made_up, tmp_path_factory):
    """A CNN for each task, and our model on all cases and on two folds; one run has a test part."""
    folder, cases = tmp_path_factory.mktemp("runs"), made_up[1].cases
    for task in CLASS_COLUMNS:
        write(folder, cases, task=task)
    for fold in (None, 0, 1):
        write(folder, cases, task="multiclass", model="ensemble", stage="transfer_learning", fold=fold)
    write(folder, cases, padding="kept")
    write(folder, cases, test_share=0.15, dense=1)
    return store.list_runs(folder)


@pytest.fixture(scope="module", autouse=True)
def few():
    """Few resamples, and networks whose answers follow the brightness of the images."""

    def predict(run, cohort):
        bright = np.asarray(cohort.views["context"][np.arange(len(cohort))]).mean(axis=(1, 2))
        return answer(cohort.cases, run.config["task"], int(10 * bright.sum()))

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(bootstrap, "intervals", partial(bootstrap.intervals, resamples=60))
        patch.setattr(bootstrap, "mean_intervals", partial(bootstrap.mean_intervals, resamples=60))
        patch.setattr(prediction, "predict", predict)
        yield


@pytest.fixture(scope="module")
def measured(few, made_up, runs):
    lndb, lidc, said = made_up
    return hospital.measure(lndb, lidc, hospital.fits_of(runs), said)


def row(found, kind="scores", **wanted):
    (only,) = [one for one in found[kind] if all(one[name] == value for name, value in wanted.items())]
    return only


# --- Against other hands ----------------------------------------------------------------


def test_runs_with_a_test_part_or_another_view_of_size_are_left_out(runs):
    found = hospital.fits_of(runs)
    assert set(found) == {(CNN, task, None) for task in CLASS_COLUMNS} | {
        (OURS, "multiclass", fold) for fold in (None, 0, 1)
    }
    with pytest.raises(InputError, match="found a second CNN"):
        hospital.fits_of([*runs, runs[0]])


@pytest.mark.parametrize("model, task", [(CNN, "binary"), (OURS, "multiclass")])
@pytest.mark.parametrize("group", ["all", AGREED, "two readers or more", "8 mm and more"])
def test_scores_outside_are_scikit_learns(made_up, runs, measured, model, task, group):
    lndb, cases = made_up[0], made_up[0].cases
    run = hospital.fits_of(runs)[model, task, None]
    table = prediction.predict(run, lndb)
    values = table["p_malignant"] if task == "binary" else table[["p_4", "p_5"]].sum(axis=1)
    mean = cases["malignancy_mean"]
    inside = {
        "all": mean > 0,
        AGREED: (mean <= 2) | (mean >= 4),
        "two readers or more": cases["readers"] == 2,
        "8 mm and more": cases["diameter_mm"] >= 8,
    }[group].to_numpy()
    truth = (cases["malignancy"] > 3)[inside]
    found = row(measured, cohort="lndb", model=model, group=group, score="AUC")
    assert found["value"] == pytest.approx(roc_auc_score(truth, values[inside]), abs=6e-5)
    assert (found["n"], found["malignant"]) == (inside.sum(), truth.sum())
    less = found["value"] - roc_auc_score(truth, cases["diameter_mm"][inside])
    assert found["less diameter"]["value"] == pytest.approx(less, abs=2e-4)
    assert found["low"] < found["value"] < found["high"]


def test_kappa_is_scikit_learns_and_that_of_one_answer_is_0(made_up, runs, measured):
    lndb, run = made_up[0], hospital.fits_of(runs)[CNN, "multiclass", None]
    said = hospital.answers(run, prediction.predict(run, lndb))["y_pred"]
    kappa = cohen_kappa_score(lndb.cases["malignancy"], said, weights="quadratic")
    assert row(measured, cohort="lndb", model=CNN, score="kappa")["value"] == pytest.approx(kappa, abs=6e-5)
    constant = {one["score"]: one["value"] for one in measured["scores"] if one["model"] == "constant"}
    assert constant == {"AUC": 0.5, "kappa": 0}


def test_inside_an_auc_is_the_mean_of_the_folds(made_up, measured):
    said, cases = made_up[2], made_up[1].cases.set_index("case_id")
    truth = cases["malignancy"] > 3
    folds = [said.index[said["fold"] == fold] for fold in range(5)]
    mean = np.mean([roc_auc_score(truth[one], said.loc[one, "p_malignant"]) for one in folds])
    found = row(measured, cohort="lidc", model=OURS, group="all", score="AUC")
    assert found["value"] == pytest.approx(mean, abs=6e-5) and found["n"] == 200


def test_the_diameter_is_that_of_a_disc_and_is_fitted_on_the_first_collection(made_up, measured):
    lndb, lidc, _ = made_up
    size = hospital.cases_of(lidc)["size"].to_numpy()
    np.testing.assert_allclose(size, lidc.cases["diameter_mm"], rtol=0.15)
    x = np.log(size)[:, None]
    fit = LogisticRegression().fit((x - x.mean()) / x.std(), lidc.cases["malignancy"] > 3)
    new = (np.log(lndb.cases[["diameter_mm"]].to_numpy()) - x.mean()) / x.std()
    both = pd.concat([hospital.cases_of(lidc), hospital.cases_of(lndb)])
    found = hospital.ruler(both, lndb.cases["case_id"])["p_malignant"]
    np.testing.assert_allclose(found, fit.predict_proba(new)[:, 1], atol=1e-9)


def test_weights_give_the_other_hospitals_shares(made_up, measured):
    lndb, lidc, said = made_up
    rows, here = hospital.cases_of(lidc).join(said), hospital.cases_of(lndb)
    mix = hospital.mixes(rows, here)["sizes of LNDb"]
    inside = (rows["size"] < 5).to_numpy()
    assert mix[inside].sum() / mix.sum() == pytest.approx((here["size"] < 5).mean())
    truth = (rows["malignancy"] > 3).to_numpy()
    parts = [(rows["fold"] == fold).to_numpy() for fold in range(5)]
    scores = [roc_auc_score(truth[one], rows["p_malignant"][one], sample_weight=mix[one]) for one in parts]
    found = row(measured, "changes", model=OURS, images="as they are", mix="sizes of LNDb")
    assert found["value"] == pytest.approx(np.mean(scores), abs=6e-5)
    assert 1 < found["alike"] <= found["n"] == 200


def test_changed_images_are_those_of_the_tested_cases(measured, made_up):
    found = [one for one in measured["changes"] if one["images"] == "as JPEG 95"]
    assert {one["model"] for one in found} == {OURS} and {one["n"] for one in found} == {80}
    assert all("less as they are" in one for one in found)
    images = made_up[1].views["context"][np.arange(3)]
    exact, whole = hospital.window(images, np.full(3, 0.7)), hospital.rounded(images, np.full(3, 0.7))
    assert exact.shape == (3, 80, 80) and exact.min() == 0 and exact.max() == 255
    assert whole.dtype == np.uint8 and 0 < np.abs(exact - whole).max() <= 0.5
    best, worse = (hospital.jpeg(quality)(images, np.full(3, 0.7)) for quality in (95, 75))
    assert 0 < np.abs(best - 1.0 * whole).mean() < np.abs(worse - 1.0 * whole).mean()


def test_a_temperature_is_fitted_on_half_of_the_patients_and_shown_on_the_others(measured):
    rows = [one for one in measured["calibration"] if (one["cohort"], one["model"]) == ("lndb", CNN)]
    whole, before, after = rows
    assert (whole["cases"], before["cases"], after["cases"]) == ("all", "other half", "other half")
    assert before["n"] == after["n"] == sum(one["n"] for one in before["curve"]) and whole["n"] == 160
    assert before["temperature"] == 1 and after["temperature"] != 1
    ratio = after["slope"]["value"] / before["slope"]["value"]
    assert ratio == pytest.approx(after["temperature"], rel=2e-3)  # the logits are divided by it


# --- No case, no small group --------------------------------------------------------------


def test_a_group_of_four_malignant_nodules_is_not_described(made_up):
    rows = hospital.cases_of(made_up[0]).assign(fold=0, p_malignant=0.5, ruled=3)
    rows["readers"] = 1
    rows.loc[rows.index[(rows["malignancy"] > 3)][:4], "readers"] = 2
    rows.loc[rows.index[(rows["malignancy"] <= 3)][:20], "readers"] = 2
    assert "two readers or more" not in {one["group"] for one in hospital.scored(rows)}
    rows.loc[rows.index[(rows["malignancy"] > 3)][:5], "readers"] = 2
    assert "two readers or more" in {one["group"] for one in hospital.scored(rows)}


def test_each_run_adds_a_look(made_up, runs, tmp_path, monkeypatch):
    lndb, lidc, said = made_up
    monkeypatch.setattr(hospital.cohorts, "load", {"lndb": lndb, "lidc": lidc}.get)
    monkeypatch.setattr(hospital.run_store, "list_runs", lambda _: runs)
    monkeypatch.setattr(hospital, "RESULTS", tmp_path)
    said.to_csv(tmp_path / "best_model_predictions.csv")
    out = tmp_path / "record.json"
    monkeypatch.setattr("sys.argv", ["x", "lndb", "lidc", "--runs", "somewhere", "--out", str(out)])
    for number in (2, 3):
        hospital.main()
        text = out.read_text(encoding="utf-8")
        looks = json.loads(text)["looks"]
        assert looks[0] == hospital.EARLIER[0] and len(looks) == number
        assert looks[-1]["models"] == [CNN, OURS]
    assert not re.search(r"l(ndb|idc)\d", text)  # no case and no patient


# --- The record, and what the chapter says ------------------------------------------------


def recorded(cohort, group="all", score="AUC"):
    return external.rows_of(RECORD["scores"], "model", cohort=cohort, group=group, score=score)


def gaps(table):
    """The paired differences from the diameter, of the networks."""
    return pd.DataFrame(table["less diameter"].drop(["diameter", "constant"]).to_dict()).T


def test_the_record_holds_aggregates_only():
    text = json.dumps(RECORD)
    assert not re.search(r"lndb\d|LNDb-\d|pat\d|LIDC-IDRI-\d", text)  # no case, no patient
    assert not re.search(r"\[[\d.]+(, [\d.]+){5}", text)  # no list of values: five scores are the longest
    for one in RECORD["scores"]:
        if one["score"] == "AUC":
            assert min(one["malignant"], one["n"] - one["malignant"]) >= RECORD["least"] == hospital.LEAST
    counts = RECORD["cohorts"]["lndb"]
    assert sum(counts["scores"]) == counts["n"] and sum(counts["scores"][3:]) == counts["malignant"]
    for bands in (("below 5 mm", "5 to 8 mm", "8 mm and more"), ("one reader", "two readers or more")):
        assert sum(recorded("lndb", group)["n"].iloc[0] for group in bands) == counts["n"]


def test_no_network_beats_the_diameter_outside():
    found, home = gaps(recorded("lndb")), recorded("lidc-ct").loc[OURS]
    assert found.loc[OURS, "low"] < 0 < found.loc[OURS, "high"]  # "neither a loss nor a small gain"
    assert found.loc[PLAIN, "high"] > 0
    assert (found["value"] < 0).all() and (found.drop([OURS, PLAIN])["high"] < 0).all()
    assert len(found) >= 5 and PLAIN in found.index
    assert home["less diameter"]["low"] > 0
    assert (gaps(recorded("lndb", AGREED))["low"] < 0).all()
    assert gaps(recorded("lndb", score="kappa")).loc[OURS, "low"] > 0
    assert recorded("lidc-ct").loc[OURS, "value"] > recorded("lndb").loc[OURS, "value"]


def test_groups_of_nodules_show_no_gain_either():
    for group in hospital.groups_of(pd.DataFrame(columns=["size", "mean", "readers"], dtype=float)):
        assert (gaps(recorded("lndb", group)).loc[[OURS, PLAIN], "low"] < 0).all()  # "no interval above 0"
    one, more = (gaps(recorded("lndb", group)).loc[OURS] for group in ("one reader", "two readers or more"))
    assert one["value"] < more["value"] and more["low"] < one["high"]  # "the two intervals overlap"
    counts = RECORD["cohorts"]["lndb"]
    assert 0.6 < counts["one reader"] / counts["n"] < 0.72  # "two thirds"
    single = [recorded(cohort, "one reader").loc["diameter", "value"] for cohort in ("lndb", "lidc-ct")]
    assert single[0] > single[1] + 0.05


def test_what_is_said_of_probabilities():
    table = pd.DataFrame(RECORD["calibration"])
    for measure in ("slope", "intercept"):
        table = table.join(pd.json_normalize(table[measure]).add_prefix(f"{measure} "))
    whole = table[table["cases"] == "all"].set_index(["cohort", "model"])
    ours = whole.loc[("lndb", OURS)]
    assert ours["slope value"] < 0.85 < 1 < ours["slope high"]  # "look too extreme"
    assert whole.loc[("lndb", PLAIN), "slope high"] < 1  # "without ImageNet features they are"
    assert whole.loc[("lidc-ct", OURS), "slope low"] < 1 < whole.loc[("lidc-ct", OURS), "slope high"]
    for cohort in ("lndb", "lidc-ct"):
        assert (
            whole.loc[(cohort, "diameter"), "slope low"] < 1 < whole.loc[(cohort, "diameter"), "slope high"]
        )
    study = whole.loc["lndb"].drop([OURS, PLAIN, "diameter"])
    assert (study["intercept high"] < -1).all()  # "too high"
    half = table[(table["cohort"] == "lndb") & (table["model"] == OURS) & (table["cases"] == "other half")]
    assert ((half["slope low"] < 1) & (half["slope high"] > 1)).all() and half[
        "slope value"
    ].is_monotonic_increasing


def test_most_of_the_fall_is_what_such_nodules_cost_at_home():
    steps = external.rows_of(RECORD["changes"], "mix", model=OURS, images="as they are")["value"]
    outside = recorded("lndb").loc[OURS, "value"]
    assert steps["as they are"] > steps["sizes of LNDb"] > steps["sizes and readers of LNDb"] > outside
    explained = steps["as they are"] - steps["sizes and readers of LNDb"]
    assert explained > 0.5 * (steps["as they are"] - outside)
    ruler = external.rows_of(RECORD["changes"], "mix", model="diameter", images="as they are")
    assert ruler.loc["sizes and readers of LNDb", "value"] < recorded("lndb").loc["diameter", "value"]
    assert ruler.loc["sizes and readers of LNDb", "high"] > recorded("lndb").loc["diameter", "low"]
    changed = [
        one["less as they are"]["value"] for one in RECORD["changes"] if one["images"] in hospital.STEPS
    ]
    assert max(map(abs, changed)) < 0.02  # "little"


def test_pages_get_the_numbers():
    found = measurements.written(RECORD, measurements.FACTS["another_hospital.json"])
    counts, ours = RECORD["cohorts"]["lndb"], recorded("lndb").loc[OURS]
    assert (found["hospital_cases"], found["hospital_patients"]) == (
        str(counts["n"]),
        str(counts["patients"]),
    )
    assert found["hospital_auc"].startswith(f"{ours['value']:.2f} [{ours['low']:.2f}")
    assert found["hospital_gain"].startswith("−")


@pytest.mark.skipif("LUNGCLS_LNDB" not in os.environ, reason="no cohort of the other hospital")
def test_the_record_is_that_of_the_real_table():
    cases = load(os.environ["LUNGCLS_LNDB"]).cases
    auc = roc_auc_score(cases["malignancy"] > 3, cases["diameter_mm"])
    assert recorded("lndb").loc["diameter", "value"] == pytest.approx(auc, abs=6e-5)
    assert RECORD["cohorts"]["lndb"]["scores"] == cases["malignancy"].value_counts().sort_index().tolist()
