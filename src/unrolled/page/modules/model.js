// Numbers as they lie in the page: base64 of little-endian bytes, and which of them are what.
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
  const all = floats(run.weights);
  const placed = (piece) => {
    if (Array.isArray(piece) && piece.length === 2 && piece.every(Number.isInteger)) return all.subarray(...piece);
    if (Array.isArray(piece)) return piece.map(placed);
    if (piece !== null && typeof piece === "object") {
      return Object.fromEntries(Object.entries(piece).map(([name, part]) => [name, placed(part)]));
    }
    return piece;
  };
  const { layers, input_layers, output_layers, classifier } = run.network;
  return new Network({
    config: run.network.config,
    temperature: run.temperature,
    layers: layers.map((layer) => ({ ...layer, weights: placed(layer.weights) })),
    input_layers: placed(input_layers),
    output_layers: placed(output_layers),
    classifier: placed(classifier),
  });
}
