// biome-ignore-all lint/correctness/noUnusedImports: h is the JSX factory (tsconfig)
/** The page to sign in on. It needs no script. */
import { Logo, Warning } from "./icons.tsx";
import { h } from "./jsx.ts";
import type { AssetUrls } from "./page.tsx";

export interface LoginModel {
  /** What was wrong with the last try; null before the first. */
  readonly problem: string | null;
  /** Said when the password will cross a network that anybody may listen to. */
  readonly isPlain: boolean;
  readonly token: string;
}

export function renderLogin({ problem, isPlain, token }: LoginModel, assets: AssetUrls): string {
  const page = (
    <html lang="en">
      <head>
        <meta charset="utf-8" />
        <meta name="viewport" content="width=device-width, initial-scale=1" />
        <meta name="color-scheme" content="light dark" />
        <title>Sign in · anomaly-detector</title>
        <link rel="icon" href={assets.icon} type="image/svg+xml" />
        <link rel="stylesheet" href={assets.css} />
      </head>
      <body>
        <main id="main" class="login">
          <form class="panel" method="post" action="/login">
            <h1>
              <Logo />
              anomaly-detector
            </h1>
            <input type="hidden" name="token" value={token} />
            <label>
              Password
              <input
                type="password"
                name="password"
                autocomplete="current-password"
                required={true}
                autofocus={true}
                aria-invalid={problem === null ? undefined : "true"}
                aria-describedby={problem === null ? undefined : "problem"}
              />
            </label>
            {problem === null ? null : (
              <p class="problem" id="problem" role="alert">
                <Warning />
                {problem}
              </p>
            )}
            <button class="btn primary" type="submit">
              Sign in
            </button>
            {isPlain ? (
              <p>
                This connection is plain http: whoever is on its way can read the password. An SSH tunnel or TLS hides
                it.
              </p>
            ) : null}
            <p>
              Set or reset it on the server: <code>anomaly-detector password</code>
            </p>
          </form>
        </main>
      </body>
    </html>
  );
  return `<!doctype html>${page}`;
}
