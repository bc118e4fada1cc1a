"""Train a small network, change its settings, and see what that did."""

from lungcls import runs, sources

data = sources.open_cohort("phantom", profile="smoke")
asked = {"task": "binary", "view": "nodule", "model": "cnn", "profile": "smoke"}
asked |= {"progress": False}
run = runs.train(data, **asked)
scores = runs.score(run, against="diameter")
print(scores[["value", "low", "high", "n", "diameter"]].round(2).to_string())

other = runs.train(data, **asked, batch_size=8, epochs=12, patience=11)
print("\nBatches of 8 and 12 epochs, against 128 and 2:")
print(
    runs.compare(other, run)[["first", "second", "low", "high"]]
    .round(2)
    .to_string()
)
