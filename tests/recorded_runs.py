"""The runs that the book records, and changed copies of them."""

import json
from pathlib import Path
import shutil

import pandas as pd

from lungcls.report.results import networks
from lungcls.runs import store

FOLDER = Path(__file__).parents[1] / "book" / "results" / "lidc"
FOUND = store.list_runs(FOLDER)
CNN = next(
    run
    for run in FOUND
    if run.config["model"] == "cnn"
    and run.config["view"] == "nodule"
    and not networks.variant(run)
    and run.config["settings"]["protocol"] == "patient"
)


def record(folder, run, *, name, settings=None, predictions=None, **config):
    """Write a record like another one, with something changed."""
    place = folder / name
    shutil.copytree(run.folder, place)
    changed = run.config | config | {"id": name, "settings": run.config["settings"] | (settings or {})}
    (place / "config.json").write_text(json.dumps(changed), encoding="utf-8")
    if predictions is not None:
        predictions.to_csv(place / "predictions.csv", index=False)
    shutil.copytree(
        FOLDER / "baselines" / run.config["split"],
        folder / "baselines" / changed["split"],
        dirs_exist_ok=True,
    )
    if changed["split"] != run.config["split"]:
        parts = (run.predictions if predictions is None else predictions).set_index("case_id")["split"]
        for path in (folder / "baselines" / changed["split"]).iterdir():
            table = pd.read_csv(path, dtype={"case_id": str})
            table.assign(split=parts.loc[table["case_id"]].to_numpy()).to_csv(path, index=False)
    return store.load(place)


def blocks(text):
    """The rows of a table by the heading of their block."""
    found = {}
    for line in text.splitlines():
        if line.startswith("| **"):
            rows = found.setdefault(line.split("**")[1], [])
        elif line.startswith("| ") and found:
            rows.append(line)
    return found
