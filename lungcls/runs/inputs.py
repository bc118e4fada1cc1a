"""What a run sees of a cohort: images and masks, made on demand or kept for all that see the same."""

import numpy as np

from lungcls.cohorts import cohort as cohorts
from lungcls.errors import InputError
from lungcls.preprocessing import fixed_crop, geometry, padding, pipelines
from lungcls.preprocessing.images import Derived, release
from lungcls.runs import cache


def check(cohort, config):
    """Refuse a cohort that lacks what a run sees, before anything is trained or predicted."""
    view, where = config["view"], cohort.folder or cohort.name
    if view not in cohort.views:
        raise InputError(f"view: {where} has no {view!r}, expected one of {', '.join(cohort.views)}")
    form, window = form_of(config), config["settings"].get("window")
    allowed = {"nodule": (form,), "context": ("kept", "fixed")}.get(view, ("kept",))
    if form not in allowed:
        expected = f"{' or '.join(allowed)}: only the zoomed nodule has padding"
        raise InputError(f"padding: found {form!r} with the view {view!r}, expected {expected}")
    if window and (form != "kept" or cohort.views[view].dtype.kind == "u"):
        found = f"{view}.npy with {cohort.views[view].dtype} grey levels and padding {form}"
        raise InputError(f"window: found {found}, expected Hounsfield units and padding kept")
    if config["model"] == "ensemble":
        cohort.spacing()


def form_of(config):
    """The form of the zoomed view: "kept", "filled", "only" or "fixed"."""
    return config["settings"].get(
        "padding", "kept"
    )  # neither an ensemble nor a run of an early version has it


def wider_view(cohort, form):
    """Name of the widest view that holds the zoomed picture pixel for pixel, judged by the first case."""
    found = [view for view in padding.WIDER if view in cohort.views]
    if not found:
        files = " or ".join(f"{view}.npy" for view in padding.WIDER)
        where = cohort.folder or cohort.name
        raise InputError(f"padding: found {form!r} for {where}, which has no wider view, expected {files}")
    return next((view for view in found if _holds(cohort, view)), found[-1])


def _holds(cohort, view):
    try:
        padding.locate(cohort.views["nodule"][0], cohort.views[view][0])
    except ValueError:
        return False
    return True


# --- Images -----------------------------------------------------------------------------


def images_of(cohort, config, *, progress=False):
    """A cohort's images as a run sees them: rows (n, size, size, 1), float32 in [0, 1], made on demand."""
    size = config["settings"]["image_size"]
    if config["model"] == "ensemble":
        check_view(cohort, config["view"], progress=progress)
        return _squares(cohort, config)
    images, pipeline = source(cohort, config, progress=progress)
    options = pixel_options(config)

    def make(rows):
        return pipelines.preprocess(images[rows], pipeline, **options)

    return Derived(make, (len(cohort), size, size, 1), source=images)


def prepared(job, cohort, *, progress=False):
    """The images of a job, memory-mapped and kept, and the digest of their content."""
    config, images = job.config, images_of(cohort, job.config, progress=progress)

    def make(start, stop):
        rows = images[start:stop]
        release(images)
        return rows

    parts, case_ids = config["parts"], cohort.cases["case_id"].tolist()  # all folds have the same cases
    content = [parts["cohort"], case_ids, config["view"], _shaping(config)]
    options = {"entry": "runs.inputs", "title": f"images, {config['view']}", "progress": progress}
    return cache.array(job.cache / "images", content, images.shape, make, **options)


def _shaping(config):
    """The settings that shape the images of a run."""
    crop_mm = config["settings"].get("crop_mm")
    if config["model"] == "ensemble":
        return {"size": config["settings"]["image_size"], "crop_mm": crop_mm}
    form = form_of(config)
    return pixel_options(config) | {"padding": form} | ({"crop_mm": crop_mm} if form == "fixed" else {})


def pixel_options(config):
    """The preprocessing of one network, as options of :func:`lungcls.preprocessing.pipelines.preprocess`."""
    settings = config["settings"]
    options = {name: settings[name] for name in ("crop", "contrast", "gain")}
    options |= {"window": settings["window"]} if settings.get("window") else {}
    return {"size": settings["image_size"], **options}


def source(cohort, config, *, progress=False):
    """The images (n, H, W) that one network preprocesses, and the view whose pipeline they take.

    Both are checked.
    """
    view, form, options = config["view"], form_of(config), pixel_options(config)
    check_view(cohort, view, crop=options["crop"] if view == "nodule" else None, progress=progress)
    images = cohort.views[view]
    if form == "kept":
        return images, view
    if form == "only":
        return Derived(lambda rows: padding.alone(images[rows]), images.shape, np.uint8, images), view
    if view == "context":
        squares = _squares(cohort, config)
        return Derived(lambda rows: squares[rows][..., 0], squares.shape[:3], source=squares), view
    wide = _from_wider(cohort, config, wider_view(cohort, form), progress)
    return wide, view if form == "filled" else "context"  # a fixed crop is cropped no more


def _squares(cohort, config):
    """The square of fixed size in mm around the middle of each image, (n, size, size, 1)."""
    settings = config["settings"]
    options = {"crop_mm": settings["crop_mm"], "size": settings["image_size"]}
    return fixed_crop.crops(cohort.views[config["view"]], cohort.spacing(), **options)


def _from_wider(cohort, config, wider, progress):
    """Zoomed nodules with what lies around them: padding filled (n, H, W), or fixed (n, size, size)."""
    images, wide, filled = cohort.views["nodule"], cohort.views[wider], form_of(config) == "filled"
    options = {"crop_mm": config["settings"]["crop_mm"], "size": config["settings"]["image_size"]}
    check_view(cohort, wider, progress=progress)
    pixel = None if filled else cohort.spacing()

    def make(rows):
        try:
            if filled:
                return padding.filled(images[rows], wide[rows])
            return fixed_crop.cut_from_wider(images[rows], wide[rows], spacing=pixel[rows], **options)
        except ValueError as error:
            raise InputError(f"{cohort.folder or cohort.name}: {wider}.npy: {error}") from error

    if filled:
        return Derived(make, images.shape, wide.dtype, wide)
    return Derived(make, (len(cohort), options["size"], options["size"]), source=wide)


def check_view(cohort, view, *, crop=None, progress=False):
    """Refuse images that are too small for the crop, not finite or of one grey level.

    The message names the row.
    """
    images = cohort.views[view]
    side = min(images.shape[1:])
    if crop is not None and side < crop:
        raise InputError(f"crop: found {crop} with nodule images of {side} pixels, expected at most {side}")
    alone = cohorts.Cohort(cohort.cases, {view: images}, {}, cohort.info, cohort.folder)
    cohorts.check_pixels(alone, progress=progress)


# --- Masks ------------------------------------------------------------------------------


def masks_of(cohort, config):
    """A cohort's nodule masks as a run's images are, (n, size, size, 1) bool.

    At least half of a pixel is nodule.
    """
    view, settings = config["view"], config["settings"]
    if view not in cohort.masks:
        where = f"{cohort.folder or cohort.name}: no mask of the view {view!r}"
        raise InputError(f"{where}, that of the run; expected a cohort with {view}_mask.npy")
    masks, size = cohort.masks[view][np.arange(len(cohort))], settings["image_size"]
    if config["model"] == "ensemble" or (view == "context" and form_of(config) == "fixed"):
        options = {"spacing": cohort.spacing(), "crop_mm": settings["crop_mm"], "size": size}
        return fixed_crop.cut(masks, **options)[..., None] >= 0.5
    masks = np.asarray(masks > 0, dtype=np.float32)
    masks = geometry.center_crop(masks, settings["crop"]) if view == "nodule" else masks
    return geometry.resize(masks, size)[..., None] >= 0.5
