// A network reads a sequence: every layer, in every direction, and what it would answer after each step.
import { initialState, step } from "./cells.js";
import { Tape } from "./tape.js";

const MOST_PASSES = 64; // that are kept of one sequence, each a reading of its beginning
export const UNCHANGED = { reversed: false, skipped: [], erased: [], held: {} };

// A sequence as one network reads it, from its first step to its last.
//
// rows: what each step is, Float32Array [I]; changes: what is done to the reading, of rows numbered from 0.
export class Reading {
  constructor(network, rows, changes = UNCHANGED) {
    this.network = network;
    this.changes = changes;
    this.order = rows.map((_, row) => row).filter((row) => !changes.skipped.includes(row));
    if (changes.reversed) this.order.reverse();
    this.rows = rows;
    this.passes = new Map();
    this.answers = new Map();
    this.gradients = new Map();
    const { direction, centre, read } = network.config;
    // Else what is known at a step depends on where the sequence ends, and each beginning is read anew.
    this.once = read === "steps" || (direction === "forward" && !centre);
  }

  get steps() {
    return this.order.length;
  }

  // The pass that has read the first t steps: of some networks a longer one that begins likewise.
  pass(t) {
    const length = this.once ? this.steps : t;
    if (!this.passes.has(length)) {
      if (this.passes.size >= MOST_PASSES) {
        const [oldest] = this.passes.keys();
        this.passes.delete(oldest);
      }
      this.passes.set(length, this.network.pass(this.order.slice(0, length), this.rows, this.changes));
    }
    return this.passes.get(length);
  }

  // Whether the answer after t steps is at hand: else it takes a pass of its own.
  knows(t) {
    return this.once || this.answers.has(t);
  }

  // {logits, shares}: what the network would answer if the sequence ended after t steps; shares: softmax.
  answer(t) {
    if (!this.answers.has(t)) {
      const logits = this.network.logits(this.pass(t), t).value;
      this.answers.set(t, { logits, shares: softmax(logits, this.network.temperature) });
    }
    return this.answers.get(t);
  }

  // How far all of it is from what the network was trained on; NaN where that is not known.
  unlike() {
    const { likeness } = this.network;
    if (!likeness || !this.steps) return NaN;
    this.distance ??= likeness.unlike(
      this.network.features(this.pass(this.steps), this.steps).value, this.rows, largest(this.answer(this.steps).logits));
    return this.distance;
  }

  // Whether that is farther than nearly all true examples are.
  isUnlike() {
    return this.unlike() > this.network.likeness?.threshold;
  }

  // d logit / d x [t rows of I numbers], by row in the order of reading.
  gradient(t, output) {
    const key = `${t} ${output}`;
    if (!this.gradients.has(key)) {
      const pass = this.pass(t);
      pass.tape.backward(this.network.logits(pass, t), output);
      const found = pass.inputs.slice(0, t).map((node) => node.gradient ?? new Float64Array(node.value.length));
      this.gradients.set(key, found);
    }
    return this.gradients.get(key);
  }
}

export class Network {
  // model: what the page's writer wrote of a run: config, layers with the weights of each direction, dense layers.
  constructor(model) {
    Object.assign(this, model);
  }

  // One walk over the steps: {tape, inputs, layers}; layers[l][direction][k] is of the k-th step.
  pass(order, rows, changes) {
    const tape = new Tape();
    const inputs = order.map((row) => tape.leaf(rows[row]));
    const { direction, centre } = this.config;
    let x = inputs;
    if (centre) {
      const away = tape.scaled(tape.mean(x.slice(-centre)), -1);
      x = x.map((one) => tape.plus(one, away));
    }
    x = x.map((one) => dense(tape, this.input_layers, one));
    const pass = { tape, inputs, layers: [], logits: new Map() };
    const ways = { forward: x, backward: x };
    for (const layer of this.layers) {
      const walked = {};
      for (const way of Object.keys(layer.weights)) {
        walked[way] = walk(tape, layer, layer.weights[way], ways[way], order, way === "backward", changes);
        ways[way] = walked[way].map((one) => one.output);
      }
      if (direction === "bidirectional") {
        const both = ways.forward.map((one, k) => tape.joined([one, ways.backward[k]]));
        ways.forward = ways.backward = both;
      }
      pass.layers.push(walked);
    }
    return pass;
  }

  logits(pass, t) {
    if (!pass.logits.has(t)) {
      const { tape } = pass;
      const v = dense(tape, this.output_layers, this.features(pass, t));
      pass.logits.set(t, tape.affine(this.classifier.weight, this.classifier.bias, v));
    }
    return pass.logits.get(t);
  }

  // The v that the classifier sees, see SequenceClassifier; t is the number of steps that have been read.
  features(pass, t) {
    const { tape } = pass;
    const top = pass.layers.at(-1);
    const { read, direction } = this.config;
    const last = t - 1;
    const ends = { forward: last, backward: 0 }; // where each direction is when it has read everything
    const of = (part, at) => {
      const parts = Object.keys(top).map((way) => top[way][at(way)][part]);
      return parts.length > 1 ? tape.joined(parts) : parts[0];
    };
    const outputs = () => pass.inputs.slice(0, t).map((_, k) => of("output", () => k));
    if (read === "steps") return of("output", () => last);
    if (read === "first") return direction === "backward" ? of("output", () => last) : of("output", () => 0);
    if (read === "mean") return tape.mean(outputs());
    if (read === "max") return tape.largest(outputs());
    if (read === "memory") return of("c", (way) => ends[way]);
    if (read === "state") return of("h", (way) => ends[way]);
    if (read === "last" && Object.keys(top).length > 1) return of("output", () => last);
    return of("output", (way) => ends[way]);
  }
}

function walk(tape, layer, weights, x, order, backward, changes) {
  const start = initialState(layer);
  let state = { h: tape.leaf(start.h), ...(start.c && { c: tape.leaf(start.c) }) };
  const steps = new Array(x.length);
  for (let turn = 0; turn < x.length; turn++) {
    const at = backward ? x.length - 1 - turn : turn;
    if (changes.erased.includes(order[at])) {
      const part = state.c ? "c" : "h";
      state = { ...state, [part]: tape.leaf(new Float32Array(state[part].value.length)) };
    }
    steps[at] = step(tape, layer, weights, x[at], state, changes.held);
    state = steps[at];
  }
  return steps;
}

function dense(tape, layers, x) {
  return layers.reduce((y, { weight, bias, activation }) => tape.activated(activation, tape.affine(weight, bias, y)), x);
}

export function largest(numbers) {
  return numbers.indexOf(Math.max(...numbers));
}

export function softmax(logits, temperature = 1) {
  const scaled = Array.from(logits, (one) => one / temperature);
  const most = Math.max(...scaled);
  const powers = scaled.map((one) => Math.exp(one - most));
  const sum = powers.reduce((total, one) => total + one, 0);
  return powers.map((one) => one / sum);
}
