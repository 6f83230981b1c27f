/** Run inside a network namespace: `bun relay.ts PORT SOCKET` leads connections to 127.0.0.1:PORT on to a unix socket. */
import { connect, createServer } from "node:net";

const [port, socket] = process.argv.slice(2) as [string, string];
createServer((client) => {
  const server = connect(socket);
  client.pipe(server).pipe(client);
  for (const end of [client, server])
    end.on("error", () => {
      client.destroy();
      server.destroy();
    });
}).listen(Number(port), "127.0.0.1", () => console.log("ready"));

// A killed test run cannot end us.
const parent = process.ppid;
setInterval(() => {
  if (process.ppid !== parent) process.exit();
}, 1_000).unref();
