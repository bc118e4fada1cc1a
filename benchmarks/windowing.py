"""What padding and metal do to the grey levels of tissue after min-max, and what a window does instead.

    python benchmarks/windowing.py DICOM COHORT [--out book/results/windowing.json]

DICOM is a folder with original CT slices of LIDC-IDRI, padding as stored; COHORT one whose view `full_slice`
is in HU and cut to -1000..400, so that padding (-2000 HU outside the circle that the scanner images) and
metal (four pixels of 3,000 HU in the middle) are put back. In the original slices padding is taken out
(-1000 HU) to see them without. Each slice is scaled by min-max or by the window and goes through the report's
sigmoid; recorded are the grey levels of lung and soft tissue, the median of each slice: its median and middle
90 % over all slices. Nothing of an image is kept.
"""

import argparse
import json
from pathlib import Path

import numpy as np

from lungcls.cohorts import cohort as cohorts, padded_scale
from lungcls.preprocessing.grey_levels import hu_window, min_max, sigmoid_contrast
from lungcls.sources import series
from lungcls.sources.hounsfield import read_slice

WINDOW = (-1000, 400)
PADDING, METAL, AIR = -2000, 3000, -1000  # HU
TISSUES = {"lung": (-950, -750), "soft tissue": (0, 100)}  # HU
SCALES = {"min-max": min_max, "window": lambda image: hu_window(image, WINDOW)}


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("dicom", type=Path)
    parser.add_argument("cohort", type=Path)
    parser.add_argument("--out", type=Path, default=Path("book/results/windowing.json"))
    options = parser.parse_args()
    sources = {"original slices": original(options.dicom), "cut slices": cut(options.cohort)}
    found = {
        "window": WINDOW,
        "padding_hu": PADDING,
        "metal_hu": METAL,
        "metal_pixels": 4,
        "tissues": TISSUES,
    }
    found["sources"] = {name: about | {"grey": summary(slices)} for name, (about, slices) in sources.items()}
    for name, source in found["sources"].items():
        print(name, {key: source[key] for key in source if key != "grey"})
        for tissue, scales in source["grey"].items():
            for scale, kinds in scales.items():
                print(f"  {tissue:<12}{scale:<8}", *(f"{k} {v['median']:.2f}" for k, v in kinds.items()))
    options.out.write_text(json.dumps(found, indent=1) + "\n", encoding="utf-8")


def original(folder):
    """How many slices of how many series lie below a folder, and their three kinds, one after the other."""
    paths = sorted(path for path in folder.rglob("*") if path.is_file() and series.read_header(path))
    of = {series.read_header(path)[0] for path in paths}
    images = [read_slice(path) for path in paths]
    padded = padded_scale.set_by_padding(np.stack(images))
    about = {"slices": len(paths), "series": len(of), "scale set by padding": int(padded.sum())}
    about["padding as stored"] = sorted({int(image.min()) for image in images})
    return about, (kinds(image, image == image.min(), image.min()) for image in images)


def cut(folder):
    """The same of the distinct slices of a cohort."""
    data = cohorts.load(folder)
    rows = np.flatnonzero(~data.cases["slice"].duplicated())
    about = {"slices": len(rows), "patients": int(data.cases["patient_id"].iloc[rows].nunique())}
    about["scale set by padding"] = padded_scale.count_cases(data)["full_slice"]
    images, side = data.views["full_slice"], data.views["full_slice"].shape[1]
    outside = np.hypot(*np.mgrid[:side, :side] - (side - 1) / 2) > side / 2
    return about, (kinds(images[row], outside, PADDING) for row in rows)


def kinds(image, outside, padding):
    """A slice without padding and metal and with each of them; and where its tissues are looked for."""
    metal = np.zeros(image.shape, dtype=bool)
    middle = [side // 2 for side in image.shape]
    metal[middle[0] - 1 : middle[0] + 1, middle[1] - 1 : middle[1] + 1] = True
    plain, padded = np.where(outside, AIR, image), np.where(outside, padding, image)
    changed = {"neither": plain, "padding": padded, "metal": np.where(metal, METAL, plain)}
    untouched = ~outside & ~metal
    places = {name: untouched & (image >= low) & (image <= high) for name, (low, high) in TISSUES.items()}
    return changed, places


def summary(slices):
    """Median and middle 90 % over slices of the grey level of each tissue, by scale and kind of slice."""
    rows = {}
    for changed, places in slices:
        for kind, image in changed.items():
            for scale, step in SCALES.items():
                grey = sigmoid_contrast(step(image))
                for tissue, place in places.items():
                    if place.any():
                        rows.setdefault((tissue, scale, kind), []).append(float(np.median(grey[place])))
    found = {}
    for (tissue, scale, kind), levels in rows.items():
        low, middle, high = np.quantile(levels, [0.05, 0.5, 0.95]).round(4).tolist()
        cell = {"median": middle, "low": low, "high": high, "slices": len(levels)}
        found.setdefault(tissue, {}).setdefault(scale, {})[kind] = cell
    return found


if __name__ == "__main__":
    main()
