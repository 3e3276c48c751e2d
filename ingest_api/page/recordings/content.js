/** The bytes and the text of a file. */

import { UnreadableRecording } from "./recording.js";

// gzip shrinks signals to a quarter and text to a tenth. A file that grows far more is made to fill the memory.
const MOST_GROWTH = 64;
const LEAST_LIMIT = 1 << 20;

/**
 * Return the content of a file, unzipped if it is gzip.
 * @param {File} file
 * @returns {Promise<ArrayBuffer>}
 * @throws {UnreadableRecording} if it is broken gzip, or unzips to far more than its size
 */
export async function bytesOf(file) {
  const content = await file.arrayBuffer();
  const [first, second] = new Uint8Array(content, 0, Math.min(2, content.byteLength));
  return first === 0x1f && second === 0x8b ? unzipped(content, file.name) : content;
}

async function unzipped(content, name) {
  const limit = Math.max(LEAST_LIMIT, MOST_GROWTH * content.byteLength);
  const reader = new Blob([content]).stream().pipeThrough(new DecompressionStream("gzip")).getReader();
  const parts = [];
  let size = 0;
  try {
    for (;;) {
      const { done, value } = await reader.read();
      if (done) break;
      size += value.length;
      if (size > limit) break;
      parts.push(value);
    }
  } catch {
    throw new UnreadableRecording(`${name} is broken gzip, or has several parts: unzip it first`);
  }
  if (size > limit) {
    reader.cancel().catch(() => {});
    throw new UnreadableRecording(`${name} unzips to more than ${MOST_GROWTH} times its size: unzip it first`);
  }
  return new Blob(parts).arrayBuffer();
}

/**
 * Return bytes as text, and true if it is Latin-1: UTF-8 is tried first.
 * @param {ArrayBuffer} content
 * @returns {[string, boolean]}
 * @throws {UnreadableRecording} if the bytes are not text
 */
export function textOf(content) {
  const bytes = new Uint8Array(content);
  const wide = { "255,254": "utf-16le", "254,255": "utf-16be" }[bytes.slice(0, 2).join()];
  if (wide) {
    try {
      return [new TextDecoder(wide, { fatal: true, ignoreBOM: true }).decode(bytes.subarray(2)), false];
    } catch {
      throw new UnreadableRecording("is not text");
    }
  }
  if (bytes.includes(0)) throw new UnreadableRecording("is not text");
  try {
    return [new TextDecoder("utf-8", { fatal: true }).decode(bytes), false];
  } catch {
    return [latinOf(bytes), true];
  }
}

/** Return bytes as ISO 8859-1; browsers read Windows-1252 under that name. */
export function latinOf(bytes) {
  let text = "";
  for (let at = 0; at < bytes.length; at += 4096) text += String.fromCharCode(...bytes.subarray(at, at + 4096));
  return text;
}
