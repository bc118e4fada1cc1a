"""Inside a trained network and inside the data: heat maps and their scores, retrieval, outliers.

What only takes arrays and gives numbers belongs in `metrics`, what trains or predicts in
`runs`. What draws a map belongs in `report.plots`.
"""

import lazy_loader

_NAMES = {
    "explanation": ["explain_run"],
    "gradcam": ["grad_cam"],
    "lime": ["lime_pieces"],
    "map_scores": ["score_maps"],
    "outliers": ["fit_latent", "isolation_scores"],
    "retrieval": ["embed_run", "nearest_cases"],
    "sanity": ["randomised_maps", "similarity"],
}
__getattr__, __dir__, __all__ = lazy_loader.attach(__name__, submod_attrs=_NAMES)
