"""Lung nodule classification in CT: the companion package of the book.

Eight rooms, loaded when they are first used: `sources` and `cohorts` (data), `preprocessing`,
`models`, `runs` (one experiment), `explain`, `metrics` and `report` (what the book needs).
"""

import lazy_loader

__version__ = "0.1.0"

__getattr__, __dir__, __all__ = lazy_loader.attach(
    __name__,
    submodules=["cohorts", "explain", "metrics", "models", "preprocessing", "report", "runs", "sources"],
)
