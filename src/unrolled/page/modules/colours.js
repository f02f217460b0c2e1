// Colours that say numbers, on light and on dark: orange to blue for signs, one hue for shares of 1.
// Both can be told apart by people who confuse red and green.

const PALETTES = {
  light: {
    signed: [[179, 88, 6], [241, 163, 64], [247, 247, 247], [103, 169, 207], [5, 76, 135]],
    share: [[250, 250, 250], [190, 210, 225], [99, 157, 190], [25, 98, 135], [4, 42, 70]],
    unread: [255, 255, 255],
  },
  dark: {
    signed: [[255, 184, 92], [176, 98, 20], [30, 33, 40], [42, 109, 168], [125, 205, 255]],
    share: [[30, 33, 40], [38, 72, 98], [52, 120, 152], [105, 180, 205], [205, 240, 255]],
    unread: [19, 21, 26],
  },
};
const LINES = {
  light: ["#0a5fa5", "#b34a00", "#00735a", "#9a3f80", "#6a5d00", "#1a1a1a", "#2c83b8", "#7a4a1a"],
  dark: ["#6db9ff", "#ff9d4d", "#3fd6ae", "#eb9fd0", "#e8d85a", "#f0f0f0", "#a4dcff", "#d9a878"],
};
const dark = matchMedia("(prefers-color-scheme: dark)");

export function onTheme(change) {
  dark.addEventListener("change", change);
}

export function unread() {
  return palette().unread;
}

// The colour [r, g, b] of a number from -1 to 1 (signed), or from 0 to 1.
export function colour(kind, value) {
  const stops = palette()[kind];
  const share = kind === "signed" ? (value + 1) / 2 : value;
  const place = Math.min(Math.max(share, 0), 1) * (stops.length - 1);
  const low = Math.min(Math.floor(place), stops.length - 2);
  return stops[low].map((one, k) => one + (place - low) * (stops[low + 1][k] - one));
}

// The look of the n-th of several lines: a colour, and when these are used up, dashes.
export function lineStyle(n) {
  const colours = LINES[dark.matches ? "dark" : "light"];
  const dashes = ["", "5 3", "1.5 2.5", "8 3 2 3"];
  return {
    stroke: colours[n % colours.length],
    "stroke-dasharray": dashes[Math.floor(n / colours.length) % dashes.length],
  };
}

function palette() {
  return PALETTES[dark.matches ? "dark" : "light"];
}
