"""Cases and their views on disk: load, check, split and audit.

One format for every source: `cases.csv`, one `<view>.npy` a view, split files, `predictions.csv`.
Where cases come from is `sources`, what is done to pixels `preprocessing`.
"""

import lazy_loader

_NAMES = {
    "cohort": ["Cohort", "check_pixels", "load", "save"],
    "leakage": ["audit"],
    "findings": ["look_over"],
    "splits": ["folds", "split"],
}
__getattr__, __dir__, __all__ = lazy_loader.attach(__name__, submod_attrs=_NAMES)
