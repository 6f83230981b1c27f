/** Asks the nginx of the namespace for numbered pages, for as long as it runs: 20 calm visitors, and one flood after the other. */
const [run] = process.argv.slice(2);
let number = 0;
const ask = (from: string) =>
  fetch(`http://127.0.0.1/page?run=${run}&n=${number++}`, { headers: { "X-From": from } })
    .then((answer) => answer.text())
    .catch(() => "");

const base = Math.floor(Number(run)) % 60_000;
for (let turn = 0; ; turn++) {
  const flooder = base + Math.floor(turn / 10);
  const from = `203.${(flooder >> 8) & 255}.${flooder & 255}.7`;
  await Promise.all([ask(`198.51.100.${turn % 20}`), ...Array.from({ length: 30 }, () => ask(from))]);
  await Bun.sleep(50);
}

export {};
