"""How often the intervals hold the truth, by simulation, and how long they take.

    OMP_NUM_THREADS=1 python benchmarks/interval_coverage.py --out book/results/interval_coverage.json

Test sets are drawn from a population in which the nodules of a patient resemble each other,
both in malignancy and in how the model errs. The true score is that of a very large sample.
Compared are the bootstrap over patients, the naive one over cases, and DeLong's interval of
the AUC in either form. A table is printed.
"""

import argparse
import json
import os
from pathlib import Path
import platform
import time

import numpy as np
from scipy.special import ndtr
from scipy.stats import norm

from lungcls.metrics import bootstrap, classification, paired_tests

LABEL_SHARES = (0.10, 0.19, 0.46, 0.18, 0.07)  # of the scores 1..5, as in the report's data
LABEL_ICC = 0.3  # share of the variance of malignancy that is the patient's
ERROR_ICC = 0.6  # the same of the model's error
ERROR_SD = 0.8  # of the model's error; that of malignancy is 1
SETTINGS = {"250 patients": (250, 355), "118 patients": (118, 355)}
SCORES = {
    "binary": ("accuracy", "F1 (weighted)", "AUC"),
    "multiclass": ("accuracy", "F1 (weighted)", "AUC (macro)", "quadratic weighted kappa"),
}


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--simulations", type=int, default=400)
    parser.add_argument("--resamples", type=int, default=1000)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--out", help="JSON file for the numbers")
    options = parser.parse_args()
    system = f"{platform.system()}, Python {platform.python_version()}"
    found = {
        "machine": f"{os.cpu_count()} cores, one used, {system}",
        "simulations": options.simulations,
        "resamples": options.resamples,
        "level": bootstrap.LEVEL,
        "label_icc": LABEL_ICC,
        "error_icc": ERROR_ICC,
        "time": timing(options.seed),
        "coverage": {},
    }
    for name, (n_patients, n_cases) in SETTINGS.items():
        found["coverage"][name] = {"patients": n_patients, "cases": n_cases} | coverage(
            n_patients, n_cases, options.simulations, options.resamples, options.seed
        )
        show(name, found["coverage"][name])
    if options.out:
        Path(options.out).write_text(json.dumps(found, indent=1) + "\n", encoding="utf-8")


# --- The population ---------------------------------------------------------------------


def draw(rng, n_patients, n_cases):
    """Draw a test set: labels, decisions and probabilities of both tasks, and the patients.

    Every patient has one case; the others go to patients as they come, some to the same.
    """
    appeal = rng.gamma(0.7, size=n_patients)
    more = rng.choice(n_patients, n_cases - n_patients, p=appeal / appeal.sum())
    patients = np.concatenate([np.arange(n_patients), more])
    place = shared(rng, patients, n_patients, LABEL_ICC)
    seen = place + ERROR_SD * shared(rng, patients, n_patients, ERROR_ICC)
    # The model is calibrated: it knows how malignancy is spread around what it sees.
    edges = norm.ppf(np.cumsum(LABEL_SHARES)[:-1])
    scale = 1 + ERROR_SD**2
    below = ndtr((edges - seen[:, None] / scale) / np.sqrt(ERROR_SD**2 / scale))
    y_prob = np.diff(below, axis=1, prepend=0, append=1)
    y_true = 1 + np.searchsorted(edges, place)
    sides = np.stack([y_prob[:, :3].sum(axis=1), y_prob[:, 3:].sum(axis=1)], axis=1)
    return {
        "binary": ((y_true >= 4).astype(int), sides.argmax(axis=1), sides),
        "multiclass": (y_true, 1 + y_prob.argmax(axis=1), y_prob),
    }, patients


def shared(rng, patients, n_patients, icc):
    """Standard normal numbers, of which the cases of a patient share a part."""
    own = rng.normal(size=len(patients))
    return np.sqrt(icc) * rng.normal(size=n_patients)[patients] + np.sqrt(1 - icc) * own


def truth(n_patients, n_cases, seed, times=1500):
    """Scores of a sample so large that its own error does not matter."""
    rng = np.random.default_rng(seed + 1)
    parts = [draw(rng, n_patients, n_cases)[0] for _ in range(times)]
    found = {}
    for task, names in SCORES.items():
        joined = [np.concatenate(arrays) for arrays in zip(*(part[task] for part in parts))]
        scores = classification.scores(*joined, task=task, average=("weighted", "macro"))
        found[task] = {name: scores[name] for name in names}
    return found


# --- Coverage and time ------------------------------------------------------------------


def coverage(n_patients, n_cases, simulations, resamples, seed):
    """Share of simulated test sets whose interval holds the true score, and mean widths."""
    true, rng = truth(n_patients, n_cases, seed), np.random.default_rng(seed)
    ends = {}
    for i in range(simulations):
        sample, patients = draw(rng, n_patients, n_cases)
        units = {"over patients": patients, "over cases": np.arange(n_cases)}
        for kind, unit in units.items():
            for task, names in SCORES.items():
                table = bootstrap.score_intervals(
                    *sample[task],
                    patients=unit,
                    task=task,
                    average=("weighted", "macro"),
                    seed=i,
                    resamples=resamples,
                ).set_index("score")
                for name in names:
                    row = table.loc[name]
                    ends.setdefault((task, name, f"bootstrap {kind}"), []).append((row["low"], row["high"]))
            y_true, _, y_prob = sample["binary"]
            delong = paired_tests.auc(y_true, y_prob[:, 1], patients=unit)
            ends.setdefault(("binary", "AUC", f"DeLong {kind}"), []).append((delong["low"], delong["high"]))
    found = {}
    for (task, name, kind), pairs in ends.items():
        low, high = np.array(pairs).T
        value = true[task][name]
        entry = found.setdefault(task, {}).setdefault(name, {"true": round(value, 4)})
        entry[kind] = {
            "covered": round(float(np.mean((low <= value) & (value <= high))), 4),
            "width": round(float(np.mean(high - low)), 4),
        }
    return {"scores": found}


def timing(seed, rounds=5):
    """Seconds of processor time of 2,000 resamples of 355 cases, all scores together; the best round."""
    sample, patients = draw(np.random.default_rng(seed), *SETTINGS["250 patients"])
    found = {"resamples": bootstrap.RESAMPLES, "cases": len(patients)}
    for task in SCORES:
        spent = []
        for _ in range(rounds):
            start = time.process_time()
            table = bootstrap.score_intervals(
                *sample[task], patients=patients, task=task, average=classification.AVERAGES, seed=seed
            )
            spent.append(time.process_time() - start)
        found[task] = {"scores": len(table), "seconds": round(min(spent), 3)}
        print(f"{task}: {len(table)} scores in {min(spent):.3f} s")
    return found


def show(name, found):
    kinds = ("bootstrap over patients", "bootstrap over cases", "DeLong over patients", "DeLong over cases")
    print(f"\n{name:36}{'true':>8}" + "".join(f"{kind:>26}" for kind in kinds))
    for task, scores in found["scores"].items():
        for score, entry in scores.items():
            cells = (
                f"{entry[kind]['covered']:.3f} ({entry[kind]['width']:.3f})" if kind in entry else ""
                for kind in kinds
            )
            print(f"{task + ', ' + score:36}{entry['true']:8.3f}" + "".join(f"{cell:>26}" for cell in cells))


if __name__ == "__main__":
    main()
