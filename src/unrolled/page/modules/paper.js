// Frames, lines and dots that belong to the paper, as unrolled.data.frame and unrolled.data.ruling find them.
import { cropped, extent, filled, grouped, grown, map, mask, measured, median, picture, rint, shrunk, turned } from "./shapes.js";

const FRAME = { ink: 0.12, smallest: 0.15, content: 0.25 };
const FAINTEST = 0.12;
const LENGTHS = [0.85, 0.6, 0.42, 0.3];
const ASKEW = 0.28;
const THICKEST = 0.08;
const PAST = 0.04;
const LIGHTEST = 0.3;
const DOT = 0.035;
const DOTS = 20;
const DIGIT = 0.1;

const side = (of) => Math.max(of.height, of.width);

// The ink in the smallest frame with something in it; all of the ink if there is none.
export function withoutFrame(ink) {
  const groups = grouped(mask(ink, (one) => one > FRAME.ink));
  const of = measured(groups);
  const bySize = of.map((_, number) => number).slice(1).sort((a, b) => of[b].size - of[a].size || a - b);
  const candidates = bySize.filter((number) => of[number].size >= FRAME.smallest * side(ink)).slice(0, 8);
  for (const frame of candidates) {
    const long = extent(of[frame]);
    if (long < FRAME.smallest * side(ink)) continue;
    const outline = mask(groups, (number) => number === frame);
    const whole = filled(outline);
    const within = mask(whole, (one, at) => one && !outline.values[at]);
    const content = new Set(groups.values.filter((number, at) => number > 0 && within.values[at]));
    if ([...content].sort((a, b) => a - b).slice(0, 8).some((each) => extent(of[each]) >= FRAME.content * long)) {
      const edge = grown(outline);
      return withoutFrame(map(ink, (one, at) => (within.values[at] && !edge.values[at] ? one : 0)));
    }
  }
  return ink;
}

// The ink without the lines of the paper, the strokes that crossed them made whole.
export function withoutLines(ink) {
  let longest = longestReach(ink);
  for (const share of LENGTHS) {
    const seen = picture(ink.height, ink.width, new Uint8Array(ink.values.length));
    ink.values.forEach((one, at) => {
      if (one) seen.values[at] = rint(Math.fround(255 * one));
    });
    const flat = share < longest[0] ? lines(seen, share, false) : [];
    const steep = share < longest[1] ? lines(turned(seen), share, true) : [];
    for (const found of [[...flat, ...steep], flat, steep]) {
      const alien = alienLines(ink, found);
      if (alien.length) {
        ink = withoutEnds(repaired(ink, alien), alien);
        longest = longestReach(ink);
        break;
      }
    }
  }
  return ink;
}

// The ink without the dots all over the paper, if there are many; those on strokes stay.
export function withoutDots(ink) {
  const groups = grouped(mask(ink, (one) => one > FAINTEST));
  const of = measured(groups).slice(1).map(extent);
  const isDot = [false, ...of.map((long) => long <= Math.max(DOT * side(ink), 3))];
  if (isDot.filter(Boolean).length < DOTS || of.every((long) => long < DIGIT * side(ink))) return ink;
  const near = grown(mask(groups, (number) => isDot[number]));
  return map(ink, (one, at) => {
    const number = groups.values[at];
    return near.values[at] && !(number > 0 && !isDot[number]) ? 0 : one;
  });
}

function alienLines(ink, found) {
  if (!found.length) return [];
  const rest = digitOf(repaired(ink, found));
  if (!rest) return [];
  const lined = found.map((line) => grown(line.pixels));
  let apart = 0;
  rest.values.forEach((one, at) => {
    if (one && !lined.some((each) => each.values[at])) apart += ink.values[at];
  });
  const heaviest = Math.max(...found.map((line) => total(ink, line.pixels)));
  if (apart < LIGHTEST * heaviest) return [];
  return found.filter((line) => isOfThePaper(line, found, rest, ink));
}

function total(ink, pixels) {
  let sum = 0;
  pixels.values.forEach((one, at) => {
    if (one) sum += ink.values[at];
  });
  return sum;
}

// The lines along x, of ink from 0 to 255, that are at least this share of the picture's width long.
function lines(ink, share, upright) {
  const length = Math.max(rint(share * ink.width), 8);
  const box = measured(grouped(mask(ink, (one) => one > (255 * FAINTEST) / 2))).slice(1).reduce(around);
  const straight = straightness(ink, box, length);
  const groups = grouped(mask(ink, (one, at) => straight[at] && one > (255 * FAINTEST) / 2));
  const found = [];
  measured(groups).forEach((of, number) => {
    if (!number || of.size < length / 2) return;
    const pixels = mask(groups, (each) => each === number);
    const thick = new Array(ink.width).fill(0);
    const levels = [];
    pixels.values.forEach((one, at) => {
      if (!one) return;
      thick[at % ink.width]++;
      levels.push(ink.values[at]);
    });
    const columns = thick.filter((count) => count > 0);
    const wide = median(columns);
    if (columns.length < 0.8 * length || wide > Math.max(THICKEST * side(ink), 2)) return;
    const [start, end] = [thick.findIndex((count) => count > 0), thick.findLastIndex((count) => count > 0) + 1];
    const own = upright ? turned(pixels) : pixels;
    found.push({ pixels: own, upright, start, end, length: end - start, width: wide, level: median(levels) / 255 });
  });
  return found;
}

function around(a, b) {
  return {
    top: Math.min(a.top, b.top), left: Math.min(a.left, b.left),
    bottom: Math.max(a.bottom, b.bottom), right: Math.max(a.right, b.right),
  };
}

// Where a line is, so long, nearly along x and darker than the faintest, within a rectangle of the picture.
//
// Of a row that is sheared so that such a line lies along it, its mean over some pixels is above the faintest
// in a run of that length.
function straightness(whole, box, length) {
  const [height, width] = [box.bottom - box.top + 1, box.right - box.left + 1];
  const result = new Uint8Array(whole.values.length);
  // A pixel thicker, for lines that are not quite straight, or lie between two of the slopes.
  const thicker = alongColumns(cropped(whole, box));
  const smooth = Math.floor(width / 60);
  const slopes = 2 * Math.ceil(length / 18) + 1;
  const reach = Math.ceil((ASKEW * width) / 2);
  const row = new Int32Array(width);
  for (let each = 0; each < slopes; each++) {
    const slope = -ASKEW + (2 * ASKEW * each) / (slopes - 1);
    const shift = Int32Array.from({ length: width }, (_, x) => rint(slope * (x - width / 2)));
    for (let y = -reach; y < height + reach; y++) {
      let inked = 0;
      for (let x = 0; x < width; x++) {
        const at = y + shift[x] + 1;
        row[x] = at >= 0 && at < thicker.height ? thicker.values[at * width + x] : 0;
        if (row[x]) inked++;
      }
      if (inked * (2 * smooth + 1) < length) continue; // too little for such a run, however it is spread
      markRuns(row, smooth, length, (x) => {
        const at = y + shift[x];
        if (at >= 0 && at < height) result[(box.top + at) * whole.width + box.left + x] = 1;
      });
    }
  }
  return result;
}

// The greatest of each pixel and those above and below it, with a row more at both ends.
function alongColumns({ height, width, values }) {
  const result = picture(height + 2, width, new Uint8Array((height + 2) * width));
  for (let y = 0; y < height; y++) {
    for (let x = 0; x < width; x++) {
      const one = values[y * width + x];
      for (let at = y; at <= y + 2; at++) {
        if (result.values[at * width + x] < one) result.values[at * width + x] = one;
      }
    }
  }
  return result;
}

// Call mark(x) for all x in runs of at least `length` whose mean with `reach` more to both sides isn't faint.
function markRuns(row, reach, length, mark) {
  const last = row.length - 1;
  const count = 2 * reach + 1;
  let sum = row[0] * reach;
  for (let x = 0; x <= reach; x++) sum += row[Math.min(x, last)];
  let start = 0;
  for (let x = 0; x <= last + 1; x++) {
    const faint = x > last || Math.floor(sum / count) <= 255 * FAINTEST;
    if (faint) {
      if (x - start >= length) for (let k = start; k < x; k++) mark(k);
      start = x + 1;
    }
    if (x <= last) sum += row[Math.min(x + reach + 1, last)] - row[Math.max(x - reach, 0)];
  }
}

// How much of the picture's width, and of its height, the largest group of ink reaches over.
function longestReach(ink) {
  const groups = grouped(grown(mask(ink, (one) => one > FAINTEST / 2), 2));
  const least = Math.min(...LENGTHS) * Math.min(ink.height, ink.width);
  const share = [0, 0];
  measured(groups).forEach((of, number) => {
    if (!number || of.size < least) return;
    share[0] = Math.max(share[0], (of.right - of.left + 1) / ink.width);
    share[1] = Math.max(share[1], (of.bottom - of.top + 1) / ink.height);
  });
  return share;
}

// Where the digit is if all of this is ink: the heaviest group and those not much lighter.
function digitOf(ink) {
  const groups = grouped(mask(ink, (one) => one > 0.3));
  const of = measured(groups, ink.values);
  if (!groups.count) return null;
  const heaviest = of.slice(1).reduce((best, one) => (one.mass > best.mass ? one : best));
  if (extent(heaviest) - 1 < DIGIT * side(ink)) return null;
  return mask(groups, (number) => number > 0 && of[number].mass >= 0.25 * heaviest.mass);
}

function isOfThePaper(line, all, rest, ink) {
  const groups = measured({ ...rest, count: 1 })[1];
  const [first, last] = line.upright ? [groups.top, groups.bottom] : [groups.left, groups.right];
  const past = Math.max(PAST * line.length, 1.5 * line.width);
  if (line.start > first - past || line.end < last + 1 + past) return false;
  const spans = line.length > 0.9 * (line.upright ? ink.height : ink.width);
  const near = grown(line.pixels, 2);
  const apart = !near.values.some((one, at) => one && rest.values[at]);
  const parallel = all.some(
    (other) =>
      other !== line && other.upright === line.upright &&
      within(other.length / line.length, 0.7, 1.4) && within((other.width + 1) / (line.width + 1), 0.5, 2),
  );
  const inner = shrunk(rest);
  const [area, core] = [rest, inner].map((each) => each.values.reduce((sum, one) => sum + one, 0));
  const strokes = (2 * area) / Math.max(area - core, 1);
  const dark = median(ink.values.filter((_, at) => rest.values[at]));
  const otherPen = !within(line.width / strokes, 0.6, 1.6) || line.level < 0.7 * dark;
  return spans || apart || parallel || otherPen;
}

function within(number, low, high) {
  return low < number && number < high;
}

// The ink without these lines; strokes that stand on both sides of a line go across it.
function repaired(ink, found) {
  if (!found.length) return ink;
  const taken = new Uint8Array(ink.values.length);
  for (const line of found) {
    const near = grown(line.pixels);
    const level = Math.max(line.level + 0.25, 1.7 * line.level);
    // What is clearly darker than the rest of the line is a stroke, seen through it.
    near.values.forEach((one, at) => {
      if (one && ink.values[at] < level) taken[at] = 1;
    });
  }
  let rest = map(ink, (one, at) => (taken[at] ? 0 : one));
  const across = Math.ceil(Math.max(...found.map((line) => line.width))) + 3;
  const ways = [[0, 1], [1, 0], [1, 1], [1, -1], [1, 2], [1, -2], [2, 1], [2, -1]];
  const places = [];
  taken.forEach((one, at) => one && places.push(at));
  for (let time = 0; time < 2; time++) { // where two lines cross, the first time leaves a hole
    const before = rest;
    rest = map(before, (one) => one);
    for (const at of places) {
      for (const [y, x] of ways) {
        const bridge = Math.min(next(before, at, across, y, x), next(before, at, across, -y, -x));
        if (bridge > rest.values[at]) rest.values[at] = bridge;
      }
    }
  }
  return rest;
}

// The ink without what is left of these lines: groups beside the digit that are no wider than a line.
function withoutEnds(ink, found) {
  const digit = digitOf(ink);
  if (!digit) return ink;
  const groups = grouped(mask(ink, (one, at) => one > FAINTEST / 2 && !digit.values[at]));
  const inner = shrunk(mask(groups, (number) => number > 0));
  const of = measured(groups, inner.values);
  const width = Math.max(...found.map((line) => line.width)) + 1;
  const beside = grown(digit);
  const near = new Set(groups.values.filter((number, at) => number > 0 && beside.values[at]));
  const thin = of.map(
    ({ size, mass }, number) => number > 0 && !near.has(number) && size <= width * Math.max((size - mass) / 2, 1),
  );
  return map(ink, (one, at) => (thin[groups.values[at]] ? 0 : one));
}

// The most ink within so many steps from a pixel in one direction.
function next({ height, width, values }, at, far, y, x) {
  const times = Math.max(Math.abs(y), Math.abs(x)) === 1 ? far : Math.ceil(far / 2);
  let [toY, toX, most] = [Math.floor(at / width), at % width, 0];
  for (let step = 1; step <= times; step++) {
    toY += y;
    toX += x;
    if (toY < 0 || toY >= height || toX < 0 || toX >= width) break;
    const one = values[toY * width + toX];
    if (one > most) most = one;
  }
  return most;
}
