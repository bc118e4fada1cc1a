"""Time training against the plain script that a user of Keras would write.

Both train a head on a frozen backbone, then fine-tune its upper blocks, on the same cases,
with the same augmentation, batch size, optimizer and schedule, and save the network. Processor
time counts building, tracing, the feature pass from a cold cache, training, validation, saving.

    python benchmarks/training_speed.py COHORT --model mobilenet --weights FILE.h5
"""

import argparse
import json
from pathlib import Path
import tempfile
import time

import keras
import numpy as np

from lungcls.cohorts import cohort
from lungcls.models import backbones
from lungcls.preprocessing import balancing, pipelines
from lungcls.runs import settings, stages

RATES = {"transfer_learning": 1e-3, "fine_tuning": 1e-4}


def data(args):
    """Images and binary labels of the first cases, one in five for validation."""
    source = cohort.load(args.cohort)
    chosen = np.random.default_rng(0).permutation(len(source))[: args.cases]
    part = source.select(chosen)
    images = pipelines.preprocess(part.views[args.view], args.view, size=args.image_size)
    rows = np.arange(len(chosen))
    return images, part.labels("binary"), rows[rows % 5 > 0], rows[rows % 5 == 0]


def plain(args, images, labels, rows, validation, seed, folder):
    """The plain script: augmentation layers, a nested frozen base, `fit` over the whole network."""
    keras.utils.set_random_seed(seed)
    name, scaling = backbones.BACKBONES[args.model]
    layers, times, losses = keras.layers, {}, {}
    start = time.process_time()
    shape = (args.image_size, args.image_size)
    base = getattr(keras.applications, name)(include_top=False, weights=args.weights, input_shape=(*shape, 3))
    base.trainable = False
    image = keras.Input((*shape, 1))
    x = layers.RandomFlip()(image)
    x = layers.RandomRotation(15 / 360)(x)
    x = layers.RandomTranslation(0.08, 0.08)(x)
    x = layers.Concatenate()([x, x, x])
    x = base(layers.Rescaling(**scaling)(x), training=False)
    x = layers.Dropout(0.3)(layers.GlobalAveragePooling2D()(x))
    first = keras.initializers.GlorotUniform(seed)  # both ways start from the same head
    model = keras.Model(image, layers.Dense(1, activation="sigmoid", kernel_initializer=first)(x))
    for stage, rate in RATES.items():
        if stage == "fine_tuning":
            start = time.process_time()
            unfreeze(base, args)
        steps = args.epochs * -(-len(rows) // 128)
        schedule = keras.optimizers.schedules.CosineDecay(rate, steps, 0.01)
        model.compile(keras.optimizers.AdamW(schedule, weight_decay=1e-4), "binary_crossentropy")
        past = model.fit(
            images[rows],
            labels[rows],
            batch_size=128,
            epochs=args.epochs,
            verbose=0,
            validation_data=(images[validation], labels[validation]),
        )
        model.save(folder / f"plain-{stage}.keras")
        times[stage], losses[stage] = time.process_time() - start, past.history["val_loss"]
    return times, losses


def unfreeze(base, args):
    """Unfreeze the same layers as `blocks.split` does, batch normalisation left out."""
    from lungcls.models import blocks

    ours = backbones.transfer(args.model, image_size=args.image_size, task="binary")
    blocks.split(ours, args.upper)
    wanted = {layer.name for layer in ours.layers if layer.trainable}
    base.trainable = True
    for layer in base.layers:
        layer.trainable = layer.name in wanted


def cached(args, images, labels, rows, validation, seed, folder):
    """This package: the frozen part is run once for each image and copy."""
    times, losses = {}, {}
    for stage, rate in RATES.items():
        start = time.process_time()
        if stage == "transfer_learning":
            model = backbones.transfer(
                args.model, image_size=args.image_size, task="binary", weights=args.weights, seed=seed
            )
        history, _ = stages.train(
            model,
            images,
            labels,
            task="binary",
            rows=rows,
            validation_rows=validation,
            plan=balancing.balance(labels[rows], "none", seed=seed),
            cache=folder / "features",
            seed=seed,
            unfreeze_from="head" if stage == "transfer_learning" else args.upper,
            copies=args.copies,
            epochs=args.epochs,
            patience=None,
            learning_rate=rate,
            checkpoint=folder / f"{stage}.npz",
        )
        model.save(folder / f"ours-{stage}.keras")
        times[stage] = time.process_time() - start
        losses[stage] = [row["val_loss"] for row in history.epochs]
    return times, losses


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("cohort")
    parser.add_argument("--model", default="mobilenet", choices=settings.BACKBONES)
    parser.add_argument("--weights", help="include_top=False weight file; random weights without")
    parser.add_argument("--view", default="context")
    parser.add_argument("--cases", type=int, default=500)
    parser.add_argument("--image-size", type=int, default=128)
    parser.add_argument("--epochs", type=int, default=30)
    parser.add_argument("--copies", type=int, default=3)
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--upper", help="block from which fine-tuning trains")
    parser.add_argument("--out", help="JSON file of the figures")
    args = parser.parse_args()
    plain_settings = settings.resolve("full", model=args.model, stage="fine_tuning")
    args.upper = args.upper or plain_settings.unfreeze_from
    images, labels, rows, validation = data(args)
    versions = {"keras": keras.__version__, "backend": keras.backend.backend()}
    found = {"settings": vars(args), **versions, "runs": []}
    for seed in range(args.seeds):
        for way in (plain, cached):
            with tempfile.TemporaryDirectory() as folder:
                times, losses = way(args, images, labels, rows, validation, seed, Path(folder))
            for stage in RATES:
                found["runs"].append(
                    {
                        "way": way.__name__,
                        "seed": seed,
                        "stage": stage,
                        "seconds": times[stage],
                        "val_loss": losses[stage],
                    }
                )
                print(
                    f"{args.model} {way.__name__:6} seed {seed} {stage:17} {times[stage]:7.1f} s, "
                    f"validation loss {losses[stage][-1]:.4f}",
                    flush=True,
                )
            keras.backend.clear_session()
    summary(found)
    if args.out:
        Path(args.out).write_text(json.dumps(found, indent=1) + "\n", encoding="utf-8")


def summary(found):
    """Print how much faster, and whether the validation losses agree: of the last epoch, and of the best.

    The best epoch's network is the one that early stopping keeps.
    """
    for stage in RATES:
        by = {
            way: [run for run in found["runs"] if run["way"] == way and run["stage"] == stage]
            for way in ("plain", "cached")
        }
        seconds = {way: np.mean([run["seconds"] for run in runs]) for way, runs in by.items()}
        print(f"{stage}: {seconds['plain'] / seconds['cached']:.1f} times as fast")
        for epoch, pick in {"last": lambda losses: losses[-1], "best": min}.items():
            losses = {way: [pick(run["val_loss"]) for run in runs] for way, runs in by.items()}
            spread = np.std(losses["plain"], ddof=1) if len(losses["plain"]) > 1 else float("nan")
            print(
                f"  mean validation loss, {epoch} epoch: {np.mean(losses['plain']):.4f} plain "
                f"(sd {spread:.4f}), {np.mean(losses['cached']):.4f} cached"
            )


if __name__ == "__main__":
    main()
