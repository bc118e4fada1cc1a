"""What the command groups share: one-line errors, options and the summary of a cohort."""

import json
import os
import sys

import click

from lungcls.errors import InputError
from lungcls.files import output, whole_text

CONTEXT = {"help_option_names": ["-h", "--help"]}


class NamedPath(click.Path):
    """A path as text; an empty one, as an unset variable gives, would be the working folder."""

    def convert(self, value, param, ctx):
        """Refuse an empty path."""
        if not value:
            self.fail("found '', expected a path", param, ctx)
        return super().convert(value, param, ctx)


FOLDER = NamedPath(path_type=str)
SEED = click.IntRange(0, 2**32 - 1)


def default_store():
    """Where runs live: in the user's cache."""
    from lungcls.runs import planning

    return planning.default_store()


class Names(click.ParamType):
    """Names between commas."""

    name = "NAMES"

    def convert(self, value, param, ctx):
        """Take them apart."""
        return value if isinstance(value, tuple) else tuple(name.strip() for name in value.split(","))


COLUMNS = "Columns of cases.csv, such as age,smoking."
COVARIATES = click.option("--covariates", type=Names(), default=(), help=COLUMNS)
IN_CACHE = "Where runs live; by default in the user's cache."
STORE = click.option("--runs", "store", type=FOLDER, default=default_store, help=IN_CACHE)
FORCE = click.option("--force", is_flag=True, help="Replace the file that is there.")


class Commands(click.Group):
    """A group that prints bad input as one line and ends with exit code 2."""

    def main(self, *arguments, **options):
        """Run with streams that take every sign, even where a terminal has few or is closed."""
        steady_streams()
        plain_warnings()
        return super().main(*arguments, **options)

    def invoke(self, ctx):
        """Run a command; bad input is one line."""
        try:
            return super().invoke(ctx)
        except InputError as error:
            fail(error, code=2)
        except KeyboardInterrupt:  # 1 would say that something was found
            fail("interrupted", code=130)
        except OSError as error:
            fail(error if error.filename is None else f"{error.filename}: {error.strerror}", code=2)


def steady_streams():
    """Give closed streams a place, and let others write what they cannot show as escapes."""
    for number, name in ((1, "stdout"), (2, "stderr")):
        if getattr(sys, name) is None:
            nowhere = os.open(os.devnull, os.O_WRONLY)
            if nowhere != number:
                os.dup2(nowhere, number)
            setattr(sys, name, open(number, "w", encoding="utf-8", closefd=False))
        elif hasattr(getattr(sys, name), "reconfigure"):
            getattr(sys, name).reconfigure(errors="backslashreplace")


def fail(error, *, code):
    """Print an error as one line and end."""
    line = str(error).replace("\n", "\\n")  # a name may have one
    click.echo(f"lungcls: error: {line}", err=True)
    raise click.exceptions.Exit(code)


def plain_warnings():
    """Print warnings as one line, as errors are."""
    import warnings

    warnings.showwarning = lambda message, *_: click.echo(f"lungcls: warning: {message}", err=True)


def show_summary(loaded):
    """Print a cohort's cases, classes, views and fingerprint as a table."""
    rows = [("cases", f"{len(loaded)} of {loaded.cases['patient_id'].nunique()} patients")]
    rows += [
        (key, loaded.info[key]) for key in ("patients", "series", "outlines_brighter") if key in loaded.info
    ]
    rows += [(key, loaded.info[key]) for key in ("source", "licence", "label_rule") if key in loaded.info]
    rows += class_rows(loaded)
    for view, images in loaded.views.items():
        size = " x ".join(str(side) for side in images.shape[1:])
        rows.append((view, f"{size} {images.dtype}{', with mask' if view in loaded.masks else ''}"))
    rows.append(("fingerprint", loaded.fingerprint()[:12]))
    click.echo(f"{loaded.name}{f' in {loaded.folder}' if loaded.folder else ''}")
    for name, value in rows:
        click.echo(f"  {name.replace('_', ' '):<12} {value}")


def class_rows(loaded):
    """The class counts of both tasks, as rows of the summary."""
    from lungcls.cohorts.cohort import BINARY_NAMES, SCORE_NAMES

    if "malignancy" not in loaded.cases or loaded.cases["malignancy"].isna().any():
        return [("classes", "none: the cohort is not labelled")]
    binary, scores = loaded.class_counts("binary"), loaded.class_counts("multiclass")
    rows = [(name, f"{binary[label]} cases") for label, name in BINARY_NAMES.items()]
    rows += [(f"score {score}", f"{scores[score]} cases, {name}") for score, name in SCORE_NAMES.items()]
    return rows


def reports(command):
    """Give a command that finds things --json and --markdown, whose files may not be there."""

    def checked(context, parameter, path):
        if path and output(path) in context.params.values():
            raise InputError(f"{path}: found for two reports, expected a file for each")
        return path and output(path)

    for kind in ("markdown", "json"):
        words = f"Write the findings to a new {kind} file."
        command = click.option(f"--{kind}", type=FOLDER, callback=checked, help=words)(command)
    return command


def end_with(findings, loaded, files):
    """Write the findings to the files that were asked for; exit code 1 if something was found."""
    for kind, path in files.items():
        if path:
            whole_text(path, _written(findings, loaded, kind))
    if (findings["verdict"] == "found").any():
        raise click.exceptions.Exit(1)


def _written(findings, loaded, kind):
    """Findings as the text of a file."""
    from lungcls.report.wording import plain

    about = {"cohort": loaded.name, "cases": len(loaded), "fingerprint": loaded.fingerprint()}
    if kind == "json":
        return json.dumps(about | {"findings": findings.to_dict("records")}, indent=1, default=int) + "\n"
    rows = [findings.columns, ["---"] * len(findings.columns), *findings.astype(str).to_numpy()]
    lines = ("| " + " | ".join(plain(cell) for cell in row) + " |" for row in rows)
    return "\n".join([f"{name}: {plain(str(value))}  " for name, value in about.items()] + ["", *lines, ""])
