/** Debian's nginx in a namespace, with the shipped log format. Clients name the address they come from in a header. */
import { existsSync, mkdirSync, readFileSync, renameSync, writeFileSync } from "node:fs";
import { join, resolve } from "node:path";
import { Background, run, until } from "../e2e/process.ts";
import type { Namespace } from "../netns/namespace.ts";

const LOG_FORMAT = resolve(import.meta.dir, "../../nginx/log-format.conf");

export class Nginx {
  #nginx: Background | null = null;
  #client: Background | null = null;
  #rotations = 0;

  constructor(
    private readonly space: Namespace,
    private readonly dir: string,
    private readonly logPath: string,
  ) {}

  async start(): Promise<void> {
    mkdirSync(this.dir, { recursive: true });
    const conf = join(this.dir, "nginx.conf");
    writeFileSync(conf, this.#configuration());
    this.#nginx = new Background([...this.space.enter, "nginx", "-e", join(this.dir, "error.log"), "-c", conf]);
    const answers = async () => (await run([...this.space.enter, "curl", "-sf", "http://127.0.0.1/"])).code === 0;
    await until("nginx to answer", answers);
  }

  /** Begins to send requests; each has a number of its own, also after a pause. */
  load(): void {
    const script = join(import.meta.dir, "client.ts");
    this.#client = new Background([...this.space.enter, process.execPath, script, `${performance.now()}`]);
  }

  async pause(): Promise<void> {
    await this.#client?.stop();
    this.#client = null;
  }

  /** As logrotate does: the file is renamed, then nginx is told. */
  rotate(): void {
    for (let n = this.#rotations; n > 0; n--) renameSync(`${this.logPath}.${n}`, `${this.logPath}.${n + 1}`);
    renameSync(this.logPath, `${this.logPath}.1`);
    this.#rotations++;
    this.#nginx?.signal("SIGUSR1");
  }

  /** The targets of all requests that nginx has logged, in order. */
  logged(): string[] {
    const paths = Array.from({ length: this.#rotations }, (_, i) => `${this.logPath}.${this.#rotations - i}`);
    const text = [...paths, this.logPath].map((path) => (existsSync(path) ? readFileSync(path, "utf8") : "")).join("");
    return [...text.matchAll(/"path":"([^"]*)"/g)].map((match) => match[1]!);
  }

  async stop(): Promise<void> {
    await this.pause();
    await this.#nginx?.stop();
  }

  #configuration(): string {
    const temps = ["client_body", "proxy", "fastcgi", "uwsgi", "scgi"].map((t) => `${t}_temp_path ${this.dir}/${t};`);
    return `
      daemon off; user root; worker_processes 2; pid ${this.dir}/nginx.pid;
      events { worker_connections 512; }
      http {
        include ${LOG_FORMAT};
        access_log ${this.logPath} hng;
        ${temps.join(" ")}
        set_real_ip_from 127.0.0.1; real_ip_header X-From;
        server { listen 127.0.0.1:80; location / { return 200 "hello\\n"; } }
      }
    `;
  }
}
