"""One experiment: from settings to a key, to training, to a folder, to predictions and their scores.

The one way in is `train`; `plan` and `train_all` do the same for a grid. Builders of networks belong in
`models`; what explains a run belongs in `explain`.
"""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach(
    __name__,
    submod_attrs={
        "evaluation": ["compare", "score"],
        "sharing.onnx_export": ["export"],
        "grid": ["grid_of", "plan"],
        "searching.nested": ["search"],
        "prediction": ["calibrate", "predict"],
        "sharing.shipped": ["pretrained"],
        "store": ["find", "list_runs"],
        "study": ["train_all"],
        "training": ["train"],
    },
)
