"""Every statement of the report: a record a claim, with the function that estimates what it says.

The words stand in `statements.json`, which holds no result. A function takes evidence (answers of networks,
:mod:`lungcls.report.claims.evidence`, or the printed tables) and returns comparisons, each with the place
where the statement expects it; :mod:`lungcls.report.claims.rule` decides.
"""

from collections.abc import Callable
from dataclasses import dataclass, replace
from importlib.resources import files
import json
from math import inf, nan

from lungcls.explain.retrieval import AMONG, SHARED
from lungcls.report.claims import measures, scores
from lungcls.report.claims.evidence import Answers
from lungcls.report.claims.rule import ABOVE, BELOW, NO_GAIN
from lungcls.report.claims.scores import mean_of
from lungcls.report.printed import quoted
from lungcls.report.wording import count

KINDS = ("data", "balancing", "model", "views", "explanation", "confidence", "conclusion")
ABOUT = 0.05  # "about", "alike", "nearly all", where it is no score of a network: within five points
TASKS, VIEWS, NETWORKS = ("binary", "multiclass"), ("wide", "nodule"), ("CNN", "TL", "FT")
FIVE, BOTH = TASKS[1:], VIEWS[::-1]
EACH = tuple((view, network) for view in VIEWS for network in NETWORKS)
FINE = tuple(("multiclass", view, "FT") for view in VIEWS)
WIDE_BEST, BEST = FINE
FIRST = ("binary", "nodule", "FT")
OTHERS = (("multiclass", "nodule", "CNN"), ("multiclass", "nodule", "TL"), WIDE_BEST)
AT_FIRST = "before results on real CT"  # 24 November 2026, an hour before the first were recorded


@dataclass(frozen=True)
class Claim:
    """A statement of the report.

    `tested` says what is estimated, `proxy` where that is not what the words say, `written` when the test
    was written, `theirs` that it is about what the report's own networks put out, `lacks` why there is no
    test; `evidence` names the chapters and tables behind it.
    """

    number: int
    section: str
    kind: str
    statement: str
    tested: str
    estimate: Callable | None
    proxy: str = ""
    written: str = AT_FIRST
    theirs: bool = False
    lacks: str = ""
    quote: str = ""
    evidence: tuple = ()


# --- Functions that estimate ------------------------------------------------------------------


def compared(*pairs, score=scores.f1, expects=ABOVE, needs=()):
    """Compare pairs of networks, the first less the second, or score single ones."""
    return lambda of: [replace(of.compare(score, *pair, needs=needs), expects=expects) for pair in pairs]


def measured(*names, expects=ABOVE, score=None, networks=()):
    """Take what was measured apart; `score` is that of `networks`, which another training moves."""
    known = {"expects": expects, "networks": networks}
    return lambda of: [replace(of.measure(name, score), **known) for name in names]


def joined(*parts):
    """Make one statement of the comparisons of several functions."""
    return lambda of: [one for part in parts for one in part(of)]


def changed(name):
    """The CNN of the binary task on zoomed nodules with one change, and without."""
    return ("binary", "nodule", name), ("binary", "nodule", "CNN")


def views_of(*tasks, first="nodule", second="wide"):
    """The same network on two views."""
    return [((task, first, one), (task, second, one)) for task in tasks for one in NETWORKS]


def mapped(views, column, expects=ABOVE, tasks=TASKS, score=mean_of):
    """Score heat maps of the small and the fine-tuned network on one view, or less those on a second."""
    on = (tuple((task, view, network) for view in views) for network in ("CNN", "FT") for task in tasks)
    return compared(*on, score=score(column), expects=expects, needs=(column,))


ESTIMATES = {
    1: measured("cancer, less the diameter, zoomed nodule", score=scores.auc, networks=(FIRST,)),
    2: measured("patients, against those stated", expects=(-ABOUT, ABOUT)),
    3: joined(
        measured("benign cases, less those stated", "malignant cases, less those stated", expects=(0, 0)),
        measured("score 3, less twice the next class", expects=(1, inf)),
    ),
    4: compared(changed("no balancing")[::-1], score=scores.recall),
    5: measured("readers on the same side", "readers with the same score", expects=(1 - ABOUT, 1)),
    6: measured("rebuilt cases without a score", "cases at hand without a score", expects=(0, 0)),
    7: measured(*(f"malignant among unusual less others, {view}" for view in BOTH), expects=(-ABOUT, ABOUT)),
    9: joined(
        measured("how far the nodule stands out"),
        measured("pixels nearly black or white", expects=(-inf, ABOUT)),
    ),
    10: measured("images without padding", expects=(1 - ABOUT, 1)),
    11: compared(changed("weighted loss")[::-1]),
    12: joined(
        measured(*(f"clue of copies, plain, {task}" for task in TASKS)),
        measured(*(f"clue of copies, plus, {task}" for task in TASKS), expects=(-inf, ABOUT)),
    ),
    13: compared(changed("CLAHE and morphology"), expects=NO_GAIN),
    14: compared(*((changed("TL")[0], changed(f"{other} TL")[0]) for other in ("MobileNet", "ResNet50"))),
    15: compared(*(((task, view, "FT"), (task, view, "TL")) for task in TASKS for view in VIEWS)),
    17: compared(changed("RandAugment"), changed("AugMix"), expects=NO_GAIN),
    18: joined(
        compared(changed("TTA by mode"), expects=BELOW),
        compared(changed("TTA by mode"), score=scores.called_benign),
    ),
    19: compared(changed("FT")),
    20: compared((("binary", "wide", "TL"), ("binary", "wide", "CNN"))),
    21: compared(*views_of("binary")),
    22: compared(*views_of("multiclass")),
    23: compared(*((best, (*best[:2], one)) for best in FINE for one in ("TL", "CNN"))),
    24: measured("readers with the same score", expects=(-inf, 0.5)),
    25: mapped(["wide"], "map_concentration", (-inf, 0.5)),
    26: joined(mapped(["nodule"], "map_concentration", (0.5, inf)), mapped(["nodule"], "map_over_blob")),
    27: mapped(["wide"], "map_concentration", score=scores.right_less_wrong),
    28: joined(
        mapped(["nodule"], "lime_concentration", (0.5, inf), FIVE),
        mapped(["wide", "nodule"], "lime_concentration", BELOW, FIVE),
        *(mapped([view], "lime_agreement", tasks=FIVE) for view in BOTH),
    ),
    29: measured(*(f"likeness in {what}, {of}" for of in AMONG for what in SHARED), networks=(BEST,)),
    30: joined(
        compared((BEST,), score=mean_of("confidence"), expects=(scores.MEAN - ABOUT, scores.MEAN + ABOUT)),
        compared((BEST,), score=scores.in_stated_range, expects=(0.5, inf)),
        compared((BEST,), score=scores.below_stated_range),
    ),
    31: compared(*((one, BEST) for one in OTHERS), score=mean_of("confidence"), expects=(-ABOUT, ABOUT)),
    32: joined(*(compared((BEST,), score=gap) for gap in (scores.gap_of_first, scores.gap_above_others))),
    33: compared(*views_of(*TASKS)),
    34: compared(*(((TASKS[0], *one), (TASKS[1], *one)) for one in EACH), score=scores.accuracy),
    35: compared(*views_of(*TASKS, first="both", second="nodule")),
    36: measured(*measures.PROPOSED),
}


# --- The records ------------------------------------------------------------------------------


def _records():
    """Join words and functions; a statement has a function or says what it lacks."""
    words = json.loads((files("lungcls") / "report/claims/statements.json").read_text(encoding="utf-8"))
    stated = {name: count(value) for name, value in quoted.load()["data"].items()}
    stated |= quoted.load()["confidence"]
    claims = []
    for one in words["claims"]:
        filled = one["statement"].format(**stated)
        found = one | {"statement": filled, "evidence": tuple(map(tuple, one["evidence"]))}
        claims.append(Claim(**found, estimate=ESTIMATES.get(one["number"])))
    return tuple(claims)


CLAIMS = _records()
BY_NUMBER = {claim.number: claim for claim in CLAIMS}


def estimates(*sources, more=None):
    """Estimate each statement from the source with most of it, on the report's views, on most cases.

    `more` has further lists of comparisons by number, such as those of :func:`of_record`.
    """
    found = {claim.number: [claim.estimate(of) for of in sources] for claim in CLAIMS if claim.estimate}
    found = {number: each + (more or {}).get(number, []) for number, each in found.items()}
    return {number: max(each, key=_worth) for number, each in found.items() if each}


def of_record(claim, given, **known):
    """Read the recorded comparisons of a claim, or why there are none, in the order of its function."""
    wanted = claim.estimate(Answers({}))
    if isinstance(given, str):
        return [replace(one, lacks=given) for one in wanted]
    pairs = zip(wanted, given, strict=True)
    return [replace(one, **_recorded(row), **known) for one, row in pairs]


def _recorded(row):
    ends = {name: nan if row[name] is None else row[name] for name in ("value", "low", "high")}
    idle = ("one answer",) if row.get("same") or row.get("idle") else ()
    return ends | {"n": row["n"], "patients": row["patients"], "idle": idle, "lacks": row.get("lacks", "")}


def _worth(given):
    known = [one for one in given if not one.lacks]
    return len(known), all(one.full for one in known), min((one.n for one in known), default=0)
