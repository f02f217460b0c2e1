// The page: one state, which the controls change, the address holds, and everything shows.
import { fromAddress, toAddress } from "./address.js";
import { Changes, isChanged } from "./changes.js";
import { onTheme } from "./colours.js";
import { NoDigit, asMnist, SIDE } from "./digit.js";
import { choices, element, setText } from "./dom.js";
import { NoPicture, digitIn, saveGrey } from "./files.js";
import { bytes, floats, networkOf } from "./model.js";
import { Reading, UNCHANGED, largest } from "./network.js";
import { Panel } from "./panel.js";
import { Player } from "./player.js";
import { Sketch, paintGrey } from "./sketch.js";
import { play } from "./sound.js";
import { inked } from "./strokes.js";

const find = (id) => document.getElementById(id);
const content = JSON.parse(find("content").textContent);
const { runs, examples, input } = content;
const drawing = input.kind === "drawing";
const noun = input.kind === "lines" ? "step" : "row";
const networks = new Map();
const panels = new Map();
const readings = new Map(); // of what is shown, by network and whether it is changed

const state = {
  network: 0, beside: null, drawing: null, pixels: null, example: null,
  t: null, layer: 0, way: "forward", unit: 0, explained: null, changes: UNCHANGED,
};
let rows = []; // what is read, Float32Array [I] each
let problem = ""; // why nothing is
const followers = [];

function networkAt(at) {
  if (!networks.has(at)) networks.set(at, networkOf(runs[at]));
  return networks.get(at);
}

function readingOf(at, changes) {
  const key = `${at} ${isChanged(changes)}`;
  if (!readings.has(key)) readings.set(key, new Reading(networkAt(at), rows, changes));
  return readings.get(key);
}

// What the state says is read, as rows; the reasons why nothing can be are in `problem`.
function load() {
  readings.clear();
  problem = drawing || examples.length ? "" : "This page has no examples to read: unrolled page puts some in where the data is at hand.";
  rows = [];
  try {
    if (state.example !== null) rows = exampleRows(examples[state.example]);
    else if (state.pixels) rows = rowsOf(state.pixels);
    else if (state.drawing?.length) rows = rowsOf(asMnist(inked(state.drawing)));
  } catch (error) {
    if (!(error instanceof NoDigit)) throw error;
    problem = error.message;
  }
}

function rowsOf(pixels, width = SIDE) {
  return Array.from({ length: pixels.length / width }, (_, row) =>
    Float32Array.from(pixels.subarray(row * width, (row + 1) * width), (one) => one / 255));
}

function exampleRows({ form, values }) {
  if (form === "bytes") return rowsOf(bytes(values), input.width);
  const all = floats(values);
  return Array.from({ length: all.length / input.width }, (_, row) => all.subarray(row * input.width, (row + 1) * input.width));
}

// Take on other values, and show them. What is read anew is read to its end.
function change(values, { keep = false } = {}) {
  const anew = ["drawing", "pixels", "example"].some((name) => name in values);
  Object.assign(state, values);
  if (anew) load();
  if ("changes" in values) {
    for (const key of readings.keys()) if (key.endsWith("true")) readings.delete(key);
  }
  const { steps } = readingOf(state.network, state.changes);
  if (anew && !keep) state.t = steps;
  state.t = Math.min(state.t ?? steps, steps);
  if (anew || player.steps !== steps || player.t !== state.t) player.load(steps, state.t);
  show();
}

function show() {
  const truth = state.example === null ? null : examples[state.example].true;
  const shown = [];
  for (const [place, at] of [["first", state.network], ["second", state.beside]]) {
    const root = find(place);
    root.hidden = at === null;
    if (at === null) continue;
    const panel = panelAt(place, at);
    if (root.firstChild !== panel.root) root.replaceChildren(panel.root);
    const plain = isChanged(state.changes) ? readingOf(at, UNCHANGED) : null;
    const reading = readingOf(at, state.changes);
    panel.show(reading, plain, state, truth);
    shown.push({ panel, reading, t: state.t });
  }
  changes.show(state.changes);
  find("networks").classList.toggle("two", state.beside !== null);
  document.querySelectorAll("[data-example]").forEach((button) => {
    button.setAttribute("aria-pressed", String(Number(button.dataset.example) === state.example));
  });
  setText(find("problem"), problem);
  for (const follower of followers) follower(shown);
  fill();
  later();
}

// Have a function told of all that is shown: [{panel, reading, t}].
export function follow(follower) {
  followers.push(follower);
  show();
}

function panelAt(place, at) {
  const key = `${place} ${at}`;
  if (!panels.has(key)) panels.set(key, new Panel(runs[at], networkAt(at), { input, noun, change }));
  return panels.get(key);
}

// Answers that each take a pass of their own are found one after another, while nothing else is to be done.
let filling = null;
function fill() {
  clearTimeout(filling);
  const shown = [state.network, state.beside].filter((at) => at !== null).map((at) => readingOf(at, state.changes));
  const unknown = shown.flatMap((reading) =>
    Array.from({ length: reading.steps }, (_, k) => ({ reading, t: k + 1 })).filter(({ t }) => !reading.knows(t)));
  if (!unknown.length) return;
  filling = setTimeout(() => {
    unknown[0].reading.answer(unknown[0].t);
    if (unknown.length === 1) show();
    else fill();
  }, 5);
}

// What takes time or is heard by screen readers waits until nothing has changed for a while.
let waiting = null;
export function later() {
  clearTimeout(waiting);
  waiting = setTimeout(() => {
    if (player.playing) return;
    const address = toAddress({ ...state, t: rows.length ? state.t : null });
    if (`#${address}` !== location.hash) history.replaceState(null, "", `#${address}`);
    const said = [...document.querySelectorAll("#networks > :not([hidden]) :is(.verdict, .detail, .server)")]
      .map(({ textContent }) => textContent).filter(Boolean).join(". ");
    setText(find("said"), problem || (rows.length ? `After ${noun} ${state.t}: ${said}` : ""));
  }, 300);
}

// The state that an address says, as far as this page has what it speaks of.
function restore() {
  const said = fromAddress(location.hash);
  const known = (at, list) => (at !== null && at < list.length ? at : null);
  said.network = known(said.network, runs) ?? 0;
  said.beside = known(said.beside, runs);
  said.example = known(said.example, examples);
  if (!drawing) said.drawing = said.pixels = null;
  if (said.example === null && !said.pixels && !said.drawing?.length && examples.length) said.example = 0;
  Object.assign(state, said);
  load();
  const within = (list) => list.filter((row) => row < rows.length);
  state.changes = { ...said.changes, skipped: within(said.changes.skipped), erased: within(said.changes.erased) };
  if (state.changes.skipped.length === rows.length) state.changes.skipped = [];
  if (sketch) sketch.set(state.drawing ?? []);
  paint();
  for (const [id, value] of [["network", state.network], ["beside", state.beside ?? ""]]) find(id).value = value;
  change({});
  player.load(readingOf(state.network, state.changes).steps, state.t);
}

// The sheet shows what is read: a drawing, or the 28 x 28 of a picture or an example.
function paint() {
  if (!sketch) return;
  if (state.example === null && !state.pixels) sketch.paint(inked(state.drawing ?? []));
  else sketch.paint({ width: SIDE, height: SIDE, values: rows.flatMap((row) => Array.from(row, (one) => 255 - 255 * one)) });
}

function draw(strokes, done) {
  sketch.paint(inked(strokes));
  if (done) change({ drawing: strokes, pixels: null, example: null });
}

async function open(file) {
  try {
    change({ pixels: await digitIn(file), drawing: null, example: null });
  } catch (error) {
    if (!(error instanceof NoDigit || error instanceof NoPicture)) throw error;
    setText(find("problem"), error.message);
    setText(find("said"), error.message);
    return;
  }
  sketch.set([]);
  paint();
}

function save() {
  if (state.drawing?.length) saveGrey(inked(state.drawing), "digit.png");
  else if (rows.length) saveGrey({ width: SIDE, height: SIDE, values: rows.flatMap((row) => Array.from(row, (one) => 255 * one)) }, "digit.png");
}

async function copyLink() {
  history.replaceState(null, "", `#${toAddress(state)}`);
  let done = "The link is in the address bar.";
  try {
    await navigator.clipboard.writeText(location.href);
    done = "The link is copied.";
  } catch { /* not allowed: it is in the address bar all the same */ }
  setText(find("linked"), done);
}

function exampleButton(example, at) {
  const { true: truth, name, sound } = example;
  const label = typeof truth === "number" ? runs[0].classes[truth] ?? "" : "";
  const text = sound?.file ?? name;
  const button = element("button", {
    type: "button", "data-example": at, "aria-pressed": "false", "aria-label": label ? `${text}, true ${label}` : text,
    onclick: () => {
      change({ example: at, drawing: null, pixels: null });
      if (sketch) sketch.set([]);
      paint();
    },
  });
  if (example.form === "bytes") {
    const canvas = element("canvas", { width: input.width, height: example.steps, "aria-hidden": "true" });
    paintGrey(canvas, bytes(example.values));
    button.append(canvas);
  } else button.append(element("span", { text: label ? `${label} · ${text}` : text }));
  return button;
}

function hear() {
  const sound = examples[state.example]?.sound;
  if (!sound) return;
  player.go(0);
  player.play(true, play(sound));
}

// --- the page is put together ---
find("changing").open = matchMedia("(min-width: 901px)").matches;
const names = runs.map(({ name }, value) => ({ value, text: name }));
choices(find("network"), names, 0);
choices(find("beside"), [{ value: "", text: "none" }, ...names], "");
find("network").addEventListener("change", ({ target }) => change({ network: Number(target.value) }));
find("beside").addEventListener("change", ({ target }) => change({ beside: target.value === "" ? null : Number(target.value) }));
find("compare").hidden = runs.length < 2;
find("drawing").hidden = !drawing;
find("noun").textContent = noun;
find("input-title").textContent = drawing ? "Draw a digit" : "Choose an example";
find("examples").hidden = !examples.length;
find("example-list").append(...examples.map(exampleButton));
find("hear").hidden = !examples.some(({ sound }) => sound);
find("hear").addEventListener("click", hear);
find("version").textContent = content.version;
const sketch = drawing ? new Sketch(find("sheet"), draw) : null;
const player = new Player(find("player"), noun, (t) => {
  state.t = t;
  show();
});
const changes = new Changes(find("changes"), runs.map((_, at) => networkAt(at)), noun,
  () => (state.t ? readingOf(state.network, state.changes).order[state.t - 1] : null), (value) => change({ changes: value }));

if (drawing) {
  const drawAnew = (strokes) => {
    sketch.set(strokes);
    change({ drawing: strokes, pixels: null, example: null });
    paint();
  };
  find("clear").addEventListener("click", () => drawAnew([]));
  find("undo").addEventListener("click", () => drawAnew(sketch.strokes.slice(0, -1)));
  find("save").addEventListener("click", save);
  find("file").addEventListener("change", ({ target }) => target.files[0] && open(target.files[0]));
  document.addEventListener("dragover", (event) => event.preventDefault());
  document.addEventListener("drop", (event) => {
    event.preventDefault();
    if (event.dataTransfer.files[0]) open(event.dataTransfer.files[0]);
  });
}
find("link").addEventListener("click", copyLink);
addEventListener("hashchange", restore);
onTheme(() => {
  for (const panel of panels.values()) panel.forgetColours();
  show();
});
restore();

// For those who look at the numbers: what is shown, as it was computed.
globalThis.reading = { state, of: (at) => readingOf(at, state.changes), largest };
