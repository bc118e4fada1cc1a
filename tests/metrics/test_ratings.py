"""Readers' scores side by side."""

import numpy as np
import pytest

from lungcls.errors import InputError
from lungcls.metrics.ratings import (
    by_number_of_readers,
    ceil_mean,
    pair_counts,
    pair_tables,
    parse_ratings,
    score_counts,
    split_tables,
    weighted_kappa,
)
from lungcls.sources import annotations


def test_ratings_keep_order_and_length():
    assert [scores.tolist() for scores in parse_ratings(["5 4 4", "", "3"])] == [[5, 4, 4], [], [3]]


@pytest.mark.parametrize("text", ["3 6", "0", "3.0 4", "x"])
def test_anything_else_is_refused(text):
    with pytest.raises(InputError, match=f"ratings: row 2: found '{text}', expected scores 1 to 5"):
        parse_ratings(["3", text])


def test_pairs_count_in_both_orders():
    counts = pair_counts(parse_ratings(["1 1", "2 3 3", "5", ""]))
    expected = np.zeros((5, 5), dtype=int)
    expected[0, 0] = 2
    expected[1, 2] = expected[2, 1] = 2
    expected[2, 2] = 2
    assert (counts == expected).all()


def test_counts_of_scores_and_their_label():
    counts = score_counts(parse_ratings(["5 4 4", "", "3"]))
    assert counts.tolist() == [[0, 0, 0, 2, 1], [0] * 5, [0, 0, 1, 0, 0]]
    assert ceil_mean(score_counts(parse_ratings(["3 3 4", "2 2 2", "1 2", "5 5 5 1"]))).tolist() == [
        4,
        2,
        2,
        4,
    ]


def test_labels_are_those_of_the_case_list():
    table = annotations.nodules(scans_per_patient=None, least_readers=1, aggregation="ceil_mean")
    labels = ceil_mean(score_counts(parse_ratings(table["ratings"])))
    assert (labels == table["malignancy"]).all()


def test_pairs_of_each_nodule_leave_out_a_reader_with_oneself():
    one, none = pair_tables(score_counts(parse_ratings(["2 3 3", "5"])))
    assert one[1, 2] == one[2, 1] == 2 and one[2, 2] == 2 and one.sum() == 6
    assert not none.any()


def test_some_readers_against_the_rest():
    tables = split_tables(parse_ratings(["1 5", "2 3 3", "4", ""]), first=1)
    assert tables[0, 0, 4] == tables[0, 4, 0] == 0.5
    # 2 against 3 3, and twice 3 against 2 3, whose mean rounds up to 3
    assert tables[1, 1, 2] == pytest.approx(1 / 3) and tables[1, 2, 2] == pytest.approx(2 / 3)
    assert tables.sum(axis=(1, 2)) == pytest.approx([1, 1, 0, 0])
    halves = split_tables(parse_ratings(["1 1 5 5", "2 3 3"]), first=2, readers=4)
    assert halves[0, 0, 4] == halves[0, 4, 0] == pytest.approx(1 / 6)
    assert halves[0, 2, 2] == pytest.approx(4 / 6) and not halves[1].any()


@pytest.mark.parametrize("first, size", [(0, None), (2, 2)])
def test_both_parts_need_a_reader(first, size):
    with pytest.raises(ValueError, match=rf"first, readers: found {first}, {size}, expected 1 <= first"):
        split_tables([], first=first, readers=size)


def test_weighted_kappa_is_that_of_scikit_learn():
    from sklearn.metrics import cohen_kappa_score

    pairs = np.random.default_rng(0).integers(1, 6, (200, 2))
    pairs[:80, 1] = pairs[:80, 0]
    counts = np.zeros((5, 5), dtype=int)
    np.add.at(counts, tuple(pairs.T - 1), 1)
    expected = cohen_kappa_score(pairs[:, 0], pairs[:, 1], weights="quadratic")
    assert weighted_kappa(counts) == pytest.approx(expected)
    perfect = np.diag([3, 1, 4, 1, 5])
    assert weighted_kappa(np.stack([counts, perfect])) == pytest.approx([expected, 1])
    assert np.isnan(weighted_kappa(np.diag([0, 0, 7])))


def test_agreement_by_number_of_readers():
    table = by_number_of_readers(parse_ratings(["1 1", "3 4", "5", "", "2 2 4", "1 2"]))
    assert table["nodules"].to_dict() == {1: 1, 2: 3, 3: 1}
    assert table.loc[2, ["equal", "within one", "both sides"]].tolist() == pytest.approx([1 / 3, 1, 1 / 3])
    assert table.loc[3, ["equal", "within one", "both sides"]].tolist() == [0, 0, 1]
    assert table.loc[1].isna().tolist() == [False, True, True, True]


def test_lidc_readers_disagree_as_known():
    ratings = annotations.nodules(scans_per_patient=None, least_readers=1, aggregation="ceil_mean")["ratings"]
    found = parse_ratings(ratings)
    counts = pair_counts(found)
    assert (counts == counts.T).all()
    assert counts.sum() == sum(len(scores) * (len(scores) - 1) for scores in found)
    assert np.trace(counts) / counts.sum() == pytest.approx(0.38, abs=0.005)
    four = by_number_of_readers(found).loc[4]
    assert four["equal"] == pytest.approx(0.12, abs=0.005)
    assert four["both sides"] == pytest.approx(0.58, abs=0.005)
