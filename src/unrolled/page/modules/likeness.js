// How far something is from a network's training examples, as unrolled.training.likeness measures it.
import { edgesOf } from "./edges.js";

const LEAST = 1e-12;
const WAYS = { features: (features) => features, strokes: (_, rows) => edgesOf(rows) };

export class Likeness {
  // ways: by name {means, whitening, mean, deviation}; the lower triangles of whitening, row by row, one of each
  // class or one of all; mean and deviation of log d² over examples that were held out.
  constructor({ ways, threshold }) {
    Object.assign(this, { ways, threshold });
  }

  // features: the vector that the classifier sees; rows: what was read; predicted: the number of the class.
  unlike(features, rows, predicted) {
    return Object.entries(this.ways).reduce((sum, [name, way]) => {
      const distance = Math.log(Math.max(squared(way, WAYS[name](features, rows), predicted), LEAST));
      return sum + (distance - way.mean) / way.deviation;
    }, 0);
  }
}

// d² = | W (v - m) |²
function squared({ means, whitening }, vector, predicted) {
  const size = vector.length;
  const triangle = (size * (size + 1)) / 2;
  const away = Array.from(vector, (one, k) => one - means[predicted * size + k]);
  let at = whitening.length > triangle ? predicted * triangle : 0;
  let sum = 0;
  for (let row = 0; row < size; row++) {
    let one = 0;
    for (let column = 0; column <= row; column++) one += whitening[at++] * away[column];
    sum += one ** 2;
  }
  return sum;
}
