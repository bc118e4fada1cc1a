"""Images listed in a CSV file become a cohort."""

from conftest import write_images
import numpy as np
import pandas as pd
from PIL import Image
import pytest
import tifffile

from lungcls.errors import InputError
from lungcls.sources.folder import import_images, read_image, read_mask


@pytest.mark.parametrize("suffix", [".png", ".tif", ".TIFF", ".npy"])
def test_every_kind_of_file_becomes_the_same_cohort(tmp_path, suffix):
    csv, images = write_images(tmp_path / "source", suffix=suffix)
    made = import_images(csv, tmp_path / "cohort", progress=False)
    np.testing.assert_array_equal(made.views["nodule"][:], images)
    np.testing.assert_array_equal(made.masks["nodule"][:], images > 99)
    assert made.views["nodule"].dtype == made.masks["nodule"].dtype == np.uint8
    expected = ["case_id", "patient_id", "malignancy", "ratings", "diameter_mm"]
    assert made.cases.columns.tolist() == expected
    assert made.name == "images"


@pytest.mark.parametrize("dtype", ["<i2", ">i2", "<u2", ">f4", "<f8", "u1"])
def test_npy_values_are_kept_in_the_machines_byte_order(tmp_path, dtype):
    image = np.arange(12).reshape(3, 4).astype(dtype)
    np.save(tmp_path / "a.npy", image)
    found = read_image(tmp_path / "a.npy")
    np.testing.assert_array_equal(found, image)
    assert found.dtype == np.dtype(dtype).newbyteorder("=")


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
def test_grey_png_keeps_its_depth(tmp_path, dtype):
    image = (np.arange(12).reshape(3, 4) * np.iinfo(dtype).max // 11).astype(dtype)
    Image.fromarray(image).save(tmp_path / "a.png")
    np.testing.assert_array_equal(read_image(tmp_path / "a.png"), image)
    assert read_image(tmp_path / "a.png").dtype == dtype


def test_float_tiff_keeps_its_values(tmp_path):
    image = np.linspace(-1000, 400, 12, dtype=np.float32).reshape(3, 4)
    Image.fromarray(image).save(tmp_path / "a.tif")
    np.testing.assert_array_equal(read_image(tmp_path / "a.tif"), image)


def test_images_in_folders_below_and_a_csv_given_by_a_relative_path(tmp_path, monkeypatch):
    csv, images = write_images(tmp_path / "source")
    (tmp_path / "source" / "deep").mkdir()
    for path in csv.parent.glob("nodule*.png"):
        path.rename(csv.parent / "deep" / path.name)
    table = pd.read_csv(csv)
    table.assign(nodule="deep/" + table["nodule"]).to_csv(csv, index=False)
    monkeypatch.chdir(csv.parent)
    made = import_images(csv.name, "../cohort", progress=False)
    np.testing.assert_array_equal(made.views["nodule"][:], images)


def test_labels_are_needed_unless_told_otherwise(tmp_path):
    csv, _ = write_images(tmp_path / "source")
    pd.read_csv(csv).drop(columns="malignancy").to_csv(csv, index=False)
    with pytest.raises(InputError, match="no column 'malignancy'"):
        import_images(csv, tmp_path / "cohort", progress=False)
    assert len(import_images(csv, tmp_path / "cohort", labels=False, progress=False)) == 4


def test_colours_pages_and_ranks_are_refused(tmp_path):
    Image.new("RGB", (4, 4), (1, 2, 3)).save(tmp_path / "rgb.png")
    with pytest.raises(InputError, match=r"rgb.png: colours or transparency, expected grey only"):
        read_image(tmp_path / "rgb.png", equal_channels=True)
    pages = [Image.fromarray(np.eye(4, dtype=np.uint8) * i) for i in (1, 2)]
    pages[0].save(tmp_path / "two.tif", save_all=True, append_images=pages[1:])
    with pytest.raises(InputError, match="two.tif: 2 pages, expected one image"):
        read_image(tmp_path / "two.tif")
    np.save(tmp_path / "cube.npy", np.zeros((2, 3, 5)))
    with pytest.raises(InputError, match=r"cube.npy: shape \(2, 3, 5\), expected one grey image"):
        read_image(tmp_path / "cube.npy")
    np.save(tmp_path / "complex.npy", np.zeros((3, 4), dtype=complex))
    with pytest.raises(InputError, match="complex.npy: dtype complex128, expected integer or float"):
        read_image(tmp_path / "complex.npy")


def test_masks_of_one_bit_one_or_255_become_0_and_1(tmp_path):
    inside = np.eye(4, dtype=bool)
    for name, mask in (("bit", inside), ("one", inside.astype(np.uint8)), ("full", inside * np.uint8(255))):
        Image.fromarray(mask).save(tmp_path / f"{name}.png")
        np.testing.assert_array_equal(read_mask(tmp_path / f"{name}.png"), inside.astype(np.uint8))
    Image.fromarray(inside * np.uint8(7)).save(tmp_path / "seven.png")
    with pytest.raises(InputError, match="seven.png: not a mask, expected 0 and 1 or 0 and 255"):
        read_mask(tmp_path / "seven.png")


@pytest.mark.parametrize("dtype", "u1 i1 u2 i2 u4 i4 u8 i8 f2 f4 f8 >i2 >u4 >f8".split())
@pytest.mark.parametrize("kind", ["tif", "npy"])
def test_grey_levels_of_every_type_are_stored_exactly(tmp_path, kind, dtype):
    image = np.arange(30).reshape(5, 6).astype(dtype)
    if image.dtype.kind in "ui":
        image[0, :2] = np.iinfo(image.dtype).min, np.iinfo(image.dtype).max
    path = tmp_path / f"a.{kind}"
    tifffile.imwrite(path, image) if kind == "tif" else np.save(path, image)
    found = read_image(path)
    np.testing.assert_array_equal(found, image)
    assert found.dtype == image.dtype.newbyteorder("=")


@pytest.mark.parametrize("compression", [None, "tiff_lzw", "tiff_deflate", "packbits"])
def test_a_compressed_tiff_is_read(tmp_path, compression):
    image = np.arange(30, dtype=np.uint8).reshape(5, 6)
    Image.fromarray(image).save(tmp_path / "a.tif", compression=compression)
    np.testing.assert_array_equal(read_image(tmp_path / "a.tif"), image)


def test_grey_in_equal_channels_is_taken_where_it_is_asked_for(tmp_path):
    image = np.arange(30, dtype=np.uint8).reshape(5, 6)
    solid, half = (np.full_like(image, level) for level in (255, 128))
    for name, channels in (("rgb", [image] * 3), ("rgba", [image] * 3 + [solid]), ("la", [image, solid])):
        Image.fromarray(np.stack(channels, axis=-1)).save(tmp_path / f"{name}.png")
        with pytest.raises(InputError, match="expected one channel; --equal-channels takes it as grey"):
            read_image(tmp_path / f"{name}.png")
        np.testing.assert_array_equal(read_image(tmp_path / f"{name}.png", equal_channels=True), image)
    Image.fromarray(np.stack([image] * 3 + [half], axis=-1)).save(tmp_path / "half.png")
    with pytest.raises(InputError, match="colours or transparency, expected grey only"):
        read_image(tmp_path / "half.png", equal_channels=True)


def test_a_palette_and_white_at_zero_are_refused(tmp_path):
    image = np.arange(30, dtype=np.uint8).reshape(5, 6)
    Image.fromarray(image).convert("P").save(tmp_path / "p.png")
    with pytest.raises(
        InputError, match="a palette, transparency or 8 bits, expected grey levels of 1, 8 or 16"
    ):
        read_image(tmp_path / "p.png")
    tifffile.imwrite(tmp_path / "w.tif", image, photometric="miniswhite")
    with pytest.raises(InputError, match="MINISWHITE, expected grey levels where 0 is black"):
        read_image(tmp_path / "w.tif")
