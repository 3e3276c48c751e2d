/** The question before an ECG is erased. */

import { find } from "./dom.js";
import { Refused } from "./gateway.js";

/**
 * Ask whether an ECG shall be erased, and erase it then. Return true once it is erased, or its erasure certain.
 * @param {string} name
 * @param {() => Promise<boolean>} erase
 */
export function askToErase(name, erase) {
  const dialog = find("#erase-dialog");
  const button = find("#erase-for-good");
  find("#erase-name").textContent = name;
  find("#erase-error").textContent = "";
  button.disabled = false;
  let erased = false;
  button.onclick = async () => {
    button.disabled = true;
    try {
      await erase();
      erased = true;
      dialog.close();
    } catch (error) {
      if (!(error instanceof Refused)) throw error;
      find("#erase-error").textContent = error.message;
      button.disabled = false;
    }
  };
  dialog.showModal();
  return new Promise((resolve) => dialog.addEventListener("close", () => resolve(erased), { once: true }));
}
