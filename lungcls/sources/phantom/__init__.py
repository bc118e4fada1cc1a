"""The phantom: simulated CT slices around real LIDC nodules, the cohort that needs no download.

Real are the nodules' outlines, sizes, places, spacings and readers' ratings; simulated is every grey level.
"""
