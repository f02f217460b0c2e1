"""Values that do not belong where they stand, and JSON in which one of them does."""

import copy
import json

from hypothesis import strategies as st

STRANGE = (
    *(None, True, False, -1, 0, 1, 3, 7, 2**31, 2**53, 2**63, 2**70, 10**9, 10**400, -(2**40)),
    *(0.5, -0.0, 1e-320, 1e308, 1.5, "", "x", "3", "lstm", "\0", "\ud800", "a" * 10_000, "../../x", "\n"),
    *([], {}, [[]], [0], ["x"], {"x": 1}, {"": {}}, [["lstm", 7]], [["lstm", 7, {"cell_clip": -1}]]),
    [["gru", 9, {"reset": "sideways"}]] * 3,
    float("nan"),
    float("inf"),
)


@st.composite
def mutated(draw, values):
    """The JSON text of `values` with one to three strange things in it."""
    values = copy.deepcopy(values)
    for _ in range(draw(st.integers(1, 3))):
        holder, key = draw(st.sampled_from(places(values)))
        match draw(st.sampled_from(["replace", "replace", "replace", "remove", "add", "deep"])):
            case "replace":
                holder[key] = copy.deepcopy(draw(st.sampled_from(STRANGE)))
            case "remove":
                del holder[key]
            case "add":
                extra = copy.deepcopy(draw(st.sampled_from(STRANGE)))
                holder.append(extra) if isinstance(holder, list) else holder.update(warmth=extra)
            case _:
                deep = holder[key]
                for _ in range(draw(st.sampled_from([1, 2, 500]))):
                    deep = [deep]
                holder[key] = deep
        if not places(values):
            break
    text = json.dumps(values)
    match draw(st.sampled_from([*["as it is"] * 6, "twice", "cut", "very deep", "huge"])):
        case "twice":
            text = text.replace("{", '{"name": 1, "seed": 2, "epoch": 3, "name": 1, ', 1)
        case "cut":
            text = text[: draw(st.integers(0, len(text)))]
        case "very deep":
            text = text.replace(": ", ': {"x": ' + "[" * 100_000, 1)
        case "huge":
            text = text.replace(": ", ": " + "9" * 5000, 1)
    return text


def places(values):
    """Everything in nested values, as its holder and its key there."""
    keys = values.keys() if isinstance(values, dict) else range(len(values))
    found = []
    for key in list(keys):
        found.append((values, key))
        if isinstance(values[key], (dict, list)):
            found += places(values[key])
    return found
