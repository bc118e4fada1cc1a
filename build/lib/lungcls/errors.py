"""The one error a user can mend: it names the file, the place and what was expected."""


class InputError(ValueError):
    """One line: where the fault lies (file, row), what was found and what was expected.

    The command prints it and ends with exit code 2; any other exception is a defect of the package.
    """
