"""Pixels of one DICOM slice in Hounsfield units, and signs that they are none or lie elsewhere."""

import warnings

import numpy as np

from lungcls.errors import InputError

HU = np.iinfo(np.int16)
TAGS = (
    "Rows Columns SamplesPerPixel PhotometricInterpretation PlanarConfiguration NumberOfFrames BitsAllocated "
    "BitsStored HighBit PixelRepresentation RescaleSlope RescaleIntercept PixelData"
).split()
# A chest slice has air (around the body, in the lungs) and soft tissue. Of a wrong scale neither is left.
GREYS = {"air or lung": (-1100, -500, 0.02), "soft tissue": (-200, 300, 0.05)}
GAP = 100  # HU above padding in which hardly a pixel lies; above air that is cut off there are many
FEW = 0.001  # of a slice's pixels
FAR, MOST = 400, 0.15  # HU that a pixel may differ from the next slice's, and the share that may differ more
RING = 2, 6  # pixels outside the outline: what its inside is compared with


def read_slice(path):
    """Read a slice (H, W) in HU: rows first, neither turned nor flipped, rounded and clipped to int16.

    A compression that cannot be decoded here is refused with the names of the packages that can.
    """
    from pydicom import dcmread

    try:
        with warnings.catch_warnings(action="ignore"):
            image = dcmread(path, specific_tags=list(TAGS))
            # Cut off where pixels are compressed, pydicom drops what it has read.
            if "PixelData" not in image:
                raise InputError(f"{path}: not a whole DICOM image (no pixels)")
            _check_decoder(path, image.file_meta.TransferSyntaxUID)
            slope, intercept = _rescale(path, image)
            stored = image.pixel_array
    except InputError:
        raise
    except Exception as error:  # each decoder has its own
        raise InputError(f"{path}: not a whole DICOM image ({' '.join(str(error).split())})") from error
    if stored.ndim != 2:
        raise InputError(f"{path}: shape {stored.shape}, expected one grey image (height, width)")
    return np.clip(np.rint(stored * slope + intercept), HU.min, HU.max).astype(np.int16)


def _rescale(path, image):
    """The factors that turn stored values into HU."""
    try:
        slope, intercept = float(image.RescaleSlope), float(image.RescaleIntercept)
    except (AttributeError, TypeError, ValueError) as error:
        raise InputError(f"{path}: no RescaleSlope and RescaleIntercept, expected both (HU)") from error
    if not (np.isfinite([slope, intercept]).all() and slope > 0):
        found = f"RescaleSlope {slope:g}, RescaleIntercept {intercept:g}"
        raise InputError(f"{path}: {found}, expected a slope above 0")
    return slope, intercept


def _check_decoder(path, syntax):
    """Refuse a compression that nothing here can decode, and name what could."""
    from pydicom.pixels import get_decoder

    if not syntax.is_compressed or syntax.is_deflated:
        return
    try:
        decoder = get_decoder(syntax)
    except NotImplementedError as error:
        raise InputError(f"{path}: compressed as {syntax.name}, which cannot be decoded") from error
    if not decoder.is_available:
        needed = " or ".join(text.split(" - requires ")[-1] for text in decoder.missing_dependencies)
        raise InputError(f"{path}: compressed as {syntax.name}, which needs another package: {needed}")


def check_greys(image, source):
    """Refuse a chest slice with hardly any pixel of air or lung, or of soft tissue: it is not in HU."""
    image = image[~is_padding(image)]
    for what, (low, high, least) in GREYS.items():
        share = ((image >= low) & (image <= high)).mean()
        if share < least:
            found = f"{share:.1%} of its pixels are {what} ({low} to {high})"
            raise InputError(f"{source}: not in HU: {found}, expected at least {least:.0%}")


def is_padding(image):
    """Where a slice is padding, bool (H, W): the level of its four corners, if no other level is near."""
    level, corners = image[0, 0], image[[0, 0, -1, -1], [0, -1, 0, -1]]
    near = ((image > level) & (image <= int(level) + GAP)).mean()
    alone = (corners == level).all() and level == image.min() and near < FEW
    return (image == level) & alone


def check_neighbours(image, others, source):
    """Refuse a slice that differs from those next to it as no anatomy does: another scale, or a lost part."""
    kept = ~is_padding(image)
    for other in (other for other in others if other.shape == image.shape):
        both = kept & ~is_padding(other)
        apart = np.abs(image[both].astype(int) - other[both])
        if (apart > FAR).mean() > MOST:
            found = (
                f"{(apart > FAR).mean():.0%} of its pixels differ by more than {FAR} HU from the next slice"
            )
            raise InputError(f"{source}: {found}, expected at most {MOST:.0%}: another scale, or a lost part")


def is_brighter(image, inside):
    """Say whether an outline is brighter inside than in the ring of 2 to 6 pixels around it."""
    from scipy import ndimage

    rows, columns = (np.flatnonzero(inside.any(axis=axis)) for axis in (1, 0))
    near = tuple(slice(max(side[0] - RING[1], 0), side[-1] + RING[1] + 1) for side in (rows, columns))
    image, inside = image[near], inside[near]
    away = ndimage.distance_transform_edt(inside == 0)
    ring = (away > RING[0]) & (away <= RING[1])
    return bool(image[inside == 1].mean() > image[ring].mean())
