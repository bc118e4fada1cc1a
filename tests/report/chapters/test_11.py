"""What chapter 11 says that the printed tables imply; the searches are tested in tests/report/printed."""

from math import ceil

import numpy as np
import pytest

from lungcls.report.claims.printed import printed_facts, printed_size
from lungcls.report.printed import confusion_matrices, many_classes, quoted, rounding
from lungcls.sources import annotations

ROW = quoted.load()["main_results_percent"]["MultiClass_Nodule"]


def test_the_test_set_is_a_tenth_and_not_what_the_text_says():
    total, stated = sum(quoted.class_counts()), quoted.load()["split_percent"]["test"]
    assert printed_size() == ceil(total / 10) != ceil(stated * total / 100)


def test_about_half_of_the_malignant_cases_are_missed():
    found = printed_facts()
    share = int(found["printed_found"]) / int(found["printed_malignant"])
    assert 0.4 < share < 0.5 and found["printed_sensitivity"].startswith(f"{100 * share:.1f} [")
    assert found["printed_size"] == str(printed_size())


def test_the_tuned_network_on_full_slices_nearly_always_says_benign():
    n, printed = printed_size(), quoted.load()["f1_percent"]["EfficientNet FT"]["binary"]["full_slice"]
    supports = tuple(confusion_matrices.stratified_counts(quoted.class_counts(), n))
    (matrix,) = confusion_matrices.binary_matrices({"f1": printed}, n, average="weighted", supports=supports)
    assert matrix[:, 0].sum() > 0.95 * n
    search = {"n": n, "average": "weighted", "supports": supports}
    equal = confusion_matrices.binary_matrices({"f1": "65.57"}, **search)
    assert len(equal) > 1 and quoted.load()["f1_percent"]["CNN"]["binary"]["nodule"] == "65.57"


def test_five_classes_leave_nearly_everything_open():
    by_score = confusion_matrices.stratified_counts(
        annotations.report_cases()["malignancy"].value_counts().sort_index(), printed_size()
    )
    (right,) = rounding.counts(ROW["accuracy"], printed_size())
    low, high = many_classes.f1_bounds(by_score, right, average="weighted")
    assert high - low > 0.25 and low < float(ROW["f1"]) / 100 < high
    for diagonal, last in (([12, 18, 54, 22, 0], 0), ([10, 20, 45, 18, 13], 13)):
        matrix = many_classes.find_matrix(ROW, by_score, diagonal, average="weighted", seed=0)
        assert matrix[4, 4] == last and confusion_matrices.fits(matrix, ROW, average="weighted")


@pytest.mark.parametrize("average", ["macro", "micro"])
def test_constants_are_equal_under_the_weighted_average_only(average):
    cnn, n = quoted.load()["f1_percent"]["CNN"], printed_size()
    supports = np.array(confusion_matrices.stratified_counts(quoted.class_counts(), n))
    assert confusion_matrices.matching_constants(cnn["binary"]["nodule"], supports, average="weighted") == [0]
    assert not confusion_matrices.matching_constants(cnn["binary"]["nodule"], supports, average=average)
