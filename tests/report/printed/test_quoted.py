"""What is quoted from the report fits itself and the rebuilt case list."""

import pytest

from lungcls.cohorts.cohort import to_binary
from lungcls.report.printed import quoted as reported
from lungcls.sources import annotations


def test_the_counts_are_those_of_the_rebuilt_list():
    labels = to_binary(annotations.report_cases()["malignancy"])
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
    assert set(found["where"]) == set(found) - {"source", "note", "contents", "claims", "where"}
    for part in found["where"].values():
        assert set(part["sections"]) <= set(found["contents"])
    for quoted in found["claims"].values():
        assert quoted["section"] in found["contents"] and len(quoted["words"]) > 20


def test_scores_are_texts_with_their_decimals():
    found = reported.load()
    printed = [text for row in found["main_results_percent"].values() for text in row.values()]
    for tasks in found["f1_percent"].values():
        printed += [text for views in tasks.values() for text in views.values()]
    assert len(printed) == 24 and all(isinstance(text, str) for text in printed)
    assert found["f1_percent"]["EfficientNet FT"]["binary"]["full_slice"] == "66.10"


def test_a_claim_by_name():
    assert "no significant differences" in reported.claim("outliers")["words"]
    with pytest.raises(ValueError, match="claim: found 'size', expected one of patients"):
        reported.claim("size")
