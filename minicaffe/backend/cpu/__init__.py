"""The CPU's kernels, in NumPy: twins of backend/kernels.py."""

from minicaffe.backend.cpu.accuracy import accuracy_forward
from minicaffe.backend.cpu.conv import (
    add_bias,
    conv_backward_data,
    conv_backward_weight,
    conv_forward,
    sum_to_channels,
)
from minicaffe.backend.cpu.dropout import dropout_mask
from minicaffe.backend.cpu.elementwise import elementwise
from minicaffe.backend.cpu.eltwise import max_backward, max_forward
from minicaffe.backend.cpu.greatest import max_pool_values
from minicaffe.backend.cpu.im2col import col2im, im2col
from minicaffe.backend.cpu.infogain_loss import infogain_loss_backward, infogain_loss_forward
from minicaffe.backend.cpu.labels import find_bad_label
from minicaffe.backend.cpu.lrn import lrn_backward, lrn_forward
from minicaffe.backend.cpu.lstm_unit import lstm_unit_backward, lstm_unit_forward
from minicaffe.backend.cpu.matmul import matmul
from minicaffe.backend.cpu.max_pooling import (
    max_pool_backward,
    max_pool_backward_index,
    max_pool_forward,
    max_pool_index,
)
from minicaffe.backend.cpu.pooling import (
    average_pool_backward,
    average_pool_forward,
    stochastic_pool_forward,
    stochastic_pool_test,
)
from minicaffe.backend.cpu.ranking import last_maximum, rank_lines
from minicaffe.backend.cpu.reduce import sum_to
from minicaffe.backend.cpu.rows import add_rows, find_bad_row, take_rows
from minicaffe.backend.cpu.softmax import softmax_backward, softmax_forward
from minicaffe.backend.cpu.softmax_loss import log_loss_forward, softmax_loss_backward
from minicaffe.backend.cpu.update import (
    adadelta_update,
    adagrad_update,
    adam_update,
    nesterov_update,
    regularize,
    rmsprop_update,
    sgd_update,
)

__all__ = [
    "accuracy_forward",
    "adadelta_update",
    "adagrad_update",
    "adam_update",
    "add_bias",
    "add_rows",
    "average_pool_backward",
    "average_pool_forward",
    "col2im",
    "conv_backward_data",
    "conv_backward_weight",
    "conv_forward",
    "dropout_mask",
    "elementwise",
    "find_bad_label",
    "find_bad_row",
    "im2col",
    "infogain_loss_backward",
    "infogain_loss_forward",
    "last_maximum",
    "log_loss_forward",
    "lrn_backward",
    "lrn_forward",
    "lstm_unit_backward",
    "lstm_unit_forward",
    "matmul",
    "max_backward",
    "max_forward",
    "max_pool_backward",
    "max_pool_backward_index",
    "max_pool_forward",
    "max_pool_index",
    "max_pool_values",
    "nesterov_update",
    "rank_lines",
    "regularize",
    "rmsprop_update",
    "sgd_update",
    "softmax_backward",
    "softmax_forward",
    "softmax_loss_backward",
    "stochastic_pool_forward",
    "stochastic_pool_test",
    "sum_to",
    "sum_to_channels",
    "take_rows",
]
