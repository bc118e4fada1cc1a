"""Numbers of the book that were measured once and recorded in `book/results`."""

import json
from pathlib import Path

import pandas as pd

from lungcls.errors import InputError
from lungcls.report.wording import MINUS, SPACE, count, duration, table


def read(folder, name):
    """Read a recorded measurement.

    Parameters
    ----------
    folder : path
    name : str
        A JSON file in it.

    Returns
    -------
    dict

    Raises
    ------
    InputError
        If it is not there.
    """
    path = Path(folder) / name
    if not path.is_file():
        raise InputError(f"{path}: no such file, expected a recorded measurement")
    return json.loads(path.read_text(encoding="utf-8"))


def timings(found):
    """Write the measured time and memory of each command.

    Parameters
    ----------
    found : dict
        What `benchmarks/commands.py` recorded.

    Returns
    -------
    dict of str to str
        ``time_<command>`` and ``memory_<command>``, `timing_machine`, and the table
        `commands`.
    """
    facts, rows = {"timing_machine": found["machine"]}, []
    for name, measured in found["commands"].items():
        time, memory = duration(measured["seconds"]), f"{measured['peak_bytes'] / 1e9:.1f}{SPACE}GB"
        facts |= {f"time_{name}": time, f"memory_{name}": memory}
        rows.append([f"`{measured['command']}`", measured["what"], time, memory])
    frame = pd.DataFrame(rows, columns=["command", "what it does", "time", "memory"])
    caption = "Measured time and largest memory of each command."
    return facts | {"commands": table(frame, name="tab-commands", caption=caption, texts=2)}


def calibration(found):
    """Write the comparison of the phantom with real images.

    Parameters
    ----------
    found : dict
        What `benchmarks/phantom_calibration.py` recorded.

    Returns
    -------
    dict of str to str
        The tables `phantom_auc` and `phantom_looks`, the differences between phantom and
        real in them (`phantom_gap_all`, `phantom_gap_largest`), `phantom_apart`,
        `phantom_calibration_cases` and `phantom_calibration_epochs`.
    """
    network, looks = found["network"], found["appearance"]
    bands = list(network["auc"]["real to real"])
    rows = []
    for pair, measured in network["auc"].items():
        means = [f"{measured[band]['mean of folds']:.3f} ({measured[band]['pooled']:.3f})" for band in bands]
        rows.append([*pair.split(" to "), *means])
    less = [_less_real(network["auc"], band, "mean of folds") for band in bands]
    pooled = [_less_real(network["auc"], band, "pooled") for band in bands]
    apart = [f"{a:+.3f} ({b:+.3f})".replace("-", MINUS) for a, b in zip(less, pooled)]
    rows.append(["phantom less real", "", *apart])
    rows.append(["malignant of all", "", *(_cases(network["auc"]["real to real"][band]) for band in bands)])
    auc = pd.DataFrame(rows, columns=["trained on", "tested on", *bands])
    rows = [[name, f"{looks['phantom'][name]:.3f}", f"{looks['real'][name]:.3f}"] for name in looks["real"]]
    appearance = pd.DataFrame(rows, columns=["measured on the window", "phantom", "real"])
    texts = {
        "auc": "Binary AUC of one small network by where it was trained and tested, by diameter: mean of the "
        "folds, and in brackets all folds pooled.",
        "looks": "Appearance of phantom and real windows, each stretched to 0..1.",
    }
    return {
        "phantom_auc": table(auc, name="tab-phantom-auc", caption=texts["auc"], texts=2),
        "phantom_looks": table(appearance, name="tab-phantom-looks", caption=texts["looks"]),
        "phantom_gap_all": f"{abs(less[0]):.3f}",
        "phantom_gap_largest": f"{abs(less[-1]):.3f}",
        "phantom_gap_largest_pooled": f"{abs(pooled[-1]):.3f}",
        "phantom_apart": f"{network['telling apart']:.2f}",
        "phantom_calibration_cases": count(found["cases"]),
        "phantom_calibration_epochs": count(network["epochs"]),
    }


def _less_real(auc, band, kind):
    return auc["phantom to phantom"][band][kind] - auc["real to real"][band][kind]


def _cases(measured):
    return f"{count(measured['malignant'])} of {count(measured['cases'])}"
