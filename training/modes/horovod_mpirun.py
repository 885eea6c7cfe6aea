"""`python -m training.modes.horovod_mpirun HOSTS SSH COMMAND…` becomes mpirun.

Horovod knows which mpirun this machine has and what it wants to be told, and replaces the process
that asks; so it is one of its own, which the launcher talks to as it would to a rank.
"""

from __future__ import annotations

import os
import shlex
import sys
from collections.abc import Sequence

from horovod.runner.common.util.settings import Settings
from horovod.runner.mpi_run import mpi_run

from training.modes.horovod_hosts import parse_hosts

# Whom the launcher reaches, the first host needn't reach; a silent host is lost within half a
# minute.
_OPEN_MPI = {
    "plm_rsh_no_tree_spawn": "1",
    "oob_tcp_keepalive_time": "10",
    "oob_tcp_keepalive_intvl": "5",
    "oob_tcp_keepalive_probes": "3",
}


def become_mpirun(hosts: str, ssh: str, command: Sequence[str]) -> None:
    """Run the command in as many ranks as the hosts have slots.

    `ssh` logs in to other hosts; it is empty where there are none.
    """
    options = {"plm_rsh_agent": ssh, **_OPEN_MPI} if ssh else _OPEN_MPI
    settings = Settings(
        hosts=hosts,
        num_proc=sum(host.slots for host in parse_hosts(hosts)),
        extra_mpi_args=" ".join(
            f"-mca {name} {shlex.quote(value)}" for name, value in options.items()
        ),
    )
    mpi_run(settings, None, dict(os.environ), command)


if __name__ == "__main__":
    become_mpirun(sys.argv[1], sys.argv[2], sys.argv[3:])
