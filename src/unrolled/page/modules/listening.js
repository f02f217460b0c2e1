// What a unit listens to: its weights from what comes in, as a strip for each gate, and from other units.
import { GATES } from "./cells.js";
import { element, setText, short } from "./dom.js";
import { HeatMap } from "./heat.js";

const STRONGEST = 6;

export class Listening {
  constructor(network, features, choose) {
    Object.assign(this, { network, features, choose });
    this.title = element("h4");
    this.strips = element("div", { class: "strips" });
    this.others = element("div", { class: "others" });
    this.root = element("div", { class: "listening" },
      this.title, this.strips, element("h4", { text: "Largest recurrent weights, by the unit whose h they weigh" }), this.others);
  }

  show(layerAt, way, unit) {
    const key = `${layerAt} ${way} ${unit}`;
    if (key === this.shown) return;
    this.shown = key;
    const layer = this.network.layers[layerAt];
    setText(this.title, layerAt ? `Weights from the outputs of layer ${layerAt}` : "Weights from the input");
    const { weight_ih: fromInput, weight_hh: fromUnits } = layer.weights[way];
    const gates = GATES[layer.kind].length ? GATES[layer.kind] : ["h"];
    const rows = gates.length * layer.width;
    const slice = (W, gate) => {
      const columns = W.length / rows;
      const row = gate * layer.width + unit;
      return W.subarray(row * columns, (row + 1) * columns);
    };
    const inputs = gates.map((_, gate) => slice(fromInput, gate));
    const bound = Math.max(1e-9, ...inputs.map((row) => row.reduce((most, one) => Math.max(most, Math.abs(one)), 0)));
    this.maps = gates.map((gate, n) => {
      const strip = new HeatMap({ title: gate, kind: "signed", down: true });
      strip.show([inputs[n]], { bound, caption: `${gate}: ${this.strongestInput(layerAt, inputs[n])}` });
      return strip;
    });
    this.strips.replaceChildren(...this.maps.map(({ figure }) => figure),
      element("p", { class: "scale", text: `from −${short(bound)} (orange) to ${short(bound)} (blue)` }));
    this.others.replaceChildren(...gates.map((gate, n) => this.strongestUnits(gate, slice(fromUnits, n), layer)));
  }

  strongestInput(layerAt, weights) {
    const place = weights.reduce((best, one, k) => (Math.abs(one) > Math.abs(weights[best]) ? k : best), 0);
    return `largest from ${this.nameOfInput(layerAt, place, weights.length)} (${short(weights[place])})`;
  }

  // What the number in a place is that a layer reads: a feature of the input, or a unit of the layer below.
  nameOfInput(layerAt, place, count) {
    if (layerAt === 0) return count === this.features.length ? this.features[place] : `unit ${place + 1} of the layers before`;
    const ways = Object.keys(this.network.layers[layerAt - 1].weights);
    if (this.network.config.direction !== "bidirectional" || ways.length === 1) return `unit ${place + 1}`;
    const half = count / ways.length;
    return `${ways[Math.floor(place / half)]} unit ${(place % half) + 1}`;
  }

  strongestUnits(gate, weights, layer) {
    const order = Array.from(weights, (_, k) => k).sort((a, b) => Math.abs(weights[b]) - Math.abs(weights[a]));
    const projected = weights.length !== layer.width;
    return element("p", {}, element("span", { class: "gate", text: `${gate} ` }), ...order.slice(0, STRONGEST).map((k) => {
      const text = `${k + 1} (${short(weights[k])})`;
      if (projected) return element("span", { class: "from", text });
      return element("button", { type: "button", class: "from", "aria-label": `unit ${k + 1}, weight ${short(weights[k])}`, text, onclick: () => this.choose(k) });
    }));
  }

  forgetColours() {
    this.shown = null;
  }
}
