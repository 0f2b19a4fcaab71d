"""What things cost."""

import stages  # noqa: F401 - pins instruction sets and threads, so it has to come before the libraries that a benchmark imports
