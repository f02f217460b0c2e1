"""Loops that are recurrent layers, recognised by what their steps compute.

`dynamic_rnn` makes a loop with a counter or two, an array of outputs and the states. A loop is taken for
layers of cells only if each of its nodes has its place in them: names mean nothing, and one node more makes
it a loop as any other.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

from torch import Tensor

from unrolled.tf1.graphs.plan import ENTER, EXIT, MERGE, NEXT, SWITCH, Step
from unrolled.tf1.graphs.recurrent_loop import LayerOfLoop, Outputs, RecurrentLoop, Value, Variable

SUMS = ("Add", "AddV2", "BiasAdd")
READS = ("TensorArrayRead", "TensorArrayReadV2", "TensorArrayReadV3")
WRITES = ("TensorArrayWrite", "TensorArrayWriteV2", "TensorArrayWriteV3")

# More is no layer of cells, and would only take time: steps, what a loop hands on, nodes that hand on.
MOST_STEPS, MOST_VARIABLES, MOST_HANDED_ON = 5000, 200, 20


class UnlikeError(Exception):
    """The loop is no recurrent layer."""


Sources = Mapping[int, Sequence["Value | None"]]


def recognised(enters: list[Step], sources: Sources) -> RecurrentLoop | None:
    """The layers that a loop is, None if it is anything else.

    Args:
        enters: all steps that lead into it.
        sources: for each step, by its index, what its inputs come from.
    """
    try:
        return _Body(enters, sources).loop()
    except UnlikeError:
        return None


class _Body:
    def __init__(self, enters: list[Step], sources: Sources) -> None:
        self.sources, self.enters = sources, enters
        self.seen: set[int] = set()
        self.inside = {step.index: step for step in self.enters}
        waiting = list(self.enters)
        while waiting:
            step = waiting.pop()
            if step.kind == EXIT:
                continue
            if len(self.inside) > MOST_STEPS:
                raise UnlikeError
            for target in [*step.after, *(target for targets in step.targets for target, _ in targets)]:
                if target.index not in self.inside:
                    if target.kind == ENTER:  # of another loop within
                        raise UnlikeError
                    self.inside[target.index] = target
                    waiting.append(target)
        if any(step.fetched for step in self.inside.values() if step.kind != EXIT):
            raise UnlikeError
        self.selector: Value | None = None
        self.to_the_end = False  # whether a state goes on at every step

    def loop(self) -> RecurrentLoop:
        conditions = {self.source(step, 1) for step in self.inside.values() if step.kind == SWITCH}
        if len(conditions) != 1:
            raise UnlikeError
        (condition,) = conditions
        switches = [step for step in self.inside.values() if step.kind == SWITCH]
        if len(switches) > MOST_VARIABLES:
            raise UnlikeError
        self.variables = [self.variable(switch) for switch in switches]
        self.places = {variable.switch.index: place for place, variable in enumerate(self.variables)}
        bounds = self.bounds(self.source(self.take(condition, "LoopCond"), 0))
        self.counters = {counter for counter, _ in bounds}
        for counter in self.counters:
            self.check_counts(counter)
        flows = [p for p, v in enumerate(self.variables) if v.next[0].node and v.next[0].node.op in WRITES]
        if len(flows) > 1:
            raise UnlikeError
        if not flows:
            return self.of_states(bounds)
        (flow,) = flows
        write = self.take(self.variables[flow].next, *WRITES)
        y = self.invariant(self.value(write, 0))
        self.check_is_time(self.value(write, 1))
        self.check_is_variable(self.value(write, 3), flow)
        said = self.value(write, 2)
        zeros = None
        if said[0].node is not None and said[0].node.op == "Select":
            kept, said = self.selected(said)
            zeros = self.invariant(kept)
        layers, x = self.layers(said)
        lengths = self.lengths()
        if (lengths is None) != (zeros is None):
            raise UnlikeError
        self.check_whole([*self.counters, flow, *(place for layer in layers for place in layer.states)])
        outputs = Outputs(y, flow, zeros)
        return RecurrentLoop(self.variables, bounds, x, outputs, lengths, layers[::-1], self.enters)

    def of_states(self, bounds: list[tuple[int, Step]]) -> RecurrentLoop:
        """The loop if nothing needs its outputs: one of the states is the h of the highest layer."""
        seen = set(self.seen)
        for place, variable in enumerate(self.variables):
            self.seen, self.selector, self.to_the_end = set(seen), None, False
            if place in self.counters:
                continue
            try:
                top = variable.next
                if top[0].node is not None and top[0].node.op == "Select":
                    _, top = self.selected(top)
                layers, x = self.layers(top)
                lengths = self.lengths()
                self.check_whole([*self.counters, *(place for layer in layers for place in layer.states)])
            except UnlikeError:
                continue
            return RecurrentLoop(self.variables, bounds, x, None, lengths, layers[::-1], self.enters)
        raise UnlikeError

    def check_whole(self, places: list[int]) -> None:
        """That each variable has its place once, and that no node of the loop does anything else."""
        if sorted(places) != list(range(len(self.variables))) or self.seen != set(self.inside):
            raise UnlikeError

    def source(self, step: Step, place: int) -> Value:
        sources = self.sources[step.index]
        source = sources[place] if place < len(sources) else None
        if source is None:
            raise UnlikeError
        return source

    def value(self, step: Step, place: int) -> Value:
        """What an input is, before nodes that only hand on."""
        source = self.source(step, place)
        for _ in range(MOST_HANDED_ON):
            handing, _ = source
            if handing.index not in self.inside or handing.node is None or handing.node.op != "Identity":
                return source
            self.seen.add(handing.index)
            source = self.source(handing, 0)
        raise UnlikeError

    def take(self, value: Value, *ops: str, output: int = 0) -> Step:
        """The step that a value comes from, which must be one of these operators and inside the loop."""
        step, came = value
        if step.node is None or step.node.op not in ops or step.index not in self.inside or came != output:
            raise UnlikeError
        self.seen.add(step.index)
        return step

    def variable(self, switch: Step) -> Variable:
        merge, _ = self.source(switch, 0)
        if merge.kind != MERGE or merge.arity != 2 or switch.waits != 2 or merge.waits != 2:
            raise UnlikeError
        enter, following = self.source(merge, 0)[0], self.source(merge, 1)[0]
        if enter.kind != ENTER or enter.constant or following.kind != NEXT or following.waits != 1:
            raise UnlikeError
        exits = [target for target, _ in (switch.targets[0] if switch.targets else [])]
        if len(exits) > 1 or any(step.kind != EXIT for step in exits):
            raise UnlikeError
        self.seen |= {step.index for step in (switch, merge, enter, following, *exits)}
        return Variable(enter, switch, self.value(following, 0), exits[0] if exits else None)

    def bounds(self, condition: Value) -> list[tuple[int, Step]]:
        """The counters, of which one or two stay below something, and what."""
        if condition[0].node is not None and condition[0].node.op == "LogicalAnd":
            both = self.take(condition, "LogicalAnd")
            return [self.bound(self.value(both, 0)), self.bound(self.value(both, 1))]
        return [self.bound(condition)]

    def bound(self, condition: Value) -> tuple[int, Step]:
        less = self.take(condition, "Less")
        merge, _ = self.value(less, 0)
        for place, variable in enumerate(self.variables):
            if self.source(variable.switch, 0)[0] is merge:
                return place, self.invariant(self.value(less, 1))
        raise UnlikeError

    def check_counts(self, place: int) -> None:
        """That a variable is one more at each step."""
        more = self.take(self.variables[place].next, *SUMS)
        self.check_is_variable(self.value(more, 0), place)
        if self.constant(self.value(more, 1)) != 1:
            raise UnlikeError

    def place(self, value: Value) -> int:
        """Which variable a value is."""
        if value[1] != 1 or value[0].index not in self.places:
            raise UnlikeError
        return self.places[value[0].index]

    def check_is_variable(self, value: Value, place: int) -> None:
        if self.place(value) != place:
            raise UnlikeError

    def check_is_time(self, value: Value) -> None:
        if self.place(value) not in self.counters:
            raise UnlikeError

    def invariant(self, value: Value) -> Step:
        """Where a value enters that is the same at every step."""
        step, _ = value
        if step.kind != ENTER or not step.constant:
            raise UnlikeError
        self.seen.add(step.index)
        return step

    def constant(self, value: Value) -> float:
        node = self.take(value, "Const").node
        tensor = node.tensor("value") if node is not None else None
        if not isinstance(tensor, Tensor) or tensor.numel() != 1:
            raise UnlikeError
        return float(tensor)

    def selected(self, value: Value) -> tuple[Value, Value]:
        """What is kept past a length, and what is new before it."""
        select = self.take(value, "Select")
        selector = self.value(select, 0)
        if self.selector not in (None, selector):
            raise UnlikeError
        self.selector = selector
        return self.value(select, 1), self.value(select, 2)

    def lengths(self) -> Step | None:
        if self.selector is None:
            return None
        past = self.take(self.selector, "GreaterEqual")
        self.check_is_time(self.value(past, 0))
        return self.invariant(self.value(past, 1))

    def layers(self, top: Value) -> tuple[list[LayerOfLoop], Step]:
        """The layers from the one that gives `top` down, and where the array enters that the lowest reads."""
        layers: list[LayerOfLoop] = []
        for _ in self.variables:
            layer, x = self.layer(top)
            layers.append(layer)
            if x[0].node is not None and x[0].node.op in READS:
                read = self.take(x, *READS)
                self.check_is_time(self.value(read, 1))
                self.invariant(self.value(read, 2))
                return layers, self.invariant(self.value(read, 0))
            top = x
        raise UnlikeError

    def layer(self, y: Value) -> tuple[LayerOfLoop, Value]:
        readers: dict[str, Callable[[Value], tuple[LayerOfLoop, Value]]] = {
            "Mul": self.lstm,
            "Tanh": self.rnn,
            **dict.fromkeys(SUMS, self.gru),
        }
        op = y[0].node.op if y[0].node is not None else ""
        if op not in readers:
            raise UnlikeError
        return readers[op](y)

    def state(self, new: Value, old: Value) -> int:
        """The place of a state whose next value is `new`, and was `old`."""
        place = self.place(old)
        following = self.variables[place].next
        if following != new:
            kept, following = self.selected(following)
            self.check_is_variable(kept, place)
        else:
            self.to_the_end = True
        if following != new or (self.to_the_end and self.selector is not None):
            raise UnlikeError  # all states stop at a length, or none
        return place

    def lstm(self, y: Value) -> tuple[LayerOfLoop, Value]:
        """h' = tanh(c') σ(o), c' = c σ(f + forget_bias) + σ(i) tanh(j)."""
        shown, gate = self.ordered(self.take(y, "Mul"), "Tanh", "Sigmoid")
        c_new = self.value(shown, 0)
        split = self.value(gate, 0)[0]
        terms = [self.take(self.value(self.take(c_new, *SUMS), place), "Mul") for place in (0, 1)]
        kept, new = terms if self.has(terms[1], "Tanh") else terms[::-1]
        candidate, i = self.ordered(new, "Tanh", "Sigmoid")
        f, c = self.with_op(kept, "Sigmoid")
        forget, forget_bias = self.value(f, 0), 0.0
        if forget[0] is not split:
            forget, forget_bias = self.plus_constant(forget)
        gates = [self.value(i, 0), self.value(candidate, 0), forget, self.value(gate, 0)]
        if gates != [(split, number) for number in range(4)]:
            raise UnlikeError
        x, h, weights = self.product(self.value(self.split((split, 0), 4), 1))
        states = self.state(y, h), self.state(c_new, c)
        return LayerOfLoop("lstm", weights, states, forget_bias), x

    def gru(self, y: Value) -> tuple[LayerOfLoop, Value]:
        """h' = u h + (1 - u) tanh([x, r h] W + b), r, u = σ([x, h] W' + b')."""
        terms = [self.take(self.value(self.take(y, *SUMS), place), "Mul") for place in (0, 1)]
        kept, new = terms if self.has(terms[1], "Tanh") else terms[::-1]
        tanh, rest = self.with_op(new, "Tanh")
        minus = self.take(rest, "Sub")
        u = self.value(minus, 1)
        if self.constant(self.value(minus, 0)) != 1 or u[1] != 1:
            raise UnlikeError
        h = next((v for v, w in self.pairs(kept) if w == u), None)
        if h is None:
            raise UnlikeError
        x, reset, candidate = self.product(self.value(tanh, 0))
        if not any(pair == ((u[0], 0), h) for pair in self.pairs(self.take(reset, "Mul"))):
            raise UnlikeError
        sigmoid = self.take(self.value(self.split((u[0], 0), 2), 1), "Sigmoid")
        x_of_gates, h_of_gates, gates = self.product(self.value(sigmoid, 0))
        if (x_of_gates, h_of_gates) != (x, h):
            raise UnlikeError
        weights = {f"gates/{name}": step for name, step in gates.items()}
        weights |= {f"candidate/{name}": step for name, step in candidate.items()}
        return LayerOfLoop("gru", weights, (self.state(y, h),)), x

    def rnn(self, y: Value) -> tuple[LayerOfLoop, Value]:
        """h' = tanh([x, h] W + b)."""
        x, h, weights = self.product(self.value(self.take(y, "Tanh"), 0))
        return LayerOfLoop("rnn", weights, (self.state(y, h),)), x

    def pairs(self, step: Step) -> list[tuple[Value, Value]]:
        """The two inputs of a step, in both orders."""
        one, other = self.value(step, 0), self.value(step, 1)
        return [(one, other), (other, one)]

    def has(self, step: Step, op: str) -> bool:
        return any(v[0].node is not None and v[0].node.op == op for v, _ in self.pairs(step))

    def with_op(self, step: Step, op: str) -> tuple[Step, Value]:
        """The input that is of an operator, and the other."""
        for one, other in self.pairs(step):
            if one[0].node is not None and one[0].node.op == op:
                return self.take(one, op), other
        raise UnlikeError

    def ordered(self, step: Step, first: str, second: str) -> tuple[Step, Step]:
        one, other = self.with_op(step, first)
        return one, self.take(other, second)

    def plus_constant(self, value: Value) -> tuple[Value, float]:
        for one, other in self.pairs(self.take(value, *SUMS)):
            if other[0].node is not None and other[0].node.op == "Const":
                return one, self.constant(other)
        raise UnlikeError

    def split(self, value: Value, parts: int) -> Step:
        split = self.take(value, "Split")
        is_right = split.node is not None and split.node.integer("num_split") == parts
        if not is_right or self.constant(self.value(split, 0)) != 1:
            raise UnlikeError
        return split

    def product(self, value: Value) -> tuple[Value, Value, dict[str, Step]]:
        """x, h and the weights of [x, h] W + b."""
        total = self.take(value, *SUMS)
        matmul = self.take(self.value(total, 0), "MatMul")
        node = matmul.node
        if node is None or node.flag("transpose_a") or node.flag("transpose_b"):
            raise UnlikeError
        weights = {
            "kernel": self.invariant(self.value(matmul, 1)),
            "bias": self.invariant(self.value(total, 1)),
        }
        joint = self.take(self.value(matmul, 0), "ConcatV2")
        if joint.arity != 3 or self.constant(self.value(joint, 2)) != 1:
            raise UnlikeError
        return self.value(joint, 0), self.value(joint, 1), weights
