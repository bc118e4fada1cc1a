"""Arrays in, numbers out: scores, bootstrap, tests, calibration, conformal sets, agreement, noise ceiling.

Every function takes arrays, or a table of them, and gives numbers, or a table with intervals over patients.
It imports no other room: what reads a run's folder belongs in `runs`, what looks inside a network in
`explain`, what draws or words a number in `report`.
"""

import lazy_loader

_NAMES = {
    "agreement": ["krippendorff_alpha", "reader_agreement"],
    "bootstrap": ["mean_intervals", "score_differences", "score_intervals"],
    "calibration": ["calibration_scores", "reliability", "temperature"],
    "classification": ["confusion_matrix", "scores"],
    "conformal": ["conformal_sets"],
    "localisation": ["heat_map_scores"],
    "noise_ceiling": ["ceiling_scores"],
    "ratings": ["weighted_kappa"],
    "selective": ["risk_coverage_curve"],
}
__getattr__, __dir__, __all__ = lazy_loader.attach(__name__, submod_attrs=_NAMES)
