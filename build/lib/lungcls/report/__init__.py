"""What the book needs: quoted and recorded results, claims, tables, plots, execution and rendering.

What computes a score belongs in `metrics`, what trains or scores a run in `runs`. No other room may import
this one, and its figures take arrays and compute nothing.
"""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach(
    __name__,
    submod_attrs={
        "cases_shown": ["choose_views"],
        "display": ["show_figure", "show_table"],
        "plots.images": ["image_grid"],
        "plots.networks": ["intervals", "learning_curves"],
        "printed.quoted": ["claim"],
        "results.tables": ["results_table", "with_interval"],
        "wording": ["count", "percent"],
    },
)
