# ---
# jupyter:
#   kernelspec:
#     display_name: Python 3
#     language: python
#     name: python3
# ---

# %% [markdown]
# # Full slice against zoomed nodule
#
# The report shows its networks two kinds of image: the whole CT slice, and a picture cut around the nodule.
# It finds that the zoomed picture works better and explains why: there is less in it that could mislead
# (sections 5.1 to 5.3). This chapter repeats the comparison on the same test cases, with intervals. Then it
# asks whether another explanation fits as well. The zoomed picture carries a frame of grey, and the width of
# that frame is a measurement made by the readers.
#
# You will learn
#
# - how the two views differ in what reaches a network;
# - what the difference between them is worth here, and how sure one can be of it with so many test cases;
# - what a shortcut is, how to measure what it is worth, and how to repeat a comparison without it;
# - whether it helps to ask the networks of both views together.

# %% [markdown]
# ## Set-up
#
# On Google Colab the first cell installs the package if it is missing; everywhere else it does nothing. The
# second cell holds every setting. The networks are those of the report's table 1 and six small ones of this
# chapter. They are trained once and kept in the run store.

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
views = ["nodule", "full_slice", "context"]  # the zoomed nodule, and the first other one that the cohort has
seed = 0
weights = "imagenet"  # of the pretrained networks: imagenet, none, a file, or a folder of files
backbone = "efficientnetb2"  # the pretrained network; the report's choice
runs = ""  # folder of the run store; empty for the usual one

# %% tags=["hide-input"]
import numpy as np
import pandas as pd

from lungcls.metrics import bootstrap, classification, paired_tests
from lungcls.preprocessing import padding
from lungcls.report.cases_shown import VIEW_NAMES, choose_views, nearest
from lungcls.report.claims import evidence, rule
from lungcls.report.claims.rule import Estimate
from lungcls.report.display import show_figure, show_table, show_text
from lungcls.report.plots import images as images_, networks as network_plots
from lungcls.report.printed import quoted as reported
from lungcls.report.results import tables
from lungcls.report.wording import MINUS, count
from lungcls.runs import grid as study
from lungcls.runs.inputs import prepared
from lungcls.runs.study import train_all
from lungcls.sources.opening import open_cohort

TASKS = {"binary": "binary", "multiclass": "multi-class"}
SCORE = "F1 (weighted)"  # the report's
SCORES = {"binary": ("accuracy", SCORE, "AUC"), "multiclass": ("accuracy", SCORE, "quadratic weighted kappa")}
RANKING = {"binary": "AUC", "multiclass": "quadratic weighted kappa"}
BOXLESS = ("padding filled", "fixed-size crop")  # in these forms the readers' box does not show
whole = open_cohort(cohort, profile=profile, seed=seed)
shown, _ = choose_views(whole, views)
wide = next((view for view in ("full_slice", "context") if view in shown), None)
needed = {"the zoomed nodule": "nodule" in shown, "a wider view": wide is not None}
needed |= {"diameter_mm": "diameter_mm" in whole.cases}
lacking = [name for name, there in needed.items() if not there]
ready = not lacking
simulated = whole.info.get("made_by", {}).get("source") == "phantom"
if not ready:
    show_text(
        f"The cohort *{whole.name}* lacks {' and '.join(lacking)}. The comparisons of this chapter "
        "need both views, and the nodule's diameter for the baselines; they are skipped."
    )

# %% tags=["hide-input"]
if ready:
    spacing = whole.cases.get("pixel_spacing_mm", pd.Series(np.nan, whole.cases.index))
    cells = [
        cell for cell in study.grid_of(shown, profile=profile, backbone=backbone) if cell.group == "table 1"
    ]
    forms = [
        cell for cell in study.zooms(shown) if (spacing > 0).all() or cell.overrides["padding"] != "fixed"
    ]
    options = {"profile": profile, "weights": weights, "seed": seed, "store": runs or None}
    jobs = study.plan(whole.folder, cells + forms, **options)
    failed = train_all(jobs)
    assert not {job.id for job in jobs[: len(cells)]} & set(failed), failed
    trained = [study.find(job) for job in jobs]
    settings = jobs[0].config["settings"]
    split = pd.read_csv(jobs[0].split, dtype=str, keep_default_na=False)
    data = whole.select(split["case_id"].to_numpy())
    test = split["split"].to_numpy() == "test"

# %% tags=["hide-input"]
if ready:
    source = (
        "Its images are simulated: they were drawn around real outlines and made from a reader's ratings. "
        "What happens on them tells about the method, not about patients."
        if simulated
        else "What is said below holds for these images."
    )
    stand_in = (
        ""
        if wide == "full_slice"
        else (
            " It has no full slices. The context window, a square piece of the slice, stands in for them and "
            "is called by its own name."
        )
    )
    part = f", of which this profile takes {count(len(data))}, whole patients"
    taken = part if len(data) < len(whole) else ""
    show_text(
        f"The cohort used on this page is *{whole.name}*: {count(len(whole))} cases{taken}. The test part "
        f"has {count(test.sum())}. {source}{stand_in}"
    )

# %% [markdown]
# ## What each view shows a network
#
# Both views end at the same number of pixels. The wide view is shrunk to that size, so it shows much and
# everything small. The zoomed view is shrunk far less, if at all.

# %% tags=["hide-input"]
if ready:
    first_of = {cell.view: job for cell, job in zip(cells, jobs)}
    pixels = {view: prepared(first_of[view], data)[0] for view in (wide, "nodule")}
    widths = padding.widths(data.views["nodule"][:])
    height, width = data.views["nodule"].shape[1:]
    side = (height + width - widths.sum(axis=1)) / 2
    examples = [nearest(side, np.quantile(side, q)) for q in (0.02, 0.25, 0.5, 0.75, 0.98)]
    above = [
        f"score {score}\n{diameter:.0f} mm"
        for score, diameter in data.cases.loc[examples, ["malignancy", "diameter_mm"]].itertuples(index=False)
    ]
    show_figure(
        images_.image_grid(
            [[pixels[view][row, ..., 0] for row in examples] for view in pixels],
            titles=[above],
            row_labels=[VIEW_NAMES[view] for view in pixels],
            grey_range=(0, 1),
        ),
        name="fig-views-pixels",
        caption=f"Five cases, from a small to a large nodule, at the {settings['image_size']} × "
        f"{settings['image_size']} pixels that reach a network: {VIEW_NAMES[wide]} (top) and zoomed nodule "
        "(bottom), with malignancy score and diameter. In the bottom row the grey frame becomes thinner from "
        "left to right.",
        alt="Five CT images in two rows: the wide view above, the zoomed nodule below, framed by padding "
        "that becomes thinner as the nodule grows.",
    )

# %% tags=["hide-input"]
if ready:
    native = {wide: data.views[wide].shape[1], "nodule": settings["crop"]}
    across = (data.cases["diameter_mm"] / spacing.median()).median()  # pixels of the scan
    reached = {view: across * settings["image_size"] / native[view] for view in native}
    sizes = " and ".join(f"{reached[view]:.1f} in the {VIEW_NAMES[view]}" for view in reached)
    show_text(
        f"In pixels of the network's input, the median nodule is about {sizes}. "
        if np.isfinite(across)
        else f"The {VIEW_NAMES[wide]} is shrunk by {native[wide] / settings['image_size']:.1f} times. "
    )

# %% [markdown]
# So there is a plain reason to expect better results from the zoomed view: resolution. It is not quite the
# report's reason, which is that surroundings mislead.

# %% tags=["hide-input"]
quoted = [reported.claim(f"views_{name}") for name in ("binary", "multiclass", "reason", "all")]
show_text("\n".join(f"> {said['words']} (section {said['section']})\n>" for said in quoted))

# %% [markdown]
# ## The results on our test cases
#
# Three networks, two views, two tasks: the cells of the report's table 1. *TL* is a network whose body stays
# as it was and whose last layer is trained, *FT* one whose upper blocks are trained too. The weights that the
# body starts from are named in brackets, since without pretrained weights there is no transfer.
#
# Below the networks stand the baselines, which see no image of the lung at all, or only numbers measured in
# it. A network has to beat them before its view can be given the credit. The *second reader* is no model: it
# is another person's answer, scored on the nodules that two or more readers have rated, against the label of
# the others.

# %% tags=["hide-input"]
if ready:
    order = {"scratch": 0, "transfer_learning": 1, "fine_tuning": 2}
    grid = sorted(zip(cells, trained), key=lambda pair: order[pair[0].stage])
    titles, results, known = {}, {}, {}
    for cell, run in grid:
        titles[cell.name] = cell.name if cell.model == "cnn" else f"{cell.name} ({run.weights})"
        results[cell.task, cell.view, cell.name] = tables.result_of(run.predictions, data)
    for task in TASKS:
        known[task], missing = tables.baseline_results(data, split, task=task, view="nodule", seed=seed)


def networks(task):
    mine = {(view, name): result for (of, view, name), result in results.items() if of == task}
    return {f"{titles[name]}, {VIEW_NAMES[view]}": result for (view, name), result in mine.items()}


def show_results(found, task, name, what):
    scored = tables.scored(found | known[task], task=task, seed=seed)
    show_table(
        tables.results_table(scored, scores=SCORES[task]),
        name=name,
        caption=f"{what} The {TASKS[task]} task, test part; the second reader on fewer cases. "
        + ("AUC is that of the malignant class. " if task == "binary" else "")
        + "Brackets: 95 % interval over patients.",
    )
    return scored.set_index(["name", "score"])


# %% tags=["hide-input"]
if ready:
    table = {}
    for task in TASKS:
        what = "Both views, and the baselines."
        table[task] = show_results(networks(task), task, f"tab-views-{task}", what)
    for title, why in missing.items():
        show_text(f"The baseline *{title}* is missing: {why}.")

# %% tags=["hide-input"]
if ready:
    f1 = {task: table[task].xs(SCORE, level="score") for task in TASKS}
    own = {task: f1[task].loc[list(networks(task))] for task in TASKS}
    half = {task: 50 * (own[task]["high"] - own[task]["low"]).mean() for task in TASKS}
    bar = {task: f1[task].loc["diameter alone", "value"] for task in TASKS}
    beaten = {task: f"{(own[task]['value'] > bar[task]).sum()} of {len(own[task])}" for task in TASKS}
    show_text(
        f"With {test.sum()} test cases, the interval of a weighted F1 reaches on average "
        f"{half['binary']:.0f} points to either side in the binary task and {half['multiclass']:.0f} in the "
        "multi-class task. The diameter of the nodule alone, one number, is beaten by "
        f"{beaten['binary']} networks in the binary task and by {beaten['multiclass']} in the multi-class "
        "task, by value and without asking whether by more than chance."
    )

# %% [markdown]
# ## Zoomed nodule minus wide view
#
# Two networks that are tested on the same cases can be compared case by case. This is called *paired*: what
# is hard for both cancels, and the interval of the difference is often narrower than those of the two scores
# suggest. The table gives the difference for each network, and beside it the report's own.
#
# Whether the report tested both views on the same cases, it does not say, and it prints no interval.


# %% tags=["hide-input"]
def against(task, first, second, score=SCORE):
    pair = {"first": first, "second": second}
    row = tables.differences(pair, "second", task=task, score=score, seed=seed).loc["first"]
    one_answer = any(classification.nearly_constant(result["y_pred"]) for result in pair.values())
    row["idle"] = one_answer and score == SCORE
    if row["idle"]:  # a network that tells no cases apart has nothing to differ in: no finding
        row[["low", "high", "p"]] = np.nan
    return row


def written(row, **options):
    text = tables.with_interval(row, sign=True, **options)
    return text if row["low"] == row["low"] else text.split(" [")[0]


def in_points(rows):
    found = 100 * pd.DataFrame(rows).T[["difference", "low", "high"]].astype(float)
    return found.rename(columns={"difference": "value"})


def verdict(rows):
    """Decide "better in each" by the rule of the book."""
    if not rows:
        return rule.UNTESTED
    idle = [("one answer",) if row.get("idle", False) else () for row in rows]
    ends = [row[["difference", "low", "high"]].astype(float) for row in rows]
    return rule.statement([Estimate(*three, n=0, idle=one) for three, one in zip(ends, idle)])[0]


# %% tags=["hide-input"]
if ready:
    names = list(titles)
    pairs = [(task, name) for task in TASKS for name in names]
    gain, printed = {}, {}
    for task, name in pairs:
        gain[task, name] = against(task, results[task, "nodule", name], results[task, wide, name])
        theirs = reported.f1_table().iloc[names.index(name)]  # the same order of models
        printed[task, name] = theirs[task, "nodule"] - theirs[task, "full_slice"]
    adjusted = dict(zip(gain, paired_tests.holm([row["p"] for row in gain.values()])))
    rows = {
        (TASKS[task], titles[name]): {
            "zoomed minus wide (points)": written(row, percent=True),
            "p (Holm)": adjusted[task, name],
            "zoomed is better": verdict([row]),
            "report's difference": f"{printed[task, name]:+.1f}".replace("-", MINUS),
        }
        for (task, name), row in gain.items()
    }
    differences = pd.DataFrame.from_dict(rows, orient="index")
    differences.index = pd.MultiIndex.from_tuples(differences.index, names=["task", "model"])
    n, patients = (int(gain["binary", "CNN"][what]) for what in ("n", "patients"))
    show_table(
        differences,
        name="tab-views-differences",
        caption=f"Weighted F1 on the zoomed nodule minus that on the {VIEW_NAMES[wide]}: paired difference "
        f"on {n} test cases of {patients} patients, with its 95 % interval. The verdict is that of the rule "
        "in the chapter on all statements, of this one comparison. *Nothing to decide*: a network that gives "
        "nearly all cases one answer tells none apart. The p values are adjusted for six comparisons; the "
        "verdicts are not. On the right: the difference of the report's two values, without an interval.",
        decimals=3,
    )

# %% tags=["hide-input"]
if ready:
    points = in_points({f"{TASKS[task]}: {titles[name]}": row for (task, name), row in gain.items()})
    theirs = pd.DataFrame({"value": list(printed.values())}, index=points.index)
    show_figure(
        network_plots.intervals(
            {"here": points, "report (interval not known)": theirs},
            xlabel="zoomed nodule minus wide view (points of weighted F1)",
            references={"no difference": 0},
        ),
        name="fig-views-differences",
        caption=f"Zoomed nodule minus {VIEW_NAMES[wide]} on the same {n} test cases, with 95 % intervals, "
        "and the report's differences. To the right of the line the zoomed view is better. An interval that "
        "crosses the line does not tell which is.",
        alt="Six horizontal intervals, one for each network and task, around a vertical line at zero, with "
        "the report's values as points.",
    )

# %% tags=["hide-input"]
if ready:
    above_0, below_0 = (points["low"] > 0).sum(), (points["high"] < 0).sum()
    halves = (points["high"] - points["low"]) / 2
    width = "not defined here. "
    if halves.notna().any():
        width = f"{halves.min():.0f} to {halves.max():.0f} points. "
    show_text(
        f"Of {len(points)} differences, {above_0} have their whole interval above 0 and {below_0} have it "
        f"below; the other {len(points) - above_0 - below_0} cannot be told from no difference. Half an "
        f"interval is {width}A true difference smaller than that would often go unnoticed with {n} cases. "
        "The intervals are about other test patients; another training of the same networks would move the "
        "values too."
    )

# %% [markdown]
# ### How sure can the report be?
#
# Its test part is not given in numbers, but its four accuracies tell: only certain sizes allow all of them.


# %% tags=["hide-input"]
def fits(size):
    possible = {f"{100 * right / size:.2f}" for right in range(size + 1)}
    return all(f"{accuracy:.2f}" in possible for accuracy in accuracies)


def unpaired(first, second, size):
    difference, spread = first - second, 1.96 * np.sqrt((first * (1 - first) + second * (1 - second)) / size)
    return {"difference": difference, "low": difference - spread, "high": difference + spread}


accuracies = reported.main_results()["accuracy"]
tested = [size for size in range(200, 421) if fits(size)]
shares = accuracies / 100
rows = {
    task: unpaired(shares[f"{name}_Nodule"], shares[f"{name}_FullSlice"], max(tested))
    for task, name in (("binary", "Binary"), ("multi-class", "MultiClass"))
}
said = " and ".join(f"{written(row, percent=True)} points in the {task} task" for task, row in rows.items())
show_text(
    f"Between 200 and 420 cases, the sizes that fit are: {', '.join(map(str, tested))}. On {max(tested)} "
    f"cases the accuracies of its table 2 differ by {said}, *if* the two networks erred independently of "
    "each other. Tested on the same cases they would share many errors and the intervals would be narrower; "
    "by how much, the report's table cannot tell."
)

# %% [markdown]
# ## The shortcut
#
# There is another difference between the views than resolution and surroundings. The zoomed picture is cut at
# the box that the readers drew, with a fixed margin, and laid on a grey canvas. The width of this *padding*
# is therefore the size of the nodule, as measured by the readers, in a form that takes no eye for lungs to
# read (see [Preprocessing](02_preprocessing.ipynb)). No full slice has it. A network that reads the padding
# is right often, and would be helpless before a scan in which nobody has drawn a box yet.
#
# **How the report laid out its canvas is not known.** It says that a centre crop removed the "gray bands". In
# our reconstruction it makes the padding narrower and leaves most of it. All that follows is about our
# reconstruction.
#
# To see what the padding is worth, we train the same small network (CNN) on the zoomed view in four forms.
# Split, seed and settings are the same.
#
# padding kept
# : The zoomed view as above. It is the CNN of the last section.
#
# padding filled
# : In place of the padding stands what surrounds the picture in the slice. The picture itself has not
#   changed, so the network sees more of the patient and nothing of the box.
#
# fixed-size crop
# : A crop of the same number of millimetres for every nodule, around the same middle. The nodule's size can
#   still be seen, but only on the nodule.
#
# padding alone
# : The picture inside the padding is one grey. Nothing of the patient is left.

# %% tags=["hide-input"]
if ready:
    made = [(cell, job) for cell, job in zip(forms, jobs[len(cells) :]) if job.id not in failed]
    form_jobs = {(cell.task, cell.name): job for cell, job in made}
    form_runs = {key: study.find(job) for key, job in form_jobs.items()}
    names_of_forms = list(dict.fromkeys(cell.name for cell, _ in made))
    images = {name: prepared(form_jobs["binary", name], data)[0] for name in names_of_forms}
    show_figure(
        images_.image_grid(
            [[images[name][row, ..., 0] for row in examples] for name in names_of_forms],
            titles=[above],
            row_labels=[name.replace(" ", "\n") for name in names_of_forms],
            grey_range=(0, 1),
            width=6.4,
        ),
        name="fig-views-forms",
        caption="The zoomed view in its forms, as it reaches the network, for the cases of the first figure. "
        + (f"The fixed-size crop has {settings['crop_mm']:g} mm. " if "fixed-size crop" in images else "")
        + "In the last row only the readers' box is left. There even the grey of the padding follows its "
        "size, because the contrast turns around each image's mean.",
        alt="Rows of five small CT images: with grey padding, with the padding filled by lung, a fixed-size "
        "crop, and bright padding around an empty rectangle.",
    )
    if not (spacing > 0).all():
        show_text("The cohort does not give the size of a pixel for every case: no fixed-size crop.")
    for why in set(failed.values()):
        show_text(f"A form is missing: {why}.")

# %% [markdown]
# In the tables, the row *padding alone* is no network: a few decision trees that are given two numbers, the
# widths of the padding across and down. *CNN, padding alone* is the network of the last form.

# %% tags=["hide-input"]
if ready:
    form_results = {key: tables.result_of(run.predictions, data) for key, run in form_runs.items()}
    for task in TASKS:
        found = {f"CNN, {name}": form_results[task, name] for name in names_of_forms}
        found |= {f"CNN, {VIEW_NAMES[wide]}": results[task, wide, "CNN"]}
        what = f"The CNN on the zoomed view in its forms and on the {VIEW_NAMES[wide]}, and the baselines."
        show_results(found, task, f"tab-views-forms-{task}", what)

# %% tags=["hide-input"]
if ready:
    answers = {key: result["y_pred"].nunique() for key, result in form_results.items()}
    constant = [f"{name} ({TASKS[task]})" for (task, name), number in answers.items() if number == 1]
    if constant:
        show_text(
            f"These networks give every test case the same answer: {', '.join(constant)}. They have not "
            "learnt to divide the cases, so their differences from others say little about the images."
        )

# %% [markdown]
# ### Each form against the zoomed view as it is
#
# If the padding were of no use to the network, filling it would change nothing. If it were all that the
# network uses, the padding alone would do as well as the whole view.


# %% tags=["hide-input"]
def form_differences(task):
    kept = form_results[task, "padding kept"]
    compared = {f"CNN, {name}": form_results[task, name] for name in names_of_forms if name != "padding kept"}
    compared |= {"padding alone (no network)": known[task]["padding alone"]}
    return {name: against(task, result, kept) for name, result in compared.items()}


# %% tags=["hide-input"]
if ready:
    without = {task: form_differences(task) for task in TASKS}
    show_figure(
        network_plots.intervals(
            {TASKS[task]: in_points(rows) for task, rows in without.items()},
            xlabel="minus the CNN on the zoomed view as it is (points of weighted F1)",
            references={"no difference": 0},
        ),
        name="fig-views-forms-differences",
        caption=f"What changes with the form of the zoomed view, on the same {n} test cases, with 95 % "
        "intervals. To the left of the line the form is worse than the zoomed view with its padding.",
        alt="Horizontal intervals for each form of the zoomed view and both tasks around a line at zero.",
    )


# %% tags=["hide-input"]
def told_apart(row):
    points = written(row, percent=True)
    side = "more" if row["low"] > 0 else "less" if row["high"] < 0 else "not distinguishable from it"
    return f"{points} points, {side}"


if ready:
    lines = [
        f"- *{name}*: " + "; ".join(f"{told_apart(without[task][name])} ({TASKS[task]})" for task in TASKS)
        for name in without["binary"]
    ]
    head = "Compared with the CNN on the zoomed view with its padding, in weighted F1:"
    show_text("\n".join([head, "", *lines]))

# %% [markdown]
# ### Zoomed against wide, with the shortcut and without
#
# Now the report's statement once more, for the small network. The first line of each task is the comparison
# as the report makes it. In the next lines the zoomed side has lost the padding, so it has to win by what it
# shows of the patient. The last line has nothing but the padding to show, against a network that sees
# the patient and no padding.

# %% tags=["hide-input"]
if ready:
    decided = {
        (task, name): against(task, result, results[task, wide, "CNN"])
        for (task, name), result in form_results.items()
    }
    ranked = {
        (task, name): against(task, result, results[task, wide, "CNN"], RANKING[task])
        for (task, name), result in form_results.items()
    }
    rows = {
        (TASKS[task], name): {
            "minus wide view, F1 (points)": written(row, percent=True),
            "is better than the wide view": verdict([row]),
            "minus wide view, AUC or kappa": written(ranked[task, name]),
        }
        for (task, name), row in decided.items()
    }
    decision = pd.DataFrame.from_dict(rows, orient="index")
    decision.index = pd.MultiIndex.from_tuples(decision.index, names=["task", "zoomed view of the CNN"])
    show_table(
        decision,
        name="tab-views-decision",
        caption=f"The CNN on each form of the zoomed view minus the CNN on the {VIEW_NAMES[wide]}, {n} test "
        "cases: paired difference of the weighted F1 with its 95 % interval, and what it says of the "
        "statement. On the right the difference of the AUC (binary) and of the quadratic weighted kappa "
        "(multi-class). The AUC asks only for the order of the cases, so it still sees something in networks "
        "that call every case benign.",
    )


# %% tags=["hide-input"]
def conclude(task):
    free = [decided[task, name] for name in BOXLESS if name in names_of_forms]
    kept, left = verdict([decided[task, "padding kept"]]), verdict(free)
    if kept == left == rule.HOLDS:
        return "the zoomed view wins with the padding and without: the shortcut is not what decides"
    if kept == rule.HOLDS:
        won = "the padding may have won"
        return f"the zoomed view wins with the padding; without it the verdict is *{left}*: {won}"
    return f"with the padding the verdict is *{kept}*, without it *{left}*"


if ready:
    show_text(
        "So for the small network, counting *without* as decided only if every form without padding agrees: "
        + "; ".join(f"in the {TASKS[task]} task, {conclude(task)}" for task in TASKS)
        + ". This is about our reconstruction of the zoomed view, one training each, and "
        + ("simulated images." if simulated else "this cohort.")
    )

# %% [markdown]
# Whatever the verdicts say at this number of cases, the design of the comparison stays unfair: one side is
# given a measurement that the other is not. In this book, statements about what a network sees in an image
# therefore rest on views without padding.

# %% [markdown]
# ## Both views together
#
# The report proposes to combine the two views. The simplest way needs no training: take the mean of the
# probabilities of both networks, and decide by it.

# %% tags=["hide-input"]
words = reported.claim("views_together")
show_text(f"> {words['words']} (section {words['section']})")


# %% tags=["hide-input"]
def together(task, name):
    return evidence.together(results[task, "nodule", name], results[task, wide, name], task=task)


# %% tags=["hide-input"]
if ready:
    both = {}
    for task, name in pairs:
        both[task, name] = against(task, together(task, name), results[task, "nodule", name])
    rows = {
        (TASKS[task], titles[name]): {
            "zoomed nodule, F1": f"{100 * row['second']:.1f}",
            "both views, F1": f"{100 * row['first']:.1f}",
            "both minus zoomed (points)": written(row, percent=True),
            "both are better": verdict([row]),
        }
        for (task, name), row in both.items()
    }
    combined = pd.DataFrame.from_dict(rows, orient="index")
    combined.index = pd.MultiIndex.from_tuples(combined.index, names=["task", "model"])
    bars = {name: [f"{100 * f1[task].loc[name, 'value']:.1f}" for task in TASKS] for name in tables.REQUIRED}
    bars = {name: " / ".join(values) for name, values in bars.items()}
    show_table(
        combined,
        name="tab-views-together",
        caption=f"Mean probability of both views against the zoomed nodule alone, {n} test cases: weighted "
        "F1 in percent, and the paired difference with its 95 % interval. For comparison, the majority class "
        f"has {bars['majority class']} and the diameter alone {bars['diameter alone']} (binary / "
        "multi-class).",
    )

# %% [markdown]
# A mean of two networks is often a little better than one, whatever they look at, because their chance errors
# cancel in part. To credit the second *view*, it would have to beat a mean of two networks that see the same
# view and were trained with different seeds.

# %% [markdown]
# ## The report's statements on views
#
# The table collects what this chapter has to say on the report's own sentences. Each test was chosen before
# its result was known: which difference, on which networks, in which direction. One rule decides all of them;
# it stands in [Every statement, tested](12_claims.ipynb), which also decides them from recorded runs on real
# CT. These are the verdicts of the same rule on the networks of this page.
#
# Two remarks. That the binary task has the higher accuracy is nearly certain in advance: with two classes,
# one of them common, a constant answer is right more often than with five. And statements about transfer
# learning are not testable with networks that start from random weights.


# %% tags=["hide-input"]
def weighted_mean(values, weights):
    return {"accuracy": weights @ values / weights.sum(axis=1)}


def easier(view, name):
    parts = [results[task, view, name].set_index("case_id").sort_index() for task in TASKS]
    right = [(part["y_pred"] == part["y_true"]).to_numpy(float) for part in parts]
    gap, patients = right[0] - right[1], parts[0]["patient_id"]
    table = bootstrap.intervals(lambda weights: weighted_mean(gap, weights), patients=patients, seed=seed)
    return table.rename(columns={"value": "difference"}).iloc[0]


def better(task, view, first, second):
    return against(task, results[task, view, first], results[task, view, second])


def statement(name, test, rows, testable=True):
    words, values = reported.claim(name), [100 * row["difference"] for row in rows]
    span = f"{min(values):+.1f} to {max(values):+.1f}".replace("-", MINUS) if rows else "–"
    if len(rows) == 1:
        span = written(rows[0], percent=True)
    result = verdict(rows) if testable else "not tested: random init"
    return [words["section"], f'"{words["words"]}"', test, len(rows), span, result]


# %% tags=["hide-input"]
if ready:
    cnn, frozen, tuned = names
    pretrained = all(run.weights != "random init" for cell, run in grid if cell.model != "cnn")
    boxless = {task: [decided[task, name] for name in BOXLESS if name in names_of_forms] for task in TASKS}
    each = {task: [gain[task, name] for name in names] for task in TASKS}
    head_start = [better("binary", wide, frozen, cnn)]
    best = [better("multiclass", view, tuned, other) for view in (wide, "nodule") for other in (cnn, frozen)]
    easy = [easier(view, name) for view in (wide, "nodule") for name in names]
    table = [
        statement("tl_full_slice", f"{titles[frozen]} minus CNN, {VIEW_NAMES[wide]}", head_start, pretrained),
        statement("views_binary", "zoomed minus wide, binary, each network", each["binary"]),
        statement("views_binary", "the same without padding, CNN, each form", boxless["binary"]),
        statement("views_multiclass", "zoomed minus wide, multi-class, each network", each["multiclass"]),
        statement("views_multiclass", "the same without padding, CNN, each form", boxless["multiclass"]),
        statement("ft_multiclass", f"{titles[tuned]} minus each other, both views", best, pretrained),
        statement("views_all", "zoomed minus wide, both tasks, each network", list(gain.values())),
        statement("binary_easier", "accuracy, binary minus multi-class, each view and network", easy),
        statement("views_together", "both minus zoomed, both tasks, each network", list(both.values())),
    ]
    heads = ["section", "the report", "tested by", "comparisons", "difference (points)", "verdict"]
    show_table(
        pd.DataFrame(table, columns=heads),
        name="tab-views-statements",
        caption=f"Statements of the report and what the paired differences say on {n} test cases: the "
        "difference and its 95 % interval, or the least and greatest where there are several. Weighted F1 "
        f"unless stated otherwise. *Each network*: {', '.join(titles.values())}. The verdicts are not "
        "adjusted for their number.",
    )

# %% [markdown]
# ## What follows
#
# - The zoomed view shows the nodule in more pixels than the wide view. A difference between the two need not
#   come from surroundings that mislead.
# - In our reconstruction it also carries the readers' measure of size in its padding. A baseline that sees
#   only the padding belongs beside every result on this view.
# - A comparison of views is fair only between forms that carry the same extra information. Filled padding and
#   a fixed-size crop are two ways to get there: `padding=filled` and `padding=fixed` are settings of any run
#   on the zoomed view.
# - Whether a statement holds is read from an interval, not from two numbers. With few test cases, many
#   statements stay open, and that is a result too.
# - What is recorded of these comparisons on real CT windows stands in [Results side by
#   side](../book/results.md).

# %% [markdown]
# ## Exercise
#
# Does the network that was trained on the zoomed view really look at its padding? Do not train anything: give
# the trained network (`form_runs["binary", "padding kept"]`) the *filled* images of the test cases and see
# how its answers change. A run's settings say how its images are made, so a copy of the run with another
# `padding` is enough. Is a worse result proof of the shortcut?

# %% tags=["hide-cell"]
# Solution
if ready and "padding filled" in names_of_forms:
    from lungcls.runs import prediction, training
    from lungcls.runs.store import Run

    training.fix_threads(settings["threads"])
    run = form_runs["binary", "padding kept"]
    changed = Run(run.folder, run.config | {"settings": run.config["settings"] | {"padding": "filled"}})
    answers = prediction.predict(changed, data.select(test))
    answers = run.predictions[["case_id", "split", "y_true"]].merge(answers, on="case_id")
    swapped = {
        "trained and tested with padding": form_results["binary", "padding kept"],
        "trained with padding, tested with it filled": tables.result_of(answers, data),
        "trained and tested with it filled": form_results["binary", "padding filled"],
    }
    what = "Trained and tested with the padding and without."
    show_results(swapped, "binary", "tab-views-exercise", what)
    row = against("binary", *(swapped[name] for name in list(swapped)[1::-1]))
    show_text(
        "Filling the padding changes the weighted F1 of the same network by "
        f"{written(row, percent=True)} points. A clear fall would show that the "
        "answers depend on what stood in the place of the padding. It would be no proof that the network "
        "read the size from it: images without padding are of a kind that it has never seen, and the "
        "contrast of the whole picture changes with it, because it turns around each image's mean. Training "
        "on filled images, as in the third row, does not have this flaw."
    )
