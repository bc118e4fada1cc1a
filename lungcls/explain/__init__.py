"""Inside a trained network and inside the data: heat maps and their scores, retrieval, outliers.

What only takes arrays and gives numbers belongs in `metrics`; what trains belongs in `runs`.
"""
