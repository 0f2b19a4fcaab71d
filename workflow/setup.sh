#!/bin/sh
# Make the environment that requirements.lock describes: sh workflow/setup.sh FOLDER [PYTHON] (the Makefile calls it).
set -eu
trap 'exit 130' INT TERM # an interrupted attempt at one torch must not go on to the other
venv=$1
named=${2:-}
versions="3.11 3.12 3.13" # as in workflow/environment.py
ours="Python 3.11, 3.12 or 3.13"
incomplete=

fail() {
    echo "error: $1" >&2
    exit 1
}

# Version, whether it can make environments, and the interpreter itself: a name may be that of one about to be replaced.
look='import importlib.util, os, sys
whole = all(map(importlib.util.find_spec, ("venv", "ensurepip")))
print("%d.%d" % sys.version_info[:2], "whole" if whole else "partial", os.path.realpath(sys._base_executable))'

usable() { # candidate: sets version and python, or incomplete where a package of the system is all that it lacks
    found=$("$1" -c "$look" 2>/dev/null) || return 1
    version=${found%% *}
    python=${found#* * }
    case " $versions " in *" $version "*) ;; *) return 1 ;; esac
    case $found in *" whole "*) return 0 ;; esac
    incomplete="${incomplete:-$1 has no ensurepip to make environments with: install python$version-venv (on Debian and Ubuntu)}"
    return 1
}

find_python() {
    # An outdated environment is made again by the Python that it had.
    if usable "$venv/bin/python"; then return; fi
    # The oldest first: our code is written for it.
    for name in $(printf 'python%s ' $versions) python3; do
        # All of PATH: the first of a name may be pyenv's stand-in for a version that is not switched on.
        IFS=:
        for folder in $PATH; do
            unset IFS
            if usable "$folder/$name"; then return; fi
        done
        unset IFS
    done
    fail "${incomplete:-there is no $ours here: install one}, or name yours with PYTHON=path/to/python"
}

if [ -n "$named" ] && ! usable "$named"; then
    fail "${incomplete:-$named is not a $ours that runs here: install one}, or name yours with PYTHON=path/to/python"
fi

rm -rf "$venv.stale" "$venv"/installed-*
# One that is complete already, however it was made, stays as it is, unless another version than its own was asked for.
if [ -z "$named" ] || [ -d "$venv/lib/python$version" ]; then
    if "$venv/bin/python" -m workflow.environment >/dev/null 2>&1; then exit 0; fi
fi
if [ -z "$named" ]; then find_python; fi

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
