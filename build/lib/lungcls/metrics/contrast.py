"""How a nodule differs from its surroundings in an image, and which of its grey levels are lost."""

import numpy as np
from scipy.ndimage import binary_dilation

RING = 6  # pixels around the nodule that count as its surroundings
BLACK, WHITE = 0.05, 0.95  # grey levels that nobody can tell from black or white


def of_nodule(image, mask):
    """Grey of a nodule (H, W) less that of a ring, its spread inside, and the share nearly black or white."""
    inside, around = image[mask], image[binary_dilation(mask, iterations=RING) & ~mask]
    lost = (inside < BLACK) | (inside > WHITE)
    return inside.mean() - around.mean(), inside.std(), lost.mean()


def of_nodules(images, masks):
    """Medians of :func:`of_nodule` over images (n, H, W) whose mask (n, H, W), bool, is not empty."""
    found = [of_nodule(image, mask) for image, mask in zip(images, masks) if mask.any()]
    names = ("stands out by", "spread inside", "nearly black or white")
    return dict(zip(names, np.median(found, axis=0)))
