#!/bin/sh
# Make the environment that requirements.lock describes: sh workflow/setup.sh PYTHON FOLDER (the Makefile calls it).
set -eu
trap 'exit 130' INT TERM # an interrupted attempt at one torch must not go on to the other
venv=$2

fail() {
    echo "error: $1" >&2
    exit 1
}

# The interpreter itself: in an activated environment, the name found may be the one about to be replaced.
python=$("$1" -c 'import os, sys; sys.version_info[:2] != (3, 11) and sys.exit(1); print(os.path.realpath(sys.executable))' 2>/dev/null) ||
    fail "$1 is not a Python 3.11 that runs here: install Python 3.11, or name yours with PYTHON=path/to/python3.11"

rm -rf "$venv.stale" "$venv"/installed-*
# One that is complete already, however it was made, stays as it is.
if "$venv/bin/python" -m workflow.environment >/dev/null 2>&1; then exit 0; fi

# Begun or outdated: start afresh. Moved first, for half an environment could pass for a whole one.
if [ -f "$venv/pyvenv.cfg" ]; then
    mv "$venv" "$venv.stale"
    rm -rf "$venv.stale"
elif [ -e "$venv" ]; then
    fail "$venv exists and is no virtual environment: remove it, or name another folder with VENV=folder"
fi
echo "Making $venv, once: some minutes"
"$python" -m venv "$venv"

pip_install() {
    if [ -t 1 ]; then quiet=; else quiet=--quiet; fi
    "$venv/bin/python" -m pip --disable-pip-version-check install $quiet "$@"
}

torch=torch==$(sed -n 's/^torch==//p' requirements.lock)
if nvidia-smi >/dev/null 2>&1; then
    pip_install "$torch"
elif ! pip_install "$torch+cpu" 2>/dev/null; then
    echo "No GPU here, and pip's sources have no $torch+cpu: taking the general build, several GB on Linux" \
        "(it is small where PyTorch's CPU index is among pip's sources)" >&2
    pip_install "$torch"
fi
pip_install -r requirements.lock

"$venv/bin/python" -m pip check
"$venv/bin/python" -m workflow.environment
