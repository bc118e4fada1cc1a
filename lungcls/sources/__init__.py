"""Where cohorts come from: each file here ends in the one folder format.

The format itself belongs in `cohorts`.
"""
