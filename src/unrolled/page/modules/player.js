// Play, pause, step and scrub through the steps of what is read.
import { setText } from "./dom.js";

const SECONDS = 0.18; // a step

export class Player {
  // moved(t): the steps that have been read, from 0 to all of them.
  constructor(root, noun, moved) {
    this.moved = moved;
    this.noun = noun;
    const find = (name) => root.querySelector(`[data-player=${name}]`);
    [this.slider, this.toggle, this.label] = ["slider", "toggle", "label"].map(find);
    this.slider.addEventListener("input", () => this.go(Number(this.slider.value)));
    this.toggle.addEventListener("click", () => this.play(!this.playing));
    const jumps = { first: () => 0, back: () => this.t - 1, on: () => this.t + 1, last: () => this.steps };
    for (const [name, where] of Object.entries(jumps)) find(name).addEventListener("click", () => this.go(where()));
    this.jumps = { Home: jumps.first, ArrowLeft: jumps.back, ArrowRight: jumps.on, End: jumps.last };
    this.steps = 0;
    this.t = 0;
    this.playing = false;
    document.addEventListener("keydown", (event) => this.pressed(event));
  }

  // Keys count wherever nothing else takes them.
  pressed(event) {
    if (event.ctrlKey || event.metaKey || event.altKey || event.target.closest("input, select, textarea, canvas, summary")) return;
    if (event.key === " " && !event.target.closest("button, a")) this.play(!this.playing);
    else if (event.key in this.jumps) this.go(this.jumps[event.key]());
    else return;
    event.preventDefault();
  }

  // Stop, and be at step t of a sequence of so many.
  load(steps, t) {
    this.play(false);
    this.steps = steps;
    this.t = Math.min(Math.max(t, 0), steps);
    this.slider.max = steps;
    this.show();
  }

  go(t) {
    this.play(false);
    this.at(t);
  }

  at(t) {
    this.t = Math.min(Math.max(t, 0), this.steps);
    this.show();
    this.moved(this.t);
  }

  // seconds: how long all steps take together.
  play(playing, seconds = SECONDS * this.steps) {
    clearTimeout(this.timer);
    const was = this.playing;
    this.playing = playing && this.steps > 0;
    setText(this.toggle, this.playing ? "Pause" : "Play");
    if (was && !this.playing) this.moved(this.t);
    if (!this.playing) return;
    const from = this.t === this.steps ? 0 : this.t;
    const start = performance.now();
    const pace = (1000 * seconds) / this.steps;
    const tick = () => {
      const t = Math.min(from + Math.floor((performance.now() - start) / pace), this.steps);
      if (t === this.steps) this.playing = false;
      this.at(t);
      if (this.playing) this.timer = setTimeout(tick, pace / 2);
      else setText(this.toggle, "Play");
    };
    tick();
  }

  show() {
    this.slider.value = this.t;
    const text = `${this.noun} ${this.t} of ${this.steps}`;
    this.slider.setAttribute("aria-valuetext", text);
    setText(this.label, text);
  }
}
