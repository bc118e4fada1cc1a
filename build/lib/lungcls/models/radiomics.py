"""Radiomic measures of a nodule: size, shape, intensity and texture inside its mask.

They are measured on one slice, with scikit-image. Whoever draws the mask takes part in them:
here they stand for what a classical pipeline knows, not for what an image alone gives.
"""

import numpy as np
import pandas as pd
from scipy import ndimage
from skimage.feature import graycomatrix, graycoprops
from skimage.measure import regionprops

GREYS = 16  # grey levels of the texture measures, from the nodule's darkest to its brightest
RIM = 3  # pixels around the mask that count as its surroundings
_TEXTURES = ("contrast", "dissimilarity", "homogeneity", "energy", "correlation")


def measure_radiomics(images, masks, *, spacing=None):
    """Measure nodules.

    Parameters
    ----------
    images : sequence of ndarray of shape (H, W)
        Grey levels, one unit for all; integer or float.
    masks : sequence of ndarray of shape (H, W)
        1 or True inside; at least one pixel each. All parts of a mask count as one nodule.
    spacing : ndarray of shape (n,), float, mm, optional
        Pixel spacing of each image. Without it lengths are in pixels.

    Returns
    -------
    DataFrame of float
        One row a nodule. Size: `area`, `equivalent_diameter`, `major_axis`, `minor_axis`,
        `perimeter`, `feret`; shape: `eccentricity`, `solidity`, `extent`, `circularity`;
        intensity (grey levels): `mean`, `sd`, `p10`, `median`, `p90`, `skewness`, and
        `contrast_to_rim`, the mean less that of the 3 pixels around; texture: five
        measures of the grey-level co-occurrence matrix at distance 1, mean of four
        directions, of pairs inside the mask.

    Raises
    ------
    ValueError
        If numbers or shapes do not fit, a spacing is not above 0, or a mask is empty; the
        message names the row, counted from 1.

    References
    ----------
    .. [1] haralick1973
    .. [2] vanderwalt2014

    Examples
    --------
    >>> mask = np.hypot(*np.mgrid[-8:9, -8:9]) < 6
    >>> measured = measure_radiomics([400.0 * mask], [mask], spacing=[0.5])
    >>> measured[["equivalent_diameter", "mean", "contrast_to_rim"]].round(1).iloc[0].to_list()
    [5.9, 400.0, 400.0]
    """
    spacing = np.ones(len(images)) if spacing is None else np.asarray(spacing, dtype=float)
    if not len(images) == len(masks) == len(spacing):
        raise ValueError(f"masks, spacing: found {len(masks)} and {len(spacing)}, expected {len(images)}")
    rows = []
    for i, length in enumerate(spacing):
        image, mask = np.asarray(images[i], dtype=float), np.asarray(masks[i]) > 0
        if image.shape != mask.shape:
            raise ValueError(f"masks: row {i + 1}: found shape {mask.shape}, expected {image.shape}")
        if not mask.any():
            raise ValueError(f"masks: row {i + 1}: found an empty mask, expected at least one pixel inside")
        if not length > 0:
            raise ValueError(f"spacing: row {i + 1}: found {length}, expected mm above 0")
        image, mask = _around(image, mask)
        rows.append(_shape(mask, length) | _greys(image, mask) | _texture(image, mask))
    return pd.DataFrame(rows)


def _around(image, mask):
    """Cut out the mask with its surroundings: what lies further costs time only."""
    rows, columns = (np.flatnonzero(mask.any(axis=axis)) for axis in (1, 0))
    cut = tuple(slice(max(0, side[0] - RIM), side[-1] + RIM + 1) for side in (rows, columns))
    return image[cut], mask[cut]


def _shape(mask, length):
    """Size and shape of a mask whose pixels are `length` mm wide."""
    found = regionprops(mask.astype(np.uint8))[0]
    lengths = {"equivalent_diameter": found.equivalent_diameter_area, "major_axis": found.axis_major_length}
    lengths |= {"minor_axis": found.axis_minor_length, "perimeter": found.perimeter}
    lengths["feret"] = found.feret_diameter_max
    size = {"area": found.area * length**2} | {name: value * length for name, value in lengths.items()}
    perimeter = max(found.perimeter, 1.0)  # a single pixel has none
    shape = {name: found[name] for name in ("eccentricity", "solidity", "extent")}
    return size | shape | {"circularity": 4 * np.pi * found.area / perimeter**2}


def _greys(image, mask):
    """Intensity inside a mask, and against its surroundings."""
    inside = image[mask]
    mean, sd = inside.mean(), inside.std()
    rim = ndimage.binary_dilation(mask, iterations=RIM) & ~mask
    low, median, high = np.percentile(inside, (10, 50, 90))
    skewness = ((inside - mean) ** 3).mean() / sd**3 if sd > 0 else 0.0
    contrast = mean - image[rim].mean() if rim.any() else 0.0
    shares = {"p10": low, "median": median, "p90": high}
    return {"mean": mean, "sd": sd, **shares, "skewness": skewness, "contrast_to_rim": contrast}


def _texture(image, mask):
    """Co-occurrence of grey levels: level 0 stands for outside, and pairs with it are left out."""
    low, high = image[mask].min(), image[mask].max()
    steps = np.floor((image - low) / max(high - low, 1e-12) * GREYS).clip(0, GREYS - 1)
    levels = np.where(mask, steps + 1, 0).astype(np.uint8)
    angles = np.arange(4) * np.pi / 4
    counts = graycomatrix(levels, [1], angles, levels=GREYS + 1, symmetric=True)[1:, 1:]
    return {name: float(graycoprops(counts, name).mean()) for name in _TEXTURES}
