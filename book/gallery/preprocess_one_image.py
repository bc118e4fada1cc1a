"""The report's steps on one image: min-max, contrast, centre crop, resize."""

from lungcls import preprocessing, sources

data = sources.open_cohort("phantom", profile="smoke")
image = data.views["nodule"][0]
for step in (
    preprocessing.min_max,
    preprocessing.sigmoid_contrast,
    lambda image: preprocessing.center_crop(image, 96),
    lambda image: preprocessing.resize(image, 128),
):
    image = step(image)
    grey = f"{image.min():.2f} to {image.max():.2f}, mean {image.mean():.2f}"
    print(f"{image.shape}, {image.dtype}, {grey}")
