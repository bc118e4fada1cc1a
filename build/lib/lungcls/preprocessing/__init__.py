"""Pixels in, pixels out: grey levels, geometry, padding, pipelines, augmentation, balancing.

What leaves it is float32 in [0, 1], (n, H, W, 1), each image treated by itself. It imports no other
room: what reads or writes a cohort belongs in `cohorts`, what a network does to pixels in `models`.
"""

import lazy_loader

_NAMES = {
    "augmentation": ["augment"],
    "balancing": ["balance", "class_weights"],
    "geometry": ["center_crop", "resize"],
    "grey_levels": ["hu_window", "min_max", "sigmoid_contrast"],
    "pipelines": ["full_slice_pipeline", "nodule_pipeline", "preprocess"],
}
__getattr__, __dir__, __all__ = lazy_loader.attach(__name__, submod_attrs=_NAMES)
