"""A sequence that has not ended yet: one step at a time, the state kept, handed over and begun anew."""

import torch

import unrolled

torch.manual_seed(0)
cell = unrolled.StackedCell([unrolled.LSTMCell(3, 32), unrolled.GRUCell(32, 8)])
whole = torch.randn(2, 50, 3)  # two sensors; what they will have said in the end

stream = unrolled.Stream(cell)
for t in range(30):
    output = stream.step(whole[:, t])  # [2, 3] in, [2, 8] out
print(f"after 30 steps, the first sensor: {[round(number, 3) for number in output[0].tolist()]}")

# Steps and whole sequences are the same bits, and the state can be handed from one to the other.
with torch.no_grad():
    outputs, _ = unrolled.dynamic_unroll(cell, whole)
    rest, _ = unrolled.dynamic_unroll(cell, whole[:, 30:], state=stream.state)
assert torch.equal(output, outputs[:, 29])
assert torch.equal(rest, outputs[:, 30:])

# A copy of the state is a place to come back to.
kept = stream.state
first = stream.step(whole[:, 30])
stream.state = kept
assert torch.equal(stream.step(whole[:, 30]), first)

# The second sensor is switched off and on: it begins anew, the first one goes on.
again = stream.step(whole[:, 31], resets=[False, True])
fresh = unrolled.Stream(cell).step(whole[:, 31])
assert torch.equal(again[0], outputs[0, 31])
assert torch.equal(again[1], fresh[1])
print("the second sensor has begun anew, the first has gone on")
