"""A nested search for settings on real CT, and what its luck is worth; written to book/results/search.

    python benchmarks/search.py /data/lidc --weights FOLDER --store FOLDER --jobs 2
    python benchmarks/search.py ... --only head --trials 20

`head` varies settings of the head and the optimiser of a frozen MobileNet, whose features are computed once;
`cnn` those of the small network, in a stated number of trials. Aggregates go to NAME.json, and what the best
and the default settings say of each case in its outer fold to NAME_predictions.csv. A search that was killed
goes on where it stopped; time is that of the processor, from what each fit has noted.
"""

import argparse
import json
from pathlib import Path

import pandas as pd

from lungcls.files import whole_text
from lungcls.runs import store as run_store
from lungcls.runs.searching import nested

OUT = Path(__file__).resolve().parents[1] / "book" / "results" / "search"
HEAD = {
    "learning_rate": [1e-4, 1e-2],
    "weight_decay": [1e-5, 1e-1],
    "dropout": [0.0, 0.6],
    "batch_size": [64, 128, 256],
    "balancing": ["none", "weights", "upsample", "upsample_plus"],
}
CNN = {
    "learning_rate": [1e-4, 1e-2],
    "dropout": [0.0, 0.6],
    "filters": ["8-16-32-64", "16-32-64-128"],
    "pooling": ["flatten", "average"],
}
SEARCHES = {
    "head": ({"task": "binary", "view": "nodule", "model": "mobilenet"}, HEAD, 8),
    "cnn": ({"task": "binary", "view": "nodule", "model": "cnn"}, CNN, 4),
}


def cost(runs):
    """How many fits the store holds of the searched network, and their processor time."""
    seconds = [run.environment["processor_seconds"] for run in runs]
    return {"fits": len(runs), "processor_minutes": sum(seconds) / 60}


def record(name, what, space, found, runs, options):
    """Write what a search found: aggregates, and predictions case by case."""
    tables = {key: getattr(found, key).reset_index().to_dict("records") for key in ("scores", "best", "luck")}
    content = {"what": what, "space": space, "inner": options.inner, "sampler": "tpe", "profile": "full"}
    content |= tables | {"importance": found.importance.to_dict(), "cost": cost(runs)}
    content["trials"] = json.loads(found.trials.to_json(orient="records"))
    rows = []
    for kind, some in (("best", found.runs), ("default", found.defaults)):
        for run in some:
            table = run.predictions[run.predictions["split"] == "test"]
            table = table[["case_id", "y_true", "p_malignant"]]
            rows.append(table.assign(fold=run.config["fold"], settings=kind))
    text = json.dumps(content, indent=1, default=lambda number: number.item())
    whole_text(OUT / f"{name}.json", text + "\n")
    text = pd.concat(rows).to_csv(index=False, float_format="%.6g", lineterminator="\n")
    whole_text(OUT / f"{name}_predictions.csv", text)


def main():
    """Search, and record what was found."""
    options = _options()
    for name in options.only.split(","):
        what, space, trials = SEARCHES[name]
        fixed = {"store": options.store, "jobs": options.jobs, "inner": options.inner}
        fixed |= {"weights": None if what["model"] == "cnn" else options.weights}
        fixed |= {"profile": "full", "trials": options.trials or trials}
        found = nested.search(options.cohort, space=space, minutes=options.minutes, **what, **fixed)
        folder = Path(options.store) / "search"
        runs = [run for run in run_store.list_runs(folder) if run.config["model"] == what["model"]]
        record(name, what, space, found, runs, options)
        print(found.scores.round(3), found.best, found.luck.round(4), cost(runs), sep="\n")


def _options():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("cohort", help="cohort folder: the report's case list, with zoomed nodules")
    parser.add_argument("--weights", required=True, help="folder of ImageNet weights, include_top=False")
    parser.add_argument("--store", required=True, help="folder of the runs, with their networks")
    parser.add_argument("--only", default="head", help="searches, separated by commas: head, cnn")
    parser.add_argument("--trials", type=int, help="settings to try in an outer fold")
    parser.add_argument("--inner", type=int, default=3, help="inner folds")
    parser.add_argument("--minutes", type=float, help="begin no trial after that time")
    parser.add_argument("--jobs", type=int, default=1, help="fits side by side")
    return parser.parse_args()


if __name__ == "__main__":
    main()
