#!/usr/bin/env bash
# Trains the autoencoder with AdaGrad, from nothing if need be; options go to minicaffe.train (see train.sh).
exec "$(dirname "${BASH_SOURCE[0]}")/train.sh" examples/mnist/mnist_autoencoder_solver_adagrad.prototxt "$@"
