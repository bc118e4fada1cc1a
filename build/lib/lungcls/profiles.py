"""The sizes of a run: `smoke` for tests, `quick` for `make book`, `full` for the report's own."""

from dataclasses import dataclass

from lungcls.errors import InputError


@dataclass(frozen=True)
class Profile:
    """Sizes that one profile sets for every notebook."""

    name: str
    cases: int  # of the default phantom cohort
    image_size: int  # height and width of the network's input, in pixels
    autoencoder_epochs: int  # of the autoencoder that inspects the data


PROFILES = {
    "smoke": Profile("smoke", cases=120, image_size=32, autoencoder_epochs=2),
    "quick": Profile("quick", cases=600, image_size=64, autoencoder_epochs=20),
    "full": Profile("full", cases=2363, image_size=128, autoencoder_epochs=40),
}


def get_profile(name):
    """Return the profile of that name."""
    if name not in PROFILES:
        raise InputError(f"profile: found {name!r}, expected one of {', '.join(PROFILES)}")
    return PROFILES[name]
