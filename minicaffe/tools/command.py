"""What every tool's command line shares: errors as one line, an exit status, Ctrl-C without a traceback."""

from __future__ import annotations

import io
import os
import sys
from collections.abc import Callable
from typing import Any

from minicaffe.errors import MinicaffeError

# What a shell says of a process that SIGPIPE ended.
_SIGPIPE_STATUS = 141


def run_command(main: Callable[[list[str]], int], argv: list[str] | None = None) -> int:
    """Exit status of main(argv): 1 with a line on stderr for what the files or the system refuse, 130 for Ctrl-C, 141
    where nobody reads its output any more.

    --debug, anywhere in argv, lets the exception through with its traceback.
    """
    argv = list(sys.argv[1:] if argv is None else argv)
    debug = "--debug" in argv
    if isinstance(sys.stdout, io.TextIOWrapper) and sys.stdout.errors in ("strict", "surrogateescape"):
        # A name that stdout's encoding has no letters for is shown all the same, as on stderr.
        sys.stdout.reconfigure(errors="backslashreplace")
    try:
        status = main([word for word in argv if word != "--debug"])
        if sys.stdout is not None:
            sys.stdout.flush()
        return status
    except BrokenPipeError:
        # Who reads our output has seen enough (`| head`). What is still in the buffer must not be tried again at exit.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return _SIGPIPE_STATUS
    except (MinicaffeError, OSError) as error:
        if debug:
            raise
        print(f"error: {error}", file=sys.stderr)
        return 1
    except MemoryError as error:
        if debug:
            raise
        # NumPy says how much it wanted; Python itself says nothing.
        reason = str(error) or "Python got no more"
        print(f"error: not enough memory: {reason}; take smaller sizes or batches", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print("stopped", file=sys.stderr)
        return 130


def progress_bar(total: int | None, **settings: Any) -> Any:
    """tqdm's bar on stderr, which goes when it is done; nothing where stderr is no terminal."""
    from tqdm import tqdm

    return tqdm(total=total, leave=False, disable=not sys.stderr.isatty(), **settings)


def say(text: str) -> None:
    """Tell the user something, at once, on stderr."""
    print(text, file=sys.stderr, flush=True)
