"""Whether an answer is the one that a case expects."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

from conformance.case import Case
from conformance.identities import check_identity
from conformance.problem import Array, Problem, decode

PASSED, FAILED, NOT_OFFERED = "passed", "failed", "not offered"


class Verdict(NamedTuple):
    """passed, failed or not offered, and why in one sentence."""

    kind: str
    sentence: str = ""


def judge(case: Case, reply: dict[str, Any], earlier: dict[str, dict[str, Any]]) -> Verdict:
    """What a reply is worth; `earlier` has this peer's replies to other cases."""
    if reply["say"] == "not offered":
        return Verdict(NOT_OFFERED, reply["why"])
    if reply["say"] == "broken":
        return Verdict(FAILED, reply["message"])
    if case.refusal:
        return _judge_refusal(case, reply, earlier)
    if reply["say"] == "refused":
        return Verdict(FAILED, f"refused: {reply['message']}")
    if case.path:
        came = reply.get("path", "")
        return Verdict(PASSED) if came == case.path else Verdict(FAILED, f"the {came or 'untold'} path ran")
    problem = case.read()
    answer = {name: decode(value) for name, value in reply["numbers"].items()}
    for fault in _faults(case, problem, answer, earlier):
        if fault:
            return Verdict(FAILED, fault)
    return Verdict(PASSED)


def _judge_refusal(case: Case, reply: dict[str, Any], earlier: dict[str, dict[str, Any]]) -> Verdict:
    if reply["say"] != "refused":
        return Verdict(FAILED, "computed something, an error was expected")
    twin = earlier.get(case.twin, {"say": "missing"})
    if twin["say"] != "answer":
        return Verdict(FAILED, f"refused, but so was {case.twin}, which is valid: {reply['message']}")
    return Verdict(PASSED)


def _faults(
    case: Case, problem: Problem, answer: dict[str, Array], earlier: dict[str, dict[str, Any]]
) -> Any:
    """Sentences, one after the other; empty ones for what is as expected."""
    for name, value in case.numbers.items():
        if name not in answer:
            yield f"{name} did not come"
            return
        came = answer[name]
        if case.look_at and came.ndim == 3:
            came = came[:, case.look_at]
        expected = decode(value)
        if name == "outputs" and came.shape == expected.shape and not case.look_at:
            came = np.where(problem.counts()[..., None], came, expected)  # the rest: "zeros past each length"
        yield compare(name, came, expected, case.tolerance)
    for name, choice in case.choices.items():
        if name not in answer:
            yield f"{name} did not come"
            return
        yield choose(name, answer[name], [decode(one) for one in choice["of"]], choice["by"], case.tolerance)
    for identity in case.exactly:
        yield check_identity(identity, problem, answer)
    if case.same_as:
        other = earlier.get(case.same_as, {"say": "missing"})
        if other["say"] != "answer":
            yield f"{case.same_as} was not answered, and this is to be the same"
            return
        for name, value in other["numbers"].items():
            fault = compare(name, answer.get(name, np.zeros(0)), decode(value), case.tolerance)
            yield f"not as {case.same_as}: {fault}" if fault else ""


def compare(name: str, came: Array, expected: Array, tolerance: float) -> str:
    """Where two arrays differ most, if by more than the tolerance."""
    if came.shape != expected.shape:
        return f"{name}: shape {list(came.shape)} came, {list(expected.shape)} was expected"
    if not expected.size:
        return ""
    known = np.isfinite(expected)
    scale = max(1.0, float(np.abs(expected[known]).max(initial=0)))
    error = np.where(np.isfinite(came) & known, np.abs(came - expected) / scale, np.inf)
    error[~known & np.isnan(came)] = 0
    if error.max() <= tolerance:
        return ""
    where = np.unravel_index(int(error.argmax()), error.shape)
    at = ", ".join(str(int(k)) for k in where)
    return f"{name}: {came[where]:.6g} came at [{at}], {expected[where]:.6g} was expected"


def choose(name: str, came: Array, candidates: list[Array], by: str, tolerance: float) -> str:
    """Whether each row, or each element, is that of a candidate, and each candidate was met."""
    if any(came.shape != one.shape for one in candidates):
        return f"{name}: shape {list(came.shape)} came, {list(candidates[0].shape)} was expected"
    near: Any = np.stack(
        [np.abs(came - one) <= tolerance * max(1.0, np.abs(one).max()) for one in candidates]
    )
    if by == "row":
        near = near.reshape(len(candidates), len(came), -1).all(axis=2)
    if not near.any(axis=0).all():
        n = int(np.argwhere(~near.any(axis=0))[0][0])
        return f"{name}: what came in row {n} is none of the {len(candidates)} that dropout there can give"
    if not near.reshape(len(candidates), -1).any(axis=1).all():
        return f"{name}: of {len(candidates)} results that dropout there gives some never came"
    return ""
