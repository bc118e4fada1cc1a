"""The images of a run: preprocessed once, kept for all runs that see the same."""

import os

from filelock import FileLock
import numpy as np

from lungcls.cohorts import cohort as cohorts
from lungcls.errors import InputError
from lungcls.files import code_digests, sha
from lungcls.preprocessing import fixed_crop, padding, pipelines


def prepared(job, cohort, progress=False):
    """Preprocess the images of a job once, and keep them for all runs that see the same.

    Parameters
    ----------
    job : lungcls.runs.planning.Job
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
    parts, case_ids = config["parts"], cohort.cases["case_id"].tolist()  # all folds have the same cases
    code = code_digests("preprocessing.pipelines", "preprocessing.padding", "preprocessing.fixed_crop")
    digest = sha([parts["cohort"], case_ids, view, pixel_options(config), zoom_options(config), code])
    path = job.cache / "images" / f"{digest[:32]}.npy"
    if not path.exists():
        path.parent.mkdir(parents=True, exist_ok=True)
        with FileLock(path.with_suffix(".lock")):
            if not path.exists():
                _preprocess(path, cohort, config, progress)
    return np.load(path, mmap_mode="r"), digest


def _preprocess(path, cohort, config, progress):
    options = pixel_options(config)
    images, pipeline = source(cohort, config, progress=progress)
    part = path.with_suffix(".part")
    shape = (len(cohort), options["size"], options["size"], 1)
    try:
        out = np.lib.format.open_memmap(part, "w+", np.float32, shape)
        _reserve(part)
        pipelines.preprocess(images, pipeline, **options, out=out, progress=progress)
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
    """The preprocessing of a run, as options of :func:`lungcls.preprocessing.pipelines.preprocess`."""
    settings = config["settings"]
    return {"size": settings["image_size"], **{name: settings[name] for name in ("crop", "contrast", "gain")}}


def zoom_options(config):
    """What a run makes of the zoomed view before it is preprocessed, as a dict: its form and field."""
    settings = config["settings"]
    form = settings.get("bands", "kept")  # a run of an earlier version has none
    return {"form": form, "field": settings["field_mm"]} if form == "fixed" else {"form": form}


def source(cohort, config, *, progress=False):
    """Open the images that a run preprocesses, and say by which pipeline; both are checked.

    Parameters
    ----------
    cohort : Cohort
    config : dict
        Of a job or a run.
    progress : bool, default False

    Returns
    -------
    images : Images or Zoomed
        Of shape (n, H, W).
    pipeline : str
        The view whose pipeline they take: a field of fixed size is cropped no more.

    Raises
    ------
    InputError
        If the cohort lacks what `bands` needs, or an image cannot be used.
    """
    view, options, zoom = config["view"], pixel_options(config), zoom_options(config)
    check_view(cohort, view, options, progress=progress)
    if zoom["form"] == "kept":
        return cohort.views[view], view
    images = Zoomed(cohort, options["size"], **zoom)
    if images.wide is not None:
        check_view(cohort, images.wider, options, progress=progress)
    return images, "context" if zoom["form"] == "fixed" else view


class Zoomed:
    """The zoomed view of a cohort in another form, made when it is asked for.

    Parameters
    ----------
    cohort : Cohort
    size : int
        Side of a field of fixed size, in pixels.
    form : {"filled", "only", "fixed"}
    field : float, optional
        Side of that field, in mm.

    Raises
    ------
    InputError
        If the cohort lacks a wider view, or "fixed" the size of a pixel.
    """

    def __init__(self, cohort, size, form, field=None):
        self.cohort, self.size, self.form, self.field = cohort, size, form, field
        self.images = cohort.views["nodule"]
        self.wider = next((view for view in padding.WIDER if view in cohort.views), None)
        self.wide = None if form == "only" else cohort.views.get(self.wider)
        where = cohort.folder or cohort.name
        if form != "only" and self.wide is None:
            raise InputError(
                f"bands: found {form!r} for {where}, which has no wider view, expected "
                f"{' or '.join(f'{view}.npy' for view in padding.WIDER)}"
            )
        if form == "fixed":
            self.spacing = cohort.cases.get("pixel_spacing_mm", np.full(len(cohort), np.nan))
            self.spacing = np.asarray(self.spacing, dtype=float)
            if not (self.spacing > 0).all():
                row = int(np.argmin(self.spacing > 0))
                raise InputError(
                    f"{where}: cases.csv, row {row + 1}: no pixel_spacing_mm above 0, "
                    f"expected one for bands={form}"
                )
        side = (size, size) if form == "fixed" else self.images.shape[1:]
        self.shape = (len(cohort), *side)

    @property
    def array(self):
        """The larger file behind them: :func:`lungcls.preprocessing.pipelines.preprocess` lets its pages go."""
        return (self.images if self.wide is None else self.wide).array

    def __len__(self):
        return len(self.images)

    def __getitem__(self, rows):
        images = self.images[rows]
        if self.form == "only":
            return padding.bands_only(images)
        try:
            if self.form == "filled":
                return padding.fill_bands(images, self.wide[rows])
            return fixed_crop.fixed_field(
                images, self.wide[rows], spacing=self.spacing[rows], field=self.field, size=self.size
            )
        except ValueError as error:
            raise InputError(
                f"{self.cohort.folder or self.cohort.name}: {self.wider}.npy: {error}"
            ) from error


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
        raise InputError(
            f"crop: found {options['crop']} with nodule images of {side} pixels, expected at most {side}"
        )
    cohorts.check_pixels(
        cohorts.Cohort(cohort.cases, {view: images}, {}, cohort.info, cohort.folder), progress=progress
    )
