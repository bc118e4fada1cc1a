"""Train a small network on the phantom, change one setting, and see what that did."""

from lungcls import runs, sources

data = sources.open_cohort("phantom", profile="smoke")
small = {"task": "binary", "view": "nodule", "model": "cnn", "profile": "smoke", "progress": False}
run = runs.train(data, **small)
print(runs.score(run, against="diameter").round(2).to_string())

other = runs.train(data, **small, dropout=0.6)
print("\nWith another dropout:")
print(runs.compare(other, run)[["first", "second", "difference", "low", "high", "n"]].round(2).to_string())
