"""Execute a notebook with papermill, and only when something that shapes it has changed.

An executed copy carries its key: the hash of the notebook's code, its parameters and
its surroundings (package source, locked versions, Python, cohort). The same key means
the same result, so the copy is used again. Prose is not part of the key: it is taken
from the notebook when the book is staged, see :func:`with_prose`.
"""

import ast
from contextlib import suppress
import os
from pathlib import Path
import platform
import time

from jupyter_client import AsyncKernelManager
import nbformat
import papermill

import lungcls
from lungcls.errors import InputError
from lungcls.files import sha
from lungcls.report import parameters as rules


class BookError(RuntimeError):
    """The book could not be made; the message says which part failed and where to look."""


def digest_of(*parts):
    """Hash texts, bytes and JSON values, in order: 64 hexadecimal digits (SHA-256)."""
    return sha([sha(part) for part in parts])


def once(name, known, make):
    """Print in one line that a result is used again (`known`), or in how many seconds it is made anew."""
    print(f"{name:<32}", end="", flush=True)
    try:
        print("reused" if known else f"{make():8.1f} s", flush=True)
    except BookError:
        print("failed", flush=True)
        raise


def code_surroundings(checkout):
    """Hash what every output depends on: package source, lock, Python."""
    package = Path(lungcls.__file__).parent
    files = sorted(path for path in package.rglob("*") if path.is_file() and path.suffix != ".pyc")
    source = [item for path in files for item in (path.relative_to(package).as_posix(), path.read_bytes())]
    lock = checkout / "requirements.lock"
    locked = digest_of(lock.read_bytes() if lock.exists() else b"")
    return {"package": digest_of(*source), "lock": locked, "python": platform.python_version()}


def surroundings(checkout, cohort):
    """Hash what every notebook depends on: code, recorded results, cohort."""
    results = (checkout / "book" / "results").rglob("*")
    kept = sorted(path for path in results if path.suffix in (".json", ".csv"))
    found = {"results": digest_of(*(path.read_bytes() for path in kept)), "cohort": cohort.fingerprint()}
    return code_surroundings(checkout) | found


def code_of(notebook):
    """List the sources of a notebook's code cells, without what papermill injected."""
    return [cell.source for cell in notebook.cells if cell.cell_type == "code" and not _injected(cell)]


def _injected(cell):
    return "injected-parameters" in cell.metadata.get("tags", [])


def check_parameters(path, parameters):
    """Refuse parameters that a notebook does not declare in the cell tagged so, and wrong values."""
    read(path)
    declared = list(papermill.inspect_notebook(str(path)))
    for name, value in parameters.items():
        if name not in declared:
            listed = ", ".join(declared) or "none"
            raise InputError(f"{path.name}: parameter {name!r} is not declared, expected one of: {listed}")
        rules.check(name, value)


def key_of(path, parameters, around):
    """Return the key of a notebook's result from its code, parameters and :func:`surroundings`."""
    return digest_of(code_of(read(path)), dict(parameters), around)


def stored_key(path):
    """Return the key an executed copy was made under; None if there is no copy, or a damaged one."""
    with suppress(InputError):
        return read(path).metadata.get("lungcls", {}).get("key") if path.exists() else None


def parameters_of(path):
    """Return the parameters that an executed copy was made with; None if there is no copy."""
    return dict(read(path).metadata.get("papermill", {}).get("parameters", {})) if path.exists() else None


def read(path):
    """Read a notebook (format 4)."""
    try:
        notebook = nbformat.read(path, as_version=4)
        code_of(notebook)
    except (ValueError, KeyError, TypeError, AttributeError, nbformat.ValidationError) as error:
        found = type(error).__name__
        raise InputError(f"{path}: not a readable notebook ({found}), expected one, or no file") from error
    return notebook


def execute(path, out, *, parameters, key, aside):
    """Execute a notebook into `out`, whole or not at all (then it lies `aside`); return the seconds."""
    out.parent.mkdir(parents=True, exist_ok=True)
    scratch = out.with_name(f".{out.stem}.part.ipynb")
    start = time.perf_counter()
    options = {"cwd": str(path.parent), "progress_bar": False}
    options["kernel_manager_class"] = _kernels(out.with_name(f".{out.stem}.log"))
    try:
        done = papermill.execute_notebook(str(path), str(scratch), dict(parameters), **options)
        seconds = time.perf_counter() - start
        done.metadata["lungcls"] = {"key": key, "seconds": round(seconds, 1)}
        nbformat.write(done, scratch)
        os.replace(scratch, out)
        return seconds
    except (papermill.PapermillExecutionError, RuntimeError) as error:  # nbclient: a dead kernel
        message = f"{path.name}: {_failure(path, error)}"
        if scratch.exists():
            aside.parent.mkdir(parents=True, exist_ok=True)
            os.replace(scratch, aside)
            message += f" (as far as it came: {aside})"
        raise BookError(message) from error
    finally:
        scratch.unlink(missing_ok=True)


def _kernels(log):
    """Make kernels whose own messages (libraries, not cells) go to a file, not to the terminal."""

    class Kernels(AsyncKernelManager):
        async def start_kernel(self, **options):
            with log.open("wb") as stream:
                await super().start_kernel(stdout=stream, stderr=stream, **options)

    return Kernels


def _failure(path, error):
    """Say in one line which cell failed and how."""
    if not hasattr(error, "ename"):
        return f"the kernel ended, out of memory? ({error})"
    tags = [cell.metadata.get("tags", []) for cell in read(path).cells]
    declared = next((i for i, tag in enumerate(tags) if "parameters" in tag), -1)
    # Papermill adds a cell, after the declared parameters or else on top.
    number = error.cell_index + 1 if error.cell_index <= declared else error.cell_index
    first = (error.evalue.strip().splitlines() or [""])[0]
    return f"cell {number}: {error.ename}: {first}"


def with_prose(executed, source):
    """Take prose and tags of a notebook as it is now; its copy's outputs if the code is the same."""
    cells = executed.cells
    if code_of(executed) == code_of(source):
        cells = list(_merged(executed, source))
    for cell in cells:
        cell.metadata.pop("papermill", None)
    metadata = {name: value for name, value in executed.metadata.items() if name != "papermill"}
    return type(executed)(executed, cells=cells, metadata=type(executed)(metadata))


def without_repeated(notebook):
    """Leave out the cell that papermill injected where it says nothing but what the declared one says."""
    declared = [cell for cell in notebook.cells if "parameters" in cell.metadata.get("tags", [])]
    known = {name: value for cell in declared for name, value in _literals(cell).items()}
    repeated = [
        cell for cell in notebook.cells if _injected(cell) and _literals(cell).items() <= known.items()
    ]
    notebook.cells = [cell for cell in notebook.cells if cell not in repeated]
    return notebook


def _literals(cell):
    """Read a cell of literal assignments: each value's code by its name."""
    return {node.targets[0].id: ast.dump(node.value) for node in ast.parse(cell.source).body}


def _merged(executed, source):
    ran = iter([cell for cell in executed.cells if cell.cell_type == "code" and not _injected(cell)])
    injected = [cell for cell in executed.cells if _injected(cell)]
    for cell in source.cells:
        if cell.cell_type == "code":
            done = next(ran)
            cell = type(cell)(cell, outputs=done.outputs, execution_count=done.execution_count)
        yield cell
        if "parameters" in cell.metadata.get("tags", []):
            yield from injected
