"""How far an augmentation moves an image from its original, and what it leaves of the nodule.

An augmentation is seen from outside: what counts is the images that go in and come out.
Whether the nodule survives is found by erasing it: the same draw changes the image and the
image without its nodule, and where the two still differ, the nodule still shows. Images are
(n, H, W, 1), float in [0, 1]; masks are bool, True on the nodule.
"""

import numpy as np
from scipy.ndimage import binary_dilation


def grey_shift(images, changed):
    """Wasserstein distance of the histograms of image and original, (n,), wherever the greys are."""
    before, after = _flat(images, changed=changed)
    return np.abs(np.sort(before) - np.sort(after)).mean(axis=1)


def correlation(images, changed):
    """Correlation of each image with its original, pixel by pixel: (n,), NaN where one is a single grey."""
    before, after = (flat - flat.mean(axis=1, keepdims=True) for flat in _flat(images, changed=changed))
    energy = (before**2).sum(axis=1) * (after**2).sum(axis=1)
    with np.errstate(invalid="ignore", divide="ignore"):
        return np.where(energy > 1e-12, (before * after).sum(axis=1) / np.sqrt(energy), np.nan)


def erase(images, masks, *, ring=3):
    """Paint over the nodule with the mean grey of the `ring` of pixels around it, if there is one."""
    _flat(images, masks=masks)
    erased = np.array(images, dtype=np.float32)
    for image, mask in zip(erased, np.asarray(masks, dtype=bool), strict=True):
        around = binary_dilation(mask[..., 0], iterations=ring)[..., None] & ~mask
        if around.any():
            image[mask] = image[around].mean()
    return erased


def nodule_left(images, erased, changed, changed_erased):
    """Measure how much of the nodule an augmentation leaves, (n,): 1 for all, NaN without a nodule."""
    # The root of the summed squares of what the nodule adds to an image, after one and the same draw over
    # before: 0 where it has left the frame or become one with its surroundings, above 1 where contrast
    # was added or the border mirrors it.
    others = {"erased": erased, "changed": changed, "changed_erased": changed_erased}
    x, without, after, after_without = _flat(images, **others)
    before = ((x - without) ** 2).sum(axis=1)
    left = ((after - after_without) ** 2).sum(axis=1)
    with np.errstate(invalid="ignore", divide="ignore"):
        return np.where(before > 1e-12, np.sqrt(left / before), np.nan)


def _flat(images, **others):
    """Check that all have the shape of the first; return them as (n, pixels), float64."""
    for name, other in others.items():
        if np.shape(other) != np.shape(images):
            raise ValueError(f"{name}: found shape {np.shape(other)}, expected {np.shape(images)}")
    every = (images, *others.values())
    return [np.asarray(array, dtype=np.float64).reshape(len(array), -1) for array in every]
