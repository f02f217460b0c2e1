// Numbers as they lie in the page: base64 of little-endian bytes, and which of them are what.
import { Likeness } from "./likeness.js";
import { Network } from "./network.js";

export function bytes(text) {
  return Uint8Array.from(atob(text), (character) => character.charCodeAt(0));
}

export function floats(text) {
  const raw = bytes(text);
  const view = new DataView(raw.buffer);
  return Float32Array.from({ length: raw.length / 4 }, (_, k) => view.getFloat32(4 * k, true));
}

// The network of a run: its pieces name places [from, until) among all its weights.
export function networkOf(run) {
  const placed = among(floats(run.weights));
  const { layers, input_layers, output_layers, classifier } = run.network;
  return new Network({
    config: run.network.config,
    temperature: run.temperature,
    likeness: likenessOf(run.likeness),
    layers: layers.map((layer) => ({ ...layer, weights: placed(layer.weights) })),
    input_layers: placed(input_layers),
    output_layers: placed(output_layers),
    classifier: placed(classifier),
  });
}

// What is like the examples that a run was trained on, null where it refuses nothing.
function likenessOf(written) {
  return written ? new Likeness({ ...written, ways: among(floats(written.numbers))(written.ways) }) : null;
}

// A function that puts the numbers of a piece in place of where they lie.
function among(all) {
  return function placed(piece) {
    if (Array.isArray(piece) && piece.length === 2 && piece.every(Number.isInteger)) return all.subarray(...piece);
    if (Array.isArray(piece)) return piece.map(placed);
    if (piece !== null && typeof piece === "object") {
      return Object.fromEntries(Object.entries(piece).map(([name, part]) => [name, placed(part)]));
    }
    return piece;
  };
}
