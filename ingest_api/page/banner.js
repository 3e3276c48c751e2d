/** The banner at the top of the page while the server is away: what waits for it, and when it is tried again. */

import { count, find } from "./dom.js";
import { Outage } from "./outage.js";

const EACH_MS = 1000;

/** Return an outage that the banner shows. */
export function bannerOf() {
  let ticking = null;
  const outage = new Outage(show);
  find("#try-now").addEventListener("click", () => outage.tryNow());

  function show() {
    const waits = outage.waits;
    const { offline } = outage;
    const away = offline || waits.length > 0;
    find("#away").hidden = !away;
    clearTimeout(ticking);
    if (!away) {
      setText("#away-problem", "");
      return;
    }
    const problem = offline ? "this computer is offline" : waits[0].problem;
    setText("#away-problem", `${problem.charAt(0).toUpperCase()}${problem.slice(1)}.`);
    setText("#away-waiting", waits.length ? `Waiting: ${namesOf(waits)}. Keep this page open.` : "Nothing is waiting.");
    const next = Math.min(...waits.map(({ until }) => until ?? Infinity));
    const seconds = Math.ceil((next - Date.now()) / 1000);
    const tried = seconds > 0 && seconds < Infinity;
    setText("#away-next", tried ? `Next try in ${count(seconds, "second")}.` : waits.length ? "Trying now …" : "");
    find("#try-now").disabled = !tried;
    ticking = setTimeout(show, EACH_MS);
  }

  return outage;
}

/** Return what waits in words: the calls of a kind are counted. */
function namesOf(waits) {
  const kinds = new Map();
  for (const { what } of waits) kinds.set(what, (kinds.get(what) ?? 0) + 1);
  return [...kinds].map(([what, n]) => (COUNTED.has(what) ? count(n, what) : `the ${what}`)).join(", ");
}

const COUNTED = new Set(["submission", "erasure", "result"]);

/** Set a text only if it changes, so that screen readers announce a problem once. */
function setText(selector, text) {
  const place = find(selector);
  if (place.textContent !== text) place.textContent = text;
}
