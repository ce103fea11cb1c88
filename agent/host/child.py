"""The one place where a child Python is started, deaf to the folder and the environment it is started in.

``python -m agent.…`` takes whatever ``agent`` lies in the working directory, and ``PYTHONPATH`` comes before
the standard library: ``sudo emotion-agent doctor`` in a stranger's folder would run the stranger's code. A
child is told instead where this very agent lies, whose code its parent runs anyway.
"""

from __future__ import annotations

import os
import site
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

_DEAF_TO: Final = ("PYTHONHOME", "PYTHONPATH", "PYTHONSTARTUP")
"""Not handed on either: what a child starts in its turn may be a Python too."""
_PROGRAM: Final = (
    "import site, sys; sys.path += {path!r}; {user}site.main();"
    " import runpy; runpy.{run}({what!r}, run_name='__main__'{more})"
)


def product_path() -> list[str]:
    """Where children find the package ``agent``: as this process did, in site-packages or in a checkout."""
    return [str(Path(__file__).absolute().parents[2])]


def command(what: str | Path, *arguments: str) -> list[str]:
    """How a child is started.

    ``-I`` leaves out the working directory, ``PYTHONPATH`` and all other variables for Python; ``-B`` because
    nothing of the agent writes to disk. ``-S`` holds the installed packages back until the agent's folder is
    on the path: behind the standard library, so that nothing in it stands in for a part of that, and before
    site-packages, so that no other package called ``agent`` comes first.

    ``-I`` leaves out the user's site-packages too. Where this process has them, the agent or the libraries it
    needs may be there, so they are put back.

    Args:
        what: A module by its full name, or a script that imports nothing of the agent and so starts sooner.
        arguments: Its ``sys.argv[1:]``.
    """
    user = site.getusersitepackages()
    program = _PROGRAM.format(
        path=product_path(),
        user=f"site.addsitedir({user!r}); " if user in sys.path else "",
        run="run_path" if isinstance(what, Path) else "run_module",
        what=str(what),
        more="" if isinstance(what, Path) else ", alter_sys=True",
    )
    return [sys.executable, "-I", "-S", "-B", "-c", program, *arguments]


def python_child(
    what: str | Path,
    *arguments: str,
    env: Mapping[str, str] | None = None,
    inherits: tuple[str, ...] = ("",),
    **popen: Any,
) -> subprocess.Popen[bytes]:
    """Start what :func:`command` describes in a process of its own.

    ``env`` comes on top of the inherited variables, whose names begin with one of ``inherits``; ``popen`` is
    as ``subprocess.Popen`` takes it.

    Raises:
        OSError: No process can be started.
    """
    inherited = {
        key: value for key, value in os.environ.items() if key.startswith(inherits) and key not in _DEAF_TO
    }
    return subprocess.Popen(command(what, *arguments), env={**inherited, **(env or {})}, **popen)


def ask_child(what: str | Path, question: bytes, timeout_s: float) -> subprocess.CompletedProcess[bytes]:
    """Let a child answer on stdout what it is asked on stdin; what it says on stderr is kept as well.

    Raises:
        OSError: No process can be started.
        subprocess.TimeoutExpired: It took too long, and was killed.
    """
    pipe = subprocess.PIPE
    with python_child(what, stdin=pipe, stdout=pipe, stderr=pipe) as process:
        try:
            answer, errors = process.communicate(question, timeout_s)
        except BaseException:
            process.kill()
            raise
        return subprocess.CompletedProcess(process.args, process.returncode, answer, errors)
