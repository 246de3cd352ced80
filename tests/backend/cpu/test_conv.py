"""Convolution shared by three threads, with fewer groups than threads and with more, against the definition."""

import kernel_definitions
import pytest
from kernel_cases import cases
from kernel_machines import assert_same, run

from minicaffe.backend import CPU, cpu, layout
from minicaffe.backend.cpu import conv, team

CASES = [(case, kernel, args) for case, kernel, args in cases() if kernel.startswith("conv_")]


@pytest.mark.parametrize("memory", [layout.C_ORDER, layout.BATCH_INNERMOST])
@pytest.mark.parametrize("kernel", ["conv_forward", "conv_backward_data", "conv_backward_weight"])
def test_three_threads(monkeypatch, kernel, memory):
    monkeypatch.setattr(team.TEAM, "size", 3)
    monkeypatch.setattr(team, "SMALLEST_SHARED_WORK", 1)
    monkeypatch.setattr(conv, "FOLD_BYTES", 300)
    for case, name, args in CASES:
        if name == kernel:
            wanted = run(CPU, kernel_definitions, name, args, "float64")
            try:
                assert_same(run(CPU, cpu, name, args, "float64", memory), wanted, "float64")
            except Exception as error:
                raise AssertionError(f"{case}: {error}") from error


@pytest.mark.parametrize("group", [1, 2, 3, 7])
def test_every_channel_of_every_group_has_one_thread(monkeypatch, group):
    monkeypatch.setattr(team.TEAM, "size", 3)
    jobs = conv.group_jobs(group, 5, 1 << 30)
    assert [thread for thread, _, _ in jobs] == [0, 1, 2]
    met = [(g, c) for _, groups, channels in jobs for g in range(group)[groups] for c in range(5)[channels]]
    assert sorted(met) == [(g, c) for g in range(group) for c in range(5)]
