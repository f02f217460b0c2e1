"""A wrong implementation fails, and fails where it is wrong."""

import pytest

from conformance.case import load
from conformance.check import FAILED, PASSED, judge
from conformance.protocol import answer
from tests.conformance.wrong_runner import WRONG

CASES = {case.name: case for case in load()}
# Which cases each of them must fail.
FAILS = {
    "lstm gates i, f swapped": ["gates/lstm-input-W", "gates/lstm-forget-U", "cells/lstm-from-a-state"],
    "lstm gates f, o swapped": ["gates/lstm-forget-W", "gates/lstm-output-U", "cells/lstm-one-step"],
    "lstm gates g, o swapped": ["gates/lstm-candidate-U", "gates/lstm-output-W"],
    "gru gates r, z swapped": ["gates/gru-after-reset-W", "gates/gru-before-update-U"],
    "gru gates z, n swapped": ["gates/gru-after-update-U", "gates/gru-before-candidate-W"],
    "forget bias lost": ["options/lstm-forget-bias-1", "options/lstm-forget-bias-negative"],
    "cell clip lost": ["options/lstm-cell-clip", "options/lstm-everything"],
    "projection clip lost": ["options/lstm-projection-clip"],
    "activation lost": ["cells/relu-rnn-from-zeros"],
    "reset elsewhere": ["cells/gru-after-from-a-state", "cells/gru-before-one-step"],
    "lengths ignored": ["lengths/lstm-ragged", "lengths/gru-after-a-length-of-0", "toolbox/V2-lstm"],
    "initial state ignored": ["cells/rnn-from-a-state", "gradients/lstm-initial-state"],
    "padding leaks": ["padding/lstm-nan-outputs", "padding/rnn-nan-gradients"],
    "projection transposed": ["options/lstm-projection", "toolbox/V15-projection"],
    "peepholes mixed": ["options/lstm-peephole", "options/lstm-peephole-gradients"],
    "second bias lost": ["biases/lstm-two", "biases/gru-after-the-second-of-n-is-reset"],
    "recurrent weights transposed": ["gates/lstm-input-U", "cells/rnn-from-zeros", "gates/gru-after-reset-U"],
    "backward outputs reversed": ["directions/lstm-backward", "directions/gru-after-both"],
    "final state of the last step": ["lengths/rnn-ragged", "toolbox/V2-gru-before"],
    "outputs past a length not zeroed": ["lengths/lstm-zeros-past-each-length", "toolbox/V1-gru-after"],
    "nothing refused": ["refusals/lengths-too-few", "refusals/input-width", "refusals/state-width"],
    "output dropout in the state": ["dropout/output-leaves-the-state", "toolbox/V5-with-dropout"],
    "clip after the output": ["options/lstm-cell-clip", "options/lstm-cell-clip-peephole"],
}


def verdict(name, implementation):
    case = CASES[name]
    earlier = {}
    for other in (case.twin, case.same_as):
        if other:
            earlier[other] = ask(other, implementation)
    return judge(case, ask(name, implementation), earlier)


def ask(name, implementation):
    return answer({"case": name, "problem": CASES[name].problem}, WRONG[implementation])


@pytest.mark.parametrize("implementation", FAILS)
def test_what_is_wrong_fails_the_cases_that_are_about_it(implementation):
    for name in FAILS[implementation]:
        found = verdict(name, implementation)
        assert found.kind == FAILED, (name, found)
        assert found.sentence


# The definition itself neither refuses nor drops out.
RIGHT = {name for names in FAILS.values() for name in names if not name.startswith(("refusals/", "dropout/"))}


@pytest.mark.parametrize("name", sorted(RIGHT - {"toolbox/V5-with-dropout"}))
def test_the_definition_passes_them(name):
    assert verdict(name, "right").kind == PASSED


def test_every_wrong_implementation_is_tried():
    assert set(FAILS) == set(WRONG) - {"right"}
