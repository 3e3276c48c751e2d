/** The names of leads, in one spelling. */

const KNOWN = new Map(
  [
    ...["I", "II", "III", "aVR", "aVL", "aVF", "-aVR", "V1", "V2", "V3", "V4", "V5", "V6", "V7", "V8", "V9"],
    ...["V1R", "V2R", "V3R", "V4R", "V5R", "V6R", "X", "Y", "Z", "MLI", "MLII", "MLIII", "MV1", "MV2", "MV5"],
  ].map((name) => [name.toLowerCase(), name]),
);

/**
 * Return a lead's name in its usual spelling, `aVR` for `AVR` or `Lead aVR`; other names are returned unchanged. Some
 * devices add the prefix "lead" or "ECG".
 */
export function spelled(name) {
  const bare = name.trim().toLowerCase().replace(/^(?:lead|ecg)[\s_-]+/, "");
  return KNOWN.get(bare) ?? name;
}
