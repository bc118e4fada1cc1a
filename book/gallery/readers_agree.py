"""How often do two readers of LIDC-IDRI give a nodule the same score?"""

from lungcls import metrics, sources
from lungcls.metrics.ratings import parse_ratings

cases = sources.report_cases()
ratings = parse_ratings(cases["ratings"])
print(f"{len(cases)} nodules of {cases['patient_id'].nunique()} patients")
patients = cases["patient_id"]
agreement = metrics.reader_agreement(ratings, patients, seed=0, resamples=500)
print(agreement.round(3).to_string())
