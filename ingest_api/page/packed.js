/**
 * The packed encoding of ECGs: a map in MessagePack, with the samples of each lead as raw little-endian integers, which is
 * the order of every browser's typed arrays.
 */

export const PACKED = "application/vnd.ecg.v1+msgpack";

// The first that holds a lead's samples is taken. Samples beyond 2^53 come in a BigInt64Array already.
const TYPES = { int8: Int8Array, int16: Int16Array, int32: Int32Array, int64: BigInt64Array };

/**
 * Return the body of a submission.
 * @param {string|null} label the ECG's name in its owner's list
 */
export function pack({ date, samplingRate, leads }, label = null) {
  return encoded({
    date,
    ...(label === null ? {} : { label }),
    ...(samplingRate === null ? {} : { sampling_rate: samplingRate }),
    leads: leads.map(({ name, signal, adcGain, missing }) => ({
      name,
      ...(adcGain === null ? {} : { adc_gain: adcGain }),
      ...(missing.length ? { missing } : {}),
      ...samplesOf(signal),
    })),
  });
}

/** Return an ECG that the gateway answers, as its JSON holds it, but for signals in typed arrays. */
export function unpack(buffer) {
  const ecg = new Reader(buffer).value();
  const leads = ecg.leads.map((lead) => ({ adc_gain: null, ...lead, signal: signalOf(lead) }));
  return { ...ecg, leads };
}

function samplesOf(signal) {
  let [least, most] = [0, 0];
  for (const sample of signal) {
    if (sample < least) least = sample;
    else if (sample > most) most = sample;
  }
  const bits = [8, 16, 32].find((bits) => least >= -(2 ** (bits - 1)) && most < 2 ** (bits - 1)) ?? 64;
  const Type = TYPES[`int${bits}`];
  const samples = signal instanceof Type ? signal : Type.from(signal, bits === 64 ? BigInt : Number);
  return { dtype: `int${bits}`, signal: new Uint8Array(samples.buffer, samples.byteOffset, samples.byteLength) };
}

function signalOf({ dtype, signal }) {
  // Copied, because a typed array begins at a multiple of its width.
  const samples = new TYPES[dtype](signal.slice().buffer);
  return dtype === "int64" ? Float64Array.from(samples, Number) : samples;
}

/** Encode a value, always with the longest form of its kind, which every reader takes. */
function encoded(value) {
  const parts = [];
  add(value, parts);
  const bytes = new Uint8Array(parts.reduce((size, part) => size + part.length, 0));
  let at = 0;
  for (const part of parts) {
    bytes.set(part, at);
    at += part.length;
  }
  return bytes;
}

function add(value, parts) {
  const head = (code, size, write) => {
    const view = new DataView(new ArrayBuffer(1 + size));
    view.setUint8(0, code);
    write?.(view);
    parts.push(new Uint8Array(view.buffer));
  };
  const sized = (code, length) => head(code, 4, (view) => view.setUint32(1, length));
  if (value === null) head(0xc0, 0);
  else if (Number.isSafeInteger(value)) head(0xd3, 8, (view) => view.setBigInt64(1, BigInt(value)));
  else if (typeof value === "number") head(0xcb, 8, (view) => view.setFloat64(1, value));
  else if (typeof value === "string") {
    const text = new TextEncoder().encode(value);
    sized(0xdb, text.length);
    parts.push(text);
  } else if (value instanceof Uint8Array) {
    sized(0xc6, value.length);
    parts.push(value);
  } else if (Array.isArray(value)) {
    sized(0xdd, value.length);
    for (const item of value) add(item, parts);
  } else {
    const entries = Object.entries(value);
    sized(0xdf, entries.length);
    for (const item of entries.flat(1)) add(item, parts);
  }
}

/** Reads values of the kinds that an ECG has: maps, lists, texts, bytes, numbers and null. */
class Reader {
  #view;
  #at = 0;

  constructor(buffer) {
    this.#view = new DataView(buffer);
  }

  value() {
    const code = this.#number("Uint8", 1);
    if (code < 0x80) return code;
    if (code >= 0xe0) return code - 0x100;
    if (code < 0x90) return this.#map(code & 0x0f);
    if (code < 0xa0) return this.#list(code & 0x0f);
    if (code < 0xc0) return this.#text(code & 0x1f);
    switch (code) {
      case 0xc0:
        return null;
      case 0xc4:
      case 0xc5:
      case 0xc6:
        return this.#bytes(this.#size(code - 0xc4));
      case 0xca:
        return this.#number("Float32", 4);
      case 0xcb:
        return this.#number("Float64", 8);
      case 0xcc:
      case 0xcd:
      case 0xce:
        return this.#size(code - 0xcc);
      case 0xcf:
        return Number(this.#number("BigUint64", 8));
      case 0xd0:
        return this.#number("Int8", 1);
      case 0xd1:
        return this.#number("Int16", 2);
      case 0xd2:
        return this.#number("Int32", 4);
      case 0xd3:
        return Number(this.#number("BigInt64", 8));
      case 0xd9:
      case 0xda:
      case 0xdb:
        return this.#text(this.#size(code - 0xd9));
      case 0xdc:
      case 0xdd:
        return this.#list(this.#size(code - 0xdb));
      case 0xde:
      case 0xdf:
        return this.#map(this.#size(code - 0xdd));
      default:
        throw new RangeError(`the answer holds an unknown kind of value, ${code}`);
    }
  }

  #map(length) {
    return Object.fromEntries(Array.from({ length }, () => [this.value(), this.value()]));
  }

  #list(length) {
    return Array.from({ length }, () => this.value());
  }

  #text(length) {
    return new TextDecoder().decode(this.#bytes(length));
  }

  #bytes(length) {
    const bytes = new Uint8Array(this.#view.buffer, this.#at, length);
    this.#at += length;
    return bytes;
  }

  /** Return an unsigned number of 1, 2 or 4 bytes. */
  #size(power) {
    return this.#number(["Uint8", "Uint16", "Uint32"][power], 2 ** power);
  }

  #number(kind, width) {
    const number = this.#view[`get${kind}`](this.#at);
    this.#at += width;
    return number;
  }
}
