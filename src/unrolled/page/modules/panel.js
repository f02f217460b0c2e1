// What one network makes of the sequence: its answer, what the answer depends on, its states and gates, one unit.
import { GATES, GATE_NAMES } from "./cells.js";
import { LineChart } from "./charts.js";
import { choices, element, percent, setText, short } from "./dom.js";
import { HeatMap } from "./heat.js";
import { InputView } from "./input.js";
import { Listening } from "./listening.js";
import { largest } from "./network.js";

const MOST_NUMBERS = 60; // of a forecast that are listed
const NAMES = { h: "hidden state h", c: "cell state c", ...GATE_NAMES };

export class Panel {
  // change(values): the state of the page that a choice here changes; input: what is read, and how it is shown.
  constructor(run, network, { input, noun, change }) {
    const down = input.kind !== "lines";
    Object.assign(this, { run, network, down, noun, change });
    this.kinds = run.classes;
    const kind = (title, colours, options) => new HeatMap({ title, kind: colours, down, ...options });
    this.verdict = element("p", { class: "verdict" });
    this.detail = element("p", { class: "detail" });
    this.bars = element("ul", { class: "bars" });
    const open = run.task === "classify" && !run.likeness;
    this.refuses = open ? element("p", { class: "note", text: "It answers whatever it is given: it cannot tell what is unlike its training data." }) : null;
    this.rows = this.makeBars();
    this.overTime = run.classes.length
      ? kind(`class probabilities after each ${noun}`, "share")
      : new LineChart(`predicted after each ${noun}`, { zero: false });
    this.slope = kind("gradient", "signed");
    this.depending = kind(`its length by ${noun}`, "share");
    this.choice = element("div", { class: "choice" });
    this.maps = element("div", { class: "maps" });
    this.view = new InputView(input);
    this.reasons = element("div", { class: "maps reasons" }, this.view.figure, this.overTime.figure, this.slope.figure, this.depending.figure);
    this.strongest = element("p", { class: "note" });
    this.parts = new Map();
    this.order = element("p", { class: "note" });
    this.trace = new LineChart(`this unit after each ${noun}`);
    this.listening = new Listening(network, input.features, (unit) => change({ unit }));
    this.unit = element("input", { type: "number", min: 1, class: "unit", onchange: () => change({ unit: this.unit.value - 1 }) });
    this.root = element("section", { class: "panel", "aria-label": `network ${run.name}` },
      element("h2", { text: run.name }), this.verdict, this.detail, this.bars, this.refuses,
      element("h3", { text: "What the answer depends on" }), this.reasons, this.strongest,
      element("h3", { text: "State and gates" }), this.choice, this.maps, this.order,
      element("h3", {}, element("label", {}, "Unit ", this.unit)), this.trace.figure, this.listening.root);
    this.makeChoice();
  }

  makeBars() {
    const names = this.kinds.length ? this.kinds : this.outputs().slice(0, MOST_NUMBERS);
    const rows = names.map((name, output) => {
      const fill = element("span", { class: "fill" });
      const value = element("span", { class: "value" });
      const button = element("button", { type: "button", onclick: () => this.change({ explained: output }) },
        element("span", { class: "name", text: name, title: name }), element("span", { class: "track" }, fill), value);
      this.bars.append(element("li", {}, button));
      return { fill, value, button, name };
    });
    this.bars.classList.toggle("many", rows.length > 12);
    this.bars.classList.toggle("numbers", !this.kinds.length);
    return rows;
  }

  // The names of the numbers that are predicted, of a forecast one for each step ahead.
  outputs() {
    const { names, horizon } = this.run.numbers;
    if (!horizon) return names;
    return Array.from({ length: horizon }, (_, step) => names.map((name) => `${name}, ${step + 1} ahead`)).flat();
  }

  makeChoice() {
    const { layers } = this.network;
    const select = (name, label, options) => {
      const made = element("select", { onchange: () => this.change({ [name]: name === "layer" ? Number(made.value) : made.value }) });
      choices(made, options);
      this.choice.append(element("label", {}, `${label} `, made));
      return made;
    };
    const layerNames = layers.map(({ kind, width }, n) => ({ value: n, text: `${n + 1} of ${layers.length} (${kind.toUpperCase()}, ${width} units)` }));
    const ways = Object.keys(layers[0].weights);
    if (layers.length > 1) this.layer = select("layer", "Layer", layerNames);
    if (ways.length > 1) this.way = select("way", "Direction", ways.map((way) => ({ value: way, text: way })));
  }

  // reading: of the network; plain: the same without changes, or null; state: what the page shows; truth: or null.
  show(reading, plain, state, truth) {
    const { t } = state;
    const layerAt = Math.min(state.layer, this.network.layers.length - 1);
    const layer = this.network.layers[layerAt];
    const way = state.way in layer.weights ? state.way : Object.keys(layer.weights)[0];
    if (this.layer) this.layer.value = layerAt;
    if (this.way) this.way.value = way;
    const answer = t ? reading.answer(t) : null;
    const best = answer && this.kinds.length ? largest(answer.shares) : null;
    const explained = Math.min(state.explained ?? best ?? 0, this.rows.length - 1);
    this.showAnswer(answer, best, explained, plain && t ? plain.answer(Math.min(t, plain.steps)) : null, truth, t,
      !plain && t === reading.steps && reading.isUnlike());
    this.view.show(reading.rows, reading.order, t);
    this.showReasons(reading, t, explained, truth);
    const width = layer.width;
    const unit = Math.min(Math.max(Math.round(state.unit) || 0, 0), width - 1);
    this.showMemory(reading, plain ?? reading, { t, layerAt, layer, way, unit });
    Object.assign(this.unit, { max: width, value: unit + 1 });
    this.listening.show(layerAt, way, unit);
  }

  // unlike: whether it was read to its end, unchanged, and is like nothing that the network was trained on.
  showAnswer(answer, best, explained, unchanged, truth, t, unlike) {
    const named = this.kinds.length > 0;
    this.rows.forEach(({ fill, value, button }, k) => {
      const number = answer ? (named ? answer.shares[k] : this.inUnits(answer.logits[k], k)) : 0;
      fill.style.width = named ? `${100 * number}%` : "0";
      setText(value, !answer ? "–" : named ? percent(number) : short(number));
      button.classList.toggle("best", k === best);
      button.setAttribute("aria-pressed", String(k === explained));
    });
    if (!answer) {
      setText(this.verdict, "Nothing has been read.");
      setText(this.detail, "");
      return;
    }
    const details = [];
    if (named) {
      const sure = answer.shares[best] >= this.run.sure;
      setText(this.verdict, unlike
        ? `${capital(this.run.unlike)}; the nearest is ${this.kinds[best]}`
        : `${sure ? "Predicted" : "Not sure:"} ${this.kinds[best]}, confidence ${percent(answer.shares[best])}`);
      const second = largest(answer.shares.map((one, k) => (k === best ? -1 : one)));
      if (this.kinds.length > 1) details.push(`runner-up ${this.kinds[second]} (${percent(answer.shares[second])})`);
      if (truth !== null) {
        const label = Array.isArray(truth) ? truth[t - 1] : truth;
        if (label >= 0) details.push(label === best ? "correct" : `true ${this.kinds[label]}`);
      }
      if (unchanged) {
        const was = largest(unchanged.shares);
        details.push(`without the changes ${this.kinds[was]} (${percent(unchanged.shares[was])})`);
      }
    } else {
      const list = (numbers, named = false) =>
        numbers.slice(0, 4).map((one, k) => `${named ? `${this.rows[k].name} ` : ""}${short(one)}`).join(", ") + (numbers.length > 4 ? ", …" : "");
      setText(this.verdict, `Predicted ${list(Array.from(answer.logits, (one, k) => this.inUnits(one, k)), true)}`);
      if (truth !== null) details.push(`true ${list(truth)}`);
      if (unchanged) details.push(`without the changes ${list(Array.from(unchanged.logits, (one, k) => this.inUnits(one, k)))}`);
    }
    setText(this.detail, details.join(" · "));
  }

  inUnits(number, k) {
    const { names, mean, deviation } = this.run.numbers;
    return number * deviation[k % names.length] + mean[k % names.length];
  }

  showReasons(reading, t, explained, truth) {
    const named = this.kinds.length > 0;
    const name = this.rows[explained].name;
    const answers = Array.from({ length: reading.steps }, (_, k) => {
      if (k >= t || !reading.knows(k + 1)) return null;
      const { shares, logits } = reading.answer(k + 1);
      return named ? shares : logits;
    });
    if (named) this.overTime.show(answers, { now: t ? t - 1 : null, chosen: t ? explained : null });
    else {
      const predicted = { name: `predicted ${name}`, values: answers.map((one) => one && this.inUnits(one[explained], explained)) };
      const fact = { name: "true", values: answers.map(() => truth?.[explained] ?? null) };
      this.overTime.show(truth === null ? [predicted] : [predicted, fact], t ? t - 1 : null);
    }
    const slopes = t ? reading.gradient(t, explained) : [];
    const rows = Array.from({ length: reading.steps }, (_, k) => slopes[k] ?? null);
    const sizes = slopes.map((row) => Math.hypot(...row));
    const most = Math.max(...sizes, 1e-12);
    const order = this.view.flipped ? reading.rows[0].map((_, k, all) => all.length - 1 - k) : null;
    this.slope.show(rows, { order, now: t ? t - 1 : null, bound: largestOf(rows), caption: `gradient of ${named ? "the logit of " : ""}${name}` });
    this.depending.show(rows.map((_, k) => (k < sizes.length ? [sizes[k] / most] : null)), { now: t ? t - 1 : null, caption: `its length by ${this.noun}` });
    const strongest = sizes.map((_, k) => k).sort((a, b) => sizes[b] - sizes[a]).slice(0, 3);
    const shares = strongest.map((k) => `${reading.order[k] + 1} (${Math.round((100 * sizes[k]) / sum(sizes))}%)`);
    setText(this.strongest, t ? `By the gradient, ${name} depends most on ${this.noun}s ${shares.join(", ")}.` : "");
  }

  showMemory(reading, plain, { t, layerAt, layer, way, unit }) {
    const names = layer.kind === "lstm" ? ["c", "h", ...GATES.lstm] : ["h", ...GATES[layer.kind]];
    if (this.shown !== layer.kind) {
      this.shown = layer.kind;
      this.parts = new Map(names.map((name) => [name, new HeatMap({
        title: NAMES[name], kind: "iforz".includes(name) ? "share" : "signed", down: this.down,
        choose: (chosen) => this.change({ unit: chosen }),
      })]));
      this.maps.replaceChildren(...Array.from(this.parts.values(), ({ figure }) => figure));
      this.maps.classList.toggle("three", names.length % 3 === 0);
      setText(this.order, `Units in the order of their ${names[0]} after the last ${this.noun}.`);
    }
    const steps = t || reading.once ? reading.pass(Math.max(t, 1)).layers[layerAt][way] : [];
    const all = names.map((name) => Array.from({ length: reading.steps }, (_, k) =>
      (k < t && steps[k] ? (steps[k][name] ?? steps[k].gates[name]).value : null)));
    const order = this.orderOf(plain, layerAt, way, layer);
    const whole = reading.steps ? reading.pass(reading.steps).layers[layerAt][way] : [];
    names.forEach((name, n) => {
      const signed = !"iforz".includes(name);
      const bound = signed ? largestOf(whole.map((one) => (one[name] ?? one.gates[name]).value)) : 1;
      const caption = `${NAMES[name]}, ${signed ? `±${Number(bound.toPrecision(2))}` : "0 to 1"}`;
      // With a projection h is narrower than c, and its units are others.
      const own = all[n].find(Boolean)?.length === order.length ? order : null;
      this.parts.get(name).show(all[n], { order: own, bound, now: t ? t - 1 : null, chosen: own ? unit : null, caption });
    });
    this.trace.show(names.map((name, n) => ({ name, values: all[n].map((row) => row?.[unit] ?? null) })), t ? t - 1 : null);
  }

  // Units that end up alike stand side by side, so that the eye finds bands instead of noise.
  orderOf(reading, layerAt, way, { kind, width }) {
    const place = Array.from({ length: width }, (_, k) => k);
    if (!reading.steps) return place;
    const walked = reading.pass(reading.steps).layers[layerAt][way];
    const last = walked[way === "backward" ? 0 : reading.steps - 1];
    const end = (kind === "lstm" ? last.c : last.h).value;
    return place.sort((a, b) => end[a] - end[b] || a - b);
  }

  forgetColours() {
    for (const map of [this.overTime, this.slope, this.depending, ...this.parts.values()]) map.forgetColours?.();
    this.listening.forgetColours();
  }
}

function capital(text) {
  return text[0].toUpperCase() + text.slice(1);
}

function largestOf(rows) {
  let most = 1e-12;
  for (const row of rows) if (row) for (const one of row) most = Math.max(most, Math.abs(one));
  return most;
}

function sum(numbers) {
  return numbers.reduce((total, one) => total + one, 0) || 1;
}
