/** Writes the made tables of docs/detection.md anew. Run it after a change to src/detection/ or its defaults. */
import { renderDetectionDoc } from "./detection-doc.ts";

const root = new URL("..", import.meta.url).pathname;
const page = `${root}docs/detection.md`;
const tuning = await Bun.file(`${root}src/detection/tuning.ts`).text();

await Bun.write(page, renderDetectionDoc(await Bun.file(page).text(), tuning));
