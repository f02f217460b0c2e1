// Vectors of float32, each with how it was made: so the gradient of any of them can be led back to the rows.

export const ACTIVATIONS = {
  identity: { of: (x) => x, slope: () => 1 },
  sigmoid: { of: (x) => 1 / (1 + Math.exp(-x)), slope: (x, y) => y * (1 - y) },
  tanh: { of: Math.tanh, slope: (x, y) => 1 - y * y },
  relu: { of: (x) => Math.max(x, 0), slope: (x) => (x > 0 ? 1 : 0) },
  relu6: { of: (x) => Math.min(Math.max(x, 0), 6), slope: (x) => (x > 0 && x < 6 ? 1 : 0) },
  leaky_relu: { of: (x) => (x > 0 ? x : 0.2 * x), slope: (x) => (x > 0 ? 1 : 0.2) },
  elu: { of: (x) => (x > 0 ? x : Math.expm1(x)), slope: (x) => (x > 0 ? 1 : Math.exp(x)) },
  selu: {
    of: (x) => SELU.scale * (x > 0 ? x : SELU.alpha * Math.expm1(x)),
    slope: (x) => SELU.scale * (x > 0 ? 1 : SELU.alpha * Math.exp(x)),
  },
  softplus: {
    of: (x) => Math.max(x, 0) + Math.log1p(Math.exp(-Math.abs(x))),
    slope: (x) => 1 / (1 + Math.exp(-x)),
  },
  softsign: { of: (x) => x / (1 + Math.abs(x)), slope: (x) => 1 / (1 + Math.abs(x)) ** 2 },
};
const SELU = { alpha: 1.6732632423543772, scale: 1.0507009873554805 };

// A node is {value, gradient, back}: back() adds what is in gradient to the gradients of what it was made of.
export class Tape {
  constructor() {
    this.nodes = [];
  }

  leaf(value) {
    return this.record(value, null);
  }

  record(value, back) {
    const node = { value, gradient: null, back, place: this.nodes.length };
    this.nodes.push(node);
    return node;
  }

  // The gradient of node.value[index], in the gradient of every node before it; null where it is zero.
  backward(node, index) {
    for (const each of this.nodes) each.gradient = null;
    into(node)[index] = 1;
    for (let place = node.place; place >= 0; place--) {
      const each = this.nodes[place];
      if (each.gradient && each.back) each.back(each.gradient);
    }
  }

  // W x + b, W [rows, columns] row by row; b may be null.
  affine(W, b, x) {
    const input = x.value;
    const columns = input.length;
    const rows = W.length / columns;
    const y = new Float32Array(rows);
    for (let row = 0, at = 0; row < rows; row++) {
      let sum = b ? b[row] : 0;
      for (let column = 0; column < columns; column++) sum += W[at++] * input[column];
      y[row] = sum;
    }
    return this.record(y, (gradient) => {
      const to = into(x);
      for (let row = 0, at = 0; row < rows; row++, at += columns) {
        const one = gradient[row];
        if (one !== 0) for (let column = 0; column < columns; column++) to[column] += one * W[at + column];
      }
    });
  }

  plus(...parts) {
    const y = Float32Array.from(parts[0].value);
    for (const part of parts.slice(1)) for (let k = 0; k < y.length; k++) y[k] += part.value[k];
    return this.record(y, (gradient) => parts.forEach((part) => add(into(part), gradient)));
  }

  times(a, b) {
    return this.record(a.value.map((one, k) => one * b.value[k]), (gradient) => {
      const toA = into(a);
      const toB = into(b);
      for (let k = 0; k < gradient.length; k++) {
        toA[k] += gradient[k] * b.value[k];
        toB[k] += gradient[k] * a.value[k];
      }
    });
  }

  // factor * x + shift, each a number or an array of as many as x has.
  scaled(x, factor, shift = 0) {
    const of = (numbers, k) => (typeof numbers === "number" ? numbers : numbers[k]);
    return this.record(x.value.map((one, k) => of(factor, k) * one + of(shift, k)), (gradient) => {
      const to = into(x);
      for (let k = 0; k < gradient.length; k++) to[k] += of(factor, k) * gradient[k];
    });
  }

  activated(kind, x) {
    const { of, slope } = ACTIVATIONS[kind];
    const node = this.record(x.value.map((one) => of(one)), (gradient) => {
      const to = into(x);
      for (let k = 0; k < gradient.length; k++) to[k] += gradient[k] * slope(x.value[k], node.value[k]);
    });
    return node;
  }

  clipped(x, bound) {
    const low = Math.fround(-bound);
    return this.record(x.value.map((one) => Math.min(Math.max(one, low), -low)), (gradient) => {
      const to = into(x);
      for (let k = 0; k < gradient.length; k++) if (Math.abs(x.value[k]) <= -low) to[k] += gradient[k];
    });
  }

  part(x, from, until) {
    return this.record(x.value.subarray(from, until), (gradient) => {
      const to = into(x);
      for (let k = 0; k < gradient.length; k++) to[from + k] += gradient[k];
    });
  }

  joined(parts) {
    const y = new Float32Array(parts.reduce((sum, part) => sum + part.value.length, 0));
    let at = 0;
    for (const part of parts) {
      y.set(part.value, at);
      at += part.value.length;
    }
    return this.record(y, (gradient) => {
      let from = 0;
      for (const part of parts) {
        add(into(part), gradient.subarray(from, from + part.value.length));
        from += part.value.length;
      }
    });
  }

  mean(parts) {
    const sum = parts.length > 1 ? this.plus(...parts) : parts[0];
    return this.scaled(sum, 1 / parts.length);
  }

  largest(parts) {
    const from = Array.from(parts[0].value, (_, k) => {
      let best = 0;
      parts.forEach((part, place) => {
        if (part.value[k] > parts[best].value[k]) best = place;
      });
      return best;
    });
    return this.record(Float32Array.from(from, (place, k) => parts[place].value[k]), (gradient) => {
      from.forEach((place, k) => {
        into(parts[place])[k] += gradient[k];
      });
    });
  }

  // (x - mean) / sqrt(variance + epsilon) of each of so many groups on its own, times weight plus bias.
  normalised(x, groups, epsilon, weight, bias) {
    const size = x.value.length / groups;
    const y = new Float32Array(x.value.length);
    const scale = new Float64Array(groups);
    for (let group = 0; group < groups; group++) {
      const values = x.value.subarray(group * size, (group + 1) * size);
      const mean = values.reduce((sum, one) => sum + one, 0) / size;
      const variance = values.reduce((sum, one) => sum + (one - mean) ** 2, 0) / size;
      scale[group] = 1 / Math.sqrt(variance + epsilon);
      for (let k = 0; k < size; k++) y[group * size + k] = (values[k] - mean) * scale[group];
    }
    const plain = this.record(y, (gradient) => {
      const to = into(x);
      for (let group = 0, at = 0; group < groups; group++, at += size) {
        let mean = 0;
        let along = 0;
        for (let k = at; k < at + size; k++) {
          mean += gradient[k] / size;
          along += (gradient[k] * y[k]) / size;
        }
        for (let k = at; k < at + size; k++) to[k] += scale[group] * (gradient[k] - mean - y[k] * along);
      }
    });
    return this.scaled(plain, weight, bias ?? 0);
  }
}

function into(node) {
  return (node.gradient ??= new Float64Array(node.value.length));
}

function add(to, more) {
  for (let k = 0; k < more.length; k++) to[k] += more[k];
}
