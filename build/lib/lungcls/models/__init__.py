"""What can be trained or fitted: networks, ensembles, pretrained weights, and baselines without a network.

Each is built or fitted from arrays or a cohort and nothing is kept on disk: training with
settings, folders and predictions is `runs`, looking inside a network `explain`.
"""

import lazy_loader

_NAMES = {
    "backbones": ["transfer"],
    "baselines": ["predict_baseline"],
    "blocks": ["summary"],
    "fusion": ["fused", "mean_of_logits", "stacked"],
    "networks": ["autoencoder", "cnn"],
    "radiomics": ["measure_radiomics"],
    "weights": ["find_weights"],
}
__getattr__, __dir__, __all__ = lazy_loader.attach(__name__, submod_attrs=_NAMES)
