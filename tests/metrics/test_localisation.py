"""Scores of maps: known answers, ties, and what a network needs."""

import numpy as np
import pytest

from lungcls.metrics import localisation

MASKS = np.zeros((1, 10, 10), bool)
MASKS[0, 2:6, 2:6] = True  # 16 of 100 pixels


def test_a_perfect_a_wrong_and_an_even_map():
    perfect = localisation.heat_map_scores(MASKS.astype(float), MASKS).iloc[0]
    assert perfect[["hit", "share", "iou"]].tolist() == [1, 1, 1] and perfect["area"] == 0.16
    wrong = localisation.heat_map_scores((~MASKS).astype(float), MASKS).iloc[0]
    assert wrong[["hit", "share", "iou"]].tolist() == [0, 0, 0]
    even = localisation.heat_map_scores(np.ones((1, 10, 10)), MASKS).iloc[0]
    assert even[["hit", "share"]].tolist() == pytest.approx([0.16, 0.16])
    assert even["iou"] == pytest.approx(2.56 / (32 - 2.56))  # 16 pixels by chance: 2.56 inside


def test_a_map_scaled_has_the_same_scores_and_one_of_zeros_none():
    values = np.random.default_rng(0).random((5, 10, 10))
    masks = np.repeat(MASKS, 5, axis=0)
    assert localisation.heat_map_scores(7 * values, masks).equals(
        localisation.heat_map_scores(values, masks)
    ) or np.allclose(
        localisation.heat_map_scores(7 * values, masks), localisation.heat_map_scores(values, masks)
    )
    zero = localisation.heat_map_scores(np.zeros((2, 10, 10)), masks[:2])
    assert zero.isna().all().all()
    assert localisation.heat_map_scores(values[:1], np.zeros_like(MASKS)).isna().all().all()


def test_the_reach_counts_a_near_miss():
    near = np.zeros((1, 10, 10))
    near[0, 7, 3] = 1  # two rows below the outline
    assert localisation.heat_map_scores(near, MASKS)["hit"][0] == 0
    assert localisation.heat_map_scores(near, MASKS, reach=2)["hit"][0] == 1
    assert localisation.heat_map_scores(near, MASKS, reach=1.9)["hit"][0] == 0


def test_concentration_runs_from_an_even_map_to_the_best():
    found = localisation.concentration([0.1, 0.3, 0.5, 0.0], [0.1] * 4, [0.5] * 4)
    assert found == pytest.approx([0, 0.5, 1, -0.25])
    assert np.isnan(localisation.concentration(1.0, 1.0, 1.0))
    with pytest.raises(ValueError, match="share: found 0.1 above its ceiling"):
        localisation.concentration(0.6, 0.1, 0.5)


def test_wrong_maps_are_refused():
    with pytest.raises(ValueError, match=r"found shape \(1, 9, 9\)"):
        localisation.heat_map_scores(np.ones((1, 9, 9)), MASKS)
    with pytest.raises(ValueError, match="found values below 0"):
        localisation.heat_map_scores(-np.ones((1, 10, 10)), MASKS)


def test_curves_fall_and_rise_early_for_what_the_network_needs():
    images = np.random.default_rng(0).random((3, 10, 10, 1)).astype(np.float32)
    images[:, 2:6, 2:6] += 3

    def predict(batch):
        inside = np.clip((batch[:, 2:6, 2:6, 0].mean(axis=(1, 2)) - 1) / 3, 0, 1)
        return np.stack([1 - inside, inside], axis=1)

    classes, masks = np.ones(3, int), np.repeat(MASKS, 3, axis=0)
    good = localisation.curves(predict, images, masks.astype(float), classes=classes)
    bad = localisation.curves(predict, images, (~masks).astype(float), classes=classes)
    assert (localisation.area_under(good[0]) < localisation.area_under(bad[0])).all()
    assert (localisation.area_under(good[1]) > localisation.area_under(bad[1])).all()
    assert good[0][:, 0] == pytest.approx(predict(images)[:, 1]) == good[1][:, -1]
    assert good[0][:, -1] == pytest.approx(good[1][:, 0])
    assert localisation.area_under([0, 1, 1]) == pytest.approx(0.75)
    with pytest.raises(ValueError, match="maps: found shape"):
        localisation.curves(predict, images, masks[:2], classes=classes)
