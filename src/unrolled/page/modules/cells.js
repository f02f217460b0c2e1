// One step of each kind of cell. Equations, names and the order of the gates are those of unrolled.cells.

export const GATES = { lstm: ["i", "f", "g", "o"], gru: ["r", "z", "n"], rnn: [] };
export const HOLDABLE = { lstm: ["i", "f", "o"], gru: ["r", "z"], rnn: [] }; // those between 0 and 1
export const GATE_NAMES = {
  i: "input gate i", f: "forget gate f", g: "candidate g", o: "output gate o",
  r: "reset gate r", z: "update gate z", n: "candidate n",
};
const STEPS = { lstm: lstmStep, gru: gruStep, rnn: rnnStep };

export function initialState(layer) {
  const h = new Float32Array(layer.options.proj_size || layer.width);
  return layer.kind === "lstm" ? { h, c: new Float32Array(layer.width) } : { h };
}

// {output, h, c, gates} of one step of a layer, whose weights are of one direction.
//
// held: the gates that are held at a number, by name. The output is h, with x added where the layer is residual.
export function step(tape, layer, weights, x, state, held) {
  const gate = (name, pre) =>
    name in held ? tape.leaf(new Float32Array(pre.value.length).fill(held[name])) : tape.activated("sigmoid", pre);
  const next = STEPS[layer.kind](tape, layer, weights, x, state, gate);
  return { ...next, output: layer.options.residual ? tape.plus(x, next.h) : next.h };
}

// i, f, o = σ(W x + U h + b);  g = φ(W x + U h + b);  c' = f c + i g;  h' = o φ(c')
function lstmStep(tape, { width, options }, w, x, state, gate) {
  const φ = options.activation ?? "tanh";
  let fromX = tape.affine(w.weight_ih, w.bias_ih ?? null, x);
  let fromH = tape.affine(w.weight_hh, w.bias_hh ?? null, state.h);
  if (options.layer_norm === "projections") {
    fromX = tape.normalised(fromX, 1, 1e-5, w["norm_ih.weight"], w["norm_ih.bias"]);
    fromH = tape.normalised(fromH, 1, 1e-5, w["norm_hh.weight"], w["norm_hh.bias"]);
  }
  let sum = tape.plus(fromX, fromH);
  if (options.layer_norm === "gates") sum = tape.normalised(sum, 4, 1e-12, w["norm_gates.weight"], w["norm_gates.bias"]);
  let [preI, preF, preG, preO] = split(tape, sum, width, 4);
  if (options.peephole) {
    preI = tape.plus(preI, tape.scaled(state.c, w.weight_ci));
    preF = tape.plus(preF, tape.scaled(state.c, w.weight_cf));
  }
  const i = gate("i", preI);
  const f = gate("f", tape.scaled(preF, 1, options.forget_bias ?? 1));
  const g = tape.activated(φ, preG);

  let c = tape.plus(tape.times(f, state.c), tape.times(i, g));
  if (options.layer_norm === "gates") c = tape.normalised(c, 1, 1e-12, w["norm_c.weight"], w["norm_c.bias"]);
  if (options.cell_clip != null) c = tape.clipped(c, options.cell_clip);

  if (options.peephole) preO = tape.plus(preO, tape.scaled(c, w.weight_co));
  const o = gate("o", preO);
  const shown =
    options.layer_norm === "projections" ? tape.normalised(c, 1, 1e-5, w["norm_c.weight"], w["norm_c.bias"]) : c;
  let h = tape.times(o, tape.activated(φ, shown));
  if (options.proj_size) {
    h = tape.affine(w.weight_hr, null, h);
    if (options.proj_clip != null) h = tape.clipped(h, options.proj_clip);
  }
  return { h, c, gates: { i, f, g, o } };
}

// r, z = σ(W x + U h + b);  n = tanh(W x + r (U h)) or tanh(W x + U (r h));  h' = (1 - z) n + z h
function gruStep(tape, { width, options }, w, x, state, gate) {
  const [xR, xZ, xN] = split(tape, tape.affine(w.weight_ih, w.bias_ih ?? null, x), width, 3);
  let r, z, n;
  if (options.reset === "after") {
    const [hR, hZ, hN] = split(tape, tape.affine(w.weight_hh, w.bias_hh ?? null, state.h), width, 3);
    r = gate("r", tape.plus(xR, hR));
    z = gate("z", tape.plus(xZ, hZ));
    n = tape.activated("tanh", tape.plus(xN, tape.times(r, hN)));
  } else {
    const rows = 2 * width;
    const [U, b] = [w.weight_hh, w.bias_hh ?? null];
    const both = tape.affine(U.subarray(0, rows * width), b && b.subarray(0, rows), state.h);
    const [hR, hZ] = split(tape, both, width, 2);
    r = gate("r", tape.plus(xR, hR));
    z = gate("z", tape.plus(xZ, hZ));
    const hN = tape.affine(U.subarray(rows * width), b && b.subarray(rows), tape.times(r, state.h));
    n = tape.activated("tanh", tape.plus(xN, hN));
  }
  const h = tape.plus(tape.times(tape.scaled(z, -1, 1), n), tape.times(z, state.h));
  return { h, gates: { r, z, n } };
}

// h' = φ(W x + U h + b)
function rnnStep(tape, { options }, w, x, state) {
  const fromX = tape.affine(w.weight_ih, w.bias_ih ?? null, x);
  const fromH = tape.affine(w.weight_hh, w.bias_hh ?? null, state.h);
  return { h: tape.activated(options.nonlinearity ?? "tanh", tape.plus(fromX, fromH)), gates: {} };
}

function split(tape, x, width, count) {
  return Array.from({ length: count }, (_, k) => tape.part(x, k * width, (k + 1) * width));
}
