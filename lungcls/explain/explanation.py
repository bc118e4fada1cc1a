"""Explain a stored run on a cohort: its maps in the pixels of the view, scored and exported."""

from dataclasses import dataclass
import logging
import os
from pathlib import Path

import numpy as np
import pandas as pd

from lungcls.cohorts import cohort as cohorts
from lungcls.errors import InputError
from lungcls.explain import gradcam, heat_maps, lime as lime_maps, sanity
from lungcls.files import code_digests, sha, whole_folder
from lungcls.metrics import localisation
from lungcls.preprocessing import padding
from lungcls.preprocessing.geometry import center_crop
from lungcls.runs import cache as pixels, keys, prediction

MODULES = ("explain", "explaining", "lime_maps", "localisation", "maps", "sanity", "zoomed")
BATCH = 64  # images that a network is asked about at once
CHUNK = 32  # cases whose maps are held at the size of the view
BEST, PLACES = "best on this grid", ("as it is", "off centre")
COLUMNS = (
    "case_id",
    "map",
    "place",
    "said",
    "zero",
    "hit",
    "share",
    "iou",
    "area",
    "ceiling",
    "concentration",
    "fit",
    "agreement",
)


# --- Where a run's images lie in a view ------------------------------------------------------


@dataclass(frozen=True)
class Field:
    """Which part of a view a run's images show, and the outlines in it.

    Attributes
    ----------
    view : str
        Whose pixels the corners count.
    corners : ndarray of shape (n, 4), int
        First row and column, and those behind the last; they may reach outside the view.
    masks : ndarray of shape (n, H, W), bool, or None
        Nodules in that part, in pixels of the view; those of a field of fixed size in the
        network's. None where the cohort has no outlines of the view.
    """

    view: str
    corners: np.ndarray
    masks: np.ndarray | None


def field_of(run, cohort):
    """Find which part of a view a run's images show.

    Parameters
    ----------
    run : lungcls.runs.store.Run
    cohort : Cohort

    Returns
    -------
    Field

    Raises
    ------
    InputError
        If the cohort lacks the view.
    """
    config = run.config
    images, _ = pixels.source(cohort, config)
    if pixels.zoom_options(config)["form"] == "fixed":
        return _fixed_field(images, cohort)
    view = config["view"]
    shape = np.array(images.shape[1:])
    side = np.array([config["settings"]["crop"]] * 2) if view == "nodule" else shape
    corner = (shape - side) // 2
    corners = np.tile([*corner, *(corner + side)], (len(cohort), 1))
    masks = cohort.masks.get(view)
    return Field(view, corners, None if masks is None else center_crop(masks[:] > 0, tuple(side)))


def _fixed_field(images, cohort):
    """The square of fixed size around each nodule, in the wider view that it is cut from."""
    corners, height = np.empty((len(cohort), 4), dtype=int), images.images.shape[1]
    outlines = cohort.masks.get(images.wider)
    masks = None if outlines is None else np.empty((len(cohort), images.size, images.size), dtype=bool)
    for i in range(len(cohort)):
        row, column = padding.locate(images.images[i], images.wide[i])
        side = max(1, round(images.field / images.spacing[i]))
        corners[i] = np.array([row, column] * 2) + (height - side) // 2 + [0, 0, side, side]
        if masks is not None:
            steps = ((np.arange(images.size) + 0.5) * side / images.size).astype(int)
            rows, columns = (np.clip(start + steps, 0, images.wide.shape[1] - 1) for start in corners[i, :2])
            masks[i] = outlines[i][np.ix_(rows, columns)] > 0
    return Field(images.wider, corners, masks)


# --- Maps of a run ---------------------------------------------------------------------------


def explain_run(run, cohort, *, layer=None, classes=None, model=None):
    """Explain a run on every case of a cohort.

    Parameters
    ----------
    run : lungcls.runs.store.Run
    cohort : Cohort
    layer, classes
        As in :func:`lungcls.explain.gradcam.grad_cam`.
    model : keras.Model, optional
        The run's network, if it is open.

    Returns
    -------
    lungcls.explain.gradcam.ClassMaps

    Raises
    ------
    InputError
        As :func:`lungcls.runs.prediction.images_of`, or if the layer does not exist.
    """
    images = prediction.images_of(run, cohort)
    try:
        return gradcam.grad_cam(model or prediction.open_model(run), images, layer=layer, classes=classes)
    except ValueError as error:
        raise InputError(f"{run.id}: {error}") from error


def export(run, cohort, path, *, layer=None):
    """Write the maps of a run with their coordinates, whole or not at all.

    Parameters
    ----------
    run : lungcls.runs.store.Run
    cohort : path
        A cohort folder; `malignancy` may be missing.
    path : path
        An `.npz` file; one that is there is replaced.
    layer : str, optional

    Returns
    -------
    lungcls.explain.gradcam.ClassMaps
        What was written: `maps` (n, h, w), `case_id`, `said` (0 or 1, or a score), `score`
        (before sigmoid or softmax), `zero`, `layer`, `view`, `run`, `corners` (n, 4), and
        `rows` (n, h) and `columns` (n, w): where the cells' middles lie, in pixels of the view.

    Raises
    ------
    InputError
        As :func:`explain_run`, or if the file cannot be written.
    """
    path, loaded = Path(path), cohorts.load(cohort, labels=False)
    found, field = explain_run(run, loaded, layer=layer), field_of(run, loaded)
    starts, ends = field.corners[:, :2, None], field.corners[:, 2:, None]
    middles = [(np.arange(cells) + 0.5) / cells for cells in found.values.shape[1:]]
    rows, columns = (starts[:, i] + middles[i] * (ends - starts)[:, i] - 0.5 for i in (0, 1))
    part = path.with_name(f".{path.name}-{os.getpid()}")
    try:
        with part.open("wb") as stream:
            np.savez_compressed(
                stream,
                maps=found.values,
                case_id=loaded.cases["case_id"].to_numpy(str),
                said=_said(run, found),
                score=found.scores,
                zero=found.zero,
                layer=found.layer,
                view=field.view,
                run=run.id,
                corners=field.corners,
                rows=rows,
                columns=columns,
            )
        os.replace(part, path)
    except OSError as error:
        part.unlink(missing_ok=True)
        raise InputError(f"{path}: cannot be written ({error.strerror})") from error
    return found


def _said(run, found):
    """Classes as tables have them: 0 or 1, or scores 1..5."""
    return found.classes + (run.config["task"] == "multiclass")


# --- Scores -----------------------------------------------------------------------------------


@dataclass(frozen=True)
class Explained:
    """Scores of a run's maps, case by case.

    Attributes
    ----------
    table : DataFrame
        A row a case, map and place: `map` is "Grad-CAM", a map that knows nothing, "LIME" or
        "LIME, pieces shuffled"; `place` is "as it is" or "off centre"; `said` is the class
        explained. `hit`, `share`, `iou`, `area` as in :func:`lungcls.metrics.localisation.heat_map_scores`;
        `ceiling` the most that `share` can be on that grid, or with those pieces, and
        `concentration` as in :func:`lungcls.metrics.localisation.concentration`. Of LIME also `fit` and `agreement`: the rank correlation of
        its weights with Grad-CAM over the pixels.
    lime : dict of str to lungcls.explain.lime.Pieces
        By case.
    layer : str
    grid : (int, int)
    why : str
        Why that layer.
    """

    table: pd.DataFrame
    lime: dict
    layer: str
    grid: tuple
    why: str


def explained(run, cohort, *, seed, lime_cases=8, store=None, progress=False):
    """Score the maps of a run; computed once, then read.

    Parameters
    ----------
    run : lungcls.runs.store.Run
    cohort : Cohort
        The cases to explain, usually the test part, with the outlines of the run's view.
    seed : int
        Of chance maps, shifts, and LIME's pieces and cases.
    lime_cases : int, default 8
        How many cases LIME explains, drawn at random.
    store : path, optional
        Where results are kept, in `.cache`; a folder that cannot be written is no error.
    progress : bool, default False

    Returns
    -------
    Explained

    Raises
    ------
    InputError
        If the cohort has no outlines of the view.
    """
    cache = None if store is None else Path(store) / ".cache"
    folder = None
    if cache is not None and os.access(Path(store), os.W_OK):
        parts = [
            run.config["key"],
            keys.cohort_fingerprint(cohort, cache / "cohorts"),
            seed,
            lime_cases,
            lime_maps.PIECES,
            lime_maps.SAMPLES,
            keys.engine(),
            code_digests("explain.explanation"),
        ]
        folder = cache / "explanations" / f"{run.id}-{sha(parts)[:12]}"
        if folder.exists():
            return _read(folder)
    found = _explain(run, cohort, seed, lime_cases, progress)
    if folder is not None:
        _write(found, folder)
    return found


def _explain(run, cohort, seed, lime_cases, progress):
    field = field_of(run, cohort)
    if field.masks is None:
        raise InputError(
            f"{cohort.folder or cohort.name}: no outlines of the view {field.view!r}, "
            f"expected {field.view}_mask.npy"
        )
    model = prediction.open_model(run)
    images = np.asarray(prediction.images_of(run, cohort)[np.arange(len(cohort))])
    case_ids, masks = cohort.cases["case_id"].to_numpy(), field.masks
    found = gradcam.grad_cam(model, images)
    tables = [_score_places(run, found, images, masks, case_ids, PLACES[0], seed)]
    middle = masks[:, masks.shape[1] // 2, masks.shape[2] // 2]
    if middle.mean() > 0.5:  # whoever points to the middle is right: look again where that fails
        by = heat_maps.offsets(len(images), images.shape[1], seed=seed)
        in_view = np.rint(by * np.array(masks.shape[1:]) / images.shape[1]).astype(int)
        moved = heat_maps.shift(images, by)
        seen = heat_maps.shift(masks, in_view, mirror=False)
        again = gradcam.grad_cam(model, moved)
        tables.append(_score_places(run, again, moved, seen, case_ids, PLACES[1], seed))
    chosen = np.sort(np.random.default_rng(seed).permutation(len(images))[:lime_cases])
    pieces = lime_maps.explain(
        predictor(model), images[chosen], found.classes[chosen], seed=seed, progress=progress
    )
    tables.append(_score_lime(run, found, chosen, pieces, masks, images.shape[1], case_ids, seed))
    table = pd.concat(tables, ignore_index=True).reindex(columns=list(COLUMNS))
    lime = dict(zip(case_ids[chosen].tolist(), pieces))
    return Explained(table, lime, found.layer, found.values.shape[1:], found.why)


def predictor(model):
    """Return a function from images to probabilities, one column a class, traced once.

    Parameters
    ----------
    model : keras.Model
        Of :mod:`lungcls.models`.

    Returns
    -------
    callable
    """
    import keras

    from lungcls.runs import features, stages

    logging.getLogger("tensorflow").setLevel(logging.ERROR)  # it warns of one trace for each network
    logits = keras.Model(model.input, model.get_layer("logits").output)

    def ask(images):
        parts = (
            np.asarray(images[start : start + BATCH], np.float32) for start in range(0, len(images), BATCH)
        )
        return stages.probabilities(np.concatenate([features.run(logits, part, BATCH) for part in parts]))

    return ask


def _score_places(run, found, images, masks, case_ids, place, seed):
    """Scores of Grad-CAM and of the maps that know nothing, all on the same grid."""
    grid = found.values.shape[1:]
    steep = heat_maps.edges(images[..., 0])
    blob = np.broadcast_to(heat_maps.centre_blob(grid), found.values.shape)
    ways = {
        "Grad-CAM": found.values,
        "centre blob": blob,
        "edges": heat_maps.upsample(steep, grid),
        "random": heat_maps.random_maps(len(images), grid, seed=seed),
        BEST: heat_maps.best_on_grid(masks, grid),
    }
    ceiling = heat_maps.cell_shares(masks, grid).reshape(len(masks), -1).max(axis=1)
    tables = []
    for name, values in ways.items():
        table = _score_chunks(values, masks).assign(case_id=case_ids, map=name, place=place, ceiling=ceiling)
        tables.append(table.assign(said=_said(run, found), zero=~(values > 0).any(axis=(1, 2))))
    together = pd.concat(tables, ignore_index=True)
    return together.assign(
        concentration=localisation.concentration(*together[["share", "area", "ceiling"]].T.values)
    )


def _score_chunks(values, masks):
    parts = [slice(start, start + CHUNK) for start in range(0, len(values), CHUNK)]
    cell = [pixels / cells for pixels, cells in zip(masks.shape[1:], values.shape[1:])]
    half = np.hypot(*cell) / 2  # from a cell's middle to its corner: a coarse map cannot point more exactly
    fine = (heat_maps.upsample(values[part], masks.shape[1:]).clip(0) for part in parts)
    scored = [localisation.heat_map_scores(some, masks[part], reach=half) for some, part in zip(fine, parts)]
    return pd.concat(scored, ignore_index=True)


def _score_lime(run, found, chosen, pieces, masks, side, case_ids, seed):
    """Scores of LIME's pieces, and of the same weights shuffled among them."""
    rng, rows, size = np.random.default_rng(seed), [], (side, side)
    to_view = np.ix_(*(np.arange(pixels) * side // pixels for pixels in masks.shape[1:]))
    for row, piece in zip(chosen.tolist(), pieces):
        of_view = piece.segments[to_view].ravel()  # the piece of each pixel of the view
        of_piece = np.bincount(of_view, masks[row].ravel()) / np.bincount(of_view).clip(1)
        cam = heat_maps.upsample(found.values[row], size)
        agreement = sanity.likeness(cam[None], piece.map[None])["rank"][0]
        ways = {"LIME": piece.weights, "LIME, pieces shuffled": rng.permutation(piece.weights)}
        for name, weights in ways.items():
            shown = weights.clip(0)[piece.segments][to_view]
            scored = localisation.heat_map_scores(shown[None], masks[row][None]).iloc[0].to_dict()
            rows.append(
                scored
                | {
                    "case_id": case_ids[row],
                    "map": name,
                    "place": PLACES[0],
                    "said": _said(run, found)[row],
                    "zero": not (shown > 0).any(),
                    "ceiling": of_piece.max(),
                    "fit": piece.fit,
                    "concentration": localisation.concentration(
                        scored["share"], scored["area"], of_piece.max()
                    ),
                    "agreement": agreement if name == "LIME" else np.nan,
                }
            )
    return pd.DataFrame(rows)


def per_case(table):
    """Lay out what the ledger of claims asks of each case.

    Parameters
    ----------
    table : DataFrame
        Of :class:`Explained`.

    Returns
    -------
    DataFrame, indexed by case_id
        `map_concentration`, `map_over_blob` (less the centre blob's; off centre where that was
        needed), `lime_concentration`, `lime_over_shuffled` and `lime_agreement`; NaN where a case
        has none.
    """
    wide = table.pivot(index="case_id", columns=["place", "map"], values="concentration")
    place = PLACES[1] if PLACES[1] in set(table["place"]) else PLACES[0]
    agreement = table[table["map"] == "LIME"].set_index("case_id")["agreement"]
    here, there = wide[PLACES[0]], wide[place]
    return pd.DataFrame(
        {
            "map_concentration": here["Grad-CAM"],
            "map_over_blob": there["Grad-CAM"] - there["centre blob"],
            "lime_concentration": here["LIME"],
            "lime_over_shuffled": here["LIME"] - here["LIME, pieces shuffled"],
            "lime_agreement": agreement.reindex(wide.index),
        }
    )


# --- On the disk --------------------------------------------------------------------------------


def _write(found, folder):
    with whole_folder(folder) as scratch:
        found.table.to_csv(scratch / "scores.csv", index=False, lineterminator="\n")
        names, pieces = list(found.lime), list(found.lime.values())
        np.savez_compressed(
            scratch / "lime.npz",
            case_id=np.array(names),
            fit=[one.fit for one in pieces],
            segments=[one.segments for one in pieces],
            layer=found.layer,
            grid=found.grid,
            why=found.why,
            **{f"weights{i}": one.weights for i, one in enumerate(pieces)},
        )


def _read(folder):
    table = pd.read_csv(folder / "scores.csv", dtype={"case_id": str}, float_precision="round_trip")
    with np.load(folder / "lime.npz") as stored:
        pieces = [
            lime_maps.Pieces(segments, stored[f"weights{i}"], float(fit))
            for i, (segments, fit) in enumerate(zip(stored["segments"], stored["fit"]))
        ]
        lime = dict(zip(stored["case_id"].tolist(), pieces))
        return Explained(
            table, lime, str(stored["layer"]), tuple(stored["grid"].tolist()), str(stored["why"])
        )
