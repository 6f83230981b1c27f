import { version } from "../package.json";

/** Set by the build: `--define VERSION='"0.1.0+abc"'`. */
declare const VERSION: string;

/** "0.1.0+abc" in a release, "0.1.0+source" when run from the sources. */
export const VERSION_TEXT: string = typeof VERSION === "string" ? VERSION : `${version}+source`;
