"""How far a nodule stands out: planted grey levels."""

import numpy as np
import pytest

from lungcls.metrics import contrast


def test_a_planted_nodule_stands_out_spreads_and_is_lost_as_planted():
    image, mask = np.full((32, 32), 0.3), np.zeros((32, 32), bool)
    mask[12:16, 12:16] = True
    image[12:14, 12:16], image[14:16, 12:16] = 0.7, 0.99  # half of it nearly white
    image[:4] = 0.0  # farther away than the ring reaches
    out, spread, lost = contrast.of_nodule(image, mask)
    assert out == pytest.approx(0.845 - 0.3) and spread == pytest.approx(0.145) and lost == 0.5


def test_medians_leave_out_images_without_an_outline():
    images, masks = np.zeros((3, 32, 32)), np.zeros((3, 32, 32), bool)
    masks[:2, 10:14, 10:14] = True
    images[0][masks[0]], images[1][masks[1]] = 0.4, 0.6
    found = contrast.of_nodules(images, masks)
    assert found == {
        "stands out by": pytest.approx(0.5),
        "spread inside": pytest.approx(0),
        "nearly black or white": 0,
    }
