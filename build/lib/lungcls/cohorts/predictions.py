"""The layout of `predictions.csv`: one place for who writes it and who reads it."""

import numpy as np
import pandas as pd

CLASS_COLUMNS = {"binary": ("p_benign", "p_malignant"), "multiclass": ("p_1", "p_2", "p_3", "p_4", "p_5")}


def prediction_table(case_ids, y_prob, task):
    """Probabilities (n, n_classes) as `predictions.csv` has them, with `case_id`, `y_pred`, `confidence`."""
    table = pd.DataFrame(y_prob, columns=list(CLASS_COLUMNS[task]))
    table.insert(0, "case_id", np.asarray(case_ids, dtype=object))
    first = 0 if task == "binary" else 1
    return table.assign(y_pred=first + y_prob.argmax(axis=1), confidence=y_prob.max(axis=1))
