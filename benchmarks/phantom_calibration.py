"""Compare the phantom with real CT windows of the same nodules.

    python benchmarks/phantom_calibration.py /data/lidc --out calibration

The real cohort (an argument, else the environment variable LUNGCLS_LIDC) holds `context`
windows stretched to 8 bits. The phantom is rendered for the same case ids and stretched
alike. Compared are grey levels, noise texture, the nodule's contrast and edge, and one
small network trained in the same way on either, in the same patient-grouped folds. A
table is printed; figures and the numbers go to the folder of --out. No real image is
written.
"""

import argparse
import json
import os
from pathlib import Path
import time

import numpy as np

from lungcls.cohorts import cohort as cohorts
from lungcls.metrics import paired_tests
from lungcls.sources.phantom import making

FOLDS = 5
PIXELS = 48  # side of the network's input: the centre of the window
BANDS = {"all": (0, 1e9), "below 8 mm": (0, 8), "8 to 15 mm": (8, 15), "above 15 mm": (15, 1e9)}
LIMITS = {"all": 0.05, "below 8 mm": 0.08, "8 to 15 mm": 0.08, "above 15 mm": 0.08}
DISTANCES = np.arange(-6, 11)  # pixels outside the outline


def main():
    options = _options()
    out = Path(options.out)
    out.mkdir(parents=True, exist_ok=True)
    real = cohorts.load(options.cohort)
    if options.cases:
        real = real.select(np.random.default_rng(0).permutation(len(real))[: options.cases])
    folder = Path(options.phantom or out / "phantom")
    if not folder.exists():
        making.make(folder, cases=list(real.cases["case_id"]), seed=options.seed, views=("context",))
    twin = cohorts.load(folder).select(list(real.cases["case_id"]))
    windows = {"phantom": stretch(twin.views["context"][:]), "real": stretch(real.views["context"][:])}
    masks = {"phantom": twin.masks["context"][:] > 0, "real": real.masks["context"][:] > 0}
    found = {"cases": len(real), "seed": options.seed, "appearance": {}}
    profiles = {}
    marked = real.cases["ratings"].str.split().str.len().to_numpy()
    for name in windows:
        found["appearance"][name], profiles[name] = appearance(windows[name], masks[name], marked)
    print_appearance(found["appearance"])
    plot(profiles, out / "phantom_calibration.png")
    if options.epochs:
        found["network"] = networks(windows, real.cases, epochs=options.epochs, seed=options.seed)
        print_networks(found["network"])
    (out / "phantom_calibration.json").write_text(json.dumps(found, indent=1) + "\n")


def _options():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("cohort", nargs="?", default=os.environ.get("LUNGCLS_LIDC"))
    parser.add_argument("--out", default="calibration", help="folder for figures and numbers")
    parser.add_argument("--phantom", help="a phantom of the same cases that is already there")
    parser.add_argument("--cases", type=int, help="only that many cases")
    parser.add_argument("--epochs", type=int, default=14, help="0 leaves the networks out")
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    if not options.cohort:
        parser.error("no real cohort: give its folder or set LUNGCLS_LIDC")
    return options


def stretch(images):
    """Stretch each window from its own minimum and maximum to 0..1 in 256 steps, float32."""
    images = np.asarray(images).astype(np.float32)
    low, high = images.min(axis=(1, 2), keepdims=True), images.max(axis=(1, 2), keepdims=True)
    return np.rint((images - low) / (high - low) * 255) / np.float32(255)


# --- Appearance -------------------------------------------------------------------------


def appearance(images, masks, marked):
    """Measure grey levels, grain of the lung, and the nodule's contrast and edge.

    `marked` is how many readers marked each nodule.

    Returns
    -------
    numbers : dict
        Means over the windows.
    profiles : dict of ndarray
        `histogram` (32 bins), `spectrum` (noise power a frequency, adds up to 1),
        `edge` (grey by distance to the outline: quartiles over windows).
    """
    histogram = np.stack([np.histogram(image, 32, (0, 1))[0] for image in images]) / images[0].size
    patches = np.stack([quiet_lung(image) for image in images])
    spectrum = radial_spectrum(patches)
    edges = np.stack([edge_profile(image, mask) for image, mask in zip(images, masks)])
    contrast = np.array([nodule_contrast(image, mask) for image, mask in zip(images, masks)])
    grain = patches.std(axis=(1, 2))
    numbers = {
        "grey mean": images.mean(),
        "grey standard deviation between windows": images.mean(axis=(1, 2)).std(),
        "grey standard deviation within windows": images.std(axis=(1, 2)).mean(),
        "lung grey, lower quartile": np.quantile(patches.mean(axis=(1, 2)), 0.25),
        "lung grey, median": np.median(patches.mean(axis=(1, 2))),
        "lung grey, upper quartile": np.quantile(patches.mean(axis=(1, 2)), 0.75),
        "noise in quiet lung, lower quartile": np.quantile(grain, 0.25),
        "noise in quiet lung, median": np.median(grain),
        "noise in quiet lung, upper quartile": np.quantile(grain, 0.75),
        "noise frequency, mean (cycles a pixel)": float(
            (spectrum * (np.arange(len(spectrum)) + 0.5)).sum() / 16
        ),
        "nodule contrast, lower quartile": np.nanquantile(contrast, 0.25),
        "nodule contrast, median": np.nanmedian(contrast),
        "nodule contrast, upper quartile": np.nanquantile(contrast, 0.75),
        "nodule contrast, median where 1 reader marked it": np.nanmedian(contrast[marked == 1]),
        "nodule contrast, median where 4 readers marked it": np.nanmedian(contrast[marked == 4]),
    }
    numbers = {key: round(float(value), 4) for key, value in numbers.items()}
    quartiles = np.nanquantile(edges, [0.25, 0.5, 0.75], axis=0)
    return numbers, {"histogram": histogram.mean(axis=0), "spectrum": spectrum, "edge": quartiles}


def quiet_lung(image, side=16):
    """The least uneven square of lung: dark, but not the padding outside the patient."""
    tiles = image[: 128 // side * side, : 128 // side * side].reshape(128 // side, side, -1, side)
    tiles = tiles.swapaxes(1, 2).reshape(-1, side, side)
    middle = (np.arange(8) > 1) & (np.arange(8) < 6)  # the rim may lie outside the body
    tiles = tiles[np.outer(middle, middle).ravel()]
    dark = tiles.mean(axis=(1, 2)) < np.quantile(image, 0.5) + 0.02
    tiles = tiles[dark] if dark.any() else tiles
    return tiles[tiles.std(axis=(1, 2)).argmin()]


def radial_spectrum(patches):
    """Noise power of square patches by frequency in 8 rings up to 0.5 cycles a pixel."""
    patches = patches - patches.mean(axis=(1, 2), keepdims=True)
    power = (np.abs(np.fft.fft2(patches * np.outer(np.hanning(16), np.hanning(16)))) ** 2).astype(float)
    power /= np.maximum(power.sum(axis=(1, 2), keepdims=True), 1e-12)
    f = np.hypot(*np.meshgrid(np.fft.fftfreq(16), np.fft.fftfreq(16)))
    ring = np.minimum((f * 16).astype(int), 8)
    rings = np.bincount(ring.ravel(), power.mean(axis=0).ravel(), minlength=9)[:8]
    return rings / rings.sum()


def edge_profile(image, mask):
    """Mean grey by distance to the outline: -1 is the nodule's first pixel, 0 the first outside."""
    from scipy import ndimage

    outer, inner = ndimage.distance_transform_edt(~mask), ndimage.distance_transform_edt(mask)
    place = np.where(mask, np.ceil(-inner), np.floor(outer) - 1).astype(int) - DISTANCES[0]
    near = (place >= 0) & (place < len(DISTANCES))
    counts = np.bincount(place[near], minlength=len(DISTANCES)).astype(float)
    counts[counts == 0] = np.nan
    return np.bincount(place[near], image[near], minlength=len(DISTANCES)) / counts


def nodule_contrast(image, mask):
    """Mean grey of the nodule less the lower quartile of its ring of 4 to 10 px."""
    from scipy import ndimage

    outer = ndimage.distance_transform_edt(~mask)
    return image[mask].mean() - np.quantile(image[(outer >= 4) & (outer <= 10)], 0.25)


def plot(profiles, path):
    """Draw the three comparisons side by side."""
    import matplotlib.pyplot as plt

    figure, axes = plt.subplots(1, 3, figsize=(11, 3.2), layout="constrained")
    for (name, profile), style in zip(profiles.items(), ("-", "--")):
        axes[0].plot((np.arange(32) + 0.5) / 32, profile["histogram"], style, label=name)
        axes[1].plot((np.arange(8) + 0.5) / 16, profile["spectrum"], style, label=name)
        axes[2].plot(DISTANCES, profile["edge"][1], style, label=name)
        axes[2].fill_between(DISTANCES, profile["edge"][0], profile["edge"][2], alpha=0.2)
    axes[0].set(xlabel="grey level (window stretched to 0..1)", ylabel="share of pixels", yscale="log")
    axes[1].set(xlabel="frequency (cycles a pixel)", ylabel="share of noise power in quiet lung")
    axes[2].set(xlabel="distance outside the outline (pixels)", ylabel="grey level, median and quartiles")
    axes[0].legend(frameon=False)
    figure.savefig(path, dpi=150)
    plt.close(figure)


# --- One small network, trained alike ---------------------------------------------------


def networks(windows, cases, *, epochs, seed):
    """Train on either source in the same folds, test on both; then tell them apart.

    Returns
    -------
    dict
        AUC by training and test source and diameter band (mean of folds, and pooled),
        the differences that the calibration bounds (pooled: with the 95 % interval of
        DeLong's test, patients as clusters), and the AUC of telling the sources apart.
    """
    from sklearn.model_selection import StratifiedGroupKFold

    start = time.perf_counter()
    crops = {name: centre(images) for name, images in windows.items()}
    y_true, groups = (cases["malignancy"].to_numpy() >= 4).astype(int), cases["patient_id"].to_numpy()
    splitter = StratifiedGroupKFold(FOLDS, shuffle=True, random_state=seed)
    folds = list(splitter.split(crops["real"], y_true, groups))
    y_prob = {(a, b): np.zeros(len(y_true)) for a in crops for b in crops}
    apart, sources = np.zeros(2 * len(y_true)), np.repeat([0, 1], len(y_true))
    for fold, (train, test) in enumerate(folds):
        for trained in crops:
            model = fit(crops[trained][train], y_true[train], epochs=epochs, seed=seed + fold)
            for tested in crops:
                y_prob[trained, tested][test] = predict(model, crops[tested][test])
        both = np.concatenate([crops["phantom"], crops["real"]])
        rows = np.concatenate([train, train + len(y_true)])
        model = fit(both[rows], sources[rows], epochs=max(epochs // 4, 1), seed=seed + fold)
        rows = np.concatenate([test, test + len(y_true)])
        apart[rows] = predict(model, both[rows])
        print(f"fold {fold + 1} of {FOLDS}: {time.perf_counter() - start:.0f} s", flush=True)
    diameters = cases["diameter_mm"].to_numpy()
    table = {f"{a} to {b}": banded(y_true, y_prob[a, b], diameters, folds) for a, b in y_prob}
    for band, (low, high) in BANDS.items():
        twin, inside = table["phantom to phantom"][band], (diameters >= low) & (diameters < high)
        for kind in ("mean of folds", "pooled"):
            twin[f"{kind}, less real"] = round(twin[kind] - table["real to real"][band][kind], 4)
        both = (y_prob[name, name][inside] for name in ("phantom", "real"))
        less = paired_tests.compare_auc(y_true[inside], *both, patients=groups[inside])
        twin["95 % interval"] = [round(less[end], 4) for end in ("low", "high")]
    return {"auc": table, "telling apart": round(auc(sources, apart), 4), "epochs": epochs, "pixels": PIXELS}


def centre(images):
    start = (images.shape[1] - PIXELS) // 2
    return images[:, start : start + PIXELS, start : start + PIXELS, None]


def fit(images, y_true, *, epochs, seed):
    """Train the network: four convolutions, one hidden layer, one output."""
    import keras

    keras.utils.set_random_seed(seed)
    keras.backend.clear_session()
    layers = keras.layers
    inputs = x = keras.Input(images.shape[1:])
    x = layers.RandomFlip(seed=seed)(x)
    for filters, size, strides, pooled in (
        (16, 5, 2, False),
        (32, 3, 1, True),
        (64, 3, 1, True),
        (64, 3, 1, False),
    ):
        x = layers.Conv2D(filters, size, strides=strides, padding="same", use_bias=False)(x)
        x = layers.ReLU()(layers.BatchNormalization(momentum=0.9)(x))
        x = layers.MaxPooling2D()(x) if pooled else x
    x = layers.Dropout(0.4)(layers.Flatten()(x))
    x = layers.Dropout(0.3)(layers.Dense(32, activation="relu")(x))
    model = keras.Model(inputs, layers.Dense(1, activation="sigmoid")(x))
    rate = keras.optimizers.schedules.CosineDecay(2e-3, epochs * -(-len(images) // 64))
    model.compile(keras.optimizers.AdamW(rate, weight_decay=1e-3), "binary_crossentropy")
    model.fit(images, y_true.astype("float32"), batch_size=64, epochs=epochs, verbose=0)
    return model


def predict(model, images):
    return model.predict(images, batch_size=256, verbose=0)[:, 0]


def banded(y_true, y_prob, diameters, folds):
    """AUC in each diameter band: over all cases at once, and as the mean of the folds."""
    table = {}
    for band, (low, high) in BANDS.items():
        inside = (diameters >= low) & (diameters < high)
        parts = [np.intersect1d(test, np.flatnonzero(inside)) for _, test in folds]
        of_folds = [auc(y_true[part], y_prob[part]) for part in parts if len(set(y_true[part])) == 2]
        pooled = auc(y_true[inside], y_prob[inside])
        table[band] = {
            "cases": int(inside.sum()),
            "malignant": int(y_true[inside].sum()),
            "pooled": round(pooled, 4),
            "mean of folds": round(float(np.mean(of_folds)), 4),
        }
    return table


def auc(y_true, y_prob):
    from sklearn.metrics import roc_auc_score

    return float(roc_auc_score(y_true, y_prob))


# --- What is printed --------------------------------------------------------------------


def print_appearance(found):
    print(f"\n{'appearance (window stretched to 0..1)':45}{'phantom':>10}{'real':>10}")
    for key in found["real"]:
        print(f"{key:45}{found['phantom'][key]:10.4f}{found['real'][key]:10.4f}")


def print_networks(found):
    print(f"\n{'binary AUC, mean of folds (pooled)':32}" + "".join(f"{band:>18}" for band in BANDS))
    for pair, bands in found["auc"].items():
        cells = (f"{bands[band]['mean of folds']:.3f} ({bands[band]['pooled']:.3f})" for band in BANDS)
        print(f"{pair:32}" + "".join(f"{cell:>18}" for cell in cells))
    phantom_auc = found["auc"]["phantom to phantom"]
    less = {
        kind: [phantom_auc[band][f"{kind}, less real"] for band in BANDS]
        for kind in ("mean of folds", "pooled")
    }
    cells = (f"{folds:+.3f} ({pooled:+.3f})" for folds, pooled in zip(*less.values()))
    print(f"{'phantom less real':32}" + "".join(f"{cell:>18}" for cell in cells))
    ends = ("[{:+.3f}, {:+.3f}]".format(*phantom_auc[band]["95 % interval"]) for band in BANDS)
    print(f"{'95 % interval, pooled':32}" + "".join(f"{end:>18}" for end in ends))
    met = all(abs(gap) <= LIMITS[band] for gaps in less.values() for gap, band in zip(gaps, BANDS))
    print(
        f"{'allowed':32}"
        + "".join(f"{LIMITS[band]:18.2f}" for band in BANDS)
        + ("   met both ways" if met else "   NOT met")
    )
    print(f"telling phantom from real: AUC {found['telling apart']:.3f}")


if __name__ == "__main__":
    main()
