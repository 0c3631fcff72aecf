// Reads the mark of Weir's test pattern in a browser. The layout of the mark is that of mark.go.

/**
 * Reads the mark from the picture that a video (or image) shows at its natural size. Call it in
 * requestVideoFrameCallback, always with the same canvas. The function needs nothing around it, so that it can be
 * handed to page.evaluate as text.
 *
 * @param {HTMLVideoElement|HTMLImageElement|VideoFrame} video
 * @param {HTMLCanvasElement|OffscreenCanvas} canvas
 * @returns {{counter: number, sentMs: number} | null} null when there is no mark to be read
 */
export function readMark(video, canvas) {
  const block = 8, inRow = 40, rows = 2, count = inRow * rows;
  const timeBits = 42, checkBits = 6, leastContrast = 60;
  const width = inRow * block, height = rows * block;

  canvas.width = width;
  canvas.height = height;
  const context = canvas.getContext("2d", { willReadFrequently: true });
  context.drawImage(video, 0, 0, width, height, 0, 0, width, height);
  const pixels = context.getImageData(0, 0, width, height).data;

  const means = [];
  for (let i = 0; i < count; i++) {
    const left = (i % inRow) * block, top = Math.floor(i / inRow) * block;
    let sum = 0;
    for (let y = top + 1; y < top + block - 1; y++) {
      for (let x = left + 1; x < left + block - 1; x++) {
        sum += pixels[4 * (y * width + x) + 1]; // green is most of luma, and the blocks have no hue
      }
    }
    means.push(sum / ((block - 2) * (block - 2)));
  }

  const low = Math.min(...means), high = Math.max(...means);
  if (high - low < leastContrast) return null;
  const levels = means.map((mean) => (mean - low) / (high - low));
  if (levels.some((level) => level > 0.3 && level < 0.7)) return null;
  const bits = levels.map((level) => (level > 0.5 ? 1 : 0));

  // Times are wider than 32 bits, so numbers are put together by multiplication.
  const number = (from, to) => bits.slice(from, to).reduce((n, bit) => n * 2 + bit, 0);
  let crc = 0x3f;
  for (const bit of bits.slice(0, count - checkBits)) {
    const top = crc >> 5;
    crc = (crc << 1) & 0x3f;
    if (top !== bit) crc ^= 0x03;
  }
  if (crc !== number(count - checkBits, count)) return null;
  return { counter: number(0, 32), sentMs: number(32, 32 + timeBits) };
}
