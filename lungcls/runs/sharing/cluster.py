"""Workers of a Dask cluster, which train runs into one store that all of them see.

Needs the extra `cluster`. A run is begun anew by another worker where its own is lost; it goes on from its
last whole epoch.
"""

from contextlib import contextmanager
import tomllib

from lungcls.errors import InputError

WITH_CHILDREN = "DASK_DISTRIBUTED__WORKER__DAEMON"  # False: each run has a process of its own
LOST = 10  # workers that may be lost in one run; what kills each worker is given up
EXPECTED = "local:N, slurm:FILE.toml or the address of a scheduler, such as tcp://host:8786"


@contextmanager
def workers(where, *, seconds=600):
    """Within this, joblib works on the workers of a cluster; yields how many there are at the start.

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
    with dask.config.set(
        {"distributed.scheduler.allowed-failures": LOST, "distributed.worker.daemon": False}
    ):
        try:
            cluster, asked = _start(where)
            client = Client(cluster, timeout=f"{seconds} s")
            client.wait_for_workers(asked, timeout=seconds)
        except (OSError, ValueError, TypeError, TimeoutError) as error:
            found = " ".join(str(error).split()) or type(error).__name__
            raise InputError(f"cluster: found {where!r} ({found}), expected {EXPECTED}") from error
        with client, parallel_config(backend="dask"):
            yield len(client.scheduler_info(n_workers=-1)["workers"])
        if cluster != where:
            cluster.close()


def _start(where):
    """What a client connects to, and how many workers to wait for."""
    kind, _, rest = where.partition(":")
    if kind == "local":
        from dask.distributed import LocalCluster

        return LocalCluster(n_workers=int(rest), threads_per_worker=1, dashboard_address=":0"), int(rest)
    if kind == "slurm":
        from dask_jobqueue import SLURMCluster

        with open(rest, "rb") as stream:
            options = tomllib.load(stream)
        jobs = int(options.pop("jobs", 1))
        first = [f"export {WITH_CHILDREN}=False", *options.pop("job_script_prologue", [])]
        cluster = SLURMCluster(job_script_prologue=first, **options)
        cluster.scale(jobs=jobs)
        return cluster, 1
    return where, 1
