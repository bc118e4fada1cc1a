"""See how a network learnt: its history as a table and as a figure."""

import os

from lungcls import report, runs, sources

data = sources.open_cohort("phantom", profile="smoke")
run = runs.train(data, task="binary", view="nodule", model="cnn", profile="smoke", epochs=6, progress=False)
print(run.history.round(3).to_string(index=False))
figure = report.learning_curves({"CNN": (run.history["loss"], run.history["val_loss"])})
figure.savefig(os.path.join(os.environ.get("LUNGCLS_GALLERY", "."), "learning_curves.png"), dpi=120)
