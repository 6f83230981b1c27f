/**
 * A small program that tests start inside a namespace.
 *   serve PORT…            answers "pong" to every byte, on IPv4 and IPv6; prints "ready"
 *   connect HOST PORT MS   prints "open", or "closed" when no answer came in time
 *   hold HOST PORT         keeps one connection, sends a byte every 50 ms, prints "pong" for each answer
 */
import { createServer, connect as dial } from "node:net";

const [verb, ...args] = process.argv.slice(2);

switch (verb) {
  case "serve":
    for (const port of args)
      await new Promise<void>((done) =>
        createServer((socket) => {
          socket.on("data", () => socket.write("pong\n"));
          socket.on("error", () => socket.destroy());
        }).listen({ host: "::", port: Number(port) }, done),
      );
    console.log("ready");
    break;
  case "connect": {
    const socket = dial({ host: args[0]!, port: Number(args[1]) });
    const finish = (word: string) => {
      console.log(word);
      process.exit(0);
    };
    socket.on("connect", () => socket.write("x"));
    socket.on("data", () => finish("open"));
    socket.on("error", () => finish("closed"));
    setTimeout(() => finish("closed"), Number(args[2]));
    break;
  }
  case "hold": {
    const socket = dial({ host: args[0]!, port: Number(args[1]) });
    socket.on("data", () => console.log("pong"));
    socket.on("error", () => process.exit(1));
    setInterval(() => socket.write("x"), 50);
    break;
  }
  default:
    process.exit(2);
}
