/** Writes what is generated from the configuration schema. Run it after a change to src/config/schema.ts. */
import { renderJsonSchema, renderPage, renderYaml } from "../src/config/reference.ts";

const root = new URL("..", import.meta.url).pathname;

await Bun.write(`${root}config/anomaly-detector.yaml`, renderYaml());
await Bun.write(`${root}config/anomaly-detector.schema.json`, renderJsonSchema());
await Bun.write(`${root}docs/configuration.md`, renderPage());
