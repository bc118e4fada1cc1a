"""See how a network learnt: its history as a table and as a figure."""

import os

from lungcls import report, runs, sources

data = sources.open_cohort("phantom", profile="smoke")
asked = {"task": "binary", "view": "nodule", "model": "cnn", "profile": "smoke"}
asked |= {"batch_size": 8, "epochs": 12, "patience": 11}
run = runs.train(data, **asked, progress=False)
print(run.history.round(3).to_string(index=False))
losses = run.history["loss"], run.history["val_loss"]
folder = os.environ.get("LUNGCLS_GALLERY", ".")
figure = report.learning_curves({"CNN": losses})
figure.savefig(os.path.join(folder, "learning_curves.png"), dpi=120)
