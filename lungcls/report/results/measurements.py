"""Numbers of the book that were measured once and recorded in `book/results`."""

import json
from pathlib import Path

import pandas as pd

from lungcls.errors import InputError
from lungcls.report.results.tables import with_interval
from lungcls.report.wording import MINUS, SPACE, count, duration, percent, table


def read(folder, name):
    """Read a recorded measurement, a JSON file of a folder."""
    path = Path(folder) / name
    if not path.is_file():
        raise InputError(f"{path}: no such file, expected a recorded measurement")
    return json.loads(path.read_text(encoding="utf-8"))


def timings(found):
    """Write the measured time and memory of each command (`benchmarks/commands.py`)."""
    facts, rows = {"timing_machine": found["machine"]}, []
    for name, measured in found["commands"].items():
        time, memory = duration(measured["seconds"]), f"{measured['peak_bytes'] / 1e9:.1f}{SPACE}GB"
        facts |= {f"time_{name}": time, f"memory_{name}": memory}
        rows.append([f"`{measured['command']}`", measured["what"], time, memory])
    frame = pd.DataFrame(rows, columns=["command", "what it does", "time", "memory"])
    caption = "Measured time and largest memory of each command."
    return facts | {"commands": table(frame, name="tab-commands", caption=caption, texts=2)}


def calibration(found):
    """Write the comparison of the phantom with real images (`benchmarks/phantom_calibration.py`)."""
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
    intervals = [network["auc"]["phantom to phantom"][band]["95 % interval"] for band in bands]
    ends = [f"[{low:+.3f}, {high:+.3f}]".replace("-", MINUS) for low, high in intervals]
    rows.append(["95 % interval, pooled", "", *ends])
    rows.append(["malignant of all", "", *(_cases(network["auc"]["real to real"][band]) for band in bands)])
    auc = pd.DataFrame(rows, columns=["trained on", "tested on", *bands])
    rows = [[name, f"{looks['phantom'][name]:.3f}", f"{looks['real'][name]:.3f}"] for name in looks["real"]]
    appearance = pd.DataFrame(rows, columns=["measured on the window", "phantom", "real"])
    texts = {
        "auc": "Binary AUC of one small network by where it was trained and tested, by diameter: mean of the "
        "folds, and in brackets all folds pooled. The interval is of the pooled difference, patients as clusters.",
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


def dicom_import(found):
    """Write what an import of DICOM series takes (`benchmarks/dicom_import.py`)."""
    rows = [
        [
            str(row["jobs"]),
            str(row["series"]),
            row["headers"],
            f"{row['processor_seconds']:.1f}{SPACE}s",
            f"{row['peak_mib']}{SPACE}MiB",
        ]
        for row in found["rows"]
    ]
    frame = pd.DataFrame(rows, columns=["workers", "series", "headers", "processor time", "largest memory"])
    caption = (
        f"Import of synthetic series of about {found['slices_a_series']} slices: time of all processors, and "
        "memory of all processes together."
    )
    half, whole = (row for row in found["rows"] if (row["jobs"], row["headers"]) == (1, "read"))
    more = (whole["processor_seconds"] - half["processor_seconds"]) / (whole["series"] - half["series"])
    return {
        "dicom_import": table(frame, name="tab-dicom-import", caption=caption),
        "dicom_series_time": f"{more:.1f}{SPACE}s",
    }


# --- The best model -----------------------------------------------------------------------


def best_model(found):
    """Write what the best model reaches and adds to the diameter (`benchmarks/best_model.py`)."""
    shown = {
        "auc": ("binary", "AUC"),
        "f1": ("binary", "F1 (weighted)"),
        "kappa": ("multiclass", "quadratic weighted kappa"),
    }
    facts = {
        "best_cases": count(found["cases"]),
        "best_diameter_auc": f"{100 * found['scores']['binary']['diameter']['AUC']['value']:.1f}",
    }
    for name, (task, score) in shown.items():
        row = found["scores"][task]["recipe"][score]
        gain = found["differences"][task]["recipe less diameter, fitted rule"][score]
        facts[f"best_{name}"] = with_interval(row, percent=True)
        facts[f"best_{name}_gain"] = with_interval(gain, percent=True, sign=True)
    return facts


# --- Leakage ----------------------------------------------------------------------------


# Scores of the price that the page shows, by the head of their column.
PRICED = {
    "AUC": ("binary", "AUC"),
    "F1 (weighted), binary": ("binary", "F1 (weighted)"),
    "F1 (weighted), scores": ("multiclass", "F1 (weighted)"),
    "weighted kappa, scores": ("multiclass", "quadratic weighted kappa"),
}


def leakage_price(found):
    """Write what test patients in training are worth (`benchmarks/leakage_price.py`)."""
    matched, protocol = found["price"]["matched"], found["protocol"]
    scores = [*matched["scores"], *found["price"].get("network", {"scores": []})["scores"]]
    price = {(row["predictor"], row["task"], row["score"]): row for row in scores}
    names = list(dict.fromkeys(row["predictor"] for row in scores))
    cells = [[name, *(_difference(price[name, *score]) for score in PRICED.values())] for name in names]
    caption = (
        "Score with other nodules of the tested patients in training less score without them: mean of "
        f"{matched['draws']} draws, with its corrected 95 % interval."
    )
    if "network" in found["price"]:
        caption += f" The network: {found['price']['network']['draws']} draws."
    frame = pd.DataFrame(cells, columns=["predictor", *PRICED])
    facts = {"leakage_price": table(frame, name="tab-leakage-price", caption=caption)}
    facts |= {f"leakage_{name}": count(matched[name]) for name in ("draws", "train", "test")}
    recall = ("diameter alone", "binary", "recall (malignant)")
    known = ("patient's other labels", "binary", "AUC")
    plain = {(row["predictor"], row["task"], row["score"]): row for row in found["price"]["plain"]["scores"]}
    shown = list(PRICED.values())[:3]  # AUC and F1, which share a scale
    trained = {row["predictor"] for row in found["price"].get("network", {"scores": []})["scores"]}
    seeing = [
        price[name, *score]["high"]
        for name in names
        if "context" in name and name not in trained
        for score in shown
    ]
    return (
        facts
        | _protocol(protocol)
        | {
            "leakage_shared": percent(matched["shared"]),
            "leakage_cases": count(found["cases"]),
            "leakage_patients": count(found["patients"]),
            "leakage_known_auc": f"{price[known]['with']:.2f}",
            "leakage_plain_recall": _difference(plain[recall]),
            "leakage_matched_recall": _difference(price[recall]),
            "leakage_largest": f"{max(seeing):.3f}",
            "leakage_network": _of_network(found["price"].get("network"), price, trained),
        }
    )


def _of_network(measured, price, names):
    """Say in words what the price of the network is."""
    if measured is None:
        return "was not tried."
    cells = [price[name, *score] for name in names for score in PRICED.values()]
    apart = sum(cell["low"] > 0 or cell["high"] < 0 for cell in cells)
    return (
        f"was trained anew for each of {measured['draws']} draws, which are few. Of its {len(cells)} intervals, "
        f"{apart or 'none'} {'leave' if apart > 1 else 'leaves'} out 0; the widest goes from "
        "{low:+.3f} to {high:+.3f}.".format(**max(cells, key=lambda cell: cell["high"] - cell["low"]))
    ).replace("-", MINUS)


def _difference(row):
    numbers = (f"{row[key]:+.3f}".replace("-", MINUS) for key in ("difference", "low", "high"))
    return "{} [{}, {}]".format(*numbers)


def _protocol(found):
    """The report's printed values beside the draws of each predictor under its protocol."""
    names = list(dict.fromkeys(row["predictor"] for row in found["scores"]))
    by = {(row["task"], row["score"], row["predictor"]): row for row in found["scores"]}
    rows = []
    for task, score in dict.fromkeys((task, score) for task, score, _ in by):
        drawn = [by[task, score, name] for name in names]
        cells = [
            f"{100 * row['mean']:.1f} [{100 * row['low']:.1f}, {100 * row['high']:.1f}], "
            f"{percent(row['share below printed'])}"
            for row in drawn
        ]
        rows.append([f"{task}: {score}", f"{100 * drawn[0]['printed']:.2f}", *cells])
    caption = (
        "The report's printed values for the zoomed nodule (%) and "
        f"{found['draws']} draws of its protocol: mean, middle 95 % of the draws, and the share of "
        "draws below the printed value."
    )
    frame = pd.DataFrame(rows, columns=["score", "report", *names])
    return {
        "leakage_protocol": table(frame, name="tab-leakage-protocol", caption=caption),
        "leakage_protocol_draws": count(found["draws"]),
        "leakage_protocol_test": count(found["test"]),
        "leakage_protocol_shared": percent(found["shared"]["mean"]),
    }


def audit_limits(found):
    """Write which changed copies the audit sees (`benchmarks/audit_limits.py`)."""
    columns = {
        f"{name}, {view.replace('_', ' ')}": measured
        for name, cohort in found["cohorts"].items()
        for view, measured in cohort["views"].items()
    }
    most = [one["nearest other patient"]["most"] for one in columns.values()]
    rows = [["most of different patients", *(f"{number:.3f}" for number in most)]]
    for change in next(iter(columns.values()))["seen"]:
        rows.append([f"{change}: seen", *(percent(one["seen"][change]) for one in columns.values())])
    caption = (
        "Largest correlation between images of different patients, and share of changed copies that "
        "the audit sees, by cohort and view."
    )
    first = next(iter(found["cohorts"].values()))
    frame = pd.DataFrame(rows, columns=["", *columns])
    return {
        "audit_limits": table(frame, name="tab-audit-limits", caption=caption),
        "audit_correlation": f"{found['correlation']}",
        "audit_most": f"{max(most):.3f}",
        "audit_cases": count(first["cases"]),
        "audit_seconds": duration(first["audit"]["processor_seconds"]),
        "audit_memory": f"{first['audit']['peak_bytes'] / 1e6:.0f}{SPACE}MB",
    }
