/** The samples of an ECG of the gateway, for files that must hold exactly what was recorded. */

/** The ECG cannot be written without changing it; the message says what to do. */
export class Inexact extends Error {}

/**
 * Return the number of samples of the longest lead.
 * @throws {Inexact} if a sample was rounded when the gateway's answer was read
 */
export function longestOf({ leads }) {
  for (const { name, signal } of leads) {
    if (!signal.every(Number.isSafeInteger))
      throw new Inexact(`${name} holds integers beyond 2^53, which a browser does not read exactly: use ecg show --csv.`);
  }
  return leads.reduce((most, { signal }) => Math.max(most, signal.length), 0);
}
