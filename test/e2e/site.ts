/** Debian's nginx on the target, answering like a small Nextcloud, with the shipped log format. */
import { mkdirSync, writeFileSync } from "node:fs";
import { join, resolve } from "node:path";
import { type Internet, TARGET } from "./internet.ts";
import { Background, run, until } from "./process.ts";

/** One line of the site's access log, as far as the tests look at it. */
export interface LogLine {
  readonly source_ip: string;
  readonly msec: string;
  readonly path: string;
  readonly status: number;
}

const LOG_FORMAT = resolve(import.meta.dir, "../../nginx/log-format.conf");

const LOCATIONS = `
  location = /login { return 200 "login\\n"; }
  location /remote.php/ { return 207 "<d:multistatus/>\\n"; }
`;

export class Site {
  readonly logPath: string;
  #nginx: Background | null = null;

  /** `locations` is what the server block says besides the static files. */
  constructor(
    readonly internet: Internet,
    readonly dir: string,
    readonly locations = LOCATIONS,
  ) {
    this.logPath = join(dir, "hng-access.log");
  }

  async start(): Promise<void> {
    mkdirSync(join(this.dir, "www/core"), { recursive: true });
    writeFileSync(join(this.dir, "www/index.html"), "<title>Files</title>\n");
    for (const name of ["core.js", "core.css", "logo.svg"])
      writeFileSync(join(this.dir, "www/core", name), "x".repeat(900));
    const conf = join(this.dir, "nginx.conf");
    writeFileSync(conf, this.#configuration());
    this.#nginx = new Background(this.internet.on("target", ["nginx", "-e", join(this.dir, "error.log"), "-c", conf]));
    await until("nginx to answer", async () => (await this.status("user")) > 0);
  }

  async stop(): Promise<void> {
    await this.#nginx?.stop();
  }

  /** What a host of the lab gets for one request: the status, or 0 when no answer comes within two seconds. */
  async status(host: string, path = "/", address: string = TARGET.v4): Promise<number> {
    const name = address.includes(":") ? `[${address}]` : address;
    const argv = ["curl", "-s", "-g", "-m", "2", "-o", "/dev/null", "-w", "%{http_code}", `http://${name}${path}`];
    return Number((await run(this.internet.on(host, argv))).stdout);
  }

  /** The access log's lines of one source, oldest first. */
  async lines(source: string): Promise<LogLine[]> {
    const text = await Bun.file(this.logPath).text();
    const needle = `"source_ip":"${source}"`;
    return text.split("\n").flatMap((line) => (line.includes(needle) ? [JSON.parse(line) as LogLine] : []));
  }

  #configuration(): string {
    const temps = ["client_body", "proxy", "fastcgi", "uwsgi", "scgi"].map((t) => `${t}_temp_path ${this.dir}/${t};`);
    return `
      daemon off; user root; worker_processes 1; pid ${this.dir}/nginx.pid;
      events { worker_connections 2048; }
      http {
        include ${LOG_FORMAT};
        access_log ${this.logPath} hng;
        ${temps.join(" ")}
        keepalive_requests 100000;
        server {
          listen 80 backlog=1024; listen [::]:80 backlog=1024;
          root ${this.dir}/www;
          ${this.locations}
        }
      }
    `;
  }
}
