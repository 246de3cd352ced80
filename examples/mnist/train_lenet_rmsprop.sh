#!/usr/bin/env bash
# Trains LeNet with RMSProp, from nothing if need be; options go to minicaffe.train (see train.sh).
exec "$(dirname "${BASH_SOURCE[0]}")/train.sh" examples/mnist/lenet_solver_rmsprop.prototxt "$@"
