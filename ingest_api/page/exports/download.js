/** The dialog that downloads the ECG that is open: as a PDF or a picture of the paper, or as its samples. */

import { count, find } from "../dom.js";
import { clock } from "../ecg/clock.js";
import { csvOf } from "./csv.js";
import { PdfDocument } from "./pdf.js";
import { pictureOf } from "./picture.js";
import { Inexact } from "./samples.js";
import { PAPERS, sheetsOf } from "./sheets.js";
import { wfdbOf } from "./wfdb.js";

// More pages than anybody prints; their drawing would keep the browser busy for minutes.
const MOST_PAGES = 400;
const NOTES = {
  csv: "A column for each lead, in ADC units, as the command ecg writes it. This page and ecg read it again exactly.",
  wfdb: "A header and a signal file of 16 or 32 bits, for the tools of PhysioNet.",
  png: "At 288 dots an inch, with the same heading as the PDF.",
};

/** Offer the downloads of an ECG, as `Viewer.opened` returns it. */
export function askToDownload(opened) {
  const [dialog, format, button] = [find("#take-dialog"), find("#take-format"), find("#take-now")];
  const { plot } = opened;
  const ranges = { whole: { ...plot.range, from: 0, to: plot.range.duration }, window: plot.range };
  const chosen = () => ranges[dialog.querySelector("[name=range]:checked").value];
  const pages = (range) => sheetsOf(opened, PAPERS[format.value] ?? PAPERS.a4, range).length;

  function describe() {
    const drawn = !["csv", "wfdb"].includes(format.value);
    find("#take-range").hidden = !drawn;
    find("#take-error").textContent = "";
    button.disabled = false;
    find("#take-note").textContent = NOTES[format.value] ?? "";
    if (!drawn) return;
    find("#take-whole").textContent = `The whole recording, ${count(pages(ranges.whole), "page")}`;
    const { from, to, begin } = ranges.window;
    find("#take-window").textContent = `${clock(begin + from)} to ${clock(begin + to)}, ${count(pages(ranges.window), "page")}`;
    const most = format.value === "png" ? 1 : MOST_PAGES;
    if (pages(chosen()) <= most) return;
    button.disabled = true;
    find("#take-error").textContent =
      most === 1 ? "A picture is of one page: choose less of the recording." : `At most ${MOST_PAGES} pages are drawn.`;
  }

  button.onclick = async () => {
    button.disabled = true;
    try {
      const blob = await made(opened, format.value, chosen());
      save(blob, `${fileName(opened.title)}.${{ a4: "pdf", letter: "pdf", wfdb: "zip" }[format.value] ?? format.value}`);
      dialog.close();
    } catch (error) {
      if (!(error instanceof Inexact)) throw error;
      find("#take-error").textContent = error.message;
    }
  };
  format.onchange = describe;
  find("#take-range").onchange = describe;
  describe();
  dialog.showModal();
}

async function made(opened, format, range) {
  if (format === "csv") return csvOf(opened.ecg);
  if (format === "wfdb") return wfdbOf(opened.ecg, fileName(opened.title));
  if (format === "png") return pictureOf(sheetsOf(opened, PAPERS.a4, range)[0]);
  const pdf = new PdfDocument(opened.title);
  for (const { width, height, draw } of sheetsOf(opened, PAPERS[format], range)) pdf.addPage(width, height, draw);
  return pdf.blob();
}

/** Return a name for files: the title without the ending of a recording's file, and without letters of paths. */
function fileName(title) {
  const stem = title.replace(/\.[a-z0-9]{2,5}$/i, "").replace(/[\x00-\x1f\x7f/\\:*?"<>|]+/g, "-");
  return stem.replace(/^[.\s-]+|[.\s]+$/g, "").slice(0, 100) || "ecg";
}

function save(blob, name) {
  const link = Object.assign(document.createElement("a"), { href: URL.createObjectURL(blob), download: name });
  link.click();
  // Not at once, because the browser may not have begun to read it.
  setTimeout(() => URL.revokeObjectURL(link.href), 60_000);
}
