/** PDF documents (ISO 32000-1) of vector drawings, drawn with the methods of a canvas that ECG paper is drawn with. */

import { PX_PER_MM } from "../ecg/scale.js";

const POINTS_PER_PX = 0.75;
// Fonts that every reader of PDF has, with the letters of Windows-1252.
const FONTS = { regular: "Helvetica", bold: "Helvetica-Bold" };
const BOLD_FROM = 600;
// The letters of Windows-1252 that Latin-1 does not have, from 0x80 on; U+FFFD where it has none.
const HIGH = "€\ufffd‚ƒ„…†‡ˆ‰Š‹Œ\ufffdŽ\ufffd\ufffd‘’“”•–—˜™š›œ\ufffdžŸ";
// Letters that these fonts lack, replaced where that changes nothing of the meaning.
const ALIKE = { "−": "-", "≥": ">=", "≤": "<=", "\u202f": " ", "\u2009": " ", "⚠": "!" };
// Texts in other letters are pictures of this many dots for each CSS pixel.
const DOTS = 8;
// A circle's arc of at most a quarter is a Bézier curve to within 0.03 % of the radius.
const QUARTER = Math.PI / 2;

/** A document whose pages are drawn one after the other. */
export class PdfDocument {
  #objects = [];
  #pages = [];
  #alphas = new Map();
  #title;

  constructor(title) {
    this.#title = title;
  }

  /** Add a page of a size in millimetres; `draw` gets a context in CSS pixels, as a canvas has it. */
  addPage(width, height, draw) {
    const size = [width, height].map((length) => length * PX_PER_MM * POINTS_PER_PX);
    const context = new PdfContext(size[1], this.#alphas);
    draw(context);
    this.#pages.push({ size, context });
  }

  /** Return the document as a blob. */
  async blob() {
    const catalogue = this.#add();
    const pages = this.#add();
    const fonts = Object.entries(FONTS).map(
      ([name, base]) =>
        `/${name} ${this.#add(`<< /Type /Font /Subtype /Type1 /BaseFont /${base} /Encoding /WinAnsiEncoding >>`)} 0 R`,
    );
    const states = [...this.#alphas].map(([alpha, name]) => `/${name} << /ca ${alpha} /CA ${alpha} >>`);
    const kids = [];
    for (const { size, context } of this.#pages) {
      const pictures = [];
      for (const [i, { bits, width, height }] of context.pictures.entries()) {
        const about = `/Type /XObject /Subtype /Image /Width ${width} /Height ${height} /ImageMask true /BitsPerComponent 1`;
        pictures.push(`/P${i} ${this.#add(...(await stream(bits, about)))} 0 R`);
      }
      const content = this.#add(...(await stream(new TextEncoder().encode(context.content))));
      const resources =
        `<< /Font << ${fonts.join(" ")} >> /ExtGState << ${states.join(" ")} >> ` +
        `/XObject << ${pictures.join(" ")} >> >>`;
      const box = size.map((points) => points.toFixed(3)).join(" ");
      kids.push(
        this.#add(
          `<< /Type /Page /Parent ${pages} 0 R /MediaBox [0 0 ${box}] /Resources ${resources} /Contents ${content} 0 R >>`,
        ),
      );
    }
    const list = kids.map((kid) => `${kid} 0 R`).join(" ");
    this.#objects[pages - 1] = [`<< /Type /Pages /Kids [${list}] /Count ${kids.length} >>`];
    // Readers then print at the true scale, unless told otherwise.
    const preferences = "/ViewerPreferences << /PrintScaling /None /DisplayDocTitle true >>";
    this.#objects[catalogue - 1] = [`<< /Type /Catalog /Pages ${pages} 0 R /Lang (en) ${preferences} >>`];
    const info = this.#add(`<< /Title ${unicode(this.#title)} >>`);
    return this.#file(catalogue, info);
  }

  /** Add an object that consists of these parts, and return its number. */
  #add(...parts) {
    return this.#objects.push(parts);
  }

  #file(root, info) {
    const parts = ["%PDF-1.7\n%\u00b5\u00b5\u00b5\u00b5\n"].map(latin);
    let size = parts[0].length;
    const push = (part) => {
      const bytes = typeof part === "string" ? latin(part) : part;
      parts.push(bytes);
      size += bytes.length;
    };
    const places = this.#objects.map((object, i) => {
      const place = size;
      push(`${i + 1} 0 obj\n`);
      object.forEach(push);
      push("\nendobj\n");
      return place;
    });
    const start = size;
    push(`xref\n0 ${places.length + 1}\n0000000000 65535 f \n`);
    for (const place of places) push(`${String(place).padStart(10, "0")} 00000 n \n`);
    push(`trailer\n<< /Size ${places.length + 1} /Root ${root} 0 R /Info ${info} 0 R >>\nstartxref\n${start}\n%%EOF\n`);
    return new Blob(parts, { type: "application/pdf" });
  }
}

/** A context that writes a page's content; only what drawing of ECG paper uses. */
class PdfContext {
  fillStyle = "#000000";
  strokeStyle = "#000000";
  lineWidth = 1;
  lineJoin = "miter";
  font = "10px sans-serif";
  textAlign = "start";
  pictures = [];
  #out = [];
  #path = [];
  #saved = [];
  #written = {};
  #alphas;
  // Knows colours in CSS, and the widths of letters: those of Arial are Helvetica's.
  #reference = new OffscreenCanvas(1, 1).getContext("2d");

  constructor(height, alphas) {
    this.#alphas = alphas;
    this.#out.push(`${POINTS_PER_PX} 0 0 ${-POINTS_PER_PX} 0 ${short(height)} cm`);
  }

  get content() {
    return this.#out.join("\n");
  }

  save() {
    const { fillStyle, strokeStyle, lineWidth, lineJoin, font, textAlign } = this;
    this.#saved.push({ fillStyle, strokeStyle, lineWidth, lineJoin, font, textAlign, written: { ...this.#written } });
    this.#out.push("q");
  }

  restore() {
    const { written, ...properties } = this.#saved.pop();
    Object.assign(this, properties);
    this.#written = written;
    this.#out.push("Q");
  }

  translate(x, y) {
    this.#out.push(`1 0 0 1 ${short(x)} ${short(y)} cm`);
  }

  beginPath() {
    this.#path = [];
  }

  moveTo(x, y) {
    this.#path.push(`${short(x)} ${short(y)} m`);
  }

  lineTo(x, y) {
    this.#path.push(`${short(x)} ${short(y)} ${this.#path.length ? "l" : "m"}`);
  }

  closePath() {
    this.#path.push("h");
  }

  rect(x, y, width, height) {
    this.#path.push(`${[x, y, width, height].map(short).join(" ")} re`);
  }

  arc(x, y, radius, from, to) {
    const parts = Math.max(Math.ceil(Math.abs(to - from) / QUARTER - 1e-9), 1);
    const step = (to - from) / parts;
    const reach = (4 / 3) * Math.tan(step / 4) * radius;
    this.lineTo(x + radius * Math.cos(from), y + radius * Math.sin(from));
    for (let i = 0; i < parts; i++) {
      const [begin, end] = [from + i * step, from + (i + 1) * step];
      const points = [
        x + radius * Math.cos(begin) - reach * Math.sin(begin),
        y + radius * Math.sin(begin) + reach * Math.cos(begin),
        x + radius * Math.cos(end) + reach * Math.sin(end),
        y + radius * Math.sin(end) - reach * Math.cos(end),
        x + radius * Math.cos(end),
        y + radius * Math.sin(end),
      ];
      this.#path.push(`${points.map(short).join(" ")} c`);
    }
  }

  clip() {
    this.#out.push(...this.#path, "W n");
  }

  fill() {
    this.#colour("fill", this.fillStyle);
    this.#out.push(...this.#path, "f");
  }

  stroke() {
    this.#pen();
    this.#out.push(...this.#path, "S");
  }

  fillRect(x, y, width, height) {
    this.#colour("fill", this.fillStyle);
    this.#out.push(`${[x, y, width, height].map(short).join(" ")} re f`);
  }

  strokeRect(x, y, width, height) {
    this.#pen();
    this.#out.push(`${[x, y, width, height].map(short).join(" ")} re S`);
  }

  setLineDash(lengths) {
    this.#out.push(`[${lengths.map(short).join(" ")}] 0 d`);
  }

  measureText(text) {
    this.#reference.font = this.font.replace(/px .*$/, "px Arial, Helvetica, sans-serif");
    return this.#reference.measureText(text);
  }

  fillText(text, x, y, widest = Infinity) {
    this.#colour("fill", this.fillStyle);
    this.#text(text, x, y, widest, 0);
  }

  strokeText(text, x, y, widest = Infinity) {
    this.#pen();
    this.#text(text, x, y, widest, 1);
  }

  #text(text, x, y, widest, mode) {
    if (!text) return;
    const { width } = this.measureText(text);
    const share = Math.min(widest / width, 1);
    const left = x - width * share * ({ center: 0.5, right: 1, end: 1 }[this.textAlign] ?? 0);
    const codes = windows1252(text);
    if (codes === null) {
      // The outline of a picture is left out: it only keeps letters legible on top of a trace.
      if (mode === 0) this.#picture(text, left, y, width, share);
      return;
    }
    const [, weight, size] = /^(?:(\d+) )?([\d.]+)px/.exec(this.font);
    const font = Number(weight ?? 400) >= BOLD_FROM ? "bold" : "regular";
    const stretched = share < 1 ? `${short(share * 100)} Tz ` : "";
    this.#out.push(
      `BT ${mode} Tr ${stretched}/${font} ${size} Tf 1 0 0 -1 ${short(left)} ${short(y)} Tm <${codes}> Tj ET`,
    );
    if (stretched) this.#out.push("BT 100 Tz ET");
  }

  /** Write letters that the fonts lack as a picture of them. */
  #picture(text, left, y, width, share) {
    const size = Number(/([\d.]+)px/.exec(this.font)[1]);
    const [across, down] = [Math.ceil(width * DOTS) + DOTS, Math.ceil(size * 1.5 * DOTS)];
    const context = new OffscreenCanvas(across, down).getContext("2d", { willReadFrequently: true });
    context.scale(DOTS, DOTS);
    context.font = this.#reference.font;
    context.fillText(text, 0, size * 1.1);
    const { data } = context.getImageData(0, 0, across, down);
    const bytes = Math.ceil(across / 8);
    // In a mask, zeros are painted.
    const bits = new Uint8Array(bytes * down).fill(255);
    for (let i = 0; i < across * down; i++) {
      const [row, column] = [Math.floor(i / across), i % across];
      if (data[4 * i + 3] > 127) bits[row * bytes + (column >> 3)] &= ~(128 >> (column & 7));
    }
    const [wide, high] = [(across / DOTS) * share, down / DOTS];
    const matrix = [wide, 0, 0, -high, left, y - size * 1.1 + high].map(short).join(" ");
    this.#out.push(`q ${matrix} cm /P${this.pictures.length} Do Q`);
    this.pictures.push({ bits, width: across, height: down });
  }

  #pen() {
    this.#colour("stroke", this.strokeStyle);
    this.#set("width", `${short(this.lineWidth)} w`);
    this.#set("join", `${this.lineJoin === "round" ? 1 : 0} j`);
  }

  #colour(use, style) {
    this.#reference.fillStyle = "#000000";
    this.#reference.fillStyle = style;
    const named = this.#reference.fillStyle;
    const [red, green, blue, alpha = 1] = named.startsWith("#")
      ? [1, 3, 5].map((at) => parseInt(named.slice(at, at + 2), 16))
      : named.match(/[\d.]+/g).map(Number);
    const rgb = [red, green, blue].map((value) => short(value / 255)).join(" ");
    this.#set(use, `${rgb} ${use === "fill" ? "rg" : "RG"}`);
    const opacity = short(alpha);
    if (opacity === (this.#written.alpha ?? 1)) return;
    if (!this.#alphas.has(opacity)) this.#alphas.set(opacity, `A${this.#alphas.size}`);
    this.#written.alpha = opacity;
    this.#out.push(`/${this.#alphas.get(opacity)} gs`);
  }

  /** Write a property of the graphics state, unless it stands already. */
  #set(property, operation) {
    if (this.#written[property] === operation) return;
    this.#written[property] = operation;
    this.#out.push(operation);
  }
}

/** Return a number with three decimals at most. */
function short(value) {
  return Number(value.toFixed(3));
}

/** Return the text in Windows-1252 as hexadecimal digits, or null if it has other letters. */
function windows1252(text) {
  let digits = "";
  for (const letter of text) {
    for (const known of ALIKE[letter] ?? letter) {
      const high = HIGH.indexOf(known);
      const code = high >= 0 && known !== "\ufffd" ? 0x80 + high : known.codePointAt(0);
      if (code > 255 || (high < 0 && code >= 0x7f && code < 0xa0) || code < 0x20) return null;
      digits += code.toString(16).padStart(2, "0");
    }
  }
  return digits;
}

/** Return text as a string of UTF-16 in hexadecimal digits. */
function unicode(text) {
  const units = [...Array(text.length).keys()].map((i) => text.charCodeAt(i).toString(16).padStart(4, "0"));
  return `<feff${units.join("")}>`;
}

/** Return the parts of a compressed stream. */
async function stream(bytes, about = "") {
  const compressed = new Blob([bytes]).stream().pipeThrough(new CompressionStream("deflate"));
  const content = new Uint8Array(await new Response(compressed).arrayBuffer());
  return [`<< ${about} /Filter /FlateDecode /Length ${content.length} >>\nstream\n`, content, "\nendstream"];
}

function latin(text) {
  return Uint8Array.from(text, (letter) => letter.charCodeAt(0));
}
