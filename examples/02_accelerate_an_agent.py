"""An agent with an LSTM, unchanged but for one call: the same actions from the same weights.

It acts one step at a time, which stays torch.nn's work; whole sequences in its training go to the kernels.
"""

from importlib.util import find_spec

import torch

import unrolled

if find_spec("sb3_contrib") is None:
    raise SystemExit("this example needs sb3-contrib: pip install sb3-contrib")

from sb3_contrib import RecurrentPPO
from sb3_contrib.common.recurrent.type_aliases import RNNStates

agent = RecurrentPPO("MlpLstmPolicy", "Pendulum-v1", n_steps=64, batch_size=64, seed=0, device="cpu")
agent.learn(64)

T = 50
observations, actions, episode_starts = torch.randn(T, 3), torch.zeros(T, 1), torch.zeros(T)
zeros = torch.zeros(1, 1, 256)
states = RNNStates((zeros, zeros), (zeros, zeros))


@torch.no_grad()
def values():
    return agent.policy.evaluate_actions(observations, actions, states, episode_starts)[0]


before = values()
unrolled.accelerate(agent.policy, verbose=True)
difference = float((values() - before).abs().max() / before.abs().max())
print(f"the values differ by {difference:.0e}, relatively")
assert difference < 1e-5
agent.learn(64)  # the optimizer still holds the same parameters
