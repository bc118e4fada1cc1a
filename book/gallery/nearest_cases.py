"""Which nodules does a network find alike? The nearest cases of other patients in the training part."""

import numpy as np

from lungcls import explain, runs, sources

data = sources.open_cohort("phantom", profile="smoke")
run = runs.train(data, task="binary", view="nodule", model="cnn", profile="smoke", progress=False)
part = run.predictions.set_index("case_id")["split"].reindex(data.cases["case_id"])
query, known = np.flatnonzero(part == "test")[:1], np.flatnonzero(part == "train")
vectors, patients = explain.embed_run(run, data), data.cases["patient_id"].to_numpy()
of_patients = {"query_patients": patients[query], "gallery_patients": patients[known]}
rows, distances = explain.nearest_cases(vectors[query], vectors[known], k=3, **of_patients)

shown = data.cases[["case_id", "malignancy", "diameter_mm"]]
print("query:", *shown.iloc[query[0]])
print(shown.iloc[known[rows[0]]].assign(distance=distances[0].round(4)).to_string(index=False))
