"""A search for settings by nested cross-validation: its space, its folds and trials, and what it found."""
