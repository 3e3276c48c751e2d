/** A sheet as a picture (PNG). */

import { PX_PER_MM } from "../ecg/scale.js";

const DOTS_PER_PX = 3;

/** Return a sheet, as `sheetsOf` returns it, as a picture. */
export async function pictureOf({ width, height, draw }) {
  const [across, down] = [width, height].map((length) => Math.round(length * PX_PER_MM * DOTS_PER_PX));
  const canvas = new OffscreenCanvas(across, down);
  const context = canvas.getContext("2d", { alpha: false });
  context.scale(DOTS_PER_PX, DOTS_PER_PX);
  draw(context);
  return canvas.convertToBlob({ type: "image/png" });
}
