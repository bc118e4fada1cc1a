"""Cases whose least grey level is padding: it sets the scale of min-max, and every tissue moves with it.

Scanners fill what lies outside their round field of view with a value far below air. The report's min-max
counts it as the darkest tissue; :func:`lungcls.preprocessing.hu_window` does not.
"""

HIGHEST = -1100  # HU: below the noise of air, which is -1000 and which most scanners cut at -1024
LEAST_SHARE = 0.001  # of an image's pixels on that one level: noise and streaks hardly repeat a value


def set_by_padding(images):
    """Say in which images (n, H, W), in HU, padding is the least grey level: bool, (n,)."""
    flat = images.reshape(len(images), -1)
    least = flat.min(axis=1)
    return (least <= HIGHEST) & ((flat == least[:, None]).mean(axis=1) >= LEAST_SHARE)


def count_cases(cohort):
    """Count the cases whose scale padding sets, by view; views of unsigned grey levels hold no HU."""
    return {
        view: sum(int(set_by_padding(batch).sum()) for _, batch in images.batches())
        for view, images in cohort.views.items()
        if images.dtype.kind in "if"
    }
