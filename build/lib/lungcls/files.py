"""Files: whole or not at all, the cache folder, and digests of the package's own source."""

import ast
from contextlib import contextmanager, suppress
from functools import cache
import glob
import hashlib
import json
import os
from pathlib import Path
import shutil
import tempfile

from lungcls.errors import InputError


@contextmanager
def writing(path):
    """Turn what keeps a file or a folder from being written into one line that names it."""
    try:
        yield
    except OSError as error:
        raise InputError(f"{path}: cannot be written ({error.strerror or error})") from error


@contextmanager
def whole_folder(folder):
    """Yield a folder beside a new or empty one, renamed to it when the block ends well, else removed."""
    folder = Path(folder)
    missing = [parent for parent in folder.parents if not parent.exists()]
    _require_new(folder)
    with writing(folder):
        folder.parent.mkdir(parents=True, exist_ok=True)
        _sweep(folder)
        scratch = Path(tempfile.mkdtemp(prefix=f".{folder.name}-{os.getpid()}-", dir=folder.parent))
    try:
        yield scratch
        _require_new(folder)  # somebody else may have been faster
        with writing(folder):
            scratch.chmod(0o777 & ~_umask())
            os.replace(scratch, folder)
    except BaseException as error:
        shutil.rmtree(scratch, ignore_errors=True)
        for parent in missing:  # innermost first; those that something else uses stay
            with suppress(OSError):
                parent.rmdir()
        if isinstance(error, OSError) and str(error.filename or scratch).startswith(str(scratch)):
            raise InputError(f"{folder}: cannot be written ({error.strerror or error})") from error
        raise


def _require_new(folder):
    """Refuse a folder that is no new or empty one."""
    if folder.name in ("", "..") or folder.is_symlink():
        raise InputError(f"{folder}: no name of its own or a link, expected a new folder")
    if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        raise InputError(f"{folder}: already there, expected a new or empty folder")


def _sweep(path):
    """Remove what processes that were killed have left beside a folder or a file."""
    for left in path.parent.glob(f".{glob.escape(path.name)}-*-*"):
        pid = left.name.removeprefix(f".{path.name}-").partition("-")[0]
        if pid.isdigit() and not _is_alive(int(pid)):
            shutil.rmtree(left, ignore_errors=True)
            with suppress(OSError):  # a file
                left.unlink()


def _is_alive(pid):
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except OSError:  # of another user
        return True
    return True


def _umask():
    """The permissions that a new file lacks; asking sets them."""
    mask = os.umask(0)
    os.umask(mask)
    return mask


@contextmanager
def whole_file(path):
    """Yield a path beside a file, renamed to it when the block ends well, else removed."""
    part = path.with_name(f".{path.name}-{os.getpid()}-")
    with writing(path):
        path.parent.mkdir(parents=True, exist_ok=True)
        _sweep(path)
        try:
            yield part
            os.replace(part, path)
        finally:
            with suppress(OSError):
                part.unlink()


def whole_text(path, text):
    """Write a text file whole or not at all; one that is there is replaced."""
    with whole_file(path) as part:
        part.write_text(text, encoding="utf-8", errors="backslashreplace")  # names need not be UTF-8


def output(path, *, force=None, inputs=()):
    """Refuse the path of a file to write that is there, unless `force`, or that lies among the inputs.

    Without a `force` to be had, the message names none.
    """
    path = Path(path)
    if path.exists() and not path.is_file():
        raise InputError(f"{path}: a folder or a device, expected a file to write")
    if any(path.resolve().is_relative_to(Path(folder).resolve()) for folder in inputs):
        raise InputError(f"{path}: lies where the command reads, expected a file elsewhere")
    if path.exists() and not force:
        cure = "" if force is None else " (--force replaces it)"
        raise InputError(f"{path}: already there, expected the name of a new file{cure}")
    return path


def cache_folder():
    """The folder for what can be made again: `LUNGCLS_CACHE`, else the user's cache."""
    import platformdirs

    return Path(os.environ.get("LUNGCLS_CACHE") or platformdirs.user_cache_dir("lungcls", appauthor=False))


# --- Digests ----------------------------------------------------------------------------


def sha(content):
    """SHA-256 of bytes, or of anything that JSON can write, as 64 hexadecimal digits."""
    content = content if isinstance(content, bytes) else json.dumps(content, sort_keys=True).encode()
    return hashlib.sha256(content).hexdigest()


def code_digests(*modules, package=Path(__file__).parent):
    """Digest the syntax trees of files, such as "runs.training", and of all they import from the package.

    16 hexadecimal digits by file. A comment, a docstring or another layout changes nothing; code
    does. The faces of rooms (`__init__`) hold no code and are left out.
    """
    found, left = {}, [f"lungcls.{name}" for name in modules]
    while left:
        name = left.pop()
        if name not in found:
            path = Path(package, *name.split(".")[1:]).with_suffix(".py")
            found[name], imported = _digest(path) if path.is_file() else (None, ())
            left += imported
    return {name.removeprefix("lungcls."): digest for name, digest in sorted(found.items()) if digest}


@cache
def _digest(path):
    """Digest of a source file without docstrings, and the names that it imports from the package."""
    tree, imported = ast.parse(path.read_text(encoding="utf-8")), []
    for node in ast.walk(tree):
        if isinstance(node, (ast.Module, ast.ClassDef, ast.FunctionDef, ast.AsyncFunctionDef)):
            if ast.get_docstring(node, clean=False) is not None:
                node.body = node.body[1:] or [ast.Pass()]
        elif isinstance(node, ast.Import):
            imported += [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            imported += [node.module, *(f"{node.module}.{alias.name}" for alias in node.names)]
    digest = hashlib.sha256(ast.unparse(tree).encode()).hexdigest()[:16]
    return digest, [name for name in imported if name.startswith("lungcls.")]
