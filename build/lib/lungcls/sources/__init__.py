"""Where cohorts come from: LIDC annotations and DICOM, the course layout, your own images, the phantom.

Each file here ends in the one folder format, which is read and checked in `cohorts`. What an image
shows is changed in `preprocessing`, not here; the phantom is a room of its own, `sources.phantom`.
"""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach(
    __name__,
    submod_attrs={
        "annotations": ["full_mask", "nodules", "rebuild_index", "report_cases"],
        "course": ["import_course"],
        "dicom": ["import_dicom"],
        "folder": ["import_images"],
        "opening": ["open_cohort"],
        "views": ["cut_views"],
    },
)
