"""A notebook in a task: ``python3 …/contrail/_notebook.py`` becomes JupyterLab on the task's own socket.

It listens on the Unix socket that CONTRAIL_TASK_SOCKET names and on no port. Its own password is off, because nobody gets
to the socket but the runner, and through it who was let in by Contrail: its pages have an origin of their own.
JupyterLab is whatever is installed for this interpreter; nothing of it is needed to import this file.
"""

from __future__ import annotations

import importlib.util
import os
import platform
import sys
from typing import List

#: As a shell says that a command is not there.
NOT_INSTALLED = 127
#: Not ``-m jupyterlab``, which looks into the folder first: a ``queue.py`` of the person's would be taken for Python's own.
LAB = "import sys; sys.path = [p for p in sys.path if p]; from jupyterlab.labapp import main; main()"


def arguments(socket: str, folder: str) -> List[str]:
    """Its options; checked with jupyterlab 4 on jupyter_server 2."""
    return [
        "--no-browser",
        f"--ServerApp.sock={socket}",
        "--ServerApp.sock_mode=0600",
        "--ServerApp.base_url=/",
        f"--ServerApp.root_dir={folder}",
        "--IdentityProvider.token=",
        "--PasswordIdentityProvider.hashed_password=",
        # Containers and small servers run as root, and under the name of the task.
        "--ServerApp.allow_root=True",
        "--ServerApp.allow_remote_access=True",
        # It ends with its task, and is idle when the task says so.
        "--ServerApp.quit_button=False",
        "--ServerApp.shutdown_no_activity_timeout=0",
        # What is deleted is gone, and not in a bin of a machine that nobody sees.
        "--FileContentsManager.delete_to_trash=False",
        # It asks nobody outside for anything.
        "--LabApp.news_url=None",
        "--LabApp.check_for_updates_class=jupyterlab.NeverCheckForUpdate",
    ]


def main() -> int:
    socket = os.environ.get("CONTRAIL_TASK_SOCKET", "")
    if socket == "":
        print(
            "contrail: CONTRAIL_TASK_SOCKET is not set, so there is nothing to listen on; "
            "start a notebook with: contrail notebook start",
            file=sys.stderr,
        )
        return 2
    if importlib.util.find_spec("jupyterlab") is None:
        print(
            f"contrail: JupyterLab is not installed for {sys.executable} (Python {platform.python_version()}) "
            f"on {platform.node()}. Install it there: {sys.executable} -m pip install jupyterlab. "
            "Or name an interpreter that has it: contrail notebook start --python PATH",
            file=sys.stderr,
        )
        return NOT_INSTALLED
    command = [sys.executable, "-c", LAB, *arguments(socket, os.getcwd())]
    sys.stderr.flush()
    os.execv(sys.executable, command)


if __name__ == "__main__":
    sys.exit(main())
