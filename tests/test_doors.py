"""Whatever comes through a door is stored exactly or refused in one line, never another exception."""

import csv
from io import StringIO
import warnings

from hypothesis import HealthCheck, given, settings, strategies as st
from hypothesis.extra import numpy as arrays
import numpy as np
from PIL import Image
import pytest
import tifffile

from lungcls.cohorts.cohort import read_cases
from lungcls.errors import InputError
from lungcls.sources.folder import read_image, read_view

pytestmark = pytest.mark.filterwarnings("ignore:.*zero-size array")
steady = settings(
    max_examples=60,
    deadline=None,
    derandomize=True,
    database=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
SIDES = st.tuples(st.integers(1, 5), st.integers(1, 5))
KINDS = st.one_of(
    arrays.integer_dtypes(endianness="?"),
    arrays.unsigned_integer_dtypes(endianness="?"),
    arrays.floating_dtypes(endianness="?", sizes=(16, 32, 64)),
    arrays.boolean_dtypes(),
    arrays.complex_number_dtypes(sizes=(64,)),
    arrays.datetime64_dtypes(),
    arrays.byte_string_dtypes(max_len=3),
)


@st.composite
def images(draw, kinds=KINDS):
    shape = draw(st.one_of(SIDES, SIDES.map(lambda sides: (*sides, 3)), st.just((2,)), st.just((0, 4))))
    return draw(arrays.arrays(draw(kinds), shape))


def admitted(read, path):
    """What a door lets through, or None where it refuses in one line that names the file."""
    try:
        with warnings.catch_warnings(action="ignore"):
            return read(path)
    except InputError as error:
        assert "\n" not in str(error) and str(error).startswith(str(path)), error
    return None


def exactly(found, image):
    """The same numbers in the same type, in this machine's order of bytes."""
    return found.dtype == image.dtype.newbyteorder("=") and np.array_equal(found, image, equal_nan=True)


@steady
@given(image=images())
def test_an_npy_file_is_stored_exactly_or_refused(tmp_path, image):
    np.save(tmp_path / "a.npy", image)
    found = admitted(read_image, tmp_path / "a.npy")
    assert (found is not None) == (image.ndim == 2 and image.size > 0 and image.dtype.kind in "uifb")
    assert found is None or exactly(found, image)


@steady
@given(image=images(st.sampled_from([np.dtype(bool), np.dtype(np.uint8), np.dtype(np.uint16)])))
def test_a_png_file_is_stored_exactly_or_refused(tmp_path, image):
    if image.ndim == 1 or 0 in image.shape or (image.ndim == 3 and image.dtype != np.uint8):
        return  # what no PNG can hold
    Image.fromarray(image).save(tmp_path / "a.png")
    found = admitted(read_image, tmp_path / "a.png")
    assert (found is not None) == (image.ndim == 2)
    assert found is None or exactly(found, image)


@steady
@given(image=images(), compression=st.sampled_from([None, "zlib", "packbits"]), order=st.sampled_from("<>"))
def test_a_tiff_file_is_stored_exactly_or_refused(tmp_path, image, compression, order):
    try:
        tifffile.imwrite(tmp_path / "a.tif", image, compression=compression, byteorder=order)
    except Exception:
        return  # what no TIFF can hold
    found = admitted(read_image, tmp_path / "a.tif")
    assert found is None or exactly(found, np.atleast_2d(image))  # as it writes one row
    if image.ndim == 2 and image.size and image.dtype.kind in "uif" and compression is None:
        assert found is not None


@steady
@given(data=st.data(), kind=st.sampled_from(["npy", "png", "tif"]))
def test_a_damaged_image_is_read_or_refused(tmp_path, data, kind):
    path, image = tmp_path / f"a.{kind}", np.arange(30, dtype=np.uint8).reshape(5, 6)
    save = {"npy": np.save, "png": lambda p, a: Image.fromarray(a).save(p), "tif": tifffile.imwrite}[kind]
    save(path, image)
    raw = path.read_bytes()
    start, more = data.draw(st.integers(0, len(raw))), data.draw(st.binary(max_size=8))
    path.write_bytes(raw[:start] + more + raw[start + data.draw(st.integers(0, 12)) :])
    admitted(read_view, path)


CELLS = st.text(st.characters(codec="utf-8"), max_size=6)
NUMBERS = st.sampled_from(["1", "2", "5", "0", "6", " 3 ", "4.0", "nan", "", "1e0", "٣"])


@steady
@given(
    rows=st.lists(st.tuples(CELLS, CELLS, NUMBERS, CELLS), min_size=1, max_size=4), by=st.sampled_from(",;\t")
)
def test_a_table_is_read_exactly_or_refused(tmp_path, rows, by):
    text = StringIO()
    csv.writer(text, delimiter=by).writerows([("case_id", "patient_id", "malignancy", "note"), *rows])
    path = tmp_path / "cases.csv"
    path.write_bytes(text.getvalue().encode())
    found = admitted(read_cases, path)
    if found is not None:
        kept = [row for row in rows if "".join(row).strip()]
        assert found["case_id"].tolist() == [row[0].strip() for row in kept]
        assert found["patient_id"].tolist() == [row[1].strip() for row in kept]
        assert found["malignancy"].tolist() == [float(row[2]) for row in kept]


@steady
@given(content=st.one_of(st.binary(max_size=60), CELLS.map(str.encode)), head=st.booleans())
def test_any_bytes_are_a_table_or_refused(tmp_path, content, head):
    path = tmp_path / "cases.csv"
    path.write_bytes(b"case_id,patient_id,malignancy\n" * head + content)
    admitted(read_cases, path)
