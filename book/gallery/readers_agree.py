"""How often do two readers of LIDC-IDRI give a nodule the same score?"""

from lungcls import metrics, sources
from lungcls.metrics.ratings import parse_ratings

cases = sources.report_cases()
ratings = parse_ratings(cases["ratings"])
print(f"{len(cases)} nodules of {cases['patient_id'].nunique()} patients")
print(metrics.reader_agreement(ratings, cases["patient_id"], seed=0, resamples=500).round(3).to_string())
