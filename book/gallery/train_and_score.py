"""Train a small network, change its settings, and see what that did."""

from lungcls import runs, sources

data = sources.open_cohort("phantom", profile="smoke")
asked = {"task": "binary", "view": "nodule", "model": "cnn", "profile": "smoke"}
run = runs.train(data, **asked, progress=False)
scores = runs.score(run, against="diameter")
print(scores[["value", "low", "high", "n", "diameter"]].round(2).to_string())

asked |= {"batch_size": 8, "epochs": 12, "patience": 11}
other = runs.train(data, **asked, progress=False)
print("\nBatches of 8 and 12 epochs, against 128 and 2:")
paired = runs.compare(other, run)
print(paired[["first", "second", "difference", "low", "high"]].round(2).to_string())
