"""Where the images of a run lie in a view of the cohort, and the nodules in them.

A network sees a crop of a view, scaled to its own size. Maps are scored and exported in the
pixels of the view, so that they can be held against outlines and drawn on the CT.
"""

from dataclasses import dataclass

import numpy as np

from lungcls.preprocessing import padding
from lungcls.preprocessing.geometry import center_crop
from lungcls.runs import inputs


@dataclass(frozen=True)
class CropInView:
    """Which part of a view a run's images show, and the nodules in it."""

    view: str  # whose pixels the corners count
    corners: np.ndarray  # (n, 4): first row and column, and those behind the last; may lie outside it
    masks: np.ndarray | None  # (n, H, W), bool, of that part, in pixels of the view or of a fixed-size crop

    def cell_middles(self, grid):
        """Rows (n, h) and columns (n, w) where the middles of a grid's cells lie, in pixels of the view."""
        starts, ends = self.corners[:, :2, None], self.corners[:, 2:, None]
        middles = [(np.arange(cells) + 0.5) / cells for cells in grid]
        return tuple(starts[:, i] + middles[i] * (ends - starts)[:, i] - 0.5 for i in (0, 1))


def crop_in_view(run, cohort, view=None):
    """CropInView of a run's images of a cohort; an InputError if it lacks the view.

    Where a run joins several views, `view` names one.
    """
    config = inputs.of_view(run.config, view)
    view, settings = config["view"], config["settings"]
    images = cohort.images(view)
    if inputs.form_of(config) == "fixed" and view == "context":
        return _middle(config, cohort)
    if inputs.form_of(config) == "fixed":
        return _fixed_crop(cohort, images, inputs.wider_view(cohort, "fixed"), settings)
    shape = np.array(images.shape[1:])
    side = np.array([settings["crop"]] * 2) if view == "nodule" else shape
    corner = (shape - side) // 2
    corners = np.tile([*corner, *(corner + side)], (len(cohort), 1))
    masks = cohort.masks.get(view)
    return CropInView(view, corners, None if masks is None else center_crop(masks[:] > 0, tuple(side)))


def _middle(config, cohort):
    """The square of fixed size in mm around the middle of the context window."""
    shape = np.array(cohort.images("context").shape[1:])
    half = (config["settings"]["crop_mm"] / cohort.spacing() / 2)[:, None]
    masks = inputs.masks_of(cohort, config)[..., 0] if "context" in cohort.masks else None
    return CropInView("context", np.hstack([shape / 2 - half, shape / 2 + half]), masks)


def _fixed_crop(cohort, images, wider, settings):
    """The fixed-size crop around each nodule, in the wider view that it is cut from."""
    corners, masks, outlines, wide = [], [], cohort.masks.get(wider), cohort.views[wider]
    sides = np.maximum(1, np.round(settings["crop_mm"] / cohort.spacing())).astype(int)
    size, last = settings["image_size"], wide.shape[1] - 1
    for i, side in enumerate(sides):
        middle = (images.shape[1] - side) // 2
        row, column = padding.locate(images[i], wide[i])
        corners.append(np.array([row, column] * 2) + middle + [0, 0, side, side])
        if outlines is not None:
            steps = ((np.arange(size) + 0.5) * side / size).astype(int)
            rows, columns = (np.clip(start + steps, 0, last) for start in corners[i][:2])
            masks.append(outlines[i][np.ix_(rows, columns)] > 0)
    return CropInView(wider, np.array(corners), None if outlines is None else np.array(masks))
