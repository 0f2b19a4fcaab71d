"""A command that is no stage: whatever goes wrong is one sentence and a status."""

import contextlib
import os
import sys
from collections.abc import Iterator

from stages.core.errors import UserError


@contextlib.contextmanager
def exit_on_error() -> Iterator[None]:
    """Around a command: a UserError, or what the system refuses, ends it with a sentence and status 1, an interruption with 130."""
    try:
        yield
        sys.stdout.flush()
    except UserError as error:
        sys.exit(f"error: {error}")
    except BrokenPipeError:  # the reader, such as head, has seen enough
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        sys.exit(1)
    except OSError as error:
        sys.exit(f"error: {f'{error.filename}: ' if error.filename else ''}{error.strerror or error}")
    except KeyboardInterrupt:
        print("interrupted", file=sys.stderr)
        sys.exit(130)
