/** The scale of ECG paper; lengths are in CSS pixels unless their name has another unit. */

export const PX_PER_MM = 96 / 25.4;
export const MM_PER_SECOND = 25;
export const MM_PER_MILLIVOLT = 10;
// The space left of the signals, for the calibration pulse (5 mm wide, 1 mV high) with a margin.
export const GUTTER_MM = 10;
export const RULER_PX = 22;
// The ruler, and below it the line with speed, gain and filters.
export const FOOT_PX = RULER_PX + 18;

/** Return the x of a time of the recording, which a row may show `shift` seconds further left. */
export const xOf = (view, time, shift = 0) => view.gutter + (time - shift - view.time) * view.pxPerSecond;
