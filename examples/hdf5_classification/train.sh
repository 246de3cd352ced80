#!/usr/bin/env bash
# Draws the samples, trains logistic regression and a net with a hidden layer on them, and prints how well they do.
# PYTHON names the interpreter, "python" by default.
set -e

cd "$(dirname "${BASH_SOURCE[0]}")/../.."
export PYTHONPATH="$PWD${PYTHONPATH:+:$PYTHONPATH}"
exec "${PYTHON:-python}" examples/hdf5_classification/train.py
