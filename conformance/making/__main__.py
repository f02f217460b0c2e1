"""Write the cases' files anew: `python -m conformance.making`."""

from __future__ import annotations

import json

from conformance.case import CASES, Case
from conformance.making import sequences, steps, surroundings, toolbox
from conformance.making.build import as_data

FAMILIES = {
    "1-gates": [steps.gates],
    "2-steps": [steps.cells, steps.biases, steps.options],
    "3-derivatives": [steps.gradients, steps.second],
    "4-sequences": [sequences.lengths, sequences.padding, sequences.masks, sequences.resets],
    "5-networks": [sequences.directions, sequences.stacks, sequences.every_step, surroundings.dropout],
    "6-arrays": [
        surroundings.dtypes,
        surroundings.layouts,
        surroundings.empty,
        surroundings.long,
        surroundings.extremes,
    ],
    "7-conduct": [surroundings.paths, surroundings.refusals],
    "8-toolbox": [toolbox.toolbox],
}


def cases() -> dict[str, list[Case]]:
    """Every case, by the file that it stands in."""
    return {name: [case for family in families for case in family()] for name, families in FAMILIES.items()}


if __name__ == "__main__":
    for name, found in cases().items():
        lines = ",\n".join(json.dumps(as_data(case), separators=(",", ":")) for case in found)
        (CASES / f"{name}.json").write_text(f"[\n{lines}\n]\n")
        print(f"{name}: {len(found)} cases")
