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
# ```{admonition} In short
# - **Question.** What do the report's steps keep of a CT image, and what do they lose?
# - **Answer, on real CT.** {term}`Min-max <min-max normalisation>` loses the scale: padding or a few pixels
#   of metal set it. The same lung has a grey level of {{ window_lung_plain }} without padding and
#   {{ window_lung_padded }} with it ({{ window_slices }} slices, middle 90 % in brackets); with a fixed
#   window it does not move. The crop against the grey {term}`padding` of the
#   {term}`zoomed nodule <zoomed view>` leaves some in {{ padding_left }} of the cases.
# - **How sure.** Both are counted. That the report's zoomed images looked like our reconstruction is an
#   assumption.
# - **More.** What the padding is worth: [Full slice against zoomed nodule](06_views.ipynb).
# ```
#
# The steps are in the report's section 2.4, those that it tried and dropped in 2.4.1. Nothing is trained
# here.

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
profile = "quick"  # smoke, quick or full: how many simulated cases
cohort = "phantom"  # the simulated cohort, or the folder of your own
seed = 0
gain = 10.0  # slope of the sigmoid contrast; the report gives none
cutoff = "mean"  # grey level it turns around: "mean", or 0..1
crop = 96  # side of the centre crop of the zoomed nodule, in pixels
size = 128  # side of the image after preprocessing, in pixels
sample = 200  # cases that the measurements of contrast use

# %% tags=["hide-input"]
import numpy as np
import pandas as pd

from lungcls import preprocessing, sources
from lungcls.cohorts import padded_scale
from lungcls.metrics import contrast
from lungcls.preprocessing import geometry, grey_levels, padding, pixel_contract
from lungcls.report.cases_shown import choose_views, nearest
from lungcls.report.display import show_figure, show_table
from lungcls.report.parameters import check_parameters
from lungcls.report.paths import find_checkout
from lungcls.report.plots import images as pictures
from lungcls.report.results import measurements
from lungcls.report.slider import show_slider

check_parameters(globals(), "gain", "cutoff", "crop", "size", "sample")

# %% [markdown]
# ## Real CT first: what min-max does
#
# {term}`CT` has grey levels in {term}`Hounsfield units <Hounsfield unit (HU)>`. The report maps the darkest
# pixel of each image to 0 and the brightest to 1:
#
# $$ x' = \frac{x - \min}{\max - \min} $$
#
# Hounsfield units mean the same in every patient and scanner; minimum and maximum do not. Outside its round
# field of view a scanner writes a value far below air, such as −2000. Metal reaches 3,000. Either sets an end
# of the range and moves all tissue.

# %%
recorded = measurements.read(find_checkout() / "book" / "results", "windowing.json")
moved = measurements.windowing(recorded)
recorded["sources"]["cut slices"]["grey"]["lung"]["min-max"]["padding"]

# %% tags=["hide-input"]
show_table(
    moved,
    name="tab-window",
    evidence=recorded["sources"]["cut slices"]["slices"],
    caption="Grey level of two tissues after the report's steps, and with a window in the place of min-max: "
    "median and, in brackets, middle 90 % of slices. Padding lifts the lung, metal darkens soft tissue, the "
    "window moves neither. " + measurements.windowed_slices(recorded),
)

# %% [markdown]
# So after min-max a network cannot see how dense a nodule is. The book keeps min-max because the report does;
# the setting `window` replaces it.

# %% [markdown]
# ## Run it yourself: one image, step by step
#
# A {term}`nodule` of about 15 mm, from the {term}`cohort` at hand:

# %%
data = sources.open_cohort(cohort, profile=profile, seed=seed)
row = nearest(data.cases["diameter_mm"], 15)
zoomed = data.images("nodule")
stored = zoomed[row]
print(f"{data.name}: {len(data)} cases; {stored.shape}, {stored.min()} to {stored.max()}")

# %% [markdown]
# The report's four steps for a zoomed nodule:

# %%
scaled = preprocessing.min_max(stored)
sharp = preprocessing.sigmoid_contrast(scaled, gain=gain, cutoff=cutoff)
cut = preprocessing.center_crop(sharp, crop)
ready = preprocessing.resize(cut, size)
print(f"{scaled.min():.2f} to {scaled.max():.2f}, then {sharp.min():.2f} to {sharp.max():.2f}; {ready.shape}")

# %% tags=["hide-input"]
steps = {"as stored": stored, "min-max": scaled, "contrast": sharp, "centre crop": cut, "resized": ready}
show_figure(
    pictures.images_and_histograms(
        list(steps.values()),
        titles=[f"{name}\n{image.shape[0]} × {image.shape[1]}" for name, image in steps.items()],
        grey_range=[(stored.min(), stored.max())] + [(0, 1)] * 4,
        log=True,
    ),
    name="fig-steps-nodule",
    evidence=data,
    caption="The zoomed nodule after each step, and its grey levels on a logarithmic axis. Min-max changes "
    "the numbers but not the picture; the contrast changes both. The tall line is the grey padding.",
    alt="A row of five CT images of one nodule, one for each preprocessing step, with histograms below.",
)

# %% [markdown]
# A {term}`full slice` takes the same steps without the crop. One call does them all:

# %%
wide = choose_views(data, ["full_slice", "context"])[0][0]
slices = preprocessing.preprocess(data.views[wide][:8], wide, size=size, gain=gain, cutoff=cutoff)
nodules = preprocessing.preprocess(zoomed[:8], "nodule", size=size, crop=crop, gain=gain, cutoff=cutoff)
print(wide, slices.dtype, slices.shape, "nodule", nodules.shape)

# %% [markdown]
# ### The pixel contract
#
# Preprocessing returns 32-bit floats from 0 to 1 of shape (cases, height, width, 1). Other images are
# refused, here the slices as stored.

# %%
pixel_contract.check_pixel_contract(slices)
try:
    pixel_contract.check_pixel_contract(data.views[wide][:8][..., None])
except ValueError as error:
    print(error)

# %%
kinds = {("stored", wide): data.views[wide][:8], ("preprocessed", wide): slices}
kinds |= {("stored", "nodule"): zoomed[:8], ("preprocessed", "nodule"): nodules}
rows = {what: [str(a.dtype), str(a.shape), f"{a.min():.4g}", f"{a.max():.4g}"] for what, a in kinds.items()}
show_table(
    pd.DataFrame.from_dict(rows, orient="index", columns=["type", "shape", "least", "greatest"]),
    name="tab-contract",
    evidence=data,
    caption="Eight cases as they are stored and as they reach a model.",
)

# %% [markdown]
# ```{admonition} Try it
# :class: tip
# In the cell with the four steps, change `gain=gain` to `gain=2`. Expect a pale picture: the contrast now
# reaches from about 0.3 to 0.8 only.
# ```

# %% [markdown]
# ## A window instead of min-max
#
# A fixed window maps the same two values to 0 and 1 in every image and clips what lies beyond.
# `set_by_padding` finds the images whose minimum is padding.

# %%
some = data.views[wide][:sample]
padded = padded_scale.set_by_padding(some)
first = int(padded.argmax())  # the first one, if there is one
print(f"scale set by padding in {padded.sum()} of {len(some)} images")

# %% [markdown]
# Share of pixels in each fifth of the grey range, in the first of these:

# %%
by_range = preprocessing.min_max(some[first])
by_window = preprocessing.hu_window(some[first], (-1000, 400))
fifths = {
    name: np.histogram(image, bins=5, range=(0, 1))[0] / image.size
    for name, image in {"min-max": by_range, "window": by_window}.items()
}
pd.DataFrame(fifths, index=["0.0 to 0.2", "to 0.4", "to 0.6", "to 0.8", "to 1.0"]).round(2)

# %% [markdown]
# ## Sigmoid contrast
#
# {term}`Sigmoid contrast` {cite}`braun1999` is an S-shaped curve of grey levels:
#
# $$ S(x) = \frac{1}{1 + e^{-\text{gain} \, (x - \text{cutoff})}} $$
#
# It spreads grey levels near the *cutoff* and compresses the others; the *gain* sets how strongly. The
# report's cutoff is "typically" the mean grey of the image; its gain is not given, and ours is scikit-image's
# default.

# %%
line = np.linspace(0, 1, 201, dtype=np.float32)[None]
by_gain = {f"gain {g}": preprocessing.sigmoid_contrast(line, gain=g, cutoff=0.5)[0] for g in (3, 10, 30)}
{name: f"{curve[0]:.3f} to {curve[-1]:.3f}" for name, curve in by_gain.items()}

# %% [markdown]
# The result no longer fills the whole range. And with the mean as cutoff, the curve differs from image to
# image; in a zoomed nodule the mean includes the grey padding.

# %%
gains, cutoffs = (2, 5, 10, 20, 30), (0.1, 0.25, 0.5, 0.75, 0.9)
grid = [[preprocessing.sigmoid_contrast(scaled, gain=g, cutoff=c) for c in cutoffs] for g in gains]
show_slider(
    grid,
    knobs={"gain": gains, "cutoff": cutoffs},
    name="slider-contrast",
    evidence=data,
    caption="With a high gain the nodule becomes a silhouette, or merges with the dark.",
    alt="One zoomed nodule after the sigmoid contrast, by gain and cutoff.",
)

# %% [markdown]
# ### Does it enhance detail?
#
# The report says that the contrast brings out "subtle details" and does not distort "essential structures".
# Where the outline of the nodule is known, this can be measured.

# %%
drawn = np.random.default_rng(seed).permutation(len(data))[:sample]
outlines = data.images("nodule", masks=True)[drawn] > 0
plain = preprocessing.min_max(zoomed[drawn])
names = {"none": "min-max only", "sigmoid": "sigmoid contrast", "clahe_morphology": "CLAHE + morphology"}
found = {names[how]: contrast.of_nodules(grey_levels.enhance(plain, how), outlines) for how in names}
print(f"{len(drawn)} cases, {outlines.any(axis=(1, 2)).sum()} of them with an outline")

# %%
show_table(
    pd.DataFrame(found).T.rename_axis("after"),
    name="tab-contrast",
    evidence=data,
    caption="Medians over cases: mean grey of the nodule less that of a ring of 6 pixels, standard deviation "
    "inside it, share of its pixels below 0.05 or above 0.95. The last row anticipates a method below.",
)

# %% [markdown]
# Differences near the cutoff grow, those far from it are lost.

# %% [markdown]
# ## Padding
#
# On a common canvas of 128 × 128 pixels, small nodules are surrounded by grey padding. The report removes
# these "recurrent gray bands" with a centre crop of 96 × 96 pixels. How its images were laid out is not
# known; ours hold the readers' box and 20 pixels on each side, at the scan's resolution.

# %%
widths = np.concatenate([padding.widths(batch) for _, batch in zoomed.batches()])
left = padding.widths_after_crop(widths, zoomed.shape[1:], crop=crop)
before, after = ((bands > 0).any(axis=1).mean() for bands in (widths, left))
print(f"with padding: {before:.1%} of the images before the crop, {after:.1%} after it")

# %% tags=["hide-input"]
side = 128 - (widths[:, :2].sum(axis=1) + widths[:, 2:].sum(axis=1)) / 2
chosen = [nearest(side, np.quantile(side, share)) for share in (0.02, 0.25, 0.5, 0.75, 0.98)]
whole = [preprocessing.min_max(zoomed[place]) for place in chosen]
show_figure(
    pictures.image_grid(
        [whole, [geometry.center_crop(image, crop) for image in whole]],
        titles=[[f"score {data.cases['malignancy'][place]}" for place in chosen]],
        row_labels=["on the canvas", f"after the {crop} crop"],
    ),
    name="fig-padding",
    evidence=data,
    caption="Zoomed images from a small picture (left) to a large one (right), before and after the crop. "
    "The padding becomes narrower, and in most images a part of it stays.",
    alt="Five zoomed nodule images from small to large on grey canvases, before and after a centre crop.",
)

# %% [markdown]
# ### Why the padding matters
#
# The picture inside the padding is the readers' box plus a fixed margin: a *measurement by the readers*,
# written into the image. Its rank correlation with score and diameter:

# %%
inside = 128 - widths.reshape(-1, 2, 2).sum(axis=2).mean(axis=1)  # mean side of the picture, in pixels
data.cases[["malignancy", "diameter_mm"]].corrwith(pd.Series(inside), method="spearman").round(2)

# %% [markdown]
# Such a clue is a {term}`shortcut`: only an image that a reader has boxed has it. On real CT these widths
# alone have an {term}`AUC` of {{ findings_padding }} ({{ findings_n }} nodules). Claims about image content
# rest on the {term}`context window <context view>`, which has no canvas.
#
# ```{admonition} Try it
# :class: tip
# Set `crop` to 40 in the cell with the widths (`crop=40`). Expect no image with padding, or nearly none. The
# price: large nodules no longer fit.
# ```

# %% [markdown]
# ## What the report tried and dropped: CLAHE and morphology
#
# {term}`CLAHE` {cite}`zuiderveld1994` spreads the grey levels of each tile over the whole range, with a limit
# on noise. {term}`Morphological operations` {cite}`serra1982` then add what is brighter than its
# neighbourhood and take away what is darker. For its settings the report cites what is, by its title, a
# review of drug discovery {cite}`zhou2024`, which we could not find; those here are ours.

# %%
flat = preprocessing.min_max(data.views[wide][row])
equalised = grey_levels.clahe(flat)
enhanced = grey_levels.morphological_enhancement(equalised)
print(f"mean grey {flat.mean():.2f}, {equalised.mean():.2f}, {enhanced.mean():.2f}")

# %% tags=["hide-input"]
show_figure(
    pictures.images_and_histograms(
        [flat, equalised, enhanced], titles=["min-max", "CLAHE", "CLAHE + morphology"]
    ),
    name="fig-clahe",
    evidence=data,
    caption="A slice before and after, as in the report's figure 4. Vessels and edges stand out, and so does "
    "the noise.",
    alt="A CT image after min-max, after CLAHE, and after CLAHE and morphology, with histograms.",
)

# %% [markdown]
# The report found that these steps confuse its models: the same tissue gets different greys in different
# places, and every vessel looks as bright as a nodule. [Other attempts](05_other_attempts.ipynb) tests their
# effect on scores.

# %% [markdown]
# ## Check yourself
#
# ```{dropdown} Two slices of one patient differ in a single pixel of metal. Do they agree after min-max?
# No. The pixel is the maximum of one of them, and changes every other grey level.
# ```
#
# ```{dropdown} Can the sigmoid contrast change which of two pixels is brighter?
# No, the curve always rises. It can make their difference vanish.
# ```
#
# ```{dropdown} Why does the crop not remove the padding?
# The picture of a small nodule is smaller than the crop.
# ```

# %% [markdown]
# ## Exercise
#
# How small must the crop be for the padding to vanish from *every* image, and in how many cases would it cut
# into the nodule? Use `padding.widths_after_crop` for several crops.

# %% tags=["hide-cell"]
# Solution
outlines, rows = data.images("nodule", masks=True)[:], {}
for width in (96, 80, 64, 48, 40, 32):
    remaining = (padding.widths_after_crop(widths, zoomed.shape[1:], crop=width) > 0).any(axis=1)
    lost = geometry.center_crop(outlines, width).sum(axis=(1, 2)) < outlines.sum(axis=(1, 2))
    rows[width] = [100 * remaining.mean(), 100 * lost.mean()]
show_table(
    pd.DataFrame.from_dict(rows, orient="index", columns=["padding left (%)", "nodule cut (%)"]),
    name="tab-crop-exercise",
    evidence=data,
    caption="Share of images with padding left, and of cases in which the crop cuts the nodule's outline,"
    " by the side of the crop in pixels.",
    decimals=1,
)
