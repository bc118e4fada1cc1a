"""Throughput on one core beside scikit-image and, where it is installed, OpenCV; and peak memory.

    OMP_NUM_THREADS=1 OPENBLAS_NUM_THREADS=1 python benchmarks/preprocessing_speed.py

OpenCV is no dependency of the project: `pip install --no-deps --target DIR opencv-python-headless`, and
PYTHONPATH=DIR before the command.

Throughput is in images per second of processor time, the best of several rounds in turn,
so that other work on the machine counts little.
"""

import argparse
import json
from pathlib import Path
import subprocess
import sys
import tempfile
import time

import numpy as np
from skimage.exposure import adjust_sigmoid
from skimage.morphology import closing, disk, opening
from skimage.transform import resize

from lungcls.preprocessing import geometry, grey_levels
from lungcls.preprocessing.pipelines import BATCH_PIXELS, preprocess

try:
    import cv2
except ImportError:
    cv2 = None

SIDES = {"nodule": 128, "full_slice": 512}
SIZES = (128, 64, 32)
RADIUS = 5  # of the disk, in pixels: the pipelines'
MEMORY_CASES = {"nodule": 4000, "full_slice": 250}  # and four times as many


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--out", help="JSON file for the numbers")
    parser.add_argument("--peak", nargs=2, metavar=("VIEW", "FOLDER"), help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.peak:
        return print(peak_memory(*options.peak))
    numbers = {"speed": speed(options.rounds), "steps": steps(options.rounds), "memory": memory()}
    if options.out:
        Path(options.out).write_text(json.dumps(numbers, indent=1) + "\n", encoding="utf-8")


def speed(rounds):
    """Compare throughput in images per second; print a table with the largest difference of a pixel."""
    rows = []
    print(f"{'pipeline':12}{'pixels':>16}{'loop /s':>10}{'lungcls /s':>12}{'factor':>8}{'difference':>12}")
    for view, side in SIDES.items():
        images = noise(64 if side == 512 else 640, side)
        for size in SIZES:
            loop, ours = best_times(rounds, images, view, size)
            off = np.abs(looped(images[:20], view, size) - preprocess(images[:20], view, size=size)).max()
            loop, ours = len(images) / loop, len(images) / ours
            rows.append({"view": view, "from": side, "to": size, "loop": loop, "lungcls": ours})
            change = f"{side} to {size}"
            print(f"{view:12}{change:>16}{loop:10.0f}{ours:12.0f}{ours / loop:8.1f}{off:12.1e}")
    return rows


def best_times(rounds, images, view, size):
    """Processor seconds of the loop and of `preprocess`."""
    ways = {
        "loop": lambda: looped(images, view, size),
        "lungcls": lambda: preprocess(images, view, size=size),
    }
    return best(rounds, ways).values()


def best(rounds, ways):
    """The least processor seconds of each way, all in turn."""
    times = {name: [] for name in ways}
    for _ in range(rounds):
        for name, run in ways.items():
            start = time.process_time()
            run()
            times[name].append(time.process_time() - start)
    return {name: min(taken) for name, taken in times.items()}


def steps(rounds):
    """Compare steps in microseconds an image; opening and closing must agree to the bit."""
    rows = []
    print(f"\n{'step':24}{'pixels':>8}{'scikit-image':>14}{'lungcls':>9}{'OpenCV':>8}{'of OpenCV':>11}")
    for side in SIDES.values():
        images = np.random.default_rng(0).random((max(1, BATCH_PIXELS // side**2), side, side), np.float32)
        for name, ways in {
            "opening and closing": morphology(images),
            "to 128 pixels": resizing(images),
        }.items():
            taken = {way: 1e6 * seconds / len(images) for way, seconds in best(rounds, ways).items()}
            rows.append({"step": name, "side": side, **taken})
            ours, theirs = taken["lungcls"], taken.get("OpenCV", np.nan)
            print(f"{name:24}{side:8}{taken['loop']:14.0f}{ours:9.0f}{theirs:8.0f}{ours / theirs:11.2f}")
    return rows


def morphology(images):
    """Ways to opening and closing with a disk; those of the same bits."""
    around = disk(RADIUS)
    ways = {
        "loop": lambda: [(opening(image, around), closing(image, around)) for image in images],
        "lungcls": lambda: zip(grey_levels.opening(images, RADIUS), grey_levels.closing(images, RADIUS)),
    }
    if cv2:
        kinds = cv2.MORPH_OPEN, cv2.MORPH_CLOSE
        ways["OpenCV"] = lambda: [
            [cv2.morphologyEx(image, kind, around) for kind in kinds] for image in images
        ]
    first, *others = (np.array(list(run())) for run in ways.values())
    assert all(np.array_equal(first, other) for other in others)
    return ways


def resizing(images):
    """Ways to 128 pixels; OpenCV's is the mean of an area, so other numbers."""
    ways = {
        "loop": lambda: [resize(image, (128, 128), order=1) for image in images],
        "lungcls": lambda: geometry.resize(images, 128),
    }
    if cv2:
        area = {"interpolation": cv2.INTER_AREA}
        ways["OpenCV"] = lambda: [cv2.resize(image, (128, 128), **area) for image in images]
    return ways


def looped(images, view, size):
    """The plain script: image by image with scikit-image."""
    out = np.empty((len(images), size, size, 1), dtype=np.float32)
    for i, image in enumerate(images):
        image = image.astype(np.float32)
        image = (image - image.min()) / (image.max() - image.min())
        image = adjust_sigmoid(image, cutoff=image.mean(), gain=10)
        if view == "nodule":
            image = image[16:112, 16:112]
        out[i, :, :, 0] = resize(image, (size, size), order=1)
    return out


def memory():
    """Measure peak memory of n and 4 n cases, memory-mapped in and out; print a table."""
    rows = []
    print(f"\n{'pipeline':12}{'cases':>8}{'in and out, MB':>16}{'peak memory, MB':>18}")
    for view, cases in MEMORY_CASES.items():
        for n in (cases, 4 * cases):
            with tempfile.TemporaryDirectory() as folder:
                side = SIDES[view]
                path = Path(folder) / "in.npy"
                images = np.lib.format.open_memmap(path, "w+", np.int16, (n, side, side))
                some = noise(50, side)
                for start in range(0, n, 50):
                    images[start : start + 50] = some[: n - start]
                images.flush()
                megabytes = (images.nbytes + n * 128 * 128 * 4) / 1e6
                del images
                command = [sys.executable, __file__, "--peak", view, folder]
                peak = float(subprocess.run(command, capture_output=True, text=True, check=True).stdout)
            rows.append({"view": view, "cases": n, "data_mb": megabytes, "peak_mb": peak})
            print(f"{view:12}{n:8}{megabytes:16.0f}{peak:18.0f}")
    return rows


def peak_memory(view, folder):
    """Preprocess the file of a folder in a process of its own; peak resident memory in MB."""
    images = np.load(Path(folder) / "in.npy", mmap_mode="r")
    shape = (len(images), 128, 128, 1)
    out = np.lib.format.open_memmap(Path(folder) / "out.npy", "w+", np.float32, shape)
    preprocess(images, view, size=128, out=out)
    # Linux only; getrusage would count the parent's memory before exec.
    status = Path("/proc/self/status").read_text(encoding="utf-8")
    return int(status.split("VmHWM:")[1].split()[0]) / 1024


def noise(n, side):
    """Noise over a gradient, in the range of Hounsfield units."""
    rng = np.random.default_rng(0)
    slope = np.linspace(-1000, 400, side)
    return (slope + rng.normal(0, 100, (n, side, side))).astype(np.int16)


if __name__ == "__main__":
    if cv2:
        cv2.setNumThreads(1)
    main()
