"""A reinforcement learner that goes step by step where episodes begin: one call with resets in its place.

The policy is sb3-contrib's with one method of its own; sequences that go on start from the states of the
rollout, and episodes that begin in their middle from zeros.
"""

import time
from importlib.util import find_spec

import torch

import unrolled

if find_spec("sb3_contrib") is None:
    raise SystemExit("this example needs sb3-contrib: pip install sb3-contrib")

from sb3_contrib import RecurrentPPO
from sb3_contrib.common.recurrent.policies import RecurrentActorCriticPolicy
from sb3_contrib.common.recurrent.type_aliases import RNNStates


class OneCallPolicy(RecurrentActorCriticPolicy):
    """The same policy; `unrolled.accelerate` has given its LSTMs the resets."""

    @staticmethod
    def _process_sequence(features, lstm_states, episode_starts, lstm):
        sequences = lstm_states[0].shape[1]
        steps = features.reshape(sequences, -1, lstm.input_size).swapaxes(0, 1)
        outputs, lstm_states = lstm(
            steps,
            lstm_states,
            resets=episode_starts.reshape(sequences, -1).bool(),
            reset_hx=tuple(map(torch.zeros_like, lstm_states)),
        )
        return outputs.swapaxes(0, 1).flatten(0, 1), lstm_states


agent = RecurrentPPO("MlpLstmPolicy", "Pendulum-v1", n_steps=64, batch_size=64, seed=0, device="cpu")
ours = RecurrentPPO(OneCallPolicy, "Pendulum-v1", n_steps=64, batch_size=64, seed=0, device="cpu")
unrolled.accelerate(ours.policy)
ours.policy.load_state_dict(agent.policy.state_dict())

N, T = 16, 128
observations, actions = torch.randn(N * T, 3), torch.zeros(N * T, 1)
episode_starts = (torch.rand(N * T) < 0.02).float()
rollout = tuple(torch.randn(1, N, 256) for _ in range(2))
states = RNNStates(rollout, rollout)


def update(policy):
    """What a step of training computes: values, and the gradients of a loss."""
    policy.zero_grad()
    values, log_prob, _ = policy.evaluate_actions(observations, actions, states, episode_starts)
    (values.square().mean() - log_prob.mean()).backward()
    return values.detach(), [weight.grad for weight in policy.parameters() if weight.grad is not None]


(values, gradients), (our_values, our_gradients) = update(agent.policy), update(ours.policy)
difference = max(
    float((ours - theirs).abs().max() / theirs.abs().max())
    for ours, theirs in zip([our_values, *our_gradients], [values, *gradients], strict=True)
)
print(f"values and gradients differ by {difference:.0e}, relatively")
assert difference < 1e-4

seconds = {"step by step": [], "one call": []}
for _ in range(5):
    for name, policy in (("step by step", agent.policy), ("one call", ours.policy)):
        start = time.perf_counter()
        update(policy)
        seconds[name].append(time.perf_counter() - start)
for name, taken in seconds.items():
    print(f"{name}: {1000 * min(taken):.0f} ms")
ours.learn(128)  # and so it trains
