# ---
# jupyter:
#   kernelspec:
#     display_name: Python 3
#     language: python
#     name: python3
# ---

# %% [markdown]
# # Preprocessing
#
# Between the scanner and the network an image changes several times. Each change is a choice, and each
# choice keeps some information and throws other information away. This chapter follows an image through the
# report's preprocessing (its section 2.4) and through the one that it tried and dropped (2.4.1).
#
# You will learn
#
# - what min-max normalisation does, which information it hides, and what a window keeps;
# - what the gain and the cutoff of the sigmoid contrast change;
# - where the padding of the zoomed images comes from, how often some is left after the crop that is meant to
#   remove it, and why that matters;
# - what CLAHE and morphological operations do to a CT image;
# - in which form every image of this book reaches a model.
#
# Nothing is trained here, so the chapter runs fast.

# %% [markdown]
# ## Set-up
#
# On Google Colab the first cell installs the package if it is missing; everywhere else it does nothing. The
# second cell holds every setting.

# %% tags=["hide-input"]
import importlib.util
import os
import sys

if "google.colab" in sys.modules and importlib.util.find_spec("lungcls") is None:
    address = os.environ.get("LUNGCLS_REPOSITORY") or input("Repository (https://host/owner/name): ")
    # %pip install --quiet "lungcls @ git+{address}"

# %% tags=["parameters"]
profile = "quick"  # smoke, quick or full: how many cases the simulated cohort has
cohort = "phantom"  # the simulated cohort, or the folder of your own
views = ["nodule", "full_slice", "context"]  # the first two that the cohort has are shown
seed = 0
gain = 10.0  # slope of the sigmoid contrast; the report does not give its value
cutoff = "mean"  # grey level that the contrast turns around: each image's mean, or a number in 0..1
crop = 96  # side of the centre crop of the zoomed nodule, in pixels
size = 128  # side of the image after preprocessing, in pixels
sample = 200  # how many cases the measurements of contrast use

# %% tags=["hide-input"]
import numpy as np
import pandas as pd
from scipy.ndimage import binary_dilation
from scipy.stats import spearmanr

from lungcls import preprocessing
from lungcls.cohorts import padded_scale
from lungcls.errors import InputError
from lungcls.preprocessing import geometry, grey_levels, padding, pipelines, pixel_contract
from lungcls.report.cases_shown import VIEW_NAMES, choose_views, nearest
from lungcls.report.display import show_figure, show_table, show_text
from lungcls.report.paths import find_checkout
from lungcls.report.plots import distributions, images as images_
from lungcls.report.printed import quoted
from lungcls.report.results import measurements
from lungcls.report.wording import count, percent
from lungcls.sources.opening import open_cohort

data = open_cohort(cohort, profile=profile, seed=seed)
found, missing = choose_views(data, views)
shown = found[:2]
zoomed = "nodule" in shown
scores = data.labels("multiclass")
diameters = data.cases["diameter_mm"] if "diameter_mm" in data.cases else pd.Series(np.nan, data.cases.index)
example = nearest(diameters, 15)  # large enough to see, small enough for padding

lacking = f" It lacks {' and '.join(VIEW_NAMES[view] for view in missing)}: skipped." if missing else ""
show_text(
    f"The cohort shown on this page is *{data.name}*, {count(len(data))} cases. "
    f"Views shown: {' and '.join(VIEW_NAMES[view] for view in shown)}.{lacking}"
)

# %% [markdown]
# ## The steps at a glance
#
# The report treats both views nearly alike: scale the grey levels (*min-max*), steepen the contrast
# (*sigmoid*), and bring the image to a common size. The zoomed nodule is cropped in between. The rest of
# the chapter takes these steps one by one.


# %% tags=["hide-input"]
def steps(view, row):
    raw = data.views[view][row]
    scaled = grey_levels.min_max(raw)
    sharp = grey_levels.sigmoid_contrast(scaled, gain=gain, cutoff=cutoff)
    cut = {"centre crop": geometry.center_crop(sharp, crop)} if view == "nodule" else {}
    last = geometry.resize(list(cut.values())[0] if cut else sharp, size)
    return {"as stored": raw, "min-max": scaled, "contrast": sharp, **cut, "resized": last}


for view in shown:
    stages = steps(view, example)
    raw = stages["as stored"]
    fig = images_.images_and_histograms(
        list(stages.values()),
        titles=[f"{name}\n{image.shape[0]} × {image.shape[1]}" for name, image in stages.items()],
        grey_range=[(raw.min(), raw.max())] + [(0, 1)] * (len(stages) - 1),
        log=True,
    )
    show_figure(
        fig,
        name=f"fig-steps-{view.replace('_', '-')}",
        caption=f"View *{VIEW_NAMES[view]}*, case {data.cases['case_id'][example]}: each step of the "
        "preprocessing and the histogram of its grey "
        "levels, on a logarithmic axis. Min-max changes the numbers but not the picture; the contrast "
        "changes both." + (" The tall line is the grey canvas." if view == "nodule" else ""),
        alt=f"A row of CT images, one for each preprocessing step of the view {VIEW_NAMES[view]}, with "
        "histograms below.",
    )

# %% [markdown]
# ## Min-max normalisation
#
# A CT scanner measures how strongly each spot of the body weakens X-rays, in *Hounsfield units* (HU): air
# has −1000, water 0, bone several hundred. A network learns best from small numbers, so the report maps the
# darkest pixel of each image to 0 and the brightest to 1:
#
# $$ x' = \frac{x - \min}{\max - \min} $$
#
# This has a price that is easily overlooked. Hounsfield units mean the same in every patient and every
# scanner; that is why physicians can tell fat, fluid and calcium apart by number. Minimum and maximum,
# however, depend on what else happens to be in the image: a piece of bone, or the value with which a scanner
# fills the corners outside its round field of view. After min-max, the same tissue has another grey in each
# image.

# %% tags=["hide-input"]
in_hu = {view: data.views[view].dtype.kind == "i" for view in shown}
water = {}
for view in shown:
    if in_hu[view]:
        limits = np.array([(image.min(), image.max()) for image in data.views[view]], dtype=float)
        water[view] = -limits[:, 0] / (limits[:, 1] - limits[:, 0])
if water:
    fig = distributions.histograms(
        list(water.values()),
        labels=[VIEW_NAMES[view] for view in water],
        xlabel="grey level of water (0 HU) after min-max",
        bins=np.linspace(0, 1.2, 61),
    )
    show_figure(
        fig,
        name="fig-water",
        caption="The grey level that 0 HU, the value of water, gets in each image of the cohort. If "
        "min-max kept the meaning of Hounsfield units, all "
        "images would be in one bar. Values above 1 belong to images in which everything is below 0 HU.",
        alt="Histograms of the grey level that water gets after min-max normalisation, one for each view.",
    )
else:
    show_text(
        "The images of this cohort are not in Hounsfield units: whoever made them had already stretched "
        "each one from its own "
        "minimum to its own maximum. What min-max hides is lost here before we start."
    )

# %% [markdown]
# So after min-max a network can see shapes and patterns, but not how dense a nodule is. The report adopts
# min-max "to improve both model performance and convergence speed". Whether it does is a question for an
# experiment; that it costs the absolute scale is certain.

# %% [markdown]
# ### A window instead
#
# Outside its round field of view a scanner writes a value far below air, such as −2000 HU: *padding*, of
# another kind than that of the zoomed view further down. At the bright end metal reaches 3,000 HU. Padding or
# a few pixels of metal set an end of the range, and min-max moves all tissue. A fixed *window* keeps the
# scale: the same two values become 0 and 1 in every image, and what lies beyond is clipped.

# %%
view, window = shown[-1], (-1000, 400)  # HU that become 0 and 1
stored = data.views[view][:sample]
padded = padded_scale.set_by_padding(stored)
row = int(padded.argmax())  # the first case whose scale padding sets, if there is one
before = preprocessing.min_max(stored[row])
after = preprocessing.hu_window(stored[row], window) if in_hu[view] else before
print(f"{VIEW_NAMES[view]}: scale set by padding in {padded.sum()} of {len(stored)} cases")

# %% tags=["hide-input"]
if in_hu[view]:
    titles = ["min-max", f"window {window[0]} to {window[1]} HU"]
    fig = images_.images_and_histograms([before, after], titles=titles, grey_range=(0, 1), log=True)
    show_figure(
        fig,
        name="fig-window",
        caption=f"View *{VIEW_NAMES[view]}*, case {data.cases['case_id'][row]}, scaled by min-max and by a "
        "window. Where padding is the darkest value, min-max leaves the bottom of the range to it and lifts "
        "air and lung to a middle grey; in the window padding is as black as air.",
        alt="A CT slice after min-max, where lung is grey, and after a window, where it is nearly black; "
        "histograms below.",
    )
else:
    show_text("The images of this cohort are in 8 bits and not in Hounsfield units: they take no window.")

# %% [markdown]
# How much this moves tissue in real patients was measured once: on original slices, from which padding was
# taken out, and on slices that whoever published them had cut to the window, to which padding was put back.

# %% tags=["hide-input"]
try:
    recorded = measurements.read(find_checkout() / "book" / "results", "windowing.json")
    show_table(
        measurements.windowing(recorded),
        name="tab-window",
        caption="Real CT: grey level of lung and soft tissue after the report's steps (min-max, sigmoid) and "
        "with a window in its place, the median of each slice: its median and, in brackets, the middle 90 % "
        "over slices. " + measurements.windowed_slices(recorded),
    )
except InputError:
    show_text("The recorded measurement is not here (`book/results` of a checkout); the table is skipped.")

# %% [markdown]
# Padding lifts the lung to a middle grey, metal darkens soft tissue, and the window leaves both where they
# were. The report's steps run on either, so `lungcls cohort check` only notes *scale set by padding*; the
# setting `window` of `lungcls train` takes the window ({doc}`../book/bring_your_own_ct`). Whether a network
# gains by it is for an experiment to say.

# %% [markdown]
# ## Sigmoid contrast
#
# The next step bends the grey levels with an S-shaped curve {cite}`braun1999`:
#
# $$ S(x) = \frac{1}{1 + e^{-\text{gain} \, (x - \text{cutoff})}} $$
#
# Grey levels near the *cutoff* are pulled apart, and those far from it are pushed together. The *gain* says
# how strongly. The report takes the mean grey of the image as cutoff, "typically"; it does not give its
# gain. Ours is a parameter of this page, and it is scikit-image's default.

# %% tags=["hide-input"]
view = shown[0]
scaled = grey_levels.min_max(data.views[view][example])
sharp = grey_levels.sigmoid_contrast(scaled, gain=gain, cutoff=cutoff)
titles = ["before (min-max)", f"after (gain {gain:g}, cutoff {cutoff})"]
fig = images_.images_and_histograms([scaled, sharp], titles=titles, log=True)
show_figure(
    fig,
    name="fig-sigmoid",
    caption=f"View *{VIEW_NAMES[view]}* before and after sigmoid contrast, as in the report's figure 3. "
    "The grey levels of lung and "
    "nodule move away from the cutoff, to the dark and to the bright end.",
    alt="A CT image before and after sigmoid contrast, with histograms of the grey levels.",
)

# %% [markdown]
# ### What gain and cutoff do
#
# The curves below are the whole method: read the old grey level on the horizontal axis, the new one on the
# vertical axis. Where a curve is steep, differences grow. Where it is flat, they vanish, and no later step
# can bring them back.

# %% tags=["hide-input"]
gains, cutoffs = (3.0, 10.0, 30.0), (0.25, 0.5, 0.75)
line = np.linspace(0, 1, 201, dtype=np.float32)[None]
by_gain = {f"gain {g:g}": grey_levels.sigmoid_contrast(line, gain=g, cutoff=0.5)[0] for g in gains}
by_cutoff = {f"cutoff {c:g}": grey_levels.sigmoid_contrast(line, gain=10.0, cutoff=c)[0] for c in cutoffs}
fig = distributions.curves(
    line[0],
    [by_gain, by_cutoff],
    xlabel="grey level before",
    ylabel="grey level after",
    titles=["cutoff 0.5, three gains", "gain 10, three cutoffs"],
)
show_figure(
    fig,
    name="fig-curves",
    caption="Sigmoid contrast as a curve. A high gain nearly makes a black-and-white image; the cutoff "
    "decides what becomes black and what white.",
    alt="Two families of S-shaped curves: three gains at one cutoff, and three cutoffs at one gain.",
)

# %% tags=["hide-input"]
grid = [[grey_levels.sigmoid_contrast(scaled, gain=g, cutoff=c) for c in cutoffs] for g in gains]
fig = images_.image_grid(
    grid,
    titles=[[f"cutoff {c:g}" for c in cutoffs]],
    row_labels=[f"gain {g:g}" for g in gains],
    grey_range=(0, 1),
    width=5.4,
)
show_figure(
    fig,
    name="fig-gain-cutoff",
    caption="The same image for three gains and three cutoffs. In the bottom row the texture of the "
    "nodule is gone: it has become a white "
    "silhouette, or it has merged with the dark.",
    alt="Three by three grid of one CT image with growing gain from top to bottom and growing cutoff from "
    "left to right.",
)

# %% tags=["hide-input"]
low, high = grey_levels.sigmoid_contrast(np.array([[0.0, 1.0]], dtype=np.float32), gain=gain, cutoff=0.5)[0]


def middle_of_means(view):
    means = [grey_levels.min_max(image).mean() for image in data.views[view]]
    first, last = np.quantile(means, (0.05, 0.95))
    return f"{first:.2f} to {last:.2f} (*{VIEW_NAMES[view]}*)"


show_text(
    "Two side effects are easy to miss. First, the result no longer fills the whole range: with gain "
    f"{gain:g} and cutoff 0.5, black becomes "
    f"{low:.3f} and white {high:.3f}. Second, with the mean as cutoff, the curve differs from image to "
    "image. Nine in ten means in this "
    f"cohort lie within {' and '.join(middle_of_means(view) for view in shown)}. In zoomed nodules the mean "
    "includes the grey canvas, which is none of the patient's tissue."
)

# %% [markdown]
# ### Does it enhance detail?
#
# The report holds that the contrast brings out "subtle details" and does not distort "essential
# structures". The order of the grey levels does stay, since the curve always rises. But order is not all.
# Where the outline of the nodule is known, we can measure how far the nodule stands out from its
# surroundings, how widely the grey levels inside it spread, and how many of them end so close to black or
# white that nobody can tell them apart any more.

# %% tags=["hide-input"]
taken = np.sort(np.random.default_rng(seed).permutation(len(data))[:sample])
outlined = [view for view in shown if view in data.masks]


def measure(images, masks):
    around = [binary_dilation(mask, iterations=6) & ~mask for mask in masks]
    nodule = [image[mask] for image, mask in zip(images, masks)]
    surroundings = [image[ring].mean() for image, ring in zip(images, around)]
    stands_out = np.median([pixels.mean() - grey for pixels, grey in zip(nodule, surroundings)])
    spread = np.median([pixels.std() for pixels in nodule])
    flat = np.mean([np.mean((pixels < 0.05) | (pixels > 0.95)) for pixels in nodule])
    return {"stands out by": stands_out, "spread inside": spread, "nearly black or white (%)": 100 * flat}


if outlined:
    view = outlined[0]
    masks = data.masks[view][taken] > 0
    kept = masks.any(axis=(1, 2))
    scaled_all = grey_levels.min_max(data.views[view][taken][kept])
    names = {"none": "min-max only", "sigmoid": "sigmoid contrast", "clahe_morphology": "CLAHE + morphology"}
    changed = {how: grey_levels.enhance(scaled_all, how, gain=gain, cutoff=cutoff) for how in names}
    table = pd.DataFrame({names[how]: measure(images, masks[kept]) for how, images in changed.items()}).T
    show_table(
        table.rename_axis("after"),
        name="tab-contrast",
        caption=f"What each method does to the nodule, over {count(kept.sum())} cases (view "
        f"*{VIEW_NAMES[view]}*): mean grey of the nodule minus that of "
        "a ring of 6 pixels around it (median), standard deviation of the grey levels inside it (median), "
        "and share of its pixels below 0.05 "
        "or above 0.95. The last row anticipates a method that comes further down.",
    )
else:
    show_text("This cohort has no nodule masks, so this measurement is skipped.")

# %% tags=["hide-input"]
if outlined:
    plain, curved = table.iloc[0], table.iloc[1]
    show_text(
        f"After sigmoid contrast the nodule stands out {curved.iloc[0] / plain.iloc[0]:.1f} times as far "
        "as before, and the grey levels inside it spread "
        f"{curved.iloc[1] / plain.iloc[1]:.1f} times as widely. The price is in the last column: "
        f"{curved.iloc[2]:.0f} % of the nodule's pixels, where "
        f"it was {plain.iloc[2]:.0f} %, are now nearly black or nearly white. Differences near the cutoff "
        "are enhanced, differences far from it are lost; "
        "whether that helps a model is for an experiment to say."
    )

# %% [markdown]
# ## The padding and the crop
#
# The zoomed images of the report come in many sizes, since nodules do. Laid on a common canvas of 128 × 128
# pixels, small ones are surrounded by grey *padding*. The report removes these "recurrent gray bands" with a
# centre crop of 96 × 96 pixels.
#
# How the report's images got onto their canvas is not known in detail. What follows is our reconstruction:
# the box that the readers drew and 20 pixels on each side, at the scan's own resolution, in the middle of
# the canvas.

# %% tags=["hide-input"]
if not zoomed:
    show_text("The zoomed nodule is not among the views shown, so the section on padding is skipped.")

# %% tags=["hide-input"]
if zoomed:
    stored = data.views["nodule"]
    shape = stored.shape[1:]
    widths = np.concatenate([padding.widths(batch) for _, batch in stored.batches()])
    left = padding.widths_after_crop(widths, shape, crop=crop)
    sides = np.stack([shape[0] - widths[:, :2].sum(axis=1), shape[1] - widths[:, 2:].sum(axis=1)], axis=1)
    side = sides.mean(axis=1)
    quantiles = [nearest(side, np.quantile(side, q)) for q in (0.02, 0.25, 0.5, 0.75, 0.98)]
    whole = [grey_levels.min_max(stored[row]) for row in quantiles]
    fig = images_.image_grid(
        [whole, [geometry.center_crop(image, crop) for image in whole]],
        titles=[[f"score {scores[row]}\n{sides[row, 0]} × {sides[row, 1]} pixels" for row in quantiles]],
        row_labels=["on the canvas", f"after the {crop} crop"],
    )
    show_figure(
        fig,
        name="fig-padding",
        caption="Zoomed images from a small one (left) to a large one (right), with score and the size of "
        "the picture inside the padding. Top: on the canvas. Bottom: "
        "after the centre crop. The padding becomes narrower; in "
        f"{percent((left > 0).any(axis=1).mean(), 1)} of all images a part of it stays.",
        alt="Five zoomed nodule images from small to large on grey canvases, before and after a centre crop.",
    )

# %% tags=["hide-input"]
if zoomed:
    reach = (min(shape) - crop) / 2
    fig = distributions.histograms(
        [widths[:, :2].mean(axis=1), widths[:, 2:].mean(axis=1)],
        labels=["top and bottom, mean", "left and right, mean"],
        xlabel="width of the padding (pixels)",
        marks={"what the crop removes": reach},
        bins=np.arange(0, widths.max() + 3, 2),
    )
    show_figure(
        fig,
        name="fig-padding-widths",
        caption=f"Width of the padding in {count(len(widths))} images. The centre crop to {crop} pixels "
        f"takes {reach:g} pixels from each side: padding to the right "
        "of the line stays in the picture.",
        alt="Two histograms of the width of the padding with a line where the crop ends.",
    )

# %% tags=["hide-input"]
if zoomed:
    any_before, any_left = (widths > 0).any(axis=1), (left > 0).any(axis=1)
    share_of_picture = np.median(1 - np.clip(sides, 0, crop).prod(axis=1) / crop**2)
    words = quoted.claim("crop")
    show_text(
        f'The report writes (section {words["section"]}): "{words["words"]}". Measured here, '
        f"{percent(any_before.mean(), 1)} of the images have padding "
        f"before the crop and {percent(any_left.mean(), 1)} after it; in the median image "
        f"{percent(share_of_picture)} of the cropped picture is still "
        "padding. For our reconstruction of the images, the crop narrows the padding and does not remove it."
    )

# %% [markdown]
# ### Why the padding matters
#
# The picture inside the padding is the readers' box plus a fixed margin. Its size is therefore a *measurement
# by the readers*, written into the image in the plainest form a network could wish for: straight edges on
# uniform grey. Large nodules are more often called malignant, so wide padding says "benign" before a single
# pixel of lung has been looked at.

# %% tags=["hide-input"]
if zoomed:
    show_figure(
        distributions.by_score(side, scores, ylabel="mean side of the picture (pixels)"),
        name="fig-padding-score",
        caption="Size of the picture inside the padding, by malignancy score. Rank correlation "
        f"{spearmanr(side, scores).statistic:.2f} over "
        f"{count(len(side))} cases. No grey level of lung or nodule was used.",
        alt="Box plots of the size of the picture inside the padding for each score from 1 to 5; it grows "
        "with the score.",
    )

# %% tags=["hide-input"]
if zoomed:
    known = diameters.notna().to_numpy()
    measured = ""
    if known.any():
        rank = spearmanr(side[known], diameters[known]).statistic
        measured = f"Size of the picture and readers' diameter have a rank correlation of {rank:.2f}. "
    show_text(
        f"{measured}Such a clue is called a *shortcut*: it works on these data and says nothing about how "
        "a model would do on an image that no reader has "
        "boxed before. When a model does better on zoomed nodules than on full slices, the padding may be "
        "the reason. Later chapters test this, with a "
        "predictor that sees nothing but the widths of the padding and with images from which it is gone. "
        "Claims about image content rest on the context "
        "window, which has no canvas."
    )

# %% [markdown]
# ## Back to one size
#
# After the crop the report resizes the zoomed images "back to 128×128", the size of the rest. Resizing
# interpolates: it makes new pixels out of their neighbours and adds no information. Full slices go the
# other way, from 512 pixels down, and there detail is lost for good. A nodule that is a few pixels wide in
# the slice all but disappears.

# %% tags=["hide-input"]
sentences = []
spacing = data.cases["pixel_spacing_mm"] if "pixel_spacing_mm" in data.cases else np.nan
for view in shown:
    native = data.views[view].shape[1]
    factor = size / (crop if view == "nodule" else native)
    pixels = (diameters / spacing).median() * factor
    becomes = f"; the median nodule is then {pixels:.1f} pixels across" if np.isfinite(pixels) else ""
    sentences.append(f"*{VIEW_NAMES[view]}*: every length is multiplied by {factor:.2f}{becomes}")
show_text("From the scan's resolution to the model's input, " + "; ".join(sentences) + ".")

# %% [markdown]
# ## What the report tried and dropped: CLAHE and morphology
#
# CLAHE, *contrast limited adaptive histogram equalisation* {cite}`zuiderveld1994`, divides the image into
# tiles and spreads the grey levels of each tile over the whole range, with a limit that keeps noise from
# being blown up. Morphological operations {cite}`serra1982` then add what is brighter than its
# neighbourhood and take away what is darker, so that small bright spots and fine lines stand out.
#
# The report refers to a paper for these steps. The paper that it names is, by its title, a review of drug
# discovery {cite}`zhou2024`, so we could not look up the settings; those used here are marked as ours in
# the code.

# %% tags=["hide-input"]
broad = next((view for view in shown if view != "nodule"), shown[0])
before = grey_levels.min_max(data.views[broad][example])
equalised = grey_levels.clahe(before)
after = grey_levels.morphological_enhancement(equalised)
titles = ["min-max", "CLAHE", "CLAHE + morphology"]
fig = images_.images_and_histograms([before, equalised, after], titles=titles)
words = quoted.claim("clahe")
show_figure(
    fig,
    name="fig-clahe",
    caption=f"View *{VIEW_NAMES[broad]}* before and after CLAHE and morphological operations, as in the "
    "report's figure 4. Vessels and edges stand out, and so "
    "does the noise.",
    alt="A CT image after min-max, after CLAHE, and after CLAHE and morphological operations, with "
    "histograms.",
)
show_text(
    f'The report\'s verdict (section {words["section"]}): "{words["words"]}". The pictures make that '
    "plausible. CLAHE treats each tile by itself, so the same "
    "tissue gets different greys in different places, on top of what min-max has already done; and every "
    "vessel now looks as bright as a nodule."
)

# %% [markdown]
# ## What reaches a model: the pixel contract
#
# The steps above could be done in another order, or twice, or on the wrong number type, and nothing would
# crash: the model would just be a bit worse. This book therefore has one rule for all images that leave
# preprocessing. They are 32-bit floating-point numbers from 0 to 1, in an array of the shape (cases,
# height, width, 1). What a particular network wants beyond that, such as three colour channels, happens
# inside the network. An image that breaks the rule is refused.

# %% tags=["hide-input"]
rows = {}
for view in shown:
    raw = data.views[view][:8]
    ready = pipelines.preprocess(raw, view, size=size, crop=crop, gain=gain, cutoff=cutoff)
    pixel_contract.check_pixel_contract(ready)
    for what, images in (("as stored", raw), ("preprocessed", ready)):
        least, greatest = (f"{level:.4g}" for level in (images.min(), images.max()))
        rows[VIEW_NAMES[view], what] = [str(images.dtype), str(images.shape), least, greatest]
contract = pd.DataFrame.from_dict(rows, orient="index", columns=["type", "shape", "least", "greatest"])
contract.index = pd.MultiIndex.from_tuples(contract.index, names=["view", "images"])
show_table(
    contract,
    name="tab-contract",
    caption="The first eight cases as they are stored and as they reach a model: number type, shape, "
    "least and greatest value.",
)

# %% [markdown]
# What happens to images that are handed to a model as they are stored? They do not get far.

# %% tags=["hide-input"]
try:
    pixel_contract.check_pixel_contract(raw[..., None])
except ValueError as error:
    show_text(f"> {error}")

# %% [markdown]
# ## What follows
#
# - Min-max hides Hounsfield units, and padding or metal moves it; the book keeps it because the report does.
# - A window keeps the scale. It is a setting, for cohorts in Hounsfield units.
# - Sigmoid contrast enhances differences near its cutoff and flattens all others; the report's settings are
#   not known in full.
# - In our reconstruction the crop narrows the padding and does not remove it: the zoomed view tells a
#   model how large the readers found the nodule.
# - Every image follows one contract from here on.

# %% [markdown]
# ## Exercise
#
# How small would the crop have to be for the padding to vanish from *every* image, and what would that cost?
# Use `padding.widths_after_crop` for several crops, and count in how many cases the crop would cut into the
# nodule itself (`data.masks["nodule"]`). Then ask whether a fixed-size crop still tells a model how
# large the nodule is.

# %% tags=["hide-cell"]
# Solution
if zoomed and "nodule" in data.masks:
    outlines, rows = data.masks["nodule"][:], {}
    for side in (96, 80, 64, 48, 40, 32):
        remaining = (padding.widths_after_crop(widths, shape, crop=side) > 0).any(axis=1)
        cuts = geometry.center_crop(outlines, side).sum(axis=(1, 2)) < outlines.sum(axis=(1, 2))
        rows[side] = [100 * remaining.mean(), 100 * cuts.mean(), 100 * cuts[scores == scores.max()].mean()]
    columns = ["padding left (%)", "nodule cut (%)", f"nodule cut, score {scores.max()} (%)"]
    table = pd.DataFrame.from_dict(rows, orient="index", columns=columns).rename_axis("crop (pixels)")
    show_table(
        table,
        name="tab-crop-exercise",
        caption="Share of images with padding left, and share of cases in which the crop cuts the outline "
        "of the nodule: of all, and of those with the "
        "highest score.",
        decimals=1,
    )
    free = table.index[table["padding left (%)"] == 0]
    if len(free):
        show_text(
            f"Of these crops, the largest that leaves no padding at all is {free.max()} pixels. It cuts the "
            f"nodule in {table.loc[free.max()].iloc[1]:.1f} % of the cases and "
            f"in {table.loc[free.max()].iloc[2]:.1f} % of those with the highest score. A fixed-size crop "
            "still shows how large the nodule is, but now in "
            "the image itself, where a model has to find it."
        )
