"""The phantom: simulated CT slices around real LIDC nodules, the cohort that needs no download.

Real are the nodules' outlines, sizes, places, spacings and readers' ratings; simulated is every grey
level. What belongs here draws such a slice; what reads real files belongs in `sources`.
"""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach(__name__, submod_attrs={"making": ["make", "render"]})
