"""The scanner: what it does to a noise-free slice before it is stored.

A patient's scanner has a reconstruction kernel, a dose, a field of view and a value that
it writes outside of it. Blur and noise are applied together in frequency space: the
kernel sets both the sharpness of edges and the grain of the noise.
"""

from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from scipy import fft

STRIP = 64  # rows stored at a time
LOWEST, HIGHEST = -2048, 3071  # HU, the range that the course's files keep
PADDINGS = (-2000, -1024, -3024, None)  # HU outside the field of view; None: the field fills the slice
PADDING_SHARES = (0.45, 0.15, 0.15, 0.25)


@dataclass(frozen=True)
class Scanner:
    """How one patient's slices were made."""

    blur_mm: float  # standard deviation of the point spread function
    boost: float  # edge enhancement: how much the kernel lifts middle frequencies; 0 for a soft one
    cutoff: float  # frequency, in cycles a mm, at which the kernel's window has fallen to zero
    noise_hu: float  # standard deviation of the noise in soft tissue
    streaks: float  # share of noise in streaks from left to right, where rays cross the shoulders; 0 for none
    padding: int | None  # HU outside the circular field of view; None if there is no outside


def draw(*, slice_thickness_mm, rng):
    """Draw a patient's scanner; thin slices collect fewer photons: noise goes as thickness ** -1/2."""
    sharpness = rng.beta(1.6, 1.8)  # 0: soft tissue kernel, 1: bone or lung kernel
    dose = np.exp(rng.normal(0.0, 0.35))
    noise = 23.0 * np.exp(1.1 * sharpness) * (slice_thickness_mm * dose / 1.8) ** -0.5
    return Scanner(
        blur_mm=0.72 - 0.34 * sharpness,
        boost=1.2 * max(sharpness - 0.35, 0.0),
        cutoff=0.38 + 0.8 * sharpness,
        noise_hu=float(np.clip(noise, 6.0, 120.0)),
        streaks=float(np.clip(rng.normal(-0.1, 0.5), 0.0, 1.0)),
        padding=PADDINGS[rng.choice(len(PADDINGS), p=PADDING_SHARES)],
    )


def scan(hu, scanner, *, pixel_spacing_mm, rng):
    """Blur a noise-free slice (n, n) in HU, add noise (riederer1978), pad, round to int16 in -2048..3071."""
    transfer, spectrum = _filters(len(hu), pixel_spacing_mm, scanner)
    # White noise is drawn in frequency space, where it is white too: one transform less.
    white = rng.standard_normal((*spectrum.shape, 2), dtype=np.float32).view(np.complex64)[..., 0]
    white *= spectrum
    noise = fft.irfft2(white, s=hu.shape)
    wave = fft.rfft2(hu)
    wave *= transfer
    image = fft.irfft2(wave, s=hu.shape)
    stored = np.empty(hu.shape, dtype=np.int16)
    for top in range(0, len(hu), STRIP):  # small pieces stay in the processor's cache
        rows = slice(top, top + STRIP)
        stored[rows] = _stored(image[rows], noise[rows], scanner, _outside(len(hu))[rows])
    return stored


def _stored(image, noise, scanner, outside):
    """Add noise of standard deviation 1, scaled, to a blurred image; pad and round it."""
    # Noise is weaker where rays cross less tissue: in lung and air.
    weight = image * np.float32(0.00035)
    weight += np.float32(1.0)
    noise *= np.clip(weight, 0.65, 1.0, out=weight)
    noise *= np.float32(scanner.noise_hu)
    image += noise
    if scanner.padding is not None:
        image[outside] = scanner.padding
    np.clip(image, LOWEST, HIGHEST, out=image)
    return np.rint(image, out=image)


@lru_cache(maxsize=2)
def _filters(n, pixel_spacing_mm, scanner):
    """Transfer function of the kernel, and noise amplitude scaled to standard deviation 1."""
    # Rows of frequencies and of their negatives are equal: the first half is enough.
    row = fft.rfftfreq(n, pixel_spacing_mm).astype(np.float32)[:, None]
    column = fft.rfftfreq(n, pixel_spacing_mm).astype(np.float32)[None, :]
    f = np.hypot(row, column)
    window = np.cos(np.pi / 2 * np.minimum(f / scanner.cutoff, 1.0)) ** 2
    lift = 1.0 + 4.0 * scanner.boost * (f / scanner.cutoff) ** 2 * window
    transfer = np.exp(-2.0 * (np.pi * scanner.blur_mm * f) ** 2) * lift
    # Filtered back-projection: noise power is the ramp times the squared window.
    spectrum = np.sqrt(f) * window * lift
    if scanner.streaks:
        spectrum *= 1.0 + 4.0 * scanner.streaks * np.exp(-((column / np.maximum(f, 1e-6) / 0.25) ** 2))
    half = np.minimum(np.arange(n), n - np.arange(n))
    transfer, spectrum = transfer[half], spectrum[half]
    both = np.full(column.size, 2.0)
    both[[0, -1]] = 1.0  # rfft2 keeps one of each pair of conjugate columns
    spectrum /= np.sqrt((spectrum.astype(float) ** 2 * both).sum() / n**2)
    spectrum *= n / np.sqrt(2.0)  # white noise of standard deviation 1 has n * n in each frequency
    spectrum[:, [0, -1]] *= np.sqrt(2.0)  # the inverse keeps the real part of these two columns only
    return transfer.astype(np.float32), spectrum.astype(np.float32)


@lru_cache(maxsize=2)
def _outside(n):
    middle = (n - 1) / 2
    across = np.arange(n) - middle
    return across[:, None] ** 2 + across[None, :] ** 2 > (n / 2) ** 2
