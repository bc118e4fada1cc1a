"""The phantom: real outlines and ratings, simulated grey levels, the same to the bit."""

import hashlib
import json

import numpy as np
import pandas as pd
import pytest

from lungcls.cohorts import cohort as cohorts
from lungcls.errors import InputError
from lungcls.sources import annotations, opening, phantom, views
from lungcls.sources.phantom import characteristics, making, nodule, scanner, selection

IDS = ["pat1", "pat40", "pat700", "pat1500", "pat2300"]


@pytest.fixture(scope="module")
def every():
    return annotations.report_cases()


@pytest.fixture(scope="module")
def small(tmp_path_factory):
    return making.make(tmp_path_factory.mktemp("phantom") / "c", cases=IDS, seed=3, jobs=1, progress=False)


def digest(images):
    return hashlib.sha256(np.ascontiguousarray(images[:])).hexdigest()


def test_the_face_of_the_room_shows_its_two_doors():
    assert sorted(phantom.__all__) == ["make", "render"]
    assert (phantom.make, phantom.render) == (making.make, making.render)


# --- Which cases ------------------------------------------------------------------------


@pytest.mark.parametrize("count", [1, 17, 120, 600, 2363, 2364, 5000])
def test_classes_have_the_report_s_shares(count, every):
    chosen = selection.choose(count, seed=0)
    assert len(chosen) == count and chosen["case_id"].is_unique
    found = chosen["malignancy"].value_counts().reindex(range(1, 6), fill_value=0)
    exact = count * every["malignancy"].value_counts().sort_index() / len(every)
    assert (abs(found - exact) < 1).all()


def test_shares_by_largest_remainder():
    parts = selection.shares(10, pd.Series({1: 244, 2: 457, 3: 1092, 4: 418, 5: 152}))
    assert parts.to_dict() == {1: 1, 2: 2, 3: 4, 4: 2, 5: 1}


def test_patients_are_whole_as_far_as_quotas_allow(every):
    chosen = selection.choose(600, seed=1)
    size = every["patient_id"].value_counts()
    got = chosen["patient_id"].value_counts()
    assert (got == size[got.index]).mean() > 0.8
    assert list(chosen["case_id"]) != list(selection.choose(600, seed=2)["case_id"])
    pd.testing.assert_frame_equal(chosen, selection.choose(600, seed=1))


def test_more_cases_than_nodules_are_replicas_of_the_same_patients(every):
    chosen = selection.choose(len(every) + 50, seed=0)
    second = chosen[chosen["replica"] == 2]
    assert len(second) == 50 and second["case_id"].str.endswith("-r2").all()
    patient = every.set_index("case_id")["patient_id"]
    assert (second["case_id"].str.removesuffix("-r2").map(patient) == second["patient_id"]).all()


@pytest.mark.parametrize("cases", [0, -3, [], ["pat1", "pat99999"], ["pat1-r1"], ["pat2", "pat2"]])
def test_cases_that_do_not_exist_are_refused(cases, tmp_path):
    with pytest.raises(InputError, match="^cases: .* expected"):
        making.make(tmp_path / "c", cases=cases, seed=0, progress=False)
    assert not (tmp_path / "c").exists()


def test_an_unknown_view_is_refused(tmp_path):
    with pytest.raises(
        InputError, match="views: found sagittal, expected some of full_slice, nodule, context"
    ):
        making.make(tmp_path / "c", cases=1, seed=0, views=("sagittal",))


# --- The cohort ---------------------------------------------------------------------------


def test_the_cohort_is_sound(small):
    assert list(small.cases["case_id"]) == IDS
    assert set(small.views) == set(small.masks) == {"full_slice", "nodule", "context"}
    assert small.views["full_slice"].shape == (len(IDS), 512, 512)
    assert small.views["context"].shape == small.views["nodule"].shape == (len(IDS), 128, 128)
    assert all(images.dtype == np.int16 for images in small.views.values())
    cohorts.check_pixels(small)
    full = small.views["full_slice"][:]
    assert full.min() >= scanner.LOWEST and full.max() <= scanner.HIGHEST


def test_masks_are_the_real_outlines(small, every):
    rows = every.set_index("case_id").loc[IDS]
    for i, (_, row) in enumerate(rows.iterrows()):
        outline, top, left = annotations.mask(row)
        full = small.masks["full_slice"][i]
        assert full.sum() == outline.sum()
        window = full[top : top + outline.shape[0], left : left + outline.shape[1]]
        np.testing.assert_array_equal(window, outline)


def test_views_are_cut_from_the_slice(small):
    for i, case in small.cases.iterrows():
        full, sides = small.views["full_slice"][i], [case[f"slice_{side}"] for side in views.BOX]
        np.testing.assert_array_equal(small.views["context"][i], views.context(full, sides))
        np.testing.assert_array_equal(small.views["nodule"][i], views.nodule(full, sides))
        inside = [case[f"nodule_{side}"] for side in views.BOX]
        np.testing.assert_array_equal(
            small.views["context"][i][inside[0] : inside[1], inside[2] : inside[3]],
            full[sides[0] : sides[1], sides[2] : sides[3]],
        )


def test_the_same_bits_for_any_number_of_jobs_and_any_company(small, tmp_path):
    again = making.make(tmp_path / "two", cases=IDS[1:3], seed=3, jobs=2, progress=False)
    twin = small.select(IDS[1:3])
    assert again.fingerprint() == twin.fingerprint()


def test_another_seed_or_replica_is_another_image_of_the_same_nodule(small, tmp_path):
    other = making.make(
        tmp_path / "c", cases=["pat40-r2"], seed=3, views=("context",), jobs=1, progress=False
    )
    seed = making.make(tmp_path / "s", cases=["pat40"], seed=4, views=("context",), jobs=1, progress=False)
    for twin in (other, seed):
        assert digest(twin.masks["context"]) == digest(small.masks["context"][1:2])
        assert not np.array_equal(twin.views["context"][0], small.views["context"][1])
    assert other.cases["patient_id"].iloc[0] == small.cases["patient_id"].iloc[1]


def test_the_table_says_what_is_real_and_not_what_was_rendered(small, every):
    rows = every.set_index("case_id").loc[IDS].reset_index()
    for column in ("patient_id", "malignancy", "ratings", "diameter_mm", *annotations.CHARACTERISTICS):
        assert list(small.cases[column].astype(str)) == list(rows[column].astype(str))
    assert not [column for column in small.cases if "shown" in column or "rendered" in column]
    info = json.loads((small.folder / "cohort.json").read_text())
    assert {"name", "source", "licence", "label_rule", "views", "made_by"} <= set(info)
    assert info["licence"].startswith("CC BY 3.0") and info["made_by"]["seed"] == 3


# --- What the nodule shows ----------------------------------------------------------------


def test_between_reader_tables_are_distributions_with_the_diagonal_in_front():
    for name in annotations.CHARACTERISTICS:
        table = characteristics.between_readers(name)
        np.testing.assert_allclose(table.sum(axis=1), 1)
        assert table[4, 4] == table[4, :5].max() or name in (
            "internal_structure",
            "calcification",
            "spiculation",
        )


def test_between_reader_table_against_a_count_by_hand():
    table = annotations.nodules(scans_per_patient=None, least_readers=2, aggregation="ceil_mean")
    seen = both = 0
    for values in table["texture"].str.split():
        for i, first in enumerate(values):
            for j, second in enumerate(values):
                seen += i != j and first == "1"
                both += i != j and first == "1" and second == "5"
    assert characteristics.between_readers("texture")[0, 4] == pytest.approx(both / seen)


def test_shown_characteristics_depend_on_seed_and_case_only(every):
    whole = characteristics.rendered_characteristics(every, seed=5)
    part = characteristics.rendered_characteristics(every.iloc[[1900, 3, 77]], seed=5)
    pd.testing.assert_frame_equal(part, whole.iloc[[1900, 3, 77]])
    assert not whole.equals(characteristics.rendered_characteristics(every, seed=6))
    assert set(whole["subtlety"]) == set(range(6)) and (whole.drop(columns="subtlety").to_numpy() >= 1).all()
    assert (whole["calcification"] <= 6).all() and (whole["texture"] <= 5).all()


def test_nodules_are_passed_over_as_often_as_readers_did_not_mark_them(every):
    panel = every["ratings"].str.split().str.len().to_numpy()
    seen = np.stack(
        [characteristics.rendered_characteristics(every, seed=seed)["subtlety"] > 0 for seed in range(3)],
        axis=1,
    )
    for count in (1, 2, 3):
        assert seen[panel == count].mean() == pytest.approx(count / 4, abs=0.05)
    assert seen[panel >= 4].all()


def test_whether_a_nodule_is_passed_over_does_not_depend_on_what_its_readers_said(every):
    other = every.assign(
        **{name: every[name].str.replace(r"\d", "2", regex=True) for name in annotations.CHARACTERISTICS}
    )
    passed = [
        characteristics.rendered_characteristics(cases, seed=0)["subtlety"] == 0 for cases in (every, other)
    ]
    assert passed[0].any() and passed[0].equals(passed[1])


def test_a_single_reader_s_nodule_does_not_show_its_own_reading(every):
    single = every[~every["texture"].str.contains(" ")]
    shown = characteristics.rendered_characteristics(single, seed=0)
    marked = (shown["subtlety"] > 0).to_numpy()
    for name in ("subtlety", "margin", "lobulation", "spiculation"):
        agreement = (shown[name].to_numpy() == single[name].astype(int).to_numpy())[marked].mean()
        assert 0.2 < agreement < 0.75


def predicted(features, scores, patients):
    """Out-of-fold probabilities of a 5-class model of characteristics, patients apart."""
    from sklearn.linear_model import LogisticRegression
    from sklearn.model_selection import StratifiedGroupKFold, cross_val_predict
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import OneHotEncoder

    model = make_pipeline(OneHotEncoder(handle_unknown="ignore"), LogisticRegression(C=0.3, max_iter=300))
    folds = StratifiedGroupKFold(5, shuffle=True, random_state=0)
    return cross_val_predict(model, features, scores, groups=patients, cv=folds, method="predict_proba")


def test_shown_characteristics_tell_no_more_than_a_second_reader(every):
    """A model of what is rendered against a model of one reader, for the other readers' score."""
    from sklearn.metrics import roc_auc_score

    panels = every["ratings"].str.split()
    many = (panels.str.len() >= 2).to_numpy()
    rng = np.random.default_rng(0)
    place = np.array([rng.integers(len(panel)) for panel in panels])
    columns = [
        [int(text.split()[k]) for text, k in zip(every[name], place, strict=True)]
        for name in annotations.CHARACTERISTICS
    ]
    reader = np.column_stack(columns)
    others = [" ".join(panel[:k] + panel[k + 1 :]) for panel, k in zip(panels, place, strict=True)]
    label = np.array(every["malignancy"])
    label[many] = annotations.aggregate(np.array(others)[many], "ceil_mean")
    shown = characteristics.rendered_characteristics(every, seed=0).to_numpy()

    scores = {}
    for name, features, truth in (
        ("second reader", reader, label),
        ("rendered", shown, label),
        ("rendered, all readers' score", shown, every["malignancy"].to_numpy()),
    ):
        p = predicted(features[many], truth[many], every["patient_id"][many])
        auc = roc_auc_score(truth[many] >= 4, p[:, 3:].sum(axis=1))
        scores[name] = auc, (p.argmax(axis=1) + 1 == truth[many]).mean()
        print(f"{name}: binary AUC {auc:.3f}, 5-class accuracy {scores[name][1]:.3f}")
    for rendered in ("rendered", "rendered, all readers' score"):
        assert 0.55 < scores[rendered][0] < scores["second reader"][0]
        assert scores[rendered][1] < scores["second reader"][1] + 0.02


# --- The nodule and the scanner --------------------------------------------------------------

PLAIN = dict(
    subtlety=5, internal_structure=1, calcification=6, sphericity=5, margin=5, lobulation=1, spiculation=1
)


def drawn(diameter=25, seed=0, size=1.0, **shown):
    """A disc in empty lung, far from the pleura; what the nodule changed, and the disc."""
    rows, columns = np.mgrid[:diameter, :diameter] - (diameter - 1) / 2
    inside = np.hypot(rows, columns) <= diameter / 2
    hu, depth_mm = (np.full((160, 160), value, np.float32) for value in (-850, 60))
    hu = nodule.add(
        hu,
        hu < -500,
        depth_mm,
        inside,
        60,
        60,
        shown=PLAIN | {"texture": 5} | shown,
        size=size,
        pixel_spacing_mm=0.7,
        slice_thickness_mm=1.25,
        rng=np.random.default_rng(seed),
    )
    mask = np.zeros((160, 160), dtype=bool)
    mask[60 : 60 + diameter, 60 : 60 + diameter] = inside
    return hu, mask


def test_ground_glass_is_darker_than_part_solid_than_solid():
    means = [hu[mask].mean() for hu, mask in (drawn(texture=value) for value in (1, 2, 3, 4, 5))]
    assert means == sorted(means)
    assert means[0] < -300 and means[4] > -120


def test_the_core_of_a_solid_nodule_is_soft_tissue_and_far_away_nothing_changes():
    hu, _ = drawn()
    assert -40 < hu[70:75, 70:75].mean() < 110
    assert (hu[:15] == -850).all() and (hu[-15:] == -850).all()


def test_subtle_nodules_have_less_contrast_and_poor_margins_softer_edges():
    faint, clear = (drawn(subtlety=value)[0][72, 72] for value in (1, 5))
    assert faint < clear - 100
    slopes = [np.abs(np.diff(drawn(margin=value)[0][72, 50:72])).max() for value in (1, 3, 5)]
    assert slopes == sorted(slopes)


def test_a_nodule_that_was_passed_over_is_fainter_the_larger_it_is():
    def contrast(diameter, subtlety):
        hu, mask = drawn(diameter=diameter, subtlety=subtlety)
        return hu[mask].mean() + 850

    small, large = (contrast(diameter, 0) / contrast(diameter, 5) for diameter in (9, 31))
    assert large < 0.5 < small < 0.9


def test_calcification_adds_bright_spots_where_the_pattern_says():
    plain, mask = drawn(calcification=6)
    extra = {value: drawn(calcification=value)[0] - plain for value in (1, 2, 3, 4, 5)}
    assert all(change[mask].max() > 150 for change in extra.values())
    assert extra[5][72, 72] > 200 and extra[5][72, 62] < 60  # central
    assert extra[3][mask].mean() > extra[5][mask].mean()  # solid: all of it
    assert plain[mask].max() < 150


def test_spicules_and_lobes_reach_beyond_the_outline():
    from scipy import ndimage

    def beyond(**shown):
        runs = [drawn(seed=seed, **shown) for seed in range(5)]
        ring = ndimage.binary_dilation(runs[0][1], iterations=7) & ~ndimage.binary_dilation(
            runs[0][1], iterations=2
        )
        return np.mean([hu[ring].mean() for hu, _ in runs])

    assert beyond(spiculation=5) > beyond(spiculation=3) > beyond(spiculation=1)
    smooth, lobed = drawn(lobulation=1)[0], drawn(lobulation=5)[0]
    assert np.abs(smooth - lobed)[58:88, 58:88].max() > 100


def test_off_its_largest_slice_a_nodule_is_smaller():
    areas = [(drawn(size=size)[0] > -400).sum() for size in (0.5, 0.8, 1.0)]
    assert areas == sorted(areas) and areas[0] < 0.5 * areas[2]


def test_a_slice_shows_the_patient_s_other_nodules_that_it_cuts(every):
    same = every[every.duplicated(["patient_id", "slice_index"], keep=False)]
    case = selection.named([same["case_id"].iloc[0]]).iloc[0]
    company = making._on_slice(making._patient(case), case)
    assert list(company)[-1] == case["case_id"] and company[case["case_id"]] == 1
    twin = same[(same["patient_id"] == case["patient_id"]) & (same["slice_index"] == case["slice_index"])]
    assert set(twin["case_id"]) <= set(company)
    assert all(0.4 < size <= 1 for size in company.values())


def test_a_nodule_at_the_pleura_is_tied_to_it():
    hu = np.full((160, 160), -850, np.float32)
    hu[:, 100:] = 40
    lung = hu < -500
    depth = np.broadcast_to(np.maximum(100 - np.arange(160), 0) * 0.7, hu.shape).astype(np.float32)
    inside = np.hypot(*(np.mgrid[:11, :11] - 5)) <= 5.5
    added = nodule.add(
        hu,
        lung,
        depth,
        inside,
        70,
        87,
        shown=PLAIN | {"texture": 5},
        pixel_spacing_mm=0.7,
        slice_thickness_mm=1.25,
        rng=np.random.default_rng(0),
    )
    assert added[75, 98:100].min() > -400


def made_scanner(**changes):
    settings = dict(blur_mm=0.5, boost=0.0, cutoff=1.0, noise_hu=30.0, streaks=0.0, padding=None) | changes
    return scanner.Scanner(**settings)


def test_noise_has_the_amplitude_asked_for_and_no_low_frequencies():
    water = np.zeros((256, 256), np.float32)
    image = scanner.scan(water, made_scanner(), pixel_spacing_mm=0.7, rng=np.random.default_rng(0))
    assert image.dtype == np.int16 and image.std() == pytest.approx(30, rel=0.05)
    power = np.abs(np.fft.fft2(image)) ** 2
    f = np.hypot(*np.meshgrid(np.fft.fftfreq(256), np.fft.fftfreq(256)))
    assert power[(f > 0) & (f < 0.03)].mean() < 0.4 * power[(f > 0.1) & (f < 0.25)].mean()


def test_streaks_run_from_left_to_right():
    water = np.zeros((256, 256), np.float32)
    machine = made_scanner(streaks=1.0)
    image = scanner.scan(water, machine, pixel_spacing_mm=0.7, rng=np.random.default_rng(0)).astype(float)
    along, across = ((image - np.roll(image, 1, axis)).std() for axis in (1, 0))
    assert along < 0.8 * across and image.std() == pytest.approx(30, rel=0.05)


def test_thin_slices_are_noisier_and_sharp_kernels_too():
    drawn = {
        thickness: [
            scanner.draw(slice_thickness_mm=thickness, rng=np.random.default_rng(i)) for i in range(40)
        ]
        for thickness in (1.0, 3.0)
    }
    assert all(thin.noise_hu > thick.noise_hu for thin, thick in zip(drawn[1.0], drawn[3.0], strict=True))
    blur, noise = np.array([(one.blur_mm, one.noise_hu) for one in drawn[1.0]]).T
    assert np.corrcoef(blur, np.log(noise))[0, 1] < -0.3


@pytest.mark.parametrize("padding", [-2000, -1024, -3024, None])
def test_padding_outside_the_field_of_view_is_clipped_to_what_files_keep(padding):
    machine = made_scanner(padding=padding, noise_hu=1.0)
    hu = np.full((128, 128), -1000, np.float32)
    image = scanner.scan(hu, machine, pixel_spacing_mm=0.7, rng=np.random.default_rng(0))
    assert abs(image[64, 64] + 1000) < 20
    expected = -1000 if padding is None else max(padding, scanner.LOWEST)
    assert abs(image[0, 0] - expected) < 20


def test_blur_keeps_the_mean_and_softens_an_edge():
    hu = np.zeros((128, 128), np.float32)
    hu[:, 32:96] = 1000
    quiet = dict(noise_hu=0.0)
    rng = np.random.default_rng(0)
    soft = scanner.scan(hu, made_scanner(blur_mm=0.9, **quiet), pixel_spacing_mm=0.7, rng=rng)
    sharp = scanner.scan(hu, made_scanner(blur_mm=0.3, **quiet), pixel_spacing_mm=0.7, rng=rng)
    assert soft.mean() == pytest.approx(500, abs=1) and sharp.mean() == pytest.approx(500, abs=1)
    assert np.abs(np.diff(soft[64].astype(int))).max() < np.abs(np.diff(sharp[64].astype(int))).max()


# --- Opening --------------------------------------------------------------------------------


def test_open_cohort_makes_the_phantom_once_and_loads_folders(tmp_path, monkeypatch, small):
    made = []

    def make(folder, *, cases, seed, **_):
        made.append((cases, seed))
        return cohorts.save(small, folder)

    monkeypatch.setenv("LUNGCLS_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr(making, "make", make)
    first = opening.open_cohort("phantom", profile="smoke", seed=7)
    again = opening.open_cohort("phantom", profile="smoke", seed=7)
    opening.open_cohort("phantom")
    assert made == [(120, 7), (600, 0)] and first.fingerprint() == again.fingerprint()
    assert first.folder.parent == tmp_path / "cache" and "120-s7" in first.folder.name
    opened = opening.open_cohort(small.folder)
    assert opened.fingerprint() == small.fingerprint() and opening.open_cohort(opened) is opened


def test_open_cohort_refuses_what_is_neither(tmp_path):
    with pytest.raises(InputError, match="cohort: found .* expected 'phantom' or a cohort folder"):
        opening.open_cohort(tmp_path / "none", profile="smoke", seed=0)
    with pytest.raises(InputError, match="profile"):
        opening.open_cohort("phantom", profile="huge", seed=0)
