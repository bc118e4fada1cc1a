"""Time LIME on an image against the `lime` package called plainly, and say what bounds it.

The plain call is the package's example: default pieces (quickshift, colour), 1,000 pictures in
batches of 10. Ours has the same number of pictures. The parts are timed apart: cutting into
pieces, making pictures, asking the network, fitting the line.

    python benchmarks/lime_speed.py RUN COHORT --runs STORE
"""

import argparse
import json
import time

import numpy as np
from tqdm.auto import tqdm

from lungcls.cohorts import cohort
from lungcls.explain import explanation, lime
from lungcls.runs import planning, prediction, store, training


class Clock:
    """Adds up the time spent in calls of a function."""

    def __init__(self, function):
        self.function, self.seconds, self.calls = function, 0.0, 0

    def __call__(self, *args, **options):
        start = time.perf_counter()
        out = self.function(*args, **options)
        self.seconds += time.perf_counter() - start
        self.calls += 1
        return out


def asked_plainly(model):
    """The network as a user would ask it: in the batches that come, traced before the clock runs."""

    def ask(batch):
        y_prob = model.predict_on_batch(batch)
        return np.concatenate([1 - y_prob, y_prob], axis=1) if y_prob.shape[1] == 1 else y_prob

    ask(np.zeros((10, *model.input_shape[1:]), np.float32))
    return ask


def plain(ask, image, samples):
    """The package as its example calls it, on three channels."""
    from lime.lime_image import LimeImageExplainer

    colour = np.repeat(image.astype(float), 3, axis=-1)
    return LimeImageExplainer(random_state=0).explain_instance(
        colour, lambda batch: ask(batch[..., :1].astype(np.float32)), top_labels=1, num_samples=samples
    )


def timed(explain, ask, images):
    """Seconds an image: altogether, and in the network."""
    network, start = Clock(ask), time.perf_counter()
    for image in tqdm(images, desc=explain.__name__):
        explain(network, image)
    whole = time.perf_counter() - start
    n = len(images)
    return {
        "seconds": whole / n,
        "network": network.seconds / n,
        "rest": (whole - network.seconds) / n,
        "batches": network.calls / n,
    }


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("run")
    parser.add_argument("cohort")
    parser.add_argument("--runs", default=None)
    parser.add_argument("--images", type=int, default=4)
    parser.add_argument("--samples", type=int, default=1000)
    args = parser.parse_args()
    run = store.find(args.runs or planning.default_store(), args.run)
    training.fix_threads(run.config["settings"]["threads"])
    part = cohort.load(args.cohort).select(np.arange(args.images))
    images = np.asarray(prediction.images_of(run, part)[np.arange(args.images)])
    model = prediction.open_model(run)
    ask = explanation.predictor(model)
    ask(images)  # traces the network before the clock runs

    def ours(network, image):
        lime.lime_pieces(network, image[None], [0], seed=0, samples=args.samples)

    def package(network, image):
        plain(network, image, args.samples)

    found = {"run": run.id, "image_size": images.shape[1], "samples": args.samples, "images": args.images}
    found |= {"package": timed(package, asked_plainly(model), images), "ours": timed(ours, ask, images)}
    found["times faster"] = found["package"]["seconds"] / found["ours"]["seconds"]
    parts = found["ours"]
    found["bound by"] = "the network" if parts["network"] > parts["rest"] else "pictures and fit"
    found["pieces"] = {"ours": int(lime.segment(images[0, ..., 0]).max()) + 1}
    print(json.dumps(found, indent=1))


if __name__ == "__main__":
    main()
