"""Learning-rate policies: the rate as a pure function of the settings, the iteration, and the step reached.

    fixed       base_lr
    step        base_lr * gamma ^ floor(iter / stepsize)
    exp         base_lr * gamma ^ iter
    inv         base_lr * (1 + gamma * iter) ^ -power
    multistep   base_lr * gamma ^ step; step grows by 1 where iter has reached stepvalue[step]
    poly        base_lr * (1 - iter / max_iter) ^ power
    sigmoid     base_lr / (1 + e^(-gamma * (iter - stepsize)))

iter counts the updates done.  As sgd_solver.cpp, GetLearningRate, rounding included: near the end of a long poly run
1 - iter / max_iter in float32 is off in the second or third digit, and so is Caffe's rate.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from minicaffe.errors import Origin
from minicaffe.proto.hints import nearest
from minicaffe.solver.settings import setting_error

# What a policy works with: the settings, the iteration, the step, and float32 or float64 of the net.
Policy = Callable[[Any, int, int, Any], Any]


def learning_rate(param: Any, iteration: int, step: int = 0, dtype: Any = np.float32) -> tuple[float, int]:
    """The rate at `iteration`, and the step that lr_policy has reached now.

    param: a SolverParameter that `check_policy` let pass.
    step: what the last call gave, 0 at first. multistep advances by at most one a call.
    The rate is inf or nan where the formula has no better answer: poly beyond max_iter with a broken power.
    """
    real = np.dtype(dtype).type
    with np.errstate(all="ignore"):
        if param.lr_policy == "step":
            step = iteration // param.stepsize
        elif param.lr_policy == "multistep" and step < len(param.stepvalue) and iteration >= param.stepvalue[step]:
            step += 1
        rate = POLICIES[param.lr_policy](param, iteration, step, real)
    return float(real(rate)), step


def check_policy(param: Any, origin: Origin) -> None:
    """Raises ParamError for an unknown lr_policy, or a setting that it cannot use."""
    policy = param.lr_policy
    if policy not in POLICIES:
        raise setting_error(origin, "lr_policy", _unknown(policy))
    if policy not in ("fixed", "poly") and not param.gamma >= 0:
        text = f'is {param.gamma:g}, must be 0 or more for lr_policy: "{policy}"'
        raise setting_error(origin, "gamma", f"{text}; below 1 the rate falls")
    if policy in ("step", "sigmoid") and param.stepsize <= 0:
        given = f"is {param.stepsize}" if param.HasField("stepsize") else "is not set"
        text = f'{given}, must be 1 or more for lr_policy: "{policy}"'
        raise setting_error(origin, "stepsize", f"{text}; it counts iterations")


def _unknown(policy: str) -> str:
    known = ", ".join(sorted(POLICIES))
    if not policy:
        return f'is not set: Unknown learning rate policy: "" (known: {known}); lr_policy: "fixed" keeps base_lr'
    near = nearest(policy, POLICIES)
    hint = f'; do you mean "{near}"?' if near else ""
    return f'is "{policy}": Unknown learning rate policy: {policy} (known: {known}){hint}'


def _power(base: Any, exponent: Any) -> np.float64:
    """In float64, as C++ does where the exponent is an integer; where it is a float, Caffe's result is rounded."""
    return np.float64(base) ** np.float64(exponent)


def _fixed(param: Any, iteration: int, step: int, real: Any) -> Any:
    return param.base_lr


def _steps(param: Any, iteration: int, step: int, real: Any) -> Any:
    return param.base_lr * _power(param.gamma, step)


def _exp(param: Any, iteration: int, step: int, real: Any) -> Any:
    return param.base_lr * _power(param.gamma, iteration)


def _inv(param: Any, iteration: int, step: int, real: Any) -> Any:
    base = real(1) + real(param.gamma) * real(iteration)
    return real(param.base_lr) * real(_power(base, -param.power))


def _poly(param: Any, iteration: int, step: int, real: Any) -> Any:
    left = real(1) - real(iteration) / real(param.max_iter)
    return real(param.base_lr) * real(_power(left, param.power))


def _sigmoid(param: Any, iteration: int, step: int, real: Any) -> Any:
    exponent = -real(param.gamma) * (real(iteration) - real(param.stepsize))
    return real(param.base_lr) * (real(1) / (real(1) + real(np.exp(np.float64(exponent)))))


POLICIES: dict[str, Policy] = {
    "fixed": _fixed,
    "step": _steps,
    "exp": _exp,
    "inv": _inv,
    "multistep": _steps,
    "poly": _poly,
    "sigmoid": _sigmoid,
}
