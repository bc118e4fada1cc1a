"""Predict on other cases, with calibrated probabilities and a set of scores that holds the right one."""

from lungcls import runs, sources

data = sources.open_cohort("phantom", profile="smoke")
run = runs.train(data, task="multiclass", view="nodule", model="cnn", profile="smoke", progress=False)
others = sources.open_cohort("phantom", profile="smoke", seed=1).select([0, 1, 2, 3, 4])
table = runs.predict(run, others)
print(runs.calibrate(run, table, calibrated=True, level=0.9).round(2).to_string(index=False))
