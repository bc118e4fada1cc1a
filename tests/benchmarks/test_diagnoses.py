"""What is recorded of patients with a diagnosis, and what the chapter says of it."""

from functools import partial
import json
import os
from pathlib import Path
import re
import shutil

from conftest import load_benchmark
import numpy as np
import pandas as pd
import pytest
from recorded_runs import CNN
from sklearn.metrics import roc_auc_score

from lungcls.cohorts.cohort import Cohort
from lungcls.errors import InputError
from lungcls.metrics import bootstrap
from lungcls.report.results import external, measurements

ROOT = Path(__file__).parents[2]
RECORD = json.loads((ROOT / "book" / "results" / "diagnoses.json").read_text(encoding="utf-8"))
STABLE, SHOWN = "benign, two stable years", "benign, tissue or course"
NAMED = ["readers' label", "readers' mean score", "diameter", "radiomic measures", "our model"]


diagnoses = load_benchmark("diagnoses")


@pytest.fixture(scope="module")
def made_up():
    """A cohort of 90 patients with one to three nodules, their diagnoses, and predictions of a model."""
    rng = np.random.default_rng(0)
    patients = np.repeat([f"p{number:02d}" for number in range(90)], rng.integers(1, 4, 90))
    size = len(patients)
    scores = np.r_[1:6, rng.integers(1, 6, size - 5)]
    cases = pd.DataFrame({"case_id": [f"c{row}" for row in range(size)], "patient_id": patients})
    cases = cases.assign(malignancy=scores, ratings=scores.astype(str), diameter_mm=rng.uniform(3, 30, size))
    fold = pd.Series(patients).str[1:].astype(int) % 5
    said = pd.DataFrame({"case_id": cases["case_id"], "fold": fold, "p_malignant": rng.uniform(size=size)})
    said["y_pred_binary"] = (said["p_malignant"] > 0.5).astype(int)
    cycle = [(1, 1), (2, 2), (3, 3), (1, 2), (0, 0), (2, 4)]
    codes = [cycle[number % 6] for number in range(80)]
    table = pd.DataFrame(codes, columns=["diagnosis", "method"], index=[f"p{n:02d}" for n in range(80)])
    images = np.random.default_rng(1).integers(0, 255, (size, 16, 16)).astype(np.uint8)
    masks = np.zeros((size, 16, 16), np.uint8)
    masks[:, 6:10, 6:10] = 1
    return Cohort(cases, {"context": images}, masks={"context": masks}), table, said


@pytest.fixture(scope="module", autouse=True)
def few():
    """Few resamples: no test here looks at how wide an interval is."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(bootstrap, "intervals", partial(bootstrap.intervals, resamples=100))
        patch.setattr(bootstrap, "mean_intervals", partial(bootstrap.mean_intervals, resamples=100))
        yield


@pytest.fixture(scope="module")
def measured(few, made_up, tmp_path_factory):
    return diagnoses.measure(*made_up, tmp_path_factory.mktemp("study"))


# --- Against other hands ----------------------------------------------------------------


def by_hand(made_up, column, kinds, one=False):
    """The largest value of each patient and whether he or she is malignant, in plain Python."""
    cohort, table, said = made_up
    joined = cohort.cases.merge(said, on="case_id")
    mine, truth, values = {}, [], []
    for patient, value in zip(joined["patient_id"], joined[column]):
        mine.setdefault(patient, []).append(value)
    for patient, diagnosis, method in table.itertuples():
        if (diagnosis, method) in kinds and not (one and len(mine[patient]) > 1):
            truth.append(diagnosis > 1)
            values.append(max(mine[patient]))
    return truth, values


@pytest.mark.parametrize(
    "first, second, kinds",
    [
        ("malignant", "benign", [(1, 1), (1, 2), (2, 2), (2, 4), (3, 3)]),
        ("primary", "benign", [(1, 1), (1, 2), (2, 2), (2, 4)]),
        ("metastatic", "benign", [(1, 1), (1, 2), (3, 3)]),
        ("malignant", STABLE, [(1, 1), (2, 2), (2, 4), (3, 3)]),
        ("malignant, tissue or course", SHOWN, [(1, 2), (2, 2), (2, 4), (3, 3)]),
    ],
)
@pytest.mark.parametrize("name, column", [("our model", "p_malignant"), ("diameter", "diameter_mm")])
def test_the_auc_of_patients_is_scikit_learns(made_up, measured, first, second, kinds, name, column):
    row = external.told_apart(measured, first, second).loc[name]
    truth, values = by_hand(made_up, column, kinds)
    assert row["value"] == pytest.approx(roc_auc_score(truth, values), abs=6e-5)
    assert (row["n_first"], row["n_second"]) == (sum(truth), len(truth) - sum(truth))
    assert row["low"] < row["value"] < row["high"]
    base = roc_auc_score(*by_hand(made_up, "diameter_mm", kinds))
    assert row["less diameter"]["value"] == pytest.approx(row["value"] - base, abs=2e-4)


def test_patients_with_one_nodule_are_those(made_up, measured):
    row = external.told_apart(measured, "malignant", "benign", patients="one nodule").loc["our model"]
    kinds = [(1, 1), (1, 2), (2, 2), (2, 4), (3, 3)]
    truth, values = by_hand(made_up, "p_malignant", kinds, one=True)
    assert row["value"] == pytest.approx(roc_auc_score(truth, values), abs=6e-5)
    assert measured["counts"]["one nodule, malignant"] == sum(truth)


def test_shares_and_means_by_hand(made_up, measured):
    called = pd.DataFrame(measured["called"]).set_index(["predictor", "group"])
    truth, values = (
        np.array(part) for part in by_hand(made_up, "p_malignant", [(2, 2), (2, 4), (3, 3), (1, 1), (1, 2)])
    )
    row = called.loc[("our model", "malignant")]
    assert row["value"] == pytest.approx(np.mean(values[truth] > 0.5), abs=6e-5) and row["n"] == truth.sum()
    means = pd.DataFrame(measured["means"]).set_index(["predictor", "group"])
    assert means.loc[("our model", "benign"), "value"] == pytest.approx(values[~truth].mean(), abs=6e-5)
    assert means.loc[("diameter", "not known"), "n"] == 90 - 80 + sum(number % 6 == 4 for number in range(80))


def test_halves_hold_half_of_the_patients_each_and_share_out_the_malignant_ones(measured):
    halves = pd.DataFrame(measured["calibration"]).set_index(["predictor", "part"]).loc["our model"]
    assert halves.loc["lower half", "probability"] < halves.loc["upper half", "probability"]
    parts = halves.loc[["lower half", "upper half"]]
    assert parts["n"].sum() == halves.loc["all", "n"] == measured["counts"]["known"]
    assert np.average(parts["value"], weights=parts["n"]) == pytest.approx(
        halves.loc["all", "value"], abs=1e-4
    )


# --- Small groups, and no patient --------------------------------------------------------


def numbers(found):
    """All whole numbers of a record."""
    if isinstance(found, dict):
        found = list(found.values())
    if isinstance(found, list):
        return [number for one in found for number in numbers(one)]
    return [found] if isinstance(found, int) else []


def cells(record):
    """How many patients each share stands for, and how many are left: every cell of a count."""
    for row in record["called"] + record["calibration"]:
        hits = round(row["n"] * row["value"])
        yield from (hits, row["n"] - hits)
    for row in record["auc"]:
        yield from (row["n_first"], row["n_second"])
    yield from (row["n"] for row in record["means"])
    yield from record["counts"].values()


def test_a_group_of_four_is_not_described(made_up, tmp_path):
    cohort, table, said = made_up
    benign = table.index[(table["diagnosis"] == 1) & (table["method"] == 2)]
    few = diagnoses.measure(cohort, table.drop(benign[4:]), said, tmp_path)
    assert not [row for row in few["auc"] if SHOWN in (row["first"], row["second"])]
    assert SHOWN not in few["counts"] and not [row for row in few["means"] if row["group"] == SHOWN]
    assert min(cells(few)) >= diagnoses.LEAST
    enough = diagnoses.measure(cohort, table.drop(benign[5:]), said, tmp_path)
    assert [row for row in enough["auc"] if row["second"] == SHOWN] and enough["counts"][SHOWN] == 5


def test_a_share_with_a_small_cell_is_left_out():
    marked = pd.Series([True] * 4 + [False] * 20)
    assert diagnoses.share_of(marked) is None and diagnoses.share_of(~marked) is None
    assert diagnoses.share_of(pd.Series([True] * 5 + [False] * 15))["value"] == 0.25


def test_nothing_of_a_small_group_follows_by_subtraction():
    """Means and decisions are told of groups whose parts are all told, or none."""
    means, called = ({row["group"] for row in RECORD[kind]} for kind in ("means", "called"))
    assert means == {"malignant", "primary", "metastatic", "benign", STABLE, SHOWN, "known", "not known"}
    assert called == {"malignant", "primary", "metastatic", "benign"}
    one = {row["second"] for row in RECORD["auc"] if row["patients"] == "one nodule"}
    assert one == {"benign"}


def test_the_record_holds_aggregates_only():
    assert min(cells(RECORD)) >= RECORD["least"] == diagnoses.LEAST
    text = json.dumps(RECORD)
    assert not re.search(r"LIDC-IDRI-\d|pat\d|\[\d", text)  # no patient, no case, no list of values
    assert min(number for number in numbers(RECORD) if number not in (0, 1)) >= diagnoses.LEAST  # 1: a seed


# --- Networks of the study ----------------------------------------------------------------


def fold_record(folder, fold, *, seed=0, p=None):
    """A record like a recorded network, of one fold and with test rows only."""
    place = folder / f"binary-nodule-cnn-scratch-s{seed}-f{fold}"
    shutil.copytree(CNN.folder, place)
    config = CNN.config | {"id": place.name, "fold": fold, "seed": seed}
    (place / "config.json").write_text(json.dumps(config), encoding="utf-8")
    rows = CNN.predictions.iloc[fold::5].assign(split="test")
    if p is not None:
        rows = rows.assign(p_malignant=p, p_benign=1 - p, y_pred=int(p > 0.5))
    rows.to_csv(place / "predictions.csv", index=False)


def test_only_networks_with_all_folds_count_and_their_seeds_stand_side_by_side(tmp_path):
    for fold in range(5):
        fold_record(tmp_path, fold)
        fold_record(tmp_path, fold, seed=1)
    for fold in range(4):
        fold_record(tmp_path, fold, seed=2)
    ((title, columns),) = diagnoses.study_networks(tmp_path).items()
    assert "CNN" in title and "zoomed nodule" in title and title.endswith(CNN.config["cohort"])
    assert list(columns) == [0, 1] and len(columns) == len(CNN.predictions) and columns.notna().all(axis=None)
    known = CNN.predictions.set_index("case_id")["p_malignant"]
    pd.testing.assert_series_equal(columns[0].sort_index(), known.sort_index(), check_names=False)
    assert diagnoses.study_networks(tmp_path / "nowhere") == {}


def test_a_network_with_one_answer_is_marked(tmp_path):
    for fold in range(5):
        fold_record(tmp_path, fold, p=0.2)
    (title,) = diagnoses.study_networks(tmp_path)
    assert title.endswith("†")


def test_the_auc_of_a_network_is_the_mean_over_its_seeds():
    rng = np.random.default_rng(0)
    patients = pd.DataFrame({"diagnosis": [1] * 20 + [2] * 30, "method": [2] * 50})
    columns = pd.DataFrame(rng.normal(size=(50, 3)), columns=[0, "diameter", "readers' label"])
    columns.insert(1, 1, rng.normal(size=50))
    row = diagnoses.compare(columns, patients, "malignant", "benign")
    truth = patients["diagnosis"] > 1
    mean = np.mean([roc_auc_score(truth, columns[seed]) for seed in (0, 1)])
    assert row["value"] == pytest.approx(mean, abs=6e-5) and row["seeds"] == 2
    columns.loc[:15, 0] = np.nan  # patients without a nodule in the network's cohort
    fewer = diagnoses.compare(columns, patients, "malignant", "benign")
    assert fewer is None
    assert diagnoses.compare(columns.drop(columns=0), patients, "malignant", "benign")["n_second"] == 20


# --- The table and the command ------------------------------------------------------------


@pytest.mark.parametrize(
    "text, message",
    [
        ("patient_id,diagnosis\na,1\n", "no column 'diagnosis_method'"),
        ("patient_id,diagnosis,diagnosis_method\na,4,1\n", "diagnosis is '4', expected a code from 0 to 3"),
        (
            "patient_id,diagnosis,diagnosis_method\na,1,\n",
            "diagnosis_method is '', expected a code from 0 to 4",
        ),
        ("patient_id,diagnosis,diagnosis_method\na,1,1\na,2,2\n", "'a', expected each patient once"),
    ],
)
def test_a_wrong_table_is_one_line(tmp_path, text, message):
    path = tmp_path / "diagnosis.csv"
    path.write_text(text, encoding="utf-8")
    with pytest.raises(InputError) as error:
        diagnoses.read_diagnoses(path)
    assert message in str(error.value) and "\n" not in str(error.value)


def test_without_data_it_says_so(monkeypatch, capsys):
    monkeypatch.delenv("LUNGCLS_LIDC", raising=False)
    monkeypatch.setattr("sys.argv", ["diagnoses.py", "--diagnosis", "nowhere.csv"])
    with pytest.raises(SystemExit) as ended:
        diagnoses.main()
    assert ended.value.code == 2 and "no real cohort" in capsys.readouterr().err


@pytest.mark.skipif("LUNGCLS_DIAGNOSIS" not in os.environ, reason="no table of diagnoses")
def test_the_record_is_that_of_the_real_table():
    table = diagnoses.read_diagnoses(os.environ["LUNGCLS_DIAGNOSIS"])
    from lungcls.sources import annotations

    cases = annotations.report_cases()
    largest = cases.groupby("patient_id")["diameter_mm"].max()
    known = table[(table["diagnosis"] > 0) & table.index.isin(largest.index)]
    auc = roc_auc_score(known["diagnosis"] > 1, largest[known.index])
    row = external.told_apart(RECORD, "malignant", "benign").loc["diameter"]
    assert row["value"] == pytest.approx(auc, abs=1e-3)


# --- What the chapter says ----------------------------------------------------------------


def test_counts_add_up():
    counts = RECORD["counts"]
    assert counts["benign"] == counts[STABLE] + counts[SHOWN]
    assert counts["malignant"] == counts["primary"] + counts["metastatic"]
    assert counts["known"] == counts["benign"] + counts["malignant"]
    assert counts["listed"] == counts["known"] + counts["unknown"]
    assert counts[STABLE] > counts["benign"] / 2  # "they are most of the benign patients"


def test_suspicion_goes_with_disease_and_nobody_is_clearly_better():
    for kind in ("malignant", "primary", "metastatic"):
        rows = external.told_apart(RECORD, kind, "benign").loc[NAMED]
        assert rows["low"].max() < rows["high"].min()  # "the intervals of all overlap"
        assert rows["low"].min() > 0.5  # "all to the right of a line at one half"
    ours = external.told_apart(RECORD, "malignant", "benign").loc["our model"]
    for base in ("diameter", "readers' label"):
        assert ours[f"less {base}"]["low"] < -0.05 and ours[f"less {base}"]["high"] > 0.05
    label = external.told_apart(RECORD, "malignant", "benign").loc["readers' label", "less diameter"]
    assert label["low"] < 0 < label["high"]


def test_the_result_rests_on_two_stable_years():
    stable = external.told_apart(RECORD, "malignant", STABLE).loc[NAMED]
    shown = external.told_apart(RECORD, "malignant, tissue or course", SHOWN).loc[NAMED]
    kinds = external.told_apart(RECORD, SHOWN, STABLE).loc[NAMED]
    assert (shown["low"] < 0.5).all() and (shown["high"] > 0.5).all()  # "every interval holds one half"
    assert (kinds["low"] > 0.5).all() and (abs(kinds["value"] - stable["value"]) < 0.06).all()
    means = pd.DataFrame(RECORD["means"]).set_index(["predictor", "group"])
    for name in ("diameter", "readers' mean score"):
        assert means.loc[(name, STABLE), "high"] < means.loc[(name, SHOWN), "low"]
        assert means.loc[(name, SHOWN), "low"] < means.loc[(name, "malignant"), "value"]
        assert means.loc[(name, SHOWN), "high"] > means.loc[(name, "malignant"), "value"]
    assert means.loc[("diameter", "known"), "low"] > means.loc[("diameter", "not known"), "high"]


def test_the_lower_half_has_far_more_cancer_than_its_probability_says():
    halves = pd.DataFrame(RECORD["calibration"]).set_index(["predictor", "part"])
    low, high = (halves.xs(f"{part} half", level="part") for part in ("lower", "upper"))
    assert (low["low"] > low["probability"] + 0.15).all()
    assert ((high["low"] < high["probability"]) & (high["probability"] < high["high"])).all()  # "fits"


def test_our_model_calls_more_of_both_kinds():
    called = pd.DataFrame(RECORD["called"]).set_index(["group", "predictor"])["value"]
    for group in ("malignant", "benign"):
        assert called[group, "our model"] > called[group, "readers' label"]


def test_what_the_cards_promise():
    rows = external.told_apart(RECORD, "metastatic", "benign")
    stable = external.told_apart(RECORD, "malignant", STABLE)
    assert (rows.loc[NAMED, "value"] < stable.loc[NAMED, "value"]).all()
    assert rows.loc[NAMED, "value"].idxmax() != "diameter"
    single = external.told_apart(RECORD, "primary", "benign", patients="one nodule")
    whole = external.told_apart(RECORD, "malignant", "benign", patients="one nodule")
    assert single.loc[NAMED, "value"].idxmax() == whole.loc[NAMED, "value"].idxmax() == "diameter"
    assert (single.loc[NAMED, "n_first"] < whole.loc[NAMED, "n_first"]).all()


def test_pages_get_the_numbers():
    found = measurements.written(RECORD, measurements.FACTS["diagnoses.json"])
    assert found["diagnosed_known"] == str(RECORD["counts"]["known"])
    row = external.told_apart(RECORD, "malignant", "benign").loc["our model"]
    assert found["diagnosis_model"].startswith(f"{row['value']:.2f} [{row['low']:.2f}")
