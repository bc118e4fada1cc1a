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
# ```{admonition} In short
# - **Question.** Does a network do better on a picture of the nodule than on the whole slice, and why?
# - **Answer, on real CT.** Yes. On the same {{ findings_n }} nodules each network's {term}`AUC` is higher on
#   the {term}`zoomed nodule <zoomed view>`, by {{ views_gain_least }} to {{ views_gain_most }}. But that view
#   is cut at the readers' box: the width of its {term}`padding` alone has {{ findings_padding }}. Each
#   pretrained network does worse, and the CNN is not shown to do better.
# - **How sure.** All {term}`out of fold`. How the report laid out its zoomed images is not known; this is our
#   reconstruction.
# - **More.** The report's statements 21, 22 and 33 hold, after adjustment for all statements: [Every
#   statement, tested](12_claims.ipynb).
# ```
#
# The report explains the lead of the zoomed nodule by misleading surroundings (its sections 5.1 to 5.3).

# %% [markdown]
# ## Set-up

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
profile = "quick"  # smoke, quick or full: how many simulated cases, and how long to train
cohort = "phantom"  # the simulated cohort, or the folder of your own
seed = 0

# %% tags=["hide-input"]
from dataclasses import replace

import numpy as np
import pandas as pd

from lungcls import preprocessing, runs, sources
from lungcls.preprocessing import padding
from lungcls.report import claim, image_grid, intervals, show_figure, show_table
from lungcls.report.cases_shown import nearest
from lungcls.report.claims import evidence, rule, scores, verdicts
from lungcls.report.parameters import check_parameters
from lungcls.report.paths import find_checkout
from lungcls.report.results import networks, score_tables, tables
from lungcls.runs import inputs
from lungcls.runs.evaluation import paired, result_of
from lungcls.sources import annotations

check_parameters(globals())

# %% [markdown]
# ## Real CT first: two views of the same nodules

# %%
for name in ("views_binary", "views_multiclass", "views_reason"):
    print("{section:4} {words}".format(**claim(name)))

# %% [markdown]
# One reason is resolution. Both views end at 128 × 128 pixels, from a slice of 512 or a crop of 96. Pixels
# across a small, a median and a large nodule:

# %%
cases = annotations.report_cases()
across = cases["diameter_mm"] / cases["pixel_spacing_mm"]  # in pixels of the scan
seen = pd.DataFrame({"full slice": across * 128 / 512, "zoomed nodule": across * 128 / 96})
seen.quantile([0.05, 0.5, 0.95]).round(1)

# %% [markdown]
# ### The scores
#
# Networks stand beside {term}`baselines <baseline>`. *Padding alone* knows only the widths of the padding,
# across and down. The diameter is the readers'.

# %%
results = find_checkout() / "book" / "results"
study = networks.study(networks.out_of_fold(results / "study"))
scored = score_tables.score(study, "binary", seed=seed)
auc = scored.table[scored.table["score"] == "AUC"].set_index("name").rename(score_tables.in_short)
auc[["value", "low", "high", "n", "patients"]].round(3)

# %%
views = {view: auc.filter(like=view, axis=0) for view in ("full slice", "zoomed nodule")}
by_view = {view: rows.rename(lambda name: name.partition(",")[0]) for view, rows in views.items()}
pd.DataFrame({view: rows["value"] for view, rows in by_view.items()}).round(3)

# %% tags=["hide-input"]
ruler = {"diameter alone": auc.loc["diameter alone", "value"], "chance": 0.5}
show_figure(
    intervals(by_view, xlabel="AUC, two classes", references=ruler),
    name="fig-views-scores",
    evidence=len(study.test),
    caption="The same networks on both views, with 95 % intervals over patients. On the full slice all lie"
    " far below the diameter; on the zoomed nodule none is shown to pass the padding alone. An asterisk: "
    "ImageNet weights that are not Keras's own.",
    alt="Forest plot: for each network an interval near 0.6 and one near 0.85, left of that of the diameter.",
)

# %% [markdown]
# ### The difference
#
# The comparison is {term}`paired`, and its {term}`interval <confidence interval>` covers other trainings too.

# %%
lidc = networks.recorded(results / "lidc")[0]
full, windows = verdicts.sources([study, lidc], {}, seed=seed)
names = [name for task, view, name in full.results if (task, view) == ("binary", "wide")]
called = [name if " " in name else f"EfficientNetB4 {name}" for name in names]
print(full.name, called)

# %%
two = {"F1, two classes": ("binary", scores.f1), "AUC, two classes": ("binary", scores.auc)}
five = {"F1, scores 1 to 5": ("multiclass", scores.f1), "weighted kappa": ("multiclass", scores.kappa)}
gains = {
    head: [full.compare(score, (task, "nodule", name), (task, "wide", name)) for name in names]
    for head, (task, score) in (two | five).items()
}
frames = {head: pd.DataFrame(row, index=called)[["value", "low", "high"]] for head, row in gains.items()}
pd.concat(frames, axis=1).round(2)

# %% tags=["hide-input"]
show_figure(
    intervals(frames, xlabel="zoomed nodule less full slice", references={"no difference": 0}),
    name="fig-views-differences",
    evidence=len(study.test),
    caption="Zoomed nodule less full slice, with 95 % intervals over patients and trainings. TL: frozen, FT: "
    "fine-tuned. Right of the line the zoomed nodule is better.",
    alt="Forest plot: for each network four differences, all to the right of a line at no difference.",
)

# %%
{head: rule.statement(row)[0] for head, row in gains.items()}

# %% [markdown]
# ### Against the padding alone
#
# If networks see more than the box, they should rank cases better than its two widths do.

# %%
zoomed = {name: one for name, one in scored.results.items() if name.endswith("zoomed nodule")}
options = {"task": "binary", "seed": seed}
less = tables.differences(zoomed, "padding alone, zoomed nodule", score="AUC", **options)
less.rename(score_tables.in_short)[["difference", "low", "high", "n"]].convert_dtypes().round(3)

# %% [markdown]
# The intervals of the pretrained networks lie below 0; that of the CNN, trained from scratch, holds 0. So the
# zoomed view may win by what readers drew: a {term}`shortcut`, missing in a scan that nobody has read yet.
#
# ```{admonition} Try it
# :class: tip
# In the cell with the padding, change `score="AUC"` to `score="F1 (weighted)"`. Expect every network behind
# again.
# ```

# %% [markdown]
# ### Without the shortcut
#
# The {term}`CNN <convolutional neural network (CNN)>` was also trained on other forms of the zoomed nodule.
# *Padding filled*: the slice's own pixels replace the grey. *Fixed-size crop*: the same millimetres for every
# nodule. *Padding alone*: the picture is blanked. Each less the original form:

# %%
forms = ("padding filled", "fixed-size crop", "padding alone")
asked = {"AUC, two classes": ("binary", scores.auc), "weighted kappa": ("multiclass", scores.kappa)}
kept = {
    head: [windows.compare(score, (task, "nodule", form), (task, "nodule", "CNN")) for form in forms]
    for head, (task, score) in asked.items()
}
frames = {head: pd.DataFrame(row, index=forms)[["value", "low", "high"]] for head, row in kept.items()}
pd.concat(frames, axis=1).round(3)

# %% tags=["hide-input"]
show_figure(
    intervals(frames, xlabel="less the CNN with the padding", references={"no difference": 0}),
    name="fig-views-forms-differences",
    evidence=kept["weighted kappa"][0].n,
    caption="Forms of the zoomed nodule less the form with its padding, with 95 % intervals over patients and"
    " trainings. Left of the line the form is worse.",
    alt="Forest plot of three forms and two scores: all lie left of the line, padding alone nearest to it.",
)

# %% [markdown]
# With two classes the CNN loses when the padding is filled, and is not shown to lose with the padding alone.
# With five scores it loses either way, so there it uses the picture too.
#
# Is the zoomed nodule still better than the {term}`context window <context view>`, which has no padding? For
# five scores (with two classes the CNN there nearly always says *benign*):

# %%
wide_cnn = ("multiclass", "wide", "CNN")
left = {form: windows.compare(scores.kappa, ("multiclass", "nodule", form), wide_cnn) for form in forms}
left = {"padding kept": windows.compare(scores.kappa, ("multiclass", "nodule", "CNN"), wide_cnn)} | left
decision = pd.DataFrame(list(left.values()), index=list(left))[["value", "low", "high", "n"]].round(3)
decision.assign(better=[rule.statement([one])[0] for one in left.values()])

# %% [markdown]
# With the padding it is. Without it, filled or cropped to a fixed size, that is undecided. The padding alone,
# with nothing of the patient, is better again.

# %% [markdown]
# ### Both views together
#
# The report proposes to use both. The simplest way is the mean of the probabilities.

# %%
slice_view, nodule_view = (full.results["binary", view, "FT"][0] for view in ("wide", "nodule"))
together = evidence.together(slice_view, nodule_view, task="binary")
both = paired(together, nodule_view, task="binary", seed=seed).loc[["F1 (weighted)", "AUC"]]
show_table(
    both[["first", "second", "difference", "low", "high", "n", "patients"]],
    name="tab-views-together",
    evidence=len(study.test),
    caption="EfficientNetB4, fine-tuned: mean of both views (first), and zoomed nodule alone (second).",
    decimals=3,
)

# %% [markdown]
# No gain over the zoomed nodule alone is shown. Other ways are in [Both views together](17_both_views.ipynb).
#
# ```{admonition} Try it
# :class: tip
# In the cell with both views, change `"FT"`, fine-tuned, to `"TL"`, frozen. Expect no gain again.
# ```

# %% [markdown]
# ## Run it yourself: the padding filled, and alone
#
# Take five nodules, from a small box to a large one.

# %%
data = sources.open_cohort(cohort, profile=profile, seed=seed)
wide, images = inputs.wider_view(data, "filled"), data.images("nodule")
side = 128 - padding.widths(images[:]).sum(axis=1) / 2
rows = [nearest(side, np.quantile(side, share)) for share in (0.02, 0.25, 0.5, 0.75, 0.98)]
print(data.name, len(data), "cases; sides of the picture:", side[rows])

# %%
stored, around = images[rows], data.views[wide][rows]
three = {"as it is": stored, "filled": padding.filled(stored, around), "alone": padding.alone(stored)}
ready = {name: preprocessing.preprocess(one, "nodule", size=128) for name, one in three.items()}
ready = {wide: preprocessing.preprocess(around, wide, size=128)} | ready
{name: one.shape for name, one in ready.items()}

# %% tags=["hide-input"]
show_figure(
    image_grid(
        [list(one[..., 0]) for one in ready.values()],
        titles=[[f"{mm:.0f} mm" for mm in data.cases["diameter_mm"].iloc[rows]]],
        row_labels=[name.replace("_", " ") for name in ready],
        grey_range=(0, 1),
        width=6.4,
    ),
    name="fig-views-pixels",
    evidence=data,
    caption="Five nodules as they reach a network: the slice, and the zoomed nodule with its padding, "
    "with the padding filled, and with nothing else. In the last row only the readers' box is left.",
    alt="Four rows of five images: slices, nodules framed by grey, frames filled by lung, frames alone.",
)

# %% [markdown]
# ### The same network on all three
#
# Only the setting `padding` differs.

# %%
options = {"task": "binary", "view": "nodule", "model": "cnn", "profile": profile, "seed": seed}
plain = runs.train(data, **options, progress=False)
filled = runs.train(data, **options, padding="filled", progress=False)
alone = runs.train(data, **options, padding="only", progress=False)
trained = {"as it is": plain, "filled": filled, "alone": alone}
areas = {name: runs.score(run, against=None).loc["AUC"] for name, run in trained.items()}
pd.DataFrame.from_dict(areas, orient="index").convert_dtypes().round(3)

# %%
compared = {name: runs.compare(run, plain).loc["AUC"] for name, run in trained.items() if run is not plain}
pd.DataFrame.from_dict(compared, orient="index").convert_dtypes().round(3)

# %% [markdown]
# The network against the two widths, on the same cases:

# %%
beside = runs.score(plain, against="padding").loc[["F1 (weighted)", "AUC"]]
beside.round(3)

# %% [markdown]
# ## Check yourself
#
# ```{dropdown} The zoomed view beats the full slice. Have its surroundings misled the network?
# That does not follow. The zoomed view also has more pixels of the nodule and the readers' measure of size.
# ```
#
# ```{dropdown} Why is the padding no use in a clinic?
# Somebody has to draw the box first, and has then measured the nodule already.
# ```
#
# ```{dropdown} A mean of two networks beats one of them. Is the second view worth something?
# Perhaps. Two networks on one view may do it too, because their chance errors cancel.
# ```

# %% [markdown]
# ## Exercise
#
# Does the trained network look at its padding? Give `plain` the *filled* images of its test cases (a copy of
# the run with another `padding` in its settings does it) and compare its answers. Is a worse score proof?

# %% tags=["hide-cell"]
# Solution. No proof: it has never seen such images, and their contrast changes with the mean grey.
settings = plain.config["settings"] | {"padding": "filled"}
swapped = runs.predict(replace(plain, config=plain.config | {"settings": settings}), data)
known = plain.predictions[["case_id", "split", "y_true"]].merge(swapped)
change = paired(result_of(known, data), result_of(plain.predictions, data), task="binary", seed=seed)
change.loc[["accuracy", "F1 (weighted)", "AUC"], ["first", "second", "difference", "low", "high"]].round(3)
