"""Does a run look at the nodule? Its maps scored case by case, beside maps that know nothing.

Grad-CAM and LIME are held against the readers' outlines. A nodule in the middle of its image
is found by whatever points to the middle, so images are also shifted off the centre.
"""

from dataclasses import replace

import numpy as np
import pandas as pd

from lungcls.errors import InputError
from lungcls.explain import explanation, gradcam, heat_maps, lime, placement, sanity
from lungcls.metrics import localisation
from lungcls.runs import prediction

CHUNK = 32  # cases whose maps are held at the size of the view
BEST, PLACES = "best on this grid", ("as it is", "off centre")
COLUMNS = "case_id map place predicted zero hit share iou area ceiling concentration fit agreement".split()


def score_maps(run, cohort, *, seed, lime_cases=8, view=None):
    """Score the maps of a run against the readers' outlines.

    Parameters
    ----------
    run : lungcls.runs.store.Run
    cohort : Cohort
        The cases to explain, usually the test part, with the outlines of the run's view.
    seed : int
        Of chance maps, shifts, and LIME's pieces and cases.
    lime_cases : int, default 8
        How many cases LIME explains, drawn at random.
    view : str, optional
        On which of its inputs; needed where the run joins several views. The others stay as they are.

    Returns
    -------
    DataFrame, one row a case, `map` and `place` ("as it is" or "off centre")
        `predicted` is the class explained. `hit`, `share`, `iou`, `area` and `concentration` as in
        :mod:`lungcls.metrics.localisation`; `ceiling` is the most that `share` can be on that grid,
        or with those pieces. Of LIME also `fit`, and `agreement`: the rank correlation with Grad-CAM.
        `layer` and `cells` (on a side) say which grid.

    Raises
    ------
    InputError
        If the cohort has no outlines of the view.

    Examples
    --------
    >>> from lungcls import runs, sources
    >>> data = sources.open_cohort("phantom", profile="smoke")
    >>> small = {"view": "nodule", "model": "cnn", "profile": "smoke", "progress": False}
    >>> run = runs.train(data, task="binary", **small)
    >>> found = score_maps(run, data.select([0, 1, 2]), seed=0, lime_cases=0)
    >>> "Grad-CAM" in set(found["map"])
    True
    """
    crop = placement.crop_in_view(run, cohort, view)
    if crop.masks is None:
        missing = f"no outlines of the view {crop.view!r}, expected {crop.view}_mask.npy"
        raise InputError(f"{cohort.folder or cohort.name}: {missing}")
    model, masks = prediction.open_model(run), crop.masks
    found = explanation.explain_run(run, cohort, view=view, model=model)
    found = replace(found, images=np.asarray(found.images[np.arange(len(cohort))]))
    tables = [_score_grid(run, found, masks, PLACES[0], seed)]
    # where whoever points to the middle is right, look again off the centre
    if masks[:, masks.shape[1] // 2, masks.shape[2] // 2].mean() > 0.5:
        by = heat_maps.offsets(len(masks), found.images.shape[1], seed=seed)
        in_view = np.rint(by * np.array(masks.shape[1:]) / found.images.shape[1]).astype(int)
        moved = gradcam.grad_cam(model, heat_maps.shift(found.images, by), layer=found.layer)
        tables.append(_score_grid(run, moved, heat_maps.shift(masks, in_view, mirror=False), PLACES[1], seed))
    chosen = np.sort(np.random.default_rng(seed).permutation(len(masks))[:lime_cases])
    pieces = _pieces(explanation.predictor(model), found, chosen, seed)
    table = pd.concat([*tables, *_score_lime(run, found, pieces, masks, seed)])
    case_ids = cohort.cases["case_id"].to_numpy()
    concentration = localisation.concentration(*table[["share", "area", "ceiling"]].T.values)
    table = table.assign(case_id=case_ids[table.index], concentration=concentration)
    table = table.reindex(columns=COLUMNS).reset_index(drop=True)
    return table.assign(layer=found.layer, cells=found.values.shape[1])


def _score_grid(run, found, masks, place, seed):
    """Scores of Grad-CAM and of the maps that know nothing, all on the same grid; a row a case and map."""
    grid = found.values.shape[1:]
    ways = {
        "Grad-CAM": found.values,
        "centre blob": np.broadcast_to(heat_maps.centre_blob(grid), found.values.shape),
        "edges": heat_maps.upsample(heat_maps.edges(found.images[..., found.channel]), grid),
        "random": heat_maps.random_maps(len(masks), grid, seed=seed),
        BEST: heat_maps.best_on_grid(masks, grid),
    }
    ceiling = heat_maps.cell_shares(masks, grid).reshape(len(masks), -1).max(axis=1)
    known = {"place": place, "ceiling": ceiling, "predicted": explanation.predicted(run, found)}
    return pd.concat([_score_maps(maps, masks).assign(map=name, **known) for name, maps in ways.items()])


def _score_maps(values, masks):
    """Scores of maps (n, h, w) against masks (n, H, W), some cases at a time."""
    cell = np.divide(masks.shape[1:], values.shape[1:])
    half = np.hypot(*cell) / 2  # from a cell's middle to its corner: a coarse map cannot point more exactly
    parts = [slice(start, start + CHUNK) for start in range(0, len(values), CHUNK)]
    fine = ((heat_maps.upsample(values[part], masks.shape[1:]).clip(0), masks[part]) for part in parts)
    table = pd.concat([localisation.heat_map_scores(*pair, reach=half) for pair in fine], ignore_index=True)
    return table.assign(zero=~(values > 0).any(axis=(1, 2)))


def _pieces(predict, found, chosen, seed):
    """LIME's pieces of some cases, by row, on the channel of the maps; the other channels stay."""
    made = {}
    for row in chosen.tolist():

        def answer(batch, image=found.images[row]):
            whole = np.repeat(image[None], len(batch), axis=0)
            whole[..., found.channel] = batch[..., 0]
            return predict(whole)

        one = found.images[[row], ..., found.channel][..., None]
        [made[row]] = lime.lime_pieces(answer, one, found.classes[[row]], seed=seed)
    return made


def _score_lime(run, found, pieces, masks, seed):
    """Scores of LIME's pieces, by the row of their case, and of the same weights shuffled among them."""
    rng, (height, width), size = np.random.default_rng(seed), masks.shape[1:], found.images.shape[1:3]
    to_view = np.ix_(np.arange(height) * size[0] // height, np.arange(width) * size[1] // width)
    for row, piece in pieces.items():
        of_view = piece.segments[to_view].ravel()  # the piece of each pixel of the view
        of_piece = np.bincount(of_view, masks[row].ravel()) / np.bincount(of_view).clip(1)
        cam = heat_maps.upsample(found.values[row], size)
        agreement = sanity.similarity(cam[None], piece.map[None])["rank"][0]
        ways = {"LIME": piece.weights, "LIME, pieces shuffled": rng.permutation(piece.weights)}
        known = {"place": PLACES[0], "ceiling": of_piece.max(), "fit": piece.fit}
        known |= {"predicted": explanation.predicted(run, found)[row]}
        for name, weights in ways.items():
            shown = weights.clip(0)[piece.segments][to_view]
            known |= {"map": name, "zero": not (shown > 0).any()}
            known |= {"agreement": agreement if name == "LIME" else np.nan}
            yield localisation.heat_map_scores(shown[None], masks[[row]]).set_axis([row]).assign(**known)
