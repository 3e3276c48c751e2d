/** ZIP archives (APPNOTE.TXT, 4.3) of files that are stored as they are. */

const VERSION = 20;
// Names are UTF-8.
const FLAGS = 0x0800;
// The first date that an archive can state, so that the same files are the same archive.
const DATE = (1 << 5) | 1;

const TABLE = Uint32Array.from({ length: 256 }, (_, byte) => {
  let value = byte;
  for (let bit = 0; bit < 8; bit++) value = value & 1 ? (value >>> 1) ^ 0xedb88320 : value >>> 1;
  return value;
});

/** Return an archive of files `{name, content: Uint8Array}`. */
export function zipOf(files) {
  const [parts, directory] = [[], []];
  let offset = 0;
  for (const { name, content } of files) {
    const bytes = new TextEncoder().encode(name);
    const common = [
      ...[u16(VERSION), u16(FLAGS), u16(0), u16(0), u16(DATE)],
      ...[u32(crc32(content)), u32(content.length), u32(content.length), u16(bytes.length), u16(0)],
    ];
    directory.push(u32(0x02014b50), u16(VERSION), ...common, u16(0), u16(0), u16(0), u32(0), u32(offset), bytes);
    const local = [u32(0x04034b50), ...common, bytes, content];
    parts.push(...local);
    offset += sizeOf(local);
  }
  const counts = [u16(0), u16(0), u16(files.length), u16(files.length)];
  const end = [u32(0x06054b50), ...counts, u32(sizeOf(directory)), u32(offset), u16(0)];
  return new Blob([...parts, ...directory, ...end], { type: "application/zip" });
}

function crc32(content) {
  let value = 0xffffffff;
  for (const byte of content) value = (value >>> 8) ^ TABLE[(value ^ byte) & 0xff];
  return ~value >>> 0;
}

const sizeOf = (parts) => parts.reduce((size, part) => size + part.length, 0);
const u16 = (value) => Uint8Array.of(value, value >>> 8);
const u32 = (value) => Uint8Array.of(value, value >>> 8, value >>> 16, value >>> 24);
