"""What a run sees of a cohort: images and masks, made on demand or kept for all that see the same."""

import numpy as np

from lungcls.cohorts import cohort as cohorts
from lungcls.errors import InputError
from lungcls.files import sha
from lungcls.preprocessing import fixed_crop, geometry, padding, pipelines
from lungcls.preprocessing.images import Derived, release
from lungcls.runs import cache


def views_of(config):
    """The views of a run, in order: those of "full_slice+nodule" are two."""
    return config["view"].split("+")


def by_view(config):
    """The configuration of a run for each of its views, as if it had no other; padding is the nodule's."""
    views, settings = views_of(config), config["settings"]
    padded = [view for view in views if view == "nodule"] or views[:1]
    others = settings | {"padding": "kept"}
    return [config | {"view": view, "settings": settings if view in padded else others} for view in views]


def of_view(config, view=None):
    """The configuration of one view of a run; where it has several, `view` has to name it."""
    found = {one["view"]: one for one in by_view(config)}
    if view is None and len(found) == 1:
        return config
    if view not in found:
        raise InputError(f"view: found {view!r} for {config['id']}, expected one of {', '.join(found)}")
    return found[view]


def check(cohort, config):
    """Refuse a cohort that lacks what a run sees, before anything is trained or predicted."""
    views = views_of(config)
    if len(views) > 1 and (config["model"] == "ensemble" or len(set(views)) < len(views)):
        expected = "different views and a model other than ensemble"
        raise InputError(f"view: found {config['view']!r} for {config['model']}, expected {expected}")
    for one in by_view(config):
        _check(cohort, one)


def _check(cohort, config):
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
    """A cohort's images as a run sees them: rows (n, size, size, views), float32 in [0, 1]."""
    if len(views_of(config)) > 1:
        return _joined([images_of(cohort, one, progress=progress) for one in by_view(config)])
    _check(cohort, config)
    size = config["settings"]["image_size"]
    if config["model"] == "ensemble":
        check_view(cohort, config["view"], progress=progress)
        return _squares(cohort, config)
    images, pipeline = source(cohort, config, progress=progress)
    options = pixel_options(config)

    def make(rows):
        return pipelines.preprocess(images[rows], pipeline, **options)

    return Derived(make, (len(cohort), size, size, 1), source=images)


def _joined(arrays):
    """Images of several views as the channels of one array, made on demand."""
    shape = (*arrays[0].shape[:3], len(arrays))
    return Derived(lambda rows: np.concatenate([array[rows] for array in arrays], axis=3), shape)


def prepared(job, cohort, *, progress=False):
    """The images of a job, memory-mapped and kept view by view, and the digest of their content."""
    made = [_prepared(job, one, cohort, progress) for one in by_view(job.config)]
    arrays, digests = zip(*made, strict=True)
    return made[0] if len(made) == 1 else (_joined(arrays), sha(digests))


def _prepared(job, config, cohort, progress):
    images = images_of(cohort, config, progress=progress)

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
    view, form = config["view"], form_of(config)
    if view == "nodule":
        geometry.center_crop(cohort.views[view][:1], config["settings"]["crop"])  # one that fits
    check_view(cohort, view, progress=progress)
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


def check_view(cohort, view, *, progress=False):
    """Refuse images that are not finite or of one grey level; the message names the row."""
    alone = cohorts.Cohort(cohort.cases, {view: cohort.views[view]}, {}, cohort.info, cohort.folder)
    cohorts.check_pixels(alone, progress=progress)


# --- Masks ------------------------------------------------------------------------------


def masks_of(cohort, config):
    """A cohort's nodule masks as a run's images are, (n, size, size, views) bool.

    At least half of a pixel is nodule.
    """
    if len(views_of(config)) > 1:
        return np.concatenate([masks_of(cohort, one) for one in by_view(config)], axis=3)
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
