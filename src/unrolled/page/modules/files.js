// Pictures that are dropped or chosen, and those that are saved.
import { asMnist } from "./digit.js";
import { element } from "./dom.js";
import { median, picture } from "./shapes.js";
import { paintGrey } from "./sketch.js";

const MOST_BYTES = 1 << 25;
const MOST_PIXELS = 1 << 24;
const FAINT = 0.25; // of the range of a colour: in lightness of less, what is drawn may not be seen

export class NoPicture extends Error {}

// The digit in a file as a network reads it: Uint8Array of 28 x 28.
// Raises NoPicture if the file is none, or too large; NoDigit if there is no digit in it.
export async function digitIn(file) {
  return asMnist(await greyOf(file));
}

async function greyOf(file) {
  if (file.size > MOST_BYTES) throw new NoPicture("The file is too large: expected a picture of at most 32 MB.");
  let image;
  try {
    image = await createImageBitmap(file, { colorSpaceConversion: "none", premultiplyAlpha: "none" });
  } catch {
    throw new NoPicture("The file is no picture that this browser can read: expected PNG, JPEG, GIF, WebP or BMP.");
  }
  const { width, height } = image;
  if (width * height > MOST_PIXELS) throw new NoPicture("The picture is too large: expected at most 16 million pixels.");
  const context = new OffscreenCanvas(width, height).getContext("2d", { willReadFrequently: true });
  context.drawImage(image, 0, 0);
  const { data } = context.getImageData(0, 0, width, height);
  const pixels = Array.from({ length: width * height }, (_, k) => 4 * k);
  const border = pixels.filter((_, k) => k < width || k >= width * (height - 1) || k % width === 0 || k % width === width - 1);
  // What is drawn on nothing is the picture, in whatever colour.
  if (median(border.map((at) => data[at + 3])) < 128) {
    return picture(height, width, Float32Array.from(pixels, (at) => data[at + 3]));
  }
  const seen = pixels.filter((at) => data[at + 3] >= 128);
  const lightness = lightnessOf(data, seen);
  if (pixels.every((at) => data[at + 3] === 255)) return picture(height, width, Float32Array.from(pixels, lightness));
  const paper = median(seen.map(lightness));
  const grey = (at) => paper + (lightness(at) - paper) * (data[at + 3] / 255);
  return picture(height, width, Float32Array.from(pixels, grey));
}

// What says how light a pixel is: where colours differ but hardly in lightness, how much there is of red, green or
// blue, whichever differs most among those that are seen; as unrolled.data.grey does it.
function lightnessOf(data, seen) {
  const range = (of) => seen.reduce((most, at) => Math.max(most, of(at)), 0) - seen.reduce((least, at) => Math.min(least, of(at)), 255);
  const grey = (at) => (19595 * data[at] + 38470 * data[at + 1] + 7471 * data[at + 2] + 0x8000) >> 16;
  const colours = [0, 1, 2].map((one) => (at) => data[at + one]);
  const ranges = colours.map(range);
  const most = Math.max(...ranges);
  return range(grey) >= FAINT * most ? grey : colours[ranges.indexOf(most)];
}

// Save grey levels as a PNG file.
export async function saveGrey({ width, height, values }, name) {
  const canvas = element("canvas", { width, height });
  paintGrey(canvas, values);
  const blob = await new Promise((done) => canvas.toBlob(done, "image/png"));
  const address = URL.createObjectURL(blob);
  element("a", { href: address, download: name }).click();
  setTimeout(() => URL.revokeObjectURL(address), 10000);
}
