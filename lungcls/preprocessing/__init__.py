"""Pixels in, pixels out: grey levels, geometry, padding, pipelines, augmentation, balancing.

It imports no other room; what reads or writes a cohort belongs in `cohorts`.
"""
