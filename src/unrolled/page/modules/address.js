// What the page shows, as the part of its address after #: a link to it shows the same.
import { strokesFromBytes, strokesToBytes } from "./strokes.js";

const MOST_LETTERS = 20000; // of an address that is looked at
const GATE = /^([ifozr])([01])$/;

// {network, beside, drawing | pixels | example, t, layer, way, unit, explained, changes} as text; null is left out.
export function toAddress(state) {
  const { changes } = state;
  const parts = {
    n: state.network || null,
    b: state.beside,
    d: state.drawing?.length ? toLetters(strokesToBytes(state.drawing)) : null,
    p: state.pixels ? toLetters(squeezed(state.pixels)) : null,
    e: state.example,
    t: state.t,
    l: state.layer || null,
    w: state.way === "backward" ? "b" : null,
    u: state.unit || null,
    x: state.explained,
    r: changes.reversed ? 1 : null,
    s: changes.skipped.length ? changes.skipped.join(".") : null,
    z: changes.erased.length ? changes.erased.join(".") : null,
    g: Object.entries(changes.held).map(([gate, value]) => `${gate}${value}`).join(".") || null,
  };
  return Object.entries(parts).filter(([, value]) => value !== null && value !== undefined)
    .map(([key, value]) => `${key}=${value}`).join("&");
}

// What an address says, as far as it can be understood: whatever else is in it is left out.
export function fromAddress(text) {
  const parts = new Map();
  for (const part of text.slice(0, MOST_LETTERS).replace(/^#/, "").split("&")) {
    const [, key, value] = /^([a-z])=([\w.-]*)$/.exec(part) ?? [];
    if (key) parts.set(key, value);
  }
  const number = (key) => (/^\d{1,6}$/.test(parts.get(key) ?? "") ? Number(parts.get(key)) : null);
  const numbers = (key) => [...new Set((parts.get(key) ?? "").split(".").filter((one) => /^\d{1,6}$/.test(one)).map(Number))];
  const gates = (parts.get("g") ?? "").split(".").map((one) => GATE.exec(one)).filter(Boolean);
  return {
    network: number("n") ?? 0,
    beside: number("b"),
    drawing: parts.has("d") ? strokesFromBytes(fromLetters(parts.get("d"))) : null,
    pixels: parts.has("p") ? stretchedOut(fromLetters(parts.get("p"))) : null,
    example: number("e"),
    t: number("t"),
    layer: number("l") ?? 0,
    way: parts.get("w") === "b" ? "backward" : "forward",
    unit: number("u") ?? 0,
    explained: number("x"),
    changes: {
      reversed: parts.get("r") === "1",
      skipped: numbers("s"),
      erased: numbers("z"),
      held: Object.fromEntries(gates.map(([, gate, value]) => [gate, Number(value)])),
    },
  };
}

function toLetters(numbers) {
  return btoa(String.fromCharCode(...numbers)).replaceAll("+", "-").replaceAll("/", "_").replaceAll("=", "");
}

function fromLetters(text) {
  try {
    const letters = atob(text.replaceAll("-", "+").replaceAll("_", "/"));
    return Uint8Array.from(letters, (letter) => letter.charCodeAt(0));
  } catch {
    return new Uint8Array();
  }
}

// Bytes of which most are 0: each run of zeros is a 0 and its length.
function squeezed(numbers) {
  const result = [];
  for (let at = 0; at < numbers.length; ) {
    let end = at;
    while (numbers[end] === 0 && end < at + 255) end++;
    if (end > at) result.push(0, end - at);
    else result.push(numbers[end++]);
    at = end;
  }
  return Uint8Array.from(result);
}

// The 784 pixels, or null if these are not so many.
function stretchedOut(numbers) {
  const result = [];
  for (let at = 0; at < numbers.length && result.length <= 784; at++) {
    if (numbers[at] === 0) result.push(...new Array(numbers[++at] ?? 0).fill(0));
    else result.push(numbers[at]);
  }
  return result.length === 784 ? Uint8Array.from(result) : null;
}
