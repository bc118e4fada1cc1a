"""The calibration of a run: temperature and thresholds for new cohorts, in its folder.

::

    runs/<run>/calibration.json   made on demand from predictions.csv, whole or not there

It is fitted on all test cases of the run, which neither training nor early stopping has used. It must
**not** be used to score that test part: there it has seen the labels, and calibration errors, losses and
coverage come out better than they are. For scores of the test part see
:func:`lungcls.metrics.calibration.cross_tempered` and :func:`lungcls.metrics.conformal.conformal_sets`, which
fit on some patients and score others. Its promise is about cases like the test cases: another scanner,
another hospital or another share of malignant nodules is outside it.
"""

from contextlib import suppress
import json

import numpy as np

from lungcls.errors import InputError
from lungcls.files import code_digests, sha, whole_text
from lungcls.metrics import calibration, conformal
from lungcls.metrics.classification import LABELS
from lungcls.runs.store import sealed, verify

NAME = "calibration.json"
LEAST = 10  # test cases of each class that a temperature should stand on
_SAME = 1e-3  # two predictions this near are of the same image


def fit(y_true, y_prob):
    """Fit a calibration on labelled cases that the network has not learnt from."""
    y_true, scores = np.asarray(y_true), conformal.class_scores(y_prob)
    limits = {}
    for level in conformal.LEVELS:
        found = conformal.thresholds(y_true, scores, level=level, by_class=True)
        limits[str(level)] = [None if np.isinf(limit) else float(limit) for limit in found]
    labels = next(labels for labels in LABELS.values() if len(labels) == scores.shape[1])
    return {
        "temperature": calibration.temperature(y_true, y_prob),
        "thresholds": limits,
        "n": {str(label): int((y_true == label).sum()) for label in labels},
    }


def of_run(run):
    """Find the calibration of a run, or fit it on its test cases and keep it; one that it came with stays."""
    made_of = _made_of(verify(run))
    with suppress(OSError, ValueError, KeyError, TypeError):
        found = json.loads((run.folder / NAME).read_text(encoding="utf-8"))
        if NAME in sealed(run.folder) or found["made_of"] == made_of:
            return found
    y_true, y_prob = run.part("test")
    if not len(y_true):
        raise InputError(f"{run.id}: found no test case, expected some to fit a calibration on")
    found = {"run": run.id, **fit(y_true, y_prob), "made_of": made_of}
    with suppress(InputError):  # a store of someone else's: it is made each time
        whole_text(run.folder / NAME, json.dumps(found, indent=1) + "\n")
    return found


def can_be_had(run):
    """Whether a run came with a calibration, or has test cases to fit one on."""
    return NAME in sealed(run.folder) or len(run.part("test")[0]) > 0


def _made_of(run):
    digest = sha((run.folder / "predictions.csv").read_bytes())
    code = code_digests("metrics.calibration", "metrics.conformal")
    return {"part": "test", "predictions": digest, "code": code}


def probabilities(found, y_prob):
    """Give calibrated probabilities."""
    return calibration.tempered(y_prob, found["temperature"])


def sets(found, y_prob, *, level):
    """Give prediction sets with one threshold a class."""
    limits = found["thresholds"].get(str(level))
    if limits is None:
        raise InputError(f"sets: found {level}, expected one of {', '.join(found['thresholds'])}")
    limits = np.array([np.inf if limit is None else limit for limit in limits])
    chosen = conformal.sets(y_prob, conformal.class_scores(y_prob), limits)
    labels = np.array(list(found["n"]))
    return [" ".join(labels[row]) for row in chosen]


def too_few(found, *, level=None):
    """Say which classes have fewer cases than a temperature, or sets of a level, should have; "" if none."""
    least = LEAST if level is None else conformal.least_cases(level)
    few = [f"{n} of class {label}" for label, n in found["n"].items() if n < least]
    what = "a temperature" if level is None else f"sets of level {level}"
    return (
        f"{what} should stand on {least} test cases of each class, and there are {', '.join(few)}"
        if few
        else ""
    )


def seen(run, table):
    """Count the cases of a table that the calibration of a run was fitted on."""
    mine = run.predictions[run.predictions["split"] == "test"]
    columns = [name for name in mine if name.startswith("p_")]
    both = mine.merge(table, on="case_id", suffixes=("", "_new"))
    new = both[[f"{name}_new" for name in columns]].to_numpy()
    return int((np.abs(both[columns].to_numpy() - new) <= _SAME).all(axis=1).sum())
