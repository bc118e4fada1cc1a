"""Workers of a Dask cluster, which train runs into one store that all of them see.

Needs the extra `cluster`. A run is begun anew by another worker where its own is lost; it goes on from its
last whole epoch.
"""

from contextlib import ExitStack, contextmanager
import tomllib

from lungcls.errors import InputError

WITH_CHILDREN = "DASK_DISTRIBUTED__WORKER__DAEMON"  # False: each run has a process of its own
LOST = 10  # workers that may be lost in one run; what kills each worker is given up
LEAST = 2  # workers; with one, joblib would train here and not there
EXPECTED = "local:N, slurm:FILE.toml or the address of a scheduler, such as tcp://host:8786"


@contextmanager
def workers(where, *, seconds=600):
    """Within this, joblib works on the workers of a cluster; yields how many runs it is to have at once.

    `where` is "local:N" for N processes of this machine, "slurm:FILE" for the options of
    ``dask_jobqueue.SLURMCluster`` and the number of `jobs` in a TOML file, or a scheduler's address.
    """
    try:
        import dask
        from dask.distributed import Client
        from joblib import parallel_config
    except ImportError as error:
        raise InputError(
            f"cluster: {error}, expected the extra cluster: pip install 'lungcls[cluster]'"
        ) from error
    options = {"distributed.scheduler.allowed-failures": LOST, "distributed.worker.daemon": False}
    with ExitStack() as stack:
        stack.enter_context(dask.config.set(options))
        try:
            cluster, asked = _start(where, stack)
            client = stack.enter_context(Client(cluster, timeout=f"{seconds} s"))
            client.wait_for_workers(LEAST, timeout=seconds)
        except (OSError, ValueError, TypeError, TimeoutError) as error:
            found = " ".join(str(error).split()) or type(error).__name__
            raise InputError(f"cluster: found {where!r} ({found}), expected {EXPECTED}") from error
        stack.enter_context(parallel_config(backend="dask"))
        yield asked or len(client.scheduler_info(n_workers=-1)["workers"])


def _start(where, stack):
    """What a client connects to, closed at the end if it is ours, and how many workers it will have."""
    kind, _, rest = where.partition(":")
    options = {}
    if kind == "slurm":
        with open(rest, "rb") as stream:
            options = tomllib.load(stream)
    elif kind != "local":
        return where, None
    asked = int(rest if kind == "local" else options.pop("jobs", LEAST))
    if asked < LEAST:
        raise ValueError(f"{asked} workers, at least {LEAST} are needed")
    if kind == "local":
        from dask.distributed import LocalCluster

        ours = LocalCluster(n_workers=asked, threads_per_worker=1, dashboard_address=":0")
        return stack.enter_context(ours), asked
    from dask_jobqueue import SLURMCluster

    first = [f"export {WITH_CHILDREN}=False", *options.pop("job_script_prologue", [])]
    ours = stack.enter_context(SLURMCluster(job_script_prologue=first, **options))
    ours.scale(jobs=asked)
    return ours, asked
