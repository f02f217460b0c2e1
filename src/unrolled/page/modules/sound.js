// The sound of an example that was a recording.
import { bytes } from "./model.js";

let context = null;

// Play it; how many seconds it takes.
export function play({ rate, samples }) {
  context ??= new AudioContext();
  context.resume();
  const raw = new DataView(bytes(samples).buffer);
  const buffer = context.createBuffer(1, raw.byteLength / 2, rate);
  const channel = buffer.getChannelData(0);
  for (let k = 0; k < channel.length; k++) channel[k] = raw.getInt16(2 * k, true) / 32768;
  const source = context.createBufferSource();
  source.buffer = buffer;
  source.connect(context.destination);
  source.start();
  return buffer.duration;
}
