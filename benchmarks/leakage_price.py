"""What it is worth to a score that test patients have other nodules in training.

    python benchmarks/leakage_price.py /data/lidc --weights mobilenet.h5 --out book/results/leakage_price.json

Two experiments on real windows (the cohort is an argument, else the environment variable
LUNGCLS_LIDC). *Price*: each draw trains twice, with and without other nodules of the tested
patients, at equal numbers of training cases in each score; both are tested on the same
cases. In the matched design other patients with as many nodules take the place of the tested
ones. The plain design takes a random tenth of the cases for testing and leaves their patients
out; patients with many nodules are then rare in training, which is a difference of its own.
*Protocol*: the report's split, a random tenth of the cases for testing whatever the patient,
drawn many times, and where the values that the report prints fall among the scores.

Predictors: the diameter alone and frozen features of an ImageNet network, each with a
logistic regression; the nearest windows by these features; the patient's other labels, which
is all that knowing the patient could tell; and on request a small network. No image is
written.
"""

import argparse
import json
import os
from pathlib import Path
import time

import numpy as np
from scipy.stats import t

from lungcls.cohorts import cohort as cohorts, splits
from lungcls.metrics import classification
from lungcls.report.printed import quoted

TEST_SHARE = 0.1  # the report's tables fit 237 of 2,363
PENALTY = 0.01  # C of the logistic regression on standardised features, fixed beforehand
PRICE_SCORES = {
    "binary": ("accuracy", "F1 (weighted)", "AUC", "recall (malignant)"),
    "multiclass": ("accuracy", "F1 (weighted)", "quadratic weighted kappa"),
}
PRINTED = {"binary": "Binary_Nodule", "multiclass": "MultiClass_Nodule"}
PRINTED_SCORES = {"accuracy": "accuracy", "precision (weighted)": "precision", "F1 (weighted)": "f1"}
PIXELS = 48  # side of the small network's input: the centre of the window


def main():
    options = _options()
    cohort = cohorts.load(options.cohort)
    inputs = {"diameter alone": np.log(cohort.cases[["diameter_mm"]].to_numpy())}
    for view in ("context", "nodule"):
        inputs[f"frozen features, {view}"] = frozen_features(cohort, view, options)
    logistic = {name: (x, fit_logistic) for name, x in inputs.items()}
    patients = np.unique(cohort.cases["patient_id"], return_inverse=True)[1][:, None]
    chosen = {name: logistic[name] for name in ("diameter alone", "frozen features, context")}
    chosen["nearest windows, context"] = (inputs["frozen features, context"], fit_nearest)
    chosen["patient's other labels"] = (patients, fit_patient)
    found = {
        "cohort": cohort.name,
        "cases": len(cohort),
        "patients": int(cohort.cases["patient_id"].nunique()),
        "penalty": PENALTY,
    }
    out = Path(options.out)
    if options.cnn:  # slow: kept apart, and added to what is there
        found = json.loads(out.read_text(encoding="utf-8"))
        network = {"small network, context": (centre(cohort.views["context"][:]), fit_network)}
        found["price"]["network"] = price(cohort, network, matched, draws=options.cnn)
    else:
        found["price"] = {
            design.__name__: price(cohort, chosen, design, draws=options.draws) for design in (matched, plain)
        }
        found["protocol"] = protocol(cohort, logistic, draws=2 * options.draws)
    out.write_text(json.dumps(found, indent=1) + "\n", encoding="utf-8")


def _options():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("cohort", nargs="?", default=os.environ.get("LUNGCLS_LIDC"))
    parser.add_argument("--weights", required=True, help="MobileNet's weights, include_top=False")
    parser.add_argument("--out", default="leakage_price.json")
    parser.add_argument("--cache", default=".cache/leakage", help="folder of the frozen features")
    parser.add_argument("--draws", type=int, default=30)
    parser.add_argument("--cnn", type=int, metavar="DRAWS", help="only the small network, added to --out")
    options = parser.parse_args()
    if not options.cohort:
        parser.error("no real cohort: give its folder or set LUNGCLS_LIDC")
    return options


def frozen_features(cohort, view, options):
    """Pooled features of MobileNet for every case, computed once."""
    from lungcls.models.backend import import_keras

    import_keras()
    from lungcls.models import backbones, blocks
    from lungcls.preprocessing import pipelines
    from lungcls.runs import features

    images = pipelines.preprocess(cohort.views[view], view, size=128)
    model = backbones.transfer("mobilenet", image_size=128, task="binary", weights=options.weights)
    trunk, _ = blocks.split(model, "head")
    rows = np.arange(len(images))
    return np.array(features.cached(trunk, images, rows, folder=options.cache, progress=True))


def centre(images):
    """The middle of each window, stretched to 0..1 as its source stretched it to 8 bits."""
    start = (images.shape[1] - PIXELS) // 2
    return images[:, start : start + PIXELS, start : start + PIXELS, None].astype(np.float32) / 255


# --- Draws --------------------------------------------------------------------------------


def matched(cases, seed):
    """Draw pairs of patients with as many nodules; test some of the nodules of one of each pair.

    With: the other nodules of the tested patient. Without: as many of its partner's. Both with
    all cases of the patients that are in no pair, and with the same number of each score.

    Returns
    -------
    test, with_patients, without : ndarray of int
        Row numbers.
    """
    rng = np.random.default_rng(seed)
    scores = cases["malignancy"].to_numpy()
    of = {name: rng.permutation(rows) for name, rows in cases.groupby("patient_id").indices.items()}
    by_size = {}
    for name in rng.permutation(sorted(of)):
        by_size.setdefault(len(of[name]), []).append(name)
    pairs = [pair for size, names in by_size.items() if size > 1 for pair in zip(names[::2], names[1::2])]
    test, own, partners, paired = [], [], [], []
    for place in rng.permutation(len(pairs)):
        tested, partner = (of[name] for name in pairs[place])
        half = len(tested) // 2
        test += [*tested[:half]]
        own += [*tested[half:]]
        partners += [*partner[half:]]
        paired += [*tested, *partner]
        if len(test) >= TEST_SHARE * len(cases):
            break
    trains = [[*np.setdiff1d(np.arange(len(cases)), paired)] for _ in range(2)]
    for score in cohorts.SCORES:
        some = [[row for row in rows if scores[row] == score] for rows in (own, partners)]
        least = min(map(len, some))
        for train, rows in zip(trains, some):
            train += rows[:least]
    return np.sort(test), *map(np.sort, trains)


def plain(cases, seed):
    """Draw a random tenth of the cases for testing, as in the report.

    Without: all cases of other patients. With: the other cases of the tested patients, each
    in place of a random one of the same score. Returns as :func:`matched`.
    """
    rng = np.random.default_rng(seed)
    scores, patients = cases["malignancy"].to_numpy(), cases["patient_id"].to_numpy()
    own = [rng.permutation(np.flatnonzero(scores == score)) for score in cohorts.SCORES]
    test = np.concatenate([rows[: round(TEST_SHARE * len(rows))] for rows in own])
    tested = np.isin(patients, patients[test])
    others = np.setdiff1d(np.flatnonzero(tested), test)
    without = np.flatnonzero(~tested)
    kept = []
    for score in cohorts.SCORES:
        rows = rng.permutation(without[scores[without] == score])
        kept.append(rows[: len(rows) - (scores[others] == score).sum()])
    return np.sort(test), np.sort(np.concatenate([others, *kept])), without


def price(cohort, predictors, design, *, draws):
    """Score every predictor with and without the tested patients' other nodules."""
    cases, start = cohort.cases, time.perf_counter()
    values, sizes = {}, []
    for seed in range(draws):
        test, *trains = design(cases, seed)
        shared = cases["patient_id"].iloc[test].isin(cases["patient_id"].iloc[trains[0]]).mean()
        sizes.append((len(trains[0]), len(test), shared))
        for name, (x, fit) in predictors.items():
            for task in PRICE_SCORES:
                pair = [scored(x, cohort.labels(task), train, test, task, fit, seed) for train in trains]
                for score in PRICE_SCORES[task]:
                    values.setdefault((name, task, score), []).append([one[score] for one in pair])
        seconds = time.perf_counter() - start
        print(f"{design.__name__}, draw {seed + 1} of {draws}: {seconds:.0f} s", flush=True)
    n_train, n_test, shared = np.mean(sizes, axis=0)
    found = {"draws": draws, "train": round(n_train), "test": round(n_test), "shared": round(shared, 4)}
    found["scores"] = []
    for (name, task, score), pairs in values.items():
        first, second = np.array(pairs).T
        row = {"predictor": name, "task": task, "score": score}
        row |= {"with": first.mean(), "without": second.mean()}
        row |= corrected_interval(first - second, n_train=n_train, n_test=n_test)
        found["scores"].append({key: _rounded(value) for key, value in row.items()})
        text = (
            "with {with:.4f} without {without:.4f} difference {difference:+.4f} [{low:+.4f}, {high:+.4f}] "
            "p {p:.3f}"
        ).format(**row)
        print(f"{name:26} {task:10} {score:26} {text}", flush=True)
    return found


def protocol(cohort, predictors, *, draws):
    """Score predictors under the report's split, and place the printed values among the draws."""
    cases, values, shared = cohort.cases, {}, []
    for seed in range(draws):
        table = splits.split(
            cases, protocol="report", seed=seed, shares=(1 - 2 * TEST_SHARE, TEST_SHARE, TEST_SHARE)
        )
        train, test = (np.flatnonzero(table["split"] == part) for part in ("train", "test"))
        shared.append(splits.shared_patients(cases, table).loc["test", "share"])
        for name, (x, fit) in predictors.items():
            for task in PRINTED:
                scores = scored(x, cohort.labels(task), train, test, task, fit, seed)
                for score in PRINTED_SCORES:
                    values.setdefault((name, task, score), []).append(scores[score])
    printed = quoted.main_results()
    found = {
        "draws": draws,
        "train": len(train),
        "test": len(test),
        "scores": [],
        "shared": {
            "mean": _rounded(np.mean(shared)),
            "least": _rounded(min(shared)),
            "most": _rounded(max(shared)),
        },
    }
    for (name, task, score), drawn in values.items():
        value = printed.loc[PRINTED[task], PRINTED_SCORES[score]] / 100
        low, high = np.quantile(drawn, [0.025, 0.975])
        row = {
            "predictor": name,
            "task": task,
            "score": score,
            "printed": value,
            "mean": np.mean(drawn),
            "low": low,
            "high": high,
            "share below printed": np.mean(np.array(drawn) < value),
        }
        found["scores"].append({key: _rounded(value) for key, value in row.items()})
        print(
            f"{name:26} {task:10} {score:21} printed {value:.4f}, draws {row['mean']:.4f} "
            f"[{low:.4f}, {high:.4f}], share below {row['share below printed']:.2f}",
            flush=True,
        )
    return found


def scored(x, y, train, test, task, fit, seed):
    """Train, predict and score."""
    y_prob = fit(x[train], y[train], x[test], task, seed)
    y_pred = np.array(classification.LABELS[task])[y_prob.argmax(axis=1)]
    return classification.scores(y[test], y_pred, y_prob, task=task, average=("weighted", "per_class"))


def corrected_interval(differences, *, n_train, n_test, level=0.95):
    """Interval of a mean difference (draws,) over repeated draws of training and test cases, as a dict."""
    # Draws share cases, so their spread alone makes the interval too narrow. The variance of the mean is
    # taken as (1 / draws + n_test / n_train) times that between draws, with Student's t of draws - 1
    # degrees of freedom [nadeau2003, bouckaert2004].
    differences = np.asarray(differences, dtype=float)
    if differences.ndim != 1 or len(differences) < 2 or not np.isfinite(differences).all():
        raise ValueError(
            f"differences: found shape {differences.shape}, expected (draws,) with at least two, all finite"
        )
    if not (n_train > 0 and n_test > 0):
        raise ValueError(f"n_train, n_test: found {n_train} and {n_test}, expected both above 0")
    if not 0 < level < 1:
        raise ValueError(f"level: found {level}, expected a share between 0 and 1")
    draws, mean = len(differences), float(differences.mean())
    error = float(np.sqrt((1 / draws + n_test / n_train) * differences.var(ddof=1)))
    reach = float(t.ppf((1 + level) / 2, draws - 1)) * error
    # Draws that never differ have no error: p is 1 if the mean is 0, else 0.
    p = 2 * t.sf(abs(mean) / error, draws - 1) if error > 0 else float(mean == 0)
    return {
        "difference": mean,
        "low": mean - reach,
        "high": mean + reach,
        "standard error": error,
        "p": float(p),
        "draws": draws,
    }


def _rounded(value):
    return round(float(value), 4) if isinstance(value, float) else value


# --- Predictors ---------------------------------------------------------------------------


def fit_logistic(x, y, x_test, task, seed):
    """Logistic regression on standardised inputs; mean and spread are the training cases'."""
    from sklearn.linear_model import LogisticRegression
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler

    penalty = PENALTY if x.shape[1] > 1 else 1.0
    model = make_pipeline(StandardScaler(), LogisticRegression(C=penalty, max_iter=1000))
    return model.fit(x, y).predict_proba(x_test)


def fit_nearest(x, y, x_test, task, seed, *, k=5):
    """Shares of the classes among the k training cases nearest by cosine."""
    unit = [rows / np.linalg.norm(rows, axis=1, keepdims=True) for rows in (x, x_test)]
    near = np.argsort(-unit[1] @ unit[0].T, axis=1)[:, :k]
    return (y[near][:, :, None] == classification.LABELS[task]).mean(axis=1)


def fit_patient(x, y, x_test, task, seed):
    """Shares of the classes among the patient's training cases, and two cases' worth of all."""
    of_all = (y[:, None] == classification.LABELS[task]).mean(axis=0)
    counts = np.array(
        [
            (y[x[:, 0] == patient][:, None] == classification.LABELS[task]).sum(axis=0)
            for patient in x_test[:, 0]
        ]
    )
    return (counts + 2 * of_all) / (counts.sum(axis=1, keepdims=True) + 2)


def fit_network(x, y, x_test, task, seed):
    """The report's small network on the centre of the window, with flips."""
    from lungcls.models.backend import import_keras

    keras = import_keras()
    from lungcls.models import networks
    from lungcls.runs import stages

    keras.backend.clear_session()
    model = networks.cnn(image_size=PIXELS, task=task, seed=seed)
    epochs = 12
    rate = keras.optimizers.schedules.CosineDecay(2e-3, epochs * -(-len(x) // 64))
    loss = "binary_crossentropy" if task == "binary" else "categorical_crossentropy"
    model.compile(keras.optimizers.AdamW(rate, weight_decay=1e-3), loss)
    rng, targets = np.random.default_rng(seed), stages.to_targets(y, task)
    for epoch in range(epochs):
        turned = x[:, :, :: rng.choice([-1, 1])][:, :: rng.choice([-1, 1])]
        model.fit(turned, targets, batch_size=64, epochs=epoch + 1, initial_epoch=epoch, verbose=0)
    return stages.predict(model, x_test).astype(float)


if __name__ == "__main__":
    main()
