"""The one error a user can mend: it names the file, the place and what was expected."""


class InputError(ValueError):
    """Input that the user has to correct.

    The message is one line that says where the fault lies (file, row), what was
    found and what was expected. The command line prints it as it is and ends with
    exit code 2; every other exception is a defect of the package.
    """
