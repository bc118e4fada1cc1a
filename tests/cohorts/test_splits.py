"""Splits: patients apart, class shares kept, one table, clear errors."""

import numpy as np
import pandas as pd
import pytest

from lungcls.cohorts.splits import PARTS, folds, load_split, save_split, shared_patients, split
from lungcls.errors import InputError
from lungcls.sources import annotations

SHARES = pd.Series([0.70, 0.15, 0.15], index=PARTS)


@pytest.fixture(scope="module")
def report():
    return annotations.report_cases()[["case_id", "patient_id", "malignancy"]]


def some(cases, n, seed):
    """About n cases of whole patients, chosen at random."""
    patients = np.random.default_rng(seed).permutation(cases["patient_id"].unique())
    order = pd.Series(np.arange(len(patients)), index=patients)
    return cases.assign(place=cases["patient_id"].map(order)).sort_values("place")[:n].reset_index(drop=True)


def of_scores(scores, patients=None):
    """Cases of these scores, each its own patient unless named."""
    names = [f"c{i}" for i in range(len(scores))]
    return pd.DataFrame({"case_id": names, "patient_id": patients or names, "malignancy": scores})


def deviation(cases, column, parts):
    """Largest deviation of a part's class share from the whole's, in points."""
    shares = pd.crosstab(np.asarray(parts[column]), cases["malignancy"].to_numpy(), normalize="index")
    whole = cases["malignancy"].value_counts(normalize=True).sort_index()
    return 100 * (shares - whole).abs().to_numpy().max()


def by_case(table):
    return table.set_index("case_id").iloc[:, 0]


# --- Making a split -------------------------------------------------------------------


@pytest.mark.parametrize("protocol", ["patient", "report"])
@pytest.mark.parametrize("n", [600, 2363])
@pytest.mark.parametrize("seed", range(5))
def test_class_shares_of_each_part_are_within_a_point_of_the_whole(report, protocol, n, seed):
    cases = report if n == len(report) else some(report, n, seed)
    table = split(cases, protocol=protocol, seed=seed)
    assert table["case_id"].tolist() == cases["case_id"].tolist()
    assert deviation(cases, "split", table) < 1
    sizes = table["split"].value_counts(normalize=True)
    assert (sizes - SHARES).abs().max() < 0.01


def test_no_patient_is_in_two_parts_by_default(report):
    table = split(report, seed=0).merge(report)
    assert (table.groupby("patient_id")["split"].nunique() == 1).all()
    assert shared_patients(report, split(report, seed=0))["shared"].tolist() == [0, 0]


def test_the_reports_protocol_puts_most_test_patients_into_training(report):
    for seed in range(5):
        seen = shared_patients(report, split(report, protocol="report", seed=seed))
        assert 0.75 < seen.loc["test", "share"] < 0.89
        assert abs(seen.loc["test", "cases"] - 0.15 * 2363) < 5


@pytest.mark.parametrize("protocol", ["patient", "report"])
def test_a_split_follows_the_seed_and_not_the_order_of_rows(report, protocol):
    first = by_case(split(report, protocol=protocol, seed=7))
    shuffled = report.sample(frac=1, random_state=1)
    again = split(shuffled, protocol=protocol, seed=7)
    assert again["case_id"].tolist() == shuffled["case_id"].tolist()
    pd.testing.assert_series_equal(by_case(again).loc[first.index], first)
    other = by_case(split(report, protocol=protocol, seed=8))
    # Independent draws differ in 1 - (0.7 ** 2 + 2 * 0.15 ** 2) = 0.465 of the cases.
    assert 0.35 < (other != first).mean() < 0.6


@pytest.mark.parametrize("protocol", ["patient", "report"])
def test_a_case_is_as_likely_to_be_tested_wherever_its_name_sorts(protocol):
    cases = of_scores([1, 2, 3, 4, 5] * 20, [f"p{i // 2}" for i in range(100)]).sort_values("case_id")
    tested = [split(cases, protocol=protocol, seed=seed)["split"].eq("test") for seed in range(40)]
    fifths = np.mean(tested, axis=0).reshape(5, 20).mean(axis=1)
    assert np.abs(fifths - 0.15).max() < 0.06  # five standard errors of 40 x 20 draws


def test_shares_can_be_chosen(report):
    table = split(report, seed=0, shares=(0.5, 0.2, 0.3))
    assert table["split"].value_counts(normalize=True).loc[list(PARTS)].round(2).tolist() == [0.5, 0.2, 0.3]
    assert deviation(report, "split", table) < 1


def test_the_smallest_cohort_gives_each_part_each_class():
    table = split(of_scores([1, 2, 3, 4, 5] * 3), seed=0)
    cases = of_scores([1, 2, 3, 4, 5] * 3).merge(table)
    assert (pd.crosstab(cases["split"], cases["malignancy"]) == 1).all(axis=None)


def test_three_patients_with_every_class_are_parted():
    cases = of_scores([1, 2, 3, 4, 5] * 3, ["a"] * 5 + ["b"] * 5 + ["c"] * 5)
    assert sorted(split(cases, seed=0).merge(cases).groupby("patient_id")["split"].first()) == sorted(PARTS)


@pytest.mark.parametrize(
    "protocol, message",
    [
        ("patient", "class 5 has cases of 2 patients, expected at least 3, one for each part"),
        ("report", None),
    ],
)
def test_a_class_with_too_few_patients_is_refused(protocol, message):
    cases = of_scores([1, 2, 3, 4] * 4 + [5] * 4, [f"p{i}" for i in range(16)] + ["x", "x", "x", "y"])
    if message is None:
        parts = split(cases, protocol=protocol, seed=0).merge(cases)
        assert set(parts.loc[parts["malignancy"] == 5, "split"]) == set(PARTS)
        return
    with pytest.raises(InputError, match=message):
        split(cases, protocol=protocol, seed=0)


def holding(*patients):
    """Cases of patients given by their scores: "445" has two of score 4 and one of score 5."""
    pairs = [(int(score), f"p{i}") for i, scores in enumerate(patients) for score in scores]
    return of_scores([score for score, _ in pairs], [patient for _, patient in pairs])


def test_patients_are_combined_so_that_each_part_has_each_class():
    cases = holding("12", "12", "12", "34", "34", "34", "45", "15", "25")
    parts = split(cases, seed=0).merge(cases)
    assert (pd.crosstab(parts["split"], parts["malignancy"]) > 0).all(axis=None)


def test_classes_that_no_three_parts_can_share_are_refused():
    # Each class has three patients, but only the last one holds all five: two parts are left with two each.
    with pytest.raises(InputError, match="no way found to give each of 3 parts a case of every class"):
        split(holding("123", "145", "245", "345", "12345"), seed=0)


def test_a_class_without_cases_and_wrong_tables_are_refused(report):
    with pytest.raises(InputError, match="class 5 of the multiclass task has no case"):
        split(report[report["malignancy"] < 5], seed=0)
    with pytest.raises(InputError, match="cases: row 3: case_id is 'pat1', expected each case once"):
        split(pd.concat([report[:2], report[:1]]), seed=0)
    with pytest.raises(InputError, match="cases: no column 'patient_id'"):
        split(report.drop(columns="patient_id"), seed=0)


@pytest.mark.parametrize(
    "options, message",
    [
        ({"protocol": "random"}, r"protocol: found 'random', expected one of \('patient', 'report'\)"),
        ({"shares": (0.7, 0.3)}, "shares: found .* expected three above 0"),
        ({"shares": (0.7, 0.2, 0.2)}, "shares: found .* add up to 1"),
        ({"shares": (0.8, 0.0, 0.2)}, "shares: found .* expected three above 0"),
        ({"shares": (0.8, 0.3, -0.1)}, "shares: found .* expected three above 0"),
    ],
)
def test_wrong_options_are_refused(report, options, message):
    with pytest.raises(ValueError, match=message):
        split(report, seed=0, **options)


def test_a_split_may_do_without_a_test_part(report):
    table = split(report, seed=0, shares=(0.85, 0.15, 0))
    assert table["split"].value_counts(normalize=True).round(2).to_dict() == {
        "train": 0.85,
        "validation": 0.15,
    }
    patients = report["patient_id"].groupby(table["split"].to_numpy()).unique()
    assert not set(patients["train"]) & set(patients["validation"])


@pytest.mark.parametrize("protocol", ["patient", "report"])
def test_folds_are_equal_stratified_and_hold_whole_patients(report, protocol):
    table = folds(report, k=5, protocol=protocol, seed=0)
    assert table["case_id"].tolist() == report["case_id"].tolist()
    assert sorted(table["fold"].unique()) == [0, 1, 2, 3, 4]
    assert (table["fold"].value_counts(normalize=True) - 0.2).abs().max() < 0.01
    assert deviation(report, "fold", table) < 1
    whole = (table.merge(report).groupby("patient_id")["fold"].nunique() == 1).all()
    assert whole == (protocol == "patient")
    pd.testing.assert_frame_equal(folds(report, k=5, protocol=protocol, seed=0), table)
    with pytest.raises(ValueError, match="k: found 1, expected 2 or more"):
        folds(report, k=1, seed=0)


def test_shared_patients_counts_by_hand():
    cases = of_scores([1, 1, 1, 1, 1], ["a", "a", "b", "c", "b"])
    parts = ["train", "test", "test", "validation", "test"]
    table = pd.DataFrame({"case_id": cases["case_id"], "split": parts})
    seen = shared_patients(cases, table)
    assert seen["cases"].tolist() == [1, 3] and seen["shared"].tolist() == [0, 1]
    assert seen.loc["test", "share"] == pytest.approx(1 / 3)


# --- On disk --------------------------------------------------------------------------


def test_a_saved_split_is_read_back_in_the_order_of_the_cases(tmp_path, report):
    table = split(report, seed=0)
    path = save_split(table, tmp_path / "new" / "split.csv")
    assert path.read_text().splitlines()[:1] == ["case_id,split"]
    pd.testing.assert_frame_equal(load_split(path, report), table)
    backwards = report[::-1]
    assert load_split(path, backwards)["case_id"].tolist() == backwards["case_id"].tolist()
    save_split(split(report, seed=1), path)
    assert [file.name for file in path.parent.iterdir()] == ["split.csv"]


def test_a_split_is_written_whole_or_not_at_all(tmp_path, monkeypatch):
    good = pd.DataFrame({"case_id": ["a", "b"], "split": ["train", "test"]})
    path = save_split(good, tmp_path / "split.csv")
    before = path.read_bytes()
    with pytest.raises(InputError, match="row 2: split is 'tests', expected one of train, validation, test"):
        save_split(good.assign(split=["train", "tests"]), path)

    def full(*args):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("os.replace", full)
    with pytest.raises(InputError, match="split.csv: cannot be written .No space left"):
        save_split(good[::-1], path)
    assert path.read_bytes() == before
    assert [file.name for file in tmp_path.iterdir()] == ["split.csv"]


def test_a_table_of_examples_may_repeat_a_case(tmp_path):
    (tmp_path / "split.csv").write_text("case_id,split\nb,test\na,train\na,train\n")
    cases = pd.DataFrame({"case_id": ["a", "b"]})
    table = load_split(tmp_path / "split.csv", cases, repeats=True)
    assert table.to_numpy().tolist() == [["b", "test"], ["a", "train"], ["a", "train"]]
    with pytest.raises(InputError, match="row 3: case_id is 'a', expected each case once"):
        load_split(tmp_path / "split.csv", cases)
    with pytest.raises(InputError, match="1 cases have no row, the first 'c', expected all"):
        load_split(tmp_path / "split.csv", pd.DataFrame({"case_id": ["a", "b", "c"]}), repeats=True)


@pytest.mark.parametrize(
    "text, message",
    [
        ("case_id,split\na,train\nb,test\nc,dev\n", "split.csv: row 3: split is 'dev', expected one of"),
        (
            "case_id,split\na,train\nb,test\nb,test\n",
            "split.csv: row 3: case_id is 'b', expected each case once",
        ),
        (
            "case_id,split\na,train\nx,test\n",
            "split.csv: row 2: case_id is 'x', expected a case of the cohort",
        ),
        ("case_id,split\na,train\nb,\n", "split.csv: row 2: split is '', expected one of"),
        ("case_id,split\na,train\n", "split.csv: 2 cases have no row, the first 'b', expected all"),
        ("case_id,part\na,train\n", "split.csv: no column 'split' .found case_id, part., expected case_id"),
        ("case_id,split\na,train,1\n", "split.csv: row 1: more fields than the header"),
        ("", "split.csv: not a readable CSV table"),
    ],
)
def test_a_wrong_split_file_is_refused(tmp_path, text, message):
    (tmp_path / "split.csv").write_text(text)
    cases = pd.DataFrame({"case_id": ["a", "b", "c"]})
    with pytest.raises(InputError, match=message):
        load_split(tmp_path / "split.csv", cases)


def test_a_missing_split_file_is_refused(tmp_path):
    with pytest.raises(InputError, match="split.csv: no such file"):
        load_split(tmp_path / "split.csv", pd.DataFrame({"case_id": ["a"]}))
