# For the scripts beside it: a virtual environment of a Python new enough.

is_new_enough() {
    "$1" -c 'import sys; sys.exit(sys.version_info < (3, 10))' 2>/dev/null
}

# create_environment FOLDER: unless it is there already.
create_environment() {
    if [ -x "$1/bin/python" ] && is_new_enough "$1/bin/python"; then
        return
    fi
    for python in ${PYTHON:-python3 python3.13 python3.12 python3.11 python3.10}; do
        if is_new_enough "$python"; then
            "$python" -m venv --clear "$1" && return
            echo "$python could not make a virtual environment in $1; is its venv module installed (python3-venv)?" >&2
            exit 1
        fi
    done
    echo "Python 3.10 or newer is needed; none of ${PYTHON:-python3 to python3.10} is one. Set PYTHON to its path." >&2
    exit 1
}
