#!/usr/bin/env bash
# Puts CIFAR-10's six binary files, unpacked and checked, beside this script. Options go to minicaffe.tools.fetch_cifar10:
#   --from DIR    take them, or cifar-10-binary.tar.gz, from a folder; MINICAFFE_CIFAR10_DIR says the same
# PYTHON names the interpreter, "python" by default.
set -e

here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
# The folder of the caller stays the current one: --from may be relative to it.
export PYTHONPATH="$here/../..${PYTHONPATH:+:$PYTHONPATH}"
exec "${PYTHON:-python}" -m minicaffe.tools.fetch_cifar10 --to "$here" "$@"
