/** Samples in the storage formats of WFDB (WFDB manual, signal(5)). */

// For each format: the number of samples in a number of bytes, the marker of a missing sample, and a reader of a sample.
export const FORMATS = new Map([
  ["8", { samplesIn: whole(1), missing: null, read: (view, i) => view.getInt8(i) }],
  ["16", { samplesIn: whole(2), missing: -(2 ** 15), read: (view, i) => view.getInt16(i * 2, true) }],
  [
    "24",
    {
      samplesIn: whole(3),
      missing: -(2 ** 23),
      read: (view, i) => view.getUint16(i * 3, true) | (view.getInt8(i * 3 + 2) << 16),
    },
  ],
  ["32", { samplesIn: whole(4), missing: -(2 ** 31), read: (view, i) => view.getInt32(i * 4, true) }],
  ["61", { samplesIn: whole(2), missing: -(2 ** 15), read: (view, i) => view.getInt16(i * 2, false) }],
  ["80", { samplesIn: whole(1), missing: -(2 ** 7), read: (view, i) => view.getUint8(i) - 128 }],
  ["160", { samplesIn: whole(2), missing: -(2 ** 15), read: (view, i) => view.getUint16(i * 2, true) - 32768 }],
  [
    "212",
    { samplesIn: (size) => Math.floor(size / 3) * 2 + (size % 3 === 2 ? 1 : 0), missing: -(2 ** 11), read: read212 },
  ],
  [
    "310",
    { samplesIn: (size) => Math.floor(size / 4) * 3 + (size % 4 >= 2 ? 1 : 0), missing: -(2 ** 9), read: read310 },
  ],
  ["311", { samplesIn: (size) => Math.floor(size / 4) * 3 + [0, 0, 1, 2][size % 4], missing: -(2 ** 9), read: read311 }],
]);
/** FLAC, which browsers decode to floats and resample. */
export const FLAC = ["508", "516", "524"];
export const DIFFERENCES = "8";

function whole(width) {
  return (size) => Math.floor(size / width);
}

/** Two samples of 12 bits in three bytes. */
function read212(view, i) {
  const at = (i >> 1) * 3;
  const middle = view.getUint8(at + 1);
  return signed(
    i & 1 ? view.getUint8(at + 2) | ((middle & 0xf0) << 4) : view.getUint8(at) | ((middle & 0x0f) << 8),
    12,
  );
}

/** Three samples of 10 bits in two words of 16 bits: ten bits of each word, and the rest of both. */
function read310(view, i) {
  const at = Math.floor(i / 3) * 4;
  if (i % 3 < 2) return signed((view.getUint16(at + (i % 3) * 2, true) >> 1) & 0x3ff, 10);
  return signed((view.getUint16(at, true) >> 11) | ((view.getUint16(at + 2, true) >> 11) << 5), 10);
}

/** Three samples of 10 bits in the lower 30 bits of a word of 32. */
function read311(view, i) {
  const at = Math.floor(i / 3) * 4;
  const shift = (i % 3) * 10;
  const first = at + (shift >> 3);
  const word = view.getUint8(first) | (view.getUint8(first + 1) << 8);
  return signed((word >> (shift & 7)) & 0x3ff, 10);
}

function signed(value, bits) {
  return value >= 2 ** (bits - 1) ? value - 2 ** bits : value;
}
