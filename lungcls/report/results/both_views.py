"""What both views together add, as recorded by `benchmarks/both_views.py`."""

from lungcls.report.results.external import rows_of
from lungcls.report.results.tables import with_interval
from lungcls.report.wording import percent

JOINED = {"mean": ("mean of logits", "nodule"), "stacking": ("stacking", "nodule stacked alone")}
JOINED |= {"stacking_slice": ("stacking", "wide stacked alone")}


def slices(found):
    """Write what joining adds on real full slices, to the fine-tuned EfficientNetB4 and over all networks."""
    facts = {}
    for name, (method, against) in JOINED.items():
        wanted = {"task": "binary", "score": "AUC", "size": "all", "method": method, "against": against}
        table = rows_of(found["rows"], "network", **wanted)
        written = table.apply(with_interval, axis=1, sign=True, decimals=3)
        facts |= {f"both_{name}_gain": written["FT"]}
        ends = {"least": table["difference"].idxmin(), "most": table["difference"].idxmax()}
        facts |= {f"both_{name}_{end}": written[network] for end, network in ends.items()}
    (one,) = (one for one in found["overlaps"] if (one["task"], one["network"]) == ("binary", "FT"))
    only = {name: one["shares"][f"only the {name}"]["value"] for name in ("first", "second")}
    facts["both_only_slice"] = percent(only["second"])
    return facts | {"both_slice_right": percent(only["second"] / sum(only.values()))}
