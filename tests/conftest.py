"""Small cohorts and files that several tests share."""

from importlib import util
import os
from pathlib import Path
import sys

import numpy as np
import pandas as pd
import pytest

from lungcls.cohorts.cohort import Cohort, save

# Networks are tiny here: one thread, as in a run's settings, set before anything imports Keras.
os.environ |= dict.fromkeys(("TF_NUM_INTRAOP_THREADS", "TF_NUM_INTEROP_THREADS", "OMP_NUM_THREADS"), "1")


def load_benchmark(name):
    """Open a script of benchmarks/ as a module."""
    path = Path(__file__).parents[1] / "benchmarks" / f"{name}.py"
    spec = util.spec_from_file_location(name, path)
    module = util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def case_table(n=10):
    """A table of n cases of n / 2 patients, scores 1..5 in turn."""
    return pd.DataFrame(
        {
            "case_id": [f"pat{i}" for i in range(1, n + 1)],
            "patient_id": [f"LIDC-IDRI-{i // 2:04d}" for i in range(n)],
            "malignancy": [1 + i % 5 for i in range(n)],
            "ratings": [f"{max(i % 5, 1)} {1 + i % 5}" if i % 2 else f"{1 + i % 5}" for i in range(n)],
            "diameter_mm": [3.1 + i / 7 for i in range(n)],
        }
    )


def tiny_cohort(n=10, *, size=8, dtype=np.int16, seed=0):
    """A cohort of noise: views `context` and `nodule`, the nodule with its mask."""
    rng = np.random.default_rng(seed)
    images = {view: rng.integers(0, 200, (n, size, size)).astype(dtype) for view in ("context", "nodule")}
    masks = {"nodule": (images["nodule"] > 150).astype(np.uint8)}
    return Cohort(case_table(n), images, masks, {"name": "tiny", "licence": "none"})


@pytest.fixture
def tiny():
    return tiny_cohort()


@pytest.fixture
def saved(tmp_path, tiny):
    """The folder of a tiny cohort."""
    return save(tiny, tmp_path / "saved")


def write_course(folder, numbers=(1, 2, 5, 2415), *, scores=None, seed=0):
    """Write a folder in the course layout; return its table and images, as [row, col].

    The first axis of an array is the first axis of the file, as in the report's data.
    """
    import nrrd

    rng = np.random.default_rng(seed)
    (folder / "Train").mkdir(parents=True)
    table = pd.DataFrame(
        {
            "Full_slice": [f"pat{i}_fullslice.nrrd" for i in numbers],
            "Nodule": [f"pat{i}_nodule.nrrd" for i in numbers],
            "TumorClass": scores or [1 + i % 5 for i in range(len(numbers))],
        }
    )
    images = {}
    sides = [(45, 52), (138, 60), (61, 128), (131, 137)]
    for i, number in enumerate(numbers):
        images[f"pat{number}_fullslice.nrrd"] = rng.integers(-2048, 3072, (512, 512)).astype(np.int16)
        images[f"pat{number}_nodule.nrrd"] = rng.integers(-1000, 400, sides[i % 4]).astype(np.int16)
    for name, image in images.items():
        nrrd.write(str(folder / "Train" / name), image)
    table.to_excel(folder / "dataset_lung.xlsx", index=False)
    return table, images


def write_images(folder, n=4, *, suffix=".png", seed=0):
    """Write a CSV file of paths with `nodule` images and masks; return its path and the images."""
    from PIL import Image

    rng = np.random.default_rng(seed)
    folder.mkdir(parents=True)
    images = rng.integers(0, 256, (n, 6, 7)).astype(np.uint8)
    table = case_table(n).assign(nodule=[f"nodule{i}{suffix}" for i in range(n)])
    table["nodule_mask"] = [f"mask{i}{suffix}" for i in range(n)]
    for i, image in enumerate(images):
        mask = np.where(image > 99, 255, 0).astype(np.uint8)
        for name, pixels in ((f"nodule{i}", image), (f"mask{i}", mask)):
            if suffix == ".npy":
                np.save(folder / f"{name}.npy", pixels)
            else:
                Image.fromarray(pixels).save(folder / f"{name}{suffix}")
    table.to_csv(folder / "images.csv", index=False)
    return folder / "images.csv", images


def write_weights(path, backbone="mobilenet", mark=0):
    """Write a file that holds as many weights as a backbone, none of them written out."""
    import h5py

    from lungcls.models import weights

    path.parent.mkdir(parents=True, exist_ok=True)
    with h5py.File(path, "w") as file:
        file.create_dataset("kernel", (weights.KERNELS[backbone], 1), "f4")
        file["mark"] = mark
    return path


def seen_cohort(n=40, *, size=40):
    """A cohort whose malignant cases are brighter in the middle: a tiny network can learn it."""
    noise = tiny_cohort(n, size=size)
    images = {view: np.array(array[:]) for view, array in noise.views.items()}
    for array in images.values():
        array[noise.labels("binary") == 1, 10:30, 10:30] += 150
    return Cohort(noise.cases, images, {}, noise.info)


@pytest.fixture(scope="session")
def trained(tmp_path_factory):
    """A cohort's folder, a run store, and the job and the run of a tiny network in it."""
    from lungcls.runs import planning, training

    folder = tmp_path_factory.mktemp("study")
    save(seen_cohort(), folder / "cohort")
    job = planning.plan_run(
        folder / "cohort",
        task="binary",
        view="nodule",
        model="cnn",
        stage="scratch",
        profile="smoke",
        settings={"crop": 32},
        store=folder / "runs",
    )
    return folder / "cohort", folder / "runs", job, training.train_job(job)


def made_up(n=400, *, sharpness=1.0, size=5, seed=0):
    """Probabilities, and labels that they are right about."""
    from lungcls.metrics import confidence

    y_prob = np.random.default_rng(seed).dirichlet(np.full(size, sharpness), n)
    drawn = confidence.draw_labels(y_prob, seed=seed + 1, draws=1)[0]
    return drawn + (size == 5), y_prob


def sharpened(n=300, *, factor=0.4, size=5, seed=0):
    """A network that is too sure: calibrated probabilities whose logits are multiplied."""
    from lungcls.metrics import calibration

    y_true, y_prob = made_up(n, size=size, seed=seed)
    return y_true, calibration.tempered(y_prob, factor)


def calls_of(work):
    """How many Python functions some work calls: what it costs, whatever else the machine does."""
    calls = 0

    def count(frame, event, argument):
        nonlocal calls
        calls += event == "call"

    before = sys.getprofile()
    sys.setprofile(count)
    try:
        work()
    finally:
        sys.setprofile(before)
    return calls


def drawn(figure):
    """Draw a figure: many faults show only then."""
    from matplotlib.figure import Figure

    assert isinstance(figure, Figure)
    figure.canvas.draw()
    return figure.axes
