"""What is quoted from the report fits itself and the rebuilt case list."""

import pytest

from lungcls.cohort import to_binary
from lungcls.report import reported
from lungcls.sources import lidc


def test_the_counts_are_those_of_the_rebuilt_list():
    labels = to_binary(lidc.report_cases()["malignancy"])
    expected = {"benign": (labels == 0).sum(), "malignant": (labels == 1).sum()}
    assert reported.class_counts().to_dict() == expected


def test_table_1_is_read_whole():
    table = reported.f1_table()
    assert table.shape == (3, 4) and table.notna().all().all()
    assert table.loc["EfficientNet FT", ("binary", "nodule")] == 81.21


def test_table_2_repeats_the_fine_tuned_row_of_table_1():
    order = [(task, view) for task in ("binary", "multiclass") for view in ("full_slice", "nodule")]
    fine_tuned = reported.f1_table().loc["EfficientNet FT", order]
    assert reported.main_results()["f1"].tolist() == fine_tuned.tolist()
    assert reported.main_results().loc["MultiClass_Nodule"].tolist() == [46.47, 44.73, 44.63]


def test_every_part_says_where_it_stands():
    found = reported.load()
    assert set(found["where"]) == set(found) - {"source", "note", "where"}
    for quoted in found["claims"].values():
        assert quoted["section"][0] in "1234567" and len(quoted["words"]) > 20


def test_a_claim_by_name():
    assert "no significant differences" in reported.claim("outliers")["words"]
    with pytest.raises(ValueError, match="claim: found 'size', expected one of patients"):
        reported.claim("size")
