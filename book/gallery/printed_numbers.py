"""Which sizes of the test set fit the accuracies that the report prints?"""

from lungcls.report.printed import quoted, rounding

printed = {name: row["accuracy"] for name, row in quoted.load()["main_results_percent"].items()}
sizes = range(200, 421)
fits = rounding.fitting_sizes(list(printed.values()), sizes)  # one row an accuracy, one column a size

for (name, accuracy), row in zip(printed.items(), fits, strict=True):
    print(f"{name:<21} {accuracy:>6} %  fits {row.sum():>2} of {len(sizes)} sizes")
print("All of them fit:", *[size for size, together in zip(sizes, fits.all(axis=0), strict=True) if together])
