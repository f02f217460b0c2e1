"""What JAX's peers share: a problem's results and derivatives, of a function of its leaves."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from conformance.layouts import laid_out
from conformance.problem import Problem

Arrays = dict[str, Any]


def prepare(problem: Problem) -> Arrays:
    """The leaves as JAX's arrays; x as it is given, time first if so asked."""
    jax.config.update("jax_enable_x64", problem.dtype == "float64")
    dtype = jnp.dtype(problem.dtype)
    leaves = {name: jnp.asarray(value, dtype) for name, value in problem.leaves().items() if name != "x"}
    return {"x": jnp.asarray(laid_out(problem.x.astype(dtype), problem.layout))} | leaves


def derived(problem: Problem, leaves: Arrays, forward: Callable[[Arrays], Arrays]) -> dict[str, Any]:
    """What is asked for. `forward` gives the results by name, of arrays by name; outputs as x is laid out."""
    dtype = jnp.dtype(problem.dtype)
    time_first = problem.layout == "time major"

    def results(leaves: Arrays) -> Arrays:
        found = forward(leaves)
        return found | {"outputs": jnp.swapaxes(found["outputs"], 0, 1)} if time_first else found

    def loss(leaves: Arrays) -> Any:
        found = results(leaves)
        return sum(jnp.sum(found[name] * jnp.asarray(w, dtype)) for name, w in problem.weigh.items())

    def along(leaves: Arrays) -> Any:
        return jnp.sum(jax.grad(loss)(leaves)["x"] * jnp.asarray(problem.second, dtype))

    def everything(leaves: Arrays) -> Arrays:
        found = results(leaves)
        answer = {name: found[name] for name in problem.asked_of(found)}
        if problem.weigh:
            title, scalar = ("grad", loss) if problem.second is None else ("second", along)
            answer |= {f"{title}.{name}": value for name, value in jax.grad(scalar)(leaves).items()}
        return answer

    answer = jax.jit(everything)(leaves)  # compiled once, as its users do, and sooner done than op by op
    return {name: np.asarray(value, np.float64) for name, value in answer.items()}
