"""Radiomic measures as the IBSI defines them, by flash-radiomics: an optional extra, imported when used.

Shape in the plane, histogram, and matrices of grey levels, runs, zones, distances and dependences [1]_.

References
----------
.. [1] zwanenburg2020
"""

import logging

import numpy as np
import pandas as pd

from lungcls.errors import InputError

GREYS = 16  # grey levels of histograms and matrices, from the nodule's darkest to its brightest
CLASSES = "shape2D firstorder ih ivh glcm glrlm glszm gldzm gldm ngtdm".split()
NEEDED = "flash-radiomics: pip install 'lungcls[radiomics]'"


def measure_ibsi(images, masks, *, spacing):
    """Measure nodules as :func:`lungcls.models.radiomics.measure_radiomics` does; NaN for one too thin."""
    flash, sitk = _library()
    options = {"backend": "cpu", "num_threads": 1, "binCount": GREYS, "force2D": True}
    extractor = flash.RadiomicsFeatureExtractor(**options, minimumROIDimensions=1, additionalInfo=False)
    extractor.disableAllFeatures()
    for name in CLASSES:
        extractor.enableFeatureClassByName(name)
    rows = [_measured(extractor, sitk, *one) for one in zip(images, masks, spacing, strict=True)]
    return pd.DataFrame(rows).rename(columns=lambda name: name.removeprefix("original_"))


def _measured(extractor, sitk, image, mask, length):
    """All measures of one nodule; `execute` would write a file besides."""
    if not np.any(mask):
        raise ValueError("masks: found an empty one, expected at least one pixel inside")
    pair = [sitk.GetImageFromArray(np.asarray(one, float)[None]) for one in (image, np.asarray(mask) > 0)]
    pair[1] = sitk.Cast(pair[1], sitk.sitkUInt8)
    for one in pair:
        one.SetSpacing((float(length), float(length), 1.0))
    try:
        return extractor.extract_from_preprocessed(extractor.preprocess_case(*pair, label=1))
    except ValueError:  # a single pixel, or a line of them
        return {}


def _library():
    """The two libraries, silent; or one line that says how to get them."""
    try:
        import flash_radiomics
        import SimpleITK
    except ImportError as error:
        raise InputError(f"radiomics: found no {error.name}, expected {NEEDED}") from error
    logging.getLogger("flash_radiomics").setLevel(logging.ERROR)
    return flash_radiomics, SimpleITK
