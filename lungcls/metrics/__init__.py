"""Arrays in, numbers out: scores, bootstrap, tests, calibration, conformal sets, agreement, noise ceiling.

It imports no other room; what reads a run's folder belongs in `runs`.
"""
