"""Predict on other cases: calibrated probabilities and a set of scores."""

from lungcls import runs, sources

data = sources.open_cohort("phantom", profile="smoke")
asked = {"task": "multiclass", "view": "nodule", "model": "cnn", "profile": "smoke"}
run = runs.train(data, **asked, progress=False)
others = sources.open_cohort("phantom", profile="smoke", seed=1)
table = runs.predict(run, others.select([0, 1, 2, 3, 4]))
table = runs.calibrate(run, table, calibrated=True, level=0.9)
print(table.round(2).to_string(index=False))
