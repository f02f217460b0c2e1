"""Encoders, decoders and attention: what each batch changes, where loops end, and what is refused."""

import copy
import pickle

import pytest
import torch

from tests.tolerances import assert_close, assert_equal
from unrolled import tf1
from unrolled.tf1 import legacy_seq2seq as legacy
from unrolled.tf1 import seq2seq

N, T, I, H, CLASSES = 3, 5, 4, 6, 7
LENGTHS = [5, 0, 2]


def decoder(helper, cell=None, layer=None):
    return seq2seq.BasicDecoder(cell or tf1.GRUCell(H), helper, torch.zeros(N, H), layer)


def test_a_decoder_on_given_inputs_is_dynamic_rnn():
    x, cell = torch.randn(N, T, I), tf1.GRUCell(H)
    expected, state = tf1.dynamic_rnn(cell, x, LENGTHS, dtype="float32")
    for time_major in (False, True):
        inputs = x.transpose(0, 1) if time_major else x
        helper = seq2seq.TrainingHelper(inputs, LENGTHS, time_major)
        outputs, final, lengths = seq2seq.dynamic_decode(
            decoder(helper, cell), output_time_major=time_major, impute_finished=True
        )
        came = outputs.rnn_output.transpose(0, 1) if time_major else outputs.rnn_output
        assert_close(came, expected)
        assert_close(final, state)
        # As in TensorFlow a sequence of no steps has ended before the first.
        assert lengths.tolist() == LENGTHS
        assert lengths.dtype == torch.int32


def test_the_attention_wrapper_runs_in_every_loop_and_in_stacks():
    memory, x = torch.randn(N, 3, 2), torch.randn(N, T, I)
    attention = seq2seq.LuongAttention(H)
    cell = tf1.MultiRNNCell([seq2seq.AttentionWrapper(tf1.GRUCell(H), attention), tf1.GRUCell(2)])
    attention.setup_memory(memory, [3, 1, 2])
    outputs, states = tf1.dynamic_rnn(cell, x, LENGTHS, dtype="float32")
    steps, other = tf1.static_rnn(cell, x.unbind(1), dtype="float32", sequence_length=LENGTHS)
    assert_equal(torch.stack(steps, 1), outputs)
    assert_equal(other[0].alignments, states[0].alignments)
    assert not outputs[1].any()
    assert_close(states[0].alignments.sum(1), torch.tensor([1.0, 0.0, 1.0]))
    alone, _ = tf1.dynamic_rnn(
        tf1.DropoutWrapper(cell.cells[0]), x, LENGTHS, initial_state=cell.cells[0].zero_state(N, "float32")
    )
    assert alone.shape == (N, T, 2)


def test_a_mechanism_keeps_its_weights_when_the_memory_changes():
    attention = seq2seq.BahdanauAttention(5, torch.randn(N, 3, 2))
    cell = seq2seq.AttentionWrapper(tf1.GRUCell(H), attention, attention_layer_size=4)
    tf1.dynamic_rnn(cell, torch.randn(N, T, I), dtype="float32")
    before = dict(cell.named_parameters())
    attention.setup_memory(torch.randn(2, 9, 2), [9, 4])
    _, state = tf1.dynamic_rnn(cell, torch.randn(2, T, I), dtype="float32")
    assert state.alignments.shape == (2, 9)
    assert dict(cell.named_parameters()) == before
    assert len(before) == 4 + 3 + 1
    for other in (copy.deepcopy(cell), pickle.loads(pickle.dumps(cell))):
        assert [name for name, _ in other.named_parameters()] == list(before)


def test_what_lies_behind_a_memorys_length_reaches_nothing():
    memory = torch.randn(N, 4, 2)
    memory[1, 1:] = torch.nan
    memory.requires_grad_()
    attention = seq2seq.BahdanauAttention(5, memory, [4, 1, 2])
    alignments, _ = attention(torch.randn(N, 3))
    (alignments @ attention.values.sum(2).unsqueeze(2)[0]).sum().backward()
    assert alignments[1].tolist() == [1, 0, 0, 0]
    assert not memory.grad.isnan().any()


def test_a_history_has_the_alignments_of_each_step():
    attention = seq2seq.LuongAttention(H, torch.randn(N, 3, 2))
    cell = seq2seq.AttentionWrapper(tf1.GRUCell(H), attention, alignment_history=True)
    _, state = tf1.dynamic_rnn(cell, torch.randn(N, T, I), dtype="float32")
    assert state.alignment_history.stack().shape == (T, N, 3)
    assert_equal(state.alignment_history.read(T - 1), state.alignments)
    assert int(state.time) == T


def test_greedy_decoding_ends_with_the_end_token():
    """A cell that counts: the state's largest entry moves on by one at each step."""

    class Counter(tf1.RNNCell):
        state_size = output_size = CLASSES

        def call(self, inputs, state):
            return inputs.roll(1, 1), state

    helper = seq2seq.GreedyEmbeddingHelper(torch.eye(CLASSES), [0, 3, 4], end_token=5)
    outputs, _, lengths = seq2seq.dynamic_decode(
        seq2seq.BasicDecoder(Counter(), helper, torch.zeros(N, CLASSES))
    )
    assert lengths.tolist() == [5, 2, 1]
    assert outputs.sample_id[0].tolist() == [1, 2, 3, 4, 5]
    assert outputs.sample_id[1, :2].tolist() == [4, 5]


def test_samples_are_drawn_from_the_outputs_distribution_and_a_seed_repeats_them():
    logits = torch.tensor([0.2, 0.3, 0.5]).log().expand(4000, 3)
    draws = []
    for seed in (1, 1, 2):
        helper = seq2seq.SampleEmbeddingHelper(torch.eye(3), [0] * 4000, 2, seed=seed)
        draws.append(helper.sample(0, logits, None))
    shares = torch.bincount(draws[0]) / 4000
    torch.testing.assert_close(shares, torch.tensor([0.2, 0.3, 0.5]), rtol=0, atol=0.03)
    assert_equal(draws[0], draws[1])
    assert not torch.equal(draws[0], draws[2])
    cold = seq2seq.SampleEmbeddingHelper(torch.eye(3), [0] * 4000, 2, softmax_temperature=0.01)
    assert bool((cold.sample(0, logits, None) == 2).all())


def test_a_decoder_of_no_steps_has_outputs_of_no_steps():
    layer = tf1.Dense(CLASSES)
    for helper, most in (
        (seq2seq.TrainingHelper(torch.ones(N, T, I), [0, 0, 0]), None),
        (seq2seq.TrainingHelper(torch.ones(N, T, I), [5, 5, 5]), 0),
    ):
        outputs, state, lengths = seq2seq.dynamic_decode(
            decoder(helper, layer=layer), maximum_iterations=most
        )
        assert outputs.rnn_output.shape == (N, 0, CLASSES)
        assert outputs.sample_id.shape == (N, 0)
        assert lengths.tolist() == [0, 0, 0]
        assert not state.any()


def test_a_decoder_of_your_own_has_the_last_word():
    class Mine(seq2seq.Decoder):
        tracks_own_finished = True

        def initialize(self, name=None):
            return torch.tensor([False, True]), torch.zeros(2, 1), torch.zeros(2, 1)

        def step(self, time, inputs, state, name=None):
            return inputs + time, state + 1, inputs, torch.tensor([time >= 2, time >= 1])

        def finalize(self, outputs, final_state, sequence_lengths):
            return outputs * 10, final_state * sequence_lengths.unsqueeze(1)

    outputs, state, lengths = seq2seq.dynamic_decode(Mine())
    assert outputs[:, :, 0].tolist() == [[0, 10, 20], [0, 10, 20]]
    assert lengths.tolist() == [3, 2]  # the second had ended, and went on after the first step
    assert state.tolist() == [[9], [6]]


def test_two_calls_with_one_scope_share_the_variables_and_two_scopes_nothing():
    symbols, cell = torch.tensor([[1, 2], [0, 3], [4, 4]]).unbind(1), tf1.GRUCell(H)

    def run(scope, cell=cell):
        outputs, _ = legacy.embedding_attention_seq2seq(symbols, symbols, cell, CLASSES, 5, 2, scope=scope)
        return torch.stack(outputs)

    scope = tf1.VariableScope()
    first = run(scope)
    count = len(list(scope.parameters()))
    assert_equal(run(scope), first)
    assert len(list(scope.parameters())) == count
    other = tf1.VariableScope()
    assert not torch.equal(run(other, tf1.GRUCell(H)), first)
    other.assign(scope.variables)
    twin = copy.deepcopy(other)
    assert_close(run(other, other._sources["cell of rnn"]), first)
    assert list(twin.variables) == list(scope.variables)
    assert set(map(id, cell.parameters())) <= set(map(id, scope.parameters()))
    with pytest.raises(ValueError, match="this scope holds another GRUCell already: give the same cell"):
        run(scope, tf1.GRUCell(H))


def test_a_tensor_that_says_whether_to_feed_back_leaves_the_fed_vectors_alone():
    symbols = torch.tensor([[1, 2], [0, 3], [4, 4]]).unbind(1)
    gradients = []
    for fed in (True, torch.tensor(True), torch.tensor(False), False):
        torch.manual_seed(0)
        tf1.set_random_seed(4)
        scope, cell = tf1.VariableScope(), tf1.GRUCell(H)
        outputs, _ = legacy.embedding_rnn_seq2seq(
            symbols, symbols, cell, CLASSES, 5, 2, feed_previous=fed, scope=scope
        )
        torch.stack(outputs).square().sum().backward()
        gradients.append(scope.child("embedding_rnn_decoder").get_parameter("embedding").grad)
    assert_equal(gradients[2], gradients[3])
    assert not torch.equal(gradients[0], gradients[1])
    assert set(gradients[1].any(1).nonzero().flatten().tolist()) <= {0, 1, 4}  # those of the first step


def test_a_projection_says_which_symbol_an_output_names():
    W, b = torch.zeros(H, CLASSES), torch.eye(CLASSES)[3]
    embedding, cell = tf1.VariableScope(), tf1.GRUCell(H)
    symbols = [torch.tensor([1, 2])] * 2
    arguments = torch.zeros(2, H), cell, CLASSES, 4
    fed, _ = legacy.embedding_rnn_decoder(
        symbols, *arguments, output_projection=(W, b), feed_previous=True, scope=embedding
    )
    given, _ = legacy.embedding_rnn_decoder([symbols[0], torch.tensor([3, 3])], *arguments, scope=embedding)
    assert_equal(fed, given)


REFUSED = {
    "no memory": (
        lambda: seq2seq.LuongAttention(3)(torch.zeros(2, 3)),
        r"LuongAttention has no memory yet: call setup_memory\(memory, lengths\) first",
    ),
    "memory": (
        lambda: seq2seq.LuongAttention(3, torch.zeros(2, 3)),
        r"LuongAttention: memory has shape \[2, 3\], expected \[N, T, D\]",
    ),
    "memory lengths": (
        lambda: seq2seq.BahdanauAttention(3, torch.zeros(2, 4, 3), [0, 4]),
        r"BahdanauAttention: memory_sequence_length is \[0, 4\], expected 2 lengths from 1 to 4",
    ),
    "query batch": (
        lambda: seq2seq.BahdanauAttention(3, torch.zeros(2, 4, 3))(torch.zeros(3, 5)),
        "BahdanauAttention: the query has 3 rows and the memory 2, expected one batch for both",
    ),
    "query width": (
        lambda: seq2seq.LuongAttention(3, torch.zeros(2, 4, 3))(torch.zeros(2, 5)),
        "LuongAttention: queries are 5 wide, expected num_units: 3",
    ),
    "both layers": (
        lambda: seq2seq.AttentionWrapper(
            tf1.GRUCell(H), seq2seq.LuongAttention(H), 3, attention_layer=tf1.Dense(3)
        ),
        "attention_layer_size and attention_layer, expected one of them",
    ),
    "layers": (
        lambda: seq2seq.AttentionWrapper(tf1.GRUCell(H), seq2seq.LuongAttention(H), [3, 4]),
        "AttentionWrapper: 2 attention layers for 1 mechanisms, expected one for each",
    ),
    "batch": (
        lambda: seq2seq.AttentionWrapper(
            tf1.GRUCell(H), seq2seq.LuongAttention(H, torch.zeros(2, 4, 3))
        ).zero_state(3, "float32"),
        "AttentionWrapper: the memory has 2 sequences, and the batch 3, expected as many",
    ),
    "lengths": (
        lambda: seq2seq.TrainingHelper(torch.zeros(2, 3, 4), [4, 1]),
        r"TrainingHelper: sequence_length is \[4, 1\], expected 2 lengths from 0 to 3",
    ),
    "start tokens": (
        lambda: seq2seq.GreedyEmbeddingHelper(torch.eye(3), [0, 3], 1),
        "GreedyEmbeddingHelper: start_tokens are from 0 to 3, expected 0 to 2",
    ),
    "start tokens' shape": (
        lambda: seq2seq.GreedyEmbeddingHelper(torch.eye(3), 0, 1),
        r"GreedyEmbeddingHelper: start_tokens has shape \[\], expected \[N\]",
    ),
    "end token": (
        lambda: seq2seq.GreedyEmbeddingHelper(torch.eye(3), [0], [1]),
        r"GreedyEmbeddingHelper: end_token is \[1\], expected one whole number",
    ),
    "custom batch": (
        lambda: seq2seq.CustomHelper(None, None, None).batch_size,
        r"CustomHelper: the size of the batch is not known before initialize\(\)",
    ),
    "loss shapes": (
        lambda: seq2seq.sequence_loss(torch.zeros(2, 3, 4), torch.zeros(2), torch.zeros(2, 3)),
        r"logits, targets and weights have shapes \[\[2, 3, 4\], \[2\], \[2, 3\]\], expected \[N, T",
    ),
    "loss axes": (
        lambda: seq2seq.sequence_loss(
            torch.zeros(2, 3, 4), torch.zeros(2, 3), torch.zeros(2, 3), sum_over_batch=True
        ),
        "sequence_loss: an average and a sum over one axis, expected one of them",
    ),
    "legacy loss": (
        lambda: legacy.sequence_loss([torch.zeros(2, 3)], [], []),
        "1 logits, 0 targets and 0 weights, expected as many of each",
    ),
    "buckets": (
        lambda: legacy.model_with_buckets([1], [1], [1], [1], [(1, 1), (2, 1)], None),
        "model_with_buckets: encoder_inputs has 1 steps, expected at least the last bucket's 2",
    ),
    "symbols": (
        lambda: legacy.embedding_rnn_decoder(
            [torch.tensor([9])], torch.zeros(1, H), tf1.GRUCell(H), CLASSES, 2, scope=tf1.VariableScope()
        ),
        "symbols are from 9 to 9, expected 0 to 6",
    ),
    "attention states": (
        lambda: legacy.attention_decoder(
            [], torch.zeros(1, H), torch.zeros(1, H), tf1.GRUCell(H), scope=tf1.VariableScope()
        ),
        r"attention_decoder: attention_states has shape \[1, 6\], expected \[N, T, A\]",
    ),
    "no steps": (
        lambda: legacy.attention_decoder(
            [], torch.zeros(1, H), torch.zeros(1, 3, 2), tf1.GRUCell(H), scope=tf1.VariableScope()
        ),
        r"attention_decoder: decoder_inputs is empty, expected at least one step \[N, I\]",
    ),
    "another shape": (
        lambda: [scope := tf1.VariableScope(), scope.get_variable("a", [2]), scope.get_variable("a", [3])],
        r"a has shape \[2\] in this scope, and is asked for with \[3\]",
    ),
}


@pytest.mark.parametrize("what", REFUSED)
def test_what_does_not_fit_is_explained(what):
    make, message = REFUSED[what]
    with pytest.raises(ValueError, match=message):
        make()


def test_what_is_of_another_kind_is_refused():
    cell, memory = tf1.GRUCell(H), torch.zeros(N, 3, 2)
    with pytest.raises(TypeError, match="attention_mechanism is a Tensor, expected tf1"):
        seq2seq.AttentionWrapper(cell, memory)
    wrapper = seq2seq.AttentionWrapper(
        cell, seq2seq.LuongAttention(H, memory), attention_layer=torch.nn.Tanh()
    )
    with pytest.raises(TypeError, match="attention_layer is a Tanh, expected tf1"):
        wrapper.zero_state(N, "float32")
    with pytest.raises(TypeError, match="state is a Tensor, expected an AttentionWrapperState"):
        seq2seq.AttentionWrapper(cell, seq2seq.LuongAttention(H, memory))(
            torch.zeros(N, I), torch.zeros(N, H)
        )
    with pytest.raises(TypeError, match="BasicDecoder: helper is a list, expected a Helper"):
        seq2seq.BasicDecoder(cell, [], None)
    with pytest.raises(TypeError, match="BasicDecoder: output_layer is 3, expected a layer"):
        seq2seq.BasicDecoder(cell, seq2seq.TrainingHelper(memory, [1] * N), None, 3)
    with pytest.raises(TypeError, match="decoder is a GRUCell, expected a Decoder such as BasicDecoder"):
        seq2seq.dynamic_decode(cell)
    steps = [torch.zeros(N, I)]
    for scope in (None, "decoder"):
        with pytest.raises(TypeError, match=rf"basic_rnn_seq2seq: scope is {scope!r}, expected a tf1\.Var"):
            legacy.basic_rnn_seq2seq(steps, steps, cell, scope=scope)
