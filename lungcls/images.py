"""The images of a run: preprocessed once, kept for all runs that see the same."""

import os

from filelock import FileLock
import numpy as np

from lungcls import cohort as cohorts
from lungcls import keys, preprocessing
from lungcls.errors import InputError


def prepared(job, cohort, progress=False):
    """Preprocess the images of a job once, and keep them for all runs that see the same.

    Parameters
    ----------
    job : lungcls.jobs.Job
    cohort : Cohort
        The chosen cases.
    progress : bool, default False

    Returns
    -------
    images : memmap of shape (n, size, size, 1), float32 in [0, 1]
    digest : str
        Names their content.

    Raises
    ------
    InputError
        Naming the file and the row if an image cannot be used.
    """
    config, view = job.config, job.config["view"]
    options = pixel_options(config)
    parts, case_ids = config["parts"], cohort.cases["case_id"].tolist()  # all folds have the same cases
    digest = keys.sha([parts["cohort"], case_ids, view, options, parts["code"]["preprocessing"]])
    path = job.cache / "images" / f"{digest[:32]}.npy"
    if not path.exists():
        path.parent.mkdir(parents=True, exist_ok=True)
        with FileLock(path.with_suffix(".lock")):
            if not path.exists():
                _preprocess(path, cohort, view, options, progress)
    return np.load(path, mmap_mode="r"), digest


def _preprocess(path, cohort, view, options, progress):
    check_view(cohort, view, options, progress=progress)
    part = path.with_suffix(".part")
    shape = (len(cohort), options["size"], options["size"], 1)
    try:
        out = np.lib.format.open_memmap(part, "w+", np.float32, shape)
        _reserve(part)
        preprocessing.preprocess(cohort.views[view], view, **options, out=out, progress=progress)
        out.flush()
        os.replace(part, path)
    except OSError:
        part.unlink(missing_ok=True)
        raise


def _reserve(path):
    """Claim a file's room on the disk, so that a full one is an error now and no crash later."""
    if hasattr(os, "posix_fallocate"):
        with path.open("r+b") as stream:
            os.posix_fallocate(stream.fileno(), 0, path.stat().st_size)


def pixel_options(config):
    """The preprocessing of a run, as options of :func:`lungcls.preprocessing.preprocess`."""
    settings = config["settings"]
    return {"size": settings["image_size"], **{name: settings[name] for name in ("crop", "contrast", "gain")}}


def check_view(cohort, view, options, *, progress=False):
    """Refuse images that are too small for the crop, not finite or of one grey level.

    Raises
    ------
    InputError
        Naming the file and the row.
    """
    images = cohort.views[view]
    side = min(images.shape[1:])
    if view == "nodule" and side < options["crop"]:
        raise InputError(f"crop: found {options['crop']} with nodule images of {side} pixels, "
                         f"expected at most {side}")
    cohorts.check_pixels(cohorts.Cohort(cohort.cases, {view: images}, {}, cohort.info, cohort.folder),
                         progress=progress)
