"""Which views and cases a notebook shows."""

import numpy as np
import pytest

from lungcls.errors import InputError
from lungcls.report.cases_shown import choose_views, nearest, typical_cases

LISTED = ["full_slice", "nodule", "context"]


@pytest.mark.parametrize("wanted", [LISTED, str(LISTED), "full_slice,nodule,context"])
def test_views_that_are_there_and_views_that_are_not(tiny, wanted):
    assert choose_views(tiny, wanted) == (["nodule", "context"], ["full_slice"])


def test_unknown_views_are_refused(tiny):
    with pytest.raises(InputError, match="views: found slice, expected some of full_slice, nodule, context"):
        choose_views(tiny, ["slice", "nodule"])
    with pytest.raises(InputError, match="views: found none"):
        choose_views(tiny, [])


def test_a_cohort_without_any_of_them_is_refused(tiny):
    with pytest.raises(InputError, match="tiny has none of full_slice, expected some of context, nodule"):
        choose_views(tiny, "full_slice")


def test_nearest_skips_what_is_not_known():
    assert nearest([np.nan, 3, 9, 5], 4) == 1
    assert nearest([np.nan, np.nan], 4) == 0


def test_typical_cases_take_the_scores_in_turn():
    values, scores = [9.0, 1, 2, 30, 5, 6, 7, np.nan], [1, 1, 1, 4, 5, 5, 5, 5]
    assert typical_cases(values, scores, 3).tolist() == [2, 3, 5]  # the medians are 2, 30 and 6
    assert typical_cases(values, scores, 5).tolist() == [2, 1, 3, 5, 4]
    assert sorted(typical_cases(values, scores, 99)) == list(range(8))
    assert typical_cases([np.nan, np.nan], [2, 2], 1).tolist() == [0]
