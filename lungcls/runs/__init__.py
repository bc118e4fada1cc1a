"""One experiment: from settings to a key, to training, to a folder, to predictions.

Builders of networks belong in `models`; what explains a run belongs in `explain`.
"""
