// A picture of one digit brought into the form that MNIST's have, step by step as unrolled.data.digit does it.
//
// What differs is the paper: it is taken to be of one lightness all over, as that of a drawing in the page is, and
// no sheet is looked for on a table.
import { withoutDots, withoutFrame, withoutLines } from "./paper.js";
import { cropped, extent, grouped, grown, map, mask, measured, median, padded, picture, rint, strokeWidth } from "./shapes.js";

export const SIDE = 28;
const BOX = 20;
const [WORKING_SIDE, DETAIL] = [320, 1280];
const EDGE = 0.25;
const CELLS = 56;
const [PIECES, HOLES] = [4, 4];
const SPECK = 0.05;
const DIGIT = 0.1;
const [THIN, THICKER] = [0.065, 0.1];
const CONTRAST = 12;
const TIE = 1e-6;

export class NoDigit extends Error {}

// Grey levels [height, width] from 0 to 255 as MNIST has a digit: Uint8Array of 28 x 28, white on black.
// Raises NoDigit if there is no ink, or so many marks of it that they cannot be one digit.
export function asMnist(grey) {
  if (grey.height === SIDE && grey.width === SIDE) {
    const { dark } = inkOf(grey);
    return Uint8Array.from(grey.values, (one) => rint(dark ? 255 - one : one));
  }
  const { ink } = inkOf(shrunkTo(shrunkTo(grey, DETAIL), WORKING_SIDE));
  const own = stretched(withoutDots(withoutLines(withoutFrame(ink))));
  return placed(scaled(thickened(...croppedStrokes(own))));
}

// How strong the ink is in each pixel, 1 where it is strongest, and whether it is dark.
function inkOf(grey) {
  const { height, width, values } = grey;
  const border = values.filter((_, at) => {
    const [y, x] = [Math.floor(at / width), at % width];
    return y === 0 || x === 0 || y === height - 1 || x === width - 1;
  });
  const paper = median(border);
  const away = Float32Array.from(values, (one) => paper - one);
  const squares = (sign) => away.reduce((sum, one) => sum + Math.max(sign * one, 0) ** 2, 0);
  const dark = squares(1) > squares(-1);
  const ink = map(grey, (_, at) => (dark ? away[at] : -away[at]));
  const noise = quantile(away.map(Math.abs), 0.15) / 0.1891;
  const most = ink.values.reduce((a, b) => Math.max(a, b), 0);
  if (most <= Math.max(6 * noise, CONTRAST)) throw new NoDigit("It is blank: a digit is darker or lighter than its paper.");
  const floor = Math.min(3 * noise, most / 2);
  return { dark, ink: map(ink, (one) => Math.min(Math.max(Math.fround(one - floor) / (most - floor), 0), 1)) };
}

function quantile(numbers, share) {
  const sorted = Float64Array.from(numbers).sort();
  const place = share * (sorted.length - 1);
  const low = Math.floor(place);
  return sorted[low] + (place - low) * (sorted[Math.min(low + 1, sorted.length - 1)] - sorted[low]);
}

// Averaged down to at most so many pixels.
export function shrunkTo(grey, most) {
  const factor = Math.ceil(Math.max(grey.height, grey.width) / most);
  if (factor === 1) return grey;
  const small = picture(Math.ceil(grey.height / factor), Math.ceil(grey.width / factor));
  for (let y = 0; y < small.height; y++) {
    for (let x = 0; x < small.width; x++) {
      let sum = 0;
      let count = 0;
      for (let row = y * factor; row < Math.min((y + 1) * factor, grey.height); row++) {
        for (let column = x * factor; column < Math.min((x + 1) * factor, grey.width); column++) {
          sum += grey.values[row * grey.width + column];
          count++;
        }
      }
      small.values[y * small.width + x] = sum / count;
    }
  }
  return small;
}

function stretched(ink) {
  const most = ink.values.reduce((a, b) => Math.max(a, b), 0);
  const full = Math.fround(quantile(ink.values.filter((one) => one > 0.3 * most), 0.95));
  return map(ink, (one) => Math.min(one / full, 1));
}

// Refuses what cannot be one digit: its parts and the holes in it are few.
function check(strokes) {
  const inked = mask(cells(strokes), (one) => one > EDGE);
  const parts = measured(grouped(inked)).slice(1).map((one) => one.size);
  const around = padded(inked, 1);
  const gaps = measured(grouped(mask(around, (one) => !one))).slice(1);
  const pieces = parts.filter((size) => size >= SPECK * Math.max(...parts)).length;
  const holes = gaps.filter((one) => one.size >= 4).length - 1;
  if (pieces > PIECES || holes > HOLES) {
    throw new NoDigit(`No digit can be made out: ${pieces} marks with ${holes} holes. Draw one digit alone.`);
  }
}

// The most ink in each cell of a grid of at most 56 by 56.
function cells(ink) {
  const [tall, wide] = [Math.min(CELLS, ink.height), Math.min(CELLS, ink.width)];
  const grid = picture(tall, wide);
  for (let y = 0; y < tall; y++) {
    for (let x = 0; x < wide; x++) {
      let most = 0;
      for (let row = Math.floor((y * ink.height) / tall); row < Math.ceil(((y + 1) * ink.height) / tall); row++) {
        const end = Math.ceil(((x + 1) * ink.width) / wide);
        for (let column = Math.floor((x * ink.width) / wide); column < end; column++) {
          most = Math.max(most, ink.values[row * ink.width + column]);
        }
      }
      grid.values[y * wide + x] = most;
    }
  }
  return grid;
}

// The rectangle around the strokes: its ink, and where in it the strokes are.
function croppedStrokes(ink) {
  const strokes = strokesOf(ink);
  const box = measured({ ...strokes, count: 1 })[1];
  check(cropped(map(ink, (one, at) => (strokes.values[at] ? one : 0)), box));
  return [cropped(ink, box), cropped(strokes, box)];
}

// Where the digit's ink is: not in specks, which are groups of cells of a coarse grid with little ink.
function strokesOf(ink) {
  const inked = map(ink, (one) => (one > EDGE ? one : 0));
  const grid = cells(inked);
  const groups = grouped(mask(grid, (one) => one > 0));
  const of = measured(groups, grid.values);
  of[0].mass = 0;
  for (const number of strips(groups, of)) of[number].mass = 0;
  const heaviest = Math.max(...of.map((one) => one.mass));
  const kept = of.map((one) => one.mass >= SPECK * heaviest);
  return mask(inked, (one, at) => {
    const y = Math.floor((Math.floor(at / ink.width) * grid.height) / ink.height);
    const x = Math.floor(((at % ink.width) * grid.width) / ink.width);
    return one > 0 && kept[groups.values[y * grid.width + x]];
  });
}

// Which groups lie along the picture's border, where another, as large as a digit, doesn't touch it.
function strips(groups, of) {
  const contact = new Array(of.length).fill(0);
  groups.values.forEach((number, at) => {
    const [y, x] = [Math.floor(at / groups.width), at % groups.width];
    if (y === 0 || x === 0 || y === groups.height - 1 || x === groups.width - 1) contact[number]++;
  });
  const numbers = of.map((_, number) => number).slice(1);
  const large = DIGIT * Math.max(groups.height, groups.width);
  if (!numbers.some((number) => contact[number] === 0 && extent(of[number]) >= large)) return [];
  return numbers.filter((number) => contact[number] >= 0.6 * extent(of[number]));
}

// The ink, its strokes made as thick as MNIST's thin ones if they are thinner than any of MNIST's.
function thickened(ink, strokes) {
  const width = strokeWidth(strokes);
  const longest = Math.max(ink.height, ink.width);
  if (width >= THIN * longest) return ink;
  const more = Math.ceil((THICKER * longest - width) / 2);
  const only = map(ink, (one, at) => (strokes.values[at] ? one : 0));
  const wider = grown(padded(only, 2 * more), more);
  const [bottom, right] = [wider.height - 1 - more, wider.width - 1 - more];
  return cropped(wider, { top: more, left: more, bottom, right });
}

// The ink with its longer side scaled to 20 pixels, the strongest of it 255.
function scaled(ink) {
  const scale = BOX / Math.max(ink.height, ink.width);
  const size = [ink.width, ink.height].map((side) => Math.max(1, rint(side * scale)));
  const digit = resized(ink, ...size, scale < 1 ? BOX_FILTER : TRIANGLE);
  const most = digit.values.reduce((a, b) => Math.max(a, b), 0);
  const factor = Math.fround(255 / most);
  return map(digit, (one) => one * factor);
}

const BOX_FILTER = { support: 0.5, of: (x) => (x > -0.5 && x <= 0.5 ? 1 : 0) };
const TRIANGLE = { support: 1, of: (x) => Math.max(0, 1 - Math.abs(x)) };

// First along the rows, then along the columns, each pixel the weighted mean of those that it covers.
function resized(ink, width, height, filter) {
  const across = width === ink.width ? ink : resizedRows(ink, width, filter);
  return height === ink.height ? across : turnedRows(across, height, filter);
}

function turnedRows(ink, height, filter) {
  const columns = picture(ink.width, ink.height);
  for (let y = 0; y < ink.height; y++) {
    for (let x = 0; x < ink.width; x++) columns.values[x * ink.height + y] = ink.values[y * ink.width + x];
  }
  const shorter = resizedRows(columns, height, filter);
  const result = picture(height, ink.width);
  for (let x = 0; x < ink.width; x++) {
    for (let y = 0; y < height; y++) result.values[y * ink.width + x] = shorter.values[x * height + y];
  }
  return result;
}

function resizedRows(ink, width, filter) {
  const result = picture(ink.height, width);
  const scale = ink.width / width;
  const stretch = Math.max(scale, 1);
  const support = filter.support * stretch;
  for (let x = 0; x < width; x++) {
    const centre = (x + 0.5) * scale;
    const from = Math.max(Math.trunc(centre - support + 0.5), 0);
    const until = Math.min(Math.trunc(centre + support + 0.5), ink.width);
    let weights = Array.from({ length: until - from }, (_, k) => filter.of((k + from - centre + 0.5) / stretch));
    const all = weights.reduce((sum, one) => sum + one, 0);
    weights = weights.map((one) => one / all);
    for (let y = 0; y < ink.height; y++) {
      let sum = 0;
      weights.forEach((weight, k) => {
        sum += weight * ink.values[y * ink.width + from + k];
      });
      result.values[y * width + x] = sum;
    }
  }
  return result;
}

// A digit in 28 x 28: its centre of mass at (14, 14), to the nearest whole pixel.
function placed(digit) {
  const result = new Uint8Array(SIDE * SIDE);
  let [mass, down, right] = [0, 0, 0];
  digit.values.forEach((one, at) => {
    mass += one;
    down += one * Math.floor(at / digit.width);
    right += one * (at % digit.width);
  });
  const offset = (sum, side) => Math.min(Math.max(SIDE / 2 - Math.trunc(sum / mass + 0.5 + TIE), 0), SIDE - side);
  const [top, left] = [offset(down, digit.height), offset(right, digit.width)];
  digit.values.forEach((one, at) => {
    result[(top + Math.floor(at / digit.width)) * SIDE + left + (at % digit.width)] = rint(one);
  });
  return result;
}
