"""What can be trained or fitted: networks, ensembles, pretrained weights, and baselines without a network.

Training them is `runs`' work.
"""
