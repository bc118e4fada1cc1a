"""Readers' scores side by side."""

import numpy as np
import pytest

from lungcls.errors import InputError
from lungcls.readers import by_panel_size, pair_counts, panels
from lungcls.sources import lidc


def test_panels_keep_order_and_length():
    assert [panel.tolist() for panel in panels(["5 4 4", "", "3"])] == [[5, 4, 4], [], [3]]


@pytest.mark.parametrize("text", ["3 6", "0", "3.0 4", "x"])
def test_anything_else_is_refused(text):
    with pytest.raises(InputError, match=f"ratings: row 2: found '{text}', expected scores 1 to 5"):
        panels(["3", text])


def test_pairs_count_in_both_orders():
    counts = pair_counts(panels(["1 1", "2 3 3", "5", ""]))
    expected = np.zeros((5, 5), dtype=int)
    expected[0, 0] = 2
    expected[1, 2] = expected[2, 1] = 2
    expected[2, 2] = 2
    assert (counts == expected).all()


def test_agreement_by_panel_size():
    table = by_panel_size(panels(["1 1", "3 4", "5", "", "2 2 4", "1 2"]))
    assert table["nodules"].to_dict() == {1: 1, 2: 3, 3: 1}
    assert table.loc[2, ["equal", "within one", "both sides"]].tolist() == pytest.approx([1 / 3, 1, 1 / 3])
    assert table.loc[3, ["equal", "within one", "both sides"]].tolist() == [0, 0, 1]
    assert table.loc[1].isna().tolist() == [False, True, True, True]


def test_lidc_readers_disagree_as_known():
    ratings = lidc.nodules(scans_per_patient=None, least_readers=1, aggregation="ceil_mean")["ratings"]
    found = panels(ratings)
    counts = pair_counts(found)
    assert (counts == counts.T).all()
    assert counts.sum() == sum(len(panel) * (len(panel) - 1) for panel in found)
    assert np.trace(counts) / counts.sum() == pytest.approx(0.38, abs=0.005)
    four = by_panel_size(found).loc[4]
    assert four["equal"] == pytest.approx(0.12, abs=0.005)
    assert four["both sides"] == pytest.approx(0.58, abs=0.005)
