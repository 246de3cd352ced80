"""Solver: trains a net as a solver file says. As solver.cpp."""

from __future__ import annotations

import operator
import os
from collections.abc import Callable
from typing import Any, ClassVar

import numpy as np

from minicaffe import backend as backends, log
from minicaffe.backend import random
from minicaffe.errors import FileError, MinicaffeError, ParamError, SolverError
from minicaffe.io.solverstate import SolverState
from minicaffe.net.net import Net
from minicaffe.proto import caffe_pb2
from minicaffe.proto.printer import format_text
from minicaffe.proto.source import SolverSource
from minicaffe.proto.upgrade import read_solver
from minicaffe.solver import divergence, nets, pairs, resume
from minicaffe.solver.actions import Action
from minicaffe.solver.attributes import Attributes
from minicaffe.solver.display import Display, Progress
from minicaffe.solver.history import check_history, load_history, saved_history
from minicaffe.solver.leftovers import clear_up
from minicaffe.solver.loss_window import LossWindow
from minicaffe.solver.parameters import Parameters
from minicaffe.solver.policy import check_policy, learning_rate
from minicaffe.solver.rule import rule_class
from minicaffe.solver.settings import check_settings, setting_error
from minicaffe.solver.snapshot import check_snapshots, read_snapshot, write_snapshot
from minicaffe.solver.state_file import HDF5_SUFFIX
from minicaffe.solver.testing import run_test
from minicaffe.solver.update import Updater


class Solver(Attributes):
    """Trains a net.

        solver = Solver("lenet_solver.prototxt")
        solver.solve()                                  # to max_iter; tests, logs and saves as the file says
        solver.step(100)                                # or so many iterations
        solver.net.params["conv1"][0].data              # the weights

    solver_file: a prototxt, or a SolverSource that was read before.
    allow_nan: whether to go on when the loss is no number any more, as Caffe does.
    snapshot_keep: how many snapshots stay; older ones under the same prefix are removed. None for all.
    dtype, memory_order: of the nets, as Net has them.

    net, test_nets, iter, param: what it has, and where it is (solver/attributes.py).
    action_function: asked after each update, and before each pass of a test, for an Action; None for nobody.
    progress: who follows the run.
    Solver itself takes `type` and `solver_mode` from the file, and so sets the mode of the thread; pycaffe's classes
    (SGDSolver) stand for one type, and leave the mode as set_mode_cpu and set_mode_gpu have set it.

    Raises MinicaffeError kinds with file, line and field for a file that makes no run.
    """

    # The update rule of a class that stands for one; of Solver itself the file's `type` says it.
    type: ClassVar[str] = ""

    def __init__(
        self,
        solver_file: str | os.PathLike[str] | SolverSource,
        *,
        allow_nan: bool = False,
        snapshot_keep: int | None = None,
        dtype: Any = np.float32,
        memory_order: str = "auto",
    ) -> None:
        source = solver_file if isinstance(solver_file, SolverSource) else read_solver(solver_file)
        for severity, text in source.notes:
            log.write(severity, text)
        self._source, self._param = source, source.param
        self._parameters = Parameters(source.param)
        self.allow_nan, self._keep = allow_nan, checked_keep(snapshot_keep)
        rule = rule_class(self.type or self._param.type, source.origin)
        if not self.type:
            set_mode(self._param)
        self._announce()
        check_settings(source)
        if self._param.snapshot:
            check_snapshots(self._param, source.origin)
        if self._param.random_seed >= 0:
            random.set_random_seed(self._param.random_seed % 2**32)
        self._net = nets.train_net(source, dtype=dtype, memory_order=memory_order)
        self._test_nets = nets.test_nets(source, dtype=dtype, memory_order=memory_order)
        self._updater = Updater(self.net, rule(self._param, source.origin, self.net.backend), self._param)
        self._iter, self._current_step = 0, 0
        self._display = Display(self._param.display)
        self._window = self._new_window()
        self._restored_window: LossWindow | None = None
        # Where the testing nets stood before the test that is under way.
        self._before_test: list[dict] | None = None
        self._early_exit = False
        self._failed_snapshot: MinicaffeError | None = None
        self._callbacks: list[tuple[Callable[[], Any], Callable[[], Any]]] = []
        self.action_function: Callable[[], Action] | None = None
        self.progress: Progress = Progress()
        log.info("Solver scaffolding done.")

    def _announce(self) -> None:
        if log.enabled(log.INFO):
            log.info(f"Initializing solver from parameters: \n{format_text(self._param)}")

    # --- running -------------------------------------------------------------------------------

    def solve(self, resume_file: str | os.PathLike[str] | None = None) -> None:
        """Train until max_iter, save, and test once more.

        resume_file: a solverstate to go on from.
        Raises FileError or ParamError, at the end, where a snapshot on the way could not be written and no later one
        could.
        """
        log.info(f"Solving {self.net.name}")
        log.info(f"Learning Rate Policy: {self._param.lr_policy}")
        self._early_exit = False
        if resume_file is not None:
            log.info(f"Restoring previous solver status from {os.fspath(resume_file)}")
            self.restore(resume_file)
        if self._param.snapshot_after_train:
            check_snapshots(self._param, self._source.origin)
        self.step(self._param.max_iter - self.iter)
        if self._param.snapshot_after_train and not self._is_due(self._param.snapshot):
            self._try_snapshot()
        if self._early_exit:
            log.info("Optimization stopped early.")
        else:
            self._final_look()
        if self._failed_snapshot is not None:
            raise self._failed_snapshot

    def _final_look(self) -> None:
        """What solve shows of the trained net: the loss of one more batch, and a test."""
        if self._is_due(self._param.display):
            self._window.add(self.iter, self._checked(self.net.run_forward()))
            log.info(f"Iteration {self.iter}, loss = {log.g(self._window.smoothed)}")
        if self._is_due(self._param.test_interval):
            self._test_all()
        log.info("Optimization Done.")

    def step(self, iterations: int) -> None:
        """Run so many iterations, with the tests, lines and snapshots that fall into them."""
        iterations = operator.index(iterations)
        if iterations > 0:
            check_policy(self._param, self._source.origin)
            self._updater.check(self._source.origin)
        self._window, self._restored_window = self._restored_window or self._new_window(), None
        self._display.restart()
        stop = self.iter + iterations
        while self.iter < stop:
            # A callback may hold arrays of gradients, which then have to be zeros at once.
            self.net.clear_param_diffs(later=not self._callbacks)
            if self._is_due(self._param.test_interval) and (self.iter > 0 or self._param.test_initialization):
                self._test_all()
                if self._early_exit:
                    return
            self._iterate()
            if self._act_after_update():
                return

    def _iterate(self) -> None:
        """Gradients, their line in the log, and the update."""
        for on_start, _ in self._callbacks:
            on_start()
        net, display = self.net, self._is_due(self._param.display)
        net.debug_info = display and self._param.debug_info
        loss: Any = 0.0
        for _ in range(self._param.iter_size):
            loss = loss + net.run_forward()
            net.run_backward()
        loss = loss / self._param.iter_size
        if display or not net.backend.is_gpu:
            loss = self._checked(loss)
        self._window.add(self.iter, loss)
        if display:
            self._display.show(self.iter, self._window.smoothed, net)
            self.progress.displayed(self._window.smoothed)
        for _, on_gradients_ready in self._callbacks:
            on_gradients_ready()
        self.apply_update()

    def close(self) -> None:
        """Stop the threads and close the files of all nets' data layers."""
        for net in (self.net, *self.test_nets):
            net.close()

    def apply_update(self) -> None:
        """One update from the gradients that are in the net's diffs; iter grows by 1."""
        rate = self.lr
        if self._is_due(self._param.display):
            log.info(f"Iteration {self.iter}, lr = {log.g(rate)}")
        if not np.isfinite(rate):
            text = f'is "{self._param.lr_policy}", which gives a rate of {rate:g} at iteration {self.iter}'
            text = f"{text}; change base_lr, gamma, power, or max_iter"
            raise setting_error(self._source.origin, "lr_policy", text, SolverError)
        self._updater.apply(rate, self.iter + 1)
        self._iter += 1

    @property
    def lr(self) -> float:
        """The rate of the next update, before lr_mult. Asking may advance the multistep policy, as in Caffe."""
        check_policy(self._param, self._source.origin)
        rate, step = learning_rate(self._param, self.iter, self._current_step, self.net.dtype)
        if step != self._current_step and self._param.lr_policy == "multistep":
            log.info(f"MultiStep Status: Iteration {self.iter}, step = {step}")
        self._current_step = step
        return rate

    def _is_due(self, interval: int) -> bool:
        return interval != 0 and self.iter % interval == 0

    def _checked(self, loss: Any) -> float:
        """The loss on the host; DivergedError where it is no number."""
        loss = float(loss)
        if not self.allow_nan:
            divergence.check_loss(self.net, loss, self.iter)
        return loss

    def _new_window(self) -> LossWindow:
        return LossWindow(self._param.average_loss, self.iter, self.net.backend, self.net.dtype)

    # --- requests from outside -----------------------------------------------------------------

    def _poll(self) -> Action:
        return Action.NONE if self.action_function is None else self.action_function()

    def _act_after_update(self) -> bool:
        """Save where it is time to, or where it was asked for. True where the run is to stop."""
        self.progress.advanced(self.iter)
        action = self._poll()
        if self._is_due(self._param.snapshot) or action is Action.SNAPSHOT:
            self._try_snapshot()
        self._early_exit = self._early_exit or action is Action.STOP
        return action is Action.STOP

    def _interrupted(self) -> bool:
        """Carry out all that is asked for now. True where the run is to stop."""
        while (action := self._poll()) is not Action.NONE:
            if action is Action.SNAPSHOT:
                self._try_snapshot()
            self._early_exit = self._early_exit or action is Action.STOP
        return self._early_exit

    def add_callback(self, on_start: Any, on_gradients_ready: Callable[[], Any] | None = None) -> None:
        """Call on_start() before each iteration's passes, on_gradients_ready() before its update.

        An object with methods of these two names may be given instead. Callbacks add up; what one raises, step raises.
        Raises TypeError for what cannot be called.
        """
        if on_gradients_ready is None:
            given = on_start
            on_start, on_gradients_ready = (getattr(given, name, None) for name in ("on_start", "on_gradients_ready"))
        if not (callable(on_start) and callable(on_gradients_ready)):
            text = "two functions without arguments, or an object with methods on_start and on_gradients_ready"
            raise TypeError(f"add_callback takes {text}")
        self._callbacks.append((on_start, on_gradients_ready))

    # --- testing -------------------------------------------------------------------------------

    def _test_all(self) -> None:
        """Test all nets. What is interrupted was no test: the nets' data are where they were before."""
        # On a GPU losses are not looked at one by one: that would wait for the device each time.
        self._checked(self._window.smoothed)
        self._before_test = before = [net.state() for net in self.test_nets]
        try:
            for index in range(len(self.test_nets)):
                if not self._early_exit:
                    self._test(index)
        finally:
            self._before_test = None
        if self._early_exit:
            for net, state in zip(self.test_nets, before, strict=True):
                net.restore(state)

    def _test(self, index: int) -> None:
        log.info(f"Iteration {self.iter}, Testing net (#{index})")
        net = self.test_nets[index]
        net.share_trained_layers_with(self.net)
        passes = self._param.test_iter[index]
        means = run_test(net, passes, self._interrupted, self._param.test_compute_loss)
        if means is not None:
            self.progress.tested(net, means)

    def share_weights(self, net: Net) -> None:
        """Make net's parameters the same memory as those of the net in training."""
        if not isinstance(net, Net):
            raise TypeError(f"weights are shared with another net, not with {net!r}")
        net.share_trained_layers_with(self.net)

    # --- snapshots -----------------------------------------------------------------------------

    def snapshot(self) -> str:
        """Write the weights and a solverstate; returns the latter's path.

        Raises FileError where they cannot be written, DivergedError where a weight is no number any more.
        """
        check_snapshots(self._param, self._source.origin)
        if not self.allow_nan:
            divergence.check_weights(self.net, self.iter)
        state = SolverState(self.iter, current_step=self._current_step)
        state.history = saved_history(self.net, self._updater.history)
        test_states = self._before_test or [net.state() for net in self.test_nets]
        path = write_snapshot(self.net, self._param, state, resume.kept(self.net, test_states, self._window))
        if self._keep is not None:
            pairs.clear_away(self._param.snapshot_prefix, self._keep, self.iter)
        return path

    def _try_snapshot(self) -> None:
        """A snapshot on the way: where it fails, training is not thrown away; solve raises in the end."""
        try:
            self.snapshot()
            self._failed_snapshot = None
        # Not what diverged, where nothing is worth going on for.
        except (FileError, ParamError) as error:
            log.error(f"Snapshot failed, training goes on: {error}")
            self._failed_snapshot = error

    def restore(self, state_file: str | os.PathLike[str]) -> None:
        """Go on from a solverstate: its weights, history and iteration; and its place in the data, if it has that.

        Raises FileError, FormatError, SolverError, ShapeError where it does not belong to this solver; all is then as
        it was.
        """
        path = os.fspath(state_file)
        state, extra, weights = read_snapshot(path)
        check_history(self.net, self._updater.history, state.history, path)
        window = self._new_window()
        if "loss_window" in extra:
            window.restore(extra["loss_window"])
        with resume.going_on(extra, self.net, self.test_nets, path):
            if weights:
                self.net.copy_from(weights)
        if not path.endswith(HDF5_SUFFIX):
            # As in Caffe, whatever the type is.
            log.info("SGDSolver: restoring history")
        load_history(self.net, self._updater.history, state.history)
        self._iter, self._current_step = state.iter, state.current_step
        self._restored_window = window if "loss_window" in extra else None

    def restore_newest(self) -> str | None:
        """Go on from the newest snapshot under snapshot_prefix that is whole and this solver's; its path.

        Others are skipped, with a line in the log that says why. None where there is no snapshot at all; SolverError
        where there are some, but none that can be used: a run from the start would overwrite them.
        """
        prefix = self._param.snapshot_prefix
        clear_up(prefix)
        found = pairs.pairs_under(prefix)
        for pair in found:
            try:
                self.restore(pair.state)
            except MinicaffeError as error:
                place = "" if str(error).startswith(pair.state) else f"{pair.state}: "
                log.warning(f"Skipping a snapshot: {place}{error}")
                continue
            for other in pairs.later_than(pair, found):
                log.warning(f"{other.state} was written after {pair.state}, by another run? If you meant that, name it")
            return pair.state
        if found:
            text = f"none of the {len(found)} snapshots under snapshot_prefix '{prefix}' can be used, for the reasons"
            text += " logged; mend one, or move them away, or set another snapshot_prefix to begin anew"
            raise SolverError(text)
        log.info(f"There is no snapshot under {prefix} yet: training begins at iteration {self.iter}")
        return None


def checked_keep(count: int | None) -> int | None:
    if count is not None and count < 1:
        raise ParamError(f"snapshot_keep is {count}, must be 1 or more: snapshots to keep; leave it out to keep all")
    return count


def set_mode(param: Any) -> None:
    """Choose the device that a solver file asks for; where it asks for none, the thread's mode stays.

    Raises DeviceError, saying what is missing, for a GPU that is not there.
    """
    if not param.HasField("solver_mode"):
        return
    if param.solver_mode == caffe_pb2.SolverParameter.GPU:
        backends.set_device(param.device_id)
        backends.set_mode_gpu()
    else:
        backends.set_mode_cpu()
