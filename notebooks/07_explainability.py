# ---
# jupyter:
#   kernelspec:
#     display_name: Python 3
#     language: python
#     name: python3
# ---

# %% [markdown]
# # Where the networks look
#
# A network gives a score and no reason. The report lays two kinds of heat map over its images: Grad-CAM and
# LIME (section 5.3.1). It reads from them that attention stays on the nodule in zoomed pictures and spreads
# over the chest in full slices, and that this is one cause of wrong answers.
#
# Such a map always looks as if it meant something. This chapter draws the same maps, and then asks them
# questions that a picture alone does not answer. Do they find the nodule more often than a map that knows
# nothing? Do they change when the network forgets what it has learnt? Do two trainings agree?
#
# You will learn
#
# - how Grad-CAM and LIME work, and what each of them can show at best;
# - how to score a map against the readers' outline of the nodule, and against the network itself;
# - why a nodule in the middle of its picture makes every score look good, and what to do about it;
# - three tests that a map should pass before anybody believes it.

# %% [markdown]
# ## Set-up
#
# On Google Colab the first cell installs the package if it is missing; everywhere else it does nothing. The
# second cell holds every setting. The networks come from the run store; those that are missing are trained.

# %% tags=["hide-input"]
import importlib.util
import os
import sys

if "google.colab" in sys.modules and importlib.util.find_spec("lungcls") is None:
    address = os.environ.get("LUNGCLS_REPOSITORY") or input("Repository (https://host/owner/name): ")
    # !git clone --quiet --depth 1 {address} lungcls-book
    # %pip install --quiet ./lungcls-book
    # %cd -q lungcls-book

# %% tags=["parameters"]
profile = "quick"  # smoke, quick or full: how many cases, how large the images, how long to train
cohort = "phantom"  # the simulated cohort, or the folder of your own
run = ""  # name of one run of the store; empty for the networks of both tasks and both views
cases = 4  # how many cases the figures show, or a list of their ids
views = ["nodule", "full_slice", "context"]  # the zoomed nodule, and the first other one that the cohort has
seed = 0
trainings = 2  # of the small network, to see whether their maps agree
lime_cases = 8  # cases that LIME explains
weights = "imagenet"  # of the pretrained networks: imagenet, none, a file, or a folder of files
backbone = "efficientnetb2"  # the pretrained network; the report's choice
runs = ""  # folder of the run store; empty for the usual one

# %% tags=["hide-input"]
import numpy as np
import pandas as pd

from lungcls.explain import explanation, gradcam, heat_maps, lime as lime_maps, map_scores, placement, sanity
from lungcls.metrics import bootstrap, localisation
from lungcls.preprocessing import padding
from lungcls.preprocessing.geometry import center_crop
from lungcls.report.cases_shown import VIEW_NAMES, choose_views
from lungcls.report.display import show_figure, show_table, show_text
from lungcls.report.plots import distributions, heat_maps as map_plots, networks as network_plots
from lungcls.report.results import explanations, tables
from lungcls.report.wording import count, percent
from lungcls.runs import grid, planning, prediction, store as run_store, training
from lungcls.runs.study import train_all
from lungcls.sources.opening import open_cohort

TASKS = {"binary": "binary", "multiclass": "multi-class"}
BLIND = ("centre blob", "edges", "random")  # maps that know nothing of a network
HERE, THERE = map_scores.PLACES
store = runs or str(planning.default_store())
whole = open_cohort(cohort, profile=profile, seed=seed)
simulated = whole.info.get("made_by", {}).get("source") == "phantom"

# %% [markdown]
# ## On real CT
#
# The report speaks of real images, so what is known of them comes first. `benchmarks/explanations.py` made
# the maps of networks that were trained on full slices, zoomed nodules and context windows of LIDC-IDRI, and
# recorded means and intervals; no image is shown. The test cases are those of folds that keep patients
# together. What each number means is said further down, where the same functions draw and score the maps of
# the cohort of this page. A slice can hold more nodules than one; a map on a neighbour counts as beside the
# nodule.

# %% tags=["hide-input"]
real, laid = explanations.read(), {}
if explanations.networks(real):
    laid["maps"], laid["answers"] = explanations.maps(real), explanations.answers(real)
    laid["lime"], laid["sanity"] = explanations.lime(real), explanations.sanity(real)
    badge = explanations.badge(real["networks"])
    first = explanations.networks(real)[0][1]["cohort"]
    show_text(f"{explanations.networks_in_words(real)} {explanations.selection(real)}")
else:
    show_text("No map on real CT is recorded here (`book/results` of a checkout holds the record).")

# %% tags=["hide-input"]
if laid:
    show_table(
        laid["maps"],
        name="tab-explain-real",
        caption=f"{badge} How well Grad-CAM finds the nodule in test cases: pointing game, also by chance on "
        "the same coarse grid; concentration (0: a map that is the same everywhere, 1: the best on its "
        "grid), beside that of a blob in the centre and of chance; and Grad-CAM less the blob, on shifted "
        "pictures where the nodule would otherwise be in the middle. The network's own score stands first, "
        "since maps of a network that knows little explain little. Means with 95 % intervals over patients.",
    )
    show_figure(
        network_plots.intervals(
            explanations.concentrations(real, cohort=first),
            xlabel="concentration on the nodule",
            references={"the same everywhere": 0, "half of what is possible": 0.5},
        ),
        name="fig-explain-real",
        caption=f"{badge} Concentration of Grad-CAM, of LIME and of a blob in the centre on the readers' "
        "outline, on the cases with full slices where these are known, with 95 % intervals over patients. "
        "Left of the second line a map counts as spread out. A map that lies no further right than the blob "
        "tells nothing that the place of the nodule in its picture does not.",
        alt="Horizontal intervals, up to three for each view, task and network, between a line at zero and "
        "a line at one half.",
    )

# %% tags=["hide-input"]
if laid:
    show_table(
        laid["answers"],
        name="tab-explain-real-answers",
        caption=f"{badge} Does the map of a wrong answer lie less on the nodule? Concentration of Grad-CAM, "
        "mean over right answers less mean over wrong ones; and, in the binary task, by the answer that "
        "the map speaks for. 95 % intervals over patients.",
    )
    show_table(
        laid["sanity"],
        name="tab-explain-real-sanity",
        caption=f"{badge} Does the map depend on what was learnt? Rank correlation of the trained network's "
        "map with that of another image, with its own after the layer of class scores got random weights, "
        "and after all layers did, with 95 % intervals over patients. A map that shows what was learnt "
        "falls to about 0.",
    )
if laid and len(laid["lime"]):
    show_table(
        laid["lime"],
        name="tab-explain-real-lime",
        caption=f"{badge} LIME on a few test cases of each fold, drawn at random: concentration of its "
        "pieces on the nodule, that of the same weights shuffled, how much of the network's answers its "
        "line explains (fit), and its rank correlation with Grad-CAM. 95 % intervals over patients.",
    )

# %% tags=["hide-input"]
decided = explanations.statements(real, (25, 26, 27, 28))
if len(decided):
    show_table(
        decided,
        name="tab-explain-real-statements",
        caption=f"{badge} The report's statements on maps, decided by the rule of [Every statement, "
        "tested](12_claims.ipynb) without adjustment for their number. *CNN* and the pretrained network in "
        "both tasks have to agree; networks that give nearly one answer decide nothing, and what no "
        "network is recorded for is said.",
    )

# %% [markdown]
# ## The networks of this page

# %% tags=["hide-input"]
outlined = [view for view in choose_views(whole, views)[0] if view in whole.masks]
options = {"profile": profile, "weights": weights, "seed": seed, "store": store}
cells = [
    cell for cell in grid.grid_of(outlined, profile=profile, backbone=backbone) if cell.group == "table 1"
]
planned = list(zip(cells, grid.plan(whole.folder, cells, **options))) if outlined and not run else []
label = next((job.config["weights"]["label"] for cell, job in planned if cell.model != "cnn"), "none")
kept = ("cnn",) if label == "random init" else ("cnn", backbone)
wanted = [(cell, job) for cell, job in planned if cell.model in kept and cell.stage != "transfer_learning"]
failed = train_all([job for _, job in wanted])
assert not failed, failed
networks = {(cell.task, cell.view, cell.name): grid.find(job) for cell, job in wanted}
if run:
    found = run_store.find(store, run)
    config = found.config
    networks = {(config["task"], config["view"], grid.title(config["model"], config["stage"])): found}
ready = bool(networks)

# %% tags=["hide-input"]
if not ready:
    show_text(
        f"The cohort *{whole.name}* has no outlines of nodules. Without them a map cannot be scored, and "
        "this chapter is skipped."
    )
else:
    training.fix_threads(next(iter(networks.values())).config["settings"]["threads"])
    answers = {key: one.predictions for key, one in networks.items()}
    answers = {key: table[table["split"] == "test"].set_index("case_id") for key, table in answers.items()}
    ids = next(iter(answers.values())).index
    test = whole.select(ids.to_numpy())
    patients = test.cases["patient_id"].to_numpy()
    scored = {}
    for key, one in networks.items():
        scored[key] = map_scores.score_maps(one, test, seed=seed, lime_cases=lime_cases, store=store)
    network = next(
        (name for _, _, name in reversed(networks) if name != "CNN"), "CNN"
    )  # the report's, if there
    shown = [key for key in networks if key[2] == network]
    n_patients = len(set(patients))
    origin = "" if network == "CNN" else f" ({networks[shown[0]].weights})"

# %% tags=["hide-input"]
if ready:
    there = list(dict.fromkeys(view for _, view, _ in networks))
    wide = next((view for view in there if view != "nodule"), None)
    show_text(
        f"The cohort used on this page is *{whole.name}*. Its test part has {count(len(test))} cases of "
        f"{n_patients} patients. "
        + (
            "Its images are simulated around real outlines, and made from a reader's ratings; what happens "
            "on them "
            "tells about the method, not about patients. "
            if simulated
            else ""
        )
        + (
            f"It has no full slices; the {VIEW_NAMES[wide]}, a square piece of the slice, stands in for "
            "them. "
            if wide == "context"
            else ""
        )
        + f"The figures show the network *{network}*{origin}; the tables list all of: "
        + ", ".join(dict.fromkeys(key[2] for key in networks))
        + "."
    )
    if label == "random init":
        show_text(
            "```{admonition} Random weights\n:class: warning\nThe ImageNet weights could not be had, or were "
            "not requested, so the network of the report is not at hand: its stand-in would start from "
            "random weights (random init), and most of its layers would stay random. Its maps would say "
            "nothing about the report's. "
            "This page therefore explains the small network (CNN) alone.\n```"
        )

# %% [markdown]
# ## Grad-CAM
#
# A convolutional network ends in a stack of small maps $A_1, A_2, \dots$, each of which answers to some
# pattern and keeps, roughly, the place where the pattern was found. Grad-CAM {cite}`selvaraju2017` asks how
# much the score $s_c$ of a class would rise if a map were a little stronger everywhere, and adds the maps up
# with these answers as weights. What speaks against the class is cut off:
#
# $$
# L_c = \max\Bigl(0, \sum_k a_k A_k\Bigr), \qquad
# a_k = \frac{1}{hw} \sum_{i,j} \frac{\partial s_c}{\partial A_{k,ij}} .
# $$
#
# Three details decide whether the result means anything.
#
# - **Which score.** We take the one *before* sigmoid or softmax. Afterwards a sure network has a gradient of
#   nearly nothing, and the classes are mixed. With a single sigmoid, the score for malignant is the logit and
#   the score for benign its negative. Each map explains the class that the network chose.
# - **Which layer.** Usually the last one. Its map has few cells, and a small nodule is smaller than one of
#   them. Where the last map is smaller than 4 × 4, we take the deepest layer of at least 8 × 8 and say so.
# - **Maps of nothing but zeros.** They happen whenever all patterns speak against the class. They are
#   counted, crossed out in figures, and left out of averages.


# %% tags=["hide-input"]
def cams(key, place=HERE):
    """Scores of Grad-CAM by case."""
    table = scored[key].table
    found = table[(table["map"] == "Grad-CAM") & (table["place"] == place)]
    return found.set_index("case_id").reindex(ids)


def named(rows, *names):
    table = pd.DataFrame.from_dict(rows, orient="index")
    table.index = pd.MultiIndex.from_tuples(table.index, names=names)
    return table


def place_of(key):
    return TASKS[key[0]], VIEW_NAMES[key[1]], key[2]


# %% tags=["hide-input"]
if ready:
    rows = {}
    for key, found in scored.items():
        rows[place_of(key)] = {
            "layer": found.layer,
            "why": found.why,
            "cells": f"{found.grid[0]} × {found.grid[1]}",
            "maps of zeros": f"{int(cams(key)['zero'].sum())} of {len(ids)}",
        }
    show_table(
        named(rows, "task", "view", "network"),
        name="tab-explain-layers",
        caption="Which layer is explained, why that one, how many cells its map has, and how many maps of "
        "the test cases are zero everywhere and so show nothing.",
    )


# %% tags=["hide-input"]
def choose(task):
    """Ids of cases to show: some that the network of the zoomed view gets right, some wrong."""
    if not isinstance(cases, int):
        return [case for case in cases if case in ids]
    said = answers[next(key for key in shown if key[0] == task)]
    order = said.iloc[np.random.default_rng(seed).permutation(len(said))]
    right = order["y_pred"] == order["y_true"]
    wrong = list(order.index[~right][: cases // 2])
    return list(order.index[right][: cases - len(wrong)]) + wrong


def spelled(task, answer):
    return ("benign", "malignant")[answer] if task == "binary" else f"score {answer}"


def title(key, case):
    said, true = (spelled(key[0], int(answers[key].loc[case, name])) for name in ("y_pred", "y_true"))
    return f"{'right' if said == true else 'wrong'}: {said}" + ("" if said == true else f"\nlabel {true}")


def fields(key, chosen):
    rows = ids.get_indexer(chosen)
    part = test.select(rows)
    images = np.asarray(prediction.images_of(networks[key], part)[np.arange(len(rows))])
    return images, placement.crop_in_view(networks[key], part).masks


# %% tags=["hide-input"]
def draw(task, heat_of, what, name, caption, alt):
    chosen, rows, titles, labels = choose(task), [], [], []
    for key in (key for key in shown if key[0] == task):
        images, masks = fields(key, chosen)
        for heats in ([None] * len(chosen), heat_of(key, chosen, images)):
            rows.append(list(zip(images[..., 0], heats, masks)))
        titles += [[title(key, case) for case in chosen], chosen]
        labels += [VIEW_NAMES[key[1]], what]
    figure = map_plots.overlays(rows, titles=titles, row_labels=labels)
    show_figure(figure, name=name, caption=caption, alt=alt)


def cam(key, chosen, images):
    found = gradcam.grad_cam(prediction.open_model(networks[key]), images)
    return heat_maps.upsample(found.values, images.shape[1:3])


# %% tags=["hide-input"]
if ready:
    for task in dict.fromkeys(key[0] for key in shown):
        draw(
            task,
            cam,
            "Grad-CAM",
            name=f"fig-explain-gradcam-{task}",
            caption=f"Grad-CAM of {network}{origin} in the {TASKS[task]} task, as in the report's figure 6: "
            "each image as the network gets it, and below it the map, the stronger the bluer. The yellow "
            "line is the readers' outline of the nodule. Above each image is the network's answer.",
            alt="CT images in rows, each followed by a row with the same images and blue clouds over them; "
            "a yellow line surrounds the nodule.",
        )

# %% [markdown]
# ## Does the map find the nodule?
#
# A map can be held against the readers' outline, in four numbers. All but the third run from 0 to 1.
#
# pointing game
# : How often the strongest point of the map lies in the nodule {cite}`zhang2018`, or not further away than
#   from a cell's middle to its corner, since a coarse map cannot point more exactly.
#
# share
# : Which part of the map lies inside the outline.
#
# concentration
# : The same on a scale that starts at 0, for a map that is the same everywhere, and ends at 1, for the best
#   that *any* map on the same grid can reach; below 0 the map turns away. A cell that is larger than the
#   nodule spills over its edge, so even the best map has a low share where the nodule is small. On this scale
#   a map of 4 × 4 cells and one of 16 × 16 can be compared, and a full slice with a zoomed picture.
#
# overlap
# : Take as many of the strongest pixels as the nodule has, and compare them with the outline: intersection
#   over union.
#
# With $s$ the share, $a$ the nodule's part of the picture and $m$ the most that the share can be, the
# concentration is
#
# $$
# c = \frac{s - a}{m - a} .
# $$
#
# None of them means anything alone. So four other maps stand beside Grad-CAM, on the same grid: a blob in the
# centre, the edges of the image, chance, and the best map that the grid allows.

# %% tags=["hide-input"]
HEADS = {"hit": "pointing game", "share": "share", "concentration": "concentration", "iou": "overlap"}


def averages(key, place, column, names):
    table = scored[key].table.query("place == @place")
    of_map = {name: table[table["map"] == name].set_index("case_id")[column].reindex(ids) for name in names}
    return {name: bootstrap.mean_interval(values, patients, seed=seed) for name, values in of_map.items()}


def score_rows(key, place, names):
    found, rows = {head: averages(key, place, column, names) for column, head in HEADS.items()}, {}
    for name in names:
        title = f"Grad-CAM, {key[2]}" if name == "Grad-CAM" else name
        rows[VIEW_NAMES[key[1]], title] = {
            head: tables.with_interval(row[name]) for head, row in found.items()
        }
    return rows


def score_table(task, place):
    rows, mine = {}, [key for key in networks if key[0] == task and place in set(scored[key].table["place"])]
    for key in mine:
        rows |= score_rows(key, place, ["Grad-CAM"])
    for key in {key[1]: key for key in mine}.values():  # blind maps, on the grid of a view's last network
        rows |= score_rows(key, place, [*BLIND, map_scores.BEST])
    return named(rows, "view", "map").sort_index(level=0, sort_remaining=False)


# %% tags=["hide-input"]
if ready:
    for task in dict.fromkeys(key[0] for key in networks):
        show_table(
            score_table(task, HERE),
            name=f"tab-explain-scores-{task}",
            caption=f"How well maps find the nodule, {TASKS[task]} task, mean of {len(test)} test cases of "
            f"{n_patients} patients with 95 % intervals over patients. Maps of zeros are left out. The "
            f"lower rows of each view know nothing of a network, but for the last: *{map_scores.BEST}* "
            "knows the outline.",
        )

# %% tags=["hide-input"]
if ready:
    lines = []
    for view in there:
        masks = placement.crop_in_view(networks[next(key for key in networks if key[1] == view)], test).masks
        middle = masks[:, masks.shape[1] // 2, masks.shape[2] // 2].mean()
        lines.append(
            f"in the {VIEW_NAMES[view]}, {percent(middle)} of the nodules cover the middle of the picture, "
            f"and the mean nodule fills {percent(masks.mean(), 2)} of it"
        )
    show_text(f"Why the blob in the centre does so well or so badly: {'; '.join(lines)}.")

# %% [markdown]
# ### Out of the centre
#
# Where the nodule always lies in the middle, a network that has merely learnt to look at the middle finds it
# every time, and so does a blob. To tell the two apart, each picture is shifted by a quarter of its side, up
# or down and left or right, drawn at random. What opens at the border shows the mirror image, as in the
# training of these networks. Now the middle is beside the nodule. A map that follows the nodule keeps its
# scores; one that stays in the middle loses them. The shift is larger than those of the training, so some
# loss is fair.

# %% tags=["hide-input"]
if ready:
    moved = dict.fromkeys(key[0] for key in networks if THERE in set(scored[key].table["place"]))
    for task in moved:
        show_table(
            score_table(task, THERE),
            name=f"tab-explain-shifted-{task}",
            caption=f"The same scores on shifted pictures, {TASKS[task]} task, for views in which most "
            "nodules cover the middle.",
        )
    if not moved:
        show_text("In no view do most nodules cover the middle of the picture, so no picture is shifted.")


# %% tags=["hide-input"]
def advantage(key, column="concentration", place=None):
    """Grad-CAM less the centre blob, case by case; by default where the picture is as hard as it gets."""
    table = scored[key].table
    place = place or (THERE if THERE in set(table["place"]) else HERE)
    by_map = table[table["place"] == place].pivot(index="case_id", columns="map", values=column).reindex(ids)
    return bootstrap.mean_interval(by_map["Grad-CAM"] - by_map["centre blob"], patients, seed=seed)


def frame(rows):
    return pd.DataFrame.from_dict(rows, orient="index")[["value", "low", "high"]].astype(float)


if ready:
    gains = {}
    for key in networks:
        gains.setdefault(TASKS[key[0]], {})[f"{key[2]}, {VIEW_NAMES[key[1]]}"] = advantage(key)
    gains = {task: frame(rows) for task, rows in gains.items()}
    show_figure(
        network_plots.intervals(
            gains, xlabel="Grad-CAM minus centre blob (concentration)", references={"no difference": 0}
        ),
        name="fig-explain-blob",
        caption="What Grad-CAM adds to a blob in the centre, on the same cases: difference in "
        "concentration, with 95 % intervals. Pictures are shifted where the nodule would otherwise be in "
        "the middle. Right of the line the network's map is the better one.",
        alt="Horizontal intervals for each network and view around a vertical line at zero.",
    )
    better = sum((table["low"] > 0).sum() for table in gains.values())
    worse = sum((table["high"] < 0).sum() for table in gains.values())
    total = sum(map(len, gains.values()))
    behind = (frame({key: advantage(key, place=HERE) for key in networks})["high"] < 0).sum()
    show_text(
        f"Comparisons: {total}. In the figure Grad-CAM is better than the blob in {better} and worse in "
        f"{worse}; where it is neither, the interval holds 0. A shift takes the nodule away from a blob that "
        "stays in the middle, so to be better there is a low bar. On the pictures as they are, Grad-CAM is "
        f"worse than the blob in {behind} of {total}."
    )

# %% [markdown]
# ### The report's statement as a number
#
# In our words, the report says that attention concentrates on the nodule in zoomed views and spreads in full
# slices. For each half of it, the concentration is compared with one half: a map that *concentrates* reaches
# at least half of the way from an even map to the best one, a map that *spreads* less. The line was drawn
# before any result was known. That the scale starts at an even map was decided after a first look, when maps
# made by chance did well on coarse grids.


# %% tags=["hide-input"]
def concentration(key):
    return averages(key, HERE, "concentration", ["Grad-CAM"])["Grad-CAM"]


def reading(one):
    if not one["low"] == one["low"]:
        return "no map to judge"
    return "concentrates" if one["low"] >= 0.5 else "spreads" if one["high"] <= 0.5 else "cannot be told"


def contrast(task, name):
    near, far = (cams((task, view, name))["concentration"] for view in ("nodule", wide))
    return bootstrap.mean_interval(near - far, patients, seed=seed)


if ready:
    rows = {}
    for key in networks:
        one = concentration(key)
        rows[place_of(key)] = {
            "concentration": tables.with_interval(one),
            "maps": f"{one['n']} of {len(test)}",
            "the map": reading(one),
            "minus centre blob": tables.with_interval(advantage(key), sign=True),
        }
    show_table(
        named(rows, "task", "view", "network"),
        name="tab-explain-statement",
        caption="Does the map concentrate on the nodule? Mean concentration with its 95 % interval over "
        "patients, against one half. On the right what is left over a blob in the centre, on shifted "
        "pictures where the nodule would otherwise be in the middle.",
    )
    both = {key for key in networks if "nodule" in there and wide and key[1] == "nodule"}
    lines = [
        f"{key[2]}, {TASKS[key[0]]}: {tables.with_interval(contrast(key[0], key[2]), sign=True)}"
        for key in networks
        if key in both
    ]
    if lines:
        show_text(
            f"Zoomed nodule minus {VIEW_NAMES[wide]}, case by case, in concentration: {'; '.join(lines)}."
        )

# %% [markdown]
# ### Which answer, and the grey frame
#
# A map speaks for the answer that was given. What speaks for *malignant* may well be the nodule; what speaks
# for *benign* is often that there is little of it, and that lies elsewhere. In the zoomed view, "elsewhere"
# has a name. In our reconstruction a grey frame surrounds the picture, and the smaller the readers' box was,
# the wider it is (see [Full slice against zoomed nodule](06_views.ipynb)). So the maps are divided by the
# answer, and the part of each that lies on the frame is measured.


# %% tags=["hide-input"]
def on_frame(key):
    """By case: the part of the map on the grey frame, and the frame's part of the picture."""
    net = networks[key]
    side = net.config["settings"]["crop"]
    grey = center_crop(padding.alone(test.views["nodule"][:]), side) > 0
    found = heat_maps.upsample(explanation.explain_run(net, test).values, (side, side)).clip(0)
    return {
        "on the frame": localisation.heat_map_scores(found, grey)["share"].to_numpy(),
        "frame's part of the picture": grey.mean(axis=(1, 2)),
    }


def mean_of(values, chosen=slice(None)):
    return bootstrap.mean_interval(np.asarray(values)[chosen], patients[chosen], seed=seed)


def by_answer(key):
    values = {"concentration": cams(key)["concentration"]}
    if key[1] == "nodule" and networks[key].config["settings"].get("padding", "kept") == "kept":
        values |= on_frame(key)
    said, rows = answers[key]["y_pred"].to_numpy(), {}
    for answer in np.unique(said).tolist():
        row = {head: tables.with_interval(mean_of(value, said == answer)) for head, value in values.items()}
        rows[*place_of(key), spelled(key[0], answer)] = {"cases": str((said == answer).sum())} | row
    return rows


# %% tags=["hide-input"]
if ready:
    rows = {place: row for key in networks for place, row in by_answer(key).items()}
    show_table(
        named(rows, "task", "view", "network", "answer").fillna("–"),
        name="tab-explain-answers",
        caption="Grad-CAM by the network's answer: how far the map lies on the nodule, and, in the zoomed "
        "view, how much of it on the grey frame, beside the frame's part of the picture, which a map that "
        "is the same everywhere would have there. Means with 95 % intervals over patients; a dash where "
        "there are fewer than two.",
    )

# %% [markdown]
# ### Is a wandering map a sign of a wrong answer?
#
# The report suggests so. If it is true, cases that the network gets right should have maps that lie closer on
# the nodule than cases that it gets wrong. A difference would still be no proof of a cause: large nodules are
# easier to call and easier to hit.


# %% tags=["hide-input"]
def right_less_wrong(key):
    right = (answers[key]["y_pred"] == answers[key]["y_true"]).to_numpy()
    return bootstrap.mean_interval(cams(key)["concentration"], patients, groups=right, seed=seed), right


if ready:
    rows = {}
    for key in networks:
        one, right = right_less_wrong(key)
        rows[place_of(key)] = {
            "right": int(right.sum()),
            "wrong": int((~right).sum()),
            "right minus wrong": tables.with_interval(one, sign=True),
        }
    show_table(
        named(rows, "task", "view", "network"),
        name="tab-explain-wrong",
        caption="Concentration: mean over right answers minus mean over wrong ones, with 95 % intervals "
        "over patients, and how many answers are right and wrong.",
    )

# %% [markdown]
# ## LIME
#
# LIME {cite}`ribeiro2016` needs nothing from inside the network. It cuts the image into pieces of like grey,
# switches pieces off at random, asks the network about each of these pictures, and fits a line to the
# answers:
#
# $$
# p_c(z) \approx w_0 + \sum_{j} w_j z_j, \qquad z_j \in \{0, 1\},
# $$
#
# where $z_j$ says whether piece $j$ is there, and pictures that are closer to the whole image count more. A
# piece with a large weight $w_j$ is one that the probability of the class hangs on.
#
# The pieces matter. The package's default is made for colour photographs; we use SLIC {cite}`achanta2012` on
# the one channel of a CT image. A piece that is off shows the blurred image. The default, the piece's own
# mean, would leave a nodule of even grey as it is, and black would be air. And the random state is fixed:
# otherwise the map differs each time.


# %% tags=["hide-input"]
def lime(key, chosen, images):
    stored = scored[key].lime
    rows = [i for i, case in enumerate(chosen) if case not in stored]
    classes = answers[key]["y_pred"].loc[chosen].to_numpy()[rows] - (key[0] == "multiclass")
    ask = explanation.predictor(prediction.open_model(networks[key])) if rows else None
    fresh = lime_maps.lime_pieces(ask, images[rows], classes, seed=seed)
    found = stored | {chosen[i]: one for i, one in zip(rows, fresh)}
    return [found[case].map for case in chosen]


if ready:
    for task in dict.fromkeys(key[0] for key in shown):
        draw(
            task,
            lime,
            "LIME",
            name=f"fig-explain-lime-{task}",
            caption=f"LIME on {network}{origin} in the {TASKS[task]} task, as in the report's figure 7, for "
            "the same cases: pieces that speak for the network's answer in blue, against it in pink, each "
            "image scaled by its largest weight. The yellow line is the readers' outline.",
            alt="CT images in rows, each followed by a row with the same images cut into blue and pink "
            "pieces; a yellow line surrounds the nodule.",
        )

# %% [markdown]
# The table scores LIME as it scored Grad-CAM. The end of the scale of concentration is now what the *pieces*
# allow: a map of whole pieces can be no better than the piece that lies most inside the nodule. Beside it,
# the same weights shuffled among the pieces. *Fit* says how much of the network's answers the line explains;
# where it is low, the map describes the network badly, whatever it shows. *Agreement* is the rank correlation
# with Grad-CAM over the pixels.

# %% tags=["hide-input"]
LIME = ("LIME", "LIME, pieces shuffled")


def lime_row(key):
    row = {"cases": str(len(scored[key].lime))}
    for name, head in zip(LIME, ("concentration", "shuffled")):
        row[head] = tables.with_interval(averages(key, HERE, "concentration", [name])[name])
    for column in ("fit", "agreement"):
        row[column] = tables.with_interval(averages(key, HERE, column, LIME)["LIME"])
    return row


if ready and lime_cases:
    show_table(
        named({place_of(key): lime_row(key) for key in networks}, "task", "view", "network"),
        name="tab-explain-lime",
        caption=f"LIME against the outlines, on {lime_cases} test cases drawn at random, with "
        f"{lime_maps.SAMPLES} pictures an image and about {lime_maps.PIECES} pieces. 95 % intervals over "
        "patients; with so few cases they are rough.",
    )

# %% [markdown]
# ## Does the network need what the map shows?
#
# The outline is the readers' idea of where to look. A network may use something else, and a map that says so
# would be right and would score badly above. Another test asks the network itself {cite}`petsiuk2018`.
# *Deletion*: blur the pixels away in the order of the map, the strongest first, and watch the probability of
# the class; a good map makes it fall early, so the area under the curve is small. *Insertion*: start from the
# blurred image and bring the pixels back; a good map makes the probability rise early, so the area is large.


# %% tags=["hide-input"]
def some(number):
    """Rows of so many test cases, drawn at random: what asks a network often takes no more."""
    return np.sort(np.random.default_rng(seed).permutation(len(test))[:number])


def curves_of(key):
    rows = some(12)
    images, model = fields(key, ids[rows])[0], prediction.open_model(networks[key])
    found, ask, size = gradcam.grad_cam(model, images), explanation.predictor(model), images.shape[1:3]
    chance = heat_maps.random_maps(len(rows), found.values.shape[1:], seed=seed)
    ways = {"Grad-CAM": heat_maps.upsample(found.values, size), "random": heat_maps.upsample(chance, size)}
    ways["centre blob"] = np.stack([heat_maps.centre_blob(size)] * len(rows))
    return {name: localisation.curves(ask, images, way, classes=found.classes) for name, way in ways.items()}


if ready:
    rows, drawn = {}, {}
    for key in shown:
        found = curves_of(key)
        of = patients[some(12)]
        drawn[key] = {name: pair[0].mean(axis=0) for name, pair in found.items()}
        for name, pair in found.items():
            areas = [bootstrap.mean_interval(localisation.area_under(one), of, seed=seed) for one in pair]
            rows[TASKS[key[0]], VIEW_NAMES[key[1]], name] = dict(
                zip(("deletion (low is good)", "insertion (high is good)"), map(tables.with_interval, areas))
            )
    show_table(
        named(rows, "task", "view", "order of the pixels"),
        name="tab-explain-curves",
        caption=f"Area under the curves of {network}, mean of {len(of)} test cases with 95 % intervals over "
        "patients. The pixels go in the order of the map, of a blob in the centre, or of chance.",
    )
    share = np.linspace(0, 1, localisation.STEPS + 1)
    show_figure(
        distributions.curves(
            share,
            list(drawn.values()),
            xlabel="part blurred",
            ylabel="probability of the class",
            titles=[f"{TASKS[key[0]]},\n{VIEW_NAMES[key[1]]}" for key in drawn],
        ),
        name="fig-explain-deletion",
        caption=f"Deletion: the mean probability that {network} gives to its own answer, while the picture "
        "is blurred from the strongest pixels of a map on. The lowest curve belongs to the map that names "
        "best what the network needs.",
        alt="Panels of falling curves, one curve for each order of the pixels.",
    )

# %% [markdown]
# ## Does the map depend on what was learnt?
#
# A map could show the image alone, or the shape of the network. The *sanity check* {cite}`adebayo2018`
# replaces the weights by random ones, from the last layer downwards, and makes the map again each time. If it
# stays as it was, it cannot have shown what was learnt. The likeness of two maps is the rank correlation of
# their cells. For scale: how similar are the maps of two *different* images under the trained network? If
# that is high already, the network points to the same place whatever it is shown.


# %% tags=["hide-input"]
def sanity_of(key):
    rows, model = some(24), prediction.open_model(networks[key])
    images, _ = fields(key, ids[rows])
    of = {"classes": gradcam.grad_cam(model, images).classes}
    found = sanity.randomised_maps(model, lambda net: gradcam.grad_cam(net, images, **of).values, seed=seed)
    trained = found.pop("none")
    alike = {"other image, same network": sanity.others(trained, seed=seed)} | found
    alike = {name: sanity.similarity(trained, one)["rank"] for name, one in alike.items()}
    return {name: bootstrap.mean_interval(rank, patients[rows], seed=seed) for name, rank in alike.items()}


if ready:
    checked = {key: sanity_of(key) for key in shown}
    last = {key: list(rows.values())[-1] for key, rows in checked.items()}
    show_figure(
        network_plots.intervals(
            {", ".join(place_of(key)[:2]): frame(rows) for key, rows in checked.items()},
            xlabel="rank correlation with the map of the trained network",
            references={"no likeness": 0},
        ),
        name="fig-explain-sanity",
        caption=f"Grad-CAM of {network} while its weights are replaced by random ones, from the last layer "
        "(second line) down to the first (last line): likeness with the map of the trained network, mean "
        f"of {max(one['n'] for one in last.values())} cases with 95 % intervals over patients. First line: "
        "the map of another image. Maps of zeros cannot be compared and are left out.",
        alt="Points with intervals for each replaced layer, and a vertical line at no likeness.",
    )
    lines = [
        f"{', '.join(place_of(key)[:2])}: {tables.with_interval(one, sign=True)}" for key, one in last.items()
    ]
    passed = sum(one["high"] < 0.5 for one in last.values())
    show_text(
        f"Likeness once every layer is random: {'; '.join(lines)}. In {passed} of {len(last)} networks its "
        "interval lies below 0.5, so the map has changed."
    )

# %% [markdown]
# ## Do two trainings agree?
#
# Another seed gives another network, with nearly the same scores. If their maps differ, a map is a fact about
# one training, and not about the disease. The small network is trained again with other seeds; for LIME the
# same network is asked again with other random pictures.


# %% tags=["hide-input"]
def pairs_of(view):
    cell = next(cell for cell, _ in planned if (cell.task, cell.view, cell.name) == ("binary", view, "CNN"))
    made = [grid.plan(whole.folder, [cell], **options | {"seed": seed + i})[0] for i in range(trainings)]
    failed = train_all(made)
    assert not failed, failed
    nets = [grid.find(job) for job in made]
    return [explanation.explain_run(net, test, classes=1).values for net in nets]


def lime_again(view):
    key, chosen = ("binary", view, "CNN"), ids[:4]
    images, _ = fields(key, chosen)
    ask = explanation.predictor(prediction.open_model(networks[key]))
    two = [lime_maps.lime_pieces(ask, images, [1] * len(chosen), seed=seed + i) for i in (0, 1)]
    found = [sanity.similarity(a.map[None], b.map[None])["rank"][0] for a, b in zip(*two)]
    return bootstrap.mean_interval(found, patients[: len(chosen)], seed=seed)


# %% tags=["hide-input"]
if planned and trainings > 1:
    rows = {}
    for view in there:
        made = pairs_of(view)
        for i in range(1, trainings):
            alike = sanity.similarity(made[0], made[i])["rank"]
            rows[VIEW_NAMES[view], f"Grad-CAM, seed {seed} and {seed + i}"] = mean_of(alike)
        other = sanity.similarity(made[0], sanity.others(made[0], seed=seed))["rank"]
        rows[VIEW_NAMES[view], "Grad-CAM, another image, same network"] = mean_of(other)
        rows[VIEW_NAMES[view], "LIME, other random pictures, same network"] = lime_again(view)
    rows = {
        key: {"rank correlation": tables.with_interval(one, sign=True), "cases": str(one["n"])}
        for key, one in rows.items()
    }
    show_table(
        named(rows, "view", "two maps"),
        name="tab-explain-seeds",
        caption="How similar maps for malignant are, CNN, binary task: of two trainings with different seeds "
        "on the same image, of two images under one network, and of LIME asked twice. Mean rank "
        "correlation with 95 % intervals over patients; maps of zeros are left out.",
    )
elif ready:
    show_text(
        "Only one training of the small network is at hand, so its maps cannot be compared with another's."
    )

# %% [markdown]
# ## What follows
#
# - A map without a score is an illustration. A score without a blob in the centre beside it is one, too.
# - The share of a coarse map inside a small nodule is bounded by the grid. Judged against that bound, full
#   slices and zoomed pictures can be compared.
# - That a map lies on the nodule does not show that the network reads its shape, or that its answer is right.
#   That it lies elsewhere does not show that the network errs: in a patch of lung, surroundings tell
#   something as well.
# - What a map does *not* prove: a cause. To know whether a network needs the nodule, change the nodule and
#   see, as deletion does in a crude way.
# - No map on this page is a finding about a patient. Scores are readers' suspicion, not pathology.

# %% [markdown]
# ## Exercise
#
# Take an earlier layer of the small network, for instance `block1_relu`, and score its maps as above. The
# grid is finer, so more is possible. Is the map better?

# %% tags=["hide-cell"]
# Solution
if ready and ("binary", "nodule", "CNN") in networks:
    one = networks["binary", "nodule", "CNN"]
    model, masks = prediction.open_model(one), placement.crop_in_view(one, test).masks
    rows = {}
    for layer in [name for name in gradcam.map_layers(model) if name.endswith("relu")]:
        found = explanation.explain_run(one, test, layer=layer, model=model)
        values = localisation.heat_map_scores(
            heat_maps.upsample(found.values, masks.shape[1:]).clip(0), masks
        )
        ceiling = heat_maps.cell_shares(masks, found.values.shape[1:]).max(axis=(1, 2))
        rows[layer] = {
            "cells": " × ".join(map(str, found.values.shape[1:])),
            "maps of zeros": int(found.zero.sum()),
            "share": tables.with_interval(bootstrap.mean_interval(values["share"], patients, seed=seed)),
            "possible": f"{ceiling.mean():.2f}",
        }
    show_table(
        pd.DataFrame.from_dict(rows, orient="index").rename_axis("layer"),
        name="tab-explain-exercise",
        caption="Grad-CAM of the CNN (binary task, zoomed nodule) from each of its activations: cells, "
        "maps of zeros, mean share inside the outline with its 95 % interval over patients, and the mean "
        "of what the grid allows.",
    )
    show_text(
        "An early layer answers to edges and grey levels, wherever they are, and one weight a channel cannot "
        "choose among places. So a finer grid does not make a better map by itself; the share says "
        "whether it "
        "does here."
    )
