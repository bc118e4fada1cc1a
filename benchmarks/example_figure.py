"""Draw the figure of the README and the introduction: one simulated case of each score.

    python benchmarks/example_figure.py

The cases have about the median size of their score; the picture goes to `book/_static/phantom_examples.png`.
"""

from io import BytesIO
from pathlib import Path
import tempfile

from matplotlib import pyplot as plt
from matplotlib.patches import Rectangle
import numpy as np
from PIL import Image

from lungcls.cohorts.cohort import SCORE_NAMES
from lungcls.sources import views
from lungcls.sources.phantom import making

OUT = Path(__file__).resolve().parent.parent / "book" / "_static" / "phantom_examples.png"
BOX = "#e8a33d"
WINDOW_HU = {"vmin": -1350, "vmax": 250}  # the usual lung window


def main():
    cases = examples()
    with tempfile.TemporaryDirectory() as folder:
        made = making.make(Path(folder) / "c", cases=cases, seed=0, jobs=1, progress=False)
        fig = draw(made, making.named(cases))
    save(fig)
    print(f"{OUT.name}: {OUT.stat().st_size / 1e3:.0f} kB")


def examples():
    """Pick a case of median size for each score, seen by four readers, all of different patients."""
    table = making.report_cases()
    middle = table[table["level"].between(0.4, 0.8)]  # where a slice shows most of the lungs
    four = middle[middle["ratings"].str.split().str.len() == 4]
    picked, patients = [], set()
    for score in SCORE_NAMES:
        of_score = four[(four["malignancy"] == score) & ~four["patient_id"].isin(patients)]
        distance = (np.log(of_score["diameter_mm"]) - np.log(of_score["diameter_mm"]).median()).abs()
        row = of_score.loc[distance.idxmin()]
        picked.append(row["case_id"])
        patients.add(row["patient_id"])
    return picked


def draw(made, table):
    """Draw slices above and windows below."""
    fig, axes = plt.subplots(2, len(made), figsize=(10, 4.9), layout="constrained")
    for place, (_, case) in enumerate(table.iterrows()):
        full, window = made.views["full_slice"][place], made.views["context"][place]
        box = views.box(case)
        top, left = views.context_origin(box, full.shape)
        axes[0, place].imshow(full, cmap="gray", **WINDOW_HU)
        axes[0, place].add_patch(Rectangle((left, top), 128, 128, fill=False, ec=BOX, lw=1.2))
        axes[1, place].imshow(window, cmap="gray", **WINDOW_HU)
        axes[0, place].set_title(f"{case['malignancy']}\n{SCORE_NAMES[case['malignancy']]}", fontsize=13)
    for axis in axes.flat:
        axis.set_axis_off()
    return fig


def save(fig):
    """Write the picture in 52 greys and the colour of the box, so that it stays small."""
    buffer = BytesIO()
    fig.savefig(buffer, dpi=120, format="png")
    picture = np.asarray(Image.open(buffer).convert("RGB"))
    coloured = np.ptp(picture, axis=-1) > 40
    index = np.where(coloured, 52, np.rint(picture.mean(axis=-1) / 5)).astype(np.uint8)
    small = Image.fromarray(index, mode="P")
    small.putpalette([grey for level in range(52) for grey in [5 * level] * 3] + list(bytes.fromhex(BOX[1:])))
    small.save(OUT, optimize=True)


if __name__ == "__main__":
    main()
