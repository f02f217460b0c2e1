// Lines over steps: the features of a sequence, the trace of a unit.
import { lineStyle } from "./colours.js";
import { drawn, element, short } from "./dom.js";

const [WIDTH, HEIGHT] = [600, 150];
const EDGE = 6;

export class LineChart {
  // zero: whether 0 lies within the chart whatever the values are.
  constructor(title, { zero = true } = {}) {
    this.plot = drawn("svg", { viewBox: `0 0 ${WIDTH} ${HEIGHT}`, preserveAspectRatio: "none", role: "img" });
    this.legend = element("ul", { class: "legend" });
    this.scale = element("p", { class: "scale" });
    this.figure = element("figure", { class: "chart" }, element("figcaption", { text: title }), this.plot, this.scale, this.legend);
    this.title = title;
    this.always = zero ? [0] : [];
  }

  // lines: [{name, values}], of which a value may be null where nothing has been read; now: the step, from 0.
  show(lines, now) {
    const all = lines.flatMap(({ values }) => values.filter((one) => one !== null));
    const low = all.length ? Math.min(...this.always, ...all) : 0;
    const high = all.length ? Math.max(...all, low + 1e-9 * Math.max(1, Math.abs(low))) : 1;
    const steps = Math.max(...lines.map(({ values }) => values.length), 1);
    const x = (step) => ((step + 0.5) / steps) * WIDTH;
    const y = (value) => HEIGHT - EDGE - ((value - low) / (high - low)) * (HEIGHT - 2 * EDGE);
    const zero = drawn("line", { x1: 0, x2: WIDTH, y1: y(0), y2: y(0), class: "zero" });
    const paths = lines.map(({ values }, n) => {
      const points = values.map((value, step) => (value === null ? null : `${x(step).toFixed(1)},${y(value).toFixed(1)}`));
      return drawn("polyline", { points: points.filter(Boolean).join(" "), class: "line", ...lineStyle(n) });
    });
    const cursor = now === null ? [] : [drawn("line", { x1: x(now), x2: x(now), y1: 0, y2: HEIGHT, class: "now" })];
    this.plot.replaceChildren(zero, ...paths, ...cursor);
    this.plot.setAttribute("aria-label", `${this.title}: ${lines.map(({ name }) => name).join(", ")}`);
    this.scale.textContent = `from ${short(low)} to ${short(high)}`;
    this.legend.replaceChildren(...lines.map(({ name, values }, n) => {
      const value = now === null ? null : values[now];
      const key = drawn("svg", { viewBox: "0 0 24 8", class: "key", "aria-hidden": "true" },
        drawn("line", { x1: 0, x2: 24, y1: 4, y2: 4, class: "line", ...lineStyle(n) }));
      return element("li", {}, key, element("span", { text: value === null || value === undefined ? name : `${name} ${short(value)}` }));
    }));
  }
}
