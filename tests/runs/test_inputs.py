"""The images of a run: the view itself, or another form of the zoomed one."""

from conftest import case_table
import numpy as np
import pytest

from lungcls.cohorts.cohort import Cohort, load, save
from lungcls.errors import InputError
from lungcls.preprocessing import fixed_crop, padding, pipelines, pixel_contract
from lungcls.runs import inputs, planning, prediction, training
from lungcls.sources import views

SMALL = {"crop": 96, "image_size": 32, "epochs": 2}


def cut_cohort(n=40, *, spacing=True):
    """A cohort whose zoomed view and context are cut from the same slices."""
    rng = np.random.default_rng(0)
    cases = case_table(n)
    boxes = [(200, 210 + i, 300, 315 + i) for i in range(n)]
    slices = [rng.integers(-1000, 400, (512, 512)).astype(np.int16) for _ in boxes]
    cut = {
        name: np.stack([make(image, box) for image, box in zip(slices, boxes)])
        for name, make in (("nodule", views.nodule), ("context", views.context))
    }
    return Cohort(cases.assign(pixel_spacing_mm=0.7) if spacing else cases, cut, {}, {"name": "cut"})


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return save(cut_cohort(), tmp_path_factory.mktemp("images") / "cohort")


def job_of(folder, *, view="nodule", **overrides):
    return planning.plan_run(
        folder,
        task="binary",
        view=view,
        model="cnn",
        stage="scratch",
        profile="smoke",
        settings={**SMALL, **overrides},
        store=folder.parent / "runs",
    )


def expected(cohort, form):
    """What each form should be, straight from the functions that make it."""
    nodules, contexts, options = cohort.views["nodule"][:], cohort.views["context"][:], {"size": 32}
    if form == "fixed":
        fields = fixed_crop.cut_from_wider(nodules, contexts, spacing=np.full(len(nodules), 0.7), size=32)
        return pipelines.preprocess(fields, "context", **options)
    made = {
        "kept": lambda: nodules,
        "only": lambda: padding.alone(nodules),
        "filled": lambda: padding.filled(nodules, contexts),
    }[form]()
    return pipelines.preprocess(made, "nodule", crop=96, **options)


FORMS = ("kept", "filled", "only", "fixed")


@pytest.mark.parametrize("form", FORMS)
def test_a_run_sees_the_form_that_it_asked_for(folder, form):
    cohort, job = load(folder), job_of(folder, padding=form)
    prepared, _ = inputs.prepared(job, cohort)
    pixel_contract.check_pixel_contract(prepared)
    np.testing.assert_array_equal(prepared, expected(cohort, form))


def test_each_form_is_kept_apart(folder):
    cohort = load(folder)
    wanted = [job_of(folder, padding=form) for form in FORMS]
    wanted.append(job_of(folder, padding="fixed", crop_mm=50))
    assert len({inputs.prepared(job, cohort)[1] for job in wanted}) == 5
    same = [job_of(folder, padding="kept", crop_mm=mm) for mm in (50, 60)]  # a field matters to one form only
    assert len({inputs.prepared(job, cohort)[1] for job in same}) == 1


def test_a_stored_run_predicts_on_the_same_form(folder):
    run = training.train_job(job_of(folder, padding="fixed"))
    found = prediction.images_of(run, load(folder))
    np.testing.assert_array_equal(found[3:5], expected(load(folder), "fixed")[3:5])
    found = prediction.predict(run, load(folder))
    np.testing.assert_allclose(found["p_malignant"], run.predictions["p_malignant"], atol=1e-6)


def test_a_run_of_before_there_were_forms_keeps_its_padding(folder):
    settings = dict(job_of(folder).config["settings"])
    del settings["padding"]
    assert inputs.form_of({"settings": settings}) == "kept"


def lacking(name):
    cohort = cut_cohort(spacing=name != "spacing")
    if name == "spacing":
        return cohort
    if name == "wider":
        return Cohort(cohort.cases, {"nodule": cohort.views["nodule"]}, {}, cohort.info)
    other = {"nodule": cohort.views["nodule"], "context": cohort.views["context"][:] + 1}
    return Cohort(cohort.cases, other, {}, cohort.info)


@pytest.mark.parametrize(
    "name, form, message",
    [
        (
            "wider",
            "filled",
            "found 'filled' for cut, which has no wider view, expected full_slice.npy or context",
        ),
        ("spacing", "fixed", "cases.csv: found no column pixel_spacing_mm, expected one, in mm"),
        ("match", "filled", "context.npy: images: found no place of the zoomed picture"),
    ],
)
def test_what_a_form_needs_is_asked_for(folder, name, form, message):
    with pytest.raises(InputError, match=message):
        source, _ = inputs.source(lacking(name), job_of(folder, padding=form).config)
        source[:1]


def test_the_wider_view_is_the_widest_that_holds_the_picture(folder):
    cohort = load(folder)
    slices = np.random.default_rng(1).integers(-1000, 400, (len(cohort), 256, 256)).astype(np.int16)
    resampled = Cohort(cohort.cases, {**cohort.views, "full_slice": slices}, {}, cohort.info)
    assert inputs.wider_view(resampled, "filled") == "context"
    whole = Cohort(cohort.cases, {**cohort.views, "full_slice": cohort.views["context"]}, {}, cohort.info)
    assert inputs.wider_view(whole, "filled") == "full_slice"


def test_a_context_window_can_be_a_square_in_mm(folder):
    cohort, options = load(folder), {"padding": "fixed", "crop_mm": 48}
    prepared, _ = inputs.prepared(job_of(folder, view="context", **options), cohort)
    square = fixed_crop.cut(cohort.views["context"][:], spacing=np.full(40, 0.7), crop_mm=48, size=32)
    np.testing.assert_array_equal(prepared, pipelines.preprocess(square, "context", size=32))
    with pytest.raises(InputError, match="found 'filled' with the view 'context', expected kept or fixed"):
        job_of(folder, view="context", padding="filled")


def test_a_window_is_for_hounsfield_units(folder):
    cohort, job = load(folder), job_of(folder, view="context", window="-1000:400")
    prepared, _ = inputs.prepared(job, cohort)
    expected = pipelines.preprocess(cohort.views["context"], "context", size=32, window=(-1000, 400))
    np.testing.assert_array_equal(prepared, expected)
    with pytest.raises(InputError, match="found nodule.npy with int16 grey levels and padding filled"):
        job_of(folder, window="-1000:400", padding="filled")
    for wrong in ("400:-1000", "-inf:400", "nan:1", "-1000", "a:b"):
        with pytest.raises(InputError, match=f"window: found '{wrong}', expected two HU"):
            job_of(folder, view="context", window=wrong)


def test_padding_alone_needs_no_wider_view(folder):
    source, pipeline = inputs.source(lacking("wider"), job_of(folder, padding="only").config)
    assert source[:2].shape == (2, 128, 128) and pipeline == "nodule"
