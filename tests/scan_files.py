"""One small volume with a bright blob, written as DICOM or NRRD, and points as 3D Slicer writes them."""

import json

import nrrd
import numpy as np
from pydicom.dataset import FileDataset, FileMetaDataset
from pydicom.uid import CTImageStorage, ExplicitVRLittleEndian

SIDE, SLICES, MM, STEP = 160, 6, 0.75, 2.5
CORNER = np.array([-60.0, -150.0, -70.0])  # x, y, z of the pixel nearest to the right, the front and the feet
BLOB = CORNER + (70 * MM, 85 * MM, 2 * STEP)  # column 70, row 85, slice 2
UPRIGHT = (1, 0, 0, 0, 1, 0)


def body():
    """A volume (slices, rows, columns) in HU: soft tissue with lungs, noise, and a blob, feet first."""
    volume = np.random.default_rng(0).integers(-40, 60, (SLICES, SIDE, SIDE))
    volume[:, 30:130, 20:140] -= 850
    volume[2, 85, 70] = 900
    return volume.astype(np.int16)


def write_dicom(folder, volume=None, *, orientation=UPRIGHT, uid="1.2.3", drop=(), **changed):
    """Write a volume as slices whose rows and columns run along an orientation, each with its own rescale."""
    volume = body() if volume is None else volume
    folder.mkdir(parents=True, exist_ok=True)
    along, down = np.reshape(orientation, (2, 3))
    across = np.array([along.sum(), down.sum()])
    for k, image in enumerate(volume):
        if k in drop:
            continue
        meta = FileMetaDataset()
        meta.TransferSyntaxUID, meta.MediaStorageSOPClassUID = ExplicitVRLittleEndian, CTImageStorage
        meta.MediaStorageSOPInstanceUID = f"{uid}.{k}"
        one = FileDataset(None, {}, file_meta=meta, preamble=b"\0" * 128)
        one.SOPClassUID, one.SOPInstanceUID, one.SeriesInstanceUID = CTImageStorage, f"{uid}.{k}", uid
        one.ImageOrientationPatient, one.InstanceNumber = [float(x) for x in orientation], SLICES - k
        first = CORNER + (0, 0, k * STEP) + (across < 0) @ np.abs([along, down]) * (SIDE - 1) * MM
        one.ImagePositionPatient = [float(x) for x in first]
        one.PixelSpacing, one.SliceThickness = [MM, MM], STEP
        one.Rows = one.Columns = SIDE
        one.RescaleSlope, one.RescaleIntercept = 1, -1024 - k
        one.SamplesPerPixel, one.PhotometricInterpretation = 1, "MONOCHROME2"
        one.BitsAllocated, one.BitsStored, one.HighBit, one.PixelRepresentation = 16, 16, 15, 0
        for name, value in changed.items():
            setattr(one, name, value) if value is not None else delattr(one, name)
        turned = image[:: -1 if across[1] < 0 else 1, :: -1 if across[0] < 0 else 1]
        one.PixelData = (turned + 1024 + k).astype(np.uint16).tobytes()
        one.save_as(folder / f"{(5 * k) % 7}-{uid}.dcm", enforce_file_format=True)
    return folder


def write_nrrd(
    path, volume=None, *, turn=(1, 1, 1), order=(0, 1, 2), space="left-posterior-superior", **header
):
    """Write a volume with its axes (x, y, z) flipped and in another order; directions say so."""
    values = (body() if volume is None else volume).transpose(2, 1, 0)
    origin, directions = CORNER.copy(), np.diag([MM, MM, STEP])
    for axis, sign in enumerate(turn):
        if sign < 0:
            origin = origin + directions[axis] * (values.shape[axis] - 1)
            directions[axis] *= -1
            values = np.flip(values, axis)
    signs = (-1, -1, 1) if space.startswith("right-anterior") else (1, 1, 1)
    about = {
        "space": space,
        "space directions": directions[list(order)] * signs,
        "space origin": origin * signs,
    }
    nrrd.write(str(path), values.transpose(order), about | header)
    return path


def markups(path, system, *positions):
    points = [{"label": f"F-{i}", "position": place} for i, place in enumerate(positions, start=1)]
    points.append({"label": "not placed", "position": None, "positionStatus": "undefined"})
    listed = {"type": "Fiducial", "coordinateSystem": system, "controlPoints": points}
    path.write_text(json.dumps({"markups": [listed]}))
    return path
